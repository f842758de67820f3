//! Which policy service stands behind a `check_policy_service`: what it does says whether mailward takes its place.

use crate::restriction;

/// What a policy service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Service {
    /// A greylisting server that `greylist` replaces: its name.
    Greylisting(&'static str),
    /// Anything else: what it does.
    Other(&'static str),
}

/// Names in a service's socket or path, in the order in which they are looked for.
const NAMES: &[(&str, Service)] = &[
    ("tumgreyspf", Service::Other("it greylists and checks SPF in one; mailward does no SPF")),
    ("postgrey", Service::Greylisting("postgrey")),
    ("sqlgrey", Service::Greylisting("sqlgrey")),
    ("greylist", Service::Greylisting("a greylisting server")),
    ("spf", Service::Other("it checks SPF, which mailward does not")),
    ("quota", Service::Other("only the mail store knows who has room left")),
    ("policyd-weight", Service::Other("its scores are its own; a scored DNS list is the nearest thing")),
];

/// The usual ports, as the packages set them.
const PORTS: &[(&str, Service)] = &[
    ("10023", Service::Greylisting("postgrey")),
    ("2501", Service::Greylisting("sqlgrey")),
    ("12525", Service::Other("it looks like policyd-weight, whose scores are its own")),
    ("10031", Service::Other("it looks like cluebringer or policyd, which does more than mailward")),
];

/// What is said of the others.
const UNKNOWN: &str = "what it does is not known here. mailward can ask it as well: take the `#` away, and the entry out \
                       of main.cf, unless its socket lies below private/";

/// Judges a service by its address: `unix:private/policyd-spf`, `inet:127.0.0.1:10023`, `{ inet:…, timeout=10s }`.
pub(in crate::cli) fn service(argument: &str) -> Service {
    let address = argument.trim_start_matches(['{', ' ']).split([',', ' ', '}']).next().unwrap_or_default();
    let folded = address.to_ascii_lowercase();
    if let Some((_, service)) = NAMES.iter().find(|(name, _)| folded.contains(name)) {
        return *service;
    }
    let port = folded.rsplit(':').next().unwrap_or_default();
    let known = PORTS.iter().find(|(known, _)| folded.starts_with("inet:") && *known == port);
    known.map_or(Service::Other(UNKNOWN), |(_, service)| *service)
}

/// The entry that takes the place of a greylisting server, and whether this version has it.
pub(super) fn greylist() -> (&'static str, bool) {
    ("greylist", restriction::find("greylist").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_known_by_name_and_by_port() {
        let grey = |name| Some(Service::Greylisting(name));
        let cases = [
            ("inet:127.0.0.1:10023", grey("postgrey")),
            ("inet:[::1]:10023", grey("postgrey")),
            ("{ inet:localhost:10023, timeout=10s }", grey("postgrey")),
            ("unix:postgrey/socket", grey("postgrey")),
            ("unix:private/sqlgrey", grey("sqlgrey")),
            ("unix:private/policyd-spf", None),
            ("unix:private/tumgreyspf", None),
            ("unix:private/10023", None),
            ("inet:127.0.0.1:100233", None),
            ("", None),
        ];
        for (argument, want) in cases {
            let got = service(argument);
            let got = match got {
                Service::Greylisting(_) => Some(got),
                Service::Other(_) => None,
            };
            assert_eq!(got, want, "{argument}");
        }
    }
}
