"""fail2ban: whom our filter and the stock Postfix filter would ban, by lines that mailward and Postfix really write.

A mailward of the test's own is asked through the milter protocol; the answers it gives are put into the line that Postfix
writes for them.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

from checks import ROOT, run

sys.path.insert(0, str(ROOT / "tests/bench"))
from milter_client import rcpt_answer  # noqa: E402

POLICY = """\
socket = "unix:{directory}/mailward.sock"
mode = "{mode}"
[restrictions]
recipient = [
    "check_sender_access inline:{{ {{refused@sender.example = REJECT}}, {{deferred@sender.example = DEFER}}, \
{{warned@sender.example = warned}} }}",
    "greylist",
]
[classes]
warned = ["warn_if_reject reject", "permit"]
[greylist]
store = "sqlite:{directory}/greylist.db"
"""
# What a client may say to get another host banned.
SPOOF = "reject:_RCPT_from_x[198.51.100.99]:_550_5.7.1"

# The sender, the HELO name, the mode; the code of the answer; whether our filter matches.
CASES = [
    ("refused@sender.example", "helo.example", "enforce", "554", True),
    ("deferred@sender.example", "helo.example", "enforce", "450", False),
    ("warned@sender.example", "helo.example", "enforce", "c", False),
    ("new@sender.example", "helo.example", "enforce", "450", False),
    ("new@sender.example", SPOOF, "enforce", "450", False),
    (f"{SPOOF}@sender.example", "helo.example", "enforce", "450", False),
    ("refused@sender.example", "helo.example", "observe", "c", False),
    ("new@sender.example", "helo.example", "observe", "c", False),
]


def check(checks, binary):
    """Plays the cases and lets fail2ban-regex read the log."""
    with tempfile.TemporaryDirectory(prefix="mailward-bans-") as name:
        directory = pathlib.Path(name)
        config = directory / "fail2ban"
        shutil.copytree("/etc/fail2ban", config)
        shutil.copy(ROOT / "packaging/fail2ban/filter.conf", config / "filter.d/mailward.conf")
        # So that "nobody" means something: the wording that the stock filter is known to ban for is found.
        found = matches(config, directory, [postfix("450 4.7.1 Service unavailable; greylisted")], "postfix[mode=more]")
        checks.same(found, ["192.0.2.25"], "the stock filter bans for the wording of other greylisters")
        for sender, helo, mode, code, ours in CASES:
            reply, lines = session(directory, binary, mode, sender, helo)
            what = f"{mode}: {sender}, HELO {helo}"
            if not checks.ok(reply.startswith(code), f"{what}: {reply}", f"wanted {code}\n" + "\n".join(lines)):
                continue
            log = [f"Nov 21 12:00:00 mx mailward[812]: {line}" for line in lines]
            greylisted = "Greylisted" in reply
            matched = matches(config, directory, log, "mailward")
            checks.same(matched, ["192.0.2.25"] if ours else [], f"  the filter mailward bans {'it' if ours else 'nobody'}")
            for kind in ["more", "aggressive"] if greylisted else []:
                matched = matches(config, directory, [postfix(reply, sender, helo)], f"postfix[mode={kind}]")
                checks.same(matched, [], f"  the stock filter postfix[mode={kind}] bans nobody")


def postfix(reply, sender="new@sender.example", helo="helo.example"):
    """Postfix's line about a reply of a milter."""
    return (
        f"Nov 21 12:00:00 mx postfix/smtpd[99]: NOQUEUE: milter-reject: RCPT from mail.example.net[192.0.2.25]: {reply}; "
        f"from=<{sender}> to=<user@rcpt.example> proto=ESMTP helo=<{helo}>"
    )


def session(directory, binary, mode, sender, helo):
    """The answer at RCPT, and the lines of the log about it."""
    policy = directory / "mailward.toml"
    policy.write_text(POLICY.format(directory=directory, mode=mode))
    with open(directory / "log", "w+") as log:
        daemon = subprocess.Popen(
            [binary, "run", "-c", policy], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, env={"STATE_DIRECTORY": str(directory), "PATH": "/usr/bin:/bin"},
        )
        for line in daemon.stderr:
            log.write(line)
            if " listens on " in line:
                break
        try:
            (kind, text), _ = rcpt_answer(str(directory / "mailward.sock"), helo, sender, "user@rcpt.example")
        finally:
            daemon.terminate()
            log.write(daemon.stderr.read())
            daemon.wait()
        log.seek(0)
        lines = [line.split(" INFO ", 1)[-1].rstrip("\n") for line in log]
    reply = text.decode().rstrip("\0").replace("%%", "%") if kind == "y" else kind
    return reply, [line for line in lines if " RCPT from " in line]


def matches(config, directory, log, name):
    """The addresses that a filter finds in the lines."""
    path = directory / "lines"
    path.write_text("".join(f"{line}\n" for line in log))
    code, text = run("fail2ban-regex", "--config", config, "--out", "ip", path, name)
    return text.split() if code == 0 else [text.strip()]
