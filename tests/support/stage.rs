//! What the tests that play dialogue files need around them: the tables, the zone and its server, the policy servers, and
//! where mail goes.

use super::{
    dialogue::{Dialogue, MailQueue, Player, Side, Update},
    dns::DnsServer,
    login,
    policy_server::PolicyServer,
    postfix::{PostfixInstance, Setup, own_directory, own_loopback, say},
    sink::Sink,
};
use std::{
    collections::HashMap,
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// What all files' tests share: the zone, and the directories of their tables.
pub struct Stage {
    /// The files of the side, or the one that `DIALOGUE` names.
    pub dialogues: Vec<Dialogue>,
    directory: PathBuf,
    nameserver: Ipv4Addr,
    _dns: DnsServer,
    /// By the file's name, for those with a table `policy`.
    services: HashMap<String, PolicyServer>,
    /// Where mail is delivered to.
    pub sink: Sink,
}

impl Stage {
    /// For this machine: the tables in a directory of their own, the nameserver on an address of its own.
    pub fn set(side: Side) -> Self {
        // libresolv knows no other port than 53.
        Self::set_at(side, own_directory("tables"), own_loopback())
    }

    /// With the tables in a directory, and the nameserver on port 53 of an address.
    pub fn set_at(side: Side, directory: PathBuf, nameserver: Ipv4Addr) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postfix");
        let wanted = env::var("DIALOGUE").ok();
        let mut dialogues = Dialogue::read_all(&root);
        dialogues.retain(|file| wanted.as_ref().is_none_or(|name| *name == file.name()));
        assert!(!dialogues.is_empty(), "there is no dialogue {wanted:?}");
        dialogues.retain(|file| file.only.is_none_or(|only| only == side));
        let mut services = HashMap::new();
        for dialogue in &dialogues {
            let tables = directory.join(dialogue.name());
            fs::create_dir(&tables).unwrap();
            dialogue.write_tables(&tables);
            if tables.join("policy").exists() {
                services.insert(dialogue.name(), PolicyServer::from_file(&tables.join("policy")));
            }
        }
        let zone = fs::read_to_string(root.join("zone")).unwrap();
        let dns = DnsServer::start_at(&zone, SocketAddr::from((nameserver, 53))).unwrap();
        Self { dialogues, directory, nameserver, _dns: dns, services, sink: Sink::start() }
    }

    fn tables(&self, dialogue: &Dialogue) -> PathBuf {
        self.directory.join(dialogue.name())
    }

    /// A Postfix with such services.
    pub fn postfix(&self, services: Vec<Vec<String>>, chroot: bool) -> PostfixInstance {
        let main_cf = [self.sink.main_cf(), login::main_cf(login::start())].concat();
        PostfixInstance::start(&Setup { main_cf, services, chroot, nameserver: Some(self.nameserver) })
    }

    /// The parameters of an smtpd whose own lists decide.
    pub fn main_cf(&self, dialogue: &Dialogue) -> Vec<String> {
        let lines = dialogue.main_cf(&self.tables(dialogue)).into_iter();
        lines.map(|line| self.with_service(dialogue, line)).collect()
    }

    /// The file's mailward.toml, without socket.
    pub fn policy(&self, dialogue: &Dialogue) -> String {
        let policy = self.with_service(dialogue, dialogue.policy(&self.tables(dialogue)));
        format!("{policy}[dns]\nnameservers = [\"{}:53\"]\n", self.nameserver)
    }

    /// `$POLICY` is where the file's policy server listens.
    fn with_service(&self, dialogue: &Dialogue, text: String) -> String {
        match self.services.get(&dialogue.name()) {
            Some(service) => text.replace("$POLICY", &service.address().to_string()),
            None => text,
        }
    }

    /// The policy server of a file.
    pub fn service(&self, dialogue: &str) -> Option<&PolicyServer> {
        self.services.get(dialogue)
    }

    /// Plays a file against an smtpd and prints how many replies were compared; the faults come back.
    pub fn play(
        &self,
        dialogue: &Dialogue,
        side: Side,
        address: SocketAddr,
        queue: &dyn MailQueue,
    ) -> (Vec<String>, Vec<Update>) {
        let player = Player::new(dialogue, side, address, queue, &self.sink);
        let (compared, faults, updates) = player.play();
        let verdict = if faults.is_empty() { "ok" } else { "FAILED" };
        say(&format!("{side:?}: {} ... {compared} replies {verdict}", dialogue.name()));
        (faults, updates)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
