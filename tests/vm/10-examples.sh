#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the test machine: each node of each example on the kernel. `once` makes what `render` says; a
# second `once` sends nothing; `down` leaves nothing, so that the namespace is as fresh for the next
# node as it was for the first. /data: EXAMPLE/{www,root,NETWORK/NODE.key} and `want`, what canon must give
# for all nodes, each line behind EXAMPLE.NETWORK NODE.

. tests/lib.sh
. tests/vm/10-lib.sh

cp /data/hosts /etc/hosts

snapshot() {
	ip addr
	ip route show table all
	wg show interfaces
	cat /etc/hosts
}

# Everything is written to files and looked at later.
one_node() { # EXAMPLE.NETWORK NODE FOLDER
	local dir=$3 example=${1%%.*} network=${1#*.} name tracer=()
	local agent=(meshrc-agent once --config "$dir/conf" --json --quiet)
	cat >"$dir/conf" <<-CONF
		url = file:///data/$example/www
		network = $network
		node = $2
		trust = /data/$example/root
		private-key = /data/$example/$network/$2.key
		state-dir = $dir/state
		backend = kernel
	CONF
	[ ! -e "$dir/traced" ] || tracer=(agent_strace "$dir/strace1")
	"${tracer[@]}" "${agent[@]}" >"$dir/first" 2>"$dir/err" || return
	[ ! -e "$dir/traced" ] || tracer=(agent_strace "$dir/strace2")
	"${tracer[@]}" "${agent[@]}" >"$dir/second" 2>>"$dir/err" || return
	while IFS= read -r name; do
		case $name in *'"interface": "'*) name=${name%\",} && name=${name##*\"} && break ;; esac
	done <"$dir/first"
	{
		printf '@wg %s %s\n' "$1" "$2"
		wg showconf "$name" || return
		printf '@addr %s %s\n' "$1" "$2"
		ip -d addr show dev "$name"
		printf '@route %s %s\n' "$1" "$2"
		ip route show table all dev "$name"
	} >"$dir/got" 2>>"$dir/err"
	if [ -e "$dir/keep" ]; then
		ip link del "$name"
	else
		meshrc-agent down --config "$dir/conf" --quiet 2>>"$dir/err" || return
		snapshot >"$dir/after"
	fi
}

# Every second node, from the one given, in a network namespace and with an /etc/hosts of its own.
worker() { # FIRST NETWORK:NODE...
	local i=$1 network node
	shift
	cp /etc/hosts "$TRASH/hosts.$i"
	mount --bind "$TRASH/hosts.$i" /etc/hosts || return
	ip link set lo up
	snapshot >"$TRASH/fresh.$i"
	for ((; i < $#; i += 2)); do
		IFS=: read -r network node <<<"${@:i+1:1}"
		one_node "$network" "$node" "$TRASH/$network:$node"
		printf '%s\n' "$?" >"$TRASH/$network:$node/status"
	done
}

mapfile -t nodes < <(awk '{ print $1 ":" $2 }' /data/want | uniq)
network=
for n in "${nodes[@]}"; do
	mkdir "$TRASH/$n"
	# System calls of one node of each network, since tracing takes long.
	[ "${n%:*}" = "$network" ] || : >"$TRASH/$n/traced"
	network=${n%:*}
	# Most of fifty devices of one kind may go in the short way.
	case $n in *.fleet:device-[1-5]*) : >"$TRASH/$n/keep" ;; esac
done
expect_match 'there are nodes' "${#nodes[@]}" '^[0-9]{2,}$'

export TRASH
export -f one_node worker snapshot agent_strace
unshare -m -n bash -c 'worker "$@"' worker 0 "${nodes[@]}" &
unshare -m -n bash -c 'worker "$@"' worker 1 "${nodes[@]}"
wait

declare -A want=() got=()
while read -r network node line; do
	want[$network:$node]+=$line$'\n'
done </data/want
while read -r network node line; do
	got[$network:$node]+=$line$'\n'
done < <(cat "$TRASH"/*/got | canon | sort)
i=0
for n in "${nodes[@]}"; do
	dir=$TRASH/$n
	fresh=$TRASH/fresh.$((i++ % 2))
	if [ "$(<"$dir/status")" != 0 ]; then
		not_ok "$n: once, once, down" "$(<"$dir/err")"
		continue
	fi
	if [ "${got[$n]:-}" = "${want[$n]}" ]; then
		ok "$n: wg, addresses, routes, MTU are what render says"
	else
		printf '%s' "${got[$n]:-}" >"$dir/lines.got"
		printf '%s' "${want[$n]}" >"$dir/lines.want"
		expect_same "$n: wg, addresses, routes, MTU are what render says" "$dir/lines.got" "$dir/lines.want"
	fi
	second=$(<"$dir/second")
	case $second in
	*'"operations": 0,'*'"set_messages": 0,'*) ok "$n: a second once sends nothing" ;;
	*) not_ok "$n: a second once sends nothing" "$second" ;;
	esac
	if [ -e "$dir/traced" ]; then
		expect_eq "$n: by its system calls" "$(sets_in "$dir/strace2")" 0
		expect_match "$n: where the first has some" "$(sets_in "$dir/strace1")" '^[1-9]'
	fi
	if [ -e "$dir/keep" ]; then
		continue
	elif [ "$(<"$dir/after")" = "$(<"$fresh")" ]; then
		ok "$n: nothing is left after down"
	else
		expect_same "$n: nothing is left after down" "$dir/after" "$fresh"
	fi
done
done_testing
