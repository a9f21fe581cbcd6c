#!/bin/sh
# Installs one release over Debian into a layer of its own; runs in private mount and PID namespaces.
# The overlay's upper half is a tmpfs, so that the cache may lie on any file system.
set -eu
mount -t tmpfs tmpfs "$LAB_SCRATCH"
cd "$LAB_SCRATCH"
mkdir upper work root
mount -t overlay lab -o "lowerdir=$LAB_MACHINERY:$LAB_BASE,upperdir=upper,workdir=work" root
mount --bind -o ro "$LAB_REPOSITORY" root/srv/labos
mount -t proc proc root/proc
printf 'deb [trusted=yes] file:/srv/labos %s main\n' "$LAB_CODENAME" >root/etc/apt/sources.list.d/labos.list
chroot root sh -eu -c '
    export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C
    apt-get -qq update
    apt-get -qq install labos
    apt-get -qq check
    rm -rf /var/log/apt/* /var/log/dpkg.log /run/reboot-required'
umount root/proc root/srv/labos root
cp -a upper/. "$LAB_LAYER/"
