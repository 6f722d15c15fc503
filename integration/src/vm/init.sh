#!/busybox sh
# /init of the initramfs: makes the guest's root out of the host's files, which stay as they are
# (a layer in memory takes every change), with what deps.sh unpacked laid over them.
echo "lvsd-vm: alive"
/busybox mkdir -p /proc /dev /host /tools /memory /root
for module in @MODULES@; do
    /busybox insmod "/$module" || echo "lvsd-vm: cannot load $module"
done
options=trans=virtio,version=9p2000.L,msize=512000,access=any
/busybox mount -t 9p -o ro,cache=loose,$options host /host
/busybox mount -t 9p -o ro,cache=loose,$options tools /tools
/busybox mount -t tmpfs memory /memory
/busybox mkdir /memory/upper /memory/work
/busybox mount -t overlay -o lowerdir=/tools:/host,upperdir=/memory/upper,workdir=/memory/work \
    overlay /root || exec /busybox sh -c 'echo "lvsd-vm: no root"; /busybox poweroff -f'
/busybox mkdir -p /root/proc /root/sys /root/dev /root/run /root/tmp
/busybox mount -t proc proc /root/proc
/busybox mount -t sysfs sysfs /root/sys
/busybox mount -t devtmpfs dev /root/dev
/busybox mkdir -p /root/dev/pts /root/dev/shm
/busybox mount -t devpts -o ptmxmode=666 devpts /root/dev/pts
/busybox mount -t tmpfs shm /root/dev/shm
/busybox mount -t tmpfs -o mode=755 run /root/run
/busybox mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
# bash's <(...) needs it.
/busybox ln -s /proc/self/fd /root/dev/fd
/busybox ln -s /proc/self/fd/0 /root/dev/stdin
/busybox ln -s /proc/self/fd/1 /root/dev/stdout
/busybox ln -s /proc/self/fd/2 /root/dev/stderr
/busybox mkdir -p /root/run/vm /root/run/netns /root/run/lock
/busybox mount -t 9p -o cache=none,$options exchange /root/run/vm
/busybox ip link set lo up
/busybox hostname lab
exec /busybox switch_root /root /bin/bash /run/vm/start
