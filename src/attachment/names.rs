//! The names that a field gives a part, in all readings.

use super::{
    charset::{lenient, percent, texts},
    facts::{Place, Trouble},
    normal::LONGEST,
    parameters::{Attribute, Parameter, passes, scan},
    record::Record,
    words,
};
use memchr::memmem;

/// A field is decoded as encoded words up to this length.
const DECODED: usize = 32 * 1_024;

/// Reports the names in the parameters of a field, Content-Disposition or Content-Type.
pub(super) fn of_parameters(place: Place, value: &[u8], record: &mut Record) {
    if parameters(place, value, record) || value.len() > DECODED {
        return;
    }
    // The whole value as encoded words was seen in real mail.
    if let Some(decoded) = words::decode(value) {
        parameters(place, decoded.as_bytes(), record);
    }
}

/// Reports the name that a field consists of, such as Content-Name.
pub(super) fn of_value(place: Place, value: &[u8], record: &mut Record) {
    plain(place, value.trim_ascii(), record);
}

/// Whether there is a name.
fn parameters(place: Place, value: &[u8], record: &mut Record) -> bool {
    let limits = record.limits().clone();
    let mut found = false;
    for pass in passes(value) {
        let (mut file_name, mut name) = (Segments::default(), Segments::default());
        let over = scan(value, pass, &limits, &mut |attribute, parameter| {
            let segments = match attribute {
                Attribute::FileName => &mut file_name,
                Attribute::Name => &mut name,
                Attribute::Boundary | Attribute::Number => return,
            };
            found = true;
            match parameter {
                Parameter::Plain(value) => plain(place, &value, record),
                Parameter::Extended(value) => extended(place, &value, record),
                Parameter::Segment { number, encoded, value } if segments.0.len() < limits.segments => {
                    segments.0.push(Segment { number, encoded, value: value.into_owned() });
                }
                Parameter::Segment { .. } => record.unparsable(Trouble::Segments),
            }
        });
        if over.parameters {
            record.unparsable(Trouble::Parameters);
        }
        if over.comments {
            record.unparsable(Trouble::Comments);
        }
        for segments in [file_name, name] {
            segments.report(place, record);
        }
    }
    found
}

/// A value as it stands: unfolded with and without the blank, as it is and with its encoded words decoded.
pub(super) fn plain(place: Place, written: &[u8], record: &mut Record) {
    for value in until_nul(written) {
        if !value.contains(&b'\n') && !value.contains(&b'\r') {
            decoded(place, written, value, record);
            continue;
        }
        let kept: Vec<u8> = value.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
        decoded(place, written, &kept, record);
        decoded(place, written, &joined(value), record);
    }
}

/// The end of a value, and of what stands before a NUL in it.
fn until_nul(written: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = |value: &[u8]| value.len().saturating_sub(4 * LONGEST);
    let cut = memchr::memchr(0, written).and_then(|nul| written.get(..nul));
    [Some(written), cut].into_iter().flatten().filter_map(move |value| value.get(end(value)..))
}

/// A value without its folds and the blanks they begin with.
fn joined(value: &[u8]) -> Vec<u8> {
    let mut folding = false;
    let keep = |byte: &u8| {
        folding = matches!(byte, b'\r' | b'\n') || folding && matches!(byte, b' ' | b'\t');
        !folding
    };
    value.iter().copied().filter(keep).collect()
}

fn decoded(place: Place, written: &[u8], value: &[u8], record: &mut Record) {
    record.name(place, written, &lenient(value));
    if memmem::find(value, b"=?").is_some()
        && let Some(text) = words::decode(value)
    {
        record.name(place, written, &text);
    }
}

/// `charset'language'text` with its percent signs, also where one or both apostrophes are missing.
fn extended(place: Place, written: &[u8], record: &mut Record) {
    let value = joined(written);
    let (charset, text) = charset(&value);
    texts_of(place, written, charset, &percent(text), record);
    if text.len() != value.len() {
        texts_of(place, written, None, &percent(&value), record);
    }
}

fn texts_of(place: Place, written: &[u8], charset: Option<&[u8]>, bytes: &[u8], record: &mut Record) {
    for text in texts(bytes, charset) {
        record.name(place, written, &text);
        if text.contains("=?")
            && let Some(text) = words::decode(text.as_bytes())
        {
            record.name(place, written, &text);
        }
    }
}

/// The character set of an extended value, and its text.
fn charset(value: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_), Some(text)) => (Some(charset), text),
        (Some(charset), Some(text), None) => (Some(charset), text),
        _ => (None, value),
    }
}

#[derive(Debug)]
struct Segment {
    number: u32,
    encoded: bool,
    value: Vec<u8>,
}

/// The pieces of a value in the order in which they stand.
#[derive(Debug, Default)]
pub(super) struct Segments(Vec<Segment>);

