#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Machines in several networks: a clash is refused by every command that compiles, with both places.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/net.sh"

net=$TRASH/net
new_net "$net" || exit 1
cd "$net" || exit 1

network() { # NAME POOL PORT ROUTE
	cat >"networks/$1.yaml" <<-YAML
		version: 1
		addresses: [$2]
		listen_port: $3
		nodes:
		  both: {public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=, endpoint: both.example.net}
		  gate-$1: {public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=, endpoint: $1.example.net, routes: [$4]}
	YAML
}
network lab 10.30.0.0/24 1 192.168.30.0/24
network prod 10.20.0.0/24 2 192.168.20.0/24
git add -A && git commit -qm one
expect_ok 'two networks beside each other' "$MESHRC" validate --strict
expect_ok 'are published' "$MESHRC" apply --auto-approve

refused() { # WHAT WORDS PLACE OTHER
	local command
	git commit -qam "$1" || not_ok "$1" 'nothing changed'
	for command in validate 'plan --json' 'plan --network prod' 'plan --network lab' 'render both --network prod' 'apply --auto-approve'; do
		# shellcheck disable=SC2086 # a command and its option
		expect_status "$1: ${command% *}" 1 "$MESHRC" $command
		expect_match "$1: ${command% *} says what" "$(<"$ERR")" "^networks/prod\\.yaml:$3: error: .*$2"
		expect_match "$1: ${command% *} says where else" "$(<"$ERR")" "^networks/lab\\.yaml:$4: note: "
		expect_eq "$1: ${command% *} prints nothing" "$(<"$OUT")" ''
	done
}
network prod 10.20.0.0/24 1 192.168.20.0/24
refused 'one port' 'would listen on UDP port 1' 3:14 3:14
network prod 10.30.0.128/25 2 192.168.20.0/24
refused 'one pool' 'overlaps 10\.30\.0\.0/24' 2:13 2:13
network prod 10.20.0.0/24 2 192.168.30.0/24
refused 'one route' 'behind `gate-prod` of network `prod` and behind `gate-lab` of network `lab`' '6:[0-9]*' '6:[0-9]*'
network prod 10.20.0.0/24 2 10.30.0.64/26
refused 'a route in a pool' 'lies inside 10\.30\.0\.0/24, a pool of network `lab`' '6:[0-9]*' 2:13

# With --network, what is wrong inside of other networks is not told.
network prod 10.20.0.0/24 2 192.168.20.0/24
network lab 10.30.0.0/30 1 192.168.30.0/24
sed -i 's/^  gate-lab/  more: {public_key: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=}\n&/' networks/lab.yaml
expect_status 'a network without an address left' 1 "$MESHRC" plan --network lab
expect_match 'is refused' "$(<"$ERR")" 'has no address left'
expect_ok 'while another one' "$MESHRC" plan --network prod
expect_no_match 'says nothing of it' "$(<"$ERR")" 'lab'
expect_status 'nothing is published, though' 1 "$MESHRC" apply --auto-approve
git checkout -q networks/lab.yaml

# Routed links.
routed() { # NAME POOL PORT FIRST-PORT
	network "$1" "$2" "$3" "192.168.$3.0/24"
	printf 'topology:\n  - mesh: [all]\n    interface_per_link: true\nrouted_links: {transfer: [10.99.%s.0/24], ports: %s}\n' "$3" "$4" >>"networks/$1.yaml"
	sed -i "s/^routed_links: {/&interface_prefix: $1-, /" "networks/$1.yaml"
}
routed lab 10.30.0.0/24 1 4000-4100
routed prod 10.20.0.0/24 2 5000-5100
git commit -qam 'routed links'
expect_ok 'routed links beside each other' "$MESHRC" plan --network prod
routed prod 10.20.0.0/24 2 4000-4100
git commit -qam 'one port'
for command in validate 'plan --network prod' 'plan --network lab'; do
	# shellcheck disable=SC2086 # a command and its option
	expect_status "one port of two links: $command" 1 "$MESHRC" $command
	expect_match "$command names it" "$(<"$ERR")" 'have the same port 4000'
done

# Two machines that have one name.
network lab 10.30.0.0/24 1 192.168.30.0/24
network prod 10.30.0.0/24 1 192.168.30.0/24
sed -i 's/^\(  both: .*\)}/\1, machine: other}/' networks/prod.yaml
git commit -qam 'two machines'
expect_ok 'two machines of one name' "$MESHRC" validate --strict
expect_ok 'are published' "$MESHRC" apply --auto-approve
expect_eq 'and no document tells which machine' "$(git grep -c other published -- | wc -l)" 0
done_testing
