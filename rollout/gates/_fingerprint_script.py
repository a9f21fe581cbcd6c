"""What of a host is looked at, section by section, by a POSIX shell script that needs no tool: /proc and /sys are read where one is lacking.

A line is `SECTION KEY<tab>VALUE`, or `raw-SECTION LINE` as a tool printed it. `read SECTION BY` says that all of a section was read,
and by what; `unread SECTION WHY` that it could not be.
"""

from collections.abc import Iterable
from types import MappingProxyType

END = "end-of-fingerprint"

_HEAD = r"""
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C SYSTEMD_COLORS=0 SYSTEMD_PAGER=
export PATH LC_ALL SYSTEMD_COLORS SYSTEMD_PAGER
tab=$(printf '\t')
limit=
command -v timeout >/dev/null && limit='timeout 20'
of() { said=; { read -r said <"$1"; } 2>/dev/null || :; }
link() { said=$(readlink "$1" 2>/dev/null) && said=${said##*/} || said=; }
"""

_NICS = r"""
if [ -d /sys/class/net ]; then
    for nic in /sys/class/net/*; do
        [ -e "$nic/address" ] || continue
        line=
        link "$nic/device/driver" && [ -n "$said" ] && line="$line driver=$said"
        link "$nic/device" && [ -n "$said" ] && bus=$said && of "$nic/dev_port" && line="$line bus=$bus/${said:-0}"
        of "$nic/address" && line="$line mac=$said"
        of "$nic/addr_assign_type" && line="$line assigned=$said"
        of "$nic/operstate" && line="$line state=$said"
        of "$nic/mtu" && line="$line mtu=$said"
        of "$nic/speed" && [ -n "$said" ] && [ "$said" != -1 ] && line="$line speed=$said"
        link "$nic/master" && [ -n "$said" ] && line="$line master=$said"
        printf 'nics %s\t%s\n' "${nic##*/}" "$line"
    done
    echo read nics sysfs
else
    echo unread nics there is no /sys/class/net
fi
"""

_ADDRESSES = r"""
if command -v ip >/dev/null; then
    found=$(ip -o address show) && printf '%s\n' "$found" | sed -n '/./s/^/raw-addresses /p' && echo read addresses ip ||
        echo unread addresses ip failed
elif [ -r /proc/net/fib_trie ]; then
    awk '/\/32 host LOCAL/ {print "addresses " at "\t"} {at = $2}' /proc/net/fib_trie | sort -u
    [ -r /proc/net/if_inet6 ] && sed 's/^/raw6-addresses /' /proc/net/if_inet6
    echo read addresses proc
else
    echo unread addresses there is neither ip nor /proc/net/fib_trie
fi
"""

_ROUTES = r"""
if command -v ip >/dev/null; then
    four=$(ip -4 -o route show table all) && six=$(ip -6 -o route show table all 2>/dev/null || [ ! -e /proc/net/if_inet6 ]) &&
        printf '%s\n%s\n' "$four" "$six" | sed -n '/./s/^/raw-routes /p' && echo read routes ip || echo unread routes ip failed
elif [ -r /proc/net/route ]; then
    sed '1d; s/^/raw4-routes /' /proc/net/route
    [ -r /proc/net/ipv6_route ] && sed 's/^/raw6-routes /' /proc/net/ipv6_route
    echo read routes proc
else
    echo unread routes there is neither ip nor /proc/net/route
fi
"""

_RULES = r"""
if command -v ip >/dev/null && found=$(ip -4 rule show); then
    printf '%s\n' "$found" | sed -n '/./s/^/raw-rules ipv4 /p'
    ip -6 rule show 2>/dev/null | sed -n '/./s/^/raw-rules ipv6 /p'
    echo read rules ip
else
    echo unread rules there is no ip that knows them
fi
"""

_MOUNTS = r"""
if [ -r /proc/self/mounts ]; then
    sed 's/^/raw-mounts /' /proc/self/mounts
    echo read mounts proc
else
    echo unread mounts there is no /proc/self/mounts
fi
"""

_BLOCKS = r"""
if [ -d /sys/block ]; then
    for block in /sys/block/*; do
        of "$block/size" && [ -n "$said" ] || continue
        line="size=$said"
        for id in wwid device/wwid serial device/serial; do
            of "$block/$id" && [ -n "$said" ] && line="$line${tab}id=$said"
        done
        of "$block/dm/name" && [ -n "$said" ] && line="$line${tab}id=dm $said"
        of "$block/device/model" && [ -n "$said" ] && line="$line${tab}model=$said"
        of "$block/md/degraded" && [ -n "$said" ] && line="$line${tab}degraded=$said"
        printf 'blocks %s\t%s\n' "${block##*/}" "$line"
    done
    echo read blocks sysfs
else
    echo unread blocks there is no /sys/block
fi
"""

_MODULES = r"""
if [ -r /proc/modules ]; then
    while read -r name _; do printf 'modules %s\t\n' "$name"; done </proc/modules
    echo read modules proc
else
    echo unread modules there is no /proc/modules
fi
"""

