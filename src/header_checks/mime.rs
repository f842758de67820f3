//! Which lines of a message are header fields, and of which kind: the state machine of Postfix's mime_state(3), so that a
//! table sees here what it sees in header_checks. It is strict where mail clients are not; who wants all that a client
//! might read looks with `reject_attachment_name`.

use super::content_type;

/// header_size_limit: what goes on behind it is left out.
const HEADER_LIMIT: usize = 102_400;

/// line_length_limit: Postfix reads longer lines in pieces, and finds boundaries at the beginning of the first only.
const LINE_LIMIT: usize = 2_048;

/// mime_boundary_length_limit.
const BOUNDARY_LIMIT: usize = 2_048;

/// mime_nesting_limit: Postfix itself refuses what goes deeper.
const NESTING_LIMIT: usize = 100;

/// Which of Postfix's three parameters a field belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The message's own header: header_checks.
    Primary,
    /// MIME fields anywhere, and all fields of parts: mime_header_checks.
    Mime,
    /// The header of an attached message: nested_header_checks.
    Nested,
}

/// A complete field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    /// Whose it is.
    pub(super) class: Class,
    /// Whether it belongs to a part, so that no milter can change it.
    pub(super) in_part: bool,
    /// `Name: value` with its folds as `\n`.
    pub(super) text: &'a [u8],
}

/// What is said of a body by its Content-Type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// A message with a header of its own.
    Message,
    /// Parts.
    Multipart,
    /// Anything else.
    Other,
}

/// A delimiter, and what its parts are unless they say it themselves.
#[derive(Clone, Debug)]
pub(super) struct Boundary {
    text: Box<[u8]>,
    default: Type,
}

impl Boundary {
    pub(super) fn new(mut text: Vec<u8>, default: Type) -> Self {
        text.truncate(BOUNDARY_LIMIT);
        Self { text: text.into(), default }
    }

    #[cfg(test)]
    pub(super) fn shown(&self) -> String {
        format!("{}>{:?}", String::from_utf8_lossy(&self.text), self.default)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header { class: Class },
    Body,
}

/// The state machine. Its memory is bounded: one field, one line, and a hundred boundaries.
#[derive(Debug)]
pub(super) struct Mime {
    state: State,
    kind: Type,
    stack: Vec<Boundary>,
    /// The field of a part that is being read.
    field: Vec<u8>,
    /// The piece of a line that is being read.
    line: Vec<u8>,
    /// The piece goes on a line.
    continues: bool,
}

impl Mime {
    pub(super) fn new() -> Self {
        Self {
            state: State::Header { class: Class::Primary },
            kind: Type::Other,
            stack: Vec::new(),
            field: Vec::new(),
            line: Vec::new(),
            continues: false,
        }
    }

    /// A field of the message's own header, which the MTA has read for us.
    pub(super) fn header(&mut self, name: &[u8], value: &[u8], mut out: impl FnMut(Field<'_>)) {
        self.field.clear();
        self.field.extend_from_slice(name);
        self.field.push(b':');
        // A milter may be told of folds as they were on the wire.
        self.field.extend(value.iter().filter(|byte| **byte != b'\r'));
        self.end_of_field(&mut out);
    }

    /// The message's own header is over.
    pub(super) fn end_of_headers(&mut self) {
        if let State::Header { class: Class::Primary } = self.state {
            self.empty_line();
        }
    }

    /// Whether fields can still come.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Body && self.stack.is_empty()
    }

