"""traffic.py in a container's network, beside what is done to the container meanwhile."""

import json
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SESSIONS = 8
QUEUE_SECONDS = 120
MAIL_LOG = "/var/log/mailward-test.log"


class Load:
    """Running traffic; `end` stops it and returns its counts, and so does the end of a `with` without them."""

    def __init__(self, container):
        command = container.network() + [sys.executable, "-B", str(HERE / "traffic.py"), "127.0.0.1", "25", str(SESSIONS)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.communicate()

    def wait(self, messages):
        """Waits until so many further messages were sent, in hundreds."""
        for _ in range(messages // 100):
            if not self.process.stdout.readline():
                return

    def end(self):
        said, _ = self.process.communicate()
        return json.loads(said.strip().splitlines()[-1])


def judge(checks, container, counts, during):
    """The assertions about traffic: nothing lost, nothing let in unseen, everything delivered."""
    lost = {reply: counts["lost"].count(reply) for reply in counts["lost"]}
    accepted = len(counts["queued"])
    checks.same(lost, {}, f"{during}: {counts['sent']} messages sent, none was turned away")
    checks.same(counts["unfiltered"], 0, f"{during}: {counts['refused']} forbidden attachments were refused, none came in")
    checks.same(accepted + counts["refused"], counts["sent"], f"{during}: each got its answer")
    # Postfix's own log says what became of a queue id.
    deadline = time.monotonic() + QUEUE_SECONDS
    missing = set(counts["queued"])
    while missing and time.monotonic() < deadline:
        log = container.path(MAIL_LOG).read_text(errors="replace")
        sent = {line.split("]: ", 1)[1].split(":", 1)[0] for line in log.splitlines() if " status=sent " in line}
        missing -= sent
        if missing:
            time.sleep(1)
    checks.same(len(missing), 0, f"{during}: all {accepted} accepted messages were delivered")
