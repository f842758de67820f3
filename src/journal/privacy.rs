//! `[journal] privacy = "hash"`: keyed hashes (HMAC-SHA-256) in place of local parts and login names. Whoever has the
//! key's file can still ask for an address; whoever has the database alone cannot, and cannot try addresses either.

use super::Row;
use crate::{config::settings::Privacy, sqlite::sidecar};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::{
    borrow::Cow,
    fs,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a hash that are kept: enough that no two addresses of a server meet.
const KEPT: usize = 8;
/// How a hash begins where a local part stood.
const MARK: &str = "h:";

/// What happens to local parts.
#[derive(Debug)]
pub enum Mask {
    /// Nothing.
    None,
    /// Each is hashed.
    Keyed(Box<Key>),
}

/// The secret of the hashes.
pub struct Key([u8; KEY]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Mask {
    /// The mask of the settings; the key's file is made if there is none.
    ///
    /// # Errors
    /// When the file can be neither read nor made.
    pub fn open(privacy: Privacy, database: &Path) -> io::Result<Self> {
        match privacy {
            Privacy::None => Ok(Self::None),
            Privacy::Hash => {
                let path = sidecar(database, ".key");
                match Key::read(&path) {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => Key::make(&path),
                    result => result,
                }
                .map(|key| Self::Keyed(Box::new(key)))
            }
        }
    }

    /// The mask beside a database, if it has a key that can be read: addresses may be in it in both forms.
    pub fn beside(database: &Path) -> Self {
        Key::read(&sidecar(database, ".key")).map_or(Self::None, |key| Self::Keyed(Box::new(key)))
    }

    /// An address or a login as it stands in the rows; `None` where it stands there as it is.
    pub fn masked(&self, address: &str) -> Option<String> {
        match self {
            Self::None => None,
            Self::Keyed(key) => Some(key.address(address)),
        }
    }

    /// A record's text without the local parts of what must not be seen.
    pub(super) fn record<'a>(&self, secrets: &[String], text: &'a str) -> Cow<'a, str> {
        match self {
            Self::None => text.into(),
            Self::Keyed(key) => {
                let secrets: Vec<_> = secrets.iter().flat_map(|text| key.secret(text)).collect();
                key.mask_text(&secrets, text)
            }
        }
    }
}

impl Key {
    fn read(path: &Path) -> io::Result<Self> {
        let mut key = [0; KEY];
        fs::File::open(path)?.read_exact(&mut key)?;
        Ok(Self(key))
    }

    fn make(path: &Path) -> io::Result<Self> {
        let mut key = [0; KEY];
        fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&key)?;
        file.sync_all()?;
        Ok(Self(key))
    }

    fn hash(&self, text: &str) -> String {
        // A key of any length is one.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(text.to_lowercase().as_bytes());
        let bytes = mac.finalize().into_bytes();
        let hex: String = bytes.iter().take(KEPT).map(|byte| format!("{byte:02x}")).collect();
        format!("{MARK}{hex}")
    }

    /// `user@domain` with the user hashed together with the domain; a login without one as a whole. The null sender has
    /// nothing to hide.
    fn address(&self, address: &str) -> String {
        match address.rsplit_once('@') {
            _ if address.is_empty() => String::new(),
            Some((_, domain)) => format!("{}@{domain}", self.hash(address)),
            None => self.hash(address),
        }
    }

    /// The columns of a row, with the reply, which names addresses.
    pub(super) fn mask_row(&self, row: &mut Row<'_>) {
        let whole = [&row.sender, &row.recipient, &row.login];
        let secrets: Vec<_> = whole.into_iter().flatten().flat_map(|text| self.secret(text)).collect();
        if let Some(reply) = &row.reply {
            row.reply = Some(self.mask_text(&secrets, reply).into_owned().into());
        }
        for column in [&mut row.sender, &mut row.recipient, &mut row.login] {
            *column = column.as_ref().map(|text| self.address(text).into());
        }
    }

    /// A local part with its `@`, or a login, as it stands in a text and as it stands in JSON.
    fn secret(&self, text: &str) -> Vec<(String, String)> {
        let (secret, shown) = match text.rsplit_once('@') {
            Some((local, _)) if !local.is_empty() => (format!("{local}@"), format!("{}@", self.hash(text))),
            Some(_) => return Vec::new(),
            None if text.is_empty() => return Vec::new(),
            None => (text.to_owned(), self.hash(text)),
        };
        let json = serde_json::to_string(&secret).unwrap_or_default();
        let json = json.trim_matches('"').to_owned();
        let plain = (json != secret).then(|| (secret, shown.clone()));
        plain.into_iter().chain([(json, shown)]).collect()
    }

    /// A text without the secrets, in whatever case they are written.
    fn mask_text<'a>(&self, secrets: &[(String, String)], text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for (secret, shown) in secrets {
            let (lower, secret) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
            if !lower.contains(&secret) {
                continue;
            }
            let mut out = String::with_capacity(text.len());
            let mut from = 0;
            for (at, found) in lower.match_indices(&secret) {
                // A longer name that ends so is somebody else's.
                let inside = lower[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '.');
                if !inside {
                    out.push_str(&text[from..at]);
                    out.push_str(shown);
                    from = at + found.len();
                }
            }
            out.push_str(&text[from..]);
            text = Cow::Owned(out);
        }
        text
    }
}
