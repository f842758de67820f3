"""The load generator: a program that plays the MTA's side of the milter protocol. README.md says what it must know."""

import json
import subprocess
import time

from filters import CannotRun

MISSING = """\
{} needs the load generator milterload: a program that speaks the MTA's side of the milter protocol,
as Postfix does. Build it, and name it with --milterload PATH or in $MILTERLOAD. What it must know is in README.md."""


def load(milterload, one, *more):
    """Runs the load generator against a filter; what it measured."""
    command = [milterload, "--to", f"unix:{one.socket}", "--pid", str(one.pid), *map(str, more)]
    before, started = cpu_seconds(one.pid), time.monotonic()
    try:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        figures = json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise CannotRun(f"the load generator against {one.name}: {error}") from error
    one.check_alive()
    figures["cpu_seconds"] = cpu_seconds(one.pid) - before
    figures["seconds"] = time.monotonic() - started
    return figures


def cpu_seconds(pid):
    """CPU time of all threads of a process by the kernel's clock of that process, whose number is made as in
    clock_getcpuclockid(3): in nanoseconds, where /proc counts hundredths of a second."""
    return time.clock_gettime((~pid << 3) | 2)


def expect_ends(one, figures, end, count=None):
    """A session that ends early is cheaper, so its figure would say nothing."""
    if figures["ends"] != {end: count or figures["sessions"]}:
        raise CannotRun(f"{one.name}: not every session ended with `{end}`: {figures['ends']}")
