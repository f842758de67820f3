//! The Postfix instances, as postconf(1) shows them and the file system leads from them to mailward.

use super::{
    super::{
        finding::{Finding, Level},
        overlap::{self, MainCf, Policy},
        postfix::{self, Facts, Reach, Service, own},
        socket::{self, Silence},
    },
    rights::{self, Account},
};
use crate::{
    cli::{
        Failure,
        attach::relative,
        configured::suggested,
        postfix::{
            import::LISTS,
            instance::{self, Instance},
            lists::split,
            milters::address,
            probe::{self, Probed},
        },
    },
    config::{
        settings::{Config, Limits},
        source::Source,
    },
    restriction,
};
use std::{
    fs::{self, Metadata},
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// What all instances are looked at with.
struct Looking<'a> {
    /// Where mailward listens.
    socket: &'a str,
    /// Whether it answers there; we may not be allowed to see.
    answers: &'a Result<(), Silence>,
    deadline: Duration,
    /// The command that attaches an instance.
    attach: String,
    policy: Policy,
}

/// Looks at the named instances, or at all of this machine, and judges them.
pub(in crate::cli::doctor) fn instances(
    named: &[PathBuf],
    socket: &socket::Facts,
    source: &Source,
    config: Option<&Config>,
) -> Vec<Finding> {
    let note = |text| vec![Finding::new(Level::Note, "postfix", text)];
    let Some(name) = socket.name() else {
        return note("not looked at: nobody knows where mailward listens".to_owned());
    };
    let deadline =
        config.map_or(Limits::default().decision_deadline, |config| config.limits.decision_deadline);
    let looking = Looking {
        socket: name,
        answers: &socket.answers,
        deadline,
        attach: suggested("postfix attach", source),
        policy: config.map(policy).unwrap_or_default(),
    };
    let directories = match named {
        [] => all(),
        named => named.iter().cloned().map(Some).collect(),
    };
    let mut findings = Vec::new();
    for directory in directories {
        let found = looking.instance(directory);
        findings.extend(found.unwrap_or_else(|failure| {
            let why = match failure {
                Failure::Says(_, why) => why,
                Failure::Greylist(e) => e.to_string(),
                Failure::Output(e) => e.to_string(),
            };
            note(format!("not looked at: {}", why.trim()))
        }));
    }
    findings
}

/// The default instance and those that postmulti(1) knows.
fn all() -> Vec<Option<PathBuf>> {
    let others = Instance::default().expanded("multi_instance_directories").unwrap_or_default();
    let others: Vec<PathBuf> = split(&others).into_iter().map(PathBuf::from).collect();
    [None].into_iter().chain(others.into_iter().map(Some)).collect()
}

fn policy(config: &Config) -> Policy {
    let name = |text: &str| {
        let word = text.split_whitespace().next()?;
        Some(restriction::find(word)?.name.to_owned())
    };
    Policy {
        names: config.policy.entries().filter_map(|entry| name(&entry.written.text)).collect(),
        zones: config.policy.dnsxl().into_iter().map(|list| list.zone.to_string()).collect(),
        greylists: config.policy.greylists(),
    }
}

