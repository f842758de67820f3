"""Debian in a directory: the roots that the containers boot from.

A root is made once per release by debootstrap and kept, with the mail servers' packages in its cache of packages, since a
container has no network. It lies below $MAILWARD_IMAGES, or /var/tmp/mailward-images.
"""

import os
import pathlib
import shutil
import subprocess
import sys

MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
# What a container needs to boot, to be looked into, and to be given an address.
INCLUDE = "systemd,systemd-sysv,dbus,iproute2,init-system-helpers"
# What is installed in the container, each from the cache and without the other.
SERVERS = ["postfix", "sendmail-bin"]


class Unavailable(Exception):
    """There is no root, and why."""


def images():
    return pathlib.Path(os.environ.get("MAILWARD_IMAGES", "/var/tmp/mailward-images"))


def base(release):
    """The release's root, made if there is none."""
    root = images() / release
    if root.is_dir():
        return root
    images().mkdir(parents=True, exist_ok=True)
    new = images() / f"{release}.new"
    shutil.rmtree(new, ignore_errors=True)
    command = ["debootstrap", "--variant=minbase", f"--include={INCLUDE}", release, str(new), MIRROR]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise Unavailable(f"debootstrap {release}: {done.stdout.decode(errors='replace').strip().splitlines()[-1]}")
    shutil.copy("/etc/resolv.conf", new / "etc/resolv.conf")
    subprocess.run(["chroot", str(new), "apt-get", "clean"], check=True)
    for server in SERVERS:
        fetch = ["apt-get", "install", "-qy", "--no-install-recommends", "--download-only", server]
        subprocess.run(["chroot", str(new), *fetch], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    (new / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    new.rename(root)
    return root


def fresh(release, name):
    """A copy of the release's root, to be changed and thrown away."""
    origin = base(release)
    root = images() / f"{release}-{name}-{os.getpid()}"
    subprocess.run(["cp", "-a", "--reflink=auto", str(origin), str(root)], check=True)
    return root


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(base(argument))
