#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Figures beside other tools, in one run, as Markdown tables. See docs/benchmarks.md.
#
#	tests/bench/run.sh [compile] [plan] [kernel] [userspace]	default: all four
#
# BENCH_NODES="100 500 1000" are the nodes of the meshes, BENCH_SIZES="1000 10000" the peers of one
# interface. Needs root for `userspace`, and a quiet machine.

set -u
set -o pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
MESHRC=$BUILD/meshrc
export MESHRC BUILD PATH=$BUILD:$PATH LC_ALL=C TZ=UTC
unset "${!GIT_@}" MESHRC_SIGNING_KEY
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
. "$ROOT/tests/bench/lib.sh"
. "$ROOT/tests/vm/10-lib.sh"

work=$(mktemp -d "${TMPDIR:-/tmp}/meshrc-bench.XXXXXX") || exit 1
trap 'rm -rf "$work" "$BENCH_OUT"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
sizes=${BENCH_SIZES:-1000 10000}
network() { python3 "$ROOT/tests/bench/network.py" "$@"; }

# The compiler: everything that has to be done until N nodes of a full mesh can fetch theirs.
bench_compile() {
	local venv=$ROOT/build/bench-venv other='' n dir i t_plan t_apply t_render t_add
	printf '\n## Compiling a full mesh\n\n'
	if ! [ -x "$venv/bin/wg-meshconf" ]; then
		python3 -m venv "$venv" >"$BENCH_OUT" 2>&1 &&
			"$venv/bin/pip" install -q 'wg-meshconf==2.5.1' >"$BENCH_OUT" 2>&1
	fi
	if [ -x "$venv/bin/wg-meshconf" ]; then
		other=$venv/bin/python3
		printf 'wg-meshconf %s, cryptography %s.\n\n' \
			"$("$venv/bin/pip" show wg-meshconf 2>/dev/null | sed -n 's/^Version: //p')" \
			"$("$venv/bin/pip" show cryptography 2>/dev/null | sed -n 's/^Version: //p')"
	else
		printf 'wg-meshconf cannot be had here (no PyPI, or no python3-venv): its rows are missing.\n\n'
	fi
	printf '| nodes | work | time | output | wg-meshconf / this |\n|---|---|---|---|---|\n'
	# shellcheck disable=SC2086 # a word for each size
	for n in ${BENCH_NODES:-100 500 1000}; do
		dir=$work/mesh-$n
		pub_init "$dir" >/dev/null || bench_die init
		network mesh "$n" >"$dir/repo/networks/big.yaml"
		git -C "$dir/repo" add -A && git -C "$dir/repo" commit -q -m first
		local t_other=0 t_memo=0 size_other=0
		if [ -n "$other" ]; then
			# The same network in its own format: a table with the private keys.
			python3 - "$n" >"$work/database.csv" <<-'PYTHON'
				import base64, hashlib, ipaddress, sys
				print('"Name","Address","Endpoint","AllowedIPs","ListenPort","PersistentKeepalive","FwMark","PrivateKey","DNS","MTU","Table","PreUp","PostUp","PreDown","PostDown","SaveConfig"')
				for i in range(int(sys.argv[1])):
				    key = base64.b64encode(hashlib.sha256(b"private %d" % i).digest()).decode()
				    print(f'"node-{i}","{ipaddress.ip_address(0x0a000001 + i)}/32","{ipaddress.ip_address(0xc6120001 + i)}","","51820","","","{key}","","","","","","","",""')
			PYTHON
			taken=()
			for ((i = 0; i < (n > 100 ? 1 : 3); i++)); do
				take it -p "rm -rf '$work/files'" "$venv/bin/wg-meshconf" -d "$work/database.csv" genconfig -o "$work/files"
			done
			t_other=$(median it)
			size_other=$(du -sb "$work/files" | cut -f 1)
			cat >"$work/memo.py" <<-'PYTHON'
				import functools, sys
				from wg_meshconf import wireguard
				wireguard.WireGuard.pubkey = staticmethod(functools.lru_cache(None)(wireguard.WireGuard.pubkey))
				from wg_meshconf import main
				sys.exit(main())
			PYTHON
			taken=()
			for ((i = 0; i < 3; i++)); do
				take it -p "rm -rf '$work/files'" "$other" "$work/memo.py" -d "$work/database.csv" genconfig -o "$work/files"
			done
			t_memo=$(median it)
			[ "$(find "$work/files" -type f | wc -l)" = "$n" ] || bench_die 'wg-meshconf wrote too few files'
		fi
		taken=()
		for ((i = 0; i < 5; i++)); do take it meshrc plan --repo "$dir/repo"; done
		t_plan=$(median it)
		taken=()
		for ((i = 0; i < 5; i++)); do
			take it -p "git -C '$dir/repo' update-ref -d refs/heads/published; rm -rf '$dir/www'" \
				meshrc apply --repo "$dir/repo" --key "$dir/keys/publisher.key" --auto-approve --quiet
		done
		t_apply=$(median it)
		local size_ours
		size_ours=$(du -sb "$dir/www" | cut -f 1)
		render_all() {
			local k
			mkdir -p "$work/rendered"
			for ((k = 0; k < n; k++)); do
				meshrc render "node-$k" --repo "$dir/repo" --format wg-quick >"$work/rendered/node-$k.conf" || return 1
			done
		}
		taken=()
		for ((i = 0; i < (n > 100 ? 1 : 3); i++)); do take it -p "rm -rf '$work/rendered'" render_all; done
		t_render=$(median it)
		local size_rendered
		size_rendered=$(du -sb "$work/rendered" | cut -f 1)
		network mesh $((n + 1)) >"$dir/repo/networks/big.yaml"
		git -C "$dir/repo" commit -q -a -m 'one more'
		taken=()
		take it meshrc apply --repo "$dir/repo" --key "$dir/keys/publisher.key" --auto-approve --quiet
		t_add=$(median it)
		local added
		added=$(git -C "$dir/repo" diff -M --numstat published~1 published | awk '{ s += $1 } END { print s }')
		compile_row() { # WORK MICROSECONDS OUTPUT
			local r='-'
			[ "$t_other" = 0 ] || r="$(ratio "$t_other" "$2"), $(ratio "$t_memo" "$2") with keys kept"
			printf '| %s | %s | %s | %s | %s |\n' "$n" "$1" "$(ms "$2")" "$3" "$r"
		}
		if [ "$t_other" != 0 ]; then
			printf '| %s | `wg-meshconf genconfig` | %s | %s bytes, %s files | 1 |\n' "$n" "$(ms "$t_other")" "$size_other" "$n"
			printf '| %s | the same, each public key computed once | %s | the same | |\n' "$n" "$(ms "$t_memo")"
		fi
		compile_row '`meshrc plan` of all nodes, from cold YAML' "$t_plan" 'a text'
		compile_row '`meshrc apply`: compile, sign, commit, write the tree' "$t_apply" "$size_ours bytes"
		compile_row "\`meshrc render\`, $n processes, the same files" "$t_render" "$size_rendered bytes, $n files"
		compile_row '`meshrc apply` of one node more' "$t_add" "$added lines"
	done
}

