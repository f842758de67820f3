//! A restriction class in a list: smtpd_restriction_classes. The loop evaluates the class in its place.

use super::{Ends, Restriction};
use crate::{
    decision::action::{Action, ClassId},
    lookup::{Lookups, Pending},
    request::{Event, Request},
};

/// The entry that stands for a class. Its name comes from the configuration, so the registry does not have it.
#[derive(Debug)]
pub struct Class(pub ClassId);

impl Restriction for Class {
    fn check(&self, _: &Request<'_>, _: &mut Lookups<'_>) -> Result<Action, Pending> {
        Ok(Action::Class { class: self.0, subject: None, may_permit: true })
    }

    fn ends(&self, _: Option<Event>) -> Ends {
        Ends::As(self.0)
    }
}
