//! Refusals for which the sender is not to blame: DNS gave no answer to what the entry asked.

use super::story::{Chapter, End};
use crate::{
    journal::{Row, read::Reader, stored::StoredStep},
    sqlite,
};

/// Questions to DNS, by their first word.
const DNS: [&str; 6] = ["A", "AAAA", "MX", "NS", "TXT", "PTR"];
/// What the entries say that judge names which were looked up before.
const NO_NAME: &str = "DNS did not answer";

/// Notes in each chapter what was asked without an answer.
pub(super) fn note(chapters: &mut [Chapter], rows: &[Row<'_>], reader: &Reader) -> Result<(), sqlite::Error> {
    for chapter in chapters.iter_mut().filter(|chapter| chapter.end == End::Deferred) {
        let Some(row) = rows.iter().find(|row| row.decision == chapter.id && !row.is_message()) else {
            continue;
        };
        let Some(record) = reader.record(row)? else { continue };
        let deciding = record.steps.iter().filter(|step| Some(step.rule) == row.rule);
        chapter.unanswered = deciding.filter_map(|step| of_step(step, chapter)).next_back();
    }
    Ok(())
}

fn of_step(step: &StoredStep, chapter: &Chapter) -> Option<String> {
    let temporary = step.lookups.iter().find_map(|looked| {
        let (kind, name) = looked.question().split_once(' ')?;
        let failed = DNS.contains(&kind) && looked.answer().is_some_and(|answer| answer.is_temporary());
        failed.then(|| name.to_owned())
    });
    let nameless = || {
        let by_name = step.reason.as_deref() == Some(NO_NAME);
        by_name.then(|| format!("the name of {}", chapter.client.as_deref().unwrap_or("the client")))
    };
    temporary.or_else(nameless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_question_to_dns_without_an_answer_counts() {
        let chapter = Chapter::of(&Row { client: Some("192.0.2.1".into()), ..Row::default() });
        let cases = [
            (r#"[["MX b.example", {"temporary": "no reply in time"}, 3]]"#, None, Some("b.example")),
            (
                r#"[["MX b.example", "not_found", 3], ["A b.example", {"temporary": "SERVFAIL"}, 3]]"#,
                None,
                Some("b.example"),
            ),
            (r#"[["MX b.example", "not_found", 3]]"#, None, None),
            (r#"[["POLICY unix:x", {"failed": "no connection"}, 3]]"#, None, None),
            ("[]", Some("DNS did not answer"), Some("the name of 192.0.2.1")),
            ("[]", Some("no PTR record"), None),
        ];
        for (lookups, reason, want) in cases {
            let step = StoredStep {
                rule: 1,
                depth: 0,
                word: "defer".to_owned(),
                reply: None,
                reason: reason.map(str::to_owned),
                lookups: serde_json::from_str(lookups).unwrap(),
            };
            assert_eq!(of_step(&step, &chapter).as_deref(), want, "{lookups}");
        }
    }
}
