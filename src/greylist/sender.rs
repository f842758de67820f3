//! Which senders are one: addresses that change with each message lose what changes.
//!
//! VERP (RFC 6647 section 4.2 calls it "per-attempt senders"), BATV (draft-levine-smtp-batv), SRS, message tokens of mass
//! mailers. A key that is too coarse greylists a little less; one that is too fine delays mail for ever.

/// The longest run of digits that stays as it is within a word.
const DIGITS: usize = 3;
/// From this length on a word of letters and digits is a token.
const TOKEN: usize = 16;

/// The key of a sender: lower case, without tag, extension, embedded recipient, numbers and tokens, such as
/// `list-bounce-#@example.org`. The null sender stays empty.
pub fn normalised(sender: &str, recipient: &str) -> String {
    let sender = sender.to_lowercase();
    let Some((local, domain)) = sender.rsplit_once('@') else { return sender };
    let local = without_tag(local);
    let local = without_recipient(&local, &recipient.to_lowercase());
    let local = without_extension(&local);
    format!("{}@{domain}", without_tokens(local))
}

/// BATV, its relatives, and SRS: what the tag protects, without its hash and date.
fn without_tag(local: &str) -> String {
    if let Some(rest) = local.strip_prefix("prvs=")
        && let Some((one, other)) = rest.split_once('=')
    {
        // The draft puts the tag first; some put it last.
        let first = is_batv(one) || !is_batv(other);
        return if first { other } else { one }.to_owned();
    }
    if let Some(rest) = local.strip_prefix("btv1==").and_then(|rest| rest.split_once("==")) {
        return rest.1.to_owned();
    }
    if let Some(rest) = local.strip_prefix("msprvs1=").and_then(|rest| rest.split_once('=')) {
        return rest.1.to_owned();
    }
    srs(local).unwrap_or_else(|| local.to_owned())
}

