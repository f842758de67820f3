//! What stands behind `check_policy_service`: the service, alone or in braces with settings of its own (postconf(5),
//! "Postfix 3.0 and later").

use crate::{
    lookup::policy::Endpoint,
    origin::{Fault, Word},
    restriction::args::PolicyService,
    smtp::domain,
    table::lines::Line,
    time,
};
use std::{ops::Range, time::Duration};

/// How a service is named.
pub(super) const HELP: &str = "write `inet:127.0.0.1:10023` or `unix:/path`";

/// The longest path of a unix socket, in bytes (unix(7): 108 with the final NUL).
const PATH_LIMIT: usize = 107;
/// The longest a service may be given: Postfix's own default is 100 s, far behind decision_deadline.
const TIME_LIMIT: Duration = Duration::from_secs(600);
/// Settings of Postfix's that have no counterpart here.
const WITHOUT_EFFECT: [&str; 5] = ["max_idle", "max_ttl", "request_limit", "retry_delay", "try_limit"];

/// The argument, read.
#[derive(Debug)]
pub(super) struct Argument {
    pub(super) service: Endpoint,
    pub(super) time_limit: Duration,
    pub(super) default_action: Word,
    pub(super) context: String,
}

/// Reads the argument. The warnings are about settings without effect.
///
/// # Errors
/// When the service or one of its settings cannot be understood, or the service is Postfix's own.
pub(super) fn read(word: &Word, defaults: &PolicyService) -> Result<(Argument, Vec<Fault>), Fault> {
    let line = Line::of_word(word);
    let elements = elements(&line.text);
    let Some(first) = elements.first() else {
        return Err(word.error("the braces hold no service").help(HELP));
    };
    let mut argument = Argument {
        service: service(&line, first.clone())?,
        time_limit: defaults.time_limit,
        default_action: defaults.default_action.clone(),
        context: String::new(),
    };
    let mut warnings = Vec::new();
    for element in &elements[1..] {
        let text = &line.text[element.clone()];
        let Some((name, _)) = text.split_once('=') else {
            let fault = line.error(element.clone(), format!("`{text}` is not a setting of a policy service"));
            return Err(fault.help("write `name=value`, or `{ name = value with blanks }`"));
        };
        let value_span = line.trim(element.start + name.len() + 1..element.end);
        let name_span = line.trim(element.start..element.start + name.len());
        let name = &line.text[name_span.clone()];
        let value = line.text[value_span.clone()].to_owned();
        match name {
            "timeout" => {
                argument.time_limit = duration(&line, value_span.clone())?;
                if argument.time_limit >= defaults.deadline {
                    let message = "decision_deadline is not longer, and cuts the request off";
                    warnings.push(line.warning(value_span, message).help("set it below decision_deadline"));
                }
            }
            "default_action" => {
                let origin = line.origin(value_span.start);
                argument.default_action = Word { text: value, origin };
            }
            "policy_context" => argument.context = value,
            name if WITHOUT_EFFECT.contains(&name) => {
                let fault = line.warning(name_span, format!("`{name}` has no effect here"));
                warnings.push(fault.help("take it out; mailward decides by itself how it keeps connections"));
            }
            name => {
                let fault = line.error(name_span, format!("unknown setting `{name}` of a policy service"));
                return Err(fault.help("there are timeout, default_action and policy_context"));
            }
        }
    }
    Ok((argument, warnings))
}

/// The parts between blanks and commas; one in braces is one part, without them.
fn elements(text: &str) -> Vec<Range<usize>> {
    let separator = |c: char| c == ',' || c.is_whitespace();
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(skip) = text[at..].find(|c| !separator(c)) {
        let start = at + skip;
        if text[start..].starts_with('{')
            && let Some(length) = closing(&text[start..])
        {
            parts.push(start + 1..start + length);
            at = start + length + 1;
            continue;
        }
        at = text[start..].find(separator).map_or(text.len(), |length| start + length);
        parts.push(start..at);
    }
    parts
}

/// Where the brace with which a text begins is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

fn service(line: &Line, span: Range<usize>) -> Result<Endpoint, Fault> {
    let text = &line.text[span.clone()];
    let error = |message: String, help: &str| Err(line.error(span.clone(), message).help(help));
    match text.split_once(':') {
        Some(("unix", path)) if is_private(path) => error(
            format!("`{path}` is in Postfix's directory private/, which only Postfix may enter"),
            "let the service listen on `inet:127.0.0.1:PORT` or on a socket elsewhere, or keep this entry in main.cf",
        ),
        Some(("unix", path)) if !path.starts_with('/') => error(
            format!("the path `{path}` of a policy service is not absolute"),
            "Postfix looks for it below its queue directory: write `unix:/var/spool/postfix/…`",
        ),
        Some(("unix", path)) if path.len() > PATH_LIMIT || path.contains('\0') => {
            error(format!("`{path}` is not a path of a socket"), "a path has at most 107 bytes")
        }
        Some(("unix", path)) => Ok(Endpoint::Unix(path.into())),
        Some(("inet", place)) => match inet(place) {
            Some(endpoint) => Ok(endpoint),
            None if is_service_name(place) => error(
                format!("`{text}`: the port is a name"),
                "write its number, as `getent services` shows it",
            ),
            None => error(format!("`{text}` is not a policy service"), HELP),
        },
        Some(_) | None => error(format!("`{text}` is not a policy service"), HELP),
    }
}

/// `HOST:PORT`, or `PORT` alone for this machine.
fn inet(place: &str) -> Option<Endpoint> {
    let (host, port) = place.rsplit_once(':').unwrap_or(("localhost", place));
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bare {
        Some(address) => domain::address(address)?.to_string(),
        None if host.contains(':') => return None,
        None if domain::valid_utf8_hostname(host) || domain::address(host).is_some() => host.to_owned(),
        None => return None,
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port != 0)?;
    Some(Endpoint::Inet { host: host.into(), port })
}

/// Whether what should be a port is a name of services(5).
fn is_service_name(place: &str) -> bool {
    let port = place.rsplit(':').next().unwrap_or_default();
    port.starts_with(|c: char| c.is_ascii_lowercase())
        && port.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether a path leads into `private/` of a Postfix queue directory.
fn is_private(path: &str) -> bool {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let absolute = path.starts_with('/');
    (!absolute && parts.first() == Some(&"private"))
        || parts.windows(2).any(|pair| pair[0].starts_with("postfix") && pair[1] == "private")
}

fn duration(line: &Line, span: Range<usize>) -> Result<Duration, Fault> {
    let text = &line.text[span.clone()];
    // As in main.cf, a number alone counts seconds.
    let number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = time::parse_duration(&if number { format!("{text}s") } else { text.to_owned() });
    match parsed {
        Ok(limit) if !limit.is_zero() && limit <= TIME_LIMIT => Ok(limit),
        Ok(_) => Err(line
            .error(span, format!("`{text}` is out of range"))
            .help("the time limit is at most 10 minutes, and above 0")),
        Err(error) => Err(line.error(span, error.to_string())),
    }
}
