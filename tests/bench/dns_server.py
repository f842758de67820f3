"""A small DNS server on loopback that finds everything: its answers are made up from the question.

A, AAAA, MX and PTR of any name exist, all other types have no records. Labels in the name change that:
`only-mx` and `only-aaaa` leave one type; `slow` delays every answer, `slow-mx` only that of the MX question.
"""

import asyncio
import ipaddress
import struct
import threading

TYPES = {1: "a", 12: "ptr", 15: "mx", 28: "aaaa"}
SOA = 6
TTL = 86400


def name_bytes(name):
    """A name in the wire format of RFC 1035 3.1."""
    labels = [label.encode("latin-1") for label in name.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


RECORDS = {
    "a": ipaddress.ip_address("192.0.2.1").packed,
    "aaaa": ipaddress.ip_address("2001:db8::1").packed,
    "mx": struct.pack(">H", 10) + name_bytes("mx.example.net"),
    "ptr": name_bytes("mail.example.net"),
}
SOA_RECORD = (
    name_bytes("ns.example.net") + name_bytes("hostmaster.example.net") + struct.pack(">5L", 1, TTL, TTL, TTL, TTL)
)


def read_question(query):
    """The labels (lower case), the type and the end of a query's question."""
    labels, at = [], 12
    while query[at]:
        length = query[at]
        if length > 63:
            raise ValueError("a compressed name in a question")
        labels.append(query[at + 1 : at + 1 + length].decode("latin-1").lower())
        at += 1 + length
    (number,) = struct.unpack_from(">H", query, at + 1)
    return labels, number, at + 5


def answer(query, labels, number, end):
    """The reply: one record, or none with the SOA that lets a resolver cache that."""
    kind = TYPES.get(number)
    only = [label[len("only-") :] for label in labels if label.startswith("only-")]
    found = kind in RECORDS and (not only or kind in only)
    data = RECORDS[kind] if found else SOA_RECORD
    header = query[:2] + struct.pack(">5H", 0x8580, 1, int(found), int(not found), 0)
    # 0xc00c points at the question's name; the SOA stands at the root, so that it covers every name.
    owner = b"\xc0\x0c" if found else b"\0"
    return header + query[12:end] + owner + struct.pack(">HHLH", number if found else SOA, 1, TTL, len(data)) + data


class DnsServer(asyncio.DatagramProtocol):
    """The server in its own thread; `questions` and `delayed` count what was asked."""

    def __init__(self, delay):
        self.delay = delay
        self.questions = 0
        self.delayed = 0
        self.port = None
        self.transport = None
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.ready.wait()
        if self.port is None:
            raise OSError("no UDP port on 127.0.0.1")
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def serve(self):
        try:
            opening = self.loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
            self.transport, _ = self.loop.run_until_complete(opening)
            self.port = self.transport.get_extra_info("sockname")[1]
        finally:
            self.ready.set()
        self.loop.run_forever()
        self.transport.close()

    def datagram_received(self, query, client):
        try:
            labels, number, end = read_question(query)
        except (IndexError, ValueError, struct.error):
            return
        self.questions += 1
        reply = answer(query, labels, number, end)
        if "slow" in labels or f"slow-{TYPES.get(number)}" in labels:
            self.delayed += 1
            self.loop.call_later(self.delay, self.transport.sendto, reply, client)
        else:
            self.transport.sendto(reply, client)