/// BATV's tag: key number, day, six hexadecimal digits.
fn is_batv(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `srs0=HASH=DATE=domain=local` and `srs1=HASH=host==HASH=DATE=domain=local`, after the first separator `=`, `-` or `+`.
fn srs(local: &str) -> Option<String> {
    let (kind, rest) = (local.get(..4)?, local.get(5..)?);
    if !matches!(local.as_bytes().get(4)?, b'=' | b'-' | b'+') {
        return None;
    }
    let last = match kind {
        "srs0" => rest,
        "srs1" => rest.split_once("==").or_else(|| rest.split_once("=-")).map(|(_, last)| last)?,
        _ => return None,
    };
    let mut fields = last.splitn(4, '=');
    let (_hash, _date) = (fields.next()?, fields.next()?);
    let (domain, local) = (fields.next()?, fields.next()?);
    Some(format!("srs={domain}={local}"))
}

/// VERP: the recipient within the sender, in either order, becomes `rcpt`.
fn without_recipient(local: &str, recipient: &str) -> String {
    let Some((user, domain)) = recipient.rsplit_once('@') else { return local.to_owned() };
    if user.is_empty() || domain.is_empty() || !local.contains(domain) {
        return local.to_owned();
    }
    for separator in ["=", "-", "_", ".", "#", "*", "+", "%"] {
        for embedded in [format!("{user}{separator}{domain}"), format!("{domain}{separator}{user}")] {
            if local.contains(&embedded) {
                return local.replacen(&embedded, "rcpt", 1);
            }
        }
    }
    local.to_owned()
}

/// Without `+…`, and without what follows `-owner-`.
fn without_extension(local: &str) -> &str {
    let local = match local.find('+') {
        Some(at) if at > 0 => &local[..at],
        _ => local,
    };
    match local.find("-owner-") {
        Some(at) => &local[..at + "-owner".len()],
        None => local,
    }
}

/// Numbers and tokens become `#`, and a local part of nothing else is one `#`.
fn without_tokens(local: &str) -> String {
    let mut words: Vec<(String, bool)> = Vec::new();
    for c in local.chars() {
        let is_word = c.is_alphanumeric();
        match words.last_mut() {
            Some((word, true)) if is_word => word.push(c),
            _ => words.push((c.to_string(), is_word)),
        }
    }
    for (word, _) in words.iter_mut().filter(|(_, is_word)| *is_word) {
        *word = without_numbers(word);
    }
    // A group of a UUID may hold letters only.
    let hex = |word: &str| word.len() >= 4 && word.bytes().all(|b| b.is_ascii_hexdigit());
    for at in 0..words.len() {
        let near = |other: Option<usize>| {
            other.and_then(|other| words.get(other)).is_some_and(|(word, _)| word == "#")
        };
        if hex(&words[at].0) && (near(at.checked_sub(2)) || near(Some(at + 2))) {
            words[at].0 = "#".to_owned();
        }
    }
    let plain = words.iter().any(|(word, is_word)| *is_word && word != "#");
    let token = words.iter().any(|(word, _)| word == "#");
    if token && !plain { "#".to_owned() } else { words.into_iter().map(|(word, _)| word).collect() }
}

/// A word without what changes: a number or a token goes whole; of others the runs of digits, and of hexadecimal digits
/// that hold a digit.
fn without_numbers(word: &str) -> String {
    let (digits, letters) =
        word.chars().fold((0, 0), |(d, l), c| if c.is_ascii_digit() { (d + 1, l) } else { (d, l + 1) });
    if letters == 0 || (digits > 0 && digits + letters >= TOKEN) {
        return "#".to_owned();
    }
    if digits == 0 {
        return word.to_owned();
    }
    let mut out = String::new();
    let mut run = String::new();
    for c in word.chars().chain(['\0']) {
        if c.is_ascii_hexdigit() {
            run.push(c);
            continue;
        }
        let changes = run.len() > DIGITS && run.bytes().any(|b| b.is_ascii_digit());
        out.push_str(if changes { "#" } else { &run });
        run.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

/// The key that postgrey 1.37 makes of a sender: without BATV's tag and `+…`, each word of digits `#`.
pub fn postgrey(sender: &str) -> String {
    let Some((local, domain)) = sender.split_once('@') else { return sender.to_owned() };
    let mut local = local;
    let fields: Vec<&str> = local.split('=').collect();
    if let ["prvs", one, other] = fields[..] {
        let tagged = |text: &str| {
            let begin = text.as_bytes().get(..10);
            begin.is_some_and(|begin| begin.iter().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()))
        };
        local = if tagged(other) && !tagged(one) { one } else { other };
    }
    let local = local.split('+').next().unwrap_or_default();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut out = String::with_capacity(sender.len());
    let mut rest = local;
    while let Some(first) = rest.chars().next() {
        let word = is_word(first);
        let end = rest.find(|c| is_word(c) != word).unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        let number = word && part.bytes().all(|b| b.is_ascii_digit());
        out.push_str(if number { "#" } else { part });
        rest = behind;
    }
    format!("{out}@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: &str = "User@rcpt.example";

    #[test]
    fn what_changes_with_each_message_is_dropped() {
        let cases = [
            ("", ""),
            ("Bob@Example.org", "bob@example.org"),
            ("bob", "bob"),
            ("bob+news@a.example", "bob@a.example"),
            ("prvs=1234abcdef=bob@a.example", "bob@a.example"),
            ("prvs=bob=1234abcdef@a.example", "bob@a.example"),
            ("btv1==0123abcd==bob@a.example", "bob@a.example"),
            ("msprvs1=17838ydpxxpsm=bounces-244512-1@a.example", "bounces-#-#@a.example"),
            ("SRS0=HHH=TT=orig.example=bob@fwd.example", "srs=orig.example=bob@fwd.example"),
            ("srs0=aBc4=t7=orig.example=bob@fwd.example", "srs=orig.example=bob@fwd.example"),
            ("srs1=h1=fwd.example==h2=tt=orig.example=bob@b.example", "srs=orig.example=bob@b.example"),
            ("list-bounce-user=rcpt.example@l.example", "list-bounce-rcpt@l.example"),
            ("list-rcpt.example-user@l.example", "list-rcpt@l.example"),
            ("list-owner-123-user@l.example", "list-owner@l.example"),
            ("bounces+1234567-abcd-user=rcpt.example@em.example", "bounces@em.example"),
            ("bounce-12-34567@a.example", "bounce-#-#@a.example"),
            ("bounce-mc.us12_3456789.1234567-abcdef1234@m.example", "bounce-mc.us12_#.#-#@m.example"),
            ("0100018f2c7d3a5e-1b2c3d4e-1234-4abc-abcd-0123456789ab-000000@ses.example", "#@ses.example"),
            ("3xk2jzlmaagqtfs2ab9@trix.example", "#@trix.example"),
            ("n_2024@a.example", "n_#@a.example"),
            ("user1@a.example", "user1@a.example"),
            ("added.faced@a.example", "added.faced@a.example"),
            ("müller2@a.example", "müller2@a.example"),
        ];
        for (sender, want) in cases {
            assert_eq!(normalised(sender, TO), want, "{sender}");
        }
    }

    #[test]
    fn odd_senders_have_a_key_too() {
        for sender in
            ["@", "@a", "a@", "+@a", "prvs=@a", "srs0=@a", "srs1==@a", "srs0@a", "é@a", "srsé=x@a", "a@b@c"]
        {
            assert_eq!(normalised(sender, ""), normalised(&normalised(sender, ""), ""), "{sender}");
        }
    }

    #[test]
    fn postgrey_s_keys_are_postgrey_s() {
        let cases = [
            ("bob@a.example", "bob@a.example"),
            ("bob", "bob"),
            ("bob+x@a.example", "bob@a.example"),
            ("list-12-x34-5_6@a.example", "list-#-x34-5_6@a.example"),
            ("n_123@a.example", "n_123@a.example"),
            ("12.34@a.example", "#.#@a.example"),
            ("prvs=1234abcdef=bob@a.example", "bob@a.example"),
            ("prvs=bob=1234abcdef@a.example", "bob@a.example"),
            ("prvs=a=b@a.example", "b@a.example"),
            ("prvs=a=b=c@a.example", "prvs=a=b=c@a.example"),
            ("a@b@c", "a@b@c"),
        ];
        for (sender, want) in cases {
            assert_eq!(postgrey(sender), want, "{sender}");
        }
    }
}
