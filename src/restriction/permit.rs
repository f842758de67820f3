//! `permit`, of postconf(5).

use super::{Ends, Kind, Parse, Restriction, args::Arguments};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request},
};

const MANUAL: &str = "\
Permits: ends this list, and the next list begins.

It ends only the list it stands in: a later list can still refuse. At the end
of a list it changes nothing, for the end of a list is a permit. Nothing
behind it can ever be reached.

Example: client = [\"check_client_access cidr:/etc/mailward/ours\", \"permit\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "permit",
    aliases: &[],
    usage: "",
    needs: Event::Connect,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

fn parse(_: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    Ok(Box::new(Permit))
}

#[derive(Debug)]
struct Permit;

impl Restriction for Permit {
    fn check(&self, _: &Request<'_>, _: &mut Lookups<'_>) -> Result<Action, Pending> {
        Ok(Action::Ok)
    }

    fn ends(&self, _: Option<Event>) -> Ends {
        Ends::Permits
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        restriction::Ends,
        testing::{Mail, rule, said, zone},
    };

    #[test]
    fn it_says_ok_and_ends_the_list() {
        assert_eq!(said("permit", &Mail::new(), &zone("")), "ok");
        assert_eq!(rule("permit").ends(None), Ends::Permits);
    }
}
