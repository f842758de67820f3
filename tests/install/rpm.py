"""The RPM as a file: what rpmlint says, what it holds, and that rpm can install it into a directory."""

import pathlib
import re
import shutil

from checks import ROOT, output, run
from package import HERE, contents, touches_postfix


def check(checks, binary, out):
    for tool in ("rpmbuild", "rpm"):
        if not shutil.which(tool):
            return checks.skip("the RPM", f"{tool} is not installed (package rpm)")
    code, said = run(ROOT / "packaging/build-rpm", "--out", out, "--binary", binary)
    if not checks.ok(code == 0, "packaging/build-rpm makes the package", said):
        return
    rpm = pathlib.Path(said.strip().splitlines()[-1])
    checks.ok(rpm.exists(), f"  {rpm.name} ({rpm.stat().st_size // 1024} KiB)")
    listing = output("rpm", "-qplv", "--nosignature", rpm)
    contents(checks, "\n".join(as_tar(line) for line in listing.splitlines()), HERE / "rpm.contents")
    settings(checks, rpm)
    lint(checks, rpm)
    install(checks, rpm, out)
    return rpm


def as_tar(line):
    """A line of rpm's listing in the form of tar's."""
    mode, _, user, group, size, month, day, year, path = line.split(None, 8)
    return f"{mode} {user}/{group} {size} {month}-{day} {year} .{path}"


def settings(checks, rpm):
    """What rpm is told, and the socket."""
    needs = output("rpm", "-qp", "--nosignature", "--requires", rpm)
    glibc = [tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_([0-9.]+)", needs)]
    checks.ok(glibc and max(glibc) <= (2, 34), f"it needs no newer libc than RHEL 9 has: {max(glibc, default=None)}")
    configs = output("rpm", "-qp", "--nosignature", "--configfiles", rpm).split()
    listed = output("rpm", "-qpl", "--nosignature", rpm).split()
    etc = [path for path in listed if path.startswith("/etc/") and path != "/etc/mailward"]
    checks.same(sorted(configs), sorted(etc), "every file below /etc is a configuration file")
    scripts = output("rpm", "-qp", "--nosignature", "--scripts", rpm)
    checks.ok("u mailward" in scripts, "the user is made before the files are unpacked")
    checks.same(touches_postfix(scripts), [], "no scriptlet touches main.cf")


def lint(checks, rpm):
    if not shutil.which("rpmlint"):
        return checks.skip("rpmlint", "it is not installed (package rpmlint)")
    _, said = run("rpmlint", "--config", ROOT / "packaging/rpm/rpmlint.toml", rpm)
    loud = [line for line in said.splitlines() if re.match(r"\S+: [EW]: ", line)]
    checks.same(loud, [], "rpmlint has neither an error nor a warning")
    checks.ok("1 packages" in said, "rpmlint has looked at it", said)


def install(checks, rpm, out):
    """Unpacks it by rpm itself below an empty directory; its scriptlets need a system of its kind."""
    root = out / "rpm-root"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    command = ["rpm", "--root", root, "--nosignature", "-i", "--nodeps", "--noscripts", "--ignorearch", rpm]
    code, said = run(*command)
    checks.ok(code == 0, "rpm -i installs it below an empty directory", said)
    config = root / "etc/mailward/mailward.toml"
    code, said = run(root / "usr/sbin/mailward", "check-config", "--strict", "-c", config)
    checks.ok(code == 0, "its configuration has neither a fault nor a warning", said)
    sockets = [line for line in config.read_text().splitlines() if line.startswith("socket =")]
    checks.same(sockets, ['socket = "inet:127.0.0.1:8895"'], "it listens on TCP, which SELinux lets Postfix reach")
    shutil.rmtree(root, ignore_errors=True)
