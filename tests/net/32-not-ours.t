#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Names that are somebody else's, and interfaces that cannot be made: nothing of ours is about them, so that
# what goes over another's interface goes on, and what we could not finish is not left behind.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

need_userspace python3 nft ping

net=$TRASH/net
agent() { # COMMAND OPTION...
	net_exec a "$AGENT" "$@" --config "$TRASH/a.conf"
}
pub_init "$net" || skip_all 'init failed'
a=$(key_pair "$TRASH/a.key")
b=$(key_pair "$TRASH/b.key")
cat >"$TRASH/a.conf" <<-CONF
	url = file://$net/www
	network = prod
	node = a
	trust = $net/root
	private-key = $TRASH/a.key
	state-dir = $TRASH/a.state
	backend = userspace
CONF
routes=
network() { # INTERFACE [PORT], then what else there is on standard input
	{
		cat <<-YAML
			version: 1
			addresses: [10.20.0.0/16]
			interface: $1
			nodes:
			  a: {public_key: "$a", endpoint: 192.0.2.1, addresses: [10.20.0.1], listen_port: ${2:-51820}$routes}
			  b: {public_key: "$b", endpoint: 192.0.2.2, addresses: [10.20.0.2]}
		YAML
		cat
	} >"$net/repo/networks/prod.yaml"
	pub_apply "$net" || not_ok 'apply' "$(cat "$net/apply.log")"
}
guarded() {
	network "$@" <<-YAML
		policy:
		  - {from: [a], to: [b], on: [icmp]}
	YAML
}
# The administrator's way to the machine: an interface of the name that we want.
theirs() {
	net_exec a ip link add "$1" type veth peer name peer0 netns "${net_holder[admin]}"
	net_exec a ip link set "$1" up
	net_exec a ip addr add 10.99.0.1/24 dev "$1"
	net_exec admin ip link set peer0 up
	net_exec admin ip addr add 10.99.0.2/24 dev peer0
}
comes_in() { net_exec admin ping -n -q -c 1 -W 2 10.99.0.1 >/dev/null; }
table() { net_exec a nft list ruleset; }

expect_ok 'two hosts' net_up a admin

# ---------------------------------------------------------------- a name that somebody has
theirs wg0
expect_ok 'the administrator comes in' comes_in
guarded wg0
expect_fail 'once' agent once
expect_match 'says whose it is' "$(<"$ERR")" 'interface wg0: it is there and is no WireGuard interface'
expect_ok 'the administrator still comes in' comes_in
expect_eq 'there is no table' "$(table)" ''
# Where the kernel has WireGuard, this fails as above.
expect_fail 'another back end' agent once --backend kernel
expect_eq 'says one thing, and that it is an error' "$(grep -vc 'error: ' "$ERR") $(wc -l <"$ERR")" '0 1'
network wg0 </dev/null
expect_fail 'without rules' agent once
expect_eq 'nor then' "$(table)" ''
net_exec a ip link del wg0
guarded wg0
expect_fail 'plan without the right to ask' net_exec a setpriv --bounding-set -net_admin --inh-caps -net_admin \
	"$AGENT" plan --config "$TRASH/a.conf"
expect_match 'says what it takes' "$(<"$ERR")" 'it takes root, or the capability CAP_NET_ADMIN'
expect_ok 'plan' agent plan
expect_match 'names the table' "$(<"$OUT")" '^  nftables table inet meshrc-prod added$'
expect_ok 'when it is free' agent once --verbose
expect_match 'tells of it before the interface' "$(grep -A1 nftables "$ERR" | xargs)" \
	'^nftables table inet meshrc-prod added create the interface$'
expect_match 'there is a table' "$(table)" 'iifname "wg0" jump guard'

# ---------------------------------------------------------------- a name that was ours
net_exec a ip link del wg0
expect_ok 'the daemon has ended' wait_for 20 sh -c "! nsenter -t ${net_holder[a]} -m test -e /run/wireguard/wg0.sock"
theirs wg0
expect_fail 'the interface is another one' agent once
expect_eq 'the table goes' "$(table)" ''
expect_ok 'and the administrator comes in' comes_in
net_exec a ip link del wg0
expect_ok 'ours again' agent once
expect_match 'with its table' "$(table)" 'iifname "wg0" jump guard'

