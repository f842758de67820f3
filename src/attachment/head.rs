//! What a part's header says: what the part is, how it is encoded, and what it is called.

use super::{
    facts::{Place, Trouble},
    fields::{Field, Kind},
    names,
    record::Record,
    words,
};

/// How a body is encoded for the transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    #[default]
    Identity,
    Base64,
    QuotedPrintable,
    Uuencode,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Is {
    /// Parts between delimiters; those of a digest are messages.
    Multipart { boundaries: Vec<Vec<u8>>, digest: bool },
    /// A header, and what it describes.
    Message,
    /// Text in which attachments may stand between the lines.
    Text,
    /// Text in which they may not: HTML, or the header of a message.
    Opaque,
    /// A picture, a sound or a film.
    Media,
    /// A BinHex file.
    BinHex,
    /// Anything else.
    Other,
}

/// A part's header, read.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) is: Is,
    pub(super) encoding: Encoding,
    /// Its name or type says that it is an archive or a message.
    pub(super) archive: bool,
    pub(super) message: bool,
}

/// Beginnings of types, or ends of names, of archives that may have something before them.
const ARCHIVE_TYPES: &[&str] =
    &["application/zip", "application/x-zip", "application/java-archive", "application/x-compressed"];
const ARCHIVE_NAMES: &[&str] = &[".zip", ".jar", ".zipx", ".xpi", ".apk", ".war"];
const MESSAGE_NAMES: &[&str] = &[".eml", ".mht", ".mhtml", ".nws"];

impl Head {
    /// Reads a header and reports its names. `message` is what a part is that does not say: a message in a digest.
    pub(super) fn read(fields: &[Field], in_digest: bool, record: &mut Record) -> Self {
        let of =
            |kind| fields.iter().filter(move |field| field.kind == kind).map(|field| field.value.as_slice());
        let types: Vec<String> = of(Kind::Type).map(media_type).collect();
        if let Some(first) = types.first() {
            record.media_type(first);
            if types.iter().any(|other| other != first) {
                record.ambiguous(Trouble::Types);
            }
        }
        let is = |prefix: &str| types.iter().any(|media| media.starts_with(prefix));
        let encoding = of(Kind::Encoding).map(encoding).find(|found| *found != Encoding::Identity);
        let multipart = is("multipart/") || is("x-sun-attachment");
        let message = !multipart && (is("message/") || types.is_empty() && in_digest);
        let text = types.is_empty() || is("text/") || types.iter().all(|media| !media.contains('/'));
        if message {
            record.hold();
        }
        let called = report(fields, text, record);
        let ends = |ends: &[&str]| ends.iter().any(|end| called.ends_with(end));
        let head = |what| Self {
            is: what,
            encoding: encoding.unwrap_or_default(),
            archive: ARCHIVE_TYPES.iter().any(|prefix| is(prefix)) || ends(ARCHIVE_NAMES),
            message: ends(MESSAGE_NAMES),
        };
        if multipart {
            let mut boundaries = Vec::new();
            of(Kind::Type).for_each(|value| names::boundaries(value, record, &mut boundaries));
            if is("x-sun-attachment") {
                boundaries.push(b"--------".to_vec());
            }
            return head(Is::Multipart { boundaries, digest: is("multipart/digest") });
        }
        if message {
            return head(Self::message(&types, of(Kind::Type), record));
        }
        head(match () {
            () if is("application/mac-binhex") => Is::BinHex,
            () if is("text/html") || is("text/rfc822-headers") || is("text/css") => Is::Opaque,
            () if text => Is::Text,
            () if is("image/") || is("audio/") || is("video/") => Is::Media,
            () => Is::Other,
        })
    }

    /// What a message/* is: a piece of a message is one only if it is the first.
    fn message<'a>(types: &[String], values: impl Iterator<Item = &'a [u8]>, record: &mut Record) -> Is {
        let is = |prefix: &str| types.iter().any(|media| media.starts_with(prefix));
        if is("message/external-body") {
            // Its name is that of the file elsewhere, not of the message here.
            record.release(true);
        }
        if is("message/partial") {
            record.partial();
            let number = values.filter_map(|value| names::number(value, record)).next();
            if number.is_some_and(|number| number > 1) {
                record.release(false);
                return Is::Text;
            }
        }
        Is::Message
    }
}

/// Reports the names; what stands in other fields only where nothing else names the part. The last name, in lower
/// case.
fn report(fields: &[Field], text: bool, record: &mut Record) -> String {
    for field in fields {
        match field.kind {
            Kind::Type => names::of_parameters(Place::Type, &field.value, record),
            Kind::Disposition => names::of_parameters(Place::Disposition, &field.value, record),
            Kind::ContentName => names::of_value(Place::ContentName, &field.value, record),
            Kind::SunDataName => names::of_value(Place::SunDataName, &field.value, record),
            Kind::Encoding | Kind::Description | Kind::Location => {}
        }
    }
    if record.called().is_empty() && !text {
        for field in fields {
            let is_url = field.value.contains(&b':') || field.value.starts_with(b"//");
            match field.kind {
                Kind::Description => names::of_value(Place::Description, &field.value, record),
                Kind::Location if !is_url => names::of_value(Place::Location, &field.value, record),
                Kind::Location
                | Kind::Type
                | Kind::Disposition
                | Kind::ContentName
                | Kind::SunDataName
                | Kind::Encoding => {}
            }
        }
    }
    record.called().to_lowercase()
}

/// The type of a Content-Type field in lower case, without blanks and comments, up to its parameters.
fn media_type(value: &[u8]) -> String {
    let decoded = value.trim_ascii_start().starts_with(b"=?").then(|| words::decode(value)).flatten();
    let value = decoded.as_ref().map_or(value, |text| text.as_bytes());
    let mut depth = 0_usize;
    let mut media = String::new();
    for byte in value {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b';' | b',' => break,
            _ if depth == 0 && byte.is_ascii_graphic() && *byte != b'"' => {
                media.push(char::from(byte.to_ascii_lowercase()));
            }
            _ => {}
        }
        if media.len() > 255 {
            break;
        }
    }
    media
}

fn encoding(value: &[u8]) -> Encoding {
    let value = media_type(value);
    if value.contains("base64") {
        Encoding::Base64
    } else if value.contains("quoted") {
        Encoding::QuotedPrintable
    } else if value.contains("uue") || value.contains("uucode") {
        Encoding::Uuencode
    } else {
        Encoding::Identity
    }
}
