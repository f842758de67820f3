//! `mailward postfix attach|detach|status`: wires mailward into smtpd_milters of main.cf, and proves that it works.

use super::{
    instance::{Instance, Service},
    milters,
    probe::{self, Probed},
};
use crate::{
    cli::{Exit, Failure, configured},
    config::{
        settings::{Config, Socket},
        source::Source,
    },
    smtp::text::printable,
    time::format_duration,
};
use clap::ValueEnum;
use std::{io::Write, path::PathBuf, time::Duration};

/// The parameter.
const MILTERS: &str = "smtpd_milters";
/// Which clients have other milters (postconf(5), since 3.2).
const MAPS: &str = "smtpd_milter_maps";
/// What Postfix takes longer for than we do: the way there and back.
const MARGIN: Duration = Duration::from_secs(10);
/// Postfix's own time limit of a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the two programs are.
#[derive(Debug, clap::Args)]
pub(super) struct Both {
    /// mailward's configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The Postfix instance with this directory
    #[arg(long, value_name = "DIR")]
    config_dir: Option<PathBuf>,
}

/// Let Postfix ask mailward, and prove that it does.
///
/// Sets smtpd_milters in main.cf, keeping the milters that are there, shows the
/// change first, and reloads Postfix. Then a probe goes through Postfix that only
/// mailward can answer; if somebody else answers it, the change is taken back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mailward postfix attach --dry-run
  mailward postfix attach --if-down accept")]
pub(super) struct Attach {
    #[command(flatten)]
    both: Both,
    /// What Postfix does while mailward is down
    #[arg(long, value_enum, default_value_t = IfDown::Tempfail)]
    if_down: IfDown,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
}

/// What Postfix does while mailward is down: default_action of a milter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum IfDown {
    /// Mail comes in unfiltered
    Accept,
    /// Clients hear 451 and try again later
    Tempfail,
}

/// Take mailward out of smtpd_milters again, and nothing else.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  mailward postfix detach --dry-run")]
pub(super) struct Detach {
    #[command(flatten)]
    both: Both,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
}

/// Show which services of Postfix are filtered, and whether mailward answers.
///
/// Exit code 0: Postfix asks mailward, and mailward answers. 69: not so.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  mailward postfix status")]
pub(super) struct Status {
    #[command(flatten)]
    both: Both,
}

/// Both programs as they are found.
struct Wiring {
    config: Config,
    postfix: Instance,
    /// Our address in Postfix's words.
    address: String,
    /// smtpd_milters of main.cf.
    milters: String,
    services: Vec<Service>,
}

impl Wiring {
    fn find(both: &Both) -> Result<Self, Failure> {
        let source = Source::find(both.config.as_deref());
        let config = configured::located(&source)?;
        let postfix = Instance::new(both.config_dir.as_deref());
        let queue = postfix.value("queue_directory")?;
        let address = crate::cli::attach::relative(&config.socket.name(), &queue);
        let milters = postfix.value(MILTERS)?;
        let services = postfix.services()?;
        Ok(Self { config, postfix, address, milters, services })
    }

    /// Our element of smtpd_milters, with time limits in which a decision fits.
    fn element(&self, if_down: IfDown) -> String {
        let action = match if_down {
            IfDown::Accept => "accept",
            IfDown::Tempfail => "tempfail",
        };
        let timeout = COMMAND_TIMEOUT.max(self.config.limits.decision_deadline + MARGIN);
        format!("{{ {}, default_action={action}, command_timeout={}s }}", self.address, timeout.as_secs())
    }

    /// Our element in a value of smtpd_milters.
    fn own<'a>(&self, value: &'a str) -> Option<&'a str> {
        milters::elements(value).into_iter().find(|element| milters::address(element) == self.address)
    }

    /// Whether Postfix asks us about clients of a service.
    fn filters(&self, service: &Service, main_cf: &str) -> bool {
        self.own(service.milters.as_deref().unwrap_or(main_cf)).is_some()
    }

    /// What stands in front of Postfix's own reach: a chroot, or rights.
    fn doubts(&self) -> Option<&'static str> {
        match &self.config.socket {
            Socket::Unix { .. } if self.address.starts_with("unix:/") => Some(
                "the socket is not below Postfix's queue directory: services that run chrooted, as on Debian, cannot \
                 reach it",
            ),
            Socket::Unix { .. } | Socket::Inet(_) => None,
        }
    }

    /// The services, and which of them are filtered under a value of smtpd_milters.
    fn print_services(&self, main_cf: &str, out: &mut dyn Write) -> Result<(), Failure> {
        for service in &self.services {
            let how = match (self.filters(service, main_cf), &service.milters) {
                (true, _) => "filtered".to_owned(),
                (false, Some(own)) => format!("not filtered: master.cf says -o {MILTERS}={own}"),
                (false, None) => "not filtered".to_owned(),
            };
            writeln!(out, "  {:<20} {}", printable(&service.name, '?'), printable(&how, '?'))?;
        }
        let maps = self.postfix.value(MAPS).unwrap_or_default();
        if !maps.is_empty() {
            writeln!(out, "  clients in {MAPS} = {} have other milters", printable(&maps, '?'))?;
        }
        Ok(())
    }

    fn negotiates(&self) -> Result<(), Failure> {
        let socket = self.config.socket.name();
        crate::cli::probe::negotiate(&socket).map_err(|e| {
            let message =
                format!("mailward does not answer on {socket}: {e}\n  help: systemctl start mailward");
            Failure::Says(Exit::Unavailable, message)
        })
    }

    /// Sets smtpd_milters and lets Postfix take it up.
    fn set(&self, value: &str, out: &mut dyn Write) -> Result<bool, Failure> {
        self.postfix.set(MILTERS, value)?;
        let runs = self.postfix.reload()?;
        if !runs {
            writeln!(out, "Postfix does not run; it takes the change up when it starts.")?;
        }
        Ok(runs)
    }
}

