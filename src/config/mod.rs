//! The configuration: reading mailward.toml and its tables, collecting every fault.

pub mod settings;
