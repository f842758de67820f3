//! Lengths of time on the command line: what an exemption lasts, and how far a command looks back.

use crate::time::parse_duration;
use std::time::Duration;

/// The longest, ten years: what is meant for longer is meant for good.
const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

/// Reads one as [`parse_duration`] does. It is a second at least, and [`LONGEST`] at most: beyond that are only slips of
/// the keys.
///
/// # Errors
/// When it is no duration, too short or too long.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text).map_err(|error| error.to_string())?;
    if span.as_secs() == 0 {
        return Err("write at least 1s".to_owned());
    }
    if span > LONGEST {
        return Err("write at most 3650d, which are ten years".to_owned());
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Exit, run};

    #[test]
    fn a_span_is_neither_nothing_nor_more_than_ten_years() {
        let long = "write at most 3650d, which are ten years";
        let cases = [
            ("1s", Ok(Duration::from_secs(1))),
            ("3650d", Ok(LONGEST)),
            ("0s", Err("write at least 1s")),
            ("0w", Err("write at least 1s")),
            ("999ms", Err("write at least 1s")),
            ("3651d", Err(long)),
            ("99999999999999d", Err(long)),
            ("9999999999999999999w", Err("the duration is too large")),
            ("soon", Err("a duration begins with a whole number, such as \"20s\"")),
        ];
        for (text, want) in cases {
            assert_eq!(span(text), want.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn every_command_that_takes_one_refuses_what_is_none() {
        let commands: [&[&str]; 7] = [
            &["allow", "add", "client", "192.0.2.1", "--expires"],
            &["allow", "list", "--unused"],
            &["greylist", "open", "bob@example.org"],
            &["greylist", "list", "--older"],
            &["greylist", "list", "--newer"],
            &["greylist", "forget", "--older"],
            &["replay", "-c", "new.toml", "--since"],
        ];
        for command in commands {
            for (time, want) in [("0s", "write at least 1s"), ("99999999999d", "write at most 3650d")] {
                let arguments = ["mailward"].iter().chain(command).copied().chain([time]);
                let (mut out, mut err) = (Vec::new(), Vec::new());
                let exit = run(arguments, &mut out, &mut err);
                let said = String::from_utf8(err).unwrap();
                assert!(exit == Exit::Usage && said.contains(want), "{command:?} {time}: {said}");
            }
        }
    }
}
