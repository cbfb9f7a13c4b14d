#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The main job on one machine: six nodes in network namespaces of their own, real WireGuard between them, a bare git repository
# as the team's remote. Every step is checked; the first one that does not hold ends the demo with status 1. Nothing is left
# behind, also when it is interrupted.
#
#	sudo make demo

set -u
cd "$(dirname "$0")/../.." || exit 1
ROOT=$PWD
BUILD=$ROOT/${BUILD:-build}
export PATH=$BUILD:$PATH LC_ALL=C TZ=UTC
unset "${!GIT_@}" MESHRC_SIGNING_KEY
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_NAME=Demo GIT_AUTHOR_EMAIL=demo@example.net GIT_COMMITTER_NAME=Demo GIT_COMMITTER_EMAIL=demo@example.net

# shellcheck source=tests/lib-net.sh
. "$ROOT/tests/lib-net.sh"

bold='' dim='' off='' green='' red=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\033[1m' dim=$'\033[2m' green=$'\033[32m' red=$'\033[31m' off=$'\033[0m'
fi

WORK=
checks=0
step_no=0

clean_up() {
	trap - EXIT
	trap '' INT TERM HUP
	net_down
	[ -z "$WORK" ] || rm -rf "$WORK"
}

say() { printf '%s\n' "$*"; }
step() {
	step_no=$((step_no + 1))
	printf '\n%s%d. %s%s\n' "$bold" "$step_no" "$*" "$off"
}
show() { sed "s/^/   $dim| /; s/\$/$off/"; }
good() {
	checks=$((checks + 1))
	printf '   %sok%s %s\n' "$green" "$off" "$*"
}
bad() {
	printf '   %sFAILED%s %s\n' "$red" "$off" "$*" >&2
	local n
	for n in "${!agent_pid[@]}"; do
		[ -e "$NET_DIR/$n.log" ] && { echo "--- log of $n"; tail -n 8 "$NET_DIR/$n.log"; } >&2
	done
	exit 1
}

# ---------------------------------------------------------------- the team's side

# in_clone COMMAND...: in the work tree of the team
in_clone() { (cd "$WORK/team" && "$@"); }
push() { in_clone git push -q origin main 2>"$WORK/push.err" && in_clone git fetch -q origin; }
commit() { in_clone git add -A && in_clone git commit -q -m "$1"; }
commit_and_push() {
	commit "$1" || bad "git commit: $1"
	pushed_at=$(now_ms)
	push || { show <"$WORK/push.err"; bad "git push: $1"; }
}
now_ms() { date +%s%3N; }

# ---------------------------------------------------------------- the nodes' side

declare -A agent_pid=()

agent() {
	local node=$1
	shift
	net_exec "$node" meshrc-agent "$@" --config "$WORK/$node/agent.conf"
}
start_agent() {
	net_start "$1" meshrc-agent run --config "$WORK/$1/agent.conf"
	agent_pid[$1]=$NET_PID
}
stop_agent() {
	net_stop "${agent_pid[$1]}" "${2:-TERM}"
	unset "agent_pid[$1]"
}

make_node() {
	local node=$1
	cat >"$WORK/$node/agent.conf" <<-CONF
		url = file://$WORK/www
		network = office
		node = $node
		trust = $WORK/trust-root
		private-key = $WORK/$node/private.key
		state-dir = $WORK/$node/state
		backend = userspace
		interval = 5
	CONF
	agent "$node" once --print-public-key
}

serial_of() { agent "$1" status --json 2>/dev/null | sed -n 's/.*"serial": *\([0-9]*\).*/\1/p' | head -n 1; }
published_serial() { sed -n 's/^serial //p' "$WORK/www/office/manifest"; }

# Waits until every node given has the newest serial in force, and tells how long it took since the push.
wait_converged() {
	local want node t
	want=$(published_serial)
	for node in "$@"; do
		t=0
		until [ "$(serial_of "$node")" = "$want" ]; do
			t=$((t + 1))
			[ $t -lt 300 ] || bad "$node has not reached serial $want"
			sleep 0.05
		done
	done
	good "$# nodes have serial $want in force, the last one $(($(now_ms) - pushed_at)) ms after git push began"
}

mesh_address() { sed -n "s/^$1 //p" "$WORK/addresses"; }
read_addresses() {
	local node
	: >"$WORK/addresses"
	for node in "$@"; do
		printf '%s %s\n' "$node" "$(in_clone meshrc render "$node" --rev origin/main --format json |
			sed -n 's/.*"\(10\.[0-9.]*\)\/[0-9]*".*/\1/p' | head -n 1)" >>"$WORK/addresses"
	done
}
can_ping() { net_exec "$1" ping -q -c 1 -W "${3:-2}" "$(mesh_address "$2")" >/dev/null 2>&1; }

# The first packet may wait for a handshake, and an agent that was just started for its interface: ten seconds are the verdict.
expect_reach() {
	local until=$((SECONDS + 10))
	until can_ping "$1" "$2" 1; do
		[ $SECONDS -lt $until ] || bad "$1 cannot reach $2"
		sleep 0.1
	done
}
expect_no_reach() { ! can_ping "$1" "$2" 1 || bad "$1 reaches $2, which no topology entry allows"; }

# matrix NODES -- PAIRS: every ordered pair that stands in PAIRS must answer, every other one must not.
check_matrix() {
	local all=() pairs=" " waiting=() a b reached=0 refused=0
	while [ "$1" != -- ]; do all+=("$1"); shift; done
	shift
	for a in "$@"; do pairs+="$a ${a#*-}-${a%-*} "; done
	rm -f "$WORK/leak"
	for a in "${all[@]}"; do
		for b in "${all[@]}"; do
			[ "$a" = "$b" ] && continue
			case $pairs in
			*" $a-$b "*) expect_reach "$a" "$b"; reached=$((reached + 1)); continue ;;
			esac
			# Silence takes a second to be sure of: side by side.
			{ ! can_ping "$a" "$b" 1 || echo "$a reaches $b" >>"$WORK/leak"; } &
			waiting+=($!)
			refused=$((refused + 1))
		done
	done
	wait "${waiting[@]}"
	[ ! -e "$WORK/leak" ] || bad "$(head -n 1 "$WORK/leak"), which no topology entry allows"
	good "$reached ordered pairs ping each other, $refused others do not"
}

# What a node's WireGuard holds: one line for each peer, without handshake times and counters.
wg_config() { net_exec "$1" wg show office dump | tail -n +2 | cut -f 1-4,8 | sort; }

# ---------------------------------------------------------------- the demo

net_usable || { echo "demo: $NET_WHY" >&2; exit 1; }
# lib-net.sh leaves the traps to whoever has this.
at_exit() { :; }
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
WORK=$(mktemp -d "${TMPDIR:-/tmp}/meshrc-demo.XXXXXX") || exit 1
chmod 755 "$WORK"

DC="fra1 ams1 nyc1"
SPOKES="anna ben"
ALL="$DC $SPOKES scanner"
# Who may talk with whom: the data centres with each other, the laptops with fra1 and through it with each other, the scanner with
# ams1 alone.
PAIRS="fra1-ams1 fra1-nyc1 ams1-nyc1 fra1-anna fra1-ben anna-ben scanner-ams1"

step "Six nodes on one machine, each in a network namespace of its own"
# shellcheck disable=SC2086 # lists of names
net_up $ALL || exit 1
net_forward fra1 # it is to pass traffic on between the laptops
for node in $ALL; do
	mkdir "$WORK/$node"
	make_node "$node" >"$WORK/$node/public.key" || bad "no key for $node"
done
good "each has made its own private key; only public keys leave the nodes"
for node in fra1 anna; do printf '%s %s\n' "$node" "$(<"$WORK/$node/public.key")"; done | show

step "A network repository, and a bare git repository as the team's remote"
meshrc init "$WORK/team" --keys "$WORK/keys" --quiet || bad "meshrc init"
in_clone git checkout -q -B main
rm -rf "$WORK/team/networks"
mkdir "$WORK/team/networks"
cat >"$WORK/team/meshrc.yaml" <<-YAML
	version: 1
	publish:
	  branch: published
	  directory: $WORK/www
	expires: 30d
YAML
write_network() {
	cat <<-YAML
		version: 1
		addresses: [10.77.0.0/24, "fd77::/64"]
		listen_port: 51820
		persistent_keepalive: 5
		nodes:
		  fra1: {public_key: $(<"$WORK/fra1/public.key"), endpoint: "$(net_addr4 fra1)", tags: [dc]}
		  ams1: {public_key: $(<"$WORK/ams1/public.key"), endpoint: "$(net_addr4 ams1):51820", tags: [dc]}
		  nyc1: {public_key: $(<"$WORK/nyc1/public.key"), endpoint: "[$(net_addr6 nyc1)]:51820", tags: [dc]}
		  anna: {public_key: $(<"$WORK/anna/public.key"), tags: [laptop]}
		  ben: {public_key: $(<"$WORK/ben/public.key"), tags: [laptop]}
		  scanner: {public_key: $(<"$WORK/scanner/public.key")}
		topology:
		  - mesh: ["tag:dc"]
		  - star: {hubs: [fra1], spokes: ["tag:laptop"]}
		  - link: {between: [scanner], and: [ams1]}
	YAML
}
write_network >"$WORK/team/networks/office.yaml"
show <"$WORK/team/networks/office.yaml"
git init -q --bare -b main "$WORK/remote.git"
meshrc init "$WORK/remote.git" --hooks --quiet || bad "meshrc init --hooks"
git -C "$WORK/remote.git" config meshrc.signingKey "$WORK/keys/publisher.key"
in_clone git remote add origin "$WORK/remote.git"
cp "$WORK/team/trust/root-1" "$WORK/trust-root"
good "root and publisher keys lie outside both; the remote has the receive hooks"

step "git push: the hook validates, compiles, signs and publishes; all agents converge"
# shellcheck disable=SC2086
for node in $ALL; do start_agent "$node"; done
in_clone meshrc validate | show
commit_and_push "the office network"
show <"$WORK/push.err"
# shellcheck disable=SC2086
wait_converged $ALL
# shellcheck disable=SC2086
read_addresses $ALL
# shellcheck disable=SC2086
check_matrix $ALL -- $PAIRS
net_exec anna wg show office | grep -v 'private key' | show

step "A pull request: ams1 gets another endpoint. The plan shows what that does to every node"
net_exec ams1 ip addr add 192.0.2.202/24 dev eth0
sed -i "s/endpoint: \"$(net_addr4 ams1):51820\"/endpoint: \"192.0.2.202:51820\"/" "$WORK/team/networks/office.yaml"
in_clone meshrc plan | show
for node in fra1 nyc1 anna scanner; do wg_config "$node" >"$WORK/$node/before"; done
net_exec fra1 ping -i 0.05 -c 60 -W 2 "$(mesh_address nyc1)" >"$WORK/flow" &
flow=$!
sleep 0.5
commit_and_push "ams1 moves"
# shellcheck disable=SC2086
wait_converged $ALL
for node in fra1 nyc1 scanner; do
	wg_config "$node" >"$WORK/$node/after"
	changed=$(diff "$WORK/$node/before" "$WORK/$node/after" | grep -c '^[<>]')
	[ "$changed" = 2 ] || { diff "$WORK/$node/before" "$WORK/$node/after"; bad "$node: $changed changed lines instead of one line replaced"; }
	grep -h 'serial 2' "$NET_DIR/$node.log" | tail -n 1 | show
done
wg_config anna | cmp -s - "$WORK/anna/before" || bad "anna, who is no peer of ams1, was touched"
good "each of ams1's peers had exactly one line of WireGuard configuration replaced; anna, no peer of it, none"
wait "$flow"
grep -q ' 0% packet loss' "$WORK/flow" || { show <"$WORK/flow"; bad "the ping flow from fra1 to nyc1 lost packets"; }
good "a ping flow through an unaffected tunnel went on: $(grep 'packets transmitted' "$WORK/flow")"

step "A node joins, and another leaves"
net_add cleo || bad "no namespace for cleo"
mkdir "$WORK/cleo"
make_node cleo >"$WORK/cleo/public.key"
sed -i "s|^  scanner:.*|&\n  cleo: {public_key: $(<"$WORK/cleo/public.key"), tags: [laptop]}|" "$WORK/team/networks/office.yaml"
start_agent cleo
commit_and_push "cleo joins"
# shellcheck disable=SC2086
wait_converged $ALL cleo
# shellcheck disable=SC2086
read_addresses $ALL cleo
# shellcheck disable=SC2086
check_matrix $ALL cleo -- $PAIRS cleo-fra1 cleo-anna cleo-ben
sed -i '/^  ben:/d' "$WORK/team/networks/office.yaml"
in_clone meshrc plan | show
commit_and_push "ben leaves"
# shellcheck disable=SC2086
wait_converged $DC anna scanner cleo
t=0
until [ -z "$(net_exec ben wg show office peers)" ]; do
	t=$((t + 1))
	[ $t -lt 200 ] || bad "ben still has peers"
	sleep 0.05
done
good "ben's own agent has taken its peers away, and fra1 knows ben no more"
expect_no_reach anna ben
! net_exec fra1 wg show office peers | grep -qF "$(<"$WORK/ben/public.key")" || bad "fra1 still has ben as a peer"

step "git revert restores: ben is back, with the address it had"
before=$(mesh_address ben)
in_clone git revert --no-edit HEAD >/dev/null || bad "git revert"
pushed_at=$(now_ms)
push || { show <"$WORK/push.err"; bad "git push of the revert"; }
# shellcheck disable=SC2086
wait_converged $ALL cleo
# shellcheck disable=SC2086
read_addresses $ALL cleo
[ "$(mesh_address ben)" = "$before" ] || bad "ben had $before and got $(mesh_address ben)"
# shellcheck disable=SC2086
check_matrix $ALL cleo -- $PAIRS cleo-fra1 cleo-anna cleo-ben

step "A push with mistakes is refused, with the place of each"
serial=$(published_serial)
sed -i 's/^  anna: {public_key: [^,]*,/  anna: {public_key: bm90IGEga2V5,/; s/^persistent_keepalive/persistent_keepalife/' "$WORK/team/networks/office.yaml"
in_clone git add -A
if in_clone git commit -q -m "a mistake" 2>"$WORK/commit.err"; then bad "the pre-commit hook let it pass"; fi
good "the pre-commit hook has refused it on the author's own machine; now past that hook:"
in_clone git commit -q --no-verify -m "a mistake" || bad "git commit"
if push; then bad "the broken push was accepted"; fi
show <"$WORK/push.err"
grep -q 'networks/office.yaml:4:1: error:' "$WORK/push.err" || bad "the misspelt key's place is missing"
grep -q 'networks/office.yaml:9:[0-9]*: error:' "$WORK/push.err" || bad "the bad key's place is missing"
[ "$(published_serial)" = "$serial" ] || bad "something was published"
in_clone git reset -q --hard origin/main
good "refused; serial $serial is still what is published"

step "A publication that was tampered with, and an old one served again, are refused"
cp -a "$WORK/www" "$WORK/www.good"
wg_config fra1 >"$WORK/fra1/before"
sed "s/^serial .*/serial 99/" "$WORK/www.good/office/manifest" >"$WORK/www/office/manifest"
agent fra1 verify >"$WORK/verify" 2>&1 && bad "a tampered manifest was accepted"
show <"$WORK/verify"
grep -q 'BAD-SIG' "$WORK/verify" || bad "not refused for its signature"
in_clone git fetch -q origin published
in_clone git show "FETCH_HEAD~1:office/manifest" >"$WORK/www/office/manifest"
agent fra1 verify >"$WORK/verify" 2>&1 && bad "a replayed manifest was accepted"
show <"$WORK/verify"
grep -q 'ROLLBACK' "$WORK/verify" || bad "not refused as a rollback"
sleep 1
wg_config fra1 | cmp -s - "$WORK/fra1/before" || bad "fra1's configuration changed"
# shellcheck disable=SC2086
check_matrix $ALL cleo -- $PAIRS cleo-fra1 cleo-anna cleo-ben
good "both refused by every agent; the configuration in force stays"

step "The publication is gone, and a node restarts: it comes up from its last good state"
rm -rf "$WORK/www"
stop_agent anna
agent anna down --quiet || bad "meshrc-agent down"
net_exec anna ip link show office >/dev/null 2>&1 && bad "the interface is still there after down"
start_agent anna
expect_reach anna fra1
expect_reach anna ben
agent anna status | show
good "no server was needed"
mv "$WORK/www.good" "$WORK/www"

step "Down takes everything away"
# shellcheck disable=SC2086
for node in $ALL cleo; do
	stop_agent "$node"
	agent "$node" down --quiet || bad "down on $node"
	[ "$(net_exec "$node" ip -o link | grep -cv ' lo:\| eth0')" = 0 ] || bad "$node has an interface left"
	[ -z "$(net_pids "$node")" ] || bad "$node has a process left"
done
good "no interface and no process is left on any node"

clean_up
printf '\n%sThe demo held: %d checks.%s\n' "$bold" "$checks" "$off"
