"""A system with Postfix from the first installation of the package to its purge."""

import re

import load
import package
import system
from checks import ROOT, eventually
from container import Container

RESTARTS = 5
CRASHES = 7
# The newest schema of the greylist.
SCHEMA = len(list((ROOT / "migrations/sqlite").iterdir()))
# Between two restarts, in hundreds.
MESSAGES = 500
# What an administrator changes in the configuration, and a table of his own.
EDIT = ('    "reject_non_fqdn_recipient",\n', '    "reject_non_fqdn_recipient",\n    "greylist",\n')
TABLE = "/etc/mailward/helo_access"


def play(checks, release, deb, binary, out):
    """The whole life of the package in one container."""
    old = package.build(binary, out, "0.0.9-1", system.previous(out))
    with Container(release, "postfix") as container:
        system.install_postfix(container)
        version = container.must("postconf", "-h", "mail_version").strip()
        checks.ok(True, f"{release} boots, with Postfix {version}")
        before = container.files()
        main_cf = container.digest(*system.MAIN_CF)
        fresh(checks, container, old)
        checks.same(container.digest(*system.MAIN_CF), main_cf, "the installation did not touch main.cf or master.cf")
        # Somebody's own file beside ours.
        container.path(TABLE).write_text("old.example OK\n")
        attach(checks, container)
        restarts(checks, container)
        crashes(checks, container)
        upgrade(checks, container, deb)
        faulty(checks, container, deb)
        removed(checks, container, deb)
        purge(checks, container, before, main_cf)


def fresh(checks, container, deb):
    """After the first of the two commands."""
    code, said = system.install(container, deb)
    checks.must(code == 0, "the package installs", said)
    checks.ok("`mailward postfix attach`" in said, "it says what the second command is", said)
    checks.same(system.active(container), "active", "mailward runs")
    checks.same(container.run("systemctl", "is-enabled", "mailward")[1].strip(), "enabled", "it starts at boot")
    rights = {
        "/usr/sbin/mailward": "root:root 755",
        system.CONFIG: "root:mailward 640",
        "/var/lib/mailward": "mailward:mailward 750",
        "/var/lib/mailward/journal.db": "mailward:mailward 640",
        "/var/spool/postfix/mailward": "mailward:postfix 2750",
        system.SOCKET: "mailward:postfix 660",
        "/run/mailward": "mailward:mailward 750",
        "/run/mailward/control.sock": "mailward:mailward 660",
    }
    for path, wanted in rights.items():
        checks.same(container.rights(path), wanted, f"{path} {wanted}")
    code, said = container.run("postfix", "check")
    checks.ok(code == 0 and "mailward" not in said, "`postfix check` has nothing against the socket's directory", said)
    code, said = container.run("mailward", "check-config", "--strict")
    checks.ok(code == 0, "the installed configuration has neither a fault nor a warning", said)
    said = container.must("systemd-analyze", "security", "mailward.service", "--no-pager")
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    checks.ok(found and float(found[1]) <= 1.5, f"exposure in the running system: {found and found[1]}", said)


def attach(checks, container):
    """After the second command mail is filtered."""
    before = system.parameters(container)
    digest = container.digest(*system.MAIN_CF)
    code, said = container.run("mailward", "postfix", "attach", "--dry-run")
    checks.ok(code == 0 and digest == container.digest(*system.MAIN_CF), "attach --dry-run changes nothing", said)
    code, said = container.run("mailward", "postfix", "attach")
    checks.must(code == 0 and "Proved: a probe" in said, "attach proves that Postfix asks mailward", said)
    changed = [line for line in system.parameters(container) if line not in before]
    wanted = ["smtpd_milters = { unix:mailward/mailward.sock, default_action=tempfail, command_timeout=30s }"]
    checks.same(changed, wanted, "it changed smtpd_milters and nothing else")
    code, said = container.run("mailward", "postfix", "status")
    checks.ok(code == 0, "`mailward postfix status` agrees", said)
    code, said = container.run("mailward", "status")
    checks.ok(code == 0, "`mailward status` reaches the daemon", said)


