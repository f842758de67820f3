"""The packaged postgrey, and a client that keeps it busy: Postfix's policy protocol (SMTPD_POLICY_README)."""

import os
import pwd
import selectors
import shutil
import socket
import subprocess
import time

from filters import START_SECONDS, CannotRun, stop
from greylist_tables import RECIPIENTS
from milterload import cpu_seconds

# As many as the load generator has sessions. Each has one request on the way, as a process of Postfix has.
CONNECTIONS = 32
ANSWER_SECONDS = 30


# What Postfix 3.7 says of a session beside the names (SMTPD_POLICY_README), in its order.
REQUEST = """\
request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
client_address={client}
client_name={name}
client_port=40000
reverse_client_name={name}
server_address=192.0.2.25
server_port=25
helo_name={name}
sender={sender}
recipient={recipient}
recipient_count=0
queue_id=
instance={instance}
size=4000
etrn_domain=
stress=
sasl_method=
sasl_username=
sasl_sender=
ccert_subject=
ccert_issuer=
ccert_fingerprint=
ccert_pubkey_fingerprint=
encryption_protocol=TLSv1.3
encryption_cipher=TLS_AES_256_GCM_SHA384
encryption_keysize=256
policy_context=

"""


def request(number):
    """A triplet that never came before: ten recipients of each message, each message with a sender of its own."""
    message, recipient = divmod(number, RECIPIENTS)
    return REQUEST.format(
        client=f"198.18.{message >> 8 & 255}.{message & 255}",
        name=f"mx.isp{message}.example",
        sender=f"user@s{message}.example",
        recipient=f"rcpt{recipient}@example.org",
        instance=f"{message:x}",
    ).encode()


class Postgrey:
    """A running postgrey with a database of its own."""

    name = "postgrey"

    def __init__(self, directory):
        program = shutil.which("postgrey", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if not program:
            raise CannotRun("postgrey is not installed")
        directory.mkdir()
        self.socket, self.log = directory / "socket", directory / "log"
        user = pwd.getpwuid(os.getuid()).pw_name
        words = [program, f"--unix={self.socket}", f"--dbdir={directory}", f"--pidfile={directory / 'pid'}"]
        words += [f"--user={user}", f"--group={user}", "--whitelist-clients=/dev/null"]
        words += ["--whitelist-recipients=/dev/null"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid
        self.sent = 0

    def __enter__(self):
        try:
            self.wait_ready()
        except BaseException:
            stop([self])
            raise
        return self

    def __exit__(self, *_):
        stop([self])

    def wait_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.ask(1)
                return
            except OSError:
                time.sleep(0.02)
        raise CannotRun(f"postgrey does not answer; it said:\n{self.log.read_text(errors='replace')[-2000:]}")

    def ask(self, count):
        """So many new triplets, each answered; CPU seconds of postgrey, and seconds."""
        numbers = iter(range(self.sent, self.sent + count))
        before, started = cpu_seconds(self.pid), time.monotonic()
        with selectors.DefaultSelector() as ready:
            for _ in range(min(CONNECTIONS, count)):
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(str(self.socket))
                ready.register(connection, selectors.EVENT_READ)
            try:
                self.talk(ready, numbers)
            finally:
                for key in list(ready.get_map().values()):
                    key.fileobj.close()
        self.sent += count
        return cpu_seconds(self.pid) - before, time.monotonic() - started

    def talk(self, ready, numbers):
        for key in list(ready.get_map().values()):
            key.fileobj.sendall(request(next(numbers)))
        while ready.get_map():
            events = ready.select(ANSWER_SECONDS)
            if not events:
                raise CannotRun("postgrey does not answer any more")
            for key, _ in events:
                answer = key.fileobj.recv(4096)
                # An answer of this size comes in one piece.
                if not (answer.startswith(b"action=DEFER_IF_PERMIT") and answer.endswith(b"\n\n")):
                    raise CannotRun(f"postgrey says to a new triplet: {answer!r}")
                number = next(numbers, None)
                if number is None:
                    ready.unregister(key.fileobj)
                    key.fileobj.close()
                else:
                    key.fileobj.sendall(request(number))
