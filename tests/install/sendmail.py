"""Debian's Sendmail, which tells a milter less than Postfix does, with the packaged mailward."""

import re

import dialogues
import system
from checks import ROOT
from container import Container

DIALOGUE = "tutorial"
# Sendmail's own checks of senders would answer before the milter; the users are local ones.
SENDMAIL_MC = """\
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
LOCAL_DOMAIN(`mx.example.test')dnl
INPUT_MAIL_FILTER(`mailward', `S=local:/var/spool/postfix/mailward/mailward.sock, F=T, T=C:30s;S:30s;R:30s;E:2m')dnl
"""


def play(checks, release, deb):
    with Container(release, "sendmail") as container:
        container.path("/etc/hosts").write_text("127.0.0.1 mx.example.test localhost\n")
        container.must("hostname", "mx.example.test")
        code, said = system.install(container, deb)
        checks.must(code == 0, "the package installs without Postfix", said)
        container.must(*system.INSTALL, "sendmail-bin")
        version = container.run("sh", "-c", "echo | sendmail -bt -d0.1")[1].split("\n")[0]
        checks.ok(True, f"{release} has Sendmail: {version}")
        configure(checks, container)
        file = ROOT / f"tests/postfix/{DIALOGUE}.smtp"
        for address in sorted(set(re.findall(r"^@client addr=([0-9.]+)", file.read_text(), re.MULTILINE))):
            container.must("ip", "address", "add", f"{address}/32", "dev", "lo")
        dialogues.play(checks, container, "the_installed_mailward_answers_through_sendmail", DIALOGUE)


def configure(checks, container):
    """The line in sendmail.mc, and the users of the dialogue."""
    for user in ("user", "other"):
        container.must("useradd", user)
    mc = container.path("/etc/mail/sendmail.mc")
    text = mc.read_text()
    mc.write_text(re.sub(r"^MAILER_DEFINITIONS", lambda found: SENDMAIL_MC + found[0], text, count=1, flags=re.MULTILINE))
    said = container.must("sh", "-c", "cd /etc/mail && m4 sendmail.mc > sendmail.cf")
    checks.ok("Xmailward" in container.path("/etc/mail/sendmail.cf").read_text(), "INPUT_MAIL_FILTER names mailward", said)
    code, said = container.run("systemctl", "restart", "sendmail")
    checks.must(code == 0, "Sendmail starts with it", said)