/// Shows a change of smtpd_milters.
fn print_change(old: &str, new: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let line = |value: &str| format!("{MILTERS} = {}", printable(value, '?')).trim_end().to_owned();
    if old == new {
        return Ok(writeln!(out, "{} stays.", line(old))?);
    }
    writeln!(out, "- {}", line(old))?;
    Ok(writeln!(out, "+ {}", line(new))?)
}

/// Runs `attach`.
///
/// # Errors
/// A faulty configuration, a mailward or a Postfix that does not answer, a probe that somebody else answers.
pub(super) fn attach(args: &Attach, out: &mut dyn Write) -> Result<(), Failure> {
    let wiring = Wiring::find(&args.both)?;
    let new = milters::attached(&wiring.milters, &wiring.element(args.if_down));
    print_change(&wiring.milters, &new, out)?;
    wiring.print_services(&new, out)?;
    if let Some(doubts) = wiring.doubts() {
        writeln!(out, "Warning: {doubts}.")?;
    }
    if args.dry_run {
        return Ok(writeln!(out, "Nothing was changed (--dry-run).")?);
    }
    wiring.negotiates()?;
    if wiring.set(&new, out)? {
        prove(&wiring, &new, out)?;
    }
    Ok(())
}

/// The probe through Postfix; the change is taken back if Postfix answers in our place.
fn prove(wiring: &Wiring, new: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let services = wiring.services.iter().filter(|service| !service.wrapped && wiring.filters(service, new));
    let Some((name, address)) =
        services.filter_map(|service| Some((&service.name, probe::address(&service.name)?))).next()
    else {
        return Ok(writeln!(out, "No service was found that a probe could be sent to.")?);
    };
    match probe::after_reload(address) {
        Probed::Answered => Ok(writeln!(out, "Proved: a probe through {name} was answered by mailward.")?),
        Probed::NotAsked(why) => {
            Ok(writeln!(out, "Not proved: {address} could not be asked ({}).", printable(&why, '?'))?)
        }
        Probed::Otherwise(reply) => {
            wiring.set(&wiring.milters, out)?;
            let message = format!(
                "a probe through {address} was not answered by mailward, the change was taken back; Postfix said:\n  \
                 {}\n  help: its log says why",
                printable(&reply, '?')
            );
            Err(Failure::Says(Exit::Unavailable, message))
        }
    }
}

/// Runs `detach`.
///
/// # Errors
/// A faulty configuration, a Postfix that cannot be changed.
pub(super) fn detach(args: &Detach, out: &mut dyn Write) -> Result<(), Failure> {
    let wiring = Wiring::find(&args.both)?;
    if wiring.own(&wiring.milters).is_none() {
        writeln!(out, "{} is not in {MILTERS} = {}", wiring.address, printable(&wiring.milters, '?'))?;
    } else {
        let new = milters::detached(&wiring.milters, &wiring.address);
        print_change(&wiring.milters, &new, out)?;
        if args.dry_run {
            return Ok(writeln!(out, "Nothing was changed (--dry-run).")?);
        }
        wiring.set(&new, out)?;
    }
    for service in wiring.services.iter().filter(|service| service.milters.is_some()) {
        if wiring.filters(service, "") {
            writeln!(out, "master.cf still names it for {}: take it out there.", service.name)?;
        }
    }
    Ok(())
}

/// Runs `status`.
///
/// # Errors
/// When Postfix does not ask mailward, or mailward does not answer.
pub(super) fn status(args: &Status, out: &mut dyn Write) -> Result<(), Failure> {
    let wiring = Wiring::find(&args.both)?;
    let version = wiring.postfix.value("mail_version")?;
    writeln!(out, "Postfix {version}, {MILTERS} = {}", printable(&wiring.milters, '?'))?;
    wiring.print_services(&wiring.milters, out)?;
    if let Some(element) = wiring.own(&wiring.milters) {
        let default = wiring.postfix.value("milter_default_action")?;
        let action = milters::setting(element, "default_action").unwrap_or(&default);
        writeln!(out, "While mailward is down: {}", milters::meaning(action))?;
        let deadline = wiring.config.limits.decision_deadline;
        writeln!(out, "mailward answers within {}", format_duration(deadline))?;
    }
    wiring.negotiates()?;
    writeln!(out, "mailward answers on {}", wiring.config.socket.name())?;
    if wiring.services.iter().any(|service| wiring.filters(service, &wiring.milters)) {
        return Ok(());
    }
    let mut attach = configured::suggested("postfix attach", &Source::find(args.both.config.as_deref()));
    if let Some(directory) = &args.both.config_dir {
        attach = format!("{attach} --config-dir {}", configured::quoted(directory));
    }
    let message = format!("no service of Postfix asks mailward\n  help: {attach}");
    Err(Failure::Says(Exit::Unavailable, message))
}
