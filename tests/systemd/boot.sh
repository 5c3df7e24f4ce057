#!/bin/sh
# Boots systemd as the first process of namespaces of its own, over a copy of this machine's files that goes with it.
# To be run by `unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --net`.
# Usage: boot.sh <folder with overhear, units and probe.sh; what the probe says is written there>
set -e
folder=$1
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
cd /mnt/root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
# A store that somebody keeps here is none of the unit's; in an overlay systemd cannot move it to where such a user has it.
rm -rf var/lib/overhear
mkdir run/old run/probe
mount --bind "$folder" run/probe
cp "$folder/overhear" usr/bin/overhear
cp "$folder"/*.service "$folder"/*.target etc/systemd/system/
cp -r "$folder/overhear.service.d" etc/systemd/system/
: > etc/machine-id
ip link set lo up
pivot_root . run/old
umount -l /run/old
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=probe.target </dev/null
