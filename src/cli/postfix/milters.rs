//! The value of smtpd_milters as postconf(5) has it: elements between blanks and commas, one in braces with settings of
//! its own.

use crate::smtp::text::printable;

/// The elements, as they are written.
pub(in crate::cli) fn elements(value: &str) -> Vec<&str> {
    let mut elements = Vec::new();
    let (mut depth, mut begin) = (0_usize, None);
    for (at, c) in value.char_indices() {
        let separates = depth == 0 && (c == ',' || c.is_whitespace());
        if separates {
            if let Some(from) = begin.take() {
                elements.push(&value[from..at]);
            }
            continue;
        }
        begin = begin.or(Some(at));
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if let Some(from) = begin {
        elements.push(&value[from..]);
    }
    elements
}

/// Where a milter of the list listens.
pub(in crate::cli) fn address(element: &str) -> &str {
    let inside =
        element.strip_prefix('{').map_or(element, |inside| inside.strip_suffix('}').unwrap_or(inside));
    inside.split([',', ' ', '\t']).find(|word| !word.is_empty()).unwrap_or_default()
}

/// A setting of an element, such as `default_action`.
pub(in crate::cli) fn setting<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let inside = element.strip_prefix('{')?.strip_suffix('}')?;
    let settings = inside.split(',').filter_map(|part| part.split_once('='));
    settings
        .map(|(key, value)| (key.trim(), value.trim()))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// The list with our element: in the place of the one for the same address, else before all others, which then see only
/// what we let pass.
pub(super) fn attached(value: &str, ours: &str) -> String {
    let listed = elements(value);
    if listed.iter().any(|element| address(element) == address(ours)) {
        let replaced =
            listed.into_iter().map(|element| if address(element) == address(ours) { ours } else { element });
        return replaced.collect::<Vec<_>>().join(", ");
    }
    [ours].into_iter().chain(listed).collect::<Vec<_>>().join(", ")
}

/// The list without the milter at an address.
pub(super) fn detached(value: &str, at: &str) -> String {
    elements(value).into_iter().filter(|element| address(element) != at).collect::<Vec<_>>().join(", ")
}

/// What a default_action means: postconf(5) milter_default_action.
pub(in crate::cli) fn meaning(action: &str) -> String {
    let meaning = match action {
        "accept" => "mail comes in unfiltered",
        "tempfail" => "clients hear 451 and try again later",
        "reject" => "all mail is refused for good",
        "quarantine" => "mail is held in Postfix's queue",
        "shutdown" => "clients hear 421 and try again later",
        _ => "see milter_default_action in postconf(5)",
    };
    format!("{} ({})", meaning, printable(action, '?'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "{ unix:mailward/mailward.sock, default_action=tempfail }";
    const AT: &str = "unix:mailward/mailward.sock";

    #[test]
    fn only_our_element_comes_and_goes() {
        let cases = [
            ("", OURS.to_owned(), ""),
            ("inet:localhost:8891", format!("{OURS}, inet:localhost:8891"), "inet:localhost:8891"),
            ("a:1 b:2,c:3", format!("{OURS}, a:1, b:2, c:3"), "a:1, b:2, c:3"),
            ("a:1, unix:mailward/mailward.sock, b:2", format!("a:1, {OURS}, b:2"), "a:1, b:2"),
            (
                "{ inet:h:1, default_action = accept }, { unix:mailward/mailward.sock, command_timeout=1s }",
                format!("{{ inet:h:1, default_action = accept }}, {OURS}"),
                "{ inet:h:1, default_action = accept }",
            ),
            ("$other_milters", format!("{OURS}, $other_milters"), "$other_milters"),
        ];
        for (value, with, without) in cases {
            assert_eq!(attached(value, OURS), with, "{value}");
            assert_eq!(attached(&with, OURS), with, "a second time changes nothing");
            assert_eq!(detached(&with, AT), without, "{value}");
        }
    }

    #[test]
    fn an_element_says_where_and_how() {
        let element = "{ inet:h:1, default_action = accept, command_timeout=5s }";
        assert_eq!((address(element), address("inet:h:1")), ("inet:h:1", "inet:h:1"));
        assert_eq!(setting(element, "default_action"), Some("accept"));
        assert_eq!(setting(element, "content_timeout"), None);
        assert_eq!(setting("inet:h:1", "default_action"), None);
        assert_eq!((address("{"), address("{}"), elements(" , ,").len()), ("", "", 0));
    }
}
