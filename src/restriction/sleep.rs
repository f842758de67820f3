//! `sleep`, of postconf(5).

use super::{Kind, Parse, Restriction, args::Arguments};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request},
};

const MANUAL: &str = "\
Pauses for a number of seconds, and then says nothing.

The pause begins when all entries before it are settled, so a client that they
permit or refuse does not wait. It ends after half of what is left of
decision_deadline at the latest, so that the questions of later entries get an
answer; these are asked during the pause. Always DUNNO.

Postfix: as long as the number says; here: bounded, because an answer after
Postfix's milter_command_timeout breaks the session.
Postfix: two pauses of the same length add up; here: they are one, because
what is known within one command is not asked twice.

Example: client = [\"permit_mynetworks\", \"sleep 1\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "sleep",
    aliases: &[],
    usage: "seconds",
    needs: Event::Connect,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

fn parse(arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    let word = arguments.word("a number of seconds").map_err(|fault| fault.help("write `sleep 1`"))?;
    let digits = word.text.bytes().all(|byte| byte.is_ascii_digit());
    match word.text.parse().ok().filter(|_| digits) {
        Some(seconds) => Ok(Box::new(Sleep(seconds))),
        None => {
            let fault = word.error(format!("`{}` is not a number of seconds", word.text));
            Err(fault.help("write `sleep 1`"))
        }
    }
}

#[derive(Debug)]
struct Sleep(u32);

impl Restriction for Sleep {
    fn check(&self, _: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        lookups.sleep(self.0)?;
        Ok(Action::Dunno)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        lookup::{Lookup, Lookups, answers::Answers},
        restriction::args::Settings,
        testing::{Mail, rule_with, said, wanted},
    };
    use std::time::Duration;

    #[test]
    fn it_says_nothing_once_the_pause_is_over() {
        let none = Answers::new();
        assert_eq!(wanted("sleep 3", &Mail::new(), Lookups::new(&none)), "SLEEP 3");
        let mut over = Answers::new();
        let pause = Lookup::Sleep(3);
        over.insert(pause.clone(), pause.not_found(), Duration::from_secs(3));
        assert_eq!(said("sleep 3", &Mail::new(), &over), "dunno");
    }

    #[test]
    fn only_a_number_is_a_pause() {
        let fault = |line: &str| rule_with(line, &Settings::default()).unwrap_err().message;
        assert_eq!(fault("sleep"), "`sleep` needs a number of seconds behind it");
        for word in ["x", "-1", "+1", "1s", "1.5", "4294967296"] {
            assert_eq!(fault(&format!("sleep {word}")), format!("`{word}` is not a number of seconds"));
        }
        assert!(rule_with("sleep 0", &Settings::default()).is_ok());
    }
}
