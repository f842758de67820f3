//! mailward

pub mod cli;
pub mod config;
pub mod decision;
pub mod dns;
pub mod lookup;
pub mod origin;
pub mod policy;
pub mod request;
pub mod restriction;
pub mod smtp;
pub mod table;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
