//! Changes of a message at its end, in one fixed order: header fields from the last to the first, so that no number
//! changes under way, then the fields that are put in, recipients, quarantine.

use super::conversation::{Conversation, Transaction};
use crate::decision::action::Amendment;
use indymilter::{ActionError, ContextActions, EomActions, ProtoOpts};
use std::{cmp::Reverse, ffi::CString, fmt};

/// Why a message cannot be changed.
#[derive(Debug)]
pub(super) enum AmendError {
    /// The MTA does not let us, or its connection is gone.
    Action(ActionError),
    /// Rules that do not know of one another would leave nobody to get it, so that it would vanish.
    NobodyLeft,
}

impl fmt::Display for AmendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(error) => error.fmt(f),
            Self::NobodyLeft => f.write_str("no recipient would be left"),
        }
    }
}

impl From<ActionError> for AmendError {
    fn from(error: ActionError) -> Self {
        Self::Action(error)
    }
}

/// Carries out the changes of a message.
///
/// # Errors
/// When they cannot be carried out.
pub(super) async fn amend(conversation: &Conversation, actions: &EomActions) -> Result<(), AmendError> {
    let transaction = &conversation.transaction;
    let deleted = deleted(transaction).ok_or(AmendError::NobodyLeft)?;
    // An MTA that does not hand over the blank behind the colon puts one there itself.
    let blank = conversation.agreed.opts.contains(ProtoOpts::LEADING_SPACE);
    let headers = Headers { amendments: &transaction.amendments, blank };
    headers.change(actions).await?;
    headers.insert(actions).await?;
    headers.prepend(actions).await?;
    recipients(transaction, &deleted, actions).await?;
    for amendment in &transaction.amendments {
        if let Amendment::Hold(reason) = amendment {
            let reason = if reason.is_empty() { "held by mailward" } else { reason };
            actions.quarantine(c_string(reason)).await?;
        }
    }
    Ok(())
}

/// The changes of the header.
struct Headers<'a> {
    amendments: &'a [Amendment],
    blank: bool,
}

impl Headers<'_> {
    /// REPLACE, IGNORE and STRIP.
    async fn change(&self, actions: &EomActions) -> Result<(), ActionError> {
        let mut changes: Vec<_> = self.amendments.iter().filter_map(change).collect();
        changes.sort_by_key(|(index, ..)| Reverse(*index));
        for (index, name, value) in changes {
            let value = value.map(|value| self.value(value));
            // A message has fewer fields than that.
            let index = i32::try_from(index).unwrap_or(i32::MAX);
            actions.change_header(c_string(name), index, value).await?;
        }
        Ok(())
    }

    /// PREPEND of a header table: before the field that matched. The MTA counts the fields as they are now, its own
    /// Received field, which it does not tell us of, among them.
    async fn insert(&self, actions: &EomActions) -> Result<(), ActionError> {
        let removed = |before: usize| {
            let removed = self
                .amendments
                .iter()
                .filter(|amendment| matches!(amendment, Amendment::Remove { at, .. } if *at < before));
            removed.count()
        };
        let mut inserts: Vec<_> = self.amendments.iter().filter_map(insertion).collect();
        // The last one first, also of those at the same place.
        inserts.reverse();
        inserts.sort_by_key(|(at, ..)| Reverse(*at));
        for (at, name, value) in inserts {
            let index = i32::try_from(1 + at - removed(at)).unwrap_or(i32::MAX);
            actions.insert_header(index, c_string(name), self.value(value)).await?;
        }
        Ok(())
    }

    /// PREPEND of an access table: above everything, Postfix's own Received field too, the first one on top.
    async fn prepend(&self, actions: &EomActions) -> Result<(), ActionError> {
        for amendment in self.amendments.iter().rev() {
            if let Amendment::Prepend { name, value } = amendment {
                actions.insert_header(0, c_string(name), self.value(value.as_bytes())).await?;
            }
        }
        Ok(())
    }

    fn value(&self, value: &[u8]) -> CString {
        let blank: &[u8] = if self.blank { b" " } else { b"" };
        CString::new([blank, value].concat()).unwrap_or_default()
    }
}

/// The field's number among those of its name, its name, and its new value if it stays.
fn change(amendment: &Amendment) -> Option<(usize, &str, Option<&[u8]>)> {
    if let Amendment::Remove { name, index, .. } = amendment {
        return Some((*index, name, None));
    }
    let Amendment::Replace { name, index, value } = amendment else { return None };
    Some((*index, name, Some(&value.0)))
}

fn insertion(amendment: &Amendment) -> Option<(usize, &str, &[u8])> {
    let Amendment::Insert { at, name, value } = amendment else { return None };
    Some((*at, name, &value.0))
}

async fn recipients(
    transaction: &Transaction,
    deleted: &[&String],
    actions: &EomActions,
) -> Result<(), ActionError> {
    let redirect = transaction.amendments.iter().rev().find_map(|amendment| {
        let Amendment::Redirect(address) = amendment else { return None };
        Some(address)
    });
    if let Some(address) = redirect {
        for recipient in &transaction.recipients {
            actions.delete_recipient(c_string(recipient)).await?;
        }
        // As in Postfix, whoever else should have got it does not.
        actions.add_recipient(c_string(&format!("<{address}>"))).await?;
        return Ok(());
    }
    for recipient in deleted {
        actions.delete_recipient(c_string(recipient)).await?;
    }
    for amendment in &transaction.amendments {
        let Amendment::Bcc(address) = amendment else { continue };
        let address = format!("<{address}>");
        if !transaction.recipients.iter().any(|known| known.eq_ignore_ascii_case(&address)) {
            actions.add_recipient(c_string(&address)).await?;
        }
    }
    Ok(())
}

/// The recipients who do not get the message; `None` if they are all of them.
fn deleted(transaction: &Transaction) -> Option<Vec<&String>> {
    let asked = |recipient: &&String| {
        transaction.amendments.iter().any(
            |amendment| matches!(amendment, Amendment::DeleteRecipient { address, .. } if address == *recipient),
        )
    };
    let deleted: Vec<&String> = transaction.recipients.iter().filter(asked).collect();
    (deleted.is_empty() || deleted.len() < transaction.recipients.len()).then_some(deleted)
}

/// A text without NUL: tables and configuration hold none, clients' texts never come here.
fn c_string(value: &str) -> CString {
    CString::new(value).unwrap_or_default()
}
