# SPDX-License-Identifier: Apache-2.0
# Boxes for tests: each has its own network with an address, its own root folder, host name and process numbers. Source this after
# common.sh, as root; boxes_begin first.
#
#   boxes_begin ROOT            ROOT is a Debian's root folder; it is not changed
#   box_start NAME ADDRESS [systemd]    an address of the network 10.77.0.0/24; with systemd as its first process, or a plain one
#   box_run NAME COMMAND ...    as root in the box, with a clean environment
#   box_folder NAME             the box's root folder, seen from here
#   box_unplug NAME, box_plug NAME
#   boxes_end                   ends every process of every box and removes all; call it from a trap

declare -A box_process
boxes_scratch="" boxes_prefix=""

boxes_begin() {
    boxes_base=$1
    boxes_prefix=pw$$
    boxes_scratch=$(mktemp -d "${TMPDIR:-/tmp}/pseudoword-boxes.XXXXXX")
    chmod 755 "$boxes_scratch"
    # The cable lies in a network of its own too, so that nothing of this machine's network changes.
    ip netns add "$boxes_prefix-cable"
    ip -n "$boxes_prefix-cable" link add cable type bridge
    ip -n "$boxes_prefix-cable" link set cable up
}

box_start() {
    local name=$1 address=$2 init=${3:-} folder=$boxes_scratch/$1 network=$boxes_prefix-$1
    mkdir -p "$folder"/{upper,work,root}
    ip netns add "$network"
    ip -n "$boxes_prefix-cable" link add "$name" type veth peer name eth0 netns "$network"
    ip -n "$boxes_prefix-cable" link set "$name" master cable up
    ip -n "$network" link set lo up
    ip -n "$network" address add "$address/24" dev eth0
    ip -n "$network" link set eth0 up
    # The first process of the box: makes its root folder, then waits and buries its dead. When it ends, so does everything in the box.
    ip netns exec "$network" unshare --mount --uts --ipc --pid --cgroup --fork --kill-child bash -euc '
        name=$1 base=$2 folder=$3 init=$4
        mount --make-rprivate /
        mount -t overlay overlay -o "lowerdir=$base,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
        mount -t proc proc "$folder/root/proc"
        mount -t sysfs -o ro sysfs "$folder/root/sys"
        mount -t tmpfs -o mode=755 tmpfs "$folder/root/dev"
        for device in null zero full random urandom tty; do
            touch "$folder/root/dev/$device"
            mount --bind "/dev/$device" "$folder/root/dev/$device"
        done
        ln -s /proc/self/fd "$folder/root/dev/fd"
        mkdir -p "$folder/root/dev/shm" "$folder/root/dev/pts"
        mount -t tmpfs -o mode=1777 tmpfs "$folder/root/dev/shm"
        mount -t devpts -o newinstance,ptmxmode=0666 devpts "$folder/root/dev/pts"
        ln -s pts/ptmx "$folder/root/dev/ptmx"
        hostname "$name"
        echo "$name" >"$folder/root/etc/hostname"
        printf "127.0.0.1 localhost %s\n" "$name" >"$folder/root/etc/hosts"
        touch "$folder/ready"
        if [ "$init" = systemd ]; then
            mount -t cgroup2 cgroup2 "$folder/root/sys/fs/cgroup"
            systemd-id128 new >"$folder/root/etc/machine-id" 2>/dev/null || tr -d - </proc/sys/kernel/random/uuid >"$folder/root/etc/machine-id"
            exec env -i container=box chroot "$folder/root" /lib/systemd/systemd
        fi
        exec chroot "$folder/root" /bin/bash -c "trap : TERM INT HUP; while :; do sleep 3600 & wait; done"
    ' bash "$name" "$boxes_base" "$folder" "$init" </dev/null >"$folder/log" 2>&1 &
    disown
    local outer=$! inner="" i
    for ((i = 0; i < 100; i++)); do
        inner=$(pgrep -P "$outer" | head -n 1 || true)
        [[ -n $inner && -e $folder/ready ]] && break
        sleep 0.1
    done
    [[ -e $folder/ready ]] || { cat "$folder/log" >&2; fail "box $name did not start"; }
    box_process[$name]=$inner
}

box_run() {
    local name=$1
    shift
    nsenter --target "${box_process[$name]}" --mount --uts --ipc --net --pid --root --wd \
        /usr/bin/env -i HOME=/root USER=root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

box_folder() { echo "$boxes_scratch/$1/upper"; }

box_unplug() { ip -n "$boxes_prefix-cable" link set "$1" down; }
box_plug() { ip -n "$boxes_prefix-cable" link set "$1" up; }

boxes_end() {
    local name
    for name in "${!box_process[@]}"; do
        kill -KILL "${box_process[$name]}" 2>/dev/null || true
    done
    for name in "${!box_process[@]}"; do
        while kill -0 "${box_process[$name]}" 2>/dev/null; do sleep 0.05; done
        ip netns delete "$boxes_prefix-$name" 2>/dev/null || true
    done
    box_process=()
    if [[ -n $boxes_prefix ]]; then ip netns delete "$boxes_prefix-cable" 2>/dev/null || true; fi
    if [[ -n $boxes_scratch ]]; then rm -rf --one-file-system "$boxes_scratch"; fi
    boxes_prefix="" boxes_scratch=""
}
