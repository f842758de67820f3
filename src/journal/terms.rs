//! What a row can be found by: hashes of addresses, networks, names, mailboxes and ids. They are in the file, so they
//! never change.

use super::row::Row;
use ipnet::IpNet;
use std::net::IpAddr;

/// Rows of a span.
pub(super) const SPAN: i64 = 4_096;
/// Buckets of a span.
pub(super) const BUCKETS: usize = 256;
/// Bytes of a hit: three of the hash, two of the row's place in the span.
pub(super) const HIT: usize = 5;
/// How many names above a name it can be found by, beside the registered one.
const PARENTS: usize = 5;

/// What kind of thing a term is: the same text of two kinds gives two terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An IP address.
    Address,
    /// A network of one of the lengths in [`lengths`].
    Network,
    /// A host or domain name: of the client, its HELO, the sender or the recipient.
    Name,
    /// A mail address of sender or recipient, or a login.
    Mailbox,
    /// A queue id.
    Queue,
    /// The name of a decision or of a message.
    Id,
}

/// The prefix lengths by which networks are found, the longest first.
pub(super) fn lengths(address: IpAddr) -> [u8; 2] {
    if address.is_ipv4() { [24, 16] } else { [64, 48] }
}

/// A term's hash: FNV-1a in 64 bits, folded.
pub(super) fn hash(kind: Kind, text: &str) -> u32 {
    let start = (0xcbf2_9ce4_8422_2325_u64 ^ kind as u64).wrapping_mul(0x100_0000_01b3);
    let step =
        |hash: u64, byte: u8| (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x100_0000_01b3);
    let hash = text.bytes().fold(start, step);
    let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    u32::try_from(mixed >> 32).unwrap_or(0)
}

/// The network of an address, cut to a length.
pub(super) fn network(address: IpAddr, length: u8) -> Option<IpNet> {
    IpNet::new(address, length).ok().map(|network| network.trunc())
}

/// The terms of a row.
pub(super) fn of(row: &Row<'_>, out: &mut Vec<u32>) {
    let from = out.len();
    if let Some(address) = row.client.as_deref().and_then(|text| text.parse::<IpAddr>().ok()) {
        out.push(hash(Kind::Address, &address.to_string()));
        let networks = lengths(address).into_iter().filter_map(|length| network(address, length));
        out.extend(networks.map(|network| hash(Kind::Network, &network.to_string())));
    }
    for name in row.client_name.iter().chain(row.helo.iter().filter(|_| row.helo != row.client_name)) {
        names(name, out);
    }
    for address in [&row.sender, &row.recipient].into_iter().flatten().filter(|address| !address.is_empty()) {
        out.push(hash(Kind::Mailbox, address));
        if let Some((_, domain)) = address.rsplit_once('@') {
            names(domain, out);
        }
    }
    if let Some(login) = &row.login {
        out.push(hash(Kind::Mailbox, login));
    }
    if let Some(id) = &row.queue_id {
        out.push(hash(Kind::Queue, id));
    }
    out.push(hash(Kind::Id, &row.decision));
    if let Some(message) = row.message.as_ref().filter(|message| **message != row.decision) {
        out.push(hash(Kind::Id, message));
    }
    out[from..].sort_unstable();
    // Only what this row added: the hits of one row need not be told twice.
    let mut kept = from;
    for at in from..out.len() {
        if at == from || out[at] != out[kept - 1] {
            out[kept] = out[at];
            kept += 1;
        }
    }
    out.truncate(kept);
}

/// A name and those above it, down to the one that somebody registered.
fn names(name: &str, out: &mut Vec<u32>) {
    let name = name.trim_end_matches('.');
    if name.is_empty() || name == crate::request::session::UNKNOWN {
        return;
    }
    let lower = name.to_ascii_lowercase();
    let registered = psl::domain_str(&lower).unwrap_or(&lower);
    out.push(hash(Kind::Name, registered));
    let mut rest = lower.as_str();
    for _ in 0..=PARENTS {
        if rest.len() <= registered.len() {
            break;
        }
        out.push(hash(Kind::Name, rest));
        rest = rest.split_once('.').map_or("", |(_, above)| above);
    }
}
