"""What holds and what does not: one printed line per assertion, and the exit code at the end."""

import pathlib
import subprocess
import sys
import time


ROOT = pathlib.Path(__file__).resolve().parents[2]


class Stop(Exception):
    """A step without which nothing after it makes sense."""


class Checks:
    """Counts assertions of one part of the test."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def part(self, title):
        say(f"\n== {title}")

    def ok(self, holds, what, detail=""):
        """Prints `ok` or `FAIL`; the detail only for a failure."""
        if holds:
            self.passed += 1
            say(f"ok    {what}")
        else:
            self.failed.append(what)
            say(f"FAIL  {what}")
            for line in str(detail).rstrip().splitlines():
                say(f"      {line}")
        return holds

    def same(self, got, wanted, what):
        """The value is the one wanted."""
        return self.ok(got == wanted, what, f"wanted {wanted!r}\ngot    {got!r}")

    def must(self, holds, what, detail=""):
        """As `ok`, and ends the part if it does not hold."""
        if not self.ok(holds, what, detail):
            raise Stop(what)

    def skip(self, what, why):
        self.skipped.append(what)
        say(f"SKIPPED {what}: {why}")

    def end(self):
        """Prints the sums; the exit code."""
        say(f"\n{self.passed} ok, {len(self.failed)} failed, {len(self.skipped)} skipped")
        for what in self.failed:
            say(f"FAIL  {what}")
        return 1 if self.failed else 0


def eventually(value, wanted, seconds=30):
    """The value once it is the one wanted, or the last one when time is up."""
    deadline = time.monotonic() + seconds
    while (found := value()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def say(line):
    print(line, flush=True)


def run(*command, **options):
    """Runs a command on this machine: exit code, and what it printed to both outputs."""
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        **options,
    )
    return done.returncode, done.stdout


def output(*command, **options):
    """What a command that must work printed to its standard output."""
    done = subprocess.run(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, encoding="utf-8", **options
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}")
    return done.stdout
