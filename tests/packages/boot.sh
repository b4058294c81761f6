#!/bin/sh
# Boot a root folder: its systemd becomes PID 1 of namespaces of its own, as in a container.
#
#   unshare --mount --propagation private sh boot.sh FOLDER GROUP
#
# GROUP is a control group that is made for it, below which everything of it lives. What belongs to
# the machine and to no namespace can only be read: /proc/sys and /sys. The network is the machine's.
set -e
root=$1 group=$2

if [ "$3" != inside ]; then
    mount -t cgroup2 cgroup2 /mnt
    mkdir -p "/mnt/$group"
    echo $$ > "/mnt/$group/cgroup.procs"
    umount /mnt
    exec unshare --fork --kill-child --pid --mount --cgroup --ipc --uts \
        sh "$0" "$root" "$group" inside
fi

mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for each in "null 3" "zero 5" "full 7" "random 8" "urandom 9"; do
    mknod -m 666 "$root/dev/${each% *}" c 1 "${each#* }"
done
mknod -m 666 "$root/dev/tty" c 5 0
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
cd "$root"
pivot_root . mnt
umount -l /mnt
# systemd expects this of whoever starts it in a container: credentials come by propagation
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --show-status=no --unit=multi-user.target
