"""One SMTP session as Postfix tells it to a milter (protocol version 6), up to the answer at RCPT TO."""

import socket
import struct
import time

VERSION = 6
ALL_ACTIONS = 0x1FF
ALL_OPTIONS = 0x1FFFFF
# What a filter can negotiate away: the event itself (SMFIP_NO*) or only its answer (SMFIP_NR_*).
NO_EVENT = {"C": 0x1, "H": 0x2, "M": 0x4, "R": 0x8}
NO_REPLY = {"C": 0x1000, "H": 0x2000, "M": 0x4000, "R": 0x8000}
TIMEOUT_SECONDS = 30


def strings(*values):
    return b"".join(value.encode() + b"\0" for value in values)


class Session:
    """A milter connection of one SMTP session."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_SECONDS)
        self.socket.connect(path)
        self.send("O", struct.pack(">3L", VERSION, ALL_ACTIONS, ALL_OPTIONS))
        kind, data = self.receive()
        if kind != "O" or len(data) < 12:
            raise OSError(f"answer to the negotiation: {kind!r}")
        self.options = struct.unpack_from(">L", data, 8)[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, kind, data=b""):
        self.socket.sendall(struct.pack(">L", len(data) + 1) + kind.encode() + data)

    def receive(self):
        (size,) = struct.unpack(">L", self.exactly(4))
        packet = self.exactly(size)
        return chr(packet[0]), packet[1:]

    def exactly(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise OSError("the filter closed the connection")
            data += part
        return data

    def event(self, kind, macros, data):
        """Sends an event with its macros; the answer, `c` (continue) where none is due."""
        if self.options & NO_EVENT[kind]:
            return "c", b""
        self.send("D", kind.encode() + strings(*(part for pair in macros.items() for part in pair)))
        self.send(kind, data)
        if self.options & NO_REPLY[kind]:
            return "c", b""
        while True:
            answer = self.receive()
            if answer[0] != "p":  # SMFIR_PROGRESS: not an answer yet
                return answer


def rcpt_answer(path, helo, sender, recipient):
    """Plays a session; the answer at RCPT TO (or the first one before it that is not "continue"), and its seconds."""
    client = {
        "{client_name}": "mail.example.net",
        "{client_addr}": "192.0.2.25",
        "{client_ptr}": "mail.example.net",
        "{client_resolve}": "OK",
        "{client_port}": "40000",
        "{client_connections}": "1",
    }
    mail = {"{mail_mailer}": "smtp", "{mail_host}": "", "{mail_addr}": sender}
    rcpt = {"{rcpt_mailer}": "relay", "{rcpt_host}": "", "{rcpt_addr}": recipient, "i": "4XB1BENCHz1"}
    address = strings("mail.example.net") + b"4" + struct.pack(">H", 40000) + strings("192.0.2.25")
    events = [
        ("C", {"j": "mx.example.org", "v": "Postfix 3.7.11", "{daemon_name}": "mx.example.org"} | client, address),
        ("H", {}, strings(helo)),
        ("M", mail, strings(f"<{sender}>")),
        ("R", rcpt, strings(f"<{recipient}>")),
    ]
    with Session(path) as session:
        started = time.perf_counter()
        for kind, macros, data in events:
            answer = session.event(kind, macros, data)
            if answer[0] != "c":
                break
        seconds = time.perf_counter() - started
        session.send("Q")
    return answer, seconds
