"""What a host says of its boot, by a POSIX shell script: always what runs, and as asked the hypervisor, failed units and the kernel's log."""

END = "end-of-boot"

LOG_BYTES = 700_000
"""Of the kernel's log: a connection keeps no more than a megabyte of what a command prints."""

_BOOT = """\
printf 'boot_id %s\\n' "$(cat /proc/sys/kernel/random/boot_id)"
printf 'uptime %s\\n' "$(cut -d' ' -f1 /proc/uptime)"
printf 'kernel %s\\n' "$(uname -r)"
grep -E '^(ID|VERSION_ID)=' /etc/os-release | sed 's/=/ /'
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C SYSTEMD_COLORS=0
export PATH LC_ALL SYSTEMD_COLORS
limit=
command -v timeout >/dev/null && limit='timeout 20'
"""

_HYPERVISOR = """\
[ -e /dev/kvm ] && echo 'kvm yes'
if command -v virsh >/dev/null; then
    rows=$($limit virsh -c qemu:///system version </dev/null 2>/dev/null)
    echo "virsh $?"
    printf '%s\\n' "$rows" | sed -n 's/^Running hypervisor: \\(.*\\)/running \\1/p; s/^Using library: libvirt \\(.*\\)/libvirt \\1/p'
fi
for program in qemu-system-x86_64 qemu-system-aarch64 qemu-system-ppc64 qemu-system-s390x qemu-kvm /usr/libexec/qemu-kvm kvm; do
    command -v $program >/dev/null || continue
    printf 'binary %s\\n' "$($limit $program --version </dev/null | sed -n '1s/.*version \\([0-9][0-9A-Za-z.+~-]*\\).*/\\1/p')"
    break
done
if [ "$(cat /sys/hypervisor/type 2>/dev/null)" = xen ]; then
    at=/sys/hypervisor/version
    printf 'xen %s.%s%s\\n' "$(cat $at/major)" "$(cat $at/minor)" "$(cat $at/extra)"
    grep -qs control_d /proc/xen/capabilities && echo 'dom0 yes'
fi
"""

_UNITS = """\
if [ -d /run/systemd/system ]; then
    rows=$($limit systemctl list-units --state=failed --no-legend --no-pager --plain </dev/null)
    echo "systemctl $?"
    printf '%s\\n' "$rows" | sed -n 's/^[^A-Za-z]*\\([^ ]\\{1,\\}\\) .*/failed \\1/p'
    echo "systemd $($limit systemctl is-system-running </dev/null 2>/dev/null)"
else
    echo 'systemd none'
fi
"""

_LOG = f"""\
log=$($limit dmesg 2>/dev/null) && [ -n "$log" ] ||
    log=$($limit journalctl -k -b -q --no-pager -o short-monotonic 2>/dev/null </dev/null)
[ "${{#log}}" -gt {LOG_BYTES} ] && echo 'log-cut yes'
printf '%s\\n' "$log" | tail -c {LOG_BYTES} | sed -n '/./s/^/log /p'
"""


def script(*, hypervisor: bool, units: bool, log: bool) -> str:
    """Only what is asked for, in the order that leaves the longest for the end."""
    parts = ((hypervisor, _HYPERVISOR), (units, _UNITS), (log, _LOG))
    return _BOOT + "".join(text for wanted, text in parts if wanted) + f"echo {END}\n"
