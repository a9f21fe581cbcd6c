"""Whether the host is free of virtual machines. Asked of itself by rollout before a `once` step and before a reboot."""

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from rollout.gates import _reading
from rollout.model.seams import Answer, Ran, Subject, Verdict
from rollout.ssh.printable import printable

# Processes are read from /proc, for a minimal host has no ps. What virsh and xl say about going wrong is on standard error.
# Guests that are shut off count: without virsh they are found as libvirt's own files.
SCRIPT = """\
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
count=0
for folder in /proc/[0-9]*; do
    name=
    read -r name 2>/dev/null <"$folder/comm" || continue
    count=$((count + 1))
    case $name in
    qemu-system* | qemu-kvm | kvm | cloud-hyperviso | firecracker | crosvm | VBoxHeadless | vmware-vmx)
        printf "process %s (process %s)\\n" "$name" "${folder#/proc/}" ;;
    libvirtd | virtqemud | virtxend) echo "libvirt $name" ;;
    xenstored | oxenstored) echo "xen $name" ;;
    esac
    [ "$folder" = /proc/1 ] && printf "init %s\\n" "$name"
done
echo "count $count"
echo "user $(id -u)"
grep -qs control_d /proc/xen/capabilities && echo "xen dom0"
limit=
command -v timeout >/dev/null && limit='timeout 20'
if command -v virsh >/dev/null; then
    names=$($limit virsh -c qemu:///system list --all --name </dev/null)
    echo "virsh $?"
    printf '%s\\n' "$names" | sed -n '/[^ ]/s/^/domain /p'
else
    for file in /etc/libvirt/qemu/*.xml; do
        [ -e "$file" ] && printf "stored %s\\n" "$file"
    done
    [ -d /etc/libvirt/qemu ] && ! [ -r /etc/libvirt/qemu ] && echo "libvirt /etc/libvirt/qemu"
fi
for tool in xl xm; do
    command -v $tool >/dev/null || continue
    rows=$($limit $tool list </dev/null)
    echo "$tool $?"
    printf '%s\\n' "$rows" | sed -n '/[^ ]/s/^/row /p'
    break
done
echo end-of-guests
"""

CLEAR = """\
clear() {
    said=$(printf '%s\\n' "$1")
    has() { printf '%s\\n' "$said" | grep -Eq "$1"; }
    case $said in *end-of-guests) ;; *) return 1 ;; esac
    has '^init .' && has '^count [1-9]' || return 1
    has '^(process|domain|stored) ' && return 1
    has '^(virsh|xl|xm) ([^0]|0.)' && return 1
    has '^libvirt ' && ! has '^virsh 0$' && return 1
    has '^xen ' && ! has '^(xl|xm) 0$' && return 1
    if has '^(xl|xm) 0$'; then
        has '^row Domain-0 +0 ' || return 1
        printf '%s\\n' "$said" | grep '^row ' | grep -Eqv '^row (Name +ID +Mem|Domain-0 +0 )' && return 1
    fi
    return 0
}
"""
"""A shell function: whether what the script printed is sure to be `pass`. For what acts on the host in the same breath."""

NAMED = 5
"""How many guests a verdict names."""

UNKNOWN = "could not find out whether it carries guests"

ROW = re.compile(r"(?P<name>.+?)\s+(?P<id>\d+)\s+\d+\s+\d+\s+\S+\s+\d+(\.\d+)?")
HEADER = re.compile(r"Name\s+ID\s+Mem.*")


@dataclass(slots=True)
class _Seen:
    """What the script said: guests by name, and why there may be more."""

    processes: int = 0
    user: str = ""
    guests: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)


