//! Cases of the restrictions that look into access tables, with whole replies.

mod keys;

use super::*;
use crate::{
    decision::{
        Deferrals,
        action::{Amendment, ClassId},
    },
    lookup::answers::Answers,
    origin::{Origin, Word},
    request::{
        DecisionId, Stage,
        envelope::{Envelope, Path},
        session::{Identity, NameStatus, Session},
    },
    restriction::args::Tables,
    smtp::helo::Helo,
    table::memory::{Memory, message, word},
    time::Timestamp,
};

/// Tables out of memory, and the warnings about them.
#[derive(Default)]
struct TestTables(Memory);

impl Tables for TestTables {
    fn table(&mut self, word: &Word) -> Result<Arc<AccessTable>, Fault> {
        AccessTable::load(word, &mut self.0).map(Arc::new)
    }

    fn warn(&mut self, fault: Fault) {
        self.0.faults.push(fault);
    }
}

fn make(name: &str, kind: &str, text: &str, settings: &Settings) -> (Box<dyn Restriction>, Vec<String>) {
    let mut tables = TestTables::default();
    tables.0.files.insert("t", text.to_owned());
    let name = Word { text: name.to_owned(), origin: Origin::new("m", 1, 1) };
    let words = vec![word(&format!("{kind}:t"))];
    let mut arguments = Arguments::new(name.clone(), words, settings, &mut tables);
    let kind = crate::restriction::find(&name.text).unwrap();
    let Parse::Entry(parse) = kind.parse else { panic!("an entry") };
    let restriction = parse(&mut arguments).unwrap();
    (restriction, tables.0.messages())
}

/// What a restriction says at RCPT to a client, a HELO name, a sender and a recipient, and its note.
struct Scene {
    session: Session,
    envelope: Envelope,
    recipient: Option<Path>,
}

impl Default for Scene {
    fn default() -> Self {
        let mut session = Session { helo: Some(Helo::from_wire(b"helo.example.net")), ..Session::default() };
        session.client.address = Some([192, 0, 2, 1].into());
        session.client.identity = Identity::verified("mail.example.net");
        let sender = Some(Path::new("user+ext@a.example.net"));
        let recipient = Some(Path::new("rcpt@b.example.org"));
        Self { session, envelope: Envelope { sender, ..Envelope::default() }, recipient }
    }
}

impl Scene {
    fn client(name: Option<&str>, address: &str) -> Self {
        let mut scene = Self::default();
        scene.session.client.address = Some(address.parse().unwrap());
        scene.session.client.identity =
            name.map_or(Identity::nameless(NameStatus::Missing), Identity::verified);
        scene
    }

    fn helo(name: &str) -> Self {
        let mut scene = Self::default();
        scene.session.helo = Some(Helo::from_wire(name.as_bytes()));
        scene
    }

    fn sender(address: &str) -> Self {
        let mut scene = Self::default();
        scene.envelope.sender = Some(Path::new(address));
        scene
    }

    fn recipient(address: &str) -> Self {
        Self { recipient: Some(Path::new(address)), ..Self::default() }
    }

    fn check(&self, restriction: &dyn Restriction) -> (Action, Option<String>) {
        let deferrals = Deferrals::default();
        let request = Request {
            id: DecisionId { at: Timestamp(0), count: 0 },
            event: Event::Rcpt,
            stage: Stage::Recipient,
            subject: Stage::Recipient.into(),
            session: &self.session,
            envelope: &self.envelope,
            recipient: self.recipient.as_ref(),
            message: None,
            now: Timestamp(0),
            carried: &deferrals,
            exemption: None,
        };
        let answers = Answers::default();
        let mut lookups = Lookups::new(&answers);
        let action = restriction.check(&request, &mut lookups).unwrap();
        (action, lookups.take_used().1)
    }

    /// The action in one line.
    fn says(&self, name: &str, kind: &str, text: &str) -> String {
        self.says_with(name, kind, text, &Settings::default())
    }

