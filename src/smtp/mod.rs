//! The vocabulary of RFC 5321 and RFC 3463: addresses, host names, HELO names and replies.

pub mod address;
pub mod domain;
pub mod helo;
pub mod reply;
pub mod text;
