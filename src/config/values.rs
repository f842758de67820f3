//! Sockets, networks and DNS servers as an administrator writes them.

use super::settings::{ControlSocket, Socket};
use crate::{
    origin::{Fault, Word},
    smtp::domain::{self, Domain},
};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// The longest path of a unix socket, in bytes (unix(7): 108 with the final NUL).
const SOCKET_PATH_LIMIT: usize = 107;
/// The port of DNS (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;

/// Reads `unix:/path`, `inet:ADDRESS:PORT` or `inet:PORT@ADDRESS`.
pub(super) fn socket(word: &Word) -> Result<Socket, Fault> {
    let forms = "write `unix:/path` or `inet:127.0.0.1:8895`";
    let Some((kind, rest)) = word.text.split_once(':') else {
        return Err(word.error(format!("`{}` is not a socket", word.text)).help(forms));
    };
    match kind {
        "unix" | "local" => unix_socket(word, rest),
        "inet" | "inet6" => inet_socket(word, rest),
        _ => Err(word.error(format!("unknown kind of socket `{kind}:`")).help(forms)),
    }
}

fn unix_socket(word: &Word, path: &str) -> Result<Socket, Fault> {
    if !path.starts_with('/') {
        return Err(word.error(format!("the socket's path `{path}` does not begin with `/`")));
    }
    if path.len() > SOCKET_PATH_LIMIT || path.contains('\0') {
        return Err(word.error(format!("a socket's path has at most {SOCKET_PATH_LIMIT} bytes and no NUL")));
    }
    Ok(Socket::Unix { path: PathBuf::from(path), mode: 0o660, group: None })
}

fn inet_socket(word: &Word, rest: &str) -> Result<Socket, Fault> {
    let (host, port) = match rest.split_once('@') {
        Some((port, host)) => (host, port),
        None => rest.rsplit_once(':').ok_or_else(|| {
            let fault = word.error(format!("`{}` has no address and port", word.text));
            let port = if port_number(rest).is_some() { rest } else { "8895" };
            fault.help(format!("write `inet:127.0.0.1:{port}`"))
        })?,
    };
    let Some(port) = port_number(port) else {
        return Err(word.error(format!("`{port}` is not a port")).help("a port is a number from 1 to 65535"));
    };
    match domain::address(unbracketed(host)) {
        Some(IpAddr::V6(_)) if !host.starts_with('[') && !rest.contains('@') => {
            let fault = word.error(format!("the IPv6 address `{host}` stands without brackets"));
            Err(fault.help(format!("write `inet:[{host}]:{port}`")))
        }
        Some(address) => Ok(Socket::Inet(SocketAddr::new(address, port))),
        None => {
            let fault = word.error(format!("`{host}` is not an IP address"));
            Err(fault.help(format!("write the address, such as `inet:127.0.0.1:{port}`")))
        }
    }
}

fn port_number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Reads `control_socket`: a path, `off`, or nothing.
pub(super) fn control_socket(word: &Word) -> Result<ControlSocket, Fault> {
    match word.text.as_str() {
        "" => Ok(ControlSocket::Usual),
        "off" => Ok(ControlSocket::Off),
        path => match unix_socket(word, path.strip_prefix("unix:").unwrap_or(path))? {
            Socket::Unix { path, .. } => Ok(ControlSocket::At(path)),
            Socket::Inet(_) => Ok(ControlSocket::Usual),
        },
    }
}

/// Reads `[metrics] listen`: `ADDRESS:PORT` of this machine alone, `unix:/path`, or nothing.
pub(super) fn metrics(word: &Word) -> Result<Option<Socket>, Fault> {
    let socket = match word.text.as_str() {
        "" => return Ok(None),
        text if text.starts_with("unix:") || text.starts_with("inet:") => socket(word)?,
        text => inet_socket(word, text)
            .map_err(|fault| fault.help("write `127.0.0.1:9145`, `[::1]:9145` or `unix:/path`"))?,
    };
    match &socket {
        Socket::Inet(address) if !address.ip().to_canonical().is_loopback() => {
            let fault = word.error(format!("other machines reach {address}, and could read the metrics"));
            Err(fault
                .help("listen on 127.0.0.1 or [::1], and let a web server with access control pass it on"))
        }
        Socket::Inet(_) | Socket::Unix { .. } => Ok(Some(socket)),
    }
}

