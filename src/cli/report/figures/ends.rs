//! How attempts end, and at which moment of the dialogue.

use serde::Serialize;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli::report) enum Outcome {
    /// Refused for good.
    Rejected,
    /// Refused for now, not by the greylist.
    Deferred,
    /// Asked to come back, by the greylist.
    Greylisted,
    /// Accepted and dropped.
    Discarded,
    /// Its message did not come to an end: the client broke off, or somebody else refused it.
    Aborted,
    /// No end of its message is recorded yet.
    Open,
    /// Accepted, and held in the MTA's queue.
    Held,
    /// Accepted.
    Accepted,
}

impl Outcome {
    /// All, in the order of the columns.
    pub(in crate::cli::report) const ALL: [Self; 8] = [
        Self::Rejected,
        Self::Deferred,
        Self::Greylisted,
        Self::Discarded,
        Self::Aborted,
        Self::Open,
        Self::Held,
        Self::Accepted,
    ];

    /// Whether mailward stood in its way.
    pub(in crate::cli::report) fn is_stopped(self) -> bool {
        match self {
            Self::Rejected | Self::Deferred | Self::Greylisted | Self::Discarded => true,
            Self::Aborted | Self::Open | Self::Held | Self::Accepted => false,
        }
    }

    /// Whether the MTA took it.
    pub(in crate::cli::report) fn is_taken(self) -> bool {
        matches!(self, Self::Held | Self::Accepted)
    }
}

/// Attempts by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::cli::report) struct Ends {
    /// See [`Outcome`].
    pub(in crate::cli::report) rejected: u64,
    /// See [`Outcome`].
    pub(in crate::cli::report) deferred: u64,
    /// See [`Outcome`].
    pub(in crate::cli::report) greylisted: u64,
    /// See [`Outcome`].
    pub(in crate::cli::report) discarded: u64,
    /// See [`Outcome`].
    pub(in crate::cli::report) aborted: u64,
    /// See [`Outcome`].
    pub(in crate::cli::report) open: u64,
    /// See [`Outcome`].
    pub(in crate::cli::report) held: u64,
    /// See [`Outcome`].
    pub(in crate::cli::report) accepted: u64,
}

impl Ends {
    /// Those of one outcome.
    pub(in crate::cli::report) fn of(&self, outcome: Outcome) -> u64 {
        let mut copy = *self;
        *copy.of_mut(outcome)
    }

    /// One more.
    pub(in crate::cli::report) fn add(&mut self, outcome: Outcome) {
        *self.of_mut(outcome) += 1;
    }

    /// All those of another.
    pub(in crate::cli::report) fn add_all(&mut self, other: &Self) {
        for outcome in Outcome::ALL {
            *self.of_mut(outcome) += other.of(outcome);
        }
    }

    fn of_mut(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Rejected => &mut self.rejected,
            Outcome::Deferred => &mut self.deferred,
            Outcome::Greylisted => &mut self.greylisted,
            Outcome::Discarded => &mut self.discarded,
            Outcome::Aborted => &mut self.aborted,
            Outcome::Open => &mut self.open,
            Outcome::Held => &mut self.held,
            Outcome::Accepted => &mut self.accepted,
        }
    }

    fn sum(&self, which: impl Fn(Outcome) -> bool) -> u64 {
        Outcome::ALL.into_iter().filter(|outcome| which(*outcome)).map(|outcome| self.of(outcome)).sum()
    }

    /// All of them.
    pub(in crate::cli::report) fn all(&self) -> u64 {
        self.sum(|_| true)
    }

    /// Those that mailward stopped.
    pub(in crate::cli::report) fn stopped(&self) -> u64 {
        self.sum(Outcome::is_stopped)
    }

    /// Those that the MTA took.
    pub(in crate::cli::report) fn taken(&self) -> u64 {
        self.sum(Outcome::is_taken)
    }

    /// Those that fall under none of the four large groups: accepted, greylisted, deferred, rejected.
    pub(in crate::cli::report) fn others(&self) -> u64 {
        self.discarded + self.aborted + self.open
    }
}

/// A moment of the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli::report) enum Moment {
    /// The connection.
    Connect,
    /// HELO or EHLO.
    Helo,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA.
    Data,
    /// The end of the message.
    End,
}

impl Moment {
    /// All, in the order of the dialogue.
    pub(in crate::cli::report) const ALL: [Self; 6] =
        [Self::Connect, Self::Helo, Self::Mail, Self::Rcpt, Self::Data, Self::End];

    /// What it is called.
    pub(in crate::cli::report) fn words(self) -> &'static str {
        match self {
            Self::Connect => "connection",
            Self::Helo => "HELO",
            Self::Mail => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::Data => "DATA",
            Self::End => "end of message",
        }
    }
}

/// What happened at a moment of the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(in crate::cli::report) struct Step {
    /// The moment.
    pub(in crate::cli::report) moment: Moment,
    /// The attempts that came so far.
    pub(in crate::cli::report) came: u64,
    /// Those that ended here, other than by being taken.
    pub(in crate::cli::report) ends: Ends,
    /// Those that went on; behind the last step: that the MTA took.
    pub(in crate::cli::report) went_on: u64,
}
