//! Every key of mailward.toml: path, type, range, default and manual sentence. The reader, `check-config` and the
//! manual page mailward.toml(5) all use this one table; it is long because every key has its row.

mod attachments;

use crate::smtp::text::wrap;
use std::time::Duration;

/// A key that can stand in mailward.toml.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its path, such as `dns.timeout`; a last part `*` stands for names of the administrator's own.
    pub path: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// The default, as it would be written.
    pub default: &'static str,
    /// Another value, as it would be written.
    pub example: &'static str,
    /// What it does: the text of the manual.
    pub manual: &'static str,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A string.
    Text,
    /// A string or an array of strings: words between blanks or commas.
    Texts,
    /// A string or an array of strings, each as it stands.
    Strings,
    /// A restriction list: a string or an array of strings, in main.cf's notation.
    List,
    /// true or false.
    Bool,
    /// A whole number within the range.
    Number(u64, u64),
    /// A duration with its unit, within the range.
    Span(Duration, Duration),
    /// A number of bytes, or one with the unit KiB, MiB or GiB, within the range.
    Bytes(u64, u64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Permission bits.
    Permissions,
    /// A reply code.
    Code,
    /// An inline table from names to names.
    Names,
}

impl Takes {
    /// The kind of value, for messages and the manual.
    pub fn describe(self) -> String {
        match self {
            Self::Text => "a string".to_owned(),
            Self::Texts | Self::Strings => "a list of strings".to_owned(),
            Self::List => "a restriction list: a string or a list of strings".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Number(min, max) => format!("a whole number from {min} to {max}"),
            Self::Span(min, max) => {
                let show = crate::time::format_duration;
                format!("a duration from \"{}\" to \"{}\"", show(min), show(max))
            }
            Self::Bytes(min, max) => format!("a size from \"{}\" to \"{}\"", bytes(min), bytes(max)),
            Self::Choice(words) => one_of(words),
            Self::Permissions => "permission bits such as \"0660\"".to_owned(),
            Self::Code => "a reply code from 400 to 459 or 500 to 559".to_owned(),
            Self::Names => "a table such as { \"name\" = \"shown\" }".to_owned(),
        }
    }
}

fn one_of(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ")
}

/// A size in its largest unit that divides it.
fn bytes(size: u64) -> String {
    match size {
        size if size != 0 && size % (1 << 30) == 0 => format!("{} GiB", size >> 30),
        size if size != 0 && size % (1 << 20) == 0 => format!("{} MiB", size >> 20),
        size if size != 0 && size % (1 << 10) == 0 => format!("{} KiB", size >> 10),
        size => size.to_string(),
    }
}

/// All keys, in the order of the manual.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(attachments::KEYS)
}

/// The key of a path; a name of the administrator's own finds the pattern it falls under.
pub fn find(path: &str) -> Option<&'static Key> {
    let exact = keys().find(|key| key.path == path);
    exact.or_else(|| {
        let section = path.split_once('.').map_or(path, |(section, _)| section);
        keys().find(|key| match key.path.split_once(".*") {
            Some((above, "")) => above == section && path != section,
            Some((above, below)) => {
                let name = path.strip_prefix(above).and_then(|rest| rest.strip_suffix(below));
                name.and_then(|name| name.strip_prefix('.')).is_some_and(is_own_name)
            }
            None => false,
        })
    })
}

/// Whether keys stand below this path.
pub(super) fn is_section(path: &str) -> bool {
    keys().any(|key| key.path.split_once('.').is_some_and(|(section, _)| section == path))
        || is_named_section(path)
}

/// Whether a section has keys of its own beside sections with names: `attachments`.
pub(super) fn has_own_keys(prefix: &str) -> bool {
    let below = |key: &'static Key| key.path.strip_prefix(prefix);
    !prefix.is_empty() && keys().filter_map(below).any(|rest| !rest.contains(['.', '*']))
}

/// Whether this is a section with a name of the administrator's own: `dnsbl.main`.
fn is_named_section(path: &str) -> bool {
    let above = |key: &Key| key.path.split_once(".*.").map(|(above, _)| above);
    let name = |above: &str| path.strip_prefix(above).and_then(|rest| rest.strip_prefix('.'));
    keys().filter_map(above).filter_map(name).any(is_own_name)
}

