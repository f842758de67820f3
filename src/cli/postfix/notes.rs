//! What an old tutorial's lines deserve to be told: DNS lists that are gone or need a filter.
//!
//! `check-config` says such things of entries that run; these notes are for the entries that stay comments.

/// DNS zones and what became of them; a name matches with everything below it.
const ZONES: &[(&str, &str)] = &[
    ("ahbl.org", "closed in 2015; it then listed the whole world"),
    ("blitzed.org", "closed in 2006"),
    ("countries.nerd.dk", "no longer kept up; use a cidr: table of networks instead"),
    ("dsbl.org", "closed"),
    ("easynet.nl", "closed in 2003"),
    ("njabl.org", "closed in 2013"),
    ("ordb.org", "closed in 2006; it later listed the whole world"),
    ("osirusoft.com", "closed in 2003; it then listed the whole world"),
    ("rfc-ignorant.org", "closed in 2012"),
    ("sorbs.net", "closed in 2024"),
    ("spamcannibal.org", "closed in 2018; it then listed the whole world"),
    ("sbl-xbl.spamhaus.org", "an old name; use zen.spamhaus.org=127.0.0.[2..11]"),
    ("swl.spamhaus.org", "Spamhaus gave up its allow list"),
];

/// Lists of Spamhaus with the answers that mean a listing.
const SPAMHAUS: &[(&str, &str)] =
    &[("zen.spamhaus.org", "127.0.0.[2..11]"), ("dbl.spamhaus.org", "127.0.1.[2..99]")];

/// What is to be said about an entry that asks a DNS list.
pub(super) fn about(name: &str, argument: &str) -> Option<String> {
    if !name.contains("rbl") && !name.contains("rhs") && !name.contains("dnswl") {
        return None;
    }
    let (list, filter) = argument.split_once('=').map_or((argument, None), |(list, f)| (list, Some(f)));
    let list = list.trim_end_matches('.').to_ascii_lowercase();
    let below =
        |zone: &str| list.strip_suffix(zone).is_some_and(|left| left.is_empty() || left.ends_with('.'));
    if let Some((_, what)) = ZONES.iter().find(|(zone, _)| below(zone)) {
        return Some(format!("{list}: {what}."));
    }
    let (zone, answers) = SPAMHAUS.iter().find(|(zone, _)| below(zone) && filter.is_none())?;
    Some(format!(
        "{list} without a filter: an answer 127.255.255.x means that the list was asked through a public resolver, \
         and would refuse all mail. Write {zone}={answers}."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_lists_and_missing_filters_are_named() {
        let cases = [
            ("reject_rbl_client", "dnsbl.SORBS.net", Some("dnsbl.sorbs.net: closed in 2024.")),
            ("reject_rbl_client", "cn.countries.nerd.dk=127.0.0.2", Some("cn.countries.nerd.dk: no longer ")),
            ("reject_rbl_client", "zen.spamhaus.org", Some("zen.spamhaus.org without a filter: ")),
            ("reject_rbl_client", "zen.spamhaus.org=127.0.0.[2..11]", None),
            ("reject_rbl_client", "nosorbs.net", None),
            ("reject_rbl_client", "bl.spamcop.net", None),
            ("check_client_access", "dnsbl.sorbs.net", None),
        ];
        for (name, argument, want) in cases {
            let got = about(name, argument);
            assert!(
                got.as_deref()
                    .zip(want)
                    .map_or(got.is_none() && want.is_none(), |(got, want)| got.starts_with(want)),
                "{argument}: {got:?}"
            );
        }
    }
}
