"""The dialogue files of tests/postfix, played by tests/installed.rs in the network of a container."""

import json
import os
import re
import subprocess

from checks import ROOT, Stop, run


def player():
    """The test program, built."""
    command = ["cargo", "test", "--no-run", "--test", "installed", "--message-format=json"]
    built = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    programs = [message["executable"] for message in messages if message.get("executable")]
    if built.returncode != 0 or not programs:
        raise Stop("tests/installed.rs does not build")
    return programs[-1]


def play(checks, container, test, dialogue=None):
    """Plays all files, or one, and prints how many replies of each were as they should be."""
    environment = {
        **os.environ,
        "RUST_BACKTRACE": "0",
        "MAILWARD_SYSTEM": str(container.root),
        "MAILWARD_ENTER": " ".join(container.namespaces()),
        **({"DIALOGUE": dialogue} if dialogue else {}),
    }
    command = [*container.network(), player(), "--ignored", "--exact", test, "--nocapture"]
    code, said = run(*command, cwd=ROOT, env=environment)
    played = re.findall(r"^(?:Milter|Sendmail): (\w+) \.\.\. (\d+) replies (\w+)", said, re.MULTILINE)
    for name, replies, verdict in played:
        checks.ok(verdict == "ok", f"dialogue {name}: {replies} replies")
    replies = sum(int(replies) for _, replies, _ in played)
    checks.ok(code == 0 and played, f"{len(played)} dialogue files, {replies} replies as they should be", said[:6000])
