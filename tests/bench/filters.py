"""Builds, starts and stops the filters that are compared, and reports. What is started is stopped by its process id."""

import json
import os
import pathlib
import shlex
import socket
import string
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EX_UNAVAILABLE = 69
START_SECONDS = 20
# libmilter looks for a signal only every five seconds.
STOP_SECONDS = 12


class CannotRun(Exception):
    """Something that a measurement needs could not be run; the message says what."""


def build(directory, with_mailward):
    """Compiles the filters; the commands that start the C filter, the Rust filter and mailward."""
    libmilter = directory / "empty_libmilter"
    source = HERE / "empty_libmilter.c"
    call(["gcc", "-O2", "-Wall", "-o", libmilter, source, "-lmilter", "-lpthread"], "is libmilter-dev installed?")
    release = cargo(["--example", "empty_indymilter"] + (["--bin", "mailward"] if with_mailward else []))
    return {
        "libmilter": f"{libmilter} unix:{{socket}}",
        "indymilter": run_indymilter(release),
        "mailward": run_mailward(release),
    }


def build_indymilter():
    """Compiles the Rust filter; the command that starts it."""
    return run_indymilter(cargo(["--example", "empty_indymilter"]))


def run_indymilter(release):
    return f"{shlex.quote(str(release / 'examples/empty_indymilter'))} unix:{{socket}}"


def build_mailward():
    """Compiles mailward; the command that starts it."""
    return run_mailward(cargo(["--bin", "mailward"]))


def run_mailward(release):
    return f"{shlex.quote(str(release / 'mailward'))} run -c {{config}}"


def cargo(targets):
    """Compiles what is named; the directory where it is."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    command = ["cargo", "build", "--release", *targets]
    call(command, "does `cargo build --release` work?", cwd=ROOT, stdout=subprocess.DEVNULL)
    return ROOT / target / "release"


def call(command, hint, **options):
    try:
        subprocess.run(command, check=True, **options)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotRun(f"{error}; {hint}") from error


def write_config(directory, name, template, **values):
    """Fills in a configuration of mailward; its path. The one called "plain" keeps no journal."""
    journal = "" if name == "plain" else directory / f"{name}.db"
    text = string.Template((HERE / template).read_text()).substitute(values, here=HERE, journal=journal)
    path = directory / f"{name}-{template.removesuffix('.in')}"
    path.write_text(text)
    return path


class Filter:
    """One running filter."""

    def __init__(self, name, command, directory, template, **values):
        self.name = name
        self.socket = directory / f"{name}.sock"
        self.socket.unlink(missing_ok=True)
        self.log = directory / f"{name}.log"
        config = write_config(directory, name, template, socket=self.socket, **values)
        words = [word.format(socket=self.socket, config=config) for word in shlex.split(command)]
        environment = os.environ | {"STATE_DIRECTORY": str(directory)}
        environment.pop("NOTIFY_SOCKET", None)
        try:
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
                )
        except OSError as error:
            raise CannotRun(f"{name}: {error}") from error
        self.pid = self.process.pid

    def wait_ready(self):
        """Waits until it takes connections."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(self.socket))
                    return
                except OSError:
                    time.sleep(0.02)
        log = self.log.read_text(errors="replace")[-2000:]
        raise CannotRun(f"{self.name} does not listen on {self.socket}; it said:\n{log}")

    def check_alive(self):
        if self.process.poll() is not None:
            log = self.log.read_text(errors="replace")[-2000:]
            raise CannotRun(f"{self.name} ended with status {self.process.returncode}; it said:\n{log}")


class Filters:
    """The filters of one measurement, started fresh."""

    def __init__(self, commands, directory, template, port):
        self.arguments = commands, directory, template, port
        self.running = []

    def __enter__(self):
        commands, directory, template, port = self.arguments
        try:
            for name, command in commands.items():
                self.running.append(Filter(name, command, directory, template, port=port))
            for one in self.running:
                one.wait_ready()
        except BaseException:
            stop(self.running)
            raise
        return self.running

    def __exit__(self, *_):
        stop(self.running)


def stop(running):
    """Asks all to end, and ends what does not."""
    for one in running:
        one.process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for one in running:
        try:
            one.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()


def say(text):
    print(text, file=sys.stderr, flush=True)


def report(results, faults, printers, as_json):
    """Prints what was measured, and what could not be; the exit code."""
    if as_json:
        print(json.dumps(results | {"could_not_run": faults}, indent=2))
    else:
        for part, figures in results.items():
            printers[part](figures)
    for part, fault in faults.items():
        say(f"{part}: could not be run: {fault}")
    return EX_UNAVAILABLE if faults else 0
