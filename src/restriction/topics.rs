//! Manual texts that belong to several restrictions.

use crate::lookup::dnsxl_health;

/// A topic of the manual.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// Its name, beside those of the restrictions.
    pub name: &'static str,
    /// Its heading.
    pub heading: &'static str,
    /// Its text.
    pub manual: &'static str,
}

/// All topics.
pub static TOPICS: &[Topic] =
    &[Topic { name: "dns_lists", heading: "The watch on DNS lists", manual: dnsxl_health::MANUAL }];
