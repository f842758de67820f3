//! Under which of our keys another greylister's entries will be found, and what they become.

use crate::{
    greylist::{Settings, identity::registrable, sender},
    lookup::greylist::Profile,
    request::envelope::Path,
    smtp::{address::with_a_labels, text::cut},
    store::{Entry, KnownClient, Record},
    time::Timestamp,
};
use ipnet::IpNet;
use std::{net::IpAddr, time::Duration};

/// How many bytes of a name are kept, as of those that come by SMTP.
const LIMIT: usize = 512;
/// How far a time may lie in the future: two clocks.
const SKEW: i64 = 86_400;

/// Makes our records.
pub(super) struct Keys<'a> {
    settings: &'a Settings,
    now: Timestamp,
    origin: String,
}

/// Who sent what to whom, as another greylister has it.
pub(super) struct Triplet<'a> {
    /// The client or its network.
    pub(super) client: IpAddr,
    /// Whether the client is one address.
    pub(super) single: bool,
    /// The sender, in the other's form; empty for the null sender.
    pub(super) sender: &'a str,
    /// The recipient.
    pub(super) recipient: &'a str,
}

impl<'a> Keys<'a> {
    pub(super) fn new(settings: &'a Settings, now: Timestamp, origin: String) -> Self {
        Self { settings, now, origin }
    }

    fn is_postgrey(&self) -> bool {
        match self.settings.terms.profile {
            Profile::Postgrey => true,
            Profile::Mailward => false,
        }
    }

    /// A time in Unix seconds; one in the near future is now.
    pub(super) fn time(&self, text: &str) -> Result<Timestamp, String> {
        let seconds = text.trim().parse().map_err(|_| format!("`{text}` is not a time in Unix seconds"))?;
        self.seconds(seconds)
    }

    /// As [`time`](Self::time), of a number.
    pub(super) fn seconds(&self, seconds: i64) -> Result<Timestamp, String> {
        if seconds < 0 || seconds > self.now.0.saturating_add(SKEW) {
            return Err(format!("the time {seconds} lies in the future or before 1970"));
        }
        Ok(Timestamp(seconds.min(self.now.0)))
    }

    /// A time that much earlier, and not in the future.
    pub(super) fn before(&self, then: Timestamp, by: Duration) -> Timestamp {
        let by = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        Timestamp(then.0.saturating_sub(by).clamp(0, self.now.0))
    }

    /// A row that waits, after so many attempts.
    pub(super) fn waiting(
        &self,
        triplet: &Triplet<'_>,
        first: Timestamp,
        last: Timestamp,
        tries: u32,
    ) -> Result<Vec<Record>, String> {
        let row = self.row(triplet, first, last)?;
        Ok(vec![Record::Row(Entry { deferred: tries.max(1), ..row })])
    }

    /// A row that passed, and what its passing makes known, as if we had seen it.
    pub(super) fn passed(
        &self,
        triplet: &Triplet<'_>,
        first: Timestamp,
        at: Timestamp,
        last: Timestamp,
    ) -> Result<Vec<Record>, String> {
        let row = self.row(triplet, first, last)?;
        let domain = row.sender.rsplit_once('@').map(|(_, domain)| domain.to_owned());
        let known = domain.and_then(|domain| self.known_domain(triplet.client, &domain, at, last));
        let row = Entry { passed_at: Some(at), passed: 1, deferred: 1, ..row };
        Ok([Record::Row(row)].into_iter().chain(known).collect())
    }

    fn row(&self, triplet: &Triplet<'_>, first: Timestamp, last: Timestamp) -> Result<Entry, String> {
        let Triplet { client, single, sender, recipient } = triplet;
        let recipient = address(recipient);
        if recipient.is_empty() {
            return Err("it has no recipient".to_owned());
        }
        let sender = address(sender);
        let sender = match self.settings.terms.profile {
            Profile::Mailward => sender::normalised(&sender, &recipient),
            Profile::Postgrey => sender::postgrey(&sender),
        };
        Ok(Entry {
            client: self.settings.prefixes.network(*client),
            sender: cut(&sender, LIMIT).to_owned(),
            recipient: cut(&recipient, LIMIT).to_owned(),
            first_seen: first.min(last),
            last_seen: last,
            passed_at: None,
            deferred: 1,
            passed: 0,
            last_ip: single.then(|| client.to_string()),
            last_name: None,
            origin: self.origin.clone(),
        })
    }

    /// A network that is known for a sender domain; nothing where mailward would not learn that itself.
    pub(super) fn known_domain(
        &self,
        client: IpAddr,
        domain: &str,
        first: Timestamp,
        last: Timestamp,
    ) -> Option<Record> {
        if self.is_postgrey() {
            return None;
        }
        let sender_domain = registrable(&with_a_labels(domain))?;
        let client = self.settings.prefixes.network(client);
        Some(self.known(client, sender_domain, 1, first, last))
    }

