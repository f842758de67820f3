//! Asking the DNS adapter in tests.

use super::dns::DnsServer;
use mailward::{config::settings, dns::Dns, lookup::Lookup, smtp::domain::Domain};
use std::{net::SocketAddr, time::Duration};

/// Long enough that a busy machine is not taken for a dead server.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// For servers that never answer.
pub const IMPATIENCE: Duration = Duration::from_secs(1);

/// The adapter's settings.
pub fn settings(servers: &[SocketAddr], timeout: Duration, tries: u32) -> settings::Dns {
    settings::Dns { nameservers: servers.to_vec(), timeout, tries, ..settings::Dns::default() }
}

/// An adapter that asks one server once.
pub fn dns(server: &DnsServer) -> Dns {
    Dns::new(&settings(&[server.address()], PATIENCE, 1)).unwrap()
}

/// `A mail.example`, `PTR 192.0.2.1`.
pub fn lookup(text: &str) -> Lookup {
    let (kind, name) = text.split_once(' ').unwrap();
    let domain = || Domain::for_query(name).unwrap_or_else(|| panic!("{name}"));
    match kind {
        "A" => Lookup::A(domain()),
        "AAAA" => Lookup::Aaaa(domain()),
        "MX" => Lookup::Mx(domain()),
        "NS" => Lookup::Ns(domain()),
        "TXT" => Lookup::Txt(domain()),
        "PTR" => Lookup::Ptr(name.parse().unwrap()),
        _ => panic!("{kind}"),
    }
}

/// The answer as traces show it.
pub async fn ask(dns: &Dns, question: &str) -> String {
    dns.ask(&lookup(question)).await.to_string()
}