_SYSCTLS = r"""
if [ -d /proc/sys/kernel ]; then
    for name in $(
        printf '%s\n' $WANTED_SYSCTLS
        cat /etc/sysctl.conf /etc/sysctl.d/*.conf /run/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf 2>/dev/null |
            sed -n 's/^[[:space:]]*-\{0,1\}[[:space:]]*\([a-z][A-Za-z0-9_./-]*\)[[:space:]]*=.*/\1/p'
    ); do
        case $name in
        */*) path=$name name=$(printf '%s' "$name" | tr / .) ;;
        *) path=$(printf '%s' "$name" | tr . /) ;;
        esac
        case $path in *..*) continue ;; esac
        [ -f "/proc/sys/$path" ] || continue
        value=$(cat "/proc/sys/$path" 2>/dev/null) && printf 'sysctls %s\t%s\n' "$name" "$(printf '%s' "$value" | tr '\n\t' '  ')"
    done
    echo read sysctls proc
else
    echo unread sysctls there is no /proc/sys
fi
"""

_ENABLED = r"""
if command -v systemctl >/dev/null &&
    found=$($limit systemctl list-unit-files --no-legend --no-pager --type=service,socket,timer --state=enabled,enabled-runtime </dev/null); then
    printf '%s\n' "$found" | sed -n 's/^\([^ ]\{1,\}\) .*/enabled \1/p'
    echo read enabled systemctl
else
    echo unread enabled systemd does not answer
fi
"""

_SERVICES = r"""
if command -v systemctl >/dev/null &&
    found=$($limit systemctl list-units --no-legend --no-pager --plain --type=service --state=active </dev/null); then
    printf '%s\n' "$found" | sed -n '/./s/^/raw-services /p'
    echo read services systemctl
else
    echo unread services systemd does not answer
fi
"""

_LISTENING = r"""
if [ -r /proc/net/tcp ] && command -v awk >/dev/null; then
    for protocol in tcp tcp6 udp udp6; do
        [ -r "/proc/net/$protocol" ] || continue
        case $protocol in tcp*) state=0A ;; *) state=07 ;; esac
        awk -v "is=$protocol" -v "state=$state" '$4 == state {print "raw-listening " is " " $2}' "/proc/net/$protocol" | sort -u
    done
    printf 'ports %s\n' "$(cat /proc/sys/net/ipv4/ip_local_port_range 2>/dev/null)" # whole: dash reads by bytes, of which it gives one
    command -v ss >/dev/null && ss -Hlntup 2>/dev/null |
        sed -n 's/^\(tcp\|udp\) .*:\([0-9]\{1,\}\) .*users:(("\([^"]*\)".*/process \1 \2 \3/p' | sort -u
    echo read listening proc
else
    echo unread listening there is no /proc/net/tcp, or no awk
fi
"""

_CPU = r"""
if [ -r /proc/cpuinfo ]; then
    sed -n '/^\(flags\|Features\)[[:space:]]*:/{s/^[^:]*:/raw-cpu /p;q;}' /proc/cpuinfo
    printf 'cpu count\t%s\n' "$(grep -c '^processor' /proc/cpuinfo)"
    echo read cpu proc
else
    echo unread cpu there is no /proc/cpuinfo
fi
"""

_NUMA = r"""
if [ -d /sys/devices/system/node/node0 ]; then
    for node in /sys/devices/system/node/node[0-9]*; do
        cpus=$(cat "$node/cpulist" 2>/dev/null)
        printf 'numa %s\tcpus=%s memory=%s\n' "${node##*/}" "$cpus" "$(sed -n 's/.*MemTotal: *\([0-9]*\) kB.*/\1/p' "$node/meminfo")"
    done
    echo read numa sysfs
else
    echo unread numa there is no /sys/devices/system/node
fi
"""

PARTS = MappingProxyType({
    "nics": _NICS,
    "addresses": _ADDRESSES,
    "routes": _ROUTES,
    "rules": _RULES,
    "mounts": _MOUNTS,
    "blocks": _BLOCKS,
    "modules": _MODULES,
    "sysctls": _SYSCTLS,
    "enabled": _ENABLED,
    "services": _SERVICES,
    "listening": _LISTENING,
    "cpu": _CPU,
    "numa": _NUMA,
})  # fmt: skip
"""Section -> how it is read."""

SYSCTLS = (
    *("net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.default.rp_filter"),
    *("net.ipv6.conf.all.forwarding", "net.ipv6.conf.all.disable_ipv6"),
    *("net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"),
    *("vm.nr_hugepages", "vm.overcommit_memory", "kernel.numa_balancing"),
)
"""Looked at whether or not an administrator's file sets them: guests and their networks live by them."""


def script(sections: Iterable[str], sysctls: Iterable[str] = ()) -> str:
    """`sysctls`: names that were seen before, and count whatever file sets them now. They must be harmless in a shell."""
    wanted = " ".join(dict.fromkeys((*SYSCTLS, *sysctls)))
    parts = "".join(PARTS[section] for section in sections)
    return f"{_HEAD}WANTED_SYSCTLS='{wanted}'\n{parts}echo {END}\n"
