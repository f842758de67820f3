"""Clients that send at fixed times, however long answers take: what a stall does to the mails that come meanwhile."""

import statistics
import struct
import threading
import time

from filters import CannotRun
from greylist_tables import RECIPIENTS
from milter_client import Session, strings

CLIENTS = 8
# Recipients a second of each client.
RATE = 25


def replies(path, seconds, number):
    """Seconds from when each recipient was due to its answer; every recipient is a triplet that never came before."""
    late, faults = [], []
    threads = [
        threading.Thread(target=client, args=(path, seconds, f"{number}.{which}", which / CLIENTS / RATE, late, faults))
        for which in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise CannotRun(f"a paced client: {faults[0]}")
    return late


def client(path, seconds, name, offset, late, faults):
    try:
        with Session(path) as session:
            greet(session)
            begin = time.monotonic() + 0.1 + offset
            for count in range(seconds * RATE):
                if count % RECIPIENTS == 0:
                    session.send("A")
                    sender = f"user@s{name}.{count}.example".replace(".", "-", 2)
                    expect(session.event("M", {"{mail_addr}": sender}, strings(f"<{sender}>")), "c")
                due = begin + count / RATE
                time.sleep(max(0.0, due - time.monotonic()))
                recipient = f"rcpt{count}@example.org"
                expect(session.event("R", {"{rcpt_addr}": recipient}, strings(f"<{recipient}>")), "y")
                late.append(time.monotonic() - due)
            session.send("Q")
    except OSError as error:
        faults.append(error)


def greet(session):
    """As an unknown client with a verified name."""
    name, address = "mx.isp.example", "198.18.0.1"
    macros = {"{client_name}": name, "{client_addr}": address, "{client_ptr}": name, "{client_resolve}": "OK"}
    data = strings(name) + b"4" + struct.pack(">H", 40000) + strings(address)
    expect(session.event("C", {"{client_port}": "40000"} | macros, data), "c")
    expect(session.event("H", {}, strings(name)), "c")


def expect(answer, wanted):
    if answer[0] != wanted:
        raise OSError(f"the filter says {answer}, where {wanted!r} was expected")


def p99(values):
    return statistics.quantiles(values, n=100)[98]
