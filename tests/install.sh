#!/bin/bash
# The packages: what they hold, and what they do to a system.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'END'
Usage: tests/install.sh [--containers | --no-containers] [--binary FILE] [PART…]

Builds the .deb and the RPM and checks them as files: lintian, rpmlint, lists of
their files, the unit, fail2ban. Then, if packaging/ or src/server/ differ from
the last landed state or with --containers, the .deb is installed in containers
with a running systemd, where it is attached to Postfix, restarted and upgraded
under load, removed and purged. tests/install/README says what each part proves.

  --containers      the containers in any case
  --no-containers   only the files
  --binary FILE     test this binary instead of building one
  PART              only these: deb, unit, rpm, bans (fail2ban), bookworm, trixie,
                    sendmail

The last landed state is $LANDED, else origin/main, else main; when that is the
commit at hand, its parent. As root on Debian missing packages are installed.
UPDATE_CASES=1 writes the lists of files anew.

Example: tests/install.sh --containers bookworm
END
}

containers=auto binary= parts=()
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage && exit ;;
    --containers) containers=yes && shift ;;
    --no-containers) containers=no && shift ;;
    --binary) binary=$2 && shift 2 ;;
    deb | unit | rpm | bans | bookworm | trixie | sendmail) parts+=("$1") && shift ;;
    *) usage >&2 && exit 64 ;;
    esac
done

git() { command git -c safe.directory="$PWD" "$@"; }

# Whether something that the containers try out differs from the last landed state; unknown counts as yes.
changed() {
    local landed='' ref
    for ref in "${LANDED-}" origin/main main; do
        if [ -n "$ref" ] && landed=$(git merge-base HEAD "$ref" 2>/dev/null); then break; fi
    done
    if [ "$landed" = "$(git rev-parse HEAD)" ]; then
        landed=$(git rev-parse --verify -q HEAD^) || return 0
    fi
    [ -n "$landed" ] || return 0
    echo "tests/install.sh: compared with ${landed:0:10}"
    ! git diff --quiet "$landed" -- packaging src/server tests/install tests/install.sh
}

static=(deb unit rpm bans) booted=(bookworm trixie sendmail)
if [ ${#parts[@]} = 0 ]; then
    parts=("${static[@]}")
    if [ $containers = yes ] || { [ $containers = auto ] && changed; }; then
        parts+=("${booted[@]}")
    else
        echo 'tests/install.sh: the containers are not asked for; --containers plays them'
    fi
fi

packages=(dpkg-dev python3)
for part in "${parts[@]}"; do
    case $part in
    deb) packages+=(lintian) ;;
    unit) packages+=(systemd) ;;
    rpm) packages+=(rpm rpmlint binutils) ;;
    bans) packages+=(fail2ban) ;;
    *) packages+=(debootstrap systemd-container iproute2) ;;
    esac
done
tests/debian-packages "${packages[@]}"

if [ -z "$binary" ]; then
    cargo build --release --locked
    binary=${CARGO_TARGET_DIR:-target}/release/mailward
fi

exec python3 -B tests/install --binary "$(realpath "$binary")" "${parts[@]}"