class Kind(BaseModel):
    """No settings. It asks libvirt (guests in every state), Xen, and the list of processes, in one round trip.

    A host without any of these passes; one where a tool is there and does not answer is inconclusive. Containers are no guests.
    Samples: how many `processes` were read, where it `looked`, the `guests` by name, and the `doubts`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    remembers: ClassVar[bool] = False

    def check(self, subject: Subject) -> Verdict:
        """A guest found fails, whatever else could not be found out."""
        ran = _reading.ask(subject, SCRIPT)
        return ran if isinstance(ran, Verdict) else judge(ran)

    def remember(self, subject: Subject) -> Verdict:
        """Nothing is compared: the same question."""
        return self.check(subject)


def judge(ran: Ran) -> Verdict:
    """What the script said, as a verdict. A guest found fails, whatever else could not be found out."""
    said = _reading.lines(ran, "end-of-guests")
    if said is None:
        because = f"{UNKNOWN}: {_reading.last_words(ran)}"
        return Verdict(Answer.INCONCLUSIVE, because, {"err": printable(ran.err)})
    seen = _read(said)
    guests = seen.guests if len(seen.guests) >= len(seen.running) else seen.running
    samples: dict[str, Any] = {
        "processes": seen.processes,
        "looked": seen.looked,
        "guests": guests[:NAMED],
        "doubts": seen.doubts,
    }
    if guests:
        more = f" and {len(guests) - NAMED} more" if len(guests) > NAMED else ""
        word = "guest" if len(guests) == 1 else "guests"
        return Verdict(
            Answer.FAIL, f"it carries {len(guests)} {word}: {', '.join(guests[:NAMED])}{more}", samples
        )
    if seen.doubts:
        return Verdict(Answer.INCONCLUSIVE, f"{UNKNOWN}: {_why(seen, ran)}", samples)
    return Verdict(Answer.PASS, f"no guests: looked at {' and '.join(seen.looked)}", samples)


def _why(seen: _Seen, ran: Ran) -> str:
    said = f": {_reading.last_words(ran)}" if ran.err.strip() else ""
    hint = (
        ""
        if seen.user == "0"
        else " (asked without root; `ansible_become: true` in the inventory asks with it)"
    )
    return "; ".join(seen.doubts) + said + hint


def _read(said: list[tuple[str, str]]) -> _Seen:
    seen = _Seen()
    words = dict(said)
    seen.processes = int(words["count"]) if words.get("count", "").isdecimal() else 0
    seen.user = words.get("user", "")
    seen.looked.append(f"{seen.processes} processes")
    if "init" not in words or not seen.processes:
        seen.doubts.append("its processes are hidden from our user")
    seen.running = [printable(value, 80) for key, value in said if key == "process"]
    _read_libvirt(said, words, seen)
    _read_xen(said, words, seen)
    return seen


def _read_libvirt(said: list[tuple[str, str]], words: dict[str, str], seen: _Seen) -> None:
    if "virsh" not in words:
        seen.guests += [printable(value, 80) for key, value in said if key == "stored"]
        if "libvirt" in words:
            seen.doubts.append(f"there is {printable(words['libvirt'], 80)} but no virsh to ask")
    elif words["virsh"] == "0":
        seen.looked.append("libvirt")
        seen.guests += [printable(value, 80) for key, value in said if key == "domain"]
    else:
        seen.doubts.append(f"virsh failed with exit code {printable(words['virsh'], 20)}")


def _read_xen(said: list[tuple[str, str]], words: dict[str, str], seen: _Seen) -> None:
    tool = next((tool for tool in ("xl", "xm") if tool in words), None)
    if tool is None:
        if "xen" in words:
            seen.doubts.append(f"there is Xen ({printable(words['xen'], 80)}) but neither xl nor xm to ask")
        return
    if words[tool] != "0":
        seen.doubts.append(f"{tool} failed with exit code {printable(words[tool], 20)}")
        return
    rows = [value for key, value in said if key == "row" and not HEADER.fullmatch(value)]
    found = [ROW.fullmatch(row) for row in rows]
    domains = [match for match in found if match is not None]
    if len(domains) < len(found) or not any(match["id"] == "0" for match in domains):
        seen.doubts.append(f"what {tool} printed cannot be read")
    else:
        seen.looked.append("Xen")
    seen.guests += [printable(match["name"], 80) for match in domains if match["id"] != "0"]
