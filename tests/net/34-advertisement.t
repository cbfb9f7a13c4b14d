#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A taken-over exit says through the tunnel that it is a router, for everything: nobody listens.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

net_usable || skip_all "$NET_WHY"
have git wg wireguard-go python3 nft ping || skip_all 'needs git, wg, wireguard-go, python3, nft and ping'
[ -c /dev/net/tun ] || skip_all 'needs /dev/net/tun'

net=$TRASH/net
agent() { # NODE COMMAND OPTION...
	local node=$1
	shift
	net_exec "$node" "$AGENT" "$@" --config "$TRASH/$node.conf"
}
pub_init "$net" || skip_all 'init failed'
declare -A key=()
for n in exit user; do
	key[$n]=$(key_pair "$TRASH/$n.key")
	cat >"$TRASH/$n.conf" <<-CONF
		url = file://$net/www
		network = prod
		node = $n
		trust = $net/root
		private-key = $TRASH/$n.key
		state-dir = $TRASH/$n.state
		backend = userspace
	CONF
done
cat >"$net/repo/networks/prod.yaml" <<-YAML
	version: 1
	addresses: [10.20.0.0/16, "fd20::/64"]
	interface: wg0
	nodes:
	  exit: {public_key: "${key[exit]}", endpoint: 192.0.2.1, addresses: [10.20.0.1, "fd20::1"]}
	  user: {public_key: "${key[user]}", endpoint: 192.0.2.2, addresses: [10.20.0.2, "fd20::2"], exit_node: exit}
YAML
pub_apply "$net" || not_ok 'apply' "$(cat "$net/apply.log")"
# A default route for a day, a prefix to make an address of, and a route to the host's own network.
advertise() {
	local from
	from=$(net_exec exit ip -6 -o addr show dev wg0 scope link | awk '{ sub("/.*", "", $4); print $4 }')
	net_exec exit python3 - fd20::2 "$from" <<-'PYTHON'
		import socket, struct, sys
		s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
		s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
		s.bind((sys.argv[2], 0, 0, socket.if_nametoindex("wg0")))
		ra = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0x08, 1800, 0, 0)
		pio = struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 86400, 14400, 0) + socket.inet_pton(socket.AF_INET6, "2001:db8:bad::")
		rio = struct.pack("!BBBBI", 24, 2, 32, 0x08, 1800) + socket.inet_pton(socket.AF_INET6, "2001:db8::")[:8]
		s.sendto(ra + pio + rio, (sys.argv[1], 0))
	PYTHON
}
settings() { net_exec user sh -c 'cd /proc/sys/net/ipv6/conf/wg0 && cat accept_ra autoconf accept_redirects' | tr '\n' ' '; }
heard() { { net_exec user ip -6 route show table all; net_exec user ip -6 addr show; } | grep -e 'proto ra' -e 'db8:bad'; }

expect_ok 'two hosts' net_up exit user
net_exec user ip -6 route add default via 2001:db8::3 metric 2048
expect_ok 'the exit' agent exit once
expect_ok 'once' agent user once
expect_ok 'the tunnel stands' net_exec user ping -n -q -c 1 -W 2 fd20::1
expect_eq 'advertisements are not listened to' "$(settings)" '0 0 0 '
expect_ok 'the exit advertises itself' advertise
sleep 1
expect_eq 'nothing comes of it' "$(heard)" ''
expect_eq 'the default route is the one of before' "$(net_exec user ip -6 route show default)" 'default via 2001:db8::3 dev eth0 metric 2048 pref medium'
expect_ok 'once' agent user once --json
expect_eq 'changes nothing' "$(stat_of operations <"$OUT")" 0
net_exec user sh -c 'echo 1 >/proc/sys/net/ipv6/conf/wg0/accept_ra'
expect_ok 'plan' agent user plan
expect_match 'sees that somebody made it listen' "$(<"$OUT")" 'take no routes, addresses or redirects'
expect_ok 'once' agent user once
expect_eq 'makes it stop' "$(settings)" '0 0 0 '
expect_ok 'down' agent user down
done_testing
