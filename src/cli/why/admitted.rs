//! Whether an exemption in force already lets in what was refused, so that none is advised again.

use super::{advice::reaches_lists, story::Chapter};
use crate::{
    allow::Exemptions,
    request::{
        DecisionId, Event, Request, Stage,
        envelope::{Envelope, Path},
        session::{Identity, NameStatus, Session},
        subject::Subject,
    },
    store::allow::{AllowFile, Allowed},
    time::Timestamp,
};
use std::{collections::BTreeMap, path, time::Duration};

/// How long another command or the daemon may hold the file.
const PATIENCE: Duration = Duration::from_secs(1);

/// The exemptions of this moment.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    exemptions: Exemptions,
    kept: BTreeMap<i64, Allowed>,
}

/// An exemption that lets a mail in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct By {
    /// Its number.
    pub(super) id: i64,
    /// When it was made.
    pub(super) since: Timestamp,
}

impl Admitted {
    /// Reads the file. One that cannot be read says nothing: the story is told all the same.
    pub(super) fn read(file: &path::Path) -> Self {
        let rows = || {
            let file = AllowFile::open(file, PATIENCE).ok()??;
            Some((file.exemptions().ok()?, file.list().ok()?))
        };
        let Some((exemptions, kept)) = rows() else { return Self::default() };
        let (exemptions, _) = Exemptions::new(exemptions);
        Self { exemptions, kept: kept.into_iter().map(|row| (row.id, row)).collect() }
    }

    /// Notes in each chapter that was refused what would let it in now.
    pub(super) fn note(&self, chapters: &mut [Chapter], now: Timestamp) {
        for chapter in chapters.iter_mut().filter(|chapter| chapter.is_refused() && reaches_lists(chapter)) {
            chapter.admitted = self.by(chapter, now);
        }
    }

    fn by(&self, chapter: &Chapter, now: Timestamp) -> Option<By> {
        let mut session = Session::default();
        session.client.address = chapter.client.as_deref().and_then(|address| address.parse().ok());
        session.client.identity = match &chapter.client_name {
            Some(name) => Identity::verified(name),
            None => Identity::nameless(NameStatus::Missing),
        };
        let path = |address: &Option<String>| address.as_deref().map(Path::new);
        // What was not known when it was refused does not let in there.
        let recipient = path(&chapter.judged);
        let envelope = Envelope { sender: path(&chapter.sender), ..Envelope::default() };
        let request = Request {
            id: DecisionId { at: now, count: 0 },
            event: Event::Rcpt,
            stage: Stage::Client,
            subject: Subject::Client,
            session: &session,
            envelope: &envelope,
            recipient: recipient.as_ref(),
            message: None,
            now,
            carried: &Default::default(),
            exemption: None,
        };
        let id = self.exemptions.find(&request)?.id;
        self.kept.get(&id).map(|row| By { id, since: row.created })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{allow::Kind, journal::Row};

    fn allowed(
        id: i64,
        kind: Kind,
        value: &str,
        expires: Option<Timestamp>,
    ) -> (Allowed, crate::allow::Exemption) {
        let (value, text) = (value.to_owned(), String::new);
        let row = Allowed {
            id,
            kind: kind.word().to_owned(),
            value: value.clone(),
            reason: text(),
            author: text(),
            created: Timestamp(1),
            expires,
            hits: 0,
            last_hit: None,
        };
        (row, crate::allow::Exemption { id, kind, value, expires })
    }

    fn noted(kind: Kind, value: &str, expires: Option<Timestamp>, row: &Row<'_>) -> Option<By> {
        let (kept, exemption) = allowed(8, kind, value, expires);
        let (exemptions, faults) = Exemptions::new([exemption]);
        assert_eq!(faults, [""; 0]);
        let mut chapters = [Chapter::of(row)];
        Admitted { exemptions, kept: [(8, kept)].into() }.note(&mut chapters, Timestamp(100));
        let [chapter] = chapters;
        chapter.admitted
    }

    #[test]
    fn an_exemption_counts_where_it_would_let_in_now() {
        let row = |verdict: &'static str, entry: &str, recipient: Option<&'static str>| Row {
            verdict: verdict.into(),
            entry: Some(entry.to_owned()),
            client: Some("192.0.2.1".into()),
            client_name: Some("mx.b.example".into()),
            sender: Some("a@b.example".into()),
            recipient: recipient.map(Into::into),
            ..Row::default()
        };
        let to = Some("c@d.example");
        let cases = [
            (Kind::Client, "192.0.2.1", None, row("reject", "reject", to), true),
            (Kind::Client, "192.0.2.2", None, row("reject", "reject", to), false),
            (Kind::Network, "192.0.2.0/24", Some(Timestamp(101)), row("defer", "greylist", to), true),
            (Kind::Network, "192.0.2.0/24", Some(Timestamp(100)), row("defer", "greylist", to), false),
            (Kind::Domain, "b.example", None, row("reject", "reject", to), true),
            (Kind::Sender, "@b.example", None, row("reject", "reject", to), true),
            (Kind::Recipient, "c@d.example", None, row("reject", "reject", to), true),
            (Kind::Recipient, "c@d.example", None, row("reject", "reject", None), false),
            (Kind::Client, "192.0.2.1", None, row("permit", "reject", to), false),
            (Kind::Client, "192.0.2.1", None, row("reject", "helo_required", to), false),
        ];
        for (kind, value, expires, row, want) in cases {
            let got = noted(kind, value, expires, &row);
            assert_eq!(got.is_some(), want, "{} {value} {row:?}", kind.word());
        }
    }
}
