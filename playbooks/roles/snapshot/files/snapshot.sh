#!/bin/sh
# Snapshots of the file systems that an upgrade changes: taken before it, gone back to, or dropped. LVM (classic, thin) and Btrfs.
# usage: snapshot.sh ACT RUN KIND PERCENT FREE_MB VOLUME...
#   look     says what would be used, and refuses what cannot be
#   take     a snapshot of each volume (a mount point), named after the run; first a copy of a /boot that is a file system of its own
#   revert   back to them, with the next boot; the last line is then `reboot BOOT-ID`
#   settle   after that boot (BOOT-ID in ROLLOUT_BOOT_BEFORE): whether it is so; removes what was left of the upgrade
#   drop     removes the snapshots
# Each may be repeated, and meets a host on which nothing was done. `changed` is printed when something was. What cannot be found out is a
# failure, with one sentence on standard error.
set -eu
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
act=$1 run=$(printf '%s' "$2" | tr -c 'A-Za-z0-9_.-' '-') kind=$3 percent=$4 free_mb=$5
shift 5
taken=/var/lib/rollout/snapshot/$run.taken kept=/var/lib/rollout/snapshot/$run.boot.tar
needs_boot=no top=

die() {
    echo "$*" >&2
    exit 1
}

let_go() {
    [ -z "$top" ] || { umount "$top" && rmdir "$top"; }
    top=
}
trap let_go EXIT

# --- what a volume is: sets source, type, and for Btrfs sub (its path below the top of the file system)

read_volume() {
    row=$(findmnt --noheadings --raw --output FSTYPE,FSROOT,SOURCE --mountpoint "$1" | tail -n 1)
    [ -n "$row" ] || die "$1 (rollout_snapshot_volumes) is no mount point"
    type=${row%% *} row=${row#* }
    sub=${row%% *} source=${row#* }
    source=${source%%\[*}
}

kind_of() {
    read_volume "$1"
    if [ "$type" = btrfs ]; then
        echo btrfs
    elif command -v lvs >/dev/null && lvs --noheadings -o lv_name "$source" >/dev/null 2>&1; then
        echo lvm
    else
        echo "$type on $source"
    fi
}

# --- LVM: sets vg, lv and snap

read_lvm() {
    read_volume "$1"
    name=$(lvs --noheadings --separator / -o vg_name,lv_name "$source") || die "lvs cannot tell which volume $1 is"
    name=$(printf '%s' "$name" | tr -d ' ')
    vg=${name%%/*} lv=${name#*/}
    snap=$lv.rollout-$run
    [ "${#snap}" -le 120 ] || snap=$lv.rollout-$(printf '%s' "$run" | cksum | tr ' ' -)
}

state_of() {
    rows=$(lvs -a --noheadings --separator '|' -o lv_name,lv_attr "$vg") || die "lvs cannot read the volume group $vg"
    printf '%s\n' "$rows" | tr -d ' []' | awk -F '|' -v name="$snap" '
        $1 == name { type = substr($2, 1, 1); state = substr($2, 5, 1); found = 1
            print state ~ /[IS]/ ? "overflown" : state ~ /[mM]/ ? "failed" : type == "S" ? "merging" : "there" }
        END { if (!found) print "absent" }'
}

number_of() {
    found=$("$@") || die "$1 cannot read $vg"
    found=$(printf '%s' "$found" | tr -d ' ')
    case $found in '' | *[!0-9.]*) die "$1 says $found where a number was expected" ;; esac
    echo "${found%%.*}"
}

take_lvm() {
    read_lvm "$1"
    state=$(state_of)
    case $state in
    absent) ;;
    there) return ;;
    *) die "$vg/$snap is $state: remove it by hand, and run this again" ;;
    esac
    pool=$(lvs --noheadings -o pool_lv "$vg/$lv") || die "lvs cannot read $vg/$lv"
    pool=$(printf '%s' "$pool" | tr -d ' ')
    if [ -n "$pool" ]; then
        for field in data_percent metadata_percent; do
            used=$(number_of lvs --noheadings -o "$field" "$vg/$pool")
            [ "$used" -le $((100 - percent)) ] ||
                die "the thin pool $vg/$pool is $used % full ($field), and $percent % have to be free (rollout_snapshot_percent): extend it"
        done
        set --
    else
        size=$(number_of lvs --noheadings --units m --nosuffix -o lv_size "$vg/$lv")
        need=$((size * percent / 100 + 1))
        free=$(number_of vgs --noheadings --units m --nosuffix -o vg_free "$vg")
        [ "$free" -ge "$need" ] ||
            die "the volume group $vg has $free MB free, and a snapshot of $lv takes $need ($percent % of it, rollout_snapshot_percent): extend it"
        set -- --size "${need}m"
    fi
    [ "$act" = look ] && return
    lvcreate --yes --snapshot --name "$snap" "$@" "$vg/$lv" >&2
    echo changed
}

