//! The dialogue files of `tests/postfix` in this process, through the milter protocol and without Postfix: the same
//! sessions and the same expected replies, in a fraction of the time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use support::{dialogue::Scene, milter::Daemon, postfix::say};

#[tokio::test]
async fn the_filter_alone_answers_as_the_dialogues_say() {
    let (zone, scenes) = Scene::all();
    let (mut all, mut faults) = (0, Vec::new());
    for scene in scenes {
        let daemon = Daemon::start_with(scene.config(), &zone).await;
        let played = scene.play(daemon).await;
        say(&format!("in process: {} ... {} answers", scene.dialogue.name(), played.compared));
        all += played.compared;
        faults.extend(played.faults);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(all >= 700, "{all} answers were compared");
}
