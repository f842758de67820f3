//! The client's names where the MTA did not tell them: what Postfix's smtpd_peer.c does, as a pure function.

use super::{Lookups, Pending, answers::DnsAnswer};
use crate::{
    request::session::{Identity, NameStatus},
    smtp::domain::{self, Domain},
};
use std::net::IpAddr;

/// The names of a client's address: PTR, then the name's addresses of the same family.
///
/// # Errors
/// [`Pending`] until the answers are there.
pub fn identity(address: IpAddr, lookups: &mut Lookups<'_>) -> Result<Identity, Pending> {
    let reverse = match lookups.ptr(address)? {
        DnsAnswer::Records(names) => names.first().map_or("", |name| name.as_ref()),
        DnsAnswer::Temporary(_) => return Ok(Identity::nameless(NameStatus::Temporary)),
        DnsAnswer::NotFound
        | DnsAnswer::NullMx
        | DnsAnswer::Invalid
        | DnsAnswer::SetAside
        | DnsAnswer::Failed(_) => "",
    };
    if !domain::valid_hostname(reverse) || domain::is_address(reverse) {
        return Ok(Identity::nameless(NameStatus::Missing));
    }
    let name = Domain::for_query(reverse);
    let (found, temporary) = match address {
        IpAddr::V4(address) => leads_back(lookups.a(name.as_ref())?, &address),
        IpAddr::V6(address) => leads_back(lookups.aaaa(name.as_ref())?, &address),
    };
    Ok(match (found, temporary) {
        (true, _) => Identity::verified(reverse),
        (false, true) => Identity::unverified(reverse, NameStatus::Temporary),
        (false, false) => Identity::unverified(reverse, NameStatus::Forged),
    })
}

fn leads_back<T: PartialEq>(answer: &DnsAnswer<T>, address: &T) -> (bool, bool) {
    (answer.records().contains(address), matches!(answer, DnsAnswer::Temporary(_)))
}
