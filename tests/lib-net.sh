# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A little network of Linux namespaces on one machine: a switch, and any number of nodes joined to it.
#
#	. tests/lib-net.sh
#	net_up fra1 ams1		# fra1: 192.0.2.1 and 2001:db8::1, ams1: 192.0.2.2 and 2001:db8::2
#	net_exec fra1 ping -c 1 "$(net_addr4 ams1)"
#	net_start fra1 meshrc-agent run ...; agent=$NET_PID
#	net_stop "$agent"
#	net_down
#
# Nothing outside is touched. A namespace here has no name in the file system: it lives as long as a
# process in it, so interfaces, bridge and addresses go when the processes have gone, and nothing of
# it ever passes through the machine's own network namespace. Each node also has mounts of its own:
# an empty /run (so that the sockets in /var/run/wireguard of two nodes with the same interface name
# do not meet), a /sys that shows its interfaces, an /etc/hosts that knows every node by its name,
# and an /etc/resolv.conf without a server (a lookup of any other name fails at once).
#
# net_down runs at the end of the script: by at_exit where tests/lib.sh is loaded, else by traps on
# EXIT, INT, TERM and HUP (a script that sets its own EXIT trap calls net_down in it). Even when the
# script is killed outright a guard process notices within a second and clears the network away.
#
# Needs root, nsenter, unshare and setpriv (util-linux), ip (iproute2).

declare -A net_holder=() # node -> pid of the process that keeps its namespaces alive
declare -A net_number=() # node -> last part of its underlay addresses
declare -A net_inode=()  # node -> its network namespace, as /proc/PID/ns/net names it
NET_DIR=                 # hosts file and logs of this network
NET_PID=                 # what net_start started last
net_last=0
net_guard_pid=
net_started=()

net_say() {
	printf 'net: %s\n' "$*" >&2
}

# net_usable: true, or false with a reason in NET_WHY. For tests that skip.
net_usable() {
	local p
	NET_WHY=
	if [ "$(id -u)" -ne 0 ]; then
		NET_WHY='needs root'
	elif ! unshare -m -n true 2>/dev/null; then
		NET_WHY='this machine allows no network namespaces'
	else
		for p in nsenter setpriv ip; do
			command -v "$p" >/dev/null 2>&1 || NET_WHY="needs $p"
		done
	fi
	[ -z "$NET_WHY" ]
}

net_addr4() { printf '192.0.2.%d\n' "${net_number[$1]}"; }
net_addr6() { printf '2001:db8::%x\n' "${net_number[$1]}"; }

# net_exec NODE COMMAND...: in the foreground, with this script's standard streams and folder.
# The switch is a node too, called "switch", at 192.0.2.254 and 2001:db8::fe: the place for servers
# that belong to no node.
net_exec() {
	local node=$1
	shift
	nsenter -t "${net_holder[$node]}" -m -n --wdns="$PWD" -- "$@"
}

# net_snapshot NODE: everything that an agent could change on it, as text: links, addresses, routes of all
# tables, rules, nftables, every setting of net.ipv4.conf and net.ipv6.conf, /etc/hosts. Without what
# changes by itself.
net_snapshot() {
	# shellcheck disable=SC2016 # expanded by the shell inside
	net_exec "$1" sh -c '
		ip -d link
		ip addr
		for v in -4 -6; do ip $v rule; ip $v route show table all; done
		nft list ruleset 2>/dev/null
		grep -rs "" /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf | sed "s/:/ /" | sort
		cat /etc/hosts' | sed -E 's/ expires [0-9]+sec//; s/_lft [0-9]+sec/_lft .../g'
}

# net_start NODE COMMAND...: in the background, output appended to $NET_DIR/NODE.log; its process id,
# which is the command's own, is in NET_PID afterwards.
net_start() {
	local node=$1
	shift
	nsenter -t "${net_holder[$node]}" -m -n --wdns="$PWD" -- "$@" \
		</dev/null >>"$NET_DIR/$node.log" 2>&1 &
	NET_PID=$!
	net_started+=("$NET_PID")
}

