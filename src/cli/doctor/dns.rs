//! DNS: whether the resolver answers, and what is believed of each list.

use super::finding::{Finding, Level};
use crate::server::status::List;

/// What is known of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Where the servers come from: `127.0.0.1:53`, `/etc/resolv.conf (192.0.2.53)`.
    pub(super) servers: String,
    /// Whether they answer.
    pub(super) answers: bool,
    /// The lists of the policy.
    pub(super) lists: Vec<List>,
}

const SUBJECT: &str = "dns";

/// Judges it.
pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    if !facts.answers {
        let text = format!("no name server answers ({}): mail passes or waits without DNS", facts.servers);
        let fix = "start the resolver, or name one that answers in [dns] nameservers or /etc/resolv.conf";
        return vec![Finding::new(Level::Fail, SUBJECT, text).fix(fix)];
    }
    let sound: Vec<&str> = names(&facts.lists, "sound");
    let lists = match (facts.lists.len(), sound.len()) {
        (0, _) => "the policy asks no DNS list".to_owned(),
        (_, 0) => "no list is known to be sound".to_owned(),
        _ => format!("sound: {}", sound.join(", ")),
    };
    let mut findings = vec![Finding::new(Level::Ok, SUBJECT, format!("{} answers; {lists}", facts.servers))];
    for list in facts.lists.iter().filter(|list| list.state == "set_aside") {
        let List { zone, place, trouble, advice, .. } = list;
        let trouble = trouble.as_deref().unwrap_or("cannot be believed");
        let text = format!("{zone} {trouble} ({place}). The list is set aside until it behaves");
        let finding = Finding::new(Level::Fail, SUBJECT, text);
        findings.push(match advice {
            Some(advice) => finding.fix(advice),
            None => finding,
        });
    }
    let unknown = names(&facts.lists, "unknown");
    if !unknown.is_empty() {
        let text = format!("not tested yet: {}", unknown.join(", "));
        findings.push(Finding::new(Level::Note, SUBJECT, text));
    }
    findings
}

fn names<'a>(lists: &'a [List], state: &str) -> Vec<&'a str> {
    lists.iter().filter(|list| list.state == state).map(|list| list.zone.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::said;

    fn list(zone: &str, state: &str) -> List {
        let aside = state == "set_aside";
        List {
            zone: zone.to_owned(),
            place: "f:3".to_owned(),
            state: state.to_owned(),
            trouble: aside
                .then(|| "answers 127.255.255.254: it is asked through a public resolver".to_owned()),
            advice: aside.then(|| "run a resolver of your own".to_owned()),
        }
    }

    #[test]
    fn a_list_that_is_refused_fails_with_the_way_out() {
        let check = |answers, lists: &[List]| {
            let facts = Facts { servers: "127.0.0.1:53".to_owned(), answers, lists: lists.to_vec() };
            said(&check(&facts))
        };
        assert_eq!(check(true, &[]), ["ok 127.0.0.1:53 answers; the policy asks no DNS list"]);
        let lists =
            [list("a.example", "sound"), list("b.example", "set_aside"), list("c.example", "unknown")];
        let want = [
            "ok 127.0.0.1:53 answers; sound: a.example",
            "FAIL b.example answers 127.255.255.254: it is asked through a public resolver (f:3). The list is set aside \
             until it behaves / run a resolver of your own",
            "note not tested yet: c.example",
        ];
        assert_eq!(check(true, &lists), want);
        assert_eq!(check(true, &lists[1..2])[0], "ok 127.0.0.1:53 answers; no list is known to be sound");
        let dead = check(false, &lists);
        assert!(
            dead.len() == 1 && dead[0].starts_with("FAIL no name server answers (127.0.0.1:53)"),
            "{dead:?}"
        );
    }
}