    /// A client that is known whatever the sender, after so many proven retries. With `whole` it passed everywhere, and
    /// shall go on to.
    pub(super) fn known_client(
        &self,
        client: IpAddr,
        passes: u32,
        whole: bool,
        first: Timestamp,
        last: Timestamp,
    ) -> Record {
        let passes = if whole { passes.max(self.settings.known_after) } else { passes };
        let client =
            if self.is_postgrey() { client.to_string() } else { self.settings.prefixes.host(client) };
        self.known(client, String::new(), passes, first, last)
    }

    fn known(
        &self,
        client: String,
        sender_domain: String,
        passes: u32,
        first: Timestamp,
        last: Timestamp,
    ) -> Record {
        Record::Known(KnownClient {
            client,
            sender_domain,
            passes,
            last_pass: last,
            first_seen: first.min(last),
            last_seen: last,
            hits: 0,
            origin: self.origin.clone(),
        })
    }
}

/// An address as mail is looked up by it.
fn address(text: &str) -> String {
    with_a_labels(&Path::new(text).address.internal()).into_owned()
}

/// An address or a network: `192.0.2.1`, `192.0.2.0/24`; whether it is one address.
pub(super) fn client(text: &str) -> Result<(IpAddr, bool), String> {
    let wrong = || format!("`{text}` is not an address");
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok((address, true));
    }
    let network: IpNet = text.parse().map_err(|_| wrong())?;
    Ok((network.addr(), network.prefix_len() == network.max_prefix_len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Mail, NOW};

    #[test]
    fn senders_in_postgrey_s_form_become_the_keys_of_those_who_sent() {
        for sent in [
            "",
            "Bob@Example.org",
            "bob",
            "bob+news@a.example",
            "prvs=1234abcdef=bob@a.example",
            "SRS0=HHH=TT=orig.example=bob@fwd.example",
            "list-bounce-user=rcpt.example@l.example",
            "bounce-12-34567@a.example",
            "bounce-mc.us12_3456789.1234567-abcdef1234@m.example",
            "0100018f2c7d3a5e-1b2c3d4e-1234-4abc-abcd-0123456789ab-000000@ses.example",
            "n_2024@a.example",
            "user1@a.example",
        ] {
            let to = "user@rcpt.example";
            let theirs = sender::postgrey(&sent.to_lowercase());
            assert_eq!(sender::normalised(&theirs, to), sender::normalised(sent, to), "{sent}");
        }
    }

    #[test]
    fn rows_have_the_names_by_which_mail_looks_for_them() {
        let mail = Mail::new()
            .client("unknown", "192.0.2.1")
            .from("Bounce-7-to=rcpt.b\u{fc}cher.example@news.b\u{fc}cher.example")
            .to("To@rcpt.b\u{fc}cher.example");
        for settings in [Settings::default(), Settings::postgrey()] {
            let seen = settings.observation(&mail.request(), false).unwrap();
            let keys = Keys::new(&settings, NOW, "import:test".to_owned());
            let sender = "bounce-7-to=rcpt.b\u{fc}cher.example@news.b\u{fc}cher.example";
            let triplet = Triplet {
                client: "192.0.2.1".parse().unwrap(),
                single: true,
                sender,
                recipient: "to@rcpt.b\u{fc}cher.example",
            };
            let records = keys.passed(&triplet, NOW, NOW, NOW).unwrap();
            let Record::Row(row) = &records[0] else { panic!("{records:?}") };
            assert_eq!((&row.sender, &row.recipient), (&seen.sender, &seen.recipient));
            assert_eq!(row.recipient, "to@rcpt.xn--bcher-kva.example");
            let known = records.iter().find_map(|record| match record {
                Record::Known(known) => Some(known.sender_domain.as_str()),
                Record::Row(_) | Record::Exemption(_) => None,
            });
            let vouched = seen.vouchers.iter().find(|voucher| voucher.client == "192.0.2.0/24");
            assert_eq!(known, vouched.map(|voucher| voucher.sender_domain.as_str()));
        }
        let settings = Settings::default();
        let keys = Keys::new(&settings, NOW, "import:test".to_owned());
        let domain = |domain| keys.known_domain("192.0.2.1".parse().unwrap(), domain, NOW, NOW);
        assert_eq!(domain("b\u{fc}cher.example"), domain("xn--bcher-kva.example"));
    }

    #[test]
    fn clients_are_addresses_or_networks() {
        let cases = [
            ("192.0.2.1", Some(true)),
            ("2001:DB8:0:0:0:0:0:1", Some(true)),
            ("192.0.2.0/24", Some(false)),
            ("192.0.2.1/32", Some(true)),
            ("192.0.2", None),
            ("", None),
        ];
        for (text, single) in cases {
            assert_eq!(client(text).ok().map(|(_, single)| single), single, "{text}");
        }
    }
}
