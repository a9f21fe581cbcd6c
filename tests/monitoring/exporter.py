"""node_exporter on a lab's host: started at each boot by /etc/rc.local, asked over the bridge."""

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
_INSTALL = f"""set -e
cat >/usr/local/bin/{_PROGRAM}
chmod 755 /usr/local/bin/{_PROGRAM}
mkdir -p {METRICS}
cat >/etc/rc.local <<'end'
#!/bin/sh
GOMAXPROCS=1 setsid /usr/local/bin/{_PROGRAM} {_OPTIONS} </dev/null >/dev/null 2>&1 &
end
chmod 755 /etc/rc.local
exec /etc/rc.local
"""


def install(lab: Lab, hosts: Sequence[str]) -> None:
    """Put the machine's own node_exporter on each host and start it, through the hosts' consoles, a few at a time."""
    program = shutil.which(_PROGRAM)
    if program is None:
        raise FileNotFoundError(f"{_PROGRAM} is not installed: .ci/setup installs it")
    for host in hosts:
        with open(program, "rb") as binary:  # noqa: PTH123  a handle for the console's standard input
            subprocess.run(lab.on(host, ["sh", "-c", _INSTALL]), stdin=binary, check=True, timeout=60)
