"""A system without Postfix, where Postfix comes later; then all dialogue files through the two packages."""

import re

import dialogues
import system
from container import Container


def play(checks, release, deb):
    with Container(release, "late") as container:
        alone(checks, container, deb)
        postfix(checks, container)
        dialogues.play(checks, container, "the_installed_mailward_answers_through_postfix")


def alone(checks, container, deb):
    """Without an MTA."""
    before = container.files()
    code, said = system.install(container, deb)
    checks.must(code == 0, "without Postfix: the package installs", said)
    checks.same(system.active(container), "active", "without Postfix: mailward runs")
    wanted = "mailward:mailward 2750"
    checks.same(container.rights("/var/spool/postfix/mailward"), wanted, f"without Postfix: its directory is {wanted}")
    code, said = container.run("mailward", "postfix", "attach")
    checks.ok(code not in (0, 101) and said.strip(), f"without Postfix: attach says why it cannot: {said.strip()}")
    code, said = container.run("apt-get", "purge", "-qy", "mailward")
    checks.must(code == 0, "without Postfix: the package is purged", said)
    left = sorted(container.files().items() - before.items())
    checks.same(left, [], "without Postfix: the purge leaves nothing")
    checks.same(container.rights("/var/spool/postfix"), "", "without Postfix: not even Postfix's queue directory")
    code, said = system.install(container, deb)
    checks.must(code == 0, "without Postfix: the package installs again", said)


def postfix(checks, container):
    """Postfix comes."""
    system.install_postfix(container)
    checks.same(container.rights("/var/spool/postfix"), "root:root 755", "later: Postfix takes its queue directory as its own")
    code, said = container.run("postfix", "check")
    checks.ok(code == 0, "later: `postfix check` has no complaint", said)
    # The directory was made when there was no group postfix; the next start of mailward hands it over.
    container.must("systemctl", "restart", "mailward")
    checks.same(container.rights("/var/spool/postfix/mailward"), "mailward:postfix 2750", "later: a restart gives it the directory")
    checks.same(container.rights(system.SOCKET), "mailward:postfix 660", "later: and the socket")
    code, said = container.run("mailward", "postfix", "attach")
    checks.must(code == 0 and re.search("Proved: a probe", said), "later: attach proves the connection", said)