/// Reads a DNS server: `ADDRESS` or `ADDRESS:PORT`, IPv6 with a port in brackets.
pub(super) fn nameserver(word: &Word) -> Result<SocketAddr, Fault> {
    let text = word.text.as_str();
    if let Some(address) = domain::address(unbracketed(text)) {
        return Ok(SocketAddr::new(address, DNS_PORT));
    }
    let server = text.rsplit_once(':').and_then(|(host, port)| {
        let address = domain::address(unbracketed(host))?;
        Some(SocketAddr::new(address, port_number(port)?))
    });
    server.ok_or_else(|| {
        let fault = word.error(format!("`{text}` is not a DNS server"));
        fault.help("write an IP address, with a port if it is not 53: `127.0.0.1:5353`, `[::1]:5353`")
    })
}

/// Reads the zone of a DNS list.
pub(super) fn zone(word: &Word) -> Result<Domain, Fault> {
    Domain::for_query(&word.text).ok_or_else(|| {
        let fault = word.error(format!("`{}` is not a DNS list", word.text));
        fault.help("write its zone as it stands in the restrictions, such as `list.example.org`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Origin;

    fn word(text: &str) -> Word {
        Word { text: text.to_owned(), origin: Origin::new("t", 1, 1) }
    }

    #[test]
    fn sockets_are_read_in_postfix_and_sendmail_notation() {
        let inet = |text: &str| Some(Socket::Inet(text.parse().unwrap()));
        let unix = |path: &str| Some(Socket::Unix { path: path.into(), mode: 0o660, group: None });
        let cases = [
            ("inet:127.0.0.1:8895", inet("127.0.0.1:8895")),
            ("inet:[::1]:8895", inet("[::1]:8895")),
            ("inet:8895@127.0.0.1", inet("127.0.0.1:8895")),
            ("inet6:8895@::1", inet("[::1]:8895")),
            ("unix:/run/m.sock", unix("/run/m.sock")),
            ("local:/run/m.sock", unix("/run/m.sock")),
            ("unix:m.sock", None),
            ("inet:8895", None),
            ("inet:localhost:8895", None),
            ("inet:127.0.0.1:0", None),
            ("inet:127.0.0.1:65536", None),
            ("inet:::1:8895", None),
            ("inet:127.0.0.1:+5", None),
            ("tcp:127.0.0.1:1", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(socket(&word(text)).ok(), want, "{text}");
        }
        assert!(socket(&word(&format!("unix:/{}", "x".repeat(107)))).is_err());
    }

    #[test]
    fn metrics_are_for_this_machine_alone() {
        let inet = |text: &str| Some(Some(Socket::Inet(text.parse().unwrap())));
        let cases = [
            ("", Some(None)),
            ("127.0.0.1:9145", inet("127.0.0.1:9145")),
            ("inet:127.0.0.1:9145", inet("127.0.0.1:9145")),
            ("[::1]:9145", inet("[::1]:9145")),
            ("0.0.0.0:9145", None),
            ("[::]:9145", None),
            ("192.0.2.1:9145", None),
            ("localhost:9145", None),
            ("9145", None),
        ];
        for (text, want) in cases {
            assert_eq!(metrics(&word(text)).ok(), want, "{text}");
        }
        assert!(matches!(metrics(&word("unix:/run/m.sock")), Ok(Some(Socket::Unix { .. }))));
        assert_eq!(control_socket(&word("off")), Ok(ControlSocket::Off));
        assert_eq!(control_socket(&word("/run/c.sock")), Ok(ControlSocket::At("/run/c.sock".into())));
        assert!(control_socket(&word("control.sock")).is_err());
    }

    #[test]
    fn nameservers_have_a_port() {
        let cases = [
            ("127.0.0.1", Some("127.0.0.1:53")),
            ("127.0.0.1:5353", Some("127.0.0.1:5353")),
            ("::1", Some("[::1]:53")),
            ("[::1]", Some("[::1]:53")),
            ("[::1]:5353", Some("[::1]:5353")),
            ("localhost:53", None),
            ("127.0.0.1:", None),
        ];
        for (text, want) in cases {
            assert_eq!(
                nameserver(&word(text)).ok().map(|server| server.to_string()).as_deref(),
                want,
                "{text}"
            );
        }
    }
}
