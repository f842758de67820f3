//! Dialogues with a real Postfix: every file of `tests/postfix` is played against Postfix's own restriction lists,
//! which proves the expected replies, and against a Postfix whose lists are empty and whose milter is mailward.
//!
//! `DIALOGUE=NAME cargo test --test postfix` plays one file; with `UPDATE_CASES=1` Postfix's own replies are written
//! into the files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is a test")]

mod support;

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, chown},
};
use support::{
    dialogue::{Dialogue, Side, Update},
    mailward::MailwardInstance,
    policy_server::Asked,
    postfix::{PostfixInstance, available, id_of},
    stage::Stage,
};

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
        let (faults, updates) = stage.play(dialogue, Side::Postfix, postfix.address(service), &postfix);
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
        let (mut faults, _) = stage.play(dialogue, Side::Milter, postfix.address(service), &postfix);
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
    let (faults, _) = stage.play(dialogue, side, postfix.address(0), &postfix);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Some(stage.service("policy_service")?.asked())
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
        let (faults, _) = stage.play(dialogue, Side::Milter, postfix.address(0), &postfix);
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
