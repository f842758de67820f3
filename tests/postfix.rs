//! Dialogues with a real Postfix: every file of `tests/postfix` is played against Postfix's own restriction lists,
//! which proves the expected replies, and against a Postfix whose lists are empty and whose milter is mailward.
//!
//! `DIALOGUE=NAME cargo test --test postfix` plays one file; with `UPDATE_CASES=1` Postfix's own replies are written
//! into the files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is a test")]

mod support;

use std::{
    collections::HashMap,
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};
use support::{
    dialogue::{Dialogue, Player, Side, Update},
    dns::DnsServer,
    login,
    mailward::MailwardInstance,
    policy_server::{Asked, PolicyServer},
    postfix::{PostfixInstance, Setup, available, id_of, own_directory, own_loopback, say},
    sink::Sink,
};

/// What all files' tests share: the zone, and the directories of their tables.
struct Stage {
    dialogues: Vec<Dialogue>,
    directory: PathBuf,
    nameserver: Ipv4Addr,
    _dns: DnsServer,
    /// By the file's name, for those with a table `policy`.
    services: HashMap<String, PolicyServer>,
    sink: Sink,
}

impl Stage {
    fn set(side: Side) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postfix");
        let wanted = env::var("DIALOGUE").ok();
        let mut dialogues = Dialogue::read_all(&root);
        dialogues.retain(|file| wanted.as_ref().is_none_or(|name| *name == file.name()));
        assert!(!dialogues.is_empty(), "there is no dialogue {wanted:?}");
        dialogues.retain(|file| file.only.is_none_or(|only| only == side));
        let directory = own_directory("tables");
        let mut services = HashMap::new();
        for dialogue in &dialogues {
            let tables = directory.join(dialogue.name());
            fs::create_dir(&tables).unwrap();
            dialogue.write_tables(&tables);
            if tables.join("policy").exists() {
                services.insert(dialogue.name(), PolicyServer::from_file(&tables.join("policy")));
            }
        }
        // libresolv knows no other port than 53.
        let nameserver = own_loopback();
        let zone = fs::read_to_string(root.join("zone")).unwrap();
        let dns = DnsServer::start_at(&zone, SocketAddr::from((nameserver, 53))).unwrap();
        Self { dialogues, directory, nameserver, _dns: dns, services, sink: Sink::start() }
    }

    fn tables(&self, dialogue: &Dialogue) -> PathBuf {
        self.directory.join(dialogue.name())
    }

    fn postfix(&self, services: Vec<Vec<String>>, chroot: bool) -> PostfixInstance {
        let main_cf = [self.sink.main_cf(), login::main_cf(login::start())].concat();
        PostfixInstance::start(&Setup { main_cf, services, chroot, nameserver: Some(self.nameserver) })
    }

    /// The parameters of an smtpd whose own lists decide.
    fn main_cf(&self, dialogue: &Dialogue) -> Vec<String> {
        let lines = dialogue.main_cf(&self.tables(dialogue)).into_iter();
        lines.map(|line| self.with_service(dialogue, line)).collect()
    }

    /// The file's mailward.toml, without socket.
    fn policy(&self, dialogue: &Dialogue) -> String {
        let policy = self.with_service(dialogue, dialogue.policy(&self.tables(dialogue)));
        format!("{policy}[dns]\nnameservers = [\"{}:53\"]\n", self.nameserver)
    }

    /// `$POLICY` is where the file's policy server listens.
    fn with_service(&self, dialogue: &Dialogue, text: String) -> String {
        match self.services.get(&dialogue.name()) {
            Some(service) => text.replace("$POLICY", &service.address().to_string()),
            None => text,
        }
    }

    /// Plays a file and prints how many replies were compared; the faults come back.
    fn play(
        &self,
        dialogue: &Dialogue,
        side: Side,
        postfix: &PostfixInstance,
        service: usize,
    ) -> (Vec<String>, Vec<Update>) {
        let player = Player::new(dialogue, side, postfix.address(service), postfix, &self.sink);
        let (compared, faults, updates) = player.play();
        let verdict = if faults.is_empty() { "ok" } else { "FAILED" };
        say(&format!("{side:?}: {} ... {compared} replies {verdict}", dialogue.name()));
        (faults, updates)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn postfix_itself_answers_as_the_dialogues_say() {
    if !available("dialogues with Postfix's own lists") {
        return;
    }
    let stage = Stage::set(Side::Postfix);
    let services = stage.dialogues.iter().map(|dialogue| stage.main_cf(dialogue)).collect();
    let postfix = stage.postfix(services, true);
    let mut all = Vec::new();
    for (service, dialogue) in stage.dialogues.iter().enumerate() {
        let (faults, updates) = stage.play(dialogue, Side::Postfix, &postfix, service);
        if env::var_os("UPDATE_CASES").is_some() {
            Update::write(dialogue, updates);
        }
        all.extend(faults);
    }
    assert!(all.is_empty(), "{}\n{}", all.join("\n"), log_of(&postfix));
}

#[test]
fn mailward_answers_as_postfix_does() {
    if !available("dialogues with mailward") {
        return;
    }
    let stage = Stage::set(Side::Milter);
    let run = |dialogue: &Dialogue| MailwardInstance::start(&stage.policy(dialogue));
    let filters: Vec<MailwardInstance> = stage.dialogues.iter().map(run).collect();
    let service = |filter: &MailwardInstance| {
        vec![format!("smtpd_milters = {}", filter.socket()), "milter_default_action = tempfail".to_owned()]
    };
    let postfix = stage.postfix(filters.iter().map(service).collect(), true);
    let mut all = Vec::new();
    for (service, (dialogue, filter)) in stage.dialogues.iter().zip(filters).enumerate() {
        let (mut faults, _) = stage.play(dialogue, Side::Milter, &postfix, service);
        if !faults.is_empty() {
            faults.push(format!("mailward's log:\n{}", filter.log()));
        }
        all.extend(faults);
        let status = filter.terminate();
        assert!(status.success(), "{}: mailward ended with {status}", dialogue.name());
    }
    assert!(all.is_empty(), "{}\n{}", all.join("\n"), log_of(&postfix));
}

/// All that one side's lists ask the service of the file policy_service.
fn asked_by(side: Side) -> Option<Vec<Asked>> {
    let stage = Stage::set(side);
    let dialogue = stage.dialogues.iter().find(|dialogue| dialogue.name() == "policy_service")?;
    let filter = (side == Side::Milter).then(|| MailwardInstance::start(&stage.policy(dialogue)));
    let parameters = match &filter {
        Some(filter) => {
            let milter = format!("smtpd_milters = {}", filter.socket());
            vec![milter, "milter_default_action = tempfail".to_owned()]
        }
        None => stage.main_cf(dialogue),
    };
    let postfix = stage.postfix(vec![parameters], true);
    let (faults, _) = stage.play(dialogue, side, &postfix, 0);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Some(stage.services.get("policy_service")?.asked())
}

/// What they ask about the recipient `dunno`, by the recipient list.
fn asked_about_dunno(side: Side) -> Option<String> {
    let asked = asked_by(side)?;
    let about = |asked: &&Asked| asked.get("recipient").starts_with("dunno@");
    let request = asked.iter().filter(about).find(|asked| asked.get("policy_context").is_empty());
    Some(request?.text.clone())
}

#[test]
fn a_policy_service_is_told_by_mailward_what_postfix_tells_it() {
    if !available("the requests to a policy service") {
        return;
    }
    let Some(theirs) = asked_about_dunno(Side::Postfix) else { return };
    let ours = asked_about_dunno(Side::Milter).expect("mailward asks too");
    // What differs from session to session, whoever asks.
    let own = ["client_port", "server_address", "server_port", "queue_id", "instance"];
    let common = |text: &str| {
        let blank = |line: &str| match line.split_once('=') {
            Some((name, value)) if own.contains(&name) && !value.is_empty() => format!("{name}=…\n"),
            _ => format!("{line}\n"),
        };
        text.lines().map(blank).collect::<String>()
    };
    // What newer versions of Postfix send too (3.8, 3.12).
    let newer = ["tls_sni", "compatibility_level", "mail_version"];
    let has = |text: &str, name: &str| text.lines().any(|line| line.split('=').next() == Some(name));
    let ours: String = ours
        .lines()
        .filter(|line| {
            let name = line.split('=').next().unwrap_or_default();
            !newer.contains(&name) || has(&theirs, name)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let unknown = |line: &str| match line.split_once('=') {
        // Only Postfix itself knows its compatibility_level.
        Some((name, _)) if newer.contains(&name) => format!("{name}=…\n"),
        _ => format!("{line}\n"),
    };
    let [ours, theirs] =
        [common(&ours), common(&theirs)].map(|text| text.lines().map(unknown).collect::<String>());
    assert_eq!(ours, theirs);
}

/// The sizes of the messages that the service is asked about at their end.
fn sizes_at_the_end(side: Side) -> Option<Vec<String>> {
    let asked = asked_by(side)?;
    let end = asked.iter().filter(|asked| asked.get("protocol_state") == "END-OF-MESSAGE");
    Some(end.map(|asked| asked.get("size").to_owned()).collect())
}

#[test]
fn a_policy_service_is_told_the_real_size_at_the_end_of_a_message() {
    if !available("the sizes that a policy service is told") {
        return;
    }
    let Some(theirs) = sizes_at_the_end(Side::Postfix) else { return };
    assert!(theirs.len() > 1 && !theirs.contains(&"0".to_owned()), "{theirs:?}");
    assert_eq!(sizes_at_the_end(Side::Milter), Some(theirs));
}

#[test]
fn the_relative_socket_path_works_chrooted_and_not() {
    if !available("the relative socket path") {
        return;
    }
    let stage = Stage::set(Side::Milter);
    let Some(dialogue) = stage.dialogues.iter().find(|dialogue| dialogue.name() == "tutorial") else {
        return;
    };
    for chroot in [true, false] {
        let service = ["smtpd_milters = unix:mailward/mailward.sock", "milter_default_action = tempfail"];
        let postfix = stage.postfix(vec![service.map(str::to_owned).to_vec()], chroot);
        let directory = postfix.queue_directory().join("mailward");
        fs::create_dir(&directory).unwrap();
        // The set-group-ID bit gives the socket its group, as `mailward prepare` arranges it.
        chown(&directory, None, Some(id_of("postfix", "group"))).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o2750)).unwrap();
        let socket = format!("unix:{}/mailward.sock", directory.display());
        let filter = MailwardInstance::start_on(&socket, &stage.policy(dialogue));
        let (faults, _) = stage.play(dialogue, Side::Milter, &postfix, 0);
        assert!(
            faults.is_empty(),
            "chroot {chroot}: {}\n{}\n{}",
            faults.join("\n"),
            filter.log(),
            log_of(&postfix)
        );
    }
}

/// Postfix's log, if it is asked for.
fn log_of(postfix: &PostfixInstance) -> String {
    if env::var_os("POSTFIX_LOG").is_some() {
        postfix.log()
    } else {
        "POSTFIX_LOG=1 shows Postfix's log".to_owned()
    }
}
