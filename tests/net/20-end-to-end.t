#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# From YAML to wireguard-go: what tests/vm/1* show on the kernel, for the userspace back end. 1,000 peers
# in fragments, mirrors, an agent killed at any of its steps, a start without any publication.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

need_userspace python3 strace

net=$TRASH/net
agent() { net_exec hub "$AGENT" "$@" --config "$TRASH/conf"; }
got() { { echo '@wg hub'; net_exec hub wg showconf big; } | canon | sort; }
routes() { net_exec hub ip route show dev big proto 77 | awk '{ print $1 }' | sort; }
snapshot() { net_exec hub sh -c 'ip addr; ip route show table all; ls /run/wireguard'; }
stats() { # NAME...
	local name line=
	for name in "$@"; do line+="$(stat_of "$name" <"$OUT") "; done
	printf '%s' "${line% }"
}

pub_init "$net" || skip_all 'init failed'
hub=$(key_pair "$TRASH/key")
network() { # NAME OPTION...
	local name=$1
	shift
	python3 "$ROOT/tests/bench/network.py" star 1001 --routes --first "$hub" "$@" >"$net/repo/networks/big.yaml"
	pub_apply "$net" "$TRASH/$name" || not_ok "apply: $name"
	{ echo '@wg hub'; "$MESHRC" render node-0 --repo "$net/repo" --format wg; } |
		sed "s|REPLACE_WITH_PRIVATE_KEY|$(<"$TRASH/key")|" | canon | sort >"$TRASH/$name.want"
}
network 1
network 2 --moved 500
network 3 --moved 500 --without 300
mv "$TRASH/1" "$TRASH/www"

cat >"$TRASH/conf" <<-CONF
	url = file://$TRASH/dead
	url = https://127.0.0.1:1/
	url = file://$TRASH/www
	network = big
	node = node-0
	trust = $net/root
	private-key = $TRASH/key
	state-dir = $TRASH/state
	backend = userspace
CONF
expect_ok 'a node' net_up hub
snapshot >"$TRASH/fresh"

# ---------------------------------------------------------------- once
expect_ok 'once, from the third mirror, since two are dead' agent once --json
expect_match 'they are named' "$(<"$ERR")" 'file://.*/dead'
expect_match 'both' "$(<"$ERR")" 'https://127\.0\.0\.1:1/'
expect_eq '1,000 peers' "$(stats peers peers_sent)" '1000 1000'
got >"$TRASH/got"
expect_same 'as rendered' "$TRASH/got" "$TRASH/1.want"
expect_eq 'with their routes' "$(routes | wc -l)" 1000
expect_ok 'once more' agent_strace "$TRASH/strace" nsenter -t "${net_holder[hub]}" -m -n -- \
	"$AGENT" once --config "$TRASH/conf" --json
expect_eq 'sends nothing' "$(stats set_messages operations)" '0 0'
expect_eq 'by its system calls: no netlink message that changes' "$(sets_in "$TRASH/strace")" 0
expect_eq 'and no "set=1" to the daemon' "$(grep -c 'set=1' "$TRASH/strace") $(grep -c 'get=1' "$TRASH/strace" | sed 's/[1-9][0-9]*/some/')" '0 some'

rm -r "$TRASH/www" && mv "$TRASH/2" "$TRASH/www"
expect_ok 'one changed endpoint' agent once --json
expect_eq 'is one peer in one message' "$(stats set_messages wg_messages peers_sent)" '1 1 1'
got >"$TRASH/got"
expect_same 'as rendered again' "$TRASH/got" "$TRASH/2.want"
rm -r "$TRASH/www" && mv "$TRASH/3" "$TRASH/www"
expect_ok '300 nodes less' agent once --json
expect_eq 'are 300 peers' "$(stats peers_sent)" 300
got >"$TRASH/got"
expect_same 'as rendered, too' "$TRASH/got" "$TRASH/3.want"
expect_eq 'and 300 routes less' "$(routes | wc -l)" 700

# ---------------------------------------------------------------- a reboot without a server
mv "$TRASH/www" "$TRASH/gone"
mapfile -t daemon < <(net_pids hub)
kill -KILL "${daemon[@]}" # what a reboot leaves: nothing but the state folder
no_interface() { ! net_exec hub ip link show big; }
expect_ok 'no interface' wait_for 10 no_interface
expect_status 'no publication: that is said' 1 agent once --json
got >"$TRASH/got"
expect_same 'and the last good one is up' "$TRASH/got" "$TRASH/3.want"
mv "$TRASH/gone" "$TRASH/www"

expect_ok 'down' agent down
expect_eq 'leaves nothing' "$(snapshot)" "$(<"$TRASH/fresh")"
expect_eq 'and no process' "$(net_pids hub)" ''

# ---------------------------------------------------------------- killed in the middle
# At each step that changes a file, the daemon or the kernel in turn, from an empty state folder, until
# there are no more. The network is small now, since wireguard-go starts anew each time.
python3 "$ROOT/tests/bench/network.py" star 12 --routes --first "$hub" >"$net/repo/networks/big.yaml"
rm -rf "$TRASH/www" "$TRASH/state"
pub_apply "$net" "$TRASH/www" || not_ok 'apply: small'
{ echo '@wg hub'; "$MESHRC" render node-0 --repo "$net/repo" --format wg; } |
	sed "s|REPLACE_WITH_PRIVATE_KEY|$(<"$TRASH/key")|" | canon | sort >"$TRASH/small.want"
sed -i '/dead/d; /https/d' "$TRASH/conf"
killed=0
for step in fsync fdatasync rename renameat renameat2 linkat unlinkat mkdirat ftruncate sendto ioctl; do
	for ((n = 1; n < 100; n++)); do
		agent down --quiet 2>/dev/null
		rm -rf "$TRASH/state"
		ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 net_exec hub strace -o /dev/null -e "trace=$step" -e "inject=$step:signal=KILL:when=$n" \
			"$AGENT" once --config "$TRASH/conf" --quiet >/dev/null 2>&1 && break
		killed=$((killed + 1))
		if ! capture agent once --json || [ "$(got)" != "$(<"$TRASH/small.want")" ]; then
			tap_blame "killed at $step number $n: converges" 'should have converged' agent once
			note "$(got)"
		fi
		capture agent once --json --offline
		[ "$STATUS $(stats set_messages serial)" = '0 0 4' ] ||
			tap_blame "killed at $step number $n: rests" 'should have rested' agent once --offline
	done
done
got >"$TRASH/got"
expect_same 'killed at any step, it converges' "$TRASH/got" "$TRASH/small.want"
expect_eq 'there were steps to be killed at' "$((killed > 10))" 1
note "killed $killed times"
expect_ok 'down' agent down
expect_eq 'leaves nothing' "$(snapshot)" "$(<"$TRASH/fresh")"
done_testing
