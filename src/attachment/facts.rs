//! What a walk found: names that are banned or marked, what could not be followed, and the tree of parts.

use serde::Serialize;
use std::{cmp::Ordering, fmt};

/// What is known about a message's attachments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// What each set of rules found: what is banned first, each in the order of the parts; bounded by `findings`.
    pub findings: Vec<Vec<Finding>>,
    /// The message cannot be followed to its end.
    pub unparsable: Option<Trouble>,
    /// Mail programs disagree about what the message holds.
    pub ambiguous: Option<Trouble>,
    /// A pattern was given up for a name: it takes too long.
    pub gave_up: Option<String>,
    /// Every part with every name in every reading, if they were wanted.
    pub tree: Option<Vec<Part>>,
}

impl Facts {
    /// The first name that a set of rules bans.
    pub fn banned(&self, rules: usize) -> Option<&Finding> {
        self.findings.get(rules)?.iter().find(|finding| finding.banned)
    }
}

/// A name that a set of rules bans or marks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it is banned; else it is only marked.
    pub banned: bool,
    /// The name as the sender wrote it, at most [`SHOWN`] characters of its end. Foreign text: escape it.
    pub written: String,
    /// What a mail program may make of it: the text that was judged, as bounded.
    pub reading: String,
    /// Why.
    pub reason: Reason,
    /// The part in which it stands, such as `1.2`.
    pub part: String,
    /// Where in the part it stands.
    pub source: Place,
}

impl Finding {
    /// What is banned comes first, then the part that comes first.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let part = |finding: &Self| numbers(&finding.part);
        let key = |finding: &Self| (!finding.banned, part(finding), finding.source);
        key(self).cmp(&key(other)).then_with(|| {
            let rest =
                |finding: &Self| (finding.reading.clone(), finding.written.clone(), finding.reason.clone());
            rest(self).cmp(&rest(other))
        })
    }
}

/// The number of a part, so that 2 comes before 10.
pub(super) fn numbers(part: &str) -> Vec<u32> {
    part.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}

/// So many characters of a name are kept; its end, where the extension is.
pub const SHOWN: usize = 255;

/// Why a name is banned or marked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its extension is in the list.
    Extension(String),
    /// One of `banned_patterns` matches; as it was written.
    Pattern(String),
    /// An extension that runs or opens something stands behind that of a document.
    DoubleExtension(String),
    /// Its extension is a class identifier of Windows.
    ClassId,
    /// The archive is not readable, or encrypted.
    Archive(Unreadable),
    /// A piece of a message that is put together only at the recipient.
    Partial,
}

/// The words of the reply.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extension(extension) | Self::DoubleExtension(extension) => f.write_str(extension),
            Self::Pattern(pattern) => f.write_str(pattern),
            Self::ClassId => f.write_str("class identifier"),
            Self::Archive(unreadable) => unreadable.fmt(f),
            Self::Partial => f.write_str("message/partial"),
        }
    }
}

/// What keeps an archive's names from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    /// Members are encrypted; their names were read.
    Encrypted,
    /// The names are encrypted.
    EncryptedNames,
    /// A format whose directory cannot be read forward, by its usual name.
    Format(&'static str),
    /// The archive contradicts itself or is cut.
    Broken,
    /// Archives in archives, deeper than is looked.
    Nested,
    /// A limit was reached, or there was no memory for it.
    Limit,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypted => f.write_str("encrypted archive"),
            Self::EncryptedNames => f.write_str("archive with encrypted names"),
            Self::Format(format) => write!(f, "{format} archive"),
            Self::Broken => f.write_str("broken archive"),
            Self::Nested => f.write_str("archive within archives"),
            Self::Limit => f.write_str("archive over the limits"),
        }
    }
}

/// Where a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// `filename` or `name` of Content-Disposition.
    Disposition,
    /// `name` of Content-Type.
    Type,
    /// The field Content-Name.
    ContentName,
    /// The field X-Sun-Data-Name.
    SunDataName,
    /// The field Content-Description, where nothing else names the part.
    Description,
    /// The field Content-Location, where nothing else names the part.
    Location,
    /// A `begin` line of uuencode or base64.
    Begin,
    /// A `=ybegin` line.
    YEnc,
    /// The head of a BinHex or MacBinary file.
    MacBinary,
    /// The properties of a TNEF file (winmail.dat).
    Tnef,
    /// The directory of an archive.
    Archive,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disposition => "Content-Disposition",
            Self::Type => "Content-Type",
            Self::ContentName => "Content-Name",
            Self::SunDataName => "X-Sun-Data-Name",
            Self::Description => "Content-Description",
            Self::Location => "Content-Location",
            Self::Begin => "begin line",
            Self::YEnc => "=ybegin line",
            Self::MacBinary => "BinHex or MacBinary",
            Self::Tnef => "TNEF",
            Self::Archive => "archive",
        })
    }
}

/// Why a message could not be followed, or is read in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// `depth`
    Depth,
    /// `parts`
    Parts,
    /// `header_bytes`
    HeaderBytes,
    /// `parameters`
    Parameters,
    /// `segments`
    Segments,
    /// Comments that are not closed.
    Comments,
    /// `boundaries`
    Boundaries,
    /// `encoded_levels`
    EncodedLevels,
    /// `names`
    Names,
    /// A line is a delimiter to some.
    Delimiter,
    /// A multipart has several boundaries, or none.
    Boundary,
    /// A part behind the end of its multipart.
    AfterClose,
    /// Content-Type stands twice and says different things.
    Types,
    /// A multipart or a message in a transfer encoding.
    Encoded,
    /// A header goes over into the body without an empty line.
    NoEmptyLine,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "parts too deep inside one another",
            Self::Parts => "too many parts",
            Self::HeaderBytes => "a part's header is too long",
            Self::Parameters => "too many parameters in a field",
            Self::Segments => "too many pieces of a parameter",
            Self::Comments => "comments that are not closed",
            Self::Boundaries => "too many boundaries",
            Self::EncodedLevels => "too many encodings around one another",
            Self::Names => "too many names",
            Self::Delimiter => "a line is a delimiter only to some readers",
            Self::Boundary => "a multipart with several boundaries or none",
            Self::AfterClose => "a part behind the end of its multipart",
            Self::Types => "several fields Content-Type that differ",
            Self::Encoded => "a multipart or message in a transfer encoding",
            Self::NoEmptyLine => "a header without an empty line behind it",
        })
    }
}

/// A part of the message, for `scan` and `explain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its number, such as `1.2`.
    pub number: String,
    /// Its media type, as written, in lower case; empty where none is given.
    pub media_type: String,
    /// Its names in every reading; bounded.
    pub names: Vec<Reading>,
}

/// One reading of a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reading {
    /// Where it stands.
    pub source: Place,
    /// What a mail program may make of it. Foreign text: escape it.
    pub text: String,
    /// The sets of rules that ban it, by number.
    pub banned_by: Vec<usize>,
}
