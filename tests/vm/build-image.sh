#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Prepares the test machine in build/vm: Debian's cloud kernel (`kernel`) and the initramfs that
# every run starts from (`base.cpio`): busybox, bash, the network tools and the modules. Does nothing
# when both are newer than what they are made of. The kernel package is downloaded once.
#
# Needs apt (for the package), busybox-static, cpio, and the programs named below.

set -eu
set -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/stage.sh"

dir=$root/build/vm
mkdir -p "$dir"

# In the order that a person would miss them. The optional ones are left out where they are missing.
programs='bash wg ip ping'
optional='tc bridge nft strace jq nsenter unshare setpriv tcpdump wireguard-go'
modules='wireguard veth bridge tun dummy nf_tables nft_ct nft_fib_inet nft_masq nft_chain_nat nft_objref sch_netem'

# Two tests that start at once build one image.
exec 9>"$dir/lock"
flock 9

say() {
	printf 'vm: %s\n' "$*" >&2
}

if ! [ -s "$dir/kernel" ] || ! [ -d "$dir/modules" ]; then
	package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*-cloud-amd64\)$/\1/p' | head -n 1)
	[ -n "$package" ] || { say 'apt does not know linux-image-cloud-amd64 (apt-get update?)'; exit 1; }
	work=$(mktemp -d "$dir/download.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	say "downloading $package"
	(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package") >&2
	dpkg -x "$work"/linux-image-*.deb "$work/tree"
	version=$(basename "$work"/tree/lib/modules/*)
	busybox depmod -b "$work/tree" "$version"
	rm -rf "$dir/modules"
	mv "$work/tree/lib/modules/$version" "$dir/modules"
	cp "$work/tree/boot/vmlinuz-$version" "$dir/kernel.new"
	mv "$dir/kernel.new" "$dir/kernel"
	rm -rf "$work"
	trap - EXIT
fi

# What the image depends on, by name, size and time.
inputs=("$here/build-image.sh" "$here/stage.sh" "$here/init" "$dir/kernel" "$(command -v busybox)")
for p in $programs; do
	path=$(command -v "$p") || { say "$p is missing"; exit 1; }
	inputs+=("$path")
done
for p in $optional; do
	path=$(command -v "$p") && inputs+=("$path")
done
fingerprint=$(stat -L -c '%n %s %Y' "${inputs[@]}")
if [ -s "$dir/base.cpio" ] && [ "$fingerprint" = "$(cat "$dir/base.inputs" 2>/dev/null)" ]; then
	exit 0
fi

stage=$(mktemp -d "$dir/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"
mkdir -p "$stage"/{dev,proc,sys,tmp,run,root,etc,var,meshrc,vm} \
	"$stage"/usr/{bin,sbin,lib,lib64} "$stage"/var/{lib,log}
for d in bin sbin lib lib64; do
	ln -s "usr/$d" "$stage/$d"
done
ln -s ../run "$stage/var/run"
cp -L "$(command -v busybox)" "$stage/usr/bin/busybox"
"$stage/usr/bin/busybox" --list | while read -r applet; do
	[ "$applet" = busybox ] || ln -s busybox "$stage/usr/bin/$applet"
done
for p in $programs $optional; do
	path=$(command -v "$p") || { say "no $p here, so none in the image"; continue; }
	rm -f "$stage/usr/bin/$p"
	stage_file "$stage" "$path" "/usr/bin/$p"
done
# Not busybox: its shell would prefer its own `ip` and others to the real ones.
ln -sf bash "$stage/usr/bin/sh"

order=$stage/lib/modules/order
mkdir -p "${order%/*}"
: >"$order"
for m in $modules; do
	line=$(grep -E "(^|/)$m\.ko:" "$dir/modules/modules.dep") || { say "no module $m"; exit 1; }
	# "module: what it needs, nearest first": so backwards.
	for file in $(printf '%s\n' "$line" | tr -d ':' | tr ' ' '\n' | tac); do
		grep -qxF "${file##*/}" "$order" && continue
		cp "$dir/modules/$file" "$stage/lib/modules/"
		printf '%s\n' "${file##*/}" >>"$order"
	done
done

printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n' \
	>"$stage/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$stage/etc/group"
printf '127.0.0.1 localhost vm\n::1 localhost\n' >"$stage/etc/hosts"
printf 'hosts: files\npasswd: files\ngroup: files\n' >"$stage/etc/nsswitch.conf"
: >"$stage/etc/resolv.conf"
cp "$here/init" "$stage/init"
chmod 755 "$stage/init"

stage_archive "$stage" "$dir/base.cpio.new"
mv "$dir/base.cpio.new" "$dir/base.cpio"
printf '%s\n' "$fingerprint" >"$dir/base.inputs"
