#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Names on real hosts: nodes with an /etc/hosts of their own in which programs find each other, one that is
# a mount point and one that is not; systemd-resolved as a program that behaves like it, on a bus of its own,
# well and badly; and everything away again, with the files compared byte by byte.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

need_userspace getent dbus-daemon
RESOLVED=$BUILD/tests/fake_resolved
[ -x "$RESOLVED" ] || make -s -C "$ROOT" ${SAN:+SAN="$SAN"} "$RESOLVED" >&2

net=$TRASH/net
agent() { # NODE COMMAND OPTION...
	local node=$1
	shift
	net_exec "${node%.*}" env DBUS_SYSTEM_BUS_ADDRESS="unix:path=$TRASH/bus" "$AGENT" "$@" --config "$TRASH/$node.conf"
}
stat_names() { stat_of names_sets <"$OUT"; }
where() { sed -n 's/.*"names": "\(.*\)".*/\1/p' "$OUT"; }
lookup() { net_exec "$1" getent ahosts "$2" | awk '{ print $1 }' | sort -u | tr '\n' ' '; }
known() { [ -n "$(lookup "$1" "$2")" ]; }

pub_init "$net" || skip_all 'init failed'
a_key=$(key_pair "$TRASH/a.key")
b_key=$(key_pair "$TRASH/b.key")
lab_key=$(key_pair "$TRASH/a.lab.key")
c_key=$(peer_key c)
network() { # what stands under dns:, and whether c is there
	cat >"$net/repo/networks/prod.yaml" <<-YAML
		version: 1
		addresses: [10.20.0.0/16, "fd20::/64"]
		interface: wg0
		$1
		topology: [{star: {hubs: [b], spokes: [all]}}]
		nodes:
		  a: {public_key: $a_key, addresses: [10.20.0.1, "fd20::1"]}
		  b: {public_key: $b_key, addresses: [10.20.0.2, "fd20::2"], endpoint: 192.0.2.2}
	YAML
	[ -z "${2:-}" ] || printf '  c: {public_key: %s, addresses: [10.20.0.3, "fd20::3"]}\n' "$c_key" >>"$net/repo/networks/prod.yaml"
	pub_apply "$net" || not_ok 'apply' "$(cat "$net/apply.log")"
}
cat >"$net/repo/networks/lab.yaml" <<YAML
version: 1
addresses: [10.30.0.0/16]
dns: {domain: lab.example.net}
listen_port: 51999
nodes:
  a: {public_key: $lab_key, addresses: [10.30.0.1]}
YAML
network 'dns: {domain: mesh.example.net}' with-c
for node in a b a.lab; do
	cat >"$TRASH/$node.conf" <<-CONF
		url = file://$net/www
		network = $([ "$node" = a.lab ] && echo lab || echo prod)
		node = ${node%.lab}
		trust = $net/root
		private-key = $TRASH/$node.key
		state-dir = $TRASH/$node.state
		backend = userspace
	CONF
done
expect_ok 'two nodes' net_up a b

# a: /etc/hosts is a mount point. b: it is a file in a folder, and its last line has no end.
printf '127.0.0.1\tlocalhost\n# mine\n192.0.2.2 b.example.net\n' >"$TRASH/a.hosts"
chmod 640 "$TRASH/a.hosts"
cp -p "$TRASH/a.hosts" "$TRASH/a.before"
net_exec a mount --bind "$TRASH/a.hosts" /etc/hosts
cp -a /etc "$TRASH/b.etc"
printf '127.0.0.1 localhost' >"$TRASH/b.etc/hosts"
cp -p "$TRASH/b.etc/hosts" "$TRASH/b.before"
net_exec b mount --bind "$TRASH/b.etc" /etc
printf 'hosts: files resolve [!UNAVAIL=return] dns\n' >"$TRASH/nsswitch"

