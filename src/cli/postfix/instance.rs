//! The Postfix on this machine, as postconf(1) shows it, and its two commands that change something.

use crate::cli::{Exit, Failure};
use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A Postfix instance: the default one, or that of a configuration directory.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Instance {
    pub(in crate::cli) config_dir: Option<PathBuf>,
}

/// A service of master.cf that speaks SMTP with clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Service {
    /// Its name: a port or its name, perhaps with a host before it.
    pub(in crate::cli) name: String,
    /// Its own smtpd_milters, from `-o` in master.cf.
    pub(in crate::cli) milters: Option<String>,
    /// Whether it is chrooted; `None` where master.cf leaves that to the default.
    pub(in crate::cli) chroot: Option<bool>,
    /// Whether it speaks TLS from the first byte.
    pub(in crate::cli) wrapped: bool,
}

impl Instance {
    pub(in crate::cli) fn new(config_dir: Option<&Path>) -> Self {
        Self { config_dir: config_dir.map(Path::to_owned) }
    }

    /// What `postconf` prints.
    ///
    /// # Errors
    /// When it cannot be run or fails.
    pub(in crate::cli) fn postconf(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = self.run("postconf", arguments)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The value of a parameter, as it stands in main.cf or by default.
    ///
    /// # Errors
    /// As [`Instance::postconf`].
    pub(in crate::cli) fn value(&self, parameter: &str) -> Result<String, Failure> {
        Ok(self.postconf(&["-h", parameter])?.trim().to_owned())
    }

    /// The same with every `$name` in it replaced.
    ///
    /// # Errors
    /// As [`Instance::postconf`].
    pub(in crate::cli) fn expanded(&self, parameter: &str) -> Result<String, Failure> {
        Ok(self.postconf(&["-xh", parameter])?.trim().to_owned())
    }

    /// Whether its master runs; `None` if we may not ask.
    pub(in crate::cli) fn runs(&self) -> Option<bool> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        self.output("postfix", &["status"]).ok().map(|output| output.status.success())
    }

    /// Sets parameters of main.cf, or removes those with an empty value, so that the default holds again.
    ///
    /// # Errors
    /// As [`Instance::postconf`].
    pub(super) fn set(&self, parameter: &str, value: &str) -> Result<(), Failure> {
        if value.is_empty() {
            return self.postconf(&["-X", parameter]).map(drop);
        }
        self.postconf(&["-e", &format!("{parameter} = {value}")]).map(drop)
    }

    /// `postfix reload`; whether Postfix was running.
    ///
    /// # Errors
    /// When it cannot be run, or fails for another reason.
    pub(super) fn reload(&self) -> Result<bool, Failure> {
        if self.output("postfix", &["status"]).map_err(|e| cannot_run("postfix", &e))?.status.success() {
            self.run("postfix", &["reload"])?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The services of master.cf in which smtpd(8) talks to clients, also those that postscreen(8) hands over.
    ///
    /// # Errors
    /// As [`Instance::postconf`].
    pub(in crate::cli) fn services(&self) -> Result<Vec<Service>, Failure> {
        Ok(services(&self.postconf(&["-M"])?, &self.postconf(&["-xP"])?))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<Output, Failure> {
        let output = self.output(program, arguments).map_err(|e| cannot_run(program, &e))?;
        if output.status.success() {
            return Ok(output);
        }
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Failure::Says(Exit::Unavailable, format!("{program} failed:\n{why}")))
    }

    /// Runs a program of Postfix; they often stand where only root looks for programs.
    fn output(&self, program: &str, arguments: &[&str]) -> io::Result<Output> {
        let mut error = None;
        for path in [program.to_owned(), format!("/usr/sbin/{program}")] {
            let mut command = Command::new(path);
            if let Some(directory) = &self.config_dir {
                command.arg("-c").arg(directory);
            }
            match command.args(arguments).output() {
                Ok(output) => return Ok(output),
                Err(failed) => error = Some(failed),
            }
        }
        Err(error.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }
}

fn cannot_run(program: &str, why: &io::Error) -> Failure {
    Failure::Says(Exit::Unavailable, format!("cannot run {program}: {why} (is Postfix installed?)"))
}

/// Reads what `postconf -M` and `postconf -P` print.
fn services(master: &str, parameters: &str) -> Vec<Service> {
    let parameter = |fields: &[&str], name: &str| {
        let key = format!("{}/{}/{name}", fields[0], fields[1]);
        let mut values = parameters.lines().filter_map(|line| line.split_once(" ="));
        values.find(|(found, _)| *found == key).map(|(_, value)| value.trim().to_owned())
    };
    let smtpd = master.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let smtpd = smtpd
        .filter(|fields| matches!(fields.get(1), Some(&"inet" | &"pass")) && fields.get(7) == Some(&"smtpd"));
    let service = |fields: Vec<&str>| Service {
        name: fields[0].to_owned(),
        milters: parameter(&fields, "smtpd_milters"),
        chroot: (fields[4] != "-").then_some(fields[4] == "y"),
        wrapped: parameter(&fields, "smtpd_tls_wrappermode").as_deref() == Some("yes"),
    };
    smtpd.map(service).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_of_smtpd_are_found_with_their_own_milters() {
        let master = "\
smtp       inet  n       -       y       -       -       smtpd
#smtp      inet  n       -       y       -       1       postscreen
smtpd      pass  -       -       -       -       -       smtpd
submission inet  n       -       n       -       -       smtpd -o smtpd_milters=
submissions inet n       -       y       -       -       smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:10025 inet n   -       y       -       -       smtpd
pickup     unix  n       -       y       60      1       pickup
";
        let parameters = "\
smtpd/pass/smtpd_milters = inet:localhost:8892
submission/inet/smtpd_milters =
submissions/inet/smtpd_tls_wrappermode = yes
127.0.0.1:10025/inet/smtpd_milters = inet:localhost:8891
relay/unix/syslog_name = postfix/$service_name
";
        let service = |name: &str, milters: Option<&str>, chroot, wrapped| Service {
            name: name.to_owned(),
            milters: milters.map(str::to_owned),
            chroot,
            wrapped,
        };
        let want = [
            service("smtp", None, Some(true), false),
            service("smtpd", Some("inet:localhost:8892"), None, false),
            service("submission", Some(""), Some(false), false),
            service("submissions", None, Some(true), true),
            service("127.0.0.1:10025", Some("inet:localhost:8891"), Some(true), false),
        ];
        assert_eq!(services(master, parameters), want);
        assert_eq!(services("", ""), []);
    }
}
