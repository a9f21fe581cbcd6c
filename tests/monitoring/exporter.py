"""node_exporter on a lab's host, and errors for it to tell of: started at each boot by /etc/rc.local, asked over the bridge."""

import shutil
import subprocess
from collections.abc import Sequence

from rollout.lab import Lab

PORT = 9100
METRICS = "/var/lib/node_exporter"
"""On the host: a `*.prom` file here is exposed (the textfile collector)."""

_PROGRAM = "prometheus-node-exporter"
_COLLECTORS = ("textfile", "uname", "stat", "loadavg", "netdev")
_OPTIONS = " ".join(
    [
        f"--web.listen-address=:{PORT} --collector.disable-defaults --log.level=error",
        *(f"--collector.{name}" for name in _COLLECTORS),
        f"--collector.textfile.directory={METRICS}",
    ]
)
ERRORS = "/etc/errors-per-second"
"""On the host: how many errors it makes in each second, besides a few that any host makes. No such file: none."""

_COUNTER = f"""\
import os, random, time
total = requests = 0.0
while True:
    try:
        rate = float(open("{ERRORS}").read())
    except (OSError, ValueError):
        rate = 0.0
    total += rate / 2 + (random.random() < 0.1)
    requests += 50
    with open("{METRICS}/errors.new", "w") as file:
        file.write(f"requests_total {{requests:.0f}}\\n")
        file.write(f"kernel_errors_total {{total:.0f}}\\n")
    os.rename("{METRICS}/errors.new", "{METRICS}/errors.prom")
    time.sleep(0.5)
"""
"""What counts the host's errors since its boot, as a kernel would: `kernel_errors_total`; and a hundred requests a second: `requests_total`."""

_INSTALL = f"""set -e
cat >/usr/local/bin/{_PROGRAM}
chmod 755 /usr/local/bin/{_PROGRAM}
mkdir -p {METRICS}
cat >/usr/local/bin/count-errors <<'end'
{_COUNTER}
end
cat >/etc/rc.local <<'end'
#!/bin/sh
GOMAXPROCS=1 setsid /usr/local/bin/{_PROGRAM} {_OPTIONS} </dev/null >/dev/null 2>&1 &
setsid python3 -I /usr/local/bin/count-errors </dev/null >/dev/null 2>&1 &
end
chmod 755 /etc/rc.local
exec /etc/rc.local
"""


def install(lab: Lab, hosts: Sequence[str]) -> None:
    """Put the machine's own node_exporter on each host and start it, through the hosts' consoles."""
    program = shutil.which(_PROGRAM)
    if program is None:
        raise FileNotFoundError(f"{_PROGRAM} is not installed: .ci/setup installs it")
    for host in hosts:
        with open(program, "rb") as binary:  # noqa: PTH123  a handle for the console's standard input
            subprocess.run(lab.on(host, ["sh", "-c", _INSTALL]), stdin=binary, check=True, timeout=60)