impl Looking<'_> {
    fn instance(&self, directory: Option<PathBuf>) -> Result<Vec<Finding>, Failure> {
        let instance = Instance::new(directory.as_deref());
        let queue = PathBuf::from(instance.expanded("queue_directory")?);
        let milters = instance.expanded("smtpd_milters")?;
        let account = Account::named(&instance.expanded("mail_owner")?);
        // Before compatibility level 1 a service was chrooted unless master.cf said otherwise.
        let level = instance.expanded("compatibility_level")?;
        let chrooted = level.starts_with('0') || level.is_empty();
        let services = instance.services()?;
        let services: Vec<Service> = services
            .iter()
            .map(|service| self.service(service, &milters, &queue, chrooted, account.as_ref()))
            .collect();
        let runs = instance.runs();
        let facts = Facts {
            directory,
            version: instance.value("mail_version")?,
            runs,
            default_action: instance.value("milter_default_action")?,
            command_timeout: instance.value("milter_command_timeout")?,
            maps: instance.value("smtpd_milter_maps").unwrap_or_default(),
            deadline: self.deadline,
            attach: self.attach.clone(),
            probe: (self.answers.is_ok() && runs != Some(false)).then(|| first(&services)).flatten(),
            services,
        };
        let mut findings = postfix::check(&facts);
        findings.extend(overlap::check(&main_cf(&instance)?, &self.policy));
        Ok(findings)
    }

    fn service(
        &self,
        service: &instance::Service,
        main_cf: &str,
        queue: &Path,
        chrooted: bool,
        account: Option<&Account>,
    ) -> Service {
        let chroot = service.chroot.unwrap_or(chrooted);
        let milters = service.milters.as_deref().unwrap_or(main_cf);
        let relative = relative(self.socket, &queue.to_string_lossy());
        let ours = own(milters, self.socket, &relative).map(|element| {
            let reach = self.reach(address(element), queue, chroot, account);
            (element.to_owned(), reach)
        });
        Service {
            name: service.name.clone(),
            chroot,
            wrapped: service.wrapped,
            overridden: service.milters.is_some(),
            milters: milters.to_owned(),
            ours,
        }
    }

    /// Where an address of ours leads to.
    fn reach(&self, at: &str, queue: &Path, chroot: bool, account: Option<&Account>) -> Reach {
        let (Some(named), Some(ours)) = (at.strip_prefix("unix:"), self.socket.strip_prefix("unix:")) else {
            return Reach::Ours;
        };
        // smtpd stands in the queue directory, chrooted or not.
        let seen = match named.strip_prefix('/') {
            Some(below) if chroot => queue.join(below),
            Some(_) | None => queue.join(named),
        };
        let same = |a: &Metadata, b: &Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        match (fs::metadata(&seen), fs::metadata(ours)) {
            (Err(e), _) | (_, Err(e)) if e.kind() == ErrorKind::PermissionDenied => Reach::Unseen,
            (Err(_), Err(_)) if seen == Path::new(ours) => Reach::Absent,
            (Err(_), _) => Reach::Nothing(seen),
            // A daemon that has ended may leave its socket's file.
            (Ok(found), Ok(ours)) if same(&found, &ours) && matches!(self.answers, Err(Silence::Says(_))) => {
                Reach::Absent
            }
            (Ok(found), Ok(ours)) if same(&found, &ours) => {
                let barrier = account.and_then(|account| barrier(account, &seen, queue));
                barrier.map_or(Reach::Ours, Reach::Barred)
            }
            (Ok(_), _) => Reach::Another(seen),
        }
    }
}

/// What keeps Postfix's user from a socket: a directory on the way that it may not enter, or the socket itself.
fn barrier(account: &Account, socket: &Path, queue: &Path) -> Option<String> {
    // From where it stands, it need not pass what lies above.
    let way = socket.ancestors().skip(1).take_while(|directory| *directory != queue);
    let mut directories = way.filter_map(|directory| account.barrier(directory, rights::ENTER));
    directories.next().or_else(|| account.barrier(socket, rights::WRITE))
}

/// Sends a probe through the first service that asks mailward and takes one.
fn first(services: &[Service]) -> Option<Probed> {
    let plain = services.iter().filter(|service| service.ours.is_some() && !service.wrapped);
    plain.filter_map(|service| probe::address(&service.name)).next().map(probe::through)
}

fn main_cf(instance: &Instance) -> Result<MainCf, Failure> {
    let value = |parameter: &str| instance.expanded(parameter);
    let lists = LISTS.iter().map(|(_, parameter, _)| Ok((*parameter, value(parameter)?)));
    Ok(MainCf {
        lists: lists.collect::<Result<_, Failure>>()?,
        classes: split(&value("smtpd_restriction_classes")?).into_iter().map(str::to_owned).collect(),
        postscreen: value("postscreen_dnsbl_sites")?,
    })
}
