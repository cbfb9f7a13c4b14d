#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/net.sh"

net=$TRASH/net
new_net "$net" || exit 1
cd "$net" || exit 1
log=$TRASH/log
pid=

start() { # OPTION...
	: >"$log"
	"$MESHRC" watch "$@" >"$TRASH/watch-out" 2>"$log" &
	pid=$!
}
stop() { # SIGNAL: waits for the end; its status in $STATUS
	kill "-$1" "$pid"
	STATUS=0
	wait "$pid" || STATUS=$?
	pid=
}
cleanup() { [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null; }
at_exit cleanup
serial_is() { [ "$(serial . prod 2>/dev/null)" = "$1" ]; }
logged() { grep -qE -e "$1" "$log"; }
move_b() {
	sed -i "/^  b:/,/endpoint:/s/endpoint: .*/endpoint: $1/" networks/prod.yaml
	commit . "Move b to $1"
}

start --poll 3600
expect_ok 'what is there is published at the start' wait_for 10 serial_is 1
expect_match 'the log says what is watched' "$(<"$log")" 'watching branch main of .*/net/\.git/'
before=$(date +%s%N)
move_b b2.example.net
expect_ok 'a commit is published by the hint alone' wait_for 10 serial_is 2
took=$((($(date +%s%N) - before) / 1000000))
if [ "$took" -lt 2000 ]; then ok 'within two seconds'; else not_ok 'within two seconds' "$took ms"; fi
git pack-refs --all
move_b b3.example.net
expect_ok 'also when the references were packed' wait_for 10 serial_is 3
expect_status 'a second one on the same repository is refused' 1 "$MESHRC" watch
expect_match 'with the reason' "$(<"$ERR")" 'another meshrc watch runs'
git branch team/x
commit . 'Nothing in it'
expect_ok 'a commit that changes nothing' wait_for 10 logged "main is at $(git rev-parse --short=10 HEAD)"
sleep 0.3
expect_ok 'publishes nothing' serial_is 3

# An invalid commit, and its mending.
printf '    endpiont: x\n' >>networks/prod.yaml
commit . 'Typo'
expect_ok 'an invalid commit' wait_for 10 logged 'is not published; trying again in 5 seconds'
expect_match 'is explained' "$(<"$log")" 'unknown key `endpiont`'
expect_ok 'and changes nothing' serial_is 3
sed -i '$d' networks/prod.yaml
move_b b4.example.net
expect_ok 'the next good one does not wait' wait_for 4 serial_is 4
stop TERM
expect_eq 'SIGTERM ends it well' "$STATUS" 0
expect_match 'and is logged' "$(<"$log")" 'ending on signal 15'

# Once more over the same commit, and with a short poll.
start --poll 1 --rev main
expect_ok 'the same again is nothing to do' wait_for 10 logged 'main is at'
expect_no_match 'and publishes nothing' "$(<"$log")" 'serial'
move_b b5.example.net
expect_ok 'with a short poll' wait_for 10 serial_is 5
stop INT
expect_eq 'SIGINT ends it well too' "$STATUS" 0

# It comes back after kill -9; its lock is not in the way.
start --poll 3600
wait_for 10 logged 'main is at'
kill -9 "$pid" && wait "$pid" 2>/dev/null
start --poll 3600
expect_ok 'a new one after kill -9' wait_for 10 logged 'main is at'
stop TERM

# A branch that is not there yet, in a bare repository.
git init -q --bare -b main "$TRASH/bare.git"
start --repo "$TRASH/bare.git" --key "$net.keys/publisher.key" --poll 3600
expect_ok 'an empty repository is waited for' wait_for 10 logged "no branch 'main'; waiting"
git push -q "$TRASH/bare.git" main
expect_ok 'until the first push' wait_for 10 git -C "$TRASH/bare.git" rev-parse -q --verify published
stop TERM
expect_status 'a poll of no time is wrong usage' 64 "$MESHRC" watch --poll 0
expect_status 'as is one of words' 64 "$MESHRC" watch --poll soon

# A branch with a slash, whose folder is new.
start --rev team/prod --poll 3600
wait_for 10 logged "no branch 'team/prod'; waiting"
git branch -q -D team/x
git checkout -q -b team/prod
move_b b6.example.net
expect_ok 'a branch with a slash' wait_for 10 serial_is 6
move_b b7.example.net
expect_ok 'and its next commit' wait_for 10 serial_is 7
stop TERM

# Where the system gives no inotify, looking now and then is enough.
if unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_inotify_instances' 2>/dev/null; then
	: >"$log"
	unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"' _ \
		"$MESHRC" watch --rev team/prod --poll 1 >"$TRASH/watch-out" 2>"$log" &
	pid=$!
	expect_ok 'without inotify' wait_for 10 logged 'looking every 1 seconds instead'
	move_b b8.example.net
	expect_ok 'the poll alone publishes' wait_for 10 serial_is 8
	stop TERM
	expect_eq 'and ends well' "$STATUS" 0
else
	skip 'without inotify' 'needs user namespaces'
fi

done_testing