# ---------------------------------------------------------------- a routed link's name
theirs wl-b
routes=', routes: [{cidr: 192.168.50.0/24, masquerade: true}]'
network wg0 <<-YAML
	topology:
	  - link: {between: [a], and: [b]}
	    interface_per_link: true
	routed_links:
	  transfer: [10.99.1.0/24]
YAML
expect_fail 'a link that cannot be made' agent once
expect_match 'says which' "$(<"$ERR")" 'interface wl-b: '
expect_ok 'the administrator comes in' comes_in
expect_match 'what is masqueraded comes by the main interface' "$(table)" 'iifname "wg0" oifname != "wg0"'
expect_eq 'and not by the other' "$(table | grep -c wl-)" 0
net_exec a ip link del wl-b
expect_ok 'when it is free' agent once
expect_match 'by both' "$(table)" 'iifname { "wg0", "wl-b" } oifname'
expect_ok 'down' agent down
routes=

# ---------------------------------------------------------------- a port that somebody has
net_start a python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 51820))
time.sleep(1000)'
holder=$NET_PID
expect_ok 'the port is taken' wait_for 10 sh -c "nsenter -t ${net_holder[a]} -n ss -Hlun | grep -q :51820"
guarded wg0
for n in 1 2; do
	expect_fail "once, try $n" agent once
	expect_match "try $n: names the port" "$(<"$ERR")" 'UDP port 51820 is taken on this host \(`ss -ulnp sport = :51820` shows by whom\)'
	expect_eq "try $n: there is no interface" "$(net_exec a ip -o link show type tun)" ''
	expect_eq "try $n: nor a table" "$(table)" ''
done
net_stop "$holder"
expect_ok 'the port is free' agent once
expect_match 'there is a table' "$(table)" 'iifname "wg0" jump guard'
# An interface that is there stays, with all it has.
net_start a python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 51999))
time.sleep(1000)'
expect_ok 'another port is taken' wait_for 10 sh -c "nsenter -t ${net_holder[a]} -n ss -Hlun | grep -q :51999"
guarded wg0 51999
expect_fail 'a change to that one' agent once
expect_match 'the interface stays' "$(net_exec a ip -o addr show dev wg0)" '10.20.0.1'
expect_match 'with its peer' "$(net_exec a wg show wg0 allowed-ips)" '10.20.0.2/32'
expect_match 'and its guard' "$(table)" 'iifname "wg0" jump guard'
net_stop "$NET_PID"
expect_ok 'and follows when it can' agent once
expect_eq 'on the new port' "$(net_exec a wg show wg0 listen-port)" 51999
expect_ok 'down' agent down
expect_eq 'leaves nothing' "$(table)" ''

# ---------------------------------------------------------------- the place of our policy rules
routes=', exit_node: b'
network wg0 </dev/null
expect_ok 'an exit' agent once
read -r priority at < <(net_exec a ip rule | sed -n 's/^\([0-9]*\):.* lookup \(77[0-9]*\).*/\1 \2/p' | tail -n 1)
expect_match 'has rules of its own' "$priority $at" '^2[0-9]+ 77[0-9]+$'
expect_ok 'down' agent down
net_exec a ip rule add priority "$priority" lookup 4711 protocol 77
expect_fail 'plan, with rules of somebody else in their place' agent plan
expect_match 'says what is done all the same' "$(<"$OUT")" '^  create the interface$'
expect_fail 'once' agent once
expect_match 'says what stands there' "$(<"$ERR")" "the way to the exit: another network on this host has its policy rules at priority"
expect_match 'the interface is there' "$(net_exec a wg show wg0 allowed-ips)" '10.20.0.2/32'
expect_eq 'and nothing leads into it' "$(net_exec a ip rule | grep -c "lookup $at")" 0
net_exec a ip rule del priority "$priority"
expect_ok 'when the place is free' agent once
expect_eq 'it does' "$(($(net_exec a ip rule | grep -c "lookup $at") > 0))" 1
expect_ok 'down' agent down
done_testing
