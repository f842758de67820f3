"""The systemd unit as a file: what systemd-analyze says of it, and the settings on which the promise to lose no mail stands."""

import re

from checks import ROOT, output, run

UNIT = ROOT / "packaging/systemd/mailward.service"
# In tenths: systemd's own scale of how much a service could do is 0 to 10.
EXPOSURE = 15
# Each by its reason: readiness, the rights of the data, no loop over a fault that stays, the kept listener, the drain.
SETTINGS = {
    "Type": "notify",
    "User": "mailward",
    "Group": "mailward",
    "ExecStartPre": "+/usr/sbin/mailward prepare",
    "StateDirectory": "mailward",
    "StateDirectoryMode": "0750",
    "StartLimitIntervalSec": "0",
    "Restart": "on-failure",
    "RestartSec": "1",
    "RestartPreventExitStatus": "64 78",
    "WatchdogSec": "30",
    "FileDescriptorStoreMax": "4",
    "ProtectSystem": "strict",
    "MemoryDenyWriteExecute": "yes",
    "CapabilityBoundingSet": "",
    "NoNewPrivileges": "yes",
}


def check(checks, binary, out):
    if run("systemd-analyze", "--version")[0] != 0:
        return checks.skip("the unit", "systemd-analyze is not installed")
    text = UNIT.read_text()
    # The program is not installed here.
    here = out / "mailward.service"
    here.write_text(text.replace("/usr/sbin/mailward", str(binary)))
    code, said = run("systemd-analyze", "verify", "--man=no", here)
    # Faults of the machine's own units stand beside ours.
    own = [line for line in said.splitlines() if "mailward" in line]
    checks.ok(not own, f"systemd-analyze verify finds nothing (exit code {code})", "\n".join(own))
    code, said = run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", here)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    level = found[1] if found else "unknown"
    checks.ok(code == 0 and found, f"systemd-analyze security: exposure {level}, at most {EXPOSURE / 10}", said)
    settings = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    for name, value in SETTINGS.items():
        checks.same(settings.get(name), value, f"{name}={value}")
    grace = output(binary, "man", "mailward.toml").replace("\\", "")
    checks.ok("shutdown_grace" in grace, "shutdown_grace is a key of the manual")
    checks.ok(int(settings["TimeoutStopSec"]) > 8, "TimeoutStopSec is above shutdown_grace")
