//! The header of a part as its lines come in: the fields that matter are kept, the others passed over.

/// The fields that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Type,
    Disposition,
    Encoding,
    ContentName,
    SunDataName,
    Description,
    Location,
}

/// A field with its raw value; folds are line ends.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) kind: Kind,
    pub(super) value: Vec<u8>,
}

/// What a line of a header was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing: the header ends.
    Empty,
    /// A field, or more of one, or a line that was passed over.
    Field,
    /// No field; [`Header::junk`] has it.
    Junk,
}

/// How far bytes of a line were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// All of them.
    All,
    /// All, but some are not kept: there are too many.
    Over,
    /// So many; then it was clear that the line is no field.
    Junk(usize),
}

/// A line is a field if a colon comes within so many bytes.
const NAME: usize = 76;

/// A header in the making.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// The fields that matter, in their order.
    pub(super) fields: Vec<Field>,
    /// Whether any field was seen.
    pub(super) seen: bool,
    /// Whether a line that is no field was seen.
    pub(super) saw_junk: bool,
    /// Whether such a line was passed over at the beginning.
    pub(super) passed_over: bool,
    /// Bytes of the fields that are kept.
    size: usize,
    state: State,
    /// The last field is one that is kept, and folds go on with it.
    open: bool,
    /// The beginning of a line that is not known to be a field.
    lead: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// At the beginning of a line.
    #[default]
    Start,
    /// In a line that may become a field.
    Lead,
    /// In the value of a field that is kept.
    Keep,
    /// In the value of one that is not, or in a line that is passed over.
    Skip,
}

impl Header {
    /// What some take for more of a header, behind a line that is no field.
    pub(super) fn late() -> Self {
        Self { seen: true, ..Self::default() }
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.lead.capacity() + self.fields.iter().map(|field| field.value.capacity()).sum::<usize>()
    }

    /// Takes the next bytes of a line, and keeps as many as `limit` allows for the whole header.
    pub(super) fn push(&mut self, bytes: &[u8], limit: usize) -> Push {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.state == State::Start {
                let folded = matches!(byte, b' ' | b'\t') && self.seen;
                self.state = match (folded, self.open) {
                    (false, _) => State::Lead,
                    (true, true) => State::Keep,
                    (true, false) => State::Skip,
                };
                if self.state == State::Keep && !self.keep(b"\n", limit) {
                    return Push::Over;
                }
            }
            let rest = bytes.get(at..).unwrap_or_default();
            match self.state {
                State::Keep => return if self.keep(rest, limit) { Push::All } else { Push::Over },
                State::Skip => return Push::All,
                State::Start | State::Lead if byte == b':' => self.field(),
                State::Start | State::Lead if self.lead.len() >= NAME => {
                    self.saw_junk = true;
                    return Push::Junk(at);
                }
                State::Start | State::Lead => self.lead.push(byte),
            }
        }
        Push::All
    }

    /// Ends the line.
    pub(super) fn end_line(&mut self) -> Line {
        match std::mem::take(&mut self.state) {
            State::Start => Line::Empty,
            State::Keep | State::Skip => Line::Field,
            State::Lead => {
                self.saw_junk = true;
                Line::Junk
            }
        }
    }

    /// What was kept of the line that is no field; the rest of it is passed over.
    pub(super) fn junk(&mut self, in_line: bool) -> Vec<u8> {
        self.state = if in_line { State::Skip } else { State::Start };
        std::mem::take(&mut self.lead)
    }

    /// The colon came: begins a field.
    fn field(&mut self) {
        let lead = std::mem::take(&mut self.lead);
        let name = lead.trim_ascii();
        self.state = State::Skip;
        if name.is_empty() || name.iter().any(|byte| matches!(byte, b' ' | b'\t')) {
            return;
        }
        self.seen = true;
        let kind = kind(name);
        self.open = kind.is_some();
        if let Some(kind) = kind {
            self.state = State::Keep;
            self.size += FIELD;
            self.fields.push(Field { kind, value: Vec::new() });
        }
    }

    /// Keeps bytes of the value, unless there are too many.
    fn keep(&mut self, bytes: &[u8], limit: usize) -> bool {
        self.size = self.size.saturating_add(bytes.len());
        if self.size > limit {
            return false;
        }
        if let Some(field) = self.fields.last_mut() {
            field.value.extend_from_slice(bytes);
        }
        true
    }
}

/// What a field costs beside its value.
const FIELD: usize = 64;

fn kind(name: &[u8]) -> Option<Kind> {
    let kinds: [(&[u8], Kind); 7] = [
        (b"content-type", Kind::Type),
        (b"content-disposition", Kind::Disposition),
        (b"content-transfer-encoding", Kind::Encoding),
        (b"content-name", Kind::ContentName),
        (b"x-sun-data-name", Kind::SunDataName),
        (b"content-description", Kind::Description),
        (b"content-location", Kind::Location),
    ];
    kinds.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, kind)| kind)
}
