#!/bin/sh
# Runs as PID 1 of a host's new namespaces, still seeing the machine's file system; ends as the host's own init.
# Everything mounted here lives in the host's mount namespace and vanishes with it.
set -eu

# The disk: the release over the lab's own files over Debian, and a tmpfs that the supervisor keeps over reboots.
mount -t overlay lab -o "lowerdir=$LAB_RELEASE:$LAB_MACHINERY:$LAB_BASE,upperdir=$LAB_DISK/upper,workdir=$LAB_DISK/work" "$LAB_ROOT"
cd "$LAB_ROOT"
engine=${LAB_ENGINE:-light}
# Whatever systemd would mount itself is there already: it may not mount.
if [ "$engine" = systemd ]; then mount --bind dev dev; fi
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o mode=755,size=64m tmpfs run
mount -t tmpfs -o mode=1777,size=64m tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount --bind dev/pts/ptmx dev/ptmx
mkdir -p run/lab run/sshd run/lock srv/labos mnt
if [ "$engine" = systemd ]; then
    mount -t tmpfs -o mode=1777,nosuid,nodev,noexec,size=5m tmpfs run/lock
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
    mount --bind "$LAB_CONSOLE" dev/console
fi
mount --bind "$LAB_RUN" run/lab
mount --bind -o ro "$LAB_REPOSITORY" srv/labos

printf '%s\n' "$LAB_NAME" >proc/sys/kernel/hostname

# The machine's kernel is shared: its settings stay out of reach, except those of the host's own network.
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
if [ -e proc/sysrq-trigger ]; then mount --bind -o ro dev/null proc/sysrq-trigger; fi

# The kernel that this boot runs is decided now, as a boot loader would. A boot gone wrong runs the release it came from.
kernel=boot/vmlinuz
if [ -e "$LAB_RUN/wrong-os" ]; then
    kernel=$LAB_RELEASE/boot/vmlinuz
    old=$LAB_RELEASE/usr/lib/os-release
    if [ ! -e "$old" ]; then old=$LAB_BASE/usr/lib/os-release; fi
    mount --bind -o ro "$old" usr/lib/os-release
fi
release=$(readlink "$kernel")
printf '%s\n' "${release#vmlinuz-}" >"$LAB_RUN/kernel"
mount --bind -o ro "$LAB_RUN/kernel" proc/sys/kernel/osrelease
mount --bind -o ro "$LAB_BOOT_ID" proc/sys/kernel/random/boot_id

# `ip ... netns 1` means ourselves: process ids are read in this new PID namespace. A rebooted host's old cable may still be there.
nsenter --net="$LAB_CONTROL" ip link del "$LAB_CABLE" 2>/dev/null || :
nsenter --net="$LAB_CONTROL" ip -batch - <<EOF
link add $LAB_CABLE type veth peer name eth0 address $LAB_MAC netns 1
link set $LAB_CABLE master lab0 $LAB_LINK
EOF
# An SSH session waits twice for a delayed acknowledgement, 40 ms each: quickack, at both ends.
ip -batch - <<EOF
link set lo up
address add $LAB_ADDRESS dev eth0
link set eth0 up
route replace $LAB_NETWORK dev eth0 proto kernel scope link src ${LAB_ADDRESS%/*} quickack 1
route add default via $LAB_GATEWAY
EOF

pivot_root . mnt
umount -l mnt
if [ "$engine" = systemd ]; then
    # Without these words it would look for the hardware of a whole machine, and colour what it says.
    export container=rollout-lab TERM=dumb
    exec chroot . setpriv --bounding-set "$LAB_WITHOUT" /lib/systemd/systemd --log-color=no --show-status=no
fi
exec chroot . setpriv --bounding-set "$LAB_WITHOUT" /usr/lib/lab/init
