//! Bytes to text, in the ways in which readers may do it: by the declared character set, by guessing, and leniently.

use encoding_rs::{Encoding, WINDOWS_1252};

/// The texts that readers may see in bytes of a declared character set.
pub(super) fn texts(bytes: &[u8], label: Option<&[u8]>) -> Vec<String> {
    let guessed = lenient(bytes);
    let Some(label) = label.filter(|label| !label.is_empty()) else { return vec![guessed] };
    let declared = declared(bytes, label);
    match declared {
        Some(text) if text != guessed => vec![text, guessed],
        Some(_) | None => vec![guessed],
    }
}

/// UTF-8, with the overlong sequences that strict readers refuse, else Windows-1252.
pub(super) fn lenient(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, behind)) = rest.split_first() {
        let valid = std::str::from_utf8(rest).map_or_else(|error| error.valid_up_to(), str::len);
        if valid > 0 {
            // One character only: from_utf8 looks ahead, and the rest may be long.
            let run = rest.get(..valid).unwrap_or_default();
            text.push_str(std::str::from_utf8(run).unwrap_or_default());
            rest = rest.get(valid..).unwrap_or_default();
        } else if let Some((c, length)) = overlong(rest) {
            text.push(c);
            rest = rest.get(length..).unwrap_or_default();
        } else {
            text.push_str(&WINDOWS_1252.decode_without_bom_handling(&[first]).0);
            rest = behind;
        }
    }
    text
}

/// `%41` to its bytes; what is no number stays.
pub(super) fn percent(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, behind)) = rest.split_first() {
        let number = (byte == b'%').then(|| hex(behind)).flatten();
        decoded.push(number.unwrap_or(byte));
        rest = if number.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    decoded
}

/// The number that two hexadecimal digits are.
pub(super) fn hex(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// A character that UTF-8 would write shorter.
fn overlong(bytes: &[u8]) -> Option<(char, usize)> {
    let more = |byte: u8| (byte & 0xC0 == 0x80).then_some(byte & 0x3F);
    match *bytes {
        [first @ (0xC0 | 0xC1), second, ..] => Some((char::from((first & 1) << 6 | more(second)?), 2)),
        [0xE0, second @ 0x80..=0x81, third, ..] => Some((char::from((second & 1) << 6 | more(third)?), 3)),
        _ => None,
    }
}

fn declared(bytes: &[u8], label: &[u8]) -> Option<String> {
    let label = label.split(|byte| *byte == b'*').next().unwrap_or(label);
    if label.eq_ignore_ascii_case(b"utf-7") || label.eq_ignore_ascii_case(b"unicode-1-1-utf-7") {
        return Some(utf7(bytes));
    }
    let encoding = match Encoding::for_label(label)? {
        found if label.eq_ignore_ascii_case(b"utf-16") => {
            let big = bytes.first() == Some(&0) || bytes.starts_with(&[0xFE, 0xFF]);
            if big { encoding_rs::UTF_16BE } else { found }
        }
        found => found,
    };
    Some(encoding.decode_without_bom_handling(bytes).0.into_owned())
}

/// RFC 2152. Old mail programs read it, and the WHATWG's list of encodings leaves it out.
fn utf7(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'+' {
            text.push(char::from(byte));
            continue;
        }
        let end = behind.iter().position(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'+' | b'/'));
        let (word, after) = behind.split_at(end.unwrap_or(behind.len()));
        rest = after.strip_prefix(b"-").unwrap_or(after);
        if word.is_empty() {
            text.push('+');
        }
        let bytes = super::decode::base64(word);
        let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        text.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{lenient, percent, texts};

    #[test]
    fn bytes_are_read_by_their_charset_and_leniently() {
        for (bytes, label, want) in [
            (&b"a.exe"[..], "utf-8", "a.exe"),
            (b"r\xE9sum\xE9.exe", "iso-8859-1", "r\u{e9}sum\u{e9}.exe"),
            (b"a\xC0\xAEexe", "x-nope", "a.exe"),
            (b"a\xE0\x80\xAEexe", "", "a.exe"),
            (b"a+AC4-exe", "utf-7", "a.exe"),
            (b"a+-b", "utf-7", "a+b"),
            (b"\0a\0.\0e\0x\0e", "utf-16be", "a.exe"),
            (b"\0a\0.\0e\0x\0e", "utf-16", "a.exe"),
            (b"a\0.\0e\0x\0e\0", "utf-16le", "a.exe"),
            (b"a=.exe", "utf-8*en", "a=.exe"),
        ] {
            let found = texts(bytes, Some(label.as_bytes()));
            assert!(found.contains(&want.to_owned()), "{bytes:?} {label}: {found:?}");
        }
        assert_eq!(lenient(b"\xE9\xFFa\xC3\xA9"), "\u{e9}\u{ff}a\u{e9}");
        assert_eq!(percent(b"a%2Eexe%2%zz%"), b"a.exe%2%zz%");
    }
}
