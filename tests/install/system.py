"""What the scenarios do to a container and ask of it: packages, Postfix's configuration, mailward's state."""

import pathlib
import shutil
import sqlite3
import subprocess
import time

from checks import ROOT
from load import MAIL_LOG

CONFIG = "/etc/mailward/mailward.toml"
MAIN_CF = ["/etc/postfix/main.cf", "/etc/postfix/master.cf"]
SOCKET = "/var/spool/postfix/mailward/mailward.sock"
# As an administrator would install it, from the packages that lie in the container.
INSTALL = ["apt-get", "install", "-qy", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"]
KEEP = ["-o", "Dpkg::Options::=--force-confold"]


def install_postfix(container):
    """Debian's Postfix as an internet site; mail goes nowhere, and each message is logged."""
    answers = "postfix postfix/main_mailer_type select Internet Site\npostfix postfix/mailname string mx.example.test\n"
    container.path("/var/tmp/answers").write_text(answers)
    container.must("debconf-set-selections", "/var/tmp/answers")
    container.must(*INSTALL, "postfix")
    container.must(
        "postconf", "-e", "inet_protocols=ipv4", "default_transport=discard:", f"maillog_file={MAIL_LOG}",
        "compatibility_level=3.6",
    )  # fmt: skip
    container.must("systemctl", "restart", "postfix")


def install(container, deb, *options):
    """Installs a package file: exit code, and what was printed."""
    container.put(deb, "/var/tmp/")
    return container.run(*INSTALL, "--allow-downgrades", *options, f"/var/tmp/{deb.name}")


def active(container):
    return container.run("systemctl", "is-active", "mailward")[1].strip()


def main_pid(container):
    return container.must("systemctl", "show", "-P", "MainPID", "mailward").strip()


def installed_version(container):
    return container.run("dpkg-query", "-W", "-f", "${Version}", "mailward")[1]


def parameters(container):
    """What main.cf sets."""
    return container.must("postconf", "-n").splitlines()


def query(container, database, statement):
    """The first value of a row of one of mailward's databases."""
    path = container.path(f"/var/lib/mailward/{database}")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return connection.execute(statement).fetchone()[0]


def old_greylist(container):
    """Puts a greylist of the first schema in place of the one that is there, with one row."""
    directory = container.path("/var/lib/mailward")
    owner = directory.stat()
    for name in directory.glob("greylist.db*"):
        name.unlink()
    path = directory / "greylist.db"
    with sqlite3.connect(path) as connection:
        connection.executescript((ROOT / "migrations/sqlite/0001_greylist.sql").read_text())
        connection.execute(
            "INSERT INTO greylist (client, sender, recipient, first_seen, last_seen, passed_at) "
            "VALUES ('192.0.2.0/24', 'a@old.example', 'b@mx.example.test', ?1, ?1, ?1)",
            [int(time.time())],
        )
        connection.executescript("PRAGMA application_id = 0x4752594c; PRAGMA user_version = 1;")
    connection.close()
    shutil.chown(path, owner.st_uid, owner.st_gid)
    path.chmod(0o640)


def previous(out):
    """A checkout whose package is older, with one line more in two of its configuration files."""
    source = pathlib.Path(out) / "previous"
    shutil.rmtree(source, ignore_errors=True)
    tracked = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, tracked):
        if name.startswith("tests/"):
            continue
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    for name in ("mailward.toml", "whitelist_clients"):
        with open(source / "conf" / name, "a") as file:
            file.write("# A line of the previous version.\n")
    return source