bench_plan() {
	local dir=$work/plan t
	printf '\n## Plan of a full mesh of 10,000 nodes\n\n'
	pub_init "$dir" >/dev/null || bench_die init
	network mesh 10000 >"$dir/repo/networks/big.yaml"
	git -C "$dir/repo" add -A && git -C "$dir/repo" commit -q -m first
	printf '| work | time | memory | says |\n|---|---|---|---|\n'
	plan_row() { # WORK
		local i out kb=0 one
		taken=()
		for ((i = 0; i < 5; i++)); do
			out=$(python3 "$ROOT/tests/perf/measure.py" "$work/out" meshrc plan --repo "$dir/repo") || bench_die plan
			read -r t one _ <<<"$out"
			taken[it]+="$((t * 1000)) "
			kb=$((one > kb ? one : kb))
		done
		printf '| %s | %s | %s MB | %s |\n' "$1" "$(ms "$(median it)")" "$((kb / 1024))" "$(tail -n 1 "$work/out")"
	}
	plan_row 'nothing published yet'
	taken=()
	take it meshrc apply --repo "$dir/repo" --key "$dir/keys/publisher.key" --auto-approve --quiet
	t=$(median it)
	printf '| `apply` of it: compile, sign, commit, write %s bytes | %s | | |\n' "$(du -sb "$dir/www" | cut -f 1)" "$(ms "$t")"
	plan_row 'nothing changed'
	network mesh 10000 --moved 5000 >"$dir/repo/networks/big.yaml"
	plan_row 'one endpoint changed'
	git -C "$dir/repo" commit -q -a -m second
	taken=()
	take it meshrc apply --repo "$dir/repo" --key "$dir/keys/publisher.key" --auto-approve --quiet
	printf '| `apply` of that | %s | | |\n' "$(ms "$(median it)")"
	printf '\nWhat that publication changes (`git diff --stat -M published~1 published`):\n\n```\n'
	git -C "$dir/repo" diff --stat=100 -M published~1 published | sed 's/\([0-9a-f]\{8\}\)[0-9a-f]\{56\}/\1.../g'
	printf '```\n\nA clone fetches %s bytes for it (thin pack); an agent with the old one %s bytes.\n' \
		"$(printf 'published\n^published~1\n' | git -C "$dir/repo" pack-objects --revs --thin --stdout -q | wc -c)" \
		"$(new_bytes "$dir/repo")"
}

