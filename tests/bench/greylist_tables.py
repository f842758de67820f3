"""Fills greylists of any size in the schema that mailward has made, with the names of the load generator's sessions.

Session number N of the load generator comes from `mx.ispX.example` in 198.18.0.0/15, with the sender `user@sN.example`;
X, the address and the recipient look random and depend on N only. Rows are inserted in an order that has nothing to do
with that of the numbers: neighbours in a run of the load generator are no neighbours in the file.
"""

import contextlib
import math
import sqlite3
import time

HOUR = 3_600
# What makes the load generator use these names.
NAMES = ["--client-name", "mx.isp{n}.example", "--from", "user@s{n}.example", "--nets", 131_072]
# Of a message that has several.
RECIPIENTS = 10
# The sessions of known clients, and those that nobody has seen.
KNOWN_FIRST = 1_000_000_000
NEW_FIRST = 2_000_000_000
MASK = (1 << 64) - 1
INSERT = (
    "INSERT INTO greylist (client, sender, recipient, first_seen, last_seen, passed_at, deferred, passed, "
    "last_ip, last_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
INSERT_KNOWN = (
    "INSERT INTO known_client (client, sender_domain, passes, last_pass, first_seen, last_seen, hits) "
    "VALUES (?, ?, 1, ?, ?, ?, 1)"
)


def fill(path, passed, waiting, known, waiting_hours):
    """Puts so many rows of each kind into an empty greylist; `waiting_hours`: how long ago the first and the last of
    those that wait came. How many bytes a row and a known client take, indices and free space included."""
    now = int(time.time())
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -4000000; PRAGMA wal_autocheckpoint = 0")
        before = size(database)
        database.execute("BEGIN")
        database.executemany(INSERT, rows(passed, waiting, waiting_hours, now))
        between = size(database)
        database.executemany(INSERT_KNOWN, known_clients(known, now))
        after = size(database)
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return {
        "greylist_bytes_per_row": (between - before) / max(1, passed + waiting),
        "known_client_bytes_per_row": (after - between) / max(1, known),
    }


def size(database):
    return database.execute("PRAGMA page_count").fetchone()[0] * database.execute("PRAGMA page_size").fetchone()[0]


def rows(passed, waiting, waiting_hours, now):
    """Both kinds in turns."""
    oldest, newest = (now - hours * HOUR for hours in waiting_hours)
    one, other = shuffled(0, passed), enumerate(shuffled(passed, waiting))
    for _ in range(max(passed, waiting)):
        for number in next_of(one):
            isp, address, sender, recipient = names(number)
            client, name = f"ptr:isp{isp}.example", f"mx.isp{isp}.example"
            yield client, sender, recipient, now - 600, now, now - 300, 1, 1, address, name
        for index, number in next_of(other):
            _, address, sender, recipient = names(number)
            first = oldest + index * (newest - oldest) // waiting
            client = address.rsplit(".", 1)[0] + ".0/24"
            yield client, sender, recipient, first, first, None, 1, 0, address, None


def known_clients(count, now):
    for number in shuffled(KNOWN_FIRST, count):
        yield f"ptr:isp{names(number)[0]}.example", f"s{number}.example", now - 300, now - 300, now


def next_of(items):
    """None or one."""
    for item in items:
        yield item
        return


def names(number):
    """The number in the client's name, its address, sender and recipient, as the load generator makes them."""
    looks_random = word(number)
    net = word(number * 31 & MASK) % 131_072
    address = f"198.{18 + (net >> 16)}.{net >> 8 & 255}.{net & 255}"
    return looks_random % 100_000, address, f"user@s{number}.example", f"rcpt{(looks_random >> 7) % 5_000}@example.org"


def word(number):
    """splitmix64 (Steele, Lea and Flood, 2014)."""
    z = (number + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def shuffled(first, count):
    """So many numbers from `first` on, each once."""
    step = round(count * 0.618) or 1
    while math.gcd(step, count) != 1:
        step += 1
    return (first + index * step % count for index in range(count))
