//! How a policy looks at the content of messages: one pass over each, for all restrictions together.

use super::Policy;
use crate::{
    header_checks::{self, Plan},
    request::message::{Appetite, Inspect, Message},
    restriction::content::Looks,
};
use std::sync::Arc;

/// What all restrictions of a policy look at; the same for every message.
#[derive(Clone, Debug, Default)]
pub struct Content {
    headers: Arc<Plan>,
}

impl Content {
    /// The union over a policy.
    pub fn of(policy: &Policy) -> Self {
        let mut headers = Plan::default();
        for look in policy.entries().filter_map(|entry| entry.restriction.looks()) {
            match look {
                Looks::Headers(entry) => headers.add(&entry),
            }
        }
        Self { headers: headers.into() }
    }

    /// Whether nothing looks at the content.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// Begins to look at a message.
    pub fn inspect(&self) -> Inspection {
        let headers = (!self.headers.is_empty()).then(|| header_checks::Inspector::new(self.headers.clone()));
        Inspection { headers }
    }
}

/// One message that is being looked at.
#[derive(Debug)]
pub struct Inspection {
    headers: Option<header_checks::Inspector>,
}

impl Inspection {
    /// What was found.
    pub fn finish(self) -> Message {
        let mut message = Message::default();
        if let Some(headers) = self.headers {
            message.add(headers.finish());
        }
        message
    }

    fn inspectors(&mut self) -> impl Iterator<Item = &mut dyn Inspect> {
        self.headers.iter_mut().map(|headers| headers as &mut dyn Inspect)
    }
}

impl Inspect for Inspection {
    fn header(&mut self, name: &[u8], value: &[u8]) {
        self.inspectors().for_each(|inspector| inspector.header(name, value));
    }

    fn end_of_headers(&mut self) -> Appetite {
        self.inspectors()
            .fold(Appetite::Enough, |appetite, inspector| appetite.and(inspector.end_of_headers()))
    }

    fn body(&mut self, chunk: &[u8]) -> Appetite {
        self.inspectors().fold(Appetite::Enough, |appetite, inspector| appetite.and(inspector.body(chunk)))
    }
}
