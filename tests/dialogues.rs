//! The dialogue files of `tests/postfix` in this process, through the milter protocol and without Postfix: the same
//! sessions and the same expected replies, in a fraction of the time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use std::{fs, path::Path};
use support::{
    dialogue::{Dialogue, InProcess, Side},
    directory::Directory,
    milter::{Daemon, parse},
    policy_server::PolicyServer,
    postfix::say,
};

#[tokio::test]
async fn the_filter_alone_answers_as_the_dialogues_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postfix");
    let zone = fs::read_to_string(root.join("zone")).unwrap();
    let (mut all, mut faults) = (0, Vec::new());
    for dialogue in Dialogue::read_all(&root) {
        if dialogue.only == Some(Side::Postfix) {
            continue;
        }
        let directory = Directory::new();
        dialogue.write_tables(directory.path());
        let service = directory.path().join("policy");
        let service = service.exists().then(|| PolicyServer::from_file(&service));
        let address = service.as_ref().map(|service| service.address().to_string()).unwrap_or_default();
        let policy = dialogue.policy(directory.path()).replace("$POLICY", &address);
        let daemon = Daemon::start_with(parse(&policy, directory.path()), &zone).await;
        let (compared, found) = InProcess::new(&dialogue, &daemon).play().await;
        say(&format!("in process: {} ... {compared} answers", dialogue.name()));
        all += compared;
        faults.extend(found);
        daemon.stop().await;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(all >= 700, "{all} answers were compared");
}