# net_stop PID [SIGNAL]: ends what net_start started (TERM by default; KILL after ten seconds) and
# returns its exit status.
net_stop() {
	local pid=$1 i
	kill "-${2:-TERM}" "$pid" 2>/dev/null || :
	for ((i = 0; i < 200; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	[ "$i" -lt 200 ] || kill -KILL "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null
}

# net_link NODE up|down: the node's cable
net_link() {
	net_exec switch ip link set "port${net_number[$1]}" "$2"
}

# net_forward NODE: lets it pass packets on, as a relay or hub must
net_forward() {
	net_exec "$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward &&
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
}

# net_pids NODE...: every process in the namespaces of these nodes but their holders
net_pids() {
	local node want=' ' keep=' '
	for node in "$@"; do
		want+="${net_inode[$node]} "
		keep+="${net_holder[$node]} "
	done
	stat -c '%N' /proc/[0-9]*/ns/net 2>/dev/null | awk -v want="$want" -v keep="$keep" -v q="'" '
		{ gsub(q, ""); split($1, part, "/") }
		index(want, " " $3 " ") && !index(keep, " " part[3] " ") { print part[3] }'
}

# Ends all processes of these nodes, gently first, then the nodes themselves.
net_clear() {
	local node pids i
	[ "$#" -gt 0 ] || return 0
	for ((i = 0; i < 100; i++)); do
		pids=$(net_pids "$@")
		[ -n "$pids" ] || break
		# shellcheck disable=SC2086 # one word for each process
		if [ "$i" -eq 0 ]; then
			kill -TERM $pids 2>/dev/null
			kill -CONT $pids 2>/dev/null
		elif [ "$i" -ge 40 ]; then
			kill -KILL $pids 2>/dev/null
		fi
		sleep 0.05
	done
	for node in "$@"; do
		kill -KILL "${net_holder[$node]}" 2>/dev/null
		wait "${net_holder[$node]}" 2>/dev/null
	done
}

# A namespace's first process. Its death with the script is arranged before anything else.
net_hold() {
	local node=$1 fifo=$NET_DIR/ready line=
	[ -z "${net_holder[$node]:-}" ] || { net_say "$node: there already"; return 1; }
	rm -f "$fifo"
	mkfifo "$fifo" || return 1
	setpriv --pdeathsig KILL unshare -m -n --propagation private bash -c '
		set -e
		dir=$1
		mount -t sysfs sysfs /sys 2>/dev/null || :
		mount -t tmpfs -o mode=755 tmpfs /run
		mkdir /run/wireguard /run/netns /run/lock
		mount --bind "$dir/hosts" /etc/hosts
		[ ! -e /etc/resolv.conf ] || mount --bind "$dir/resolv.conf" /etc/resolv.conf
		ip link set lo up
		# A new namespace has what the machine has for IPv4.
		echo 0 >/proc/sys/net/ipv4/ip_forward
		echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
		# The machine around it may forward, and a new namespace begins with its settings.
		echo 0 >/proc/sys/net/ipv4/ip_forward
		echo ready >"$dir/ready"
		exec sleep 1000000000' net_hold "$NET_DIR" \
		</dev/null >"$NET_DIR/$node.holder" 2>&1 &
	net_holder[$node]=$!
	# Opened for both directions so that a holder that dies early cannot block us for ever.
	if ! read -t 20 -r line <>"$fifo" || [ "$line" != ready ]; then
		net_say "$node: no namespace: $(<"$NET_DIR/$node.holder")"
		kill -KILL "${net_holder[$node]}" 2>/dev/null
		unset "net_holder[$node]"
		return 1
	fi
	net_inode[$node]=$(readlink "/proc/${net_holder[$node]}/ns/net")
	printf '%s %s %s\n' "$node" "${net_holder[$node]}" "${net_inode[$node]}" >>"$NET_DIR/nodes"
}

# net_add NODE...: more nodes on the switch that is up
net_add() {
	local node n
	for node in "$@"; do
		n=$((net_last + 1))
		[ "$n" -le 253 ] || { net_say 'at most 253 nodes'; return 1; }
		net_hold "$node" || return 1
		net_last=$n
		net_number[$node]=$n
		net_exec switch ip link add "port$n" type veth \
			peer name eth0 netns "${net_holder[$node]}" &&
			net_exec switch ip link set "port$n" master br0 up &&
			net_exec "$node" ip -batch - <<-BATCH || return 1
				link set eth0 up
				addr add 192.0.2.$n/24 dev eth0
				addr add 2001:db8::$(printf %x "$n")/64 dev eth0 nodad
			BATCH
		printf '192.0.2.%d %s\n2001:db8::%x %s\n' "$n" "$node" "$n" "$node" >>"$NET_DIR/hosts"
	done
}

# net_behind NODE GATEWAY NUMBER: a node that is on no switch but behind another one, whose interface to-NODE
# leads to it: it is 192.168.NUMBER.2 and fd30:NUMBER::2, the gateway .1 and ::1. It knows no way further.
net_behind() {
	net_hold "$1" || return 1
	net_exec "$2" ip link add "to-$1" type veth peer name eth0 netns "${net_holder[$1]}" || return 1
	net_exec "$2" ip -batch - <<-BATCH || return 1
		link set to-$1 up
		addr add 192.168.$3.1/24 dev to-$1
		addr add fd30:$3::1/64 dev to-$1 nodad
	BATCH
	net_exec "$1" ip -batch - <<-BATCH
		link set eth0 up
		addr add 192.168.$3.2/24 dev eth0
		addr add fd30:$3::2/64 dev eth0 nodad
	BATCH
}

# net_behind_nat NODE BOX: a node behind one that masquerades what comes from it and lets nothing in that it
# did not ask for. It is 192.168.1.2, behind any box; its default route is through the box.
net_behind_nat() {
	net_hold "$1" || return 1
	net_exec "$2" ip -batch - <<-BATCH || return 1
		link add lan type veth peer name eth0 netns ${net_holder[$1]}
		link set lan up
		addr add 192.168.1.1/24 dev lan
	BATCH
	net_exec "$1" ip -batch - <<-BATCH || return 1
		link set eth0 up
		addr add 192.168.1.2/24 dev eth0
		route add default via 192.168.1.1
	BATCH
	net_exec "$2" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward' || return 1
	net_exec "$2" nft -f - <<-'NFT'
		table ip nat {
			chain out {
				type nat hook postrouting priority srcnat
				oifname "eth0" masquerade random
			}
			chain through {
				type filter hook forward priority filter; policy drop
				ct state established,related accept
				iifname "lan" accept
			}
		}
	NFT
}

# net_del NODE...: ends all it runs and takes it off the switch; its addresses are not used again
net_del() {
	local node
	net_clear "$@"
	for node in "$@"; do
		net_exec switch ip link del "port${net_number[$node]}" 2>/dev/null || :
		unset "net_holder[$node]" "net_number[$node]" "net_inode[$node]"
	done
}

# net_up NODE...
net_up() {
	net_usable || { net_say "$NET_WHY"; return 1; }
	[ -z "$NET_DIR" ] || { net_say 'up already'; return 1; }
	NET_DIR=$(mktemp -d "${TMPDIR:-/tmp}/meshrc-net.XXXXXX") || return 1
	printf '127.0.0.1 localhost\n::1 localhost\n192.0.2.254 switch\n2001:db8::fe switch\n' \
		>"$NET_DIR/hosts"
	: >"$NET_DIR/resolv.conf"
	: >"$NET_DIR/nodes"
	if declare -F at_exit >/dev/null; then
		at_exit net_down
	else
		trap net_down EXIT
		trap 'exit 129' HUP
		trap 'exit 130' INT
		trap 'exit 143' TERM
	fi
	net_guard "$$" "$(net_birth "$$")" </dev/null >/dev/null 2>&1 &
	net_guard_pid=$!
	net_last=0
	net_hold switch || return 1
	net_number[switch]=254
	net_exec switch ip -batch - <<-BATCH || return 1
		link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0
		link set br0 up
		addr add 192.0.2.254/24 dev br0
		addr add 2001:db8::fe/64 dev br0 nodad
	BATCH
	net_add "$@"
}

net_down() {
	local nodes=("${!net_holder[@]}") pid
	[ -n "$NET_DIR" ] || return 0
	net_clear "${nodes[@]}"
	for pid in "${net_started[@]}"; do
		wait "$pid" 2>/dev/null
	done
	kill -KILL "$net_guard_pid" 2>/dev/null
	wait "$net_guard_pid" 2>/dev/null
	rm -rf "$NET_DIR"
	NET_DIR=
	net_guard_pid=
	net_holder=()
	net_number=()
	net_inode=()
	net_started=()
	return 0
}

# When a process started, to tell it from a later one with the same number.
net_birth() {
	sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

# Clears the network away when the script has gone without doing so itself.
net_guard() {
	local owner=$1 born=$2 node pid inode tick
	trap '' INT TERM HUP
	trap - EXIT
	# A pipe nobody writes to: a sleep that is no process of its own.
	exec {tick}<> <(:)
	while [ "$(net_birth "$owner")" = "$born" ]; do
		read -t 1 -r -u "$tick"
	done
	while read -r node pid inode; do
		net_holder[$node]=$pid
		net_inode[$node]=$inode
	done <"$NET_DIR/nodes"
	net_clear "${!net_inode[@]}"
	rm -rf "$NET_DIR"
}
