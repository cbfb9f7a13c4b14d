# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Puts files into a staging folder that becomes an initramfs. For build-image.sh and run.sh.
#
# Several archives are laid over each other in the guest, and the kernel's unpacker replaces a
# symbolic link by a folder of the same name. So /bin, /sbin, /lib and /lib64, which are links in the
# first archive, are always written as what they point to.

stage_path() { # GUEST_PATH: where it really is
	case $1 in
	/bin/* | /sbin/* | /lib/* | /lib64/*) printf '/usr%s\n' "$1" ;;
	*) printf '%s\n' "$1" ;;
	esac
}

# stage_file STAGE FILE GUEST_PATH: with the shared libraries it needs, if it is a program. FILE may
# be a folder, which is taken whole.
stage_file() {
	local stage=$1 file=$2 dest lib
	dest=$stage$(stage_path "$3")
	if [ -d "$file" ]; then
		mkdir -p "$dest"
		cp -a "$file/." "$dest/"
		return
	fi
	[ -f "$file" ] || { printf '%s: no such file\n' "$file" >&2; return 1; }
	mkdir -p "${dest%/*}"
	cp -L --preserve=mode,timestamps "$file" "$dest"
	if [ "$(head -c 4 "$file" | tr -d '\177\0')" != ELF ]; then
		return 0
	fi
	# "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)" or "/lib64/ld-linux-x86-64.so.2 (0x...)"
	ldd "$file" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' |
		while read -r lib; do
			dest=$stage$(stage_path "$lib")
			if [ ! -e "$dest" ]; then
				mkdir -p "${dest%/*}"
				cp -L --preserve=mode,timestamps "$lib" "$dest"
			fi
		done
}

# stage_archive STAGE FILE: as cpio, not compressed: the emulated machine unpacks that faster
stage_archive() {
	(cd "$1" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
		cpio --null --create --format=newc --owner=0:0 --quiet) >"$2"
}
