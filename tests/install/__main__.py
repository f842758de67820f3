"""Plays the parts of tests/install.sh, which sees to the programs they need."""

import argparse
import pathlib
import signal
import sys
import tempfile

import bans
import container
import image
import late
import lifecycle
import package
import rpm
import sendmail
import unit
from checks import Checks, Stop

TITLES = {
    "deb": "the .deb",
    "unit": "the unit",
    "rpm": "the RPM",
    "bans": "fail2ban",
    "bookworm": "Debian 12 with Postfix",
    "trixie": "Debian 13 with Postfix",
    "sendmail": "Debian 12 with Sendmail",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("parts", nargs="*", choices=list(TITLES))
    arguments = parser.parse_args()
    # An interrupt or a kill stops the containers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="mailward-install-") as name:
        out = pathlib.Path(name)
        for part in arguments.parts:
            checks.part(TITLES[part])
            try:
                play(checks, part, arguments.binary, out)
            except image.Unavailable as why:
                checks.skip(TITLES[part], why)
            except Stop as stop:
                checks.ok(False, f"{TITLES[part]}: what comes after could not be played", stop)
    return checks.end()


def play(checks, part, binary, out):
    if part == "unit":
        return unit.check(checks, binary, out)
    if part == "rpm":
        return rpm.check(checks, binary, out)
    if part == "bans":
        return bans.check(checks, binary)
    deb = package.must_build(checks, binary, out)
    if part == "deb":
        return package.check(checks, deb, binary, out)
    if why := container.skip_reason():
        return checks.skip(TITLES[part], why)
    if part == "sendmail":
        return sendmail.play(checks, "bookworm", deb)
    lifecycle.play(checks, part, deb, binary, out)
    late.play(checks, part, deb)


sys.exit(main())
