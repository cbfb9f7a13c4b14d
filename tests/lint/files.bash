# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the gates share. A gate runs in the root of a source tree, prints "path:line: what is wrong"
# for each finding and returns 1 when there was one. selftest.t runs each in trees with known faults.

set -u
set -o pipefail
export LC_ALL=C
BUILD=${BUILD:-build}

# 1 after a finding: the exit status of the gate.
export lint_bad=0

# finding PLACE MESSAGE
finding() {
	printf '%s: %s\n' "$1" "$2" >&2
	lint_bad=1
}

# A gate that cannot look must not look as if it had found nothing.
cannot() {
	printf '%s: %s\n' "${0##*/}" "$1" >&2
	exit 1
}

need() {
	local p
	for p in "$@"; do
		command -v "$p" >/dev/null 2>&1 || cannot "$p is not installed (make deps)"
	done
}

# Every file that belongs to the tree, sorted: what git tracks or would track; without git, what is there.
tree_files() {
	{
		git -c safe.directory='*' ls-files -co --exclude-standard 2>/dev/null ||
			find . -type f -not -path './.git/*' -not -path './build/*' | sed 's|^\./||'
	} | sort -u | while IFS= read -r f; do
		[ ! -f "$f" ] || printf '%s\n' "$f"
	done
}

# tree_files of these name endings: c h
tree_files_of() {
	local pattern
	pattern=$(printf '|%s' "$@")
	tree_files | grep -E "\.(${pattern#|})\$"
}

# Shell scripts by name or by first line.
tree_scripts() {
	tree_files | while IFS= read -r f; do
		case $f in
		*.sh | *.bash | *.t) printf '%s\n' "$f" ;;
		*.*) ;;
		*)
			head -c 64 "$f" | head -n 1 | tr -d '\0' |
				grep -qE '^#! ?(/usr)?/bin/(env )?(ba|da)?sh( |$)' && printf '%s\n' "$f"
			;;
		esac
	done
}
