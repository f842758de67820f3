//! What a file is, by its first bytes.

use super::{Hints, tar};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Magic {
    Zip,
    Tnef,
    Gzip,
    Tar,
    Rar4,
    Rar5,
    /// A message that begins so many bytes further on.
    Message(usize),
    /// An archive that cannot be read forward, by its usual name.
    Format(&'static str),
    /// Nothing but zeros, as an image of a disk begins.
    Blank,
    Unknown,
}

/// Archives that are only recognised: where the mark stands, and the mark.
const FORMATS: &[(usize, &[u8], &str)] = &[
    (0, b"7z\xBC\xAF\x27\x1C", "7z"),
    (0, b"MSCF", "cabinet"),
    (0, b"\xFD7zXZ\0", "xz"),
    (0, b"BZh", "bzip2"),
    (0, b"\x28\xB5\x2F\xFD", "Zstandard"),
    (0, b"\x1F\x9D", "compress"),
    (0, b"\x1F\xA0", "compress"),
    (0, b"LZIP", "lzip"),
    (0, b"\x60\xEA", "ARJ"),
    (2, b"-lh", "LHA"),
    (2, b"-lz", "LHA"),
    (7, b"**ACE**", "ACE"),
    (0, b"MSWIM\0\0\0", "WIM"),
    (0, b"vhdxfile", "VHDX"),
    (0, b"conectix", "VHD"),
    (0, b"xar!", "xar"),
    (0, b"ISc(", "InstallShield"),
    (0, b"ZOO ", "zoo"),
    (0, b"ALZ\x01", "ALZ"),
    (0, b"EGGA", "EGG"),
    (0, b"7kSt", "ZPAQ"),
    (0, b"SQSH", "squashfs"),
    (0, b"hsqs", "squashfs"),
];

/// Fields with which messages begin.
const FIELDS: &[&[u8]] = &[
    b"received",
    b"return-path",
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"mime-version",
    b"sender",
    b"reply-to",
    b"delivered-to",
    b"x-",
    b"content-",
    b"dkim-signature",
    b"arc-",
    b"authentication-results",
    b"envelope-to",
    b"thread-",
    b"in-reply-to",
    b"references",
    b"list-",
    b"importance",
    b"user-agent",
];

impl Magic {
    pub(super) fn of(head: &[u8], hints: Hints) -> Self {
        let is = |mark: &[u8]| head.starts_with(mark);
        if is(b"PK\x03\x04") || is(b"PK\x05\x06") || is(b"PK\x07\x08") || is(b"PK00") || is(b"Cr24") {
            return Self::Zip;
        }
        if is(b"\x78\x9F\x3E\x22") {
            return Self::Tnef;
        }
        if is(b"\x1F\x8B\x08") {
            return Self::Gzip;
        }
        if is(b"Rar!\x1A\x07\x00") {
            return Self::Rar4;
        }
        if is(b"Rar!\x1A\x07\x01\x00") {
            return Self::Rar5;
        }
        if let Some((.., format)) =
            FORMATS.iter().find(|(at, mark, _)| head.get(*at..).is_some_and(|from| from.starts_with(mark)))
        {
            return Self::Format(format);
        }
        if tar::is_header(head) {
            return Self::Tar;
        }
        if let Some(at) = signed(head) {
            return Self::Message(at);
        }
        if hints.message || hints.unknown && is_message(head) {
            return Self::Message(0);
        }
        match () {
            () if hints.archive => Self::Zip,
            () if head.len() == super::HEAD && head.iter().all(|byte| *byte == 0) => Self::Blank,
            () => Self::Unknown,
        }
    }
}

/// Whether the first line is a field with which messages begin, and the second a field or more of the first.
fn is_message(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n');
    let name = |line: &[u8]| {
        let colon = line.iter().take(77).position(|byte| *byte == b':')?;
        let name = line.get(..colon)?.trim_ascii_end();
        (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then(|| name.to_ascii_lowercase())
    };
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else { return false };
    let Some(first) = name(first) else { return false };
    let known = FIELDS
        .iter()
        .any(|field| if field.ends_with(b"-") { first.starts_with(field) } else { first == **field });
    known
        && (second.starts_with(b" ")
            || second.starts_with(b"\t")
            || second.trim_ascii().is_empty()
            || name(second).is_some())
}

/// Where the message begins in an opaque signature (RFC 5652): SignedData, and in its first bytes a header.
fn signed(head: &[u8]) -> Option<usize> {
    const SIGNED_DATA: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02";
    let begins = head.first() == Some(&0x30) && memchr::memmem::find(head.get(..32)?, SIGNED_DATA).is_some();
    if !begins {
        return None;
    }
    let lower = head.to_ascii_lowercase();
    memchr::memmem::find(&lower, b"content-")
        .into_iter()
        .chain(memchr::memmem::find(&lower, b"mime-version"))
        .min()
}
