//! `warn_if_reject`, of postconf(5): a prefix, which the configuration reads and the loop carries out.

use super::{Kind, Parse};
use crate::request::Event;

const MANUAL: &str = "\
Lets the next entry only log what it would refuse.

It covers exactly the entry behind it, with all that this entry evaluates: a
class, a list in an access table. A refusal is logged as reject_warning: and
the list goes on, as if the entry had said DUNNO. So is a deferral because of
a temporary failure, which without it would be kept until the end. A permit
stays a permit, and defer_if_reject is still raised. A fault of a table or of
the configuration (451 4.3.5) is not softened. It has no reply of its own.

Example: helo = [\"warn_if_reject reject_unknown_helo_hostname\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "warn_if_reject",
    aliases: &[],
    usage: "restriction",
    needs: Event::Connect,
    manual: MANUAL,
    parse: Parse::WarnIfReject,
}];

#[cfg(test)]
mod tests {
    use crate::{
        restriction::{Parse, find},
        testing::list,
    };

    #[test]
    fn it_is_no_entry_but_covers_the_next_one() {
        assert!(matches!(find("Warn_If_Reject").unwrap().parse, Parse::WarnIfReject));
        let covered: Vec<bool> =
            list(&["warn_if_reject reject", "reject"]).entries.iter().map(|entry| entry.warn_only).collect();
        assert_eq!(covered, [true, false]);
    }
}
