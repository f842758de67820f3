//! The body of a part that holds no parts: it is decoded as far as it may hold names.

use super::{
    container::{Content, Hints, Tail},
    decode::{Base64, Decoder, Lines, Quoted},
    facts::Trouble,
    head::{Encoding, Head, Is},
    inline::Inline,
    layer::Layer,
    record::Record,
};

/// So much is decoded at a time.
const PIECE: usize = 4_096;

/// A body as it streams by.
#[derive(Debug)]
pub(super) struct Leaf {
    encoding: Encoding,
    decoder: Decoder,
    content: Option<Content>,
    inline: Option<Inline>,
    tail: Option<Tail>,
}

impl Leaf {
    /// A body in which nothing is looked for.
    pub(super) fn nothing() -> Self {
        Self {
            encoding: Encoding::Identity,
            decoder: Decoder::Identity,
            content: None,
            inline: None,
            tail: None,
        }
    }

    /// The body of a part; `encoded` says how many messages in transfer encodings it is inside of.
    pub(super) fn new(head: &Head, encoded: usize) -> Self {
        let hints =
            Hints { archive: head.archive, message: head.message, unknown: head.is == Is::Other, encoded };
        let looked_into = !matches!(head.is, Is::Opaque) || head.archive || head.message;
        let inline = match head.is {
            Is::BinHex => Some(Inline::bin_hex()),
            Is::Text => Some(Inline::default()),
            Is::Other if matches!(head.encoding, Encoding::Identity | Encoding::Uuencode) => {
                Some(Inline::default())
            }
            Is::Other | Is::Media | Is::Opaque | Is::Message | Is::Multipart { .. } => None,
        };
        Self {
            encoding: head.encoding,
            decoder: decoder(head.encoding),
            content: looked_into.then(|| Content::attachment(hints)),
            inline,
            tail: (head.is == Is::Other && !head.archive).then(Tail::default),
        }
    }

    /// A message or multipart in a transfer encoding: what is decoded is a layer of its own.
    pub(super) fn layer(encoding: Encoding, layer: Option<Layer>, record: &mut Record) -> Self {
        record.ambiguous(Trouble::Encoded);
        let decoder = decoder(encoding);
        let content = layer.map(|layer| Content::message(layer, record));
        Self { encoding, decoder, content, inline: None, tail: None }
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.content.as_ref().map_or(0, Content::held)
            + self.inline.as_ref().map_or(0, Inline::held)
            + self.tail.as_ref().map_or(0, Tail::held)
    }

    /// Whether nothing is looked for any more.
    pub(super) fn is_settled(&self) -> bool {
        self.content.is_none() && self.inline.is_none() && self.tail.is_none()
    }

    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], record: &mut Record) {
        if self.is_settled() || bytes.is_empty() {
            return;
        }
        let written = matches!(self.encoding, Encoding::Identity | Encoding::Uuencode);
        if let (Some(inline), true) = (&mut self.inline, written) {
            inline.feed(bytes, record);
        }
        if self.content.is_some() || self.inline.is_some() && !written {
            self.decode(bytes, written, record);
        }
        if let Some(tail) = &mut self.tail {
            tail.push(bytes, record);
        }
    }

    fn decode(&mut self, bytes: &[u8], written: bool, record: &mut Record) {
        if let (Decoder::Identity, Some(content)) = (&self.decoder, &mut self.content) {
            content.feed(bytes, record);
            self.settle();
            return;
        }
        let mut decoded = Vec::with_capacity(PIECE);
        for piece in bytes.chunks(PIECE) {
            decoded.clear();
            self.decoder.feed(piece, &mut decoded);
            self.look(&decoded, written, record);
            if self.content.is_none() && (self.inline.is_none() || written) {
                return;
            }
        }
    }

    fn look(&mut self, decoded: &[u8], written: bool, record: &mut Record) {
        if let (Some(inline), false) = (&mut self.inline, written) {
            inline.feed(decoded, record);
        }
        if let Some(content) = &mut self.content {
            content.feed(decoded, record);
        }
        self.settle();
    }

    /// Forgets what is not needed any more.
    fn settle(&mut self) {
        if self.content.as_ref().is_some_and(Content::is_container) {
            self.tail = None;
        }
        if self.content.as_ref().is_some_and(Content::is_settled) {
            self.content = None;
        }
    }

    /// Looks at what is left.
    pub(super) fn finish(mut self, record: &mut Record) {
        let written = matches!(self.encoding, Encoding::Identity | Encoding::Uuencode);
        let mut decoded = Vec::new();
        self.decoder.finish(&mut decoded);
        self.look(&decoded, written, record);
        let mut container = false;
        if let Some(content) = &mut self.content {
            content.finish(record);
            container = content.is_container();
        }
        if let Some(inline) = &mut self.inline {
            inline.finish(record);
        }
        if let Some(tail) = self.tail.take().filter(|_| !container) {
            tail.finish(self.encoding, record);
        }
    }
}

fn decoder(encoding: Encoding) -> Decoder {
    match encoding {
        Encoding::Identity => Decoder::Identity,
        Encoding::Base64 => Decoder::Base64(Base64::default()),
        Encoding::QuotedPrintable => Decoder::QuotedPrintable(Quoted::default()),
        Encoding::Uuencode => Decoder::Uuencode(Lines::default()),
    }
}
