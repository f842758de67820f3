"""A container with a running systemd and a network of its own that holds nothing but loopback."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import time

import image
from checks import Stop

# Longer than a busy machine takes to boot, and for any one command inside.
BOOT_SECONDS = 120
COMMAND_SECONDS = 300
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "HOME": "/root",
}
# What changes in a running system without anybody's doing, and what dpkg notes about packages.
RESTLESS = [
    "dev", "proc", "sys", "run", "tmp", "var/tmp", "var/log", "var/cache", "var/lib/dpkg", "var/lib/apt", "var/lib/systemd",
    "var/lib/postfix", "var/backups", "etc/.pwd.lock", "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/passwd-",
    "etc/group-", "etc/shadow-", "etc/gshadow-", "var/spool/postfix",
]  # fmt: skip


def skip_reason():
    """Why no container can be booted here."""
    if os.geteuid() != 0:
        return "only root can boot one"
    for tool, package in [("debootstrap", "debootstrap"), ("systemd-nspawn", "systemd-container"), ("nsenter", "util-linux")]:
        if not shutil.which(tool):
            return f"{tool} is not installed (package {package})"
    if subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], stderr=subprocess.DEVNULL).returncode:
        return "this system does not let root make namespaces"
    return None


class Container:
    """A booted copy of a release; `with` stops it and removes the copy."""

    def __init__(self, release, name):
        self.root = image.fresh(release, name)
        self.release = release
        self.process = None
        self.leader = None

    def __enter__(self):
        try:
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            if self.leader:
                self.run("systemctl", "poweroff", "--no-block")
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.terminate()
                self.process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def boot(self):
        """Starts systemd and waits until it has started what it has to."""
        command = ["systemd-nspawn", "--register=no", "--keep-unit", "--quiet", "-D", self.root, "-b", "--private-network"]
        command += ["--console=pipe", "--resolv-conf=off", "--timezone=off"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            if children:
                self.leader = children[0]
                # Until systemd has its bus, this fails at once.
                state = self.run("systemctl", "is-system-running", "--wait")[1].strip()
                if state in ("running", "degraded"):
                    self.must("ip", "link", "set", "lo", "up")
                    return
            time.sleep(0.2)
        raise Stop(f"{self.release} did not boot (systemd-nspawn: {self.process.poll()})")

    def namespaces(self):
        """The words before a command that enter the container as it sees itself."""
        return ["nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", "--"]

    def network(self):
        """The words before a command of this machine that shall see the container's network only."""
        return ["nsenter", "-t", self.leader, "-n", "--"]

    def run(self, *command):
        """Runs a command inside: exit code, and what it printed to both outputs."""
        done = subprocess.run(
            self.namespaces() + [str(word) for word in command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT,
            timeout=COMMAND_SECONDS, encoding="utf-8", errors="replace",
        )  # fmt: skip
        return done.returncode, done.stdout

    def must(self, *command):
        """What a command printed that must work."""
        code, said = self.run(*command)
        if code != 0:
            raise Stop(f"{' '.join(map(str, command))}: exit code {code}\n{said}")
        return said

    def path(self, inside):
        """A path of the container as this machine sees it."""
        return self.root / inside.lstrip("/")

    def put(self, file, inside):
        shutil.copy(file, self.path(inside))

    def digest(self, *insides):
        """One sum over the files' contents."""
        return hashlib.sha256(b"\0".join(self.path(inside).read_bytes() for inside in insides)).hexdigest()

    def files(self):
        """Every path with owner, rights and, for a file, its sum; without what is restless."""
        found = {}
        for directory, names, files in os.walk(self.root):
            below = pathlib.Path(directory).relative_to(self.root)
            names[:] = [name for name in names if str(below / name) not in RESTLESS]
            for name in names + files:
                inside = str(below / name)
                if inside not in RESTLESS:
                    found[inside] = self.described(inside)
        return found

    def described(self, inside):
        path = self.root / inside
        stat = path.lstat()
        if path.is_symlink():
            return f"link to {os.readlink(path)}"
        content = hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else "-"
        return f"{stat.st_uid}:{stat.st_gid} {stat.st_mode:o} {content}"

    def rights(self, inside):
        """Owner, group and mode of a path, by the container's names; empty if there is none."""
        code, said = self.run("stat", "-c", "%U:%G %a", inside)
        return said.strip() if code == 0 else ""