check_lvm() {
    read_lvm "$1"
    state=$(state_of)
    case $state in
    overflown) die "the snapshot $vg/$snap is full and so of no use: there is nothing to go back to" ;;
    failed) die "the merge of $vg/$snap has failed: see lvs -a $vg and the kernel's log" ;;
    esac
}

revert_lvm() {
    read_lvm "$1"
    state=$(state_of)
    if [ "$state" = there ]; then
        lvconvert --yes --merge "$vg/$snap" >&2
        echo changed
        state=$(state_of)
    fi
    [ "$state" = absent ] || needs_boot=yes
}

settle_lvm() {
    check_lvm "$1"
    [ "$state" != there ] || die "the host has booted, and $vg/$snap was not merged: see its console, and lvs -a $vg"
}

drop_lvm() {
    read_lvm "$1"
    state=$(state_of)
    case $state in
    absent) return ;;
    merging) die "$vg/$snap is on its way back into $lv and cannot be dropped" ;;
    esac
    lvremove --yes "$vg/$snap" >&2
    echo changed
}

# --- Btrfs: sets base (the volume's subvolume), snap and old (what it was before it was gone back), all below top

read_btrfs() {
    let_go
    read_volume "$1"
    base=${sub%".reverted-$run"}
    top=$(mktemp -d /run/rollout-snapshot.XXXXXX)
    mount -t btrfs -o subvolid=5 "$source" "$top" || { rmdir "$top"; top=; die "the top of $1's file system cannot be mounted"; }
    snap=$top$base.rollout-$run old=$top$base.reverted-$run
}

take_btrfs() {
    read_btrfs "$1"
    [ "$sub" != / ] || die "$1 is the top of its Btrfs file system, which cannot be put aside: move it into a subvolume, or use a playbook of your own"
    [ "$(stat -c %i "$1")" = 256 ] || die "$1 is no subvolume but a part of one"
    case " $(findmnt --fstab --noheadings --output OPTIONS --mountpoint "$1" || :) $([ "$1" != / ] || cat /proc/cmdline)" in
    *subvolid=*) die "$1 is mounted by subvolid=, so no other subvolume would take its place: use subvol= in fstab and in the kernel's command line" ;;
    esac
    [ ! -e "$snap" ] || return 0
    free=$(df --output=avail --block-size=1M "$1" | tail -n 1 | tr -d ' ')
    [ "$free" -ge "$free_mb" ] ||
        die "$1 has $free MB free and $free_mb are needed (rollout_snapshot_free_mb): what the upgrade replaces stays on the disk"
    [ "$act" != look ] || return 0
    btrfs subvolume snapshot "$top$base" "$snap" >&2
    echo changed
}

check_btrfs() {
    read_volume "$1"
}

# Subvolumes within it are no part of the snapshot, which has empty directories in their place: they go on as they are.
revert_btrfs() {
    read_btrfs "$1"
    if [ -e "$snap" ]; then
        if [ -e "$top$base" ]; then
            [ ! -e "$old" ] || die "$base.reverted-$run is there already: see what it is, and delete it"
            mv -T "$top$base" "$old"
        fi
        within=$(btrfs subvolume list -o "$old") || die "the subvolumes within $1 cannot be listed"
        printf '%s\n' "$within" | sed -n 's/^.* path //p' | while read -r path; do
            inner=${path#"${old#"$top/"}/"}
            [ ! -d "$snap/$inner" ] || rmdir "$snap/$inner"
            mkdir -p "$(dirname "$snap/$inner")"
            mv -T "$old/$inner" "$snap/$inner"
        done
        mv -T "$snap" "$top$base"
        echo changed
    fi
    read_volume "$1"
    [ "$sub" = "$base.reverted-$run" ] || return 0
    needs_boot=yes
    default=$(btrfs subvolume get-default "$top") || die "the default subvolume of $1 cannot be read"
    case $default in
    *" path ${sub#/}") btrfs subvolume set-default "$top$base" >&2 ;;
    esac
}

