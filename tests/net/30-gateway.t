#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A gateway: networks behind it are reached through it, with masquerading by hosts that know no way back
# and without it by hosts that do; and all that was changed on it is put back, by `down` and by a changed
# network, with the namespace before compared with the one after.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

need_userspace python3 nft ping

net=$TRASH/net
setting() { net_exec gate cat "/proc/sys/net/$1"; }
set_to() { net_exec gate sh -c "echo $2 >/proc/sys/net/$1"; }
# All of gate without the interface and what hangs on it.
around() { net_snapshot gate | grep -vE 'conf/wg0/|dev wg0|table all' | sed '/^[0-9]*: wg0/,/^[0-9]*: /{/^[0-9]*: wg0/d;/^ /d}' | sed 's/^[0-9]*: //'; }
reaches() { net_exec far ping -n -q -c 2 -i 0.2 -W 2 "$1"; }
# A router advertisement from the switch, as radvd would send it, with a default route and no prefix.
advertise() {
	net_exec switch python3 - <<-'PYTHON'
		import socket
		s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
		s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
		s.sendto(bytes([134, 0, 0, 0, 64, 0, 0x07, 0x08]) + bytes(8), ("ff02::1", 0, 0, socket.if_nametoindex("br0")))
	PYTHON
}
advertised() { net_exec gate ip -6 route show default | grep -q 'proto ra'; }

pub_init "$net" || skip_all 'init failed'
gate_key=$(key_pair "$TRASH/gate.key")
far_key=$(key_pair "$TRASH/far.key")
network() { # the routes of gate, as YAML
	cat >"$net/repo/networks/prod.yaml" <<-YAML
		version: 1
		addresses: [10.20.0.0/16, "fd20::/64"]
		interface: wg0
		nodes:
		  gate:
		    public_key: $gate_key
		    endpoint: 192.0.2.1
		    addresses: [10.20.0.1, "fd20::1"]
		    routes: $1
		  far:
		    public_key: $far_key
		    endpoint: 192.0.2.2
		    addresses: [10.20.0.2, "fd20::2"]
	YAML
	pub_apply "$net" || not_ok 'apply' "$(cat "$net/apply.log")"
}
network '[{cidr: 192.168.10.0/24, masquerade: true}, 192.168.20.0/24, {cidr: "fd30:10::/64", masquerade: true}, "fd30:20::/64"]'
for node in gate far; do
	agent_conf "$node" prod "file://$net/www" "$net/root" "$TRASH" userspace
done
expect_ok 'two nodes' net_up gate far
# Behind gate: "nat" knows nobody but its own link, "lan" knows the way to the network.
expect_ok 'a host behind one of them' net_behind nat gate 10
expect_ok 'and another one' net_behind lan gate 20
net_exec lan ip route add 10.20.0.0/16 via 192.168.20.1
net_exec lan ip -6 route add fd20::/64 via fd30:20::1
# An administrator's own: forwarding of one interface, no redirects, a table.
set_to ipv4/conf/to-lan/forwarding 1
set_to ipv4/conf/all/accept_redirects 0
set_to ipv6/conf/to-nat/forwarding 1
set_to ipv6/conf/to-lan/accept_ra 0
net_exec gate nft 'table inet admin { chain input { type filter hook input priority 0; policy accept; }; }'
expect_eq 'nothing is forwarded at first' "$(setting ipv4/ip_forward) $(setting ipv6/conf/all/forwarding)" '0 0'
expect_ok 'an advertisement' advertise
expect_ok 'is heard' wait_for 5 advertised
net_snapshot gate >"$TRASH/fresh"

# ---------------------------------------------------------------- once
expect_ok 'the other node' agent far once
expect_ok 'plan' agent gate plan
expect_match 'says what it would change' "$(<"$OUT")" 'sysctl net\.ipv4\.conf\.all\.forwarding: 0 -> 1'
expect_match 'of IPv6 too' "$(<"$OUT")" 'sysctl net\.ipv6\.conf\.eth0\.accept_ra: 1 -> 2'
expect_match 'and the table' "$(<"$OUT")" 'nftables table inet meshrc-prod added'
expect_still 'and changes nothing' gate "$TRASH/fresh"
expect_ok 'once' agent gate once --json
expect_eq 'counts what it set' "$(($(count host_sets) >= 4))" 1
for a in 192.168.10.2 fd30:10::2 192.168.20.2 fd30:20::2; do
	expect_ok "$a is reached" reaches "$a"
done
expect_ok 'the default route by advertisement is still there' advertised
set_to ipv6/conf/eth0/forwarding 1
expect_ok 'and another advertisement' advertise
expect_ok 'is still heard' advertised
net_exec gate ip -6 route flush proto ra
expect_ok 'after it is lost' advertise
expect_ok 'it comes back' wait_for 5 advertised
net_exec lan ip route del 10.20.0.0/16
expect_fail 'without its way back, what is not masqueraded is not reached' reaches 192.168.20.2
net_exec lan ip route add 10.20.0.0/16 via 192.168.20.1
expect_ok 'status' agent gate status
expect_match 'says what was changed' "$(<"$OUT")" 'host +sysctl net\.ipv4\.conf\.all\.forwarding: 0 -> 1'
expect_match 'and the table' "$(<"$OUT")" 'host +nftables table inet meshrc-prod'
net_snapshot gate >"$TRASH/up"
expect_ok 'once more' agent gate once --json
expect_eq 'sets nothing' "$(count host_sets) $(count set_messages) $(count operations)" '0 0 0'
expect_still 'and leaves all as it is' gate "$TRASH/up"

