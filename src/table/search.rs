//! Which keys are looked up, in which order: access(5), smtpd's check_namadr_access() and check_mail_access().

use super::{AccessTable, Found, fold};
use crate::smtp::{
    address::{Address, access_keys, domain_keys},
    domain,
};
use std::net::IpAddr;

/// The one key of the null sender: smtpd_null_access_lookup_key.
const NULL_SENDER: &str = "<>";

impl AccessTable {
    /// Looks up a host name, then its parent domains (with `parents` false as `.parent`).
    ///
    /// # Errors
    /// [`GaveUp`](super::GaveUp) when a pattern takes too long; so with all searches.
    pub fn by_name(&self, name: &str, parents: bool) -> Found<'_> {
        if !self.has_partial() {
            return self.full(name);
        }
        let name = fold(name);
        Ok(domain_keys(&name, parents).find_map(|key| self.partial(key)))
    }

    /// Looks up an address, then the networks that its text begins with: `192.0.2.1`, `192.0.2`, `192.0`, `192`.
    ///
    /// # Errors
    /// When a pattern takes too long.
    pub fn by_address(&self, address: IpAddr) -> Found<'_> {
        self.by_address_text(&domain::address_text(address))
    }

    /// The same for an address as somebody wrote it, in an address literal or a DNS record: Postfix looks up that text.
    ///
    /// # Errors
    /// When a pattern takes too long.
    pub fn by_address_text(&self, text: &str) -> Found<'_> {
        if !self.has_partial() {
            return self.full(text);
        }
        let separator = if text.contains(':') { b':' } else { b'.' };
        let text = fold(text);
        let mut networks = std::iter::successors(Some(&*text), |text| shorter(text, separator));
        Ok(networks.find_map(|key| self.partial(key)))
    }

    /// Looks up one key, which has no parts.
    ///
    /// # Errors
    /// When a pattern takes too long.
    pub fn by_key(&self, key: &str) -> Found<'_> {
        self.full(key)
    }

    /// Looks up a client: by its name, and only if nothing is found, by its address.
    ///
    /// # Errors
    /// When a pattern takes too long.
    pub fn by_client(&self, name: &str, address: Option<IpAddr>, parents: bool) -> Found<'_> {
        match (self.by_name(name, parents)?, address) {
            (Some(hit), _) => Ok(Some(hit)),
            (None, Some(address)) => self.by_address(address),
            (None, None) => Ok(None),
        }
    }

    /// Looks up a sender or recipient: each key in external form, then, if that is different, in internal form.
    ///
    /// # Errors
    /// When a pattern takes too long.
    pub fn by_mail_address(&self, address: &Address, delimiters: &str, parents: bool) -> Found<'_> {
        if address.is_null() {
            return self.full(NULL_SENDER);
        }
        let internal = address.internal();
        let internal = fold(&internal);
        let mut keys = access_keys(&internal, delimiters, parents);
        if self.has_partial() {
            return Ok(keys.find_map(|key| key.forms().find_map(|form| self.partial(form))));
        }
        let Some(complete) = keys.next() else { return Ok(None) };
        for form in complete.forms() {
            if let Some(hit) = self.full(form)? {
                return Ok(Some(hit));
            }
        }
        Ok(None)
    }
}

/// What stands before the last separator; the empty text is never looked up.
fn shorter(text: &str, separator: u8) -> Option<&str> {
    let end = text.bytes().rposition(|byte| byte == separator)?;
    Some(&text[..end]).filter(|rest| !rest.is_empty())
}
