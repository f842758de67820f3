//! Header tables as Postfix asks them: `postmap -hmq` and Postfix itself see the same messages with the same tables.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::{
    decision::action::{Action, ClassId},
    header_checks::{Class, Found, HeaderTable, Inspector, Plan, Use},
    origin::{Fault, Origin, Word},
    request::message::Inspect,
    table::Source,
};
use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
    sync::Arc,
};
use support::{
    mailward::MailwardInstance,
    postfix::{PostfixInstance, Setup, available, own_directory, say},
    sink::{Delivered, Sink},
    smtp::send,
};

/// A table that matches every field.
const EVERY: &str = "/^/ INFO seen\n";

/// Messages by hand: what each is for stands in its first field.
const MESSAGES: &[&str] = &[
    "Subject: plain\nFrom: a@b.example\n\nbody\nX: y\n",
    "Subject: folds\nX-Long: one\n two\n\tthree\nContent-Type: text/plain;\n name=a.exe\n\nbody\n",
    "Subject: parts\nContent-Type: multipart/mixed; boundary=b\n\nprologue\nP: q\n--b\nA: b\n\nbody\nX: y\n--b\nContent-Type: text/plain\n\nX: y\n--b--\nE: f\n--b\nG: h\n",
    "Subject: obsolete blank before the colon\nX-A : b\nX-B\t: c\nContent-Type : multipart/mixed; boundary=b\n\n--b\nX-C : d\n\n",
    "Subject: no blank line\nContent-Type: multipart/mixed; boundary=b\nthis is no field\n--b\nX: y\n\n",
    "Subject: nested message\nContent-Type: message/rfc822\n\nSubject: inner\nContent-Type: multipart/mixed; boundary=c\n\n--c\nX: y\n\n--c--\n",
    "Subject: message in a part\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: inner\nX: y\n\nbody\nN: o\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogaW5uZXIK\n--b--\n",
    "Subject: digest\nContent-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\nbody\n--b\nContent-Type: text/plain\n\nSubject: none\n--b--\n",
    "Subject: global and partial\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/global\n\nSubject: one\n\n--b\nContent-Type: message/partial; number=1\n\nSubject: two\n\n--b\nContent-Type: message/external-body; name=a\n\nSubject: three\n\n--b--\n",
    "Subject: two boundaries\nContent-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\nA: 1\n\n--b\nB: 2\n\n--a\nA: 3\n\n--b--\nX: y\n--a\nA: 4\n\n",
    "Subject: two types\nContent-Type: multipart/mixed; boundary=a\nContent-Type: text/plain\n\n--a\nA: 1\n\n--a--\n",
    "Subject: two types\nContent-Type: message/rfc822\nContent-Type: text/plain\n\nA: 1\n\n",
    "Subject: two types\nContent-Type: message/rfc822\nContent-Type: application/x-y\n\nA: 1\n\n",
    "Subject: two types\nContent-Type: message/rfc822\nContent-Type: image/png\n\nA: 1\n\n",
    "Subject: two types\nContent-Type: text/plain\nContent-Type: message/rfc822\n\nA: 1\n\n",
    "Subject: empty type\nContent-Type: message/rfc822\nContent-Type:\n\nA: 1\n\n",
    "Subject: prefix\nContent-Type: multipart/mixed; boundary=abc\n\n--abcd\nContent-Type: multipart/mixed; boundary=abcd\n\n--abcd\nX: y\n\n--abc\nZ: w\n\n--abcd\nV: u\n\n--abc--\n",
    "Subject: trailing\nContent-Type: multipart/mixed; boundary=b\n\n--b   \nX: y\n\n--b--trailing\nZ: w\n\n --b\nV: u\n",
    "Subject: quoted\nContent-Type: multipart/mixed; boundary=\"a \\\"b\\\" c\"\n\n--a \"b\" c\nX: y\n\n",
    "Subject: quoted fold\nContent-Type: multipart/mixed; boundary=\"a\n b\"\n\n--a b\nX: y\n\n--a\nZ: w\n\n--ab\nV: u\n",
    "Subject: comments\nContent-Type: multipart (x (y)) / mixed; boundary (c) = (d) b\n\n--b\nX: y\n\n",
    "Subject: charset\nContent-Type: multipart/mixed; boundary*=us-ascii''b\n\n--b\nX: y\n\n--us-ascii''b\nZ: w\n\n",
    "Subject: empty boundary\nContent-Type: multipart/mixed; boundary=\"\"\n\n--\nX: y\n\n--b\nZ: w\n\n",
    "Subject: special\nContent-Type: multipart/mixed; boundary==; boundary=b/c\n\n--=\nX: y\n\n--b\nZ: w\n\n",
    "Subject: quoted type\nContent-Type: \"multipart\"/mixed; boundary=b\n\n--b\nX: y\n\n",
    "Subject: no subtype\nContent-Type: multipart; boundary=b\n\n--b\nX: y\n\n",
    "Subject: semicolon first\nContent-Type: ; multipart/mixed; boundary=b\n\n--b\nX: y\n\n",
    "Subject: text\nContent-Type: text/rfc822-headers\n\nX: y\n\n",
    "Subject: continued at once\nContent-Type: multipart/mixed; boundary=b\n\n--b\n X: y\nZ: w\n\n--b\nA: b\n c\n\td\n \n e\nB: c\n\n",
    "Subject: eight bits\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX-\u{e9}: y\nZ: w\n\n--b\nZ: \u{e9}\nX@!~: y\n: w\n\n",
    "Subject: unclosed\nContent-Type: multipart/mixed; boundary=\"b\n\n--b\nX: y\n\n",
    "Subject: inner closes the outer\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\nX: 1\n\n--b--\nY: 2\n--c\nZ: 3\n\n",
    "Subject: end within a field\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX: y\n z",
    "Subject: boundary in a header\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX: y\n--b\nZ: w\n--b: x\n\n",
];

