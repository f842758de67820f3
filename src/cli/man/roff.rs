//! Text for man(7): what is said must not be taken for a request.

/// Text without a meaning for roff: no request at the beginning of a line, no escape, hyphens that can be pasted.
pub(super) fn literal(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq");
    if escaped.starts_with(['.', '\'']) { format!("\\&{escaped}") } else { escaped }
}

/// The first line of a page in section 5.
pub(super) fn title(name: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(".TH {} 5 \"\" \"mailward {version}\" \"File Formats\"", literal(&name.to_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_means_nothing_to_roff() {
        let cases = [
            ("plain", "plain"),
            (".cn of a table", "\\&.cn of a table"),
            ("'quoted", "\\&'quoted"),
            ("a \\d-\"x\"", "a \\ed\\-\\(dqx\\(dq"),
        ];
        for (text, want) in cases {
            assert_eq!(literal(text), want);
        }
    }
}
