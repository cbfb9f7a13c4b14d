#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs the Debian packages that meshrc needs and that are missing; does nothing when all are there.
#
#	packaging/deps.sh [build|test|all]	default: all
#	packaging/deps.sh --list [GROUP]	the packages, one a line with what each is for; installs nothing
#
# It calls apt-get alone: no package comes from anywhere but the machine's own apt sources. Runs on a bare Debian 12, where
# even the compiler may be missing.

set -u
set -o pipefail

# group, package, what it is for
packages() {
	cat <<-'LIST'
		build gcc the compiler
		build libc6-dev the C library's headers
		build make builds
		build pkg-config finds the libraries
		build git reads, writes and pushes network repositories; hooks
		build libgit2-dev meshrc: reads and writes network repositories
		build libyaml-dev meshrc: YAML
		build libsodium-dev both: signatures, hashes, keys
		build libcurl4-openssl-dev meshrc-agent: https:// and file://
		build libmnl-dev meshrc-agent: netlink
		build libnftables-dev meshrc-agent: masquerading
		build libsystemd-dev meshrc-agent: systemd-resolved
		build libinotifytools0-dev meshrc watch
		build libjansson-dev both: JSON output
		build libqrencode-dev meshrc: a client's configuration as a QR code
		build libpng-dev meshrc: the code as a picture
		build scdoc manual pages
		build ca-certificates meshrc-agent: https://
		test libcmocka-dev unit tests
		test wireguard-tools the tests compare with wg
		test wireguard-go WireGuard without the kernel's module
		test iproute2 network namespaces
		test iputils-ping reachability between test nodes
		test nftables tests that cut connections
		test valgrind tests: instructions of a plan are counted
		test bird2 tests: a routing daemon over routed links
		test procps tests that look at processes
		test qemu-system-x86 boots a kernel with WireGuard
		test busybox-static the test machine's userland
		test cpio the test machine's initramfs
		test clang fuzz targets
		test libclang-rt-14-dev fuzz targets: libFuzzer
		test clang-format lint: layout of the code
		test cppcheck lint: static analysis
		test shellcheck lint: shell scripts
		test python3 tests and generators
		test python3-jsonschema tests of the JSON Schema
		test python3-yaml tests of the JSON Schema
		test openssl tests: certificates of local https:// servers
		test dbus-daemon a bus for tests of names
		test bind9-utils tests of zone files
		test jq tests of JSON output
		test zbar-tools tests read QR codes back
		test librsvg2-bin tests read SVG pictures back
		test strace tests of what the programs open
		test mandoc lint: manual pages
	LIST
}

usage() {
	echo 'usage: packaging/deps.sh [--list] [build|test|all]' >&2
	exit 64
}

list=
if [ "${1-}" = --list ]; then
	list=1
	shift
fi
[ $# -le 1 ] || usage
group=${1:-all}
case $group in build | test | all) ;; *) usage ;; esac

wanted=()
declare -A why=()
while read -r g name text; do
	[ "$group" = all ] || [ "$group" = "$g" ] || continue
	wanted+=("$name")
	why[$name]="$g: $text"
done < <(packages)

if [ -n "$list" ]; then
	for name in "${wanted[@]}"; do
		printf '%s\t%s\n' "$name" "${why[$name]}"
	done
	exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo 'deps: this is not Debian or a relative of it; install what corresponds to these packages by hand:' >&2
	printf '  %s\n' "${wanted[@]}" >&2
	exit 1
fi

installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | sed -n 's/^.i  *//p')
missing=()
for name in "${wanted[@]}"; do
	grep -qx -- "$name" <<<"$installed" || missing+=("$name")
done

# The kernel of the test machine is a package that is unpacked, not installed: apt must know it.
need_lists=
if [ "$group" != build ] && [ ! -s "$(dirname "$0")/../build/vm/kernel" ] &&
	! apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1; then
	need_lists=1
fi

if [ "${#missing[@]}" -eq 0 ] && [ -z "$need_lists" ]; then
	echo "deps: all ${#wanted[@]} packages are there"
	exit 0
fi

if [ "${#missing[@]}" -gt 0 ]; then
	echo "deps: ${#missing[@]} of ${#wanted[@]} packages are missing:"
	for name in "${missing[@]}"; do
		printf '  %-22s %s\n' "$name" "${why[$name]}"
	done
else
	echo 'deps: every package is there, but apt has no package lists (for the kernel of the test machine)'
fi

if [ "$(id -u)" -ne 0 ]; then
	if [ "${#missing[@]}" -eq 0 ]; then
		echo 'deps: only root may fetch them (sudo apt-get update); going on without'
		exit 0
	fi
	echo "deps: only root may install them: run 'sudo make deps'" >&2
	exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt='apt-get -qq -o Dpkg::Use-Pty=0'
echo "deps: running: $apt update"
$apt update || echo 'deps: apt-get update failed; trying with the lists there are' >&2
[ "${#missing[@]}" -gt 0 ] || exit 0
echo "deps: running: $apt install --no-install-recommends ${missing[*]}"
if ! $apt install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
	echo 'deps: apt-get install failed; what it says without -qq:' >&2
	apt-get install -y --no-install-recommends "${missing[@]}" >&2 || exit 1
fi
echo "deps: installed ${#missing[@]} packages"
