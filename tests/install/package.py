"""The .deb as a file: what lintian says, what it holds with which owners and rights, and that it can be made again."""

import difflib
import fnmatch
import hashlib
import os
import pathlib
import re

from checks import ROOT, Stop, output, run

HERE = pathlib.Path(__file__).resolve().parent


def build(binary, out, version=None, source=ROOT):
    """Packs a binary with the files of a checkout; the package's path."""
    command = [source / "packaging/build-deb", "--out", out, "--binary", binary]
    if version:
        command += ["--version", version]
    # Without the SOURCE_DATE_EPOCH of whoever calls: the changelog's date counts.
    return pathlib.Path(output(*command, env={k: v for k, v in os.environ.items() if k != "SOURCE_DATE_EPOCH"}).strip())


def check(checks, deb, binary, out):
    """All that can be said of a package without installing it."""
    lint(checks, deb)
    contents(checks, output("dpkg-deb", "--contents", deb), HERE / "deb.contents")
    control(checks, deb)
    (out / "again").mkdir(exist_ok=True)
    again = build(binary, out / "again")
    sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (deb, again)]
    checks.same(sums[1], sums[0], "made twice, it is the same to the last byte")


def lint(checks, deb):
    if run("lintian", "--version")[0] != 0:
        return checks.skip("lintian", "it is not installed")
    _, said = run("lintian", "--allow-root", "--pedantic", "--display-info", "--tag-display-limit", "0", deb)
    loud = [line for line in said.splitlines() if re.match(r"[EW]:", line)]
    checks.same(loud, [], "lintian has neither an error nor a warning")
    for line in said.splitlines():
        print(f"      {line}")


def contents(checks, listing, path):
    """Compares a listing as `tar -tv` prints it with the list that is checked in: rights, owner, path.

    A line of the list may hold `*`, and must then stand for at least one file. UPDATE_CASES=1 writes the list anew.
    """
    found = []
    for line in listing.splitlines():
        fields = line.split(None, 5)
        found.append(f"{fields[0]} {fields[1]} {fields[5]}")
    found.sort(key=lambda line: line.split(" ", 2)[2])
    if os.environ.get("UPDATE_CASES"):
        page = re.compile(r"(.*/man1/mailward)-.*")
        collapsed = [page.sub(r"\1-*.1.gz", line) for line in found]
        path.write_text("".join(f"{line}\n" for line in dict.fromkeys(collapsed)))
    wanted = path.read_text().splitlines()
    patterns = [line for line in wanted if "*" in line]
    for pattern in patterns:
        standing = [line for line in found if fnmatch.fnmatchcase(line, pattern)]
        found = [line for line in found if line not in standing] + ([pattern] if standing else [])
    difference = difflib.unified_diff(sorted(wanted), sorted(found), "wanted", "found", lineterm="", n=0)
    checks.ok(sorted(wanted) == sorted(found), f"its files, owners and rights are those of {path.name}", "\n".join(difference))


def control(checks, deb):
    """What dpkg is told."""
    name, version, depends = (output("dpkg-deb", "--field", deb, field).strip() for field in ("Package", "Version", "Depends"))
    changelog = ROOT / "packaging/debian/changelog"
    checks.same(name, "mailward", "its name")
    checks.same(version, output("dpkg-parsechangelog", "-l", changelog, "-S", "Version").strip(), "its version")
    libc = re.search(r"libc6 \(>= ([0-9.]+)\)", depends)
    old = libc and tuple(map(int, libc[1].split("."))) <= (2, 36)
    checks.ok(old, f"it needs no newer libc than Debian 12 has: {depends}")
    checks.ok("systemd-sysusers" in depends, "it depends on what its postinst calls: systemd-sysusers")
    listed = output("dpkg-deb", "--info", deb, "conffiles").split()
    below = [line.split()[5][1:] for line in output("dpkg-deb", "--contents", deb).splitlines() if line[0] == "-"]
    etc = [path for path in below if path.startswith("/etc/")]
    checks.same(sorted(listed), sorted(etc), "every file below /etc is a conffile, and no other")
    for script in ("postinst", "prerm", "postrm"):
        text = output("dpkg-deb", "--info", deb, script)
        checks.same(touches_postfix(text), [], f"{script} does not touch main.cf")
        path = ROOT / "packaging/debian" / script
        code, said = run("sh", "-n", path)
        checks.ok(code == 0 and "set -e" in text, f"{script} is a shell script that stops at a fault", said)


def touches_postfix(script):
    """The lines of a script that do more than speak of Postfix's configuration."""
    lines = [line for line in script.splitlines() if "main.cf" in line or "postconf" in line]
    return [line for line in lines if not line.lstrip().startswith(("#", "echo "))]


def must_build(checks, binary, out):
    """The package, or the end."""
    try:
        deb = build(binary, out)
    except SystemExit as end:
        raise Stop(str(end)) from end
    checks.ok(deb.exists(), f"packaging/build-deb makes {deb.name} ({deb.stat().st_size // 1024} KiB)")
    return deb
