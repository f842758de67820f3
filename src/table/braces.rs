//! `regexp:{ { /pattern/ action }, … }`: the rules of a regexp:, pcre: or cidr: table in the configuration itself
//! (regexp_table(5), pcre_table(5), cidr_table(5), "INLINE SPECIFICATION"; Postfix 3.7).

use super::{
    Source,
    lines::{Line, Text},
};
use crate::origin::{Fault, Word};
use std::ops::Range;

/// The rules of a `type:{…}` word, each a line of its own; `None` if the word names a file.
///
/// # Errors
/// When the braces around the rules are no pair. Faults within go to `source`, each rule's to its own place.
pub(super) fn rules(word: &Word, source: &mut dyn Source) -> Option<Result<Text<'static>, Fault>> {
    let (kind, name) = word.text.split_once(':')?;
    name.starts_with('{').then(|| read(word, kind, source).map(Text::Lines))
}

fn read(word: &Word, kind: &str, source: &mut dyn Source) -> Result<Vec<Line>, Fault> {
    let help = match kind {
        "cidr" => "write `cidr:{ {192.0.2.0/24 REJECT go away}, {…} }`".to_owned(),
        _ => format!("write `{kind}:{{ {{/^pattern/ REJECT go away}}, {{…}} }}`"),
    };
    let line = Line::of_table(word, source);
    let start = kind.len() + 1;
    let end = line.text.len();
    if closing(&line.text, start) != Some(end) || end - start < 2 {
        return Err(word.error("the braces around the rules of this table do not match").help(help));
    }
    let (mut rules, mut faulty) = (Vec::new(), false);
    let mut at = start + 1;
    while let Some(span) = element(&line, at, end - 1) {
        at = span.end;
        // As in Postfix, what stands behind the brace of a rule makes it none.
        if !line.text[span.clone()].starts_with('{') || closing(&line.text, span.start) != Some(span.end) {
            let message = format!("`{}` is not a rule in braces", &line.text[span.clone()]);
            source.fault(line.error(span, message).help(help.clone()));
            faulty = true;
            continue;
        }
        let rule = line.trim(span.start + 1..span.end - 1);
        if !rule.is_empty() && !line.text[rule.clone()].starts_with('#') {
            rules.push(line.part(rule));
        }
    }
    if rules.is_empty() && !faulty {
        return Err(word.error("a table without rules").help(help));
    }
    Ok(rules)
}

/// The next word within `at..end`; what braces hold is kept together.
fn element(line: &Line, at: usize, end: usize) -> Option<Range<usize>> {
    let separator = |c: char| c == ',' || c.is_whitespace();
    let start = at + line.text[at..end].find(|c| !separator(c))?;
    let mut depth = 0_usize;
    for (offset, c) in line.text[start..end].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            c if depth == 0 && separator(c) => return Some(start..start + offset),
            _ => {}
        }
    }
    Some(start..end)
}

/// The place behind the brace that closes the one at `at`.
fn closing(text: &str, at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, c) in text[at..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return (c == '}').then_some(at + offset + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::{
        AccessTable,
        memory::{Memory, message, word},
    };

    #[test]
    fn rules_stand_between_braces_in_order() {
        let mut memory = Memory::default();
        let text = "pcre:{ {# x} {}, { if /o/ }\n {/o{2}/ REJECT\n  two}{ENDIF}, {/^(f)/ REJECT <$1>} }";
        let fault = AccessTable::load(&word(text), &mut memory).map(drop);
        assert_eq!(fault, Ok(()));
        let want = "m.toml:3:34+28 error: `{/o{2}/ REJECT\n  two}{ENDIF}` is not a rule in braces \
                    (write `pcre:{ {/^pattern/ REJECT go away}, {…} }`)";
        assert_eq!(memory.messages()[0], want);
        let mut memory = Memory::default();
        let text = text.replace("}{ENDIF}", "}, {ENDIF}");
        let table = AccessTable::load(&word(&text), &mut memory).unwrap();
        assert_eq!(memory.messages(), [""; 0]);
        let column = |key: &str| table.full(key).unwrap().map(|hit| hit.entry.origin.column);
        assert_eq!((column("foo"), column("fo"), column("o")), (Some(35), Some(67), None));
        for (text, key) in [
            ("regexp:{{/^foo/ REJECT re}}", "foo"),
            ("pcre:{ {/^bar/ REJECT x} }", "bar"),
            ("cidr:{{192.0.2.9 REJECT x}}", "192.0.2.9"),
            ("cidr:{ {!10.0.0.0/8 OK}, { [2001:db8::]/32 OK } }", "2001:db8::1"),
        ] {
            let table = AccessTable::load(&word(text), &mut memory).unwrap();
            assert!(table.full(key).unwrap().is_some(), "{text}");
            assert!(table.full("nothing").unwrap().is_none(), "{text}");
        }
        assert_eq!(memory.messages(), [""; 0]);
    }

    #[test]
    fn faults_stand_at_their_place_in_the_word() {
        const RULES: &str = "(write `regexp:{ {/^pattern/ REJECT go away}, {…} }`)";
        const MATCH: &str = "the braces around the rules of this table do not match";
        for (text, says) in [
            ("regexp:{", MATCH),
            ("regexp:{}{}", MATCH),
            ("regexp:{} ", MATCH),
            ("regexp:{ , {} }", "a table without rules"),
        ] {
            let fault = AccessTable::load(&word(text), &mut Memory::default()).unwrap_err();
            let want = format!("m.toml:3:5+{} error: {says} {RULES}", text.len());
            assert_eq!(message(&fault), want);
        }
        let mut memory = Memory::default();
        let text = "regexp:{ /a/ OK, {/b/ REJCT}, {/c/}, {if /d/}, {/e OK} }";
        AccessTable::load(&word(text), &mut memory).unwrap();
        let want = [
            format!("m.toml:3:14+3 error: `/a/` is not a rule in braces {RULES}"),
            format!("m.toml:3:18+2 error: `OK` is not a rule in braces {RULES}"),
            "m.toml:3:27+5 error: unknown action `REJCT` (did you mean `REJECT`?)".to_owned(),
            "m.toml:3:36+3 error: the pattern has no action (write the action behind it, such as `OK`, `DUNNO` or \
             `REJECT`)"
                .to_owned(),
            "m.toml:3:53+5 error: the pattern is not closed: its second `/` is missing (write `/pattern/ action`)"
                .to_owned(),
            "m.toml:3:43+2 error: `if` without `endif` (write `endif` behind its last rule)".to_owned(),
        ];
        assert_eq!(memory.messages(), want);
    }
}
