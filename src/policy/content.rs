//! How a policy looks at the content of messages: one pass over each, for all restrictions together.

use super::Policy;
use crate::{
    attachment::{Walker, Watch, budget::Budget, limits::Limits},
    header_checks::{self, Plan},
    request::Stage,
    request::message::{Appetite, Inspect, Message},
    restriction::content::{Attachments, Looks, Size},
    table::digest::digest,
};
use std::{fmt, sync::Arc};

/// What all restrictions of a policy look at; the same for every message.
#[derive(Clone, Debug)]
pub struct Content {
    headers: Arc<Plan>,
    attachments: Arc<Watch>,
    size: bool,
    own: Vec<fn() -> Box<dyn Inspect>>,
    budget: Arc<Budget>,
    digests: [u32; 2],
}

impl Content {
    /// The union over a policy. Messages are followed within the limits, and containers take their memory out of the
    /// budget.
    pub fn of(policy: &Policy, limits: &Limits, budget: Arc<Budget>) -> Self {
        let mut headers = Plan::default();
        let mut attachments = Watch { limits: limits.clone(), ..Watch::default() };
        let (mut size, mut own) = (false, Vec::new());
        // Only there a size is known.
        let has_end = !policy.list(Stage::EndOfData).entries.is_empty();
        for look in policy.entries().filter_map(|entry| entry.restriction.looks()) {
            match look {
                Looks::Headers(entry) => headers.add(&entry),
                Looks::Attachments(rules)
                    if attachments.rules.iter().any(|known| Arc::ptr_eq(known, &rules)) => {}
                Looks::Attachments(rules) => attachments.rules.push(rules),
                Looks::Size => size |= has_end,
                Looks::Own(inspector) => own.push(inspector),
            }
        }
        let digests = [digest(&headers.digests()), digest(&attachments)];
        Self { headers: headers.into(), attachments: attachments.into(), size, own, budget, digests }
    }

    /// The same with every part and every reading of its names, for commands that show them.
    pub fn with_tree(&self) -> Self {
        let attachments = Watch { keep_tree: true, ..self.attachments.as_ref().clone() };
        Self { attachments: attachments.into(), ..self.clone() }
    }

    /// Digests of what is looked for in header fields and in attachments: where it is the same, the same is found in a
    /// message.
    pub fn digests(&self) -> [u32; 2] {
        self.digests
    }

    /// Whether nothing looks at the content.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && !self.names_recipients() && !self.size && self.own.is_empty()
    }

    /// Whether a rule must know all recipients of a message at its end.
    pub fn names_recipients(&self) -> bool {
        !self.attachments.rules.is_empty()
    }

    /// Begins to look at a message.
    pub fn inspect(&self) -> Inspection {
        let headers = (!self.headers.is_empty()).then(|| header_checks::Inspector::new(self.headers.clone()));
        let walks = self.names_recipients() || self.attachments.keep_tree;
        let walker = walks.then(|| Walker::new(self.attachments.clone(), self.budget.clone()));
        let attachments = walker.map(|walker| (self.attachments.clone(), walker));
        let size = self.size.then(Size::default);
        let own = self.own.iter().map(|inspector| (inspector(), true)).collect();
        Inspection { headers, attachments, size, hungry: [true; 3], own: Own(own) }
    }
}

/// One message that is being looked at.
#[derive(Debug)]
pub struct Inspection {
    headers: Option<header_checks::Inspector>,
    attachments: Option<(Arc<Watch>, Walker)>,
    size: Option<Size>,
    /// Which of the three wants more; none is bothered once it has enough.
    hungry: [bool; 3],
    own: Own,
}

/// Inspectors that single restrictions have, and which of them want more.
struct Own(Vec<(Box<dyn Inspect>, bool)>);

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} inspectors", self.0.len())
    }
}

impl Inspection {
    /// What was found.
    pub fn finish(self) -> Message {
        let mut message = Message::default();
        if let Some(headers) = self.headers {
            message.add(headers.finish());
        }
        if let Some((watch, walker)) = self.attachments {
            message.add(Attachments { watch, facts: walker.finish() });
        }
        if let Some(size) = self.size {
            message.add(size);
        }
        message
    }

    /// Goes on with those that want more.
    fn go_on(&mut self, mut look: impl FnMut(&mut dyn Inspect) -> Appetite) -> Appetite {
        let headers = self.headers.as_mut().map(|headers| headers as &mut dyn Inspect);
        let attachments = self.attachments.as_mut().map(|(_, walker)| walker as &mut dyn Inspect);
        let size = self.size.as_mut().map(|size| size as &mut dyn Inspect);
        for (inspector, hungry) in [headers, attachments, size].into_iter().zip(&mut self.hungry) {
            *hungry &= inspector.is_some_and(|inspector| *hungry && look(inspector) == Appetite::More);
        }
        for (inspector, hungry) in &mut self.own.0 {
            *hungry = *hungry && look(inspector.as_mut()) == Appetite::More;
        }
        let wants_more = self.hungry.contains(&true) || self.own.0.iter().any(|(_, hungry)| *hungry);
        if wants_more { Appetite::More } else { Appetite::Enough }
    }
}

impl Inspect for Inspection {
    fn header(&mut self, name: &[u8], value: &[u8]) {
        self.go_on(|inspector| {
            inspector.header(name, value);
            Appetite::More
        });
    }

    fn end_of_headers(&mut self) -> Appetite {
        self.go_on(|inspector| inspector.end_of_headers())
    }

    fn body(&mut self, chunk: &[u8]) -> Appetite {
        self.go_on(|inspector| inspector.body(chunk))
    }
}
