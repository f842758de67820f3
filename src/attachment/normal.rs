//! A name in the forms in which systems may take it: what mail programs strip is stripped, what Windows drops is
//! dropped (MS-OXCMAIL 2.2.3.4.1.1, CVE-2023-3417, and the rules of NTFS).

use super::charset::{lenient, percent};
use std::{borrow::Cow, collections::BTreeSet};
use unicode_normalization::UnicodeNormalization;

/// So many bytes of a name are looked at: its end. File systems stop at about 255.
pub(super) const LONGEST: usize = 1_024;

/// The forms of a name, in lower case and without repetition.
pub(super) type Forms = BTreeSet<String>;

/// All forms of a text that is a name.
pub(super) fn forms(text: &str) -> Forms {
    let mut forms = Forms::new();
    if is_plain(text) {
        add(&mut forms, text);
        return forms;
    }
    for text in cut_at_nul(text) {
        let end = bounded(&text);
        every(&mut forms, end);
        if end.contains('%') {
            let decoded = lenient(&percent(end.as_bytes()));
            for text in cut_at_nul(&decoded) {
                every(&mut forms, &text);
            }
        }
    }
    forms
}

/// The extension of a form: what stands behind its last dot.
pub(super) fn extension(form: &str) -> Option<&str> {
    form.rsplit_once('.').map(|(_, extension)| extension).filter(|extension| !extension.is_empty())
}

/// The end of a text, on a character's border.
pub(super) fn bounded(text: &str) -> &str {
    let mut start = text.len().saturating_sub(LONGEST);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default()
}

/// Whether nothing in the text is stripped, decoded or cut by anyone.
fn is_plain(text: &str) -> bool {
    let plain =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b' ' | b'(' | b')' | b'+');
    let (first, last) = (text.as_bytes().first(), text.as_bytes().last());
    text.len() <= LONGEST
        && first.is_some_and(|b| *b != b' ')
        && last.is_some_and(|b| !matches!(b, b'.' | b' '))
        && text.as_bytes().iter().all(plain)
}

/// The text without NULs, and what readers of C strings see of it.
fn cut_at_nul(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let nul = text.find('\0');
    let whole = if nul.is_some() { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) };
    let cut = nul.and_then(|at| text.get(..at)).map(Cow::Borrowed);
    [Some(whole), cut].into_iter().flatten()
}

/// The forms of a decoded text.
fn every(forms: &mut Forms, text: &str) {
    let folded: String = bounded(text).nfkc().filter(|c| !is_dropped(*c)).collect();
    let text = folded.as_str();
    let path = text.trim_end_matches(['/', '\\']);
    add(forms, path.rsplit(['/', '\\']).next().unwrap_or(path));
    if let Some((file, stream)) = text.split_once(':') {
        // The stream without a name is the file itself: `a.exe::$DATA`.
        if stream.starts_with(':') || !stream.contains(['.', ' ', '/', '\\']) {
            add(forms, file.rsplit(['/', '\\']).next().unwrap_or(file));
        }
    }
    if text.contains(is_removed) {
        add(forms, &text.replace(is_removed, ""));
    }
}

/// What Exchange takes out of a name, with the characters that no file name on Windows holds.
fn is_removed(c: char) -> bool {
    matches!(c, '"' | '/' | ':' | '<' | '>' | '|' | '\\' | '*' | '?')
}

/// Adds a form, without what Windows and mail programs drop at both ends.
fn add(forms: &mut Forms, text: &str) {
    let dropped = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ';' | ',');
    let name = text.trim_start_matches(dropped).trim_end_matches(|c| c == '.' || dropped(c));
    if !name.is_empty() {
        forms.insert(name.to_lowercase());
    }
}

/// Control characters, format characters, and what is drawn as nothing.
fn is_dropped(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xAD | 0x34F | 0x600..=0x605 | 0x61C | 0x6DD | 0x70F | 0x890..=0x891 | 0x8E2 | 0x115F..=0x1160
            | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164
            | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x110BD | 0x110CD | 0x13430..=0x1343F
            | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

#[cfg(test)]
mod tests {
    use super::{extension, forms};

    fn extensions(name: &str) -> Vec<String> {
        let mut found: Vec<_> =
            forms(name).iter().filter_map(|form| extension(form)).map(str::to_owned).collect();
        found.sort();
        found.dedup();
        found
    }

    #[test]
    fn a_hidden_extension_is_among_the_forms() {
        for name in [
            "a.exe",
            "A.EXE",
            ".exe",
            "a.exe.",
            "a.exe. . ",
            "a.exe\u{a0}",
            "a.exe\u{200b}",
            "a.exe\t",
            "a.e\u{200f}xe",
            "a.ex\u{1}e",
            "a.e:xe",
            "a.exe::$DATA",
            "a.exe:x",
            "a.txt:evil.exe",
            "C:\\temp\\a.exe",
            "../../a.exe",
            "a.exe\\",
            "a.exe/",
            "a\u{ff0e}\u{ff45}xe",
            "a%2Eexe",
            "a.exe%00.txt",
            "a.exe\0.txt",
            "a.\0exe",
            "\"a.exe\"",
            "'a.exe'",
            "a.\"exe\"",
            "<a.exe>",
            "a.e\r\nxe",
            "a.exe;",
            "a.e\u{fe0f}xe",
            "a.e*xe",
        ] {
            assert!(extensions(name).contains(&"exe".to_owned()), "{name:?}: {:?}", forms(name));
        }
        assert!(extensions("a.ln\u{212a}").contains(&"lnk".to_owned()));
        assert!(extensions(&format!("{}.exe", "x".repeat(9_000))).contains(&"exe".to_owned()));
        assert!(extensions(&format!("a.exe\0{}", "x".repeat(9_000))).contains(&"exe".to_owned()));
    }

    #[test]
    fn a_harmless_name_has_only_harmless_forms() {
        for (name, want) in [
            ("a.exe.sha256", "sha256"),
            ("data.json", "json"),
            ("x.vbs.txt", "txt"),
            ("a.exe/readme.txt", "txt"),
            ("www.example.com/a.css", "css"),
            ("example.com: invoice.pdf", "pdf"),
            ("a.exe;.txt", "txt"),
            ("x.com, y.exe and z.txt", "txt"),
            ("a.\u{435}\u{445}\u{435}", "\u{435}\u{445}\u{435}"),
        ] {
            assert_eq!(extensions(name), [want], "{name}");
        }
        assert!(extensions("exe").is_empty() && extensions("").is_empty());
    }
}