# /etc/hosts.
expect_fail 'nobody knows b' known a b.mesh.example.net
expect_ok 'plan' agent a plan
expect_match 'says where names will stand' "$(<"$OUT")" 'names under mesh.example.net into /etc/hosts'
expect_same 'and does nothing' "$TRASH/a.hosts" "$TRASH/a.before"
expect_ok 'once, on a' agent a once --json
expect_eq 'with names' "$(where) $(stat_names)" 'hosts 1'
expect_ok 'once, on b' agent b once
for node in a b; do
	expect_eq "$node finds b" "$(lookup $node b.mesh.example.net)" '10.20.0.2 fd20::2 '
	expect_eq "$node finds c, which is no peer of a" "$(lookup $node c.mesh.example.net)" '10.20.0.3 fd20::3 '
	expect_eq "$node finds localhost as before" "$(lookup $node localhost)" '127.0.0.1 '
	expect_fail "$node knows no name without the domain" known $node c
done
expect_eq 'a has its own lines as before' "$(head -3 "$TRASH/a.hosts")" "$(cat "$TRASH/a.before")"
expect_eq 'and its mode' "$(stat -c %a "$TRASH/a.hosts")" 640
expect_eq 'no other file is left beside it' "$(cd "$TRASH/b.etc" && echo hosts*)" "$(cd /etc && echo hosts*)"
touch -d 2020-01-01 "$TRASH/a.hosts"
expect_ok 'once more' agent a once --json
expect_eq 'nothing is written' "$(stat_names) $(stat -c %y "$TRASH/a.hosts" | cut -c1-4)" '0 2020'
expect_ok 'status' agent a status
expect_match 'tells of them' "$(<"$OUT")" 'names +in /etc/hosts'

# A second network on a.
expect_ok 'another network' agent a.lab once
expect_eq 'has names of its own' "$(lookup a a.lab.example.net)" '10.30.0.1 '
expect_eq 'beside the others' "$(lookup a b.mesh.example.net)" '10.20.0.2 fd20::2 '

# Changes: of the network, and by hand.
network 'dns: {domain: mesh.example.net}'
expect_ok 'without c' agent a once
expect_fail 'c is forgotten' known a c.mesh.example.net
sed -i 's/^192.0.2.2 /203.0.113.9 /' "$TRASH/a.before"
net_exec a sh -c "sed '/END meshrc prod/d; s/^10.20.0.2\t/10.9.9.9\t/; s/^192.0.2.2 /203.0.113.9 /' /etc/hosts >/run/h && cat /run/h >/etc/hosts"
expect_ok 'a block damaged by hand' agent a once
expect_eq 'is mended' "$(lookup a b.mesh.example.net)" '10.20.0.2 fd20::2 '
expect_eq 'with what somebody wrote' "$(lookup a b.example.net)" '203.0.113.9 '
expect_ok 'and the block of the other network' test "$(grep -c 'meshrc lab' "$TRASH/a.hosts")" = 3
expect_ok 'off by the settings of the host' agent a once --names off
expect_fail 'takes the names away' known a b.mesh.example.net
expect_ok 'on again' agent a once
expect_eq 'brings them back' "$(lookup a b.mesh.example.net)" '10.20.0.2 fd20::2 '
network ''
expect_ok 'a network without names' agent b once --json
expect_eq 'takes them away' "$(where) $(stat_names)" 'none 1'
expect_same 'all of them, and the end of the line' "$TRASH/b.etc/hosts" "$TRASH/b.before"
expect_ok 'down, of the one' agent a down
expect_ok 'and of the other' agent a.lab down
expect_same 'leaves the file as it was' "$TRASH/a.hosts" "$TRASH/a.before"