/// Pieces of which further messages are made.
const PIECES: &[&str] = &[
    "\n",
    "\n",
    "\n\n",
    "X: y\n",
    "Subject: s\n",
    " folded\n",
    "\tfolded\n",
    "text\n",
    "--",
    "--a\n",
    "--b\n",
    "--a--\n",
    "--b--\n",
    "--ab\n",
    "Content-Type: multipart/mixed; boundary=a\n",
    "Content-Type: multipart/digest; boundary=b\n",
    "Content-Type: multipart/mixed;\n boundary=\"ab\"\n",
    "Content-Type: message/rfc822\n",
    "Content-Type: text/plain; name=a.exe\n",
    "Content-Type:\n",
    "MIME-Version: 1.0\n",
    "Content-Type",
    ": ",
    ";",
    "\"",
    "(",
    ")",
    "\\",
    "boundary=",
    "a",
    "b",
    "=",
];

/// A table in memory.
struct Text(&'static str);

impl Source for Text {
    fn read(&mut self, _: &str) -> Result<String, String> {
        Ok(self.0.to_owned())
    }

    fn class(&mut self, _: &str, _: &Origin) -> ClassId {
        ClassId(0)
    }

    fn fault(&mut self, fault: Fault) {
        panic!("{}", fault.message);
    }

    fn parents(&self) -> bool {
        true
    }
}

/// What a table says of a message that comes in chunks of `size` bytes, with the message's own header cut as Postfix cuts
/// it.
fn actions(table: &'static str, message: &[u8], size: usize) -> Vec<Action> {
    let word = Word { text: "pcre:t".to_owned(), origin: Origin::new("t", 1, 1) };
    let entry =
        Use { table: Arc::new(HeaderTable::load(&word, &mut Text(table)).unwrap()), class: Class::Primary };
    let mut plan = Plan::default();
    plan.add(&entry);
    let mut inspector = Inspector::new(Arc::new(plan));
    let body = mailward::cli::message::headers(message, |name, value| inspector.header(name, value));
    inspector.end_of_headers();
    for chunk in body.chunks(size) {
        inspector.body(chunk);
    }
    let found: Found = inspector.finish();
    found.by(&entry).unwrap().actions.clone()
}

/// The fields that mailward sees, as log lines show them.
fn ours(message: &str, size: usize) -> Vec<String> {
    let wire = message.replace('\n', "\r\n");
    let seen = actions(EVERY, wire.as_bytes(), size).into_iter().map(|action| match action {
        Action::Remark { text, .. } => text,
        other => panic!("{other:?}"),
    });
    seen.collect()
}

/// The fields that Postfix sees, in the same words.
fn theirs(table: &str, message: &str) -> Vec<String> {
    let mut postmap = Command::new("postmap");
    postmap.args(["-hmq", "-", &format!("pcre:{table}")]);
    let mut child = postmap.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let fields = text.split("\tINFO seen\n").filter(|field| !field.is_empty());
    let shown = |field: &str| {
        let field = field.replace(['\n', '\t'], " ");
        format!("header {}: seen", mailward::smtp::text::cut(&field, 200))
    };
    fields.map(shown).collect()
}

fn random_messages(count: usize) -> Vec<String> {
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut message = || {
        let pieces = (0..3 + random(25)).map(|_| PIECES[random(PIECES.len())]);
        format!("Subject: x\n{}", pieces.collect::<String>())
    };
    (0..count).map(|_| message()).collect()
}

#[test]
fn postmap_sees_the_same_fields() {
    if !available("the fields that Postfix sees") {
        return;
    }
    let directory = own_directory("fields");
    let table = directory.join("table");
    fs::write(&table, EVERY).unwrap();
    let table = table.to_str().unwrap();
    let mut messages: Vec<String> = MESSAGES.iter().map(|message| (*message).to_owned()).collect();
    messages.extend(random_messages(400));
    let deep = |levels: usize| {
        let level = |n: usize| format!("Content-Type: multipart/mixed; boundary=n{n}x\n\n--n{n}x\n");
        format!("{}X: innermost\n\n", (0..levels).map(level).collect::<String>())
    };
    messages.extend([5, 99, 100, 101].map(deep));
    // postmap has no limit for lines; that of smtpd shows only where a name or a boundary is longer.
    for length in [2_040, 2_048, 2_060, 5_000, 110_000] {
        let (text, value) = ("z".repeat(length), "--b ".repeat(length / 4));
        messages.push(format!(
            "Subject: long\nContent-Type: multipart/mixed; boundary=b\n\n{text}--b\nX: y\n{value}\n--b\nN: {text}\n {value}\nW: v\n"
        ));
    }
    let (mut fields, mut faults) = (0, Vec::new());
    for message in &messages {
        let want = theirs(table, message);
        fields += want.len();
        for size in [65_535, 7] {
            let got = ours(message, size);
            if got != want {
                let message = message.chars().take(500).collect::<String>();
                faults
                    .push(format!("{message:?} in chunks of {size}:\n  postfix {want:#?}\n  here {got:#?}"));
                break;
            }
        }
    }
    fs::remove_dir_all(&directory).unwrap();
    say(&format!("postmap: {} messages with {fields} fields, {} differ", messages.len(), faults.len()));
    assert!(faults.is_empty(), "{}", faults[..faults.len().min(5)].join("\n"));
    assert!(fields > 1_000, "{fields} fields are too few to prove anything");
}

/// The table of the comparison with Postfix itself. What it asks is told by fields that begin with X.
const ACTIONS: &str = "\
/^X-Reject:/ REJECT
/^X-Text: (.*)$/ REJECT go away, $1
/^X-Status:/ REJECT 5.6.0 bad content
/^X-Later:/ REJECT 4.6.0 try later
/^X-Wrong: ([[:alpha:]]+)/ REJECT 5.7.0 `$1` is 50% wrong
/^X-Discard:/ DISCARD
/^X-Hold:/ HOLD look at it
/^X-Redirect:/ REDIRECT other@mail.example
/^X-Bcc:/ BCC archive@mail.example
/^X-Pass:/ PASS
/^X-Ignore:/ IGNORE
/^X-Strip:/ STRIP not wanted
/^X-Prepend: (.*)/ PREPEND X-Before: $1
/^X-Replace: (.*)/ REPLACE X-Replace: was $1
/^X-Rename: ((.|\\n)*)/ REPLACE X-Renamed: $1
/^X-Warn:/ WARN seen
if !/^X-Not-Reject:/
/^X-Not/ REJECT not this
endif
/^content-(type|disposition):.*name[[:space:]]*=.*\\.(exe|vbs|pif)/
    REJECT Bad attachment file name extension: $2
/^Subject:.*\\.\\.\\./ REJECT three
";

/// Headers of messages for that table, each with whether a body with parts follows.
const HEADERS: &[&str] = &[
    "Subject: plain\n\nbody\n",
    "X-Reject: 1\n\n",
    "X-Text: of the field\n\n",
    "X-Text: folded\n text\n\n",
    "X-Status: 1\nX-Reject: 1\n\n",
    "X-Later: 1\nX-Reject: 1\n\n",
    "X-Wrong: $name\n\n",
    "X-Wrong: name\n\n",
    "X-Wrong: \u{e9}\n\n",
    "X-Discard: 1\nX-Reject: 1\n\n",
    "X-Hold: 1\nSubject: s\n\n",
    "X-Hold: 1\nX-Reject: 1\n\n",
    "X-Redirect: 1\n\n",
    "X-Bcc: 1\nX-Bcc: 2\n\n",
    "X-Bcc: 1\nX-Redirect: 1\n\n",
    "X-Pass: 1\nX-Reject: 1\n\n",
    "X-Reject: 1\nX-Pass: 1\n\n",
    "X-Ignore: 1\nSubject: s\nX-Ignore: 2\nX-Other: o\nx-ignore: 3\n more\n\n",
    "X-Strip: 1\nX-Other: o\n\n",
    "X-Prepend: 1\nX-Ignore: 1\nX-Prepend: 2\nX-Prepend:  3\n\n",
    "X-Replace: 1\nX-Other: o\nX-Replace: 2\n 3\nX-Replace:\n\n",
    "X-Rename: 1\n 2\nX-Prepend: a\nX-Ignore: b\nX-Rename: 3\nX-Prepend: c\n\n",
    "X-Warn: 1\n\n",
    "X-Not-Reject: 1\n\n",
    "X-Not: 1\n\n",
    "Content-Type: application/x; name=a.exe\n\n",
    "content-disposition: attachment;\n\tfilename=\"a.PIF\"\n\n",
    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment; filename=a.vbs\n\n--b--\n",
    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nX-Text: nested\n\n--b--\n",
    "Content-Type: multipart/mixed; boundary=b\n\n--b\nX-Status: part\n\n--b--\n",
    "Content-Type: multipart/mixed; boundary=b\n\nX-Status: prologue\n--b--\nX-Status: epilogue\n",
    "Content-Type: text/plain\n\nX-Reject: in the body\n",
];

/// What became of a message: the reply, and what was delivered of it.
#[derive(Debug, PartialEq, Eq)]
struct Fate {
    reply: String,
    then: String,
}

/// What becomes of each message when Postfix itself, or mailward for it, asks the table.
fn fates(main_cf: &[String], messages: &[String]) -> Vec<Fate> {
    let sink = Sink::start();
    let main_cf = [sink.main_cf(), main_cf.to_vec()].concat();
    let postfix = PostfixInstance::start(&Setup { main_cf, ..Setup::default() });
    let wire: Vec<_> = messages.iter().map(|message| message.replace('\n', "\r\n").into_bytes()).collect();
    let replies = send(postfix.address(0), &wire);
    let id = |reply: &str| reply.rsplit_once("queued as ").map(|(_, id)| id.to_owned());
    let delivered: Vec<Option<String>> = replies.iter().map(|reply| id(reply)).collect();
    let held = postfix.queue();
    let then = |id: &Option<String>| {
        let Some(id) = id else { return "nothing".to_owned() };
        if held.get(id).is_some_and(|queue| queue == "hold") {
            return "held".to_owned();
        }
        let log = postfix.log();
        if log.contains(&format!("{id}: discard: ")) || log.contains(&format!("{id}: milter-discard: ")) {
            return "discarded".to_owned();
        }
        let Some(Delivered { recipients, header, .. }) = sink.wait(id) else { panic!("{id} is lost\n{log}") };
        format!("to {}\n{}", recipients.join(","), header.join("\n"))
    };
    let then: Vec<String> = delivered.iter().map(then).collect();
    let bare = |reply: String| reply.split("queued as").next().unwrap().to_owned();
    replies.into_iter().zip(then).map(|(reply, then)| Fate { reply: bare(reply), then }).collect()
}

#[test]
fn a_table_does_here_what_it_does_in_postfix() {
    if !available("the actions of header tables") {
        return;
    }
    let directory = own_directory("actions");
    let table = directory.join("table");
    fs::write(&table, ACTIONS).unwrap();
    let entry = format!("pcre:{}", table.display());
    let messages: Vec<String> = HEADERS.iter().map(|message| (*message).to_owned()).collect();
    let theirs = fates(&[format!("header_checks = {entry}")], &messages);
    let policy = format!("[restrictions]\nend_of_data = ['check_header {entry}']\n");
    let filter = MailwardInstance::start(&policy);
    let milter =
        [format!("smtpd_milters = {}", filter.socket()), "milter_default_action = tempfail".to_owned()];
    let ours = fates(&milter, &messages);
    fs::remove_dir_all(&directory).unwrap();
    let mut faults = Vec::new();
    for ((message, theirs), ours) in messages.iter().zip(theirs).zip(ours) {
        if theirs != ours {
            faults.push(format!("{message:?}\n  postfix {theirs:#?}\n  here {ours:#?}"));
        }
    }
    say(&format!("header_checks: {} messages, {} differ", messages.len(), faults.len()));
    assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), filter.log());
}