def restarts(checks, container):
    """Restarts and a reload while mail comes in."""
    with load.Load(container) as traffic:
        traffic.wait(MESSAGES)
        pids = {system.main_pid(container)}
        for _ in range(RESTARTS):
            container.must("systemctl", "restart", "mailward")
            pids.add(system.main_pid(container))
            traffic.wait(MESSAGES)
        container.must("systemctl", "reload", "mailward")
        traffic.wait(MESSAGES)
        counts = traffic.end()
    checks.same(len(pids), RESTARTS + 1, f"{RESTARTS} restarts, a reload")
    load.judge(checks, container, counts, f"{RESTARTS} restarts under load")


def crashes(checks, container):
    """More deaths in a row than systemd forgives by default."""
    for kill in range(1, CRASHES + 1):
        pid = system.main_pid(container)
        container.must("systemctl", "kill", "--signal=KILL", "--kill-who=main", "mailward")
        again = lambda: system.active(container) == "active" and system.main_pid(container) not in ("0", pid)
        checks.must(eventually(again, True), f"it runs again after kill {kill}")
    checks.same(system.active(container), "active", f"mailward runs after {CRASHES} kills in a row")
    checks.same(container.rights(system.SOCKET), "mailward:postfix 660", "on its socket")
    code, said = container.run("mailward", "postfix", "status")
    checks.ok(code == 0, "and Postfix reaches it", said)


def upgrade(checks, container, deb):
    """From the previous package under load, with an edited configuration and data."""
    config = container.path(system.CONFIG)
    config.write_text(config.read_text().replace(*EDIT))
    mine = config.read_text()
    checks.ok('"greylist"' in mine, "an administrator greylists")
    whitelist = container.path("/etc/mailward/whitelist_clients")
    theirs = whitelist.read_text()
    container.must("systemctl", "restart", "mailward")
    rows = system.query(container, "journal.db", "SELECT count(*) FROM journal")
    main_cf = container.digest(*system.MAIN_CF)
    pid = system.main_pid(container)
    with load.Load(container) as traffic:
        traffic.wait(MESSAGES)
        code, said = system.install(container, deb, *system.KEEP)
        traffic.wait(MESSAGES)
        counts = traffic.end()
    checks.must(code == 0, f"the upgrade to {deb.name} installs", said)
    load.judge(checks, container, counts, "an upgrade under load")
    checks.ok(system.main_pid(container) != pid, "the new daemon runs")
    checks.same(config.read_text(), mine, "the edited configuration stays as it was")
    fresh = container.path(system.CONFIG + ".dpkg-dist")
    checks.ok(fresh.exists() and "previous version" not in fresh.read_text(), "the new one lies beside it")
    checks.ok(whitelist.read_text() != theirs, "a file that nobody edited is replaced")
    checks.same(container.rights(system.CONFIG), "root:mailward 640", "the configuration keeps its rights")
    later = system.query(container, "journal.db", "SELECT count(*) FROM journal")
    checks.ok(rows > 0 and later > rows, f"the journal goes on: {rows} rows before, {later} after")
    checks.same(container.digest(*system.MAIN_CF), main_cf, "the upgrade did not touch main.cf")


def faulty(checks, container, deb):
    """A configuration with a fault: the running daemon is worth more than a new one that cannot start."""
    config = container.path(system.CONFIG)
    mine = config.read_text()
    config.write_text(mine + "no_such_key = 1\n")
    pid = system.main_pid(container)
    code, said = system.install(container, deb, "--reinstall", *system.KEEP)
    checks.ok(code == 0, "an upgrade over a faulty configuration does not fail", said)
    checks.ok("no_such_key" in said and "is not (re)started" in said, "it shows the fault and says what follows", said)
    checks.same(system.main_pid(container), pid, "the daemon runs on with the configuration it has")
    config.write_text(mine)


