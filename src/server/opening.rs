//! The packets up to CONNECT, rewritten where the milter library could not read them.
//!
//! Sendmail writes an IPv6 address as `IPv6:2001:db8::1`, which libmilter strips, and Postfix writes `unknown` for a
//! client whose address it does not know. indymilter ends the session at both. Here the first loses its prefix, and the
//! second becomes the family "unknown", which has no address.

use std::net::IpAddr;

/// The longest packet that is held back until it is complete; longer ones come from no MTA before CONNECT.
const PACKET_LIMIT: usize = 64 * 1024;

/// The length of a packet's head: its size without itself, in network order.
const HEAD: usize = 4;

/// Bytes on their way to the library.
#[derive(Debug, Default)]
pub(super) struct Opening {
    held: Vec<u8>,
    ready: Vec<u8>,
    /// CONNECT came, or something that is no opening: what follows passes as it is.
    over: bool,
}

impl Opening {
    /// Whether bytes need not come here any more.
    pub(super) fn is_over(&self) -> bool {
        self.over && self.ready.is_empty()
    }

    /// Takes bytes from the MTA.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        while !self.over {
            let Some((head, rest)) = self.held.split_first_chunk::<HEAD>() else { return };
            let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
            if length == 0 || length > PACKET_LIMIT {
                return self.end();
            }
            let Some(packet) = rest.get(..length) else { return };
            match packet {
                [b'C', data @ ..] => {
                    let connect = connect(data).unwrap_or_else(|| data.to_vec());
                    let length = u32::try_from(connect.len() + 1).unwrap_or(u32::MAX);
                    self.ready.extend_from_slice(&length.to_be_bytes());
                    self.ready.push(b'C');
                    self.ready.extend_from_slice(&connect);
                    self.over = true;
                }
                _ => self.ready.extend_from_slice(&self.held[..HEAD + length]),
            }
            self.held.drain(..HEAD + length);
        }
        self.end();
    }

    /// Nothing more comes, or nothing more is to be held back.
    pub(super) fn end(&mut self) {
        self.over = true;
        self.ready.append(&mut self.held);
    }

    /// Takes up to `most` bytes for the library.
    pub(super) fn take(&mut self, most: usize) -> Vec<u8> {
        let most = most.min(self.ready.len());
        self.ready.drain(..most).collect()
    }
}

/// The data of CONNECT with an address that the library reads; `None` if nothing needs to be done.
fn connect(data: &[u8]) -> Option<Vec<u8>> {
    let end = data.iter().position(|byte| *byte == 0)?;
    let (host, rest) = data.split_at(end + 1);
    let (b'4' | b'6', [port @ .., 0]) = rest.split_first()? else { return None };
    let (port, address) = port.split_at_checked(2)?;
    let text = std::str::from_utf8(address).ok();
    let text = text.map(|text| match text.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("ipv6:") => &text[5..],
        _ => text,
    });
    let Some(address) = text.and_then(|text| text.parse::<IpAddr>().ok()) else {
        return Some([host, b"U"].concat());
    };
    let family = if address.is_ipv4() { b"4" } else { b"6" };
    Some([host, family, port, address.to_string().as_bytes(), b"\0"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(kind: u8, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len() + 1).unwrap();
        [&length.to_be_bytes()[..], &[kind], data].concat()
    }

    fn passed(bytes: &[u8], chunk: usize) -> Vec<u8> {
        let (mut opening, mut out) = (Opening::default(), Vec::new());
        for chunk in bytes.chunks(chunk) {
            if opening.is_over() {
                out.extend_from_slice(chunk);
            } else {
                opening.feed(chunk);
            }
            out.extend(opening.take(3));
            out.extend(opening.take(usize::MAX));
        }
        opening.end();
        out.extend(opening.take(usize::MAX));
        out
    }

    #[test]
    fn connect_is_made_readable_and_all_else_passes_as_it_is() {
        let cases: [(&[u8], &[u8]); 7] = [
            (b"h\x004\x9c\x40192.0.2.1\0", b"h\x004\x9c\x40192.0.2.1\0"),
            (b"h\x006\x9c\x40IPv6:2001:db8::1\0", b"h\x006\x9c\x402001:db8::1\0"),
            (b"h\x006\0\x19ipv6:::ffff:192.0.2.1\0", b"h\x006\0\x19::ffff:192.0.2.1\0"),
            (b"[unknown]\x004\0\0unknown\0", b"[unknown]\x00U"),
            (b"h\x00U", b"h\x00U"),
            (b"localhost\x00L\0\0/run/x\0", b"localhost\x00L\0\0/run/x\0"),
            (b"no end", b"no end"),
        ];
        let before = [packet(b'O', &[0; 12]), packet(b'D', b"Cj\0mx\0")].concat();
        let after = [packet(b'H', b"helo\0"), packet(b'C', b"h\x004\0\0unknown\0")].concat();
        for (wire, want) in cases {
            let bytes = [before.clone(), packet(b'C', wire), after.clone()].concat();
            let want = [before.clone(), packet(b'C', want), after.clone()].concat();
            for chunk in [1, 2, 3, 7, 1_000] {
                assert_eq!(passed(&bytes, chunk), want, "{:?}", wire.escape_ascii().to_string());
            }
        }
    }

    #[test]
    fn what_is_no_opening_passes_at_once() {
        for bytes in [
            &[0, 0, 0, 0, b'H'][..],
            &[0xff, 0xff, 0xff, 0xff, b'H', b'x'],
            &[0, 0],
            b"GET / HTTP/1.0\r\n\r\n",
        ] {
            assert_eq!(passed(bytes, 2), bytes);
        }
    }
}