settle_btrfs() {
    read_btrfs "$1"
    [ "$sub" != "$base.reverted-$run" ] || die "the host has booted from what it was to leave, $sub: see fstab and the kernel's command line"
    [ ! -e "$old" ] || { btrfs subvolume delete "$old" >&2; echo changed; }
}

drop_btrfs() {
    read_btrfs "$1"
    [ ! -e "$snap" ] || { btrfs subvolume delete "$snap" >&2; echo changed; }
}

# --- a /boot of its own: kernels and the menu as they were. GRUB's modules stay as new as what its upgrade wrote to the boot sector.

keep_boot() {
    mountpoint -q /boot || return 0
    [ ! -e "$kept" ] || return 0
    for volume; do [ "$volume" != /boot ] || return 0; done
    (
        umask 077 # an initrd may hold keys, and grub.cfg a password
        tar --create --file="$kept.new" --directory=/boot --one-file-system \
            --exclude='./grub*/*-pc' --exclude='./grub*/*-efi' --exclude=./lost+found .
    )
    mv "$kept.new" "$kept"
    echo changed
}

put_boot_back() {
    [ -e "$kept" ] || return 0
    tar --extract --file="$kept" --directory=/boot --overwrite
    tar --list --file="$kept" >"$kept.list"
    for file in /boot/vmlinuz-* /boot/initrd* /boot/System.map-* /boot/config-*; do
        [ ! -e "$file" ] || grep -qFx "./${file#/boot/}" "$kept.list" || rm -r "$file"
    done
    rm "$kept.list"
    sync
}

# --- all volumes

[ $# -gt 0 ] || die "no volume is named (rollout_snapshot_volumes)"
if [ "$kind" = auto ]; then
    kind=$(kind_of "$1")
fi
case $kind in
lvm | btrfs) ;;
*)
    case $act in revert | settle | drop) [ -e "$taken" ] || exit 0 ;; esac # refused when one was to be taken
    die "$1 is $kind, neither LVM nor Btrfs: take this step out of the plan, or let a playbook of your own take the snapshot, such as by the API of the storage"
    ;;
esac
for volume; do
    found=$(kind_of "$volume")
    [ "$found" = "$kind" ] || die "$volume (rollout_snapshot_volumes) is $found, and $1 is $kind"
done
case $act in
look | take)
    for part in /usr /var /etc; do
        mountpoint -q "$part" || continue
        listed=no
        for volume; do [ "$volume" != "$part" ] || listed=yes; done
        [ "$listed" = yes ] || die "$part is a file system of its own, and an upgrade changes it: name it in rollout_snapshot_volumes, too"
    done
    echo "kind $kind"
    # All are looked at before one is taken.
    asked=$act act=look
    for volume; do "take_$kind" "$volume"; done
    act=$asked
    [ "$act" = take ] || exit 0
    mkdir -p -m 700 "${taken%/*}"
    : >"$taken"
    keep_boot "$@"
    sync
    for volume; do "take_$kind" "$volume"; done
    ;;
revert)
    for volume; do "check_$kind" "$volume"; done
    for volume; do "revert_$kind" "$volume"; done
    if [ "$needs_boot" = yes ]; then
        put_boot_back
        echo "reboot $(cat /proc/sys/kernel/random/boot_id)"
    fi
    ;;
settle)
    [ "$(cat /proc/sys/kernel/random/boot_id)" != "${ROLLOUT_BOOT_BEFORE:-}" ] || die "the host answers again and has not rebooted"
    for volume; do "settle_$kind" "$volume"; done
    rm -f "$kept" "$taken"
    ;;
drop)
    for volume; do "drop_$kind" "$volume"; done
    rm -f "$kept" "$taken"
    ;;
*) die "there is no act $act" ;;
esac