    fn says_with(&self, name: &str, kind: &str, text: &str, settings: &Settings) -> String {
        let (restriction, _) = make(name, kind, text, settings);
        match self.check(&*restriction).0 {
            Action::Reject(reply) => reply.to_string(),
            Action::Fault(reply) => format!("fault {reply}"),
            Action::DeferIfPermit(reply) => format!("defer_if_permit {reply}"),
            Action::DeferIfReject(reply) => format!("defer_if_reject {reply}"),
            Action::DeferAtData(reply) => format!("defer_at_data {reply}"),
            Action::Discard(text) => format!("discard {text}"),
            Action::Amend(amendment) => match *amendment {
                Amendment::Hold(text) => format!("hold {text}"),
                Amendment::Prepend { name, value } => format!("prepend {name}: {value}"),
                Amendment::Redirect(address) => format!("redirect {address}"),
                Amendment::Bcc(address) => format!("bcc {address}"),
                amendment => format!("{amendment:?}"),
            },
            action @ Action::Several(_) => format!("{action:?}"),
            Action::Remark { word, text } => format!("{word} {text}"),
            Action::Class { class: ClassId(number), .. } => format!("class {number}"),
            action @ (Action::Dunno | Action::Ok) => action.word().to_owned(),
        }
    }
}

fn dotted() -> Settings {
    Settings { parent_domain_matches_subdomains: false, ..Settings::default() }
}

#[test]
fn every_action_gives_postfix_s_reply() {
    let cases = [
        ("DUNNO", "dunno"),
        ("dunno text", "dunno"),
        ("OK", "ok"),
        ("relay text", "ok"),
        ("550", "ok"),
        ("REJECT", "554 5.7.1 <rcpt@b.example.org>: Recipient address rejected: Access denied"),
        ("reject go\taway", "554 5.7.1 <rcpt@b.example.org>: Recipient address rejected: go away"),
        ("REJECT 4.1.8 x", "554 5.1.2 <rcpt@b.example.org>: Recipient address rejected: x"),
        ("DEFER", "450 4.7.1 <rcpt@b.example.org>: Recipient address rejected: Access denied"),
        ("DEFER 4.2.1 later", "450 4.2.1 <rcpt@b.example.org>: Recipient address rejected: later"),
        ("550 5.1.1", "550 5.1.1 <rcpt@b.example.org>: Recipient address rejected: Access denied"),
        ("550 no such user", "550 5.7.1 <rcpt@b.example.org>: Recipient address rejected: no such user"),
        ("421 4.3.2 closed", "421 4.3.2 <rcpt@b.example.org>: Recipient address rejected: closed"),
        ("450 5.1.7 x", "450 4.1.3 <rcpt@b.example.org>: Recipient address rejected: x"),
        (
            "DEFER_IF_PERMIT",
            "defer_if_permit 450 4.7.1 <rcpt@b.example.org>: Recipient address rejected: Service unavailable",
        ),
        (
            "DEFER_IF_REJECT 4.3.0 busy",
            "defer_if_reject 450 4.3.0 <rcpt@b.example.org>: Recipient address rejected: busy",
        ),
        ("DISCARD", "discard <rcpt@b.example.org>: Recipient address triggers DISCARD action"),
        ("DISCARD gone", "discard <rcpt@b.example.org>: Recipient address gone"),
        ("HOLD", "hold <rcpt@b.example.org>: Recipient address triggers HOLD action"),
        ("HOLD look", "hold <rcpt@b.example.org>: Recipient address look"),
        ("PREPEND X-A: b: c", "prepend X-A: b: c"),
        ("PREPEND X-A:", "prepend X-A: "),
        ("REDIRECT a@b.example", "redirect a@b.example"),
        ("BCC \"a b\"@[192.0.2.1]", "bcc \"a b\"@[192.0.2.1]"),
        ("INFO seen", "info <rcpt@b.example.org>: Recipient address seen"),
        ("WARN", "warn <rcpt@b.example.org>: Recipient address triggers WARN action"),
        ("strict", "class 0"),
        ("permit", "class 0"),
    ];
    for (action, want) in cases {
        let text = format!("example.org {action}\n");
        assert_eq!(Scene::default().says("check_recipient_access", "hash", &text), want, "{action}");
    }
}

