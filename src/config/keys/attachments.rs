//! The keys of `[attachments]`, and of `[attachments.NAME]`, which may have all that are about names and answers.

use super::{Key, Takes, key};

const TREATMENT: Takes = Takes::Choice(&["ignore", "mark", "reject"]);
const ANSWER: Takes = Takes::Choice(&["reject", "tempfail", "mark", "ignore"]);

/// A key of both sections.
macro_rules! keys {
    ({ $($name:literal, $takes:expr, $default:literal, $example:literal, $manual:literal;)* } $($limit:expr,)*) => {
        #[rustfmt::skip]
        pub(super) const KEYS: &[Key] = &[
            $(key(concat!("attachments.", $name), $takes, $default, $example, $manual),)*
            $($limit,)*
            $(key(concat!("attachments.*.", $name), $takes, $default, $example,
                concat!("As attachments.", $name, ", for `reject_attachment_name NAME`; not set: as there.")),)*
        ];
    };
}

const fn limit(
    path: &'static str,
    (min, max): (u64, u64),
    (default, example): (&'static str, &'static str),
    manual: &'static str,
) -> Key {
    key(path, Takes::Number(min, max), default, example, manual)
}

keys! { {
    "banned", Takes::Texts, "[\"standard\"]", "[\"minimal\", \"iso\"]",
        "The extensions that reject_attachment_name refuses: `minimal`, `standard` and `strict` are lists of their own, all \
         else is an extension, with or without a dot. `tar.gz` is one too.";
    "banned_patterns", Takes::Strings, "[]", "[\"invoice*.zip\", \"/^scan_[0-9]+\\\\.html?$/\"]",
        "Names that are refused whole: with `*` and `?`, or between slashes an expression of pcre.";
    "marked", Takes::Texts, "[\"standard\"]", "[\"docm\", \"xlsm\"]",
        "The extensions that are let through with a mark: `standard` is a list of its own.";
    "archives", TREATMENT, "\"mark\"", "\"reject\"",
        "What happens to archives that are encrypted or whose directory cannot be read. The names in all others count.";
    "partial", TREATMENT, "\"mark\"", "\"reject\"",
        "What happens to message/partial: a piece of a message, which comes together only at the recipient.";
    "double_extension", TREATMENT, "\"mark\"", "\"reject\"",
        "What happens to a name with a dangerous extension behind that of a document, as in `invoice.pdf.html`.";
    "allow_clients", Takes::Texts, "[]", "[\"inline:{ 192.0.2.1=OK }\"]",
        "Access tables, by the client's verified name and its address: OK allows everything.";
    "allow_senders", Takes::Texts, "[]", "[\"inline:{ example.net=OK }\"]",
        "Access tables, by the sender's address, as in check_sender_access: OK allows everything. A sender is easily forged.";
    "allow_recipients", Takes::Texts, "[]", "[\"inline:{ virus@example.com=OK }\"]",
        "Access tables, by the recipient's address: OK allows everything. See `conflict`.";
    "action", Takes::Choice(&["reject", "tempfail", "discard", "hold", "mark"]), "\"reject\"", "\"hold\"",
        "What happens to a message with a banned name. `discard` accepts and drops it, `hold` puts it in Postfix's hold \
         queue, `mark` adds a field to its header.";
    "on_unparsable", ANSWER, "\"reject\"", "\"mark\"",
        "What happens to a message that cannot be followed to its end within the limits below.";
    "on_ambiguous", ANSWER, "\"mark\"", "\"ignore\"",
        "What happens to a message that mail programs read in different ways. All readings count in either case.";
    "conflict", Takes::Choice(&["reject-if-all", "mark", "delete"]), "\"reject-if-all\"", "\"delete\"",
        "What happens where allow_recipients names some recipients of a message and not all. `reject-if-all`: it passes to \
         all; `mark`: the same with a mark; `delete`: the others do not get it, though the sender is told that it was \
         accepted.";
    "header", Takes::Text, "\"X-Attachment-Check\"", "\"X-Suspicious\"",
        "The field that marks a message.";
    }
    limit("attachments.depth", (1, 1_000), ("200", "50"), "Parts that are open inside one another, multiparts and messages."),
    limit("attachments.parts", (1, 100_000), ("10000", "500"), "Parts of a message in all."),
    key("attachments.header_bytes", Takes::Bytes(1_024, 131_072), "\"128 KiB\"", "\"64 KiB\"",
        "The Content-* fields of one header together."),
    limit("attachments.parameters", (1, 4_096), ("1024", "100"), "Parameters of one field."),
    limit("attachments.segments", (1, 4_096), ("1000", "100"), "Pieces of one value after RFC 2231."),
    limit("attachments.boundaries", (1, 64), ("16", "8"), "Boundaries of one multipart in all readings."),
    limit("attachments.encoded_levels", (1, 8), ("3", "2"), "Messages inside transfer encodings inside one another."),
    limit("attachments.names", (1, 100_000), ("5000", "500"), "Names in a message, without those inside archives."),
    limit("attachments.archive_members", (1, 1_000_000), ("50000", "2000"), "Names inside archives."),
    limit("attachments.archive_levels", (0, 3), ("2", "1"), "Archives inside one another whose members are looked into."),
    key("attachments.inflated_bytes", Takes::Bytes(0, 1 << 30), "\"64 MiB\"", "\"16 MiB\"",
        "Bytes that are inflated for one message."),
    limit("attachments.findings", (1, 100), ("16", "4"), "Names that are kept for the log, for each set of rules."),
    key("attachments.container_memory", Takes::Bytes(1 << 20, 1 << 40), "\"64 MiB\"", "\"256 MiB\"",
        "Memory for looking into the archives of all messages in flight. Beyond it an archive counts as one that cannot be \
         read. A change needs a restart."),
}