impl Segments {
    /// Reports the value in every order in which programs put the pieces together.
    fn report(&self, place: Place, record: &mut Record) {
        for order in self.orders() {
            let pieces = || order.iter().filter_map(|at| self.0.get(*at));
            let written: Vec<u8> = pieces().flat_map(|piece| piece.value.iter().copied()).collect();
            let (charset, head) = match pieces().next() {
                Some(first) if first.encoded => {
                    let (charset, text) = charset(&first.value);
                    (charset, first.value.len() - text.len())
                }
                Some(_) | None => (None, 0),
            };
            let mut bytes = Vec::with_capacity(written.len());
            for (number, piece) in pieces().enumerate() {
                let text =
                    if number == 0 { piece.value.get(head..).unwrap_or_default() } else { &piece.value };
                if piece.encoded {
                    bytes.extend(percent(text));
                } else {
                    bytes.extend(text);
                }
            }
            texts_of(place, &written, charset, &bytes, record);
            plain(place, &written, record);
            if written.contains(&b'%') {
                texts_of(place, &written, charset, &percent(written.get(head..).unwrap_or_default()), record);
            }
        }
    }

    /// By number with the first or the last of doubles, each also up to a gap; as they stand; up to the first double.
    fn orders(&self) -> Vec<Vec<usize>> {
        let number = |at: &usize| self.0.get(*at).map_or(0, |piece| piece.number);
        let standing: Vec<usize> = (0..self.0.len()).collect();
        let mut sorted = standing.clone();
        sorted.sort_by_key(number);
        let mut first = sorted.clone();
        first.dedup_by_key(|at| number(at));
        let mut last: Vec<usize> = sorted.iter().rev().copied().collect();
        last.dedup_by_key(|at| number(at));
        last.reverse();
        let mut orders = vec![first, last, standing];
        for at in 0..2 {
            let Some(order) = orders.get(at) else { continue };
            let start = order.first().map_or(0, number);
            let run = order.iter().zip(start..).take_while(|(at, want)| number(at) == *want).count();
            orders.push(order.get(..run).unwrap_or_default().to_vec());
        }
        let mut seen = std::collections::HashSet::new();
        let single = (0..self.0.len()).take_while(|at| seen.insert(number(at))).collect();
        orders.push(single);
        orders.retain(|order| !order.is_empty());
        orders.sort();
        orders.dedup();
        orders
    }
}

/// The boundaries of a multipart in all readings, without the blanks behind them.
pub(super) fn boundaries(value: &[u8], record: &mut Record, found: &mut Vec<Vec<u8>>) {
    let limits = record.limits().clone();
    for pass in passes(value) {
        let mut segments = Segments::default();
        let mut plain: Vec<Vec<u8>> = Vec::new();
        let mut over = false;
        scan(value, pass, &limits, &mut |attribute, parameter| {
            if attribute != Attribute::Boundary {
                return;
            }
            over |= plain.len() >= limits.boundaries || segments.0.len() >= limits.segments;
            match parameter {
                _ if over => {}
                Parameter::Plain(value) => plain.push(value.into_owned()),
                Parameter::Extended(value) => plain.push(percent(charset(&value).1)),
                Parameter::Segment { number, encoded, value } => {
                    segments.0.push(Segment { number, encoded, value: value.into_owned() });
                }
            }
        });
        for order in segments.orders() {
            let mut bytes = Vec::new();
            for piece in order.iter().filter_map(|at| segments.0.get(*at)) {
                let text =
                    if bytes.is_empty() && piece.encoded { charset(&piece.value).1 } else { &piece.value };
                bytes.extend(if piece.encoded { percent(text) } else { text.to_vec() });
            }
            plain.push(bytes);
        }
        for value in plain {
            let words = words::decode(&value).map(String::into_bytes);
            let clean = [Some(joined(&value)), words];
            for boundary in clean.into_iter().flatten() {
                let boundary = boundary.trim_ascii_end().to_vec();
                if !found.contains(&boundary) {
                    over |= found.len() >= limits.boundaries || boundary.len() > BOUNDARY;
                    if !over {
                        found.push(boundary);
                    }
                }
            }
        }
        if over {
            record.unparsable(Trouble::Boundaries);
        }
    }
}

/// The longest boundary; RFC 2046 allows 70.
pub(super) const BOUNDARY: usize = 1_000;

/// The `number` of a message/partial.
pub(super) fn number(value: &[u8], record: &Record) -> Option<u32> {
    let mut number = None;
    for pass in passes(value) {
        scan(value, pass, record.limits(), &mut |attribute, parameter| {
            if let (Attribute::Number, Parameter::Plain(value)) = (attribute, parameter) {
                number = number.or_else(|| std::str::from_utf8(&value).ok()?.trim().parse().ok());
            }
        });
    }
    number
}