#[test]
fn replies_name_what_is_judged() {
    let text = "example.net 554 5.1.8 no\na.example.net 554 5.1.8 no\nrcpt@ 554 5.1.8 no\n";
    let cases = [
        ("check_client_access", "554 5.0.0 <mail.example.net[192.0.2.1]>: Client host rejected: no"),
        (
            "check_reverse_client_hostname_access",
            "554 5.0.0 <mail.example.net>: Unverified Client host rejected: no",
        ),
        ("check_helo_access", "554 5.0.0 <helo.example.net>: Helo command rejected: no"),
        ("check_sender_access", "554 5.1.8 <user+ext@a.example.net>: Sender address rejected: no"),
        ("check_recipient_access", "554 5.1.2 <rcpt@b.example.org>: Recipient address rejected: no"),
    ];
    for (name, want) in cases {
        assert_eq!(Scene::default().says(name, "hash", text), want, "{name}");
    }
}

#[test]
fn the_codes_of_the_settings_are_used() {
    let mut settings = Settings::default();
    settings.codes.access_map_reject_code = crate::smtp::reply::ReplyCode::known(550);
    settings.codes.access_map_defer_code = crate::smtp::reply::ReplyCode::known(451);
    for (action, want) in [
        ("REJECT", "550 5.7.1 <helo.example.net>: Helo command rejected: Access denied"),
        ("DEFER", "451 4.7.1 <helo.example.net>: Helo command rejected: Access denied"),
        (
            "DEFER_IF_PERMIT",
            "defer_if_permit 451 4.7.1 <helo.example.net>: Helo command rejected: Service unavailable",
        ),
    ] {
        let text = format!("net {action}\n");
        assert_eq!(Scene::default().says_with("check_helo_access", "hash", &text, &settings), want);
    }
}

#[test]
fn an_address_that_chooses_its_way_is_not_permitted() {
    let name = "check_recipient_access";
    for (address, want) in [
        ("user@example.org", "ok"),
        ("user%elsewhere@example.org", "dunno"),
        ("user@elsewhere@example.org", "dunno"),
        ("elsewhere!user@example.org", "dunno"),
    ] {
        assert_eq!(Scene::recipient(address).says(name, "hash", "org OK\n"), want, "{address}");
    }
    let (class, _) = make(name, "hash", "org strict\n", &Settings::default());
    for (address, want) in [("user@example.org", true), ("user%elsewhere@example.org", false)] {
        let (action, _) = Scene::recipient(address).check(&*class);
        assert!(matches!(action, Action::Class { may_permit, .. } if may_permit == want), "{address}");
    }
    let says = Scene::recipient("a%b@example.org").says(name, "hash", "org REJECT\n");
    assert_eq!(says, "554 5.7.1 <a%b@example.org>: Recipient address rejected: Access denied");
}

#[test]
fn a_reverse_name_cannot_permit() {
    let name = "check_reverse_client_hostname_access";
    let mut scene = Scene::default();
    scene.session.client.identity = Identity::unverified("ptr.example.com", NameStatus::Forged);
    assert_eq!(
        scene.says(name, "hash", "example.com REJECT dynamic\n"),
        "554 5.7.1 <ptr.example.com>: Unverified Client host rejected: dynamic"
    );
    assert_eq!(scene.says(name, "hash", "com OK\n"), "fault 451 4.3.5 Server configuration error");
    let (_, faults) = make(name, "hash", "a OK\nb DUNNO\nc RELAY\n", &Settings::default());
    let want = |line| {
        format!(
            "t:{line}:1+1 warning: `OK` is not allowed in a table of {name}: anybody can choose this name \
             (write `DUNNO` for an exception)"
        )
    };
    assert_eq!(faults, [want(1), want(3)]);

    let mut tables = TestTables::default();
    tables.0.files.insert("t", "a DUNNO\nb strict\n".to_owned());
    let settings = Settings::default();
    let mut arguments = Arguments::new(word(name), vec![word("hash:t")], &settings, &mut tables);
    let fault = entry(&mut arguments, Subject::ReverseClient).unwrap_err();
    assert_eq!(
        message(&fault),
        format!(
            "t:2:1+1 error: a restriction list is not possible in a table of {name}: it could permit \
             (write `REJECT`, `DEFER` or `DUNNO`)"
        )
    );
}

