//! What the server counts. Every swallowed error has its counter here; `all` names them for whoever prints them.

pub use crate::counter::Counter;

crate::counter::counters! {
    /// The server's counters since its start.
    #[derive(Debug, Default)]
    pub struct Counters of Counter, named "";

    /// Connections of the MTA.
    sessions,
    /// Sessions that were exempt because they did not come by SMTP.
    sessions_exempt,
    /// Times that max_sessions was reached: further connections wait.
    sessions_at_limit,
    /// Sessions that ended before the MTA ended them: idle too long, or after a protocol fault.
    sessions_cut,
    /// Sessions that were still open when the grace of a shutdown was over.
    sessions_abandoned,
    /// Failures to accept a connection: out of file descriptors or memory.
    accept_errors,
    /// Milter packets longer than the protocol allows, or of length zero.
    packets_bad_length,
    /// Milter packets of an unknown kind.
    packets_unknown,
    /// Milter packets whose text does not end with NUL.
    packets_unterminated,
    /// Milter packets that came out of order; they get no answer.
    packets_out_of_order,
    /// Milter packets that ended in the middle, because the MTA went away.
    packets_truncated,
    /// Decisions that let the command pass.
    decisions_permit,
    /// Decisions that refused for now.
    decisions_defer,
    /// Decisions that refused for good.
    decisions_reject,
    /// Decisions that dropped the message.
    decisions_discard,
    /// Decisions in which an exemption let mail past a list.
    decisions_exempted,
    /// Lookups that the deadline turned into temporary failures.
    lookups_timed_out,
    /// Mails that were deferred by the greylist.
    greylist_deferred,
    /// Mails for which the greylist's store had no answer.
    greylist_unavailable,
    /// Messages of authenticated users whose recipients the greylist's store could not remember.
    greylist_not_learnt,
    /// Times that the file of the exemptions could not be used; those in force stay.
    allow_faults,
    /// Times that the file of the exemptions could be used again.
    allow_recoveries,
    /// Lookups that were not asked, since their DNS list is set aside.
    lookups_set_aside,
    /// Times that a DNS list was set aside.
    lists_set_aside,
    /// Times that a DNS list was taken back.
    lists_taken_back,
    /// Answers of DNS lists that are error codes or lie outside of 127.0.0.0/8; they count for nothing.
    list_answers_void,
    /// Requests to policy services without an answer, for which default_action counted.
    policy_services_failed,
    /// Table searches that gave up, because a pattern took too much effort, and tables and policy services that say
    /// something impossible.
    configuration_faults,
    /// Connections to the control socket and to the listener of the metrics that failed, were too slow, or asked for
    /// nothing that there is.
    control_errors,
    /// Bytes of message bodies that the MTA handed over.
    body_bytes,
    /// Messages that took too long to look at.
    messages_given_up,
    /// Changes of fields that a table asked for and no milter can make: those of parts.
    fields_unchanged,
    /// Changes of messages that the MTA does not let us make.
    amendments_unavailable,
    /// Replies that the milter library refused: a bug.
    replies_refused,
    /// Panics caught in callbacks: bugs.
    bugs,
    /// Reloads that took effect.
    reloads,
    /// Reloads that were refused because the new configuration is faulty.
    reloads_refused,
}
