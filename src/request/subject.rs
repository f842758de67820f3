//! What is being judged, and how a reply about it begins: Postfix's reply class and reply name.

use super::{Request, Stage};
use crate::smtp::{
    reply::{Enhanced, Reply, ReplyCode},
    text,
};
use serde::Serialize;
use std::borrow::Cow;

/// What a restriction looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The client by its verified name and address.
    Client,
    /// The client by its unverified reverse name.
    ReverseClient,
    /// The SASL login.
    SaslLogin,
    /// The HELO name.
    Helo,
    /// The sender's address.
    Sender,
    /// The recipient's address.
    Recipient,
    /// The DATA command.
    Data,
    /// The message as a whole.
    EndOfData,
}

impl From<Stage> for Subject {
    /// What the generic restrictions of a list (`reject`, `defer` …) are about.
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Client => Self::Client,
            Stage::Helo => Self::Helo,
            Stage::Sender => Self::Sender,
            Stage::Recipient => Self::Recipient,
            Stage::Data => Self::Data,
            Stage::EndOfData => Self::EndOfData,
        }
    }
}

impl Subject {
    /// Postfix's class: the words before "rejected".
    pub fn class(self) -> &'static str {
        match self {
            Self::Client => "Client host",
            Self::ReverseClient => "Unverified Client host",
            Self::SaslLogin => "SASL login name",
            Self::Helo => "Helo command",
            Self::Sender => "Sender address",
            Self::Recipient => "Recipient address",
            Self::Data => "Data command",
            Self::EndOfData => "End-of-data",
        }
    }

    /// Postfix's reply name: what stands between `<` and `>`. Empty where the request has no such thing.
    pub fn name<'a>(self, request: &Request<'a>) -> Cow<'a, str> {
        let client = &request.session.client;
        match self {
            Self::Client => Cow::Owned(client.host()),
            Self::ReverseClient => Cow::Borrowed(&client.identity.reverse_name),
            Self::SaslLogin => {
                let login = request.session.login.as_ref();
                login.map_or(Cow::Borrowed(""), |login| text::printable(&login.name, '_'))
            }
            Self::Helo => Cow::Borrowed(request.helo().unwrap_or_default()),
            Self::Sender => Cow::Borrowed(request.sender().map_or("", |path| &path.address.typed)),
            Self::Recipient => Cow::Borrowed(request.recipient.map_or("", |path| &path.address.typed)),
            Self::Data => Cow::Borrowed("DATA"),
            Self::EndOfData => Cow::Borrowed("END-OF-MESSAGE"),
        }
    }

    /// The reply `CODE DSN <NAME>: CLASS rejected: TEXT`, with the enhanced status fitted to the class.
    pub fn rejected(self, request: &Request<'_>, code: ReplyCode, status: Enhanced, text: &str) -> Reply {
        self.rejected_exactly(request, code, self.fit(status), text)
    }

    /// As [`rejected`](Self::rejected), with a status that is not fitted: RFC 7505's `x.1.10` would not survive it.
    pub fn rejected_exactly(
        self,
        request: &Request<'_>,
        code: ReplyCode,
        status: Enhanced,
        text: &str,
    ) -> Reply {
        let text = format!("<{}>: {} rejected: {text}", self.name(request), self.class());
        Reply::new(code, status, &text)
    }

    /// smtpd_dsn_fix(): an `x.1.n` status says something about an address of one kind; for another subject it is
    /// replaced by that kind's nearest.
    pub fn fit(self, status: Enhanced) -> Enhanced {
        if status.subject != 1 {
            return status;
        }
        let detail = match (self, status.detail) {
            (Self::Sender, 2 | 8) => 8,
            (Self::Sender, 1 | 3 | 4 | 6 | 7) => 7,
            (Self::Recipient, detail @ 1..=6) => detail,
            (Self::Recipient, 7) => 3,
            (Self::Recipient, 8) => 2,
            (Self::Sender | Self::Recipient, _) => 0,
            (
                Self::Client
                | Self::ReverseClient
                | Self::SaslLogin
                | Self::Helo
                | Self::Data
                | Self::EndOfData,
                _,
            ) => {
                return Enhanced::new(0, 0);
            }
        };
        Enhanced::new(1, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_fitted_as_smtpd_dsn_fix_does() {
        let fit =
            |subject: Subject| (1..=9).map(|n| subject.fit(Enhanced::new(1, n)).detail).collect::<Vec<_>>();
        assert_eq!(fit(Subject::Sender), [7, 8, 7, 7, 0, 7, 7, 8, 0]);
        assert_eq!(fit(Subject::Recipient), [1, 2, 3, 4, 5, 6, 3, 2, 0]);
        assert_eq!(Subject::Helo.fit(Enhanced::new(1, 2)), Enhanced::new(0, 0));
        assert_eq!(Subject::Helo.fit(Enhanced::new(7, 1)), Enhanced::new(7, 1));
    }
}
