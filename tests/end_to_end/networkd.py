"""systemd-networkd on lab hosts, and an agent's routes beside it: what lost Datadog its network in 2023, and Heroku in 2025."""

from tests.end_to_end.operating import Operator

ROUTES = ("10.244.7.0/24 via {gateway} dev eth0", "10.9.0.0/16 via {gateway} dev eth0 table 100")
RULE = "from 10.9.0.0/16 lookup 100"

NETWORK = """\
[Match]
Name=eth0
[Network]
Gateway={gateway}
LinkLocalAddressing=no
IPv6AcceptRA=no
[Address]
Address={address}
Broadcast=no
"""

# A host of the lab has no udev, and networkd would then configure a link before it has seen what routes others have put there. So it is
# given its .network file a moment after it has begun, when it has seen them: the order that udev brings about on any server.
UNIT = """\
[Service]
ExecStartPre=+rm -f /run/systemd/network/10-eth0.network
ExecStartPost=+sh -c "mkdir -p /run/systemd/network && cp /etc/network/10-eth0.network /run/systemd/network/ && networkctl reload"
"""

AGENT = """\
[Unit]
After=systemd-networkd.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStartPre=/lib/systemd/systemd-networkd-wait-online --interface=eth0 --timeout=60
ExecStart=/usr/local/sbin/agent
[Install]
WantedBy=multi-user.target
"""

FOREIGN = "/etc/systemd/networkd.conf.d/agent.conf"
KEPT = "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n"
"""What keeps networkd from removing what is not its own. Without it, it does so whenever it starts."""

INSTALLER = "/var/lib/installer-was-here"


def hand_over(operator: Operator, host: str) -> None:
    """From now on networkd manages the host's network, spares what others add, and an agent adds its routes and a rule at each boot."""
    gateway = operator.on(host, "ip -4 route show default | sed -n 's/^default via \\([^ ]*\\).*/\\1/p'")
    address = operator.on(host, "ip -4 -o address show dev eth0 | sed 's/.* inet \\([^ ]*\\).*/\\1/'")
    added = [f"ip route replace {route.format(gateway=gateway)}" for route in ROUTES]
    files = {
        "/etc/network/10-eth0.network": NETWORK.format(gateway=gateway, address=address),
        "/etc/systemd/system/systemd-networkd.service.d/order.conf": UNIT,
        "/etc/systemd/system/agent.service": AGENT,
        "/usr/local/sbin/agent": "\n".join(["#!/bin/sh -e", *added, f"ip rule add {RULE} priority 100", ""]),
        FOREIGN: KEPT,
    }
    written = "".join(
        f"mkdir -p $(dirname {path}) && cat >{path} <<'END'\n{text}END\n" for path, text in files.items()
    )
    begin = "systemctl daemon-reload && systemctl enable --quiet --now systemd-networkd agent 2>&1 && ip rule show"
    said = operator.on(host, f"{written}chmod 755 /usr/local/sbin/agent && {begin}")
    assert RULE in said, said