# systemd-resolved.
network 'dns: {domain: mesh.example.net, servers: [10.20.0.2, "fd20::2"]}'
expect_ok 'servers, but no bus' agent a once --json
expect_eq 'the names are in /etc/hosts' "$(where)" hosts
cat >"$TRASH/bus.conf" <<CONF
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=$TRASH/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
CONF
net_start a dbus-daemon --config-file="$TRASH/bus.conf" --nofork --nopidfile
bus=$NET_PID
wait_for 5 test -S "$TRASH/bus"
expect_ok 'a bus without the service' agent a once --json
expect_eq 'changes nothing' "$(where) $(stat_names)" 'hosts 0'
resolved() { # OPTION...: another one, with its calls in $TRASH/calls
	[ -z "${service:-}" ] || net_stop "$service" >/dev/null
	: >"$TRASH/calls"
	net_start a env DBUS_SYSTEM_BUS_ADDRESS="unix:path=$TRASH/bus" sh -c 'exec "$@" >"$0"' "$TRASH/calls" "$RESOLVED" "$@"
	service=$NET_PID
	wait_for 5 grep -q ready "$TRASH/calls"
}
calls() { sed 1d "$TRASH/calls" | tr '\n' ';'; }
resolved
expect_ok 'the service, which nobody asks' agent a once --json
expect_eq 'changes nothing' "$(where) $(stat_names)" 'hosts 0'
net_exec a mount --bind "$TRASH/nsswitch" /etc/nsswitch.conf
resolved late=3
expect_ok 'the service, which programs ask' agent a once --json
expect_eq 'gets the names' "$(where) $(stat_names)" 'resolved 2'
expect_eq 'by these calls' "$(calls)" \
	'SetLinkDomains wg0 ~mesh.example.net;SetLinkDefaultRoute wg0 no;SetLinkDNS wg0 10.20.0.2 fd20::2;'
expect_same 'and /etc/hosts is as it was' "$TRASH/a.hosts" "$TRASH/a.before"
expect_ok 'once more' agent a once --json
expect_eq 'nothing is sent' "$(stat_names) $(calls | tr -cd ';' | wc -c)" '0 3'
expect_ok 'status' agent a status
expect_match 'tells of it' "$(<"$OUT")" 'names +asked of name servers by systemd-resolved, on wg0'
network 'dns: {domain: mesh.example.net, servers: [10.20.0.2]}'
expect_ok 'fewer servers' agent a once
expect_match 'are set' "$(calls)" 'SetLinkDNS wg0 10.20.0.2;$'
resolved
expect_ok 'a service that was restarted' agent a once --json
expect_eq 'is told again' "$(stat_names)" 1
resolved fail=SetLinkDNS
expect_status 'one that refuses' 1 agent a once
expect_match 'is quoted' "$(<"$ERR")" 'names on this host: systemd-resolved: cannot set .*: Link is managed'
expect_ok 'the interface is up all the same' net_exec a ip link show wg0
resolved forget
expect_status 'one that forgets' 1 agent a once
expect_match 'is told' "$(<"$ERR")" 'somebody else changes it'
for method in GetLink SetLinkDomains SetLinkDNS; do
	resolved "hang=$method"
	began=$SECONDS
	expect_status "one that never answers $method" 1 agent a once
	expect_ok 'is left within seconds' test $((SECONDS - began)) -le 12
done
resolved
expect_ok 'one that works' agent a once
network ''
expect_ok 'a network without names' agent a once --json
expect_match 'takes them away' "$(where) $(calls)" '^none .*RevertLink wg0;$'
network 'dns: {domain: mesh.example.net, servers: [10.20.0.2]}'
expect_ok 'again with names' agent a once
expect_ok 'and down' agent a down
expect_same 'with /etc/hosts as it was' "$TRASH/a.hosts" "$TRASH/a.before"

# A bus that takes the connection and says nothing.
expect_ok 'up, with names from the service' agent a once
net_stop "$service" >/dev/null
kill -STOP "$bus"
began=$SECONDS
expect_status 'a bus that hangs' 1 agent a once
expect_match 'is named' "$(<"$ERR")" 'cannot talk to the system bus'
expect_ok 'and left within seconds' test $((SECONDS - began)) -le 12
expect_ok 'down does not need it' agent a down
expect_same 'with /etc/hosts as it was' "$TRASH/a.hosts" "$TRASH/a.before"
kill -CONT "$bus"
net_stop "$bus" >/dev/null
done_testing
