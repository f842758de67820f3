//! What a client on a list is told: postconf(5) default_rbl_reply and rbl_reply_maps, smtpd_check.c
//! rbl_reject_reply().

mod expansion;
mod variable;

use crate::{
    origin::{Fault, Origin},
    request::{Request, subject::Subject},
    smtp::reply::{Enhanced, Reply, ReplyCode},
};
use expansion::{Expansion, Wrong};
use std::borrow::Cow;
use variable::Variable;

/// Postfix's default of `default_rbl_reply`.
pub const DEFAULT: &str = "$rbl_code Service unavailable; $rbl_class [$rbl_what] blocked using $rbl_domain${rbl_reason?; $rbl_reason}";

/// A reply with places for what is known only at the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyTemplate {
    expansion: Expansion,
    /// Whether it shows the text that the list gives: only then is it worth asking for.
    pub asks_text: bool,
    /// Whether it shows the list's name as it was asked.
    pub shows_domain: bool,
}

/// What the variables are about.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The mail.
    pub request: &'a Request<'a>,
    /// What is listed: `$rbl_class`.
    pub subject: Subject,
    /// Its name or address: `$rbl_what`.
    pub what: &'a str,
    /// The list: `$rbl_domain`.
    pub domain: &'a str,
    /// Its text: `$rbl_reason`.
    pub reason: &'a str,
    /// `maps_rbl_reject_code`: `$rbl_code`.
    pub code: ReplyCode,
}

impl ReplyTemplate {
    /// Reads a template that begins at `origin`.
    ///
    /// Postfix: a faulty template in rbl_reply_maps is replaced by the default one at the mail; here: an error at
    /// load, because nobody reads that warning.
    ///
    /// # Errors
    /// When it cannot be read, names an unknown variable, or does not begin with a reply code.
    pub fn parse(text: &str, origin: &Origin) -> Result<Self, Fault> {
        let expansion = Expansion::parse(text).map_err(|wrong| fault(wrong, text, origin))?;
        for sample in ["", "x"] {
            let sample = |variable| match variable {
                Variable::RblCode => Cow::Borrowed("554"),
                _ => Cow::Borrowed(sample),
            };
            if code(&expansion.expand(&sample)).is_none() {
                let width = text.split_whitespace().next().map_or(1, |word| word.chars().count());
                let fault = Fault::error(origin, width, "the reply does not begin with a reply code");
                return Err(fault.help("begin it with `$rbl_code `, or with 550 or 450 and a blank"));
            }
        }
        let asks_text = expansion.uses(Variable::RblReason);
        let shows_domain = expansion.uses(Variable::RblDomain);
        Ok(Self { expansion, asks_text, shows_domain })
    }

    /// The reply.
    pub fn reply(&self, context: &Context<'_>) -> Reply {
        let text = self.expansion.expand(&|variable| variable.value(context));
        let policy = Enhanced::new(7, 1);
        let Some((code, rest)) = code(&text) else {
            return Reply::new(ReplyCode::known(450), policy, UNAVAILABLE);
        };
        let (status, rest) = Enhanced::split(rest.trim_start());
        let status = context.subject.fit(status.unwrap_or(policy));
        Reply::new(code, status, if rest.is_empty() { UNAVAILABLE } else { rest })
    }
}

impl Default for ReplyTemplate {
    fn default() -> Self {
        // The default is one that can be read, which a test proves; this is what would be left of it.
        Self::parse(DEFAULT, &Origin::builtin("default_rbl_reply")).unwrap_or_else(|_| Self {
            expansion: Expansion::empty(),
            asks_text: false,
            shows_domain: false,
        })
    }
}

const UNAVAILABLE: &str = "Service unavailable";

/// The code that a text begins with, and what follows it and its blank.
fn code(text: &str) -> Option<(ReplyCode, &str)> {
    let (code, rest) = text.split_at_checked(3)?;
    if !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((code.parse().ok().and_then(ReplyCode::new)?, rest.strip_prefix(' ')?))
}

fn fault(Wrong { at, length, message, help }: Wrong, text: &str, origin: &Origin) -> Fault {
    let characters = |from: usize, to: usize| text.get(from..to).map_or(1, |part| part.chars().count());
    let fault = Fault::error(&origin.right(characters(0, at)), characters(at, at + length), message);
    Fault { help, ..fault }
}

#[cfg(test)]
mod tests;
