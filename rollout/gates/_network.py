"""A host's network as it is now, in lines that stay the same as long as it does."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from rollout.gates import _reading
from rollout.model.seams import Ran
from rollout.ssh.output import is_cut
from rollout.ssh.printable import printable

SCRIPT = """\
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
command -v ip >/dev/null || { echo 'it has no program ip' >&2; exit 1; }
said() {
    name=$1
    shift
    text=$("$@") || exit 1
    printf '%s\\n' "$text" | sed -n "/[^ ]/s/^/$name /p"
}
said link ip -o link show
said address ip -o address show
said route4 ip -4 route show table all
said rule4 ip -4 rule show
if [ -e /proc/net/if_inet6 ]; then
    said route6 ip -6 route show table all
    said rule6 ip -6 rule show
fi
grep -E '^(nameserver|search|domain)' /etc/resolv.conf 2>/dev/null | sed 's/^/dns /'
echo end-of-network
"""

FOLLOWS = ("local", "broadcast", "anycast", "multicast")
"""Types of routes that the kernel makes of addresses, which are compared themselves."""

PASSING = re.compile(r" (?:expires|age|hoplimit|error|ssthresh|cwnd|rtt|rttvar) -?\S+| pref \w+| linkdown")
"""What a route says of this moment alone."""


def read(ran: Ran) -> tuple[str, ...] | None:
    """What the script told, a line each; None when it has not come to its end."""
    if is_cut(ran.out):
        return None
    said = _reading.lines(ran, "end-of-network")
    if said is None:
        return None
    lines = [line for key, value in said if (line := _line(key, " ".join(value.split())))]
    return tuple(sorted(printable(line) for line in lines))


def _line(key: str, value: str) -> str:
    words = value.split()
    if key == "link":
        return _link(words)
    if key == "address":
        scope = " dadfailed" if "dadfailed" in words else ""
        kept = (
            len(words) > 3 and words[2] in {"inet", "inet6"} and not {"temporary", "deprecated"} & set(words)
        )
        return f"address {words[3]} on {words[1]}{scope}" if kept else ""
    if key in {"route4", "route6"}:
        return "" if words[0] in FOLLOWS else f"route {'IPv6 ' * (key == 'route6')}{PASSING.sub('', value)}"
    if key in {"rule4", "rule6"}:
        return f"rule {'IPv6 ' * (key == 'rule6')}{value}"
    return f"dns {value}" if key == "dns" else ""


def _link(words: Sequence[str]) -> str:
    """`2: eth0@if3: <...> mtu 1500 qdisc ... master br0 state UP ...`."""
    if len(words) < 3:
        return ""
    told = {
        word: words[index + 1] for index, word in enumerate(words[:-1]) if word in {"mtu", "master", "state"}
    }
    name = words[1].rstrip(":").partition("@")[0]
    return " ".join(
        [f"link {name}", *(f"{key} {told[key]}" for key in ("state", "mtu", "master") if key in told)]
    )


def vanished(before: Iterable[str], after: Iterable[str], ignore: Sequence[str] = ()) -> list[str]:
    """The lines that were there before and are not any more; those that a glob of `ignore` fits do not count."""
    left = Counter(before) - Counter(after)
    return [line for line in left.elements() if not _reading.any_glob(line, ignore)]
