//! `cidr:` tables: networks in file order (cidr_table(5)).

use super::{
    Source,
    lines::{Line, Text},
    right_hand,
    rules::{Begin, Builder, INDENTED, Rules, begin, negation},
    template::Groups,
};
use crate::origin::Fault;
use ipnet::IpNet;
use std::net::IpAddr;
use std::ops::Range;

/// One network, or everything but it.
#[derive(Debug)]
pub struct Pattern {
    network: IpNet,
    negated: bool,
}

impl Pattern {
    /// Whether an address is meant. An address of the other family never is, also when the rule is negated, as in
    /// Postfix.
    pub fn matches(&self, address: IpAddr) -> bool {
        let same_family = self.network.addr().is_ipv4() == address.is_ipv4();
        same_family && self.network.contains(&address) != self.negated
    }
}

/// Reads the rules.
///
/// Postfix: leaves out rules with faults; here: errors, because a rule that is left out lets through what it refuses.
pub fn parse(text: Text<'_>, source: &mut dyn Source) -> Rules<Pattern> {
    let mut rules = Builder::default();
    text.each(source, |line, source| match begin(line) {
        Begin::EndIf => rules.close(line, source),
        Begin::If(length) => {
            let pattern = pattern(line, length, source).and_then(|(pattern, rest)| {
                let rest = line.trim(rest..line.text.len());
                if rest.is_empty() {
                    return Some(pattern);
                }
                let fault = line.error(rest, "nothing may stand behind the network of an `if`");
                source.fault(fault.help(INDENTED));
                None
            });
            rules.open(pattern, line, 0..length);
        }
        Begin::Rule => {
            let Some((pattern, rest)) = pattern(line, 0, source) else { return };
            let action = line.trim(rest..line.text.len());
            if action.is_empty() {
                let fault = line.error(0..line.text.len(), format!("`{}` has no action", line.text));
                source.fault(fault.help("write the action behind it, such as `OK`, `DUNNO` or `REJECT`"));
            } else if let Some(entry) = right_hand::parse(line, action, Groups::Plain, source) {
                rules.entry(pattern, entry);
            }
        }
    });
    rules.finish(source)
}

/// The network at `at`, and where the rest begins.
fn pattern(line: &Line, at: usize, source: &mut dyn Source) -> Option<(Pattern, usize)> {
    let (negated, start) = negation(line, at);
    let rest = &line.text[start..];
    let end = start + rest.find([' ', '\t']).unwrap_or(rest.len());
    match network(line, start..end) {
        Ok(network) => Some((Pattern { network, negated }, end)),
        Err(fault) => {
            source.fault(fault);
            None
        }
    }
}

/// Reads `address`, `address/length`, `[address]` or `[address]/length`.
fn network(line: &Line, span: Range<usize>) -> Result<IpNet, Fault> {
    let text = &line.text[span.clone()];
    if text.is_empty() {
        return Err(line
            .error(0..line.text.len(), "a network is missing")
            .help("write one such as `192.0.2.0/24`"));
    }
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let bare = match address.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').unwrap_or(""),
        None => address,
    };
    let Ok(parsed) = bare.parse::<IpAddr>() else {
        let fault =
            line.error(span.start..span.start + address.len(), format!("`{address}` is not an IP address"));
        let help = "a cidr: table holds networks only, such as `192.0.2.0/24` or `2001:db8::/32`";
        return Err(fault.help(help));
    };
    let widest = if parsed.is_ipv4() { 32 } else { 128 };
    let Some(length) = length else { return Ok(IpNet::from(parsed)) };
    let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
    let number = length.parse::<u8>().ok().filter(|number| digits && *number <= widest);
    let Some(network) = number.and_then(|number| IpNet::new(parsed, number).ok()) else {
        let message = format!("`/{length}` is not a network length");
        let start = span.start + address.len();
        return Err(line.error(start..span.end, message).help(format!("write a number from 0 to {widest}")));
    };
    if network.trunc().addr() != parsed {
        let message = format!("`{text}`: the address has bits set behind the network length");
        return Err(line.error(span, message).help(format!("write `{}`", network.trunc())));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;

    #[test]
    fn the_first_rule_that_matches_counts() {
        let text = "192.0.2.1 OK\n192.0.2.0/24 REJECT\n[2001:db8::1] OK\n2001:db8::/32 REJECT\n\
                    if 10.0.0.0/8\n! 10.1.0.0/16 REJECT\n10.1.2.0/24 OK\nendif\n\
                    IF !198.51.100.0/24\nif 203.0.113.0/24\n!!203.0.113.1 OK\nENDIF\nENDIF\n0.0.0.0/0 DUNNO\n";
        let mut memory = Memory::default();
        let table = memory.load("cidr", text);
        assert_eq!(memory.messages(), [""; 0]);
        let cases = [
            ("192.0.2.1", Some(1)),
            ("192.0.2.2", Some(2)),
            ("2001:db8::1", Some(3)),
            ("2001:db8::2", Some(4)),
            ("2001:db9::2", None),
            ("10.2.0.1", Some(6)),
            ("10.1.2.1", Some(7)),
            ("10.1.3.1", Some(14)),
            ("203.0.113.1", Some(11)),
            ("203.0.113.2", Some(14)),
            ("mail.example.net", None),
            ("192.0.2.01", None),
        ];
        for (key, want) in cases {
            let line = table.full(key).unwrap().map(|hit| hit.entry.origin.line);
            assert_eq!(line, want, "{key}");
        }
    }

    #[test]
    fn every_fault_names_its_place() {
        let text = "10.0.0.1/8 OK\n10.0.0.0/33 OK\n10.0.0.0/x OK\nexample.net OK\n10.0.0.0/8\nendif x\n\
                    if 10.0.0.0/8 OK\n[2001:db8::1 OK\n2001:db8::/129 REJECT\n!\n10.0.0.0/8 OK$1\n";
        let mut memory = Memory::default();
        memory.load("cidr", text);
        const NETWORKS: &str =
            "(a cidr: table holds networks only, such as `192.0.2.0/24` or `2001:db8::/32`)";
        let want = [
            "t:1:1+10 error: `10.0.0.1/8`: the address has bits set behind the network length (write `10.0.0.0/8`)"
                .to_owned(),
            "t:2:9+3 error: `/33` is not a network length (write a number from 0 to 32)".to_owned(),
            "t:3:9+2 error: `/x` is not a network length (write a number from 0 to 32)".to_owned(),
            format!("t:4:1+11 error: `example.net` is not an IP address {NETWORKS}"),
            "t:5:1+10 error: `10.0.0.0/8` has no action (write the action behind it, such as `OK`, `DUNNO` or `REJECT`)"
                .to_owned(),
            "t:6:7+1 error: nothing may stand behind `endif` \
             (write the next rule on the line below, without blanks before it)".to_owned(),
            "t:6:1+5 error: `endif` without `if` (remove it, or write the `if` above)".to_owned(),
            "t:7:15+2 error: nothing may stand behind the network of an `if` \
             (write its rules on the lines below, without blanks before them)".to_owned(),
            format!("t:8:1+12 error: `[2001:db8::1` is not an IP address {NETWORKS}"),
            "t:9:11+4 error: `/129` is not a network length (write a number from 0 to 128)".to_owned(),
            "t:10:1+1 error: a network is missing (write one such as `192.0.2.0/24`)".to_owned(),
            "t:7:1+2 error: `if` without `endif` (write `endif` behind its last rule)".to_owned(),
        ];
        assert_eq!(memory.messages(), want);
        assert_eq!(memory.classes, ["OK$1 at t:11:12"]);
    }
}
