# Prints what this host is, a name, a tab and a value on each line, and changes nothing. A name that comes several times has several values;
# what cannot be told is left out. POSIX shell, /proc, /sys, and further tools only where they are there.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL

tell() {
    value=$(printf '%s' "$2" | tr -s '[:cntrl:][:space:]' ' ' | cut -c 1-200)
    value=${value# } value=${value% }
    if [ -n "$value" ]; then printf '%s\t%s\n' "$1" "$value"; fi
}
first() { # the first line of a file
    line=
    if [ -r "$1" ]; then read -r line <"$1" || :; fi 2>/dev/null
    printf '%s' "$line"
}
soon() { # a command that may hang
    if command -v timeout >/dev/null 2>&1; then timeout 20 "$@" </dev/null; else "$@" </dev/null; fi 2>/dev/null
}
number() { # the first version in a text, such as 7.2.15
    printf '%s' "$1" | sed -n 's/^[^0-9]*\([0-9][0-9]*\.[0-9][0-9.]*\).*/\1/p' | head -n 1
}

# The system.
for file in /etc/os-release /usr/lib/os-release; do
    if [ -r "$file" ]; then break; fi
done
of_release() { (. "$file" && eval "printf '%s' \"\${$1:-}\"") 2>/dev/null; }
distribution=$(of_release ID) release=$(of_release VERSION_ID)
version=$release
if [ "$distribution" = debian ]; then
    case $(first /etc/debian_version) in [0-9]*) version=$(first /etc/debian_version) ;; esac
fi
tell distribution "$distribution"
tell major "${release%%.*}"
tell version "$version"
tell codename "$(of_release VERSION_CODENAME)"
# Minor releases are the same system to Red Hat's family; elsewhere 22.04 and 24.04 are as far apart as they look.
case " $distribution $(of_release ID_LIKE) " in *" rhel "* | *" fedora "*) release=${release%%.*} ;; esac
if [ -n "$distribution" ] && [ -n "$release" ]; then tell os "$distribution-$release"; fi
tell kernel "$(uname -r)"
tell architecture "$(uname -m)"
tell machine_id "$(first /etc/machine-id)"

# The Python that Ansible would use: the one it is told, or the first that it looks for.
case $rollout_python in
/*) pythons=$rollout_python ;;
*) pythons='python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 /usr/bin/python3 python3' ;;
esac
for python in $pythons; do
    if command -v "$python" >/dev/null 2>&1 && found=$(number "$(soon "$python" --version)") && [ -n "$found" ]; then
        tell python "$found"
        break
    fi
done

# The hardware.
dmi=/sys/class/dmi/id
vendor=$(first $dmi/sys_vendor) model=$(first $dmi/product_name)
tell vendor "$vendor"
tell model "$model"
tell hardware "$vendor $model"
tell bios "$(first $dmi/bios_version)"
tell bios_date "$(first $dmi/bios_date)"
if [ -r /proc/cpuinfo ]; then
    tell cpu "$(awk -F ' *: *' '
        { sub(/[ \t]+$/, "", $1) }
        $1 == "vendor_id" || $1 == "CPU implementer" { vendor = vendor ? vendor : $2 }
        $1 == "cpu family" { family = family ? family : $2 }
        $1 == "model" || $1 == "CPU part" { model = model ? model : $2 }
        vendor && model && (family || vendor ~ /^0x/) { exit }
        END { if (vendor && model) print vendor (family ? "-" family : "") "-" model }' /proc/cpuinfo)"
fi
for device in /sys/bus/pci/devices/*; do
    if [ -r "$device/vendor" ]; then echo "$(first "$device/vendor"):$(first "$device/device")"; fi
done | sed 's/0x//g' | sort -u | head -n 300 | while read -r id; do tell pci "$id"; done
for device in /sys/bus/pci/devices/*; do
    if [ -e "$device/driver" ]; then basename "$(readlink -f "$device/driver")"; fi
done | sort -u | head -n 300 | while read -r driver; do tell driver "$driver"; done

# Network cards: the driver, and its firmware where ethtool tells it.
for card in /sys/class/net/*; do
    if [ -e "$card/device/driver" ]; then
        driver=$(basename "$(readlink -f "$card/device/driver")")
        firmware=
        if command -v ethtool >/dev/null 2>&1; then
            firmware=$(soon ethtool -i "${card##*/}" | sed -n 's/^firmware-version: *//p')
        fi
        echo "$driver $firmware"
    fi
done | sort -u | head -n 100 | while read -r driver firmware; do
    tell nic_driver "$driver"
    case $firmware in
    '' | N/A) ;;
    *)
        tell nic_firmware "$driver $firmware"
        tell "nic_firmware_$(printf '%s' "$driver" | tr -c 'a-z0-9' _)" "${firmware%% *}"
        ;;
    esac
done | sort -u

# The hypervisor: Xen where it rules the machine, KVM where QEMU is installed.
qemu=
for program in qemu-system-x86_64 qemu-system-aarch64 qemu-system-ppc64 qemu-system-s390x qemu-kvm /usr/libexec/qemu-kvm kvm; do
    if command -v "$program" >/dev/null 2>&1; then
        qemu=$(number "$(soon "$program" --version)")
        break
    fi
done
tell qemu "$qemu"
if grep -qs control_d /proc/xen/capabilities; then
    version=/sys/hypervisor/version
    xen=$(first $version/major).$(first $version/minor)$(first $version/extra)
    tell virtualization xen
    if [ "$xen" = . ]; then tell hypervisor xen; else tell hypervisor "xen-$xen"; fi
elif [ -n "$qemu" ]; then
    tell virtualization kvm
    tell hypervisor "kvm-$qemu"
else
    tell virtualization none
    tell hypervisor none
fi
if command -v virsh >/dev/null 2>&1; then
    tell libvirt "$(number "$(soon virsh --version)")"
    if names=$(soon virsh -c qemu:///system list --all --name); then
        tell guests "$(printf '%s\n' "$names" | grep -c '[^ ]')"
    fi
elif command -v xl >/dev/null 2>&1 && rows=$(soon xl list); then
    tell guests "$(printf '%s\n' "$rows" | awk 'NR > 1 && $2 != 0' | grep -c .)"
fi
printf 'told\tall\n'