/// Whether a name can be one of the administrator's own.
fn is_own_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('.')
}

/// The beginning that the keys of a section have in the table: `dnsbl.*.` for `dnsbl.main.`.
pub(super) fn pattern_of(prefix: &str) -> String {
    match prefix.strip_suffix('.').filter(|path| is_named_section(path)).and_then(|path| path.split_once('.'))
    {
        Some((section, _)) => format!("{section}.*."),
        None => prefix.to_owned(),
    }
}

/// All keys with their manual sentences, as plain text in 80 columns.
pub fn manual() -> String {
    let mut out = String::new();
    for key in keys() {
        out.push_str(&format!("{} = {}\n", key.path, key.default));
        for line in wrap(&format!("{} Takes {}.", key.manual, key.takes.describe()), 76) {
            out.push_str(&format!("    {line}\n"));
        }
    }
    out
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn key(
    path: &'static str,
    takes: Takes,
    default: &'static str,
    example: &'static str,
    manual: &'static str,
) -> Key {
    Key { path, takes, default, example, manual }
}

const TEMPFAIL: Takes = Takes::Choice(&["defer_if_permit", "defer"]);

#[rustfmt::skip]
const KEYS: &[Key] = &[
    key("socket", Takes::Text, "\"inet:127.0.0.1:8895\"", "\"unix:/run/mailward/mailward.sock\"",
        "Where mailward listens: `unix:/path` or `inet:ADDRESS:PORT` with an IP address. Sendmail's `inet:PORT@ADDRESS` \
         is understood too. The milter protocol has no authentication, so an address that other machines reach is \
         warned about. A change needs a restart."),
    key("socket_mode", Takes::Permissions, "\"0660\"", "\"0666\"",
        "The permissions of a unix socket. A change needs a restart."),
    key("socket_group", Takes::Text, "\"\"", "\"postfix\"",
        "The group of a unix socket; empty: as its directory gives it. A change needs a restart."),
    key("control_socket", Takes::Text, "\"\"", "\"/srv/mailward/control.sock\"",
        "Where `mailward status` and other commands reach the daemon: the path of a unix socket that its owner and its \
         group may use. Empty: control.sock in /run/mailward, or below the state directory where there is no \
         /run/mailward; \"off\": nowhere. A change needs a restart."),
    key("mode", Takes::Choice(&["enforce", "observe"]), "\"enforce\"", "\"observe\"",
        "Whether decisions take effect. With `observe` everything is decided and logged, and the answer is always \
         \"continue\"."),
    key("mynetworks", Takes::Texts, "[]", "[\"127.0.0.0/8\", \"[::1]/128\"]",
        "The networks that permit_mynetworks trusts, as in main.cf: `192.0.2.0/24`, `[2001:db8::]/32`, an address, \
         `!192.0.2.7` for an exception, `/etc/mailward/networks` for what stands in a file, or a cidr: table; the first \
         that matches counts. \
         Postfix: defaults to the machine's own networks; here: to none, because a filter need not run on that machine."),
    key("delay_reject", Takes::Bool, "true", "false",
        "As smtpd_delay_reject: the client, helo and sender lists run at RCPT TO, so that the log shows sender and \
         recipient of what is refused. Off, each runs at its own moment. \
         Postfix: then refuses in the words of the list at CONNECT and HELO; here: with Postfix's own 554 at CONNECT (a \
         421 closes the connection without a word), and what HELO is refused for at MAIL, because a milter cannot word those answers. \
         Postfix: then asks the helo list about the sender of a message that EHLO interrupts; here: not, because EHLO ends \
         that message."),
    key("max_sessions", Takes::Number(1, 1_000_000), "4000", "100",
        "How many sessions are served at once. Beyond it a client waits without an answer, so it must be above \
         Postfix's process limits. A change needs a restart."),
    key("decision_deadline", Takes::Span(Duration::from_millis(100), seconds(600)), "\"20s\"", "\"10s\"",
        "How long one answer may take; what is unknown then counts as a temporary failure. It must be below Postfix's \
         milter_command_timeout, 30 s by default."),
    key("content_deadline", Takes::Span(seconds(1), seconds(3_600)), "\"120s\"", "\"60s\"",
        "How long the answer to a whole message may take, and the looking at it. It must be below Postfix's \
         milter_content_timeout, 300 s by default."),
    key("shutdown_grace", Takes::Span(seconds(0), seconds(3_600)), "\"8s\"", "\"1m\"",
        "How long sessions in flight may go on after SIGTERM."),
    key("idle_timeout", Takes::Span(seconds(1), seconds(86_400)), "\"7210s\"", "\"1h\"",
        "How long a session may be silent before it is closed. Postfix ends silent sessions earlier by itself. \
         A change needs a restart."),
    key("lookahead", Takes::Bool, "true", "false",
        "Ask the lookups of later entries of a list early, so that a list costs its slowest lookup, not their sum. Off: \
         only what Postfix would ask."),
    key("helo_required", Takes::Bool, "false", "true",
        "As smtpd_helo_required: MAIL without HELO or EHLO is refused with `503 5.5.1 Error: send HELO/EHLO first`. \
         Postfix: forgets the name at STARTTLS; here: not, because a milter is not told of STARTTLS. Postfix: says so \
         before it reads the address of MAIL; here: after that, because a milter is not told of a MAIL that cannot be \
         read."),
    key("parent_domain_matches_subdomains", Takes::Bool, "true", "false",
        "Whether the key `example.com` of an access table matches mail.example.com too; off, `.example.com` does. \
         Postfix: a list of features; here: one switch for access tables and relay_domains, because nothing else here \
         looks up parents."),
    key("recipient_delimiter", Takes::Text, "\"\"", "\"+\"",
        "The characters that separate a user name from its extension, as in main.cf."),
    key("local_domains", Takes::Texts, "[]", "[\"example.com\", \"example.net\"]",
        "The domains that the MTA delivers itself: mydestination, virtual_alias_domains and virtual_mailbox_domains of \
         main.cf. Names, tables (their keys count) and `!exceptions`. Used by reject_unauth_destination and its kin."),
    key("relay_domains", Takes::Texts, "[]", "[\"!mail.example.org\", \"example.org\"]",
        "The domains that the MTA relays to, with their subdomains, as in main.cf. Names, tables (their keys count) and \
         `!exceptions`."),
    key("sender_login_maps", Takes::Texts, "[]", "[\"inline:{ @example.com=postmaster }\"]",
        "The tables that tell which logins own a sender address, as smtpd_sender_login_maps. Used by \
         reject_sender_login_mismatch and its kin."),
    key("on_bug", Takes::Choice(&["tempfail", "accept"]), "\"tempfail\"", "\"accept\"",
        "What a client hears when mailward itself has a bug: 451, or nothing."),
    key("restrictions.client", Takes::List, "[]", "[\"reject_unknown_reverse_client_hostname\"]",
        "The entries of smtpd_client_restrictions. All lists take the words of main.cf between blanks or commas."),
    key("restrictions.helo", Takes::List, "[]", "[\"reject_invalid_helo_hostname\"]",
        "The entries of smtpd_helo_restrictions."),
    key("restrictions.sender", Takes::List, "[]", "[\"reject_non_fqdn_sender\"]",
        "The entries of smtpd_sender_restrictions."),
    key("restrictions.recipient", Takes::List, "[]", "[\"reject_non_fqdn_recipient\"]",
        "The entries of smtpd_recipient_restrictions. Relay control stays with Postfix."),
    key("restrictions.data", Takes::List, "[]", "[\"permit_mynetworks\"]",
        "The entries of smtpd_data_restrictions."),
    key("restrictions.end_of_data", Takes::List, "[]", "[\"permit_mynetworks\"]",
        "The entries of smtpd_end_of_data_restrictions."),
    key("classes.*", Takes::List, "[]", "[\"reject_unknown_client_hostname\"]",
        "A restriction class, as smtpd_restriction_classes: its name can stand in lists and on the right-hand side of \
         access tables."),
    key("codes.access_map_defer_code", Takes::Code, "450", "451", "The reply code of DEFER in an access table."),
    key("codes.access_map_reject_code", Takes::Code, "554", "550", "The reply code of REJECT in an access table."),
    key("codes.defer_code", Takes::Code, "450", "451", "The reply code of `defer`."),
    key("codes.invalid_hostname_reject_code", Takes::Code, "501", "550",
        "The reply code of reject_invalid_helo_hostname."),
    key("codes.multi_recipient_bounce_reject_code", Takes::Code, "550", "554",
        "The reply code of reject_multi_recipient_bounce."),
    key("codes.maps_rbl_reject_code", Takes::Code, "554", "550",
        "The reply code of reject_rbl_client and the reject_rhsbl_* restrictions: $rbl_code."),
    key("codes.non_fqdn_reject_code", Takes::Code, "504", "550",
        "The reply code of reject_non_fqdn_helo_hostname, reject_non_fqdn_sender and reject_non_fqdn_recipient."),
    key("codes.plaintext_reject_code", Takes::Code, "450", "530", "The reply code of reject_plaintext_session."),
    key("codes.reject_code", Takes::Code, "554", "550", "The reply code of `reject`."),
    key("codes.relay_domains_reject_code", Takes::Code, "554", "550",
        "The reply code of reject_unauth_destination; defer_unauth_destination answers with 100 less."),
    key("codes.unknown_address_reject_code", Takes::Code, "450", "550",
        "The reply code of reject_unknown_sender_domain and reject_unknown_recipient_domain."),
    key("codes.unknown_client_reject_code", Takes::Code, "450", "550",
        "The reply code of reject_unknown_client_hostname and reject_unknown_reverse_client_hostname."),
    key("codes.unknown_hostname_reject_code", Takes::Code, "450", "550",
        "The reply code of reject_unknown_helo_hostname."),
    key("codes.reject_tempfail_action", TEMPFAIL, "\"defer_if_permit\"", "\"defer\"",
        "What a restriction does when DNS gives no answer: the default of both actions below."),
    key("codes.unknown_helo_hostname_tempfail_action", TEMPFAIL, "\"defer_if_permit\"", "\"defer\"",
        "What reject_unknown_helo_hostname does when DNS gives no answer."),
    key("codes.unknown_address_tempfail_action", TEMPFAIL, "\"defer_if_permit\"", "\"defer\"",
        "What reject_unknown_sender_domain and reject_unknown_recipient_domain do when DNS gives no answer."),
    key("replies.default_rbl_reply", Takes::Text, "\"\"", "\"$rbl_code $rbl_what is on $rbl_domain\"",
        "What a client on a block list is told; empty: Postfix's default, \"$rbl_code Service unavailable; $rbl_class \
         [$rbl_what] blocked using $rbl_domain${rbl_reason?; $rbl_reason}\". `mailward restrictions reject_rbl_client` \
         explains it."),
    key("replies.rbl_reply_maps", Takes::Texts, "[]", "[\"inline:{ { bl.example.net = 550 blocked } }\"]",
        "Tables with the replies of single lists, by `domain=filter` as it stands in the entry, or by the domain."),
    key("dnsbl.*.sites", Takes::Texts, "[]", "[\"zen.spamhaus.org=127.0.0.[2..11]*3\"]",
        "The sites of a scored list, `domain[=filter][*weight]`, as in postscreen_dnsbl_sites. The section has a name \
         of your own, which reject_dnsbl_score and greylist_dnsbl_score take."),
    key("dnsbl.*.reject_at", Takes::Number(1, 1_000_000_000), "1", "3",
        "The score from which reject_dnsbl_score refuses."),
    key("dnsbl.*.greylist_at", Takes::Number(0, 1_000_000_000), "0", "1",
        "The score from which greylist_dnsbl_score greylists; below reject_at. 0: never."),
    key("dnsbl.*.show", Takes::Names, "{}", "{ \"secret.zen.dq.spamhaus.net\" = \"zen.spamhaus.org\" }",
        "What clients are shown instead of a site's domain, as postscreen_dnsbl_reply_map: it keeps the key of a paid \
         list secret."),
    key("dns.nameservers", Takes::Texts, "[]", "[\"127.0.0.1:53\"]",
        "The DNS servers in the order in which they are asked, `ADDRESS` or `ADDRESS:PORT`; empty: those of \
         /etc/resolv.conf. Postfix: NOTIMP from all of them is a temporary failure; here: a lasting one, because asking \
         again cannot help."),
    key("dns.timeout", Takes::Span(Duration::from_millis(10), seconds(60)), "\"2s\"", "\"500ms\"",
        "How long one try at one server may take."),
    key("dns.tries", Takes::Number(1, 10), "3", "2", "How often a question is asked, over all servers."),
    key("dns.max_in_flight", Takes::Number(1, 65_536), "512", "64",
        "How many questions are in flight at once; each takes a socket."),
    key("dns.cache_size", Takes::Bytes(0, 1 << 40), "\"32 MiB\"", "\"8 MiB\"",
        "How much memory the cache of answers takes at most; 0 turns it off."),
    key("dns.untested_lists", Takes::Texts, "[]", "[\"list.example.org\"]",
        "The DNS block and allow lists that have no test points (RFC 5782 section 5): only error codes, answers outside of \
         127.0.0.0/8 and silence set them aside."),
    key("metrics.listen", Takes::Text, "\"\"", "\"127.0.0.1:9145\"",
        "Where Prometheus can fetch the metrics, by HTTP: `ADDRESS:PORT` with an address of this machine alone, or \
         `unix:/path`; empty: nowhere. `mailward metrics` prints them without it. A change needs a restart."),
    key("policy_service.default_action", Takes::Text, "\"451 4.3.5 Server configuration problem\"", "\"DUNNO\"",
        "As smtpd_policy_service_default_action: what check_policy_service does when the service gives no answer; an action \
         of access tables, or a class."),
    key("policy_service.timeout", Takes::Span(Duration::from_millis(10), seconds(600)), "\"10s\"", "\"5s\"",
        "As smtpd_policy_service_timeout: how long a request to a policy service may take. Postfix: 100 s; here: less, because it \
         must be below decision_deadline."),
    key("policy_service.max_in_flight", Takes::Number(1, 65_536), "100", "20",
        "How many requests to one policy service are in flight at once; each takes a socket. Further ones wait within \
         their time limit."),
    key("greylist.store", Takes::Text, "\"sqlite:greylist.db\"", "\"sqlite:/var/lib/mailward/greylist.db\"",
        "Where the greylist is kept: `sqlite:` and a file. A relative path is below the state directory. A change needs a \
         restart."),
    key("greylist.synchronous", Takes::Choice(&["off", "normal", "full"]), "\"normal\"", "\"full\"",
        "How sure a commit is on disk, as SQLite's pragma. With `normal` a power failure may lose the rows of the last \
         seconds, whose mails then wait once more; a crash of mailward loses none. A change needs a restart."),
    key("greylist.busy_timeout", Takes::Span(seconds(0), seconds(10)), "\"2s\"", "\"500ms\"",
        "How long a lock that another process holds on the database is waited for. A change needs a restart."),
    key("greylist.on_store_failure", Takes::Choice(&["accept", "tempfail"]), "\"accept\"", "\"tempfail\"",
        "What a mail hears when the database cannot be used: nothing, or 450."),
    key("greylist.profile", Takes::Choice(&["mailward", "postgrey"]), "\"mailward\"", "\"postgrey\"",
        "Whose rules. `postgrey` gives postgrey's verdicts, and its defaults for the keys below: delay 5 min, \
         retry_window 2 d, max_age 35 d, known_after 5, no limit of waiting rows, networks only, each recipient by itself."),
    key("greylist.delay", Takes::Span(seconds(0), seconds(86_400)), "\"4m\"", "\"1m\"",
        "How long the first mail of an unknown client waits. Below 5 min, at which most servers come back first."),
    key("greylist.retry_window", Takes::Span(seconds(60), seconds(30 * 86_400)), "\"25h\"", "\"2d\"",
        "Until when after the first attempt a retry counts; later ones begin anew."),
    key("greylist.max_age", Takes::Span(seconds(3_600), seconds(3_650 * 86_400)), "\"36d\"", "\"60d\"",
        "How long a sender and recipient that passed are remembered without traffic; the null sender and probe_senders for \
         retry_window only. Monthly mail is up to 35 days apart."),
    key("greylist.known_max_age", Takes::Span(seconds(3_600), seconds(3_650 * 86_400)), "\"60d\"", "\"90d\"",
        "How long a known client is remembered without traffic."),
    key("greylist.known_after", Takes::Number(0, 1_000), "2", "5",
        "After how many proven retries an address passes with any mail; 0: never. A network or the domain of a verified \
         name passes after one, with mail of the same sender domain."),
    key("greylist.known_spacing", Takes::Span(seconds(0), seconds(7 * 86_400)), "\"1h\"", "\"30m\"",
        "How far apart two proven retries must be to count both; no use is noted more often either."),
    key("greylist.waiting_limit", Takes::Number(0, 1_000_000), "200", "1000",
        "How many new waiting rows a network may have within an hour, so that a flood does not fill the disk; beyond it \
         mail hears 450 and leaves no row. An IPv6 network of 48 bits may have 16 times as many. 0: any number."),
    key("greylist.ipv4_prefix", Takes::Number(8, 32), "24", "32", "How many bits of an IPv4 address are one client."),
    key("greylist.ipv6_prefix", Takes::Number(16, 128), "64", "48", "How many bits of an IPv6 address are one client."),
    key("greylist.verified_names", Takes::Bool, "true", "false",
        "Recognise a retry also by the domain of the client's verified name, for servers that retry from elsewhere."),
    key("greylist.per_recipient", Takes::Bool, "false", "true",
        "Judge each recipient by itself. Otherwise the first proven recipient clears the rest of the message."),
    key("greylist.probe_senders", Takes::Texts, "[\"double-bounce\", \"mailer-daemon\", \"postmaster\"]", "[\"verify\"]",
        "The local parts of senders that ask whether an address exists: as the null sender they are deferred at DATA only."),
    key("greylist.learn_outgoing", Takes::Bool, "true", "false",
        "Do not greylist the answer of somebody to whom an authenticated user has written within known_max_age, if it comes \
         from a host whose verified name lies in the sender's own domain. From elsewhere it waits as any mail does, since \
         anybody can write a sender's name. The mail must come through mailward on its way out; messages to more than 20 \
         recipients do not count."),
    key("greylist.opt_in", Takes::Bool, "false", "true", "Greylist only recipients that opted in."),
    key("greylist.reveal_time", Takes::Bool, "true", "false", "Say in the reply how long to wait."),
    key("greylist.url", Takes::Text, "\"\"", "\"https://www.example.org/greylisting\"",
        "Where senders can read what greylisting is; it stands at the end of the reply."),
    key("greylist.header", Takes::Bool, "true", "false", "Add X-Greylist to the first message that passes after a wait."),
    key("greylist.whitelist_clients", Takes::Texts, "[]", "[\"/etc/mailward/whitelist_clients\"]",
        "Files of clients that are never greylisted, in postgrey's format: names, networks and /patterns/. With each file \
         the one with `.local` behind its name is read too, if it exists."),
    key("greylist.whitelist_recipients", Takes::Texts, "[]", "[\"/etc/mailward/whitelist_recipients\"]",
        "Files of recipients that are never greylisted, in postgrey's format: addresses, `user@`, domains, /patterns/."),
    key("journal.path", Takes::Text, "\"journal.db\"", "\"/var/lib/mailward/journal.db\"",
        "The database in which `mailward run` records every decision, for `why` and `replay`. A relative path is \
         below the state directory; empty: nothing is recorded. A change needs a restart, as with all of [journal]."),
    key("journal.keep", Takes::Span(seconds(3_600), seconds(3_650 * 86_400)), "\"30d\"", "\"90d\"",
        "How long decisions are kept."),
    key("journal.max_size", Takes::Bytes(16 << 20, 1 << 40), "\"2 GiB\"", "\"500 MiB\"",
        "How large the database may become; the oldest decisions go first. A decision takes about a KiB."),
    key("journal.privacy", Takes::Choice(&["none", "hash"]), "\"none\"", "\"hash\"",
        "What is kept of mail addresses: all, or with `hash` the domain and a keyed hash in place of the local part and of \
         login names, by which `why` still finds them. The key is the file beside the database with `.key` behind its name. \
         `replay` then cannot tell what rules about local parts would say."),
];