def removed(checks, container, deb):
    """Removal, with Postfix still asking; and the package again."""
    system.query(container, "journal.db", "SELECT 1")
    code, said = container.run("apt-get", "remove", "-qy", "mailward")
    checks.must(code == 0, "the package is removed", said)
    hint = re.search(r"postconf -e '([^']*)'", said)
    checks.ok(hint, "it says that Postfix still asks it, and the command that takes it out", said)
    checks.ok(container.run("test", "-e", "/usr/sbin/mailward")[0], "the program is gone")
    checks.ok(system.active(container) != "active", "nothing runs")
    for path in ("/var/lib/mailward/journal.db", system.CONFIG, TABLE):
        checks.ok(container.path(path).exists(), f"{path} stays")
    if hint:
        container.must("postconf", "-e", hint[1])
        container.must("postfix", "reload")
        with load.Load(container) as traffic:
            traffic.wait(100)
            counts = traffic.end()
        checks.same(counts["lost"], [], f"after that command Postfix takes mail without it: {len(counts['queued'])} messages")
    system.old_greylist(container)
    mine = container.path(system.CONFIG).read_text()
    rows = system.query(container, "journal.db", "SELECT count(*) FROM journal")
    code, said = system.install(container, deb, *system.KEEP)
    checks.must(code == 0, "the package installs again", said)
    checks.same(system.active(container), "active", "mailward runs again")
    checks.same(container.run("systemctl", "is-enabled", "mailward")[1].strip(), "enabled", "it starts at boot again")
    checks.same(container.path(system.CONFIG).read_text(), mine, "it finds the administrator's configuration")
    checks.ok(system.query(container, "journal.db", "SELECT count(*) FROM journal") >= rows, "it finds the journal")
    schema = eventually(lambda: system.query(container, "greylist.db", "PRAGMA user_version"), SCHEMA)
    checks.same(schema, SCHEMA, "a greylist of an older schema is migrated")
    checks.same(system.query(container, "greylist.db", "SELECT count(*) FROM greylist"), 1, "with what was in it")
    checks.ok(container.path("/var/lib/mailward/greylist.db.schema1").exists(), "after a backup")
    code, said = container.run("mailward", "postfix", "attach")
    checks.ok(code == 0 and "Proved: a probe" in said, "attach proves the connection again", said)


def purge(checks, container, before, main_cf):
    """What is left of everything."""
    code, said = container.run("mailward", "postfix", "detach")
    checks.ok(code == 0, "detach takes it out of Postfix", said)
    code, said = container.run("apt-get", "purge", "-qy", "mailward")
    checks.must(code == 0, "the package is purged", said)
    after = container.files()
    own = TABLE.lstrip("/")
    gone = sorted(before.keys() - after.keys())
    left = sorted(after.keys() - before.keys() - {own, "etc/mailward"})
    # `detach` gives main.cf its old values; an unset parameter may stay behind as an empty one.
    main = "etc/postfix/main.cf"
    other = sorted(path for path in before.keys() & after.keys() if before[path] != after[path] and path != main)
    checks.same(left, [], "the purge leaves nothing of ours")
    checks.same(gone, [], "it deletes nothing else")
    checks.same(other, [], "it changes nothing else")
    checks.ok(own in after, f"{TABLE}, which is not ours, stays")
    checks.same(container.rights("/var/spool/postfix/mailward"), "", "the socket's directory is gone")
    checks.same(container.rights("/var/spool/postfix"), "root:root 755", "Postfix's queue directory is as it was")
    units = container.run("systemctl", "list-unit-files", "--no-legend", "mailward*")[1].strip()
    checks.same(units, "", "systemd knows no unit of ours, masked or not")
    text = container.path("/etc/postfix/main.cf").read_text()
    checks.ok(container.digest(*system.MAIN_CF) == main_cf or "mailward" not in text, "main.cf has nothing of ours")
