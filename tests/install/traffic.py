"""Mail without a pause: sessions side by side, one message each, until the standard input ends.

Every tenth message carries a program, which the shipped policy refuses also from a host of mynetworks: so a message that
comes in without having been looked at is seen as well as one that does not come in. After each hundred messages a line says
how many there were; at the end stands one JSON object.

Usage: traffic.py HOST PORT SESSIONS
"""

import json
import socket
import sys
import threading

PATIENCE_SECONDS = 60
BANNED = b'Content-Type: application/octet-stream; name="invoice.exe"\r\n'


class Counts:
    """What became of the messages."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = 0
        self.queued = []
        self.refused = 0
        self.lost = []
        self.unfiltered = 0
        self.ends = threading.Event()

    def next(self):
        with self.lock:
            self.sent += 1
            if self.sent % 100 == 0:
                print(self.sent, flush=True)
            return self.sent

    def note(self, banned, reply):
        with self.lock:
            if reply.startswith("250") and "queued as " in reply:
                self.queued.append(reply.rsplit(" ", 1)[1])
                self.unfiltered += banned
            elif banned and reply.startswith("5"):
                self.refused += 1
            else:
                self.lost.append(reply)


def deliver(address, number, banned):
    """Plays one session: the last reply, and the command before it if that was not the end of the message."""
    with socket.create_connection(address, PATIENCE_SECONDS) as connection:
        lines = connection.makefile("rb")
        message = b"Subject: " + str(number).encode() + b"\r\nMIME-Version: 1.0\r\n" + (BANNED if banned else b"") + b"\r\nx\r\n."
        say = [b"EHLO load.example", b"MAIL FROM:<load@load.example>", b"RCPT TO:<sink@load.example>", b"DATA", message]
        reply = answer(lines)
        for at, words in enumerate(say):
            if reply[0] not in "23":
                return f"{reply} (before {words.split()[0].decode()})" if at < len(say) else reply
            connection.sendall(words + b"\r\n")
            reply = answer(lines)
        connection.sendall(b"QUIT\r\n")
        return reply


def answer(lines):
    while True:
        line = lines.readline().decode(errors="replace").rstrip()
        if not line:
            raise OSError("the connection was closed")
        if line[3:4] != "-":
            return line


def work(address, counts):
    while not counts.ends.is_set():
        number = counts.next()
        banned = number % 10 == 0
        try:
            reply = deliver(address, number, banned)
        except OSError as error:
            reply = f"no reply: {error}"
        counts.note(banned, reply)


def main():
    address = (sys.argv[1], int(sys.argv[2]))
    counts = Counts()
    threads = [threading.Thread(target=work, args=(address, counts)) for _ in range(int(sys.argv[3]))]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    counts.ends.set()
    for thread in threads:
        thread.join()
    names = ["sent", "queued", "refused", "lost", "unfiltered"]
    print(json.dumps({name: getattr(counts, name) for name in names}), flush=True)


if __name__ == "__main__":
    main()