    /// A piece of the body, cut anywhere.
    pub(super) fn body(&mut self, mut chunk: &[u8], mut out: impl FnMut(Field<'_>)) {
        while !chunk.is_empty() && !self.is_over() {
            let room = LINE_LIMIT - self.line.len();
            let piece = &chunk[..chunk.len().min(room)];
            let end = memchr::memchr(b'\n', piece);
            chunk = &chunk[end.map_or(piece.len(), |end| end + 1)..];
            let piece = &piece[..end.unwrap_or(piece.len())];
            if end.is_some() && self.line.is_empty() {
                self.record(without_returns(piece), &mut out);
            } else {
                self.line.extend_from_slice(piece);
                if end.is_none() && self.line.len() < LINE_LIMIT {
                    return;
                }
                let line = std::mem::take(&mut self.line);
                let text = if end.is_some() { without_returns(&line) } else { &line };
                self.record(text, &mut out);
                self.line = line;
                self.line.clear();
            }
            self.continues = end.is_none();
        }
    }

    /// The message is over.
    pub(super) fn end(&mut self, mut out: impl FnMut(Field<'_>)) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() && !self.is_over() {
            self.record(&line, &mut out);
        }
        self.end_of_field(&mut out);
    }

    /// A line, or a piece of a long one.
    fn record(&mut self, line: &[u8], out: &mut impl FnMut(Field<'_>)) {
        if let State::Header { .. } = self.state {
            if !self.field.is_empty() {
                if self.continues {
                    return self.append(line, false);
                }
                if line.first().is_some_and(is_blank) {
                    return self.append(line, true);
                }
                self.end_of_field(out);
            }
            if let Some(name) = field_name(line) {
                self.field.extend_from_slice(&line[..name]);
                let rest = &line[name..];
                let colon = rest.iter().take_while(|byte| is_blank(byte)).count();
                self.field.extend_from_slice(until_nul(&rest[colon..]));
                return;
            }
            if line.is_empty() {
                self.empty_line();
            } else {
                self.state = State::Body;
            }
        }
        if !self.continues && line.len() > 2 && line.starts_with(b"--") {
            self.delimiter(&line[2..]);
        }
    }

    fn append(&mut self, line: &[u8], folded: bool) {
        if self.field.len() >= HEADER_LIMIT {
            return;
        }
        if folded {
            self.field.push(b'\n');
        }
        self.field.extend_from_slice(until_nul(line));
    }

    /// A header ends as it should.
    fn empty_line(&mut self) {
        self.state = match self.kind {
            Type::Message => State::Header { class: Class::Nested },
            Type::Multipart | Type::Other => State::Body,
        };
        self.kind = Type::Other;
    }

    /// A line `--…`: perhaps the end of a part. The innermost boundary is tried first, and what follows one does not
    /// count.
    fn delimiter(&mut self, text: &[u8]) {
        let Some(at) = self.stack.iter().rposition(|boundary| text.starts_with(&boundary.text)) else {
            return;
        };
        let Boundary { text: boundary, default } = &self.stack[at];
        let (default, closes) = (*default, text[boundary.len()..].starts_with(b"--"));
        self.stack.truncate(at + usize::from(!closes));
        (self.state, self.kind) =
            if closes { (State::Body, Type::Other) } else { (State::Header { class: Class::Mime }, default) };
    }

    fn end_of_field(&mut self, out: &mut impl FnMut(Field<'_>)) {
        let State::Header { class: block } = self.state else { return };
        let text = std::mem::take(&mut self.field);
        let colon = memchr::memchr(b':', &text);
        if let Some((name, value)) = colon.map(|colon| (&text[..colon], &text[colon + 1..])) {
            if name.eq_ignore_ascii_case(b"Content-Type")
                && let Some((kind, boundaries)) = content_type::read(value)
            {
                self.kind = kind;
                let room = (NESTING_LIMIT + 1).saturating_sub(self.stack.len());
                self.stack.extend(boundaries.into_iter().take(room));
            }
            let class = if is_mime(name) { Class::Mime } else { block };
            out(Field { class, in_part: block != Class::Primary, text: &text });
        }
        self.field = text;
        self.field.clear();
    }
}

/// The fields that always belong to mime_header_checks.
fn is_mime(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 6] = [
        b"Content-Description",
        b"Content-Disposition",
        b"Content-ID",
        b"Content-Transfer-Encoding",
        b"Content-Type",
        b"MIME-Version",
    ];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A line without the carriage returns before its end.
fn without_returns(line: &[u8]) -> &[u8] {
    let returns = line.iter().rev().take_while(|byte| **byte == b'\r').count();
    &line[..line.len() - returns]
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Postfix keeps fields as C strings.
fn until_nul(text: &[u8]) -> &[u8] {
    &text[..memchr::memchr(0, text).unwrap_or(text.len())]
}

/// The length of the name, if the line is the beginning of a field: printable ASCII, then perhaps blanks, then a colon.
fn field_name(line: &[u8]) -> Option<usize> {
    let name = line.iter().take_while(|byte| byte.is_ascii_graphic() && **byte != b':').count();
    let rest = &line[name..];
    let blanks = rest.iter().take_while(|byte| is_blank(byte)).count();
    (name > 0 && rest.get(blanks) == Some(&b':')).then_some(name)
}

#[cfg(test)]
mod tests;
