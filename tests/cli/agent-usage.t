#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# meshrc-agent's command line: help, settings from options and file, the private key.

. "$(dirname "$0")/../lib.sh"

PUBKIT=$BUILD/tests/pubkit_tool
[ -x "$PUBKIT" ] || make -s -C "$ROOT" ${SAN:+SAN="$SAN"} "$PUBKIT" >&2
cd "$TRASH" || exit 1
"$PUBKIT" root root-1

expect_ok 'help' "$AGENT" --help
help=$(<"$OUT")
for c in once run status verify plan down; do
	expect_match "and names $c" "$help" "^  $c "
	expect_ok "$c --help" "$AGENT" "$c" --help
done
expect_ok 'version' "$AGENT" --version
expect_match 'with its number' "$(<"$OUT")" '^meshrc-agent [0-9]'
expect_status 'no command is wrong usage' 64 "$AGENT"
expect_status 'an unknown command is wrong usage' 64 "$AGENT" onse
expect_match 'with a suggestion' "$(<"$ERR")" "did you mean 'once'"
expect_status 'an unknown option is wrong usage' 64 "$AGENT" once --netwrok=x
expect_match 'with a suggestion' "$(<"$ERR")" "did you mean '--network'"
expect_status 'an argument too many is wrong usage' 64 "$AGENT" once now

# What each command needs.
none=(--config /dev/null)
expect_status 'once without a network' 64 "$AGENT" once "${none[@]}"
expect_match 'says what is missing' "$(<"$ERR")" 'network is missing'
expect_status 'once without a node' 64 "$AGENT" once "${none[@]}" --network prod
expect_match 'says what is missing' "$(<"$ERR")" 'node is missing'
expect_status 'once without trust' 64 "$AGENT" once "${none[@]}" --network prod --node n0
expect_match 'says what is missing' "$(<"$ERR")" 'trust is missing'
expect_status 'once without a URL' 64 "$AGENT" once "${none[@]}" --network prod --node n0 --trust root-1
expect_match 'says what is missing' "$(<"$ERR")" 'url is missing'
expect_status 'a bad value of an option' 64 "$AGENT" once "${none[@]}" --network ../x
expect_match 'names the option' "$(<"$ERR")" "error: --network '.*': not a name"
expect_status 'verify does not go with --offline' 64 "$AGENT" verify "${none[@]}" --network prod --node n0 \
	--trust root-1 --offline

# The file.
expect_fail 'a file that was named must be there' "$AGENT" once --config missing.conf
expect_match 'and is named' "$(<"$ERR")" 'missing.conf'
printf 'network = prod\nurls = file:///x\nnode=N0\n' >bad.conf
expect_status 'a wrong file' 1 "$AGENT" once --config bad.conf
cat >want <<'WANT'
bad.conf:2:1: error: unknown key `urls`
     2 | urls = file:///x
       | ^~~~
  help: did you mean `url`?
bad.conf:3:6: error: not a name: small letters, digits, '.' and '-', at most 63, a letter or digit first
     3 | node=N0
       |      ^~
WANT
expect_same 'all errors, with their places' "$ERR" want
printf 'network = prod\nnode = n0\ntrust = %s/root-1\nurl = file://%s/nothing-there\nstate-dir = %s/state\nprivate-key = %s/key\n' \
	"$TRASH" "$TRASH" "$TRASH" "$TRASH" >agent.conf
expect_status 'settings from a file' 1 "$AGENT" verify --config agent.conf
expect_match 'and what is wrong with the URL' "$(<"$ERR")" 'FETCH: .*nothing-there'
expect_eq 'verify made nothing' "$(ls -d state key 2>/dev/null)" ''

# The private key.
expect_ok 'a key is made' "$AGENT" --print-public-key --private-key new.key --config /dev/null
first=$(<"$OUT")
expect_match 'its public half is printed' "$first" '^[A-Za-z0-9+/]{43}=$'
expect_eq 'mode 0600' "$(stat -c %a new.key)" 600
expect_ok 'with a command too' "$AGENT" once --print-public-key --private-key new.key --config /dev/null
expect_eq 'it stays' "$(<"$OUT")" "$first"
if have wg; then
	expect_eq 'and is what wg makes of it' "$(wg pubkey <new.key)" "$first"
fi
expect_no_match 'the private half is not printed' "$first" "$(cut -c 1-20 new.key | sed 's/[+]/[+]/g')"
chmod 644 new.key
expect_fail 'a key that others may read is refused' "$AGENT" --print-public-key --private-key new.key --config /dev/null
expect_match 'with the way out' "$(<"$ERR")" 'chmod 600'
ln -s new.key link.key && chmod 600 new.key
expect_fail 'a link is refused' "$AGENT" --print-public-key --private-key link.key --config /dev/null
echo 'garbage' >bad.key && chmod 600 bad.key
expect_fail 'what is no key is refused' "$AGENT" --print-public-key --private-key bad.key --config /dev/null
expect_no_match 'and not echoed' "$(<"$ERR")" 'garbage'
expect_ok 'the default place' "$AGENT" --print-public-key --network prod --state-dir "$TRASH/st" --config /dev/null
expect_eq 'is below the state folder' "$(ls st/prod)" private.key
expect_eq 'whose mode is 0700' "$(stat -c %a st)" 700

# The state folder.
mkdir open && chmod 777 open
expect_fail 'T61 a state folder that others may write to is refused' "$AGENT" once --config agent.conf --state-dir "$TRASH/open"
expect_match 'with the way out' "$(<"$ERR")" 'chmod go-w'
grep -v '^node' agent.conf >nonode.conf
expect_status 'status without --node asks for it' 64 "$AGENT" status --config nonode.conf
expect_ok 'status of nothing' "$AGENT" status --config agent.conf
expect_match 'says so' "$(<"$OUT")" 'nothing accepted yet'
expect_ok 'status as JSON' "$AGENT" status --config agent.conf --json
expect_match 'says so too' "$(<"$OUT")" '"condition": "nothing accepted yet"'
expect_status 'plan of nothing' 1 "$AGENT" plan --config agent.conf
expect_status 'down of nothing' 1 "$AGENT" down --config agent.conf
expect_match 'says that nothing was up' "$(<"$ERR")" 'nothing of network prod was brought up'
expect_status 'once --offline with nothing' 1 "$AGENT" once --config agent.conf --offline
expect_match 'says so' "$(<"$ERR")" 'nothing was accepted yet'
echo hello >not-a-root
expect_fail 'a pin that is no root' "$AGENT" verify --config agent.conf --trust not-a-root
expect_match 'is named' "$(<"$ERR")" 'pinned root document not-a-root'
expect_fail 'a pin that is not there' "$AGENT" verify --config agent.conf --trust gone
expect_match 'is named' "$(<"$ERR")" 'gone'
done_testing