#[test]
fn groups_of_a_pattern_stand_in_texts_without_harm() {
    let name = "check_sender_access";
    let scene = Scene::sender("bad\r\nX: y@example.net");
    let text = "/^(.*)@(.*)$/ REJECT $$ ${2}: $1\n";
    assert_eq!(
        scene.says(name, "regexp", text),
        "554 5.7.1 <bad  X: y@example.net>: Sender address rejected: $ example.net: \"bad\\  x: y\""
    );
    assert_eq!(scene.says(name, "pcre", "/(.*)@/ PREPEND X-From: $1\n"), "prepend X-From: \"bad\\  x: y\"");
    let says = scene.says(name, "pcre", "/(.*)@/ REDIRECT $1@example.org\n");
    assert_eq!(
        says,
        "fault 451 4.3.5 <bad  X: y@example.net>: Sender address rejected: Server configuration error"
    );
    let says = Scene::sender("joe@example.net").says(name, "pcre", "/(.*)@/ BCC $1@example.org\n");
    assert_eq!(says, "bcc joe@example.org");
}

#[test]
fn the_note_names_the_key_and_the_place() {
    let settings = Settings::default();
    let (restriction, _) = make("check_client_access", "hash", "# x\nexample.net OK\n", &settings);
    let (_, note) = Scene::default().check(&*restriction);
    assert_eq!(note.as_deref(), Some("key `example.net` matches at t:2"));
    let (restriction, _) = make("check_sender_access", "pcre", "/\\x01/ OK\n", &settings);
    let (_, note) = Scene::sender("\u{1}@a").check(&*restriction);
    assert_eq!(note.as_deref(), Some("key `\"\\u{1}\"@a` matches at t:1"));
    assert_eq!(Scene::default().check(&*restriction), (Action::Dunno, None));
}

#[test]
fn a_pattern_that_takes_too_long_is_a_temporary_fault() {
    let helo = format!("{}!", "a".repeat(60));
    let scene = Scene::helo(&helo);
    let (restriction, _) = make("check_helo_access", "pcre", "/^(a+)+$/ REJECT\n", &Settings::default());
    let (action, note) = scene.check(&*restriction);
    let Action::Fault(reply) = action else { panic!("{action:?}") };
    let want = format!("451 4.3.5 <{helo}>: Helo command rejected: Server configuration error");
    assert_eq!(reply.to_string(), want);
    assert_eq!(note.as_deref(), Some("the pattern at t:1 was given up: match limit exceeded"));
}

#[test]
fn a_missing_table_is_a_fault_of_the_name() {
    let settings = Settings::default();
    let mut tables = TestTables::default();
    let mut arguments = Arguments::new(word("check_helo_access"), Vec::new(), &settings, &mut tables);
    let fault = entry(&mut arguments, Subject::Helo).unwrap_err();
    assert_eq!(
        message(&fault),
        "m.toml:3:5+17 error: `check_helo_access` needs a table behind it (write the table's type and file, such \
         as `check_helo_access hash:/etc/mailward/access`)"
    );
}

#[test]
fn a_name_of_many_labels_costs_no_more_than_its_length() {
    let scene = Scene::helo(&"a.".repeat(50_000));
    assert_eq!(scene.says("check_helo_access", "hash", "example.net OK\n"), "dunno");
}

#[test]
fn the_table_s_changes_are_negotiated() {
    let text = "a HOLD\nb PREPEND X: y\n";
    let (restriction, _) = make("check_helo_access", "hash", text, &Settings::default());
    assert_eq!(restriction.amends(), Amends { quarantine: true, headers: true, ..Amends::default() });
}