# What an agent has to fetch that has all documents of the publication before: the manifest and what is new.
new_bytes() {
	git -C "$1" diff --no-renames --diff-filter=AM --name-only published~1 published |
		while read -r path; do git -C "$1" cat-file -s "published:$path"; done |
		awk '{ s += $1 } END { print s }'
}

# Publications and configurations for once.sh: node-0 has N peers; one peer has another endpoint in each
# publication.
once_data() {
	local n dir first i
	data=$work/data
	[ ! -e "$data" ] || return 0
	for n in $sizes; do
		dir=$work/once-$n
		mkdir -p "$data/$n"
		first=$(key_pair "$data/$n/key")
		pub_init "$dir" >/dev/null || bench_die init
		for i in 0 1 2 3 4 5; do
			network star $((n + 1)) --first "$first" --moved 500 --place "$i" >"$dir/repo/networks/big.yaml"
			pub_apply "$dir" "$data/$n/www.$i" || bench_die apply
			meshrc render node-0 --repo "$dir/repo" --format wg |
				sed "s|REPLACE_WITH_PRIVATE_KEY|$(<"$data/$n/key")|" >"$data/$n/conf.$i"
		done
		cp "$dir/root" "$data/$n/root"
		rm -rf "$dir"
	done
}

# shellcheck disable=SC2086 # a word for each size
bench_kernel() {
	printf '\n## On the kernel'"'"'s WireGuard (Debian'"'"'s kernel in a software-emulated machine)\n\n'
	once_data
	"$ROOT/tests/vm/run.sh" -m 2048 -t 1200 -a "$data:/data" -a "$ROOT/tests/bench:/bench" \
		"$ROOT/tests/bench/once.sh" kernel /data 3 $sizes
}

# shellcheck disable=SC2086
bench_userspace() {
	printf '\n## On wireguard-go\n\n'
	if [ "$(id -u)" -ne 0 ] || ! command -v wireguard-go >/dev/null || ! [ -c /dev/net/tun ]; then
		printf 'Not measured: needs root, wireguard-go and /dev/net/tun.\n'
		return
	fi
	once_data
	setpriv --pdeathsig KILL unshare --kill-child -m -n -p -f --mount-proc --propagation private bash -c '
		mount -t tmpfs tmpfs /run && mkdir /run/wireguard && mount -t sysfs sysfs /sys && exec "$@"' \
		bench "$ROOT/tests/bench/once.sh" userspace "$data" 5 $sizes
}

[ -x "$MESHRC" ] || { echo 'bench: make first' >&2; exit 1; }
[ $# -gt 0 ] || set -- compile plan kernel userspace
printf '# meshrc %s\n\n%s, %s cores, Linux %s\n' "$(meshrc --version | cut -d ' ' -f 2)" \
	"$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)"
for part; do
	case $part in
	compile | plan | kernel | userspace) "bench_$part" || exit 1 ;;
	*) sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
	esac
done
