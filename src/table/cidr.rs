//! `cidr:` tables: networks in file order (cidr_table(5)).

use super::{
    Source, lines,
    lines::Line,
    right_hand,
    rules::{Begin, Builder, Rules, begin, negation},
    template::Groups,
};
use crate::{origin::Fault, smtp::domain};
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

/// Reads a file.
///
/// Postfix: leaves out rules with faults; here: errors, because a rule that is left out lets through what it refuses.
pub fn parse(file: &str, text: &str, source: &mut dyn Source) -> Rules<Pattern> {
    let mut rules = Builder::default();
    lines::each(file, text, source, |line, source| match begin(line) {
        Begin::EndIf => rules.close(line, source),
        Begin::If(length) => {
            let pattern = pattern(line, length, source).and_then(|(pattern, rest)| {
                let rest = line.trim(rest..line.text.len());
                if rest.is_empty() {
                    return Some(pattern);
                }
                source.fault(line.error(rest, "nothing may stand behind the network of an `if`"));
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
    let Some(parsed) = domain::address(bare).or_else(|| bare.parse().ok()) else {
        let fault =
            line.error(span.start..span.start + address.len(), format!("`{address}` is no IP address"));
        let help = "a cidr: table holds networks only, such as `192.0.2.0/24` or `2001:db8::/32`";
        return Err(fault.help(help));
    };
    let widest = if parsed.is_ipv4() { 32 } else { 128 };
    let Some(length) = length else { return Ok(IpNet::from(parsed)) };
    let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
    let number = length.parse::<u8>().ok().filter(|number| digits && *number <= widest);
    let Some(network) = number.and_then(|number| IpNet::new(parsed, number).ok()) else {
        let message = format!("`/{length}` is no network length");
        let start = span.start + address.len();
        return Err(line.error(start..span.end, message).help(format!("write a number from 0 to {widest}")));
    };
    if network.trunc().addr() != parsed {
        let message = format!("`{text}`: the address has bits set behind the network length");
        return Err(line.error(span, message).help(format!("write `{}`", network.trunc())));
    }
    Ok(network)
}
