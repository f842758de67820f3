//! What a row can be found by: hashes of addresses, networks, names, mailboxes and ids. They are in the file, so they
//! never change.

use super::row::Row;
use ipnet::IpNet;
use std::net::IpAddr;

/// Rows of a span. Each bucket's hits go to a place of their own in the file, so the longer a span is, the less is written.
pub(super) const SPAN: i64 = 16_384;
/// Buckets of a span.
pub(super) const BUCKETS: u32 = 256;
/// Bytes of a hit: two of the hash, two of the row's place in the span. With its bucket's that is a hash of 24 bits: a few
/// rows in millions are looked at in vain.
pub(super) const HIT: usize = 4;
/// How many names below the registered one a name can be found by.
const LEVELS: usize = 5;

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

/// The bucket of a hash, and what its hits begin with there.
pub(super) fn bucket(hash: u32) -> (u32, u16) {
    let [bucket, a, b, _] = hash.to_be_bytes();
    (bucket.into(), u16::from_be_bytes([a, b]))
}

/// A hit as it stands in the file, from its hash and the row's place in its span.
pub(super) fn hit(hash: u32, place: u16) -> [u8; HIT] {
    let ([_, a, b, _], [c, d]) = (hash.to_be_bytes(), place.to_be_bytes());
    [a, b, c, d]
}

/// What a hit begins with, and the row's place.
pub(super) fn parts(hit: [u8; HIT]) -> (u16, i64) {
    let [a, b, c, d] = hit;
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]).into())
}

/// The prefix lengths by which networks are found, the longest first.
pub(super) fn lengths(address: IpAddr) -> [u8; 2] {
    if address.is_ipv4() { [24, 16] } else { [64, 48] }
}

/// A text's hash, in any case of letters.
pub(super) fn hash(kind: Kind, text: &str) -> u32 {
    hash_bytes(kind, text.bytes().map(|byte| byte.to_ascii_lowercase()))
}

/// An address's hash.
pub(super) fn hash_address(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => hash_bytes(Kind::Address, address.octets()),
        IpAddr::V6(address) => hash_bytes(Kind::Address, address.octets()),
    }
}

/// The hash of a network of one of the lengths in [`lengths`].
pub(super) fn hash_network(network: IpNet) -> u32 {
    let length = [network.prefix_len()];
    match network.network() {
        IpAddr::V4(address) => hash_bytes(Kind::Network, address.octets().into_iter().chain(length)),
        IpAddr::V6(address) => hash_bytes(Kind::Network, address.octets().into_iter().chain(length)),
    }
}

/// FNV-1a in 64 bits, mixed and folded.
fn hash_bytes(kind: Kind, bytes: impl IntoIterator<Item = u8>) -> u32 {
    const PRIME: u64 = 0x100_0000_01b3;
    let start = (0xcbf2_9ce4_8422_2325_u64 ^ kind as u64).wrapping_mul(PRIME);
    let hash = bytes.into_iter().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
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
        out.push(hash_address(address));
        let networks = lengths(address).into_iter().filter_map(|length| network(address, length));
        out.extend(networks.map(hash_network));
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

/// A name's terms: the one that somebody registered, and those below it.
fn names(name: &str, out: &mut Vec<u32>) {
    let name = name.trim_end_matches('.');
    if name.is_empty() || name == crate::request::session::UNKNOWN {
        return;
    }
    out.extend(levels(&name.to_ascii_lowercase()).map(|name| hash(Kind::Name, name)));
}

/// A name in lower case from the registered one downwards, as far as rows are indexed.
pub(super) fn levels(name: &str) -> impl Iterator<Item = &str> {
    let registered = psl::domain_str(name).unwrap_or(name);
    let below = |shorter: &&str| {
        let dot = (name.len() - shorter.len()).checked_sub(1)?;
        name.get(name.get(..dot)?.rfind('.').map_or(0, |at| at + 1)..)
    };
    std::iter::successors(Some(registered), below).take(1 + LEVELS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn hashes_stay_what_they_are_in_the_files() {
        let network: IpNet = "192.0.2.0/24".parse().unwrap();
        let hashes = [
            hash(Kind::Name, "Example.NET"),
            hash(Kind::Mailbox, "a@example.net"),
            hash_address("192.0.2.1".parse().unwrap()),
            hash_address("2001:db8::1".parse().unwrap()),
            hash_network(network),
        ];
        assert_eq!(hashes, [2_954_952_705, 364_833_668, 3_269_368_364, 3_531_428_766, 3_655_050_759]);
    }

    #[test]
    fn a_row_is_found_by_each_name_above_down_to_the_registered_one() {
        let found = |name: &str, wanted: &str| {
            let row = Row { client_name: Some(Cow::Borrowed(name)), ..Row::default() };
            let mut terms = Vec::new();
            of(&row, &mut terms);
            terms.contains(&hash(Kind::Name, wanted))
        };
        let cases = [
            ("a.b.example.co.uk", "a.b.example.co.uk", true),
            ("a.b.example.co.uk", "b.example.co.uk", true),
            ("a.b.example.co.uk", "example.co.uk", true),
            ("a.b.example.co.uk", "co.uk", false),
            ("A.B.example.ORG", "b.example.org", true),
            ("1.2.3.4.5.6.7.8.9.example.org", "example.org", true),
            ("1.2.3.4.5.6.7.8.9.example.org", "5.6.7.8.9.example.org", true),
            ("1.2.3.4.5.6.7.8.9.example.org", "4.5.6.7.8.9.example.org", false),
            ("localhost", "localhost", true),
            ("unknown", "unknown", false),
        ];
        for (name, wanted, is_found) in cases {
            assert_eq!(found(name, wanted), is_found, "{name} {wanted}");
        }
    }
}
