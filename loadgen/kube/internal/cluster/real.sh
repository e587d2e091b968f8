#!/bin/bash
# The first process of a node with containers, which real.go starts in namespaces of mounts and
# of processes. When it ends, however it ends, the kernel ends containerd, kubelet and all
# containers, and with them go their mounts.
#   real.sh DIR KUBELET NAME ADDRESS
set -eu
dir=$1 kubelet=$2 name=$3 address=$4
mount --make-rprivate /
mount -t proc proc /proc
# What containerd and kubelet write beside their own directories is not for this machine.
for own in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$own"; done
mount --bind "$dir" "$dir"
mount --make-rshared "$dir"
# As root kubelet would set settings of this machine's kernel. It is shown that they are set.
mount --bind /proc/sys /proc/sys
mount -o remount,ro,bind /proc/sys
mkdir -p "$dir/sysctl"
set_to() {
	[ -e "/proc/sys/$1" ] || return 0
	echo "$2" >"$dir/sysctl/${1##*/}"
	mount --bind "$dir/sysctl/${1##*/}" "/proc/sys/$1"
}
set_to vm/overcommit_memory 1
set_to kernel/panic 10
set_to kernel/panic_on_oops 1
set_to kernel/keys/root_maxkeys 1000000
set_to kernel/keys/root_maxbytes 25000000

cd "$dir"
containerd -c containerd.toml >containerd.log 2>&1 </dev/null &
for _ in $(seq 200); do
	[ ! -S containerd.sock ] || break
	kill -0 $! || { tail -n 5 containerd.log && exit 1; }
	sleep 0.05
done
"$kubelet" --kubeconfig=admin.conf --config=kubelet.yaml --root-dir="$dir/kubelet" --cert-dir="$dir/kubelet/pki" \
	--hostname-override="$name" --node-ip="$address" --v=2 </dev/null &
# Either of them is the end of both.
wait -n
