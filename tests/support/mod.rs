//! What several integration tests need; each includes it with `mod support;`.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    reason = "every test binary compiles all of this and uses a part of it"
)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

pub mod asking;
pub mod content;
pub mod dialogue;
pub mod directory;
pub mod dns;
pub mod doctor;
pub mod greylist;
pub mod hostile;
pub mod login;
pub mod mailward;
pub mod milter;
pub mod played;
pub mod policy_server;
pub mod postfix;
pub mod postgrey;
pub mod recorded;
pub mod reported;
pub mod servers;
pub mod sink;
pub mod smtp;
pub mod stage;
pub mod wire;
