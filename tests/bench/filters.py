"""Builds, starts and stops the filters that are compared. Whatever is started is stopped by its process id."""

import os
import pathlib
import shlex
import socket
import string
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
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
    cargo = ["cargo", "build", "--release"]
    cargo += ["--example", "empty_indymilter"] + (["--bin", "mailward"] if with_mailward else [])
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    call(cargo, "does `cargo build --release` work?", cwd=ROOT, stdout=subprocess.DEVNULL)
    return {
        "libmilter": f"{libmilter} unix:{{socket}}",
        "indymilter": f"{shlex.quote(str(ROOT / target / 'examples/empty_indymilter'))} unix:{{socket}}",
        "mailward": f"{shlex.quote(str(ROOT / target / 'mailward'))} run -c {{config}}",
    }


def call(command, hint, **options):
    try:
        subprocess.run(command, check=True, **options)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotRun(f"{error}; {hint}") from error


def write_config(directory, name, template, socket_path, port):
    """Fills in a configuration of mailward; its path. The one called "plain" keeps no journal."""
    journal = "" if name == "plain" else directory / f"{name}.db"
    values = {"socket": socket_path, "port": port, "here": HERE, "journal": journal}
    text = string.Template((HERE / template).read_text()).substitute(values)
    path = directory / f"{name}-{template.removesuffix('.in')}"
    path.write_text(text)
    return path


class Filter:
    """One running filter."""

    def __init__(self, name, command, directory, template, port):
        self.name = name
        self.socket = directory / f"{name}.sock"
        self.socket.unlink(missing_ok=True)
        self.log = directory / f"{name}.log"
        config = write_config(directory, name, template, self.socket, port)
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
                self.running.append(Filter(name, command, directory, template, port))
            for one in self.running:
                one.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self.running

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for one in self.running:
            one.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for one in self.running:
            try:
                one.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()