# ---------------------------------------------------------------- other hands
drift() { # NAME COMMAND...
	net_exec gate sh -c "$2" || not_ok "$1" 'cannot make the drift'
	expect_ok "$1" agent gate once --json
	expect_still "$1: is put back" gate "$TRASH/up"
	expect_eq "$1: by setting it" "$(($(count host_sets) > 0))" 1
	agent gate once --json >"$OUT"
	expect_eq "$1: once" "$(count host_sets)" 0
}
drift 'a rule added by hand' 'nft add rule inet meshrc-prod postrouting counter accept'
drift 'a rule taken away' 'nft flush chain inet meshrc-prod postrouting'
drift 'the table taken away' 'nft delete table inet meshrc-prod'
drift 'forwarding turned off' 'echo 0 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv4/conf/to-lan/forwarding
	echo 0 >/proc/sys/net/ipv4/conf/all/accept_redirects'
expect_ok 'and all of it works' reaches 192.168.10.2

# ---------------------------------------------------------------- a changed network
peers=$(net_exec gate wg show wg0 dump | tail -n +2 | cut -f 1,4)
network '[192.168.20.0/24, "fd30:20::/64"]'
expect_ok 'without masquerading' agent gate once
expect_eq 'the table goes' "$(net_exec gate nft list tables)" 'table inet admin'
expect_eq 'and forwarding stays' "$(setting ipv4/ip_forward) $(setting ipv6/conf/all/forwarding)" '1 1'
network '[]'
expect_ok 'without routes' agent gate once --json
around >"$TRASH/got"
grep -vE 'table all' "$TRASH/fresh" | sed 's/^[0-9]*: //' >"$TRASH/want"
expect_same 'all around the interface is as it was' "$TRASH/got" "$TRASH/want"
expect_eq 'which stays' "$(net_exec gate wg show wg0 dump | tail -n +2 | cut -f 1,4)" "$peers"
expect_ok 'once more' agent gate once --json
expect_eq 'sets nothing' "$(count host_sets)" 0

# ---------------------------------------------------------------- down
network '[{cidr: 192.168.10.0/24, masquerade: true}, {cidr: "fd30:10::/64", masquerade: true}]'
expect_ok 'again' agent gate once
expect_ok 'and a hotplugged interface' net_exec gate sh -c 'ip link add hot type veth peer name cold && ip link set hot up'
expect_ok 'is seen to' agent gate once
expect_eq 'so that it hears advertisements' "$(setting ipv6/conf/hot/accept_ra)" 2
net_exec gate ip link del hot
expect_ok 'down' agent gate down
expect_still 'leaves nothing' gate "$TRASH/fresh"
expect_ok 'down once more' agent gate down
expect_still 'leaves nothing' gate "$TRASH/fresh"

# What somebody else turned on stays on; what somebody else turned off meanwhile stays off.
set_to ipv4/ip_forward 1
net_snapshot gate >"$TRASH/theirs"
expect_ok 'where IPv4 is forwarded already' agent gate once
expect_ok 'down' agent gate down
expect_still 'leaves it on' gate "$TRASH/theirs"
set_to ipv4/ip_forward 0
expect_ok 'up' agent gate once
set_to ipv4/ip_forward 0
set_to ipv6/conf/eth0/accept_ra 0
expect_ok 'down' agent gate down
expect_eq 'leaves what others set since' "$(setting ipv4/ip_forward) $(setting ipv6/conf/eth0/accept_ra)" '0 0'
expect_eq 'and no table' "$(net_exec gate nft list tables)" 'table inet admin'
set_to ipv6/conf/eth0/accept_ra 1

# The state is lost: the table is found by its name.
expect_ok 'up' agent gate once
rm -r "$TRASH/gate.state"
expect_ok 'down, without the state' agent gate down --interface wg0
expect_eq 'takes the table away' "$(net_exec gate nft list tables)" 'table inet admin'

# ---------------------------------------------------------------- a host that does not take it
rm -rf "$TRASH/gate.state"
set_to ipv4/ip_forward 0
set_to ipv6/conf/all/forwarding 0
read_only() { # COMMAND...: with /proc/sys read-only, as in a container
	# shellcheck disable=SC2016 # expanded by the shell inside
	net_exec gate unshare -m sh -c 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"' sh "$@"
}
if read_only true 2>/dev/null; then
	expect_status 'where /proc/sys cannot be written' 1 read_only "$AGENT" once --config "$TRASH/gate.conf"
	expect_match 'that is said' "$(<"$ERR")" 'forwarding and masquerading on this host: .*/proc/sys/net/ipv4/conf/all/forwarding'
	expect_eq 'and the interface stands' "$(net_exec gate wg show wg0 peers)" "$far_key"
	expect_ok 'and reaches its peer' net_exec gate ping -n -q -c 2 -i 0.2 -W 5 10.20.0.2
	expect_ok 'status' agent gate status
	expect_match 'says so' "$(<"$OUT")" 'last error +forwarding and masquerading'
	expect_ok 'where it can' agent gate once
	expect_ok 'it works' reaches 192.168.10.2
else
	skip 'where /proc/sys cannot be written' 'no read-only bind mounts here'
fi
expect_ok 'down' agent gate down
expect_ok 'down' agent far down
done_testing
