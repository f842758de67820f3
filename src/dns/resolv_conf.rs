//! The name servers of /etc/resolv.conf, as resolv.conf(5) says. Its search list does not concern us (Postfix switches
//! it off), its options are ours.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::SystemTime,
};

/// libresolv's MAXNS.
const SERVER_LIMIT: usize = 3;
/// The port of DNS.
const PORT: u16 = 53;

/// Where the system's servers are written.
pub(super) const PATH: &str = "/etc/resolv.conf";

/// The system's servers; the one on this host if the file does not exist or names none.
pub(super) fn system() -> io::Result<Vec<SocketAddr>> {
    match std::fs::read(PATH) {
        Ok(text) => Ok(servers(&String::from_utf8_lossy(&text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(servers("")),
        Err(error) => Err(error),
    }
}

/// When the file was last changed; `None` if it cannot be looked at.
pub(super) fn changed() -> Option<SystemTime> {
    std::fs::metadata(PATH).and_then(|metadata| metadata.modified()).ok()
}

fn servers(text: &str) -> Vec<SocketAddr> {
    let mut servers: Vec<SocketAddr> = text.lines().filter_map(server).take(SERVER_LIMIT).collect();
    if servers.is_empty() {
        servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    }
    servers
}

/// As libresolv: the keyword begins the line, and a line that cannot be read is none.
fn server(line: &str) -> Option<SocketAddr> {
    let rest = line.strip_prefix("nameserver")?;
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    let address = rest.split_whitespace().next()?;
    match address.split_once('%') {
        None => Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, PORT)),
        // A link-local address with the number of its interface.
        Some((address, scope)) => {
            let address = address.parse().ok()?;
            Some(std::net::SocketAddrV6::new(address, PORT, 0, interface(scope)?).into())
        }
    }
}

fn interface(scope: &str) -> Option<u32> {
    if let Ok(number) = scope.parse() {
        return Some(number);
    }
    // No path out of the directory.
    if scope.is_empty() || scope.contains('/') || scope.starts_with('.') {
        return None;
    }
    std::fs::read_to_string(format!("/sys/class/net/{scope}/ifindex")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_libresolv_reads_them() {
        let cases = [
            ("", vec!["127.0.0.1:53"]),
            ("# nameserver 192.0.2.9\n;nameserver 192.0.2.9\nsearch example\n", vec!["127.0.0.1:53"]),
            ("nameserver 192.0.2.1\n", vec!["192.0.2.1:53"]),
            (
                "nameserver\t192.0.2.1  # first\r\nnameserver 2001:db8::1\noptions timeout:1",
                vec!["192.0.2.1:53", "[2001:db8::1]:53"],
            ),
            ("nameserver fe80::1%2\n", vec!["[fe80::1%2]:53"]),
            ("nameserver fe80::1%no/such\nnameserverX 192.0.2.1\nnameserver nonsense", vec!["127.0.0.1:53"]),
            (
                "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4",
                vec!["192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"],
            ),
        ];
        for (text, want) in cases {
            let servers: Vec<String> = servers(text).iter().map(ToString::to_string).collect();
            assert_eq!(servers, want, "{text:?}");
        }
    }
}
