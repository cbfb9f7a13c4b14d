#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/net.sh"

net=$TRASH/net
new_net "$net" || exit 1
cd "$net" || exit 1
plan() { "$MESHRC" plan "$@"; }

# Nothing published yet.
expect_ok 'plan of a new network' plan
expect_match 'says it is new' "$(<"$OUT")" '^Network prod \(new\)$'
expect_match 'in the form of Terraform' "$(<"$OUT")" \
	'^Plan: 3 nodes to add, 0 to change, 0 to remove; 6 peer entries to add, 0 to change, 0 to remove\.$'
expect_eq 'on stdout alone' "$(<"$ERR")" ''
expect_status '--detailed-exitcode: changes' 2 plan --detailed-exitcode
expect_status 'an unknown network' 1 plan --network prd
expect_match 'is met with a guess' "$(<"$ERR")" "did you mean 'prod'"
expect_status '--json and --markdown' 64 plan --json --markdown
expect_status 'an unknown option' 64 plan --detailed-exit-code
expect_match 'gets a guess' "$(<"$ERR")" "did you mean '--detailed-exitcode'"
expect_status 'an argument too many' 64 plan HEAD

# Published: nothing to do.
"$MESHRC" apply --auto-approve >/dev/null 2>&1 || exit 1
expect_ok 'after apply' plan
expect_eq 'there is nothing to do' "$(<"$OUT")" 'No changes. The published networks match the configuration.'
expect_status '--detailed-exitcode: none' 0 plan --detailed-exitcode
expect_ok '--json' plan --json
expect_eq 'says so' "$(jq -r '[.format_version, .changes, .networks[0].action, .summary.peers.unchanged] | join(" ")' "$OUT")" \
	'1.1 false none 6'

# The files as they are, against a commit.
cp networks/prod.yaml "$TRASH/prod.yaml"
sed -i 's/b\.example\.net/b2.example.net/' networks/prod.yaml
expect_status 'a change that is not committed' 2 plan --detailed-exitcode
expect_match 'is shown with old and new' "$(<"$OUT")" '^          ~ endpoint = b\.example\.net:51820 -> b2\.example\.net:51820$'
expect_match 'once for all nodes it touches' "$(<"$OUT")" '^  ~ 2 nodes, each$'
expect_match 'and counted for each' "$(<"$OUT")" \
	'^Plan: 0 nodes to add, 2 to change, 0 to remove; 0 peer entries to add, 2 to change, 0 to remove\.$'
expect_ok 'but not with --rev' plan --rev HEAD --detailed-exitcode
expect_ok '--json of a change' plan --json
expect_eq 'has it as values' "$(jq -c '.networks[0].changes[0] | [.action, .nodes, .peers[0].action, .peers[0].attributes.endpoint]' "$OUT")" \
	'["change",["a","c"],"change",{"from":"b.example.net:51820","to":"b2.example.net:51820"}]'
expect_eq 'and the sum' "$(jq -c '.summary.peers' "$OUT")" '{"add":0,"change":2,"remove":0,"unchanged":4}'
expect_ok '--markdown of a change' plan --markdown
expect_eq 'starts with its mark' "$(head -1 "$OUT")" '<!-- meshrc:plan -->'
expect_match 'colours the change' "$(<"$OUT")" '^! +endpoint = b\.example\.net:51820 ->'
expect_match 'sums up outside the fold' "$(sed '/<details>/,$d' "$OUT")" '^Plan: 0 nodes to add, 2 to change, 0 to remove'
cp "$TRASH/prod.yaml" networks/prod.yaml

# An endpoint for some: they alone see the change.
sed -i 's/^  a:/&\n    tags: [lan]/; s/^  b:/&\n    endpoints: {tag:lan: 192.168.9.2}/' networks/prod.yaml
expect_ok 'an endpoint for the nodes with a tag' plan --json
expect_eq 'changes what these see' "$(jq -c '[.networks[0].changes[] | [.nodes, .peers[0].name, .peers[0].attributes.endpoint]]' "$OUT")" \
	'[[["a"],"b",{"from":"b.example.net:51820","to":"192.168.9.2:51820"}]]'
cp "$TRASH/prod.yaml" networks/prod.yaml

# A node comes, another one goes: where each is reached and what is behind it is part of that.
{
	sed '/^  b:/,/endpoint: b/d' "$TRASH/prod.yaml"
	node d d.example.net:7
	echo '    routes: [192.168.9.0/24, 192.168.8.0/24]'
} >networks/prod.yaml
expect_ok 'a node comes, one goes' plan
expect_eq 'what comes says where it is and what is behind it' "$(sed -n '/^  + node d$/,/^$/p' "$OUT" | sed -n 's/^ *+ \(endpoint\|addresses\|routes\) *= /\1 /p')" \
	'endpoint d.example.net:7
addresses 10.20.0.4/16
routes 192.168.8.0/24, 192.168.9.0/24'
expect_eq 'what goes too' "$(sed -n '/^  - node b$/,/^$/p' "$OUT" | sed -n 's/^ *- \(endpoint\|addresses\|routes\) *= /\1 /p')" \
	'endpoint b.example.net:51820
addresses 10.20.0.2/16'
expect_ok 'also in --json' plan --json
expect_eq 'as values' "$(jq -c '.networks[0].changes[] | select(.action != "change") | .attributes | [.endpoint, .routes]' "$OUT")" \
	'[{"from":"b.example.net:51820","to":null},null]
[{"from":null,"to":"d.example.net:7"},{"added":["192.168.8.0/24","192.168.9.0/24"],"removed":[]}]'
cp "$TRASH/prod.yaml" networks/prod.yaml

# A node leaves; who loses what.
sed -i '/^  c:/,$ { /^  c:/d; /^    /d }' networks/prod.yaml
expect_ok 'a node leaves' plan
expect_match 'its removal is shown' "$(<"$OUT")" '^  # c will be removed$'
expect_eq 'before what only changes' "$(grep -n '^  # ' "$OUT" | head -1 | sed 's/^[0-9]*://')" '  # c will be removed'
expect_no_match 'it is no loss of reachability' "$(<"$OUT")" 'Reachability'
cp "$TRASH/prod.yaml" networks/prod.yaml
cat >>networks/prod.yaml <<'YAML'
topology:
  - link: {between: [a], and: [b]}
YAML
expect_ok 'a pair is taken apart' plan
expect_match 'and that comes first' "$(sed -n 3p "$OUT")" '^Reachability will be lost: 4 pairs of nodes$'
expect_match 'with names' "$(<"$OUT")" '^  - 2 nodes \(a, b\) will no longer reach c$'
expect_match 'in both directions' "$(<"$OUT")" '^  - c will no longer reach 2 nodes \(a, b\)$'
expect_ok 'also in --json' plan --json
expect_eq 'as lists' "$(jq -c '[.summary.pairs_lost, (.networks[0].losses | sort_by(.nodes))]' "$OUT")" \
	'[4,[{"lost":["c"],"nodes":["a","b"]},{"lost":["a","b"],"nodes":["c"]}]]'
expect_ok 'and in --markdown' plan --markdown
expect_match 'loudly' "$(<"$OUT")" '^\*\*4 pairs of nodes will lose reachability\.\*\*$'
cp "$TRASH/prod.yaml" networks/prod.yaml

# A network that goes away as a whole, and one that comes.
mv networks/prod.yaml networks/next.yaml
expect_ok 'a network is renamed' plan
expect_match 'one comes' "$(<"$OUT")" '^Network next \(new\)$'
expect_match 'one goes' "$(<"$OUT")" '^Network prod \(will be removed as a whole\)$'
expect_ok '--network' plan --network next
expect_no_match 'shows the one alone' "$(<"$OUT")" 'prod'
mv networks/next.yaml networks/prod.yaml

# Wrong files.
sed -i 's/endpoint:/endpiont:/' networks/prod.yaml
expect_status 'wrong files' 1 plan --detailed-exitcode
expect_match 'are refused with their place' "$(<"$ERR")" '^networks/prod\.yaml:[0-9]+:[0-9]+: error: '
expect_eq 'and nothing is printed' "$(<"$OUT")" ''
cp "$TRASH/prod.yaml" networks/prod.yaml

# Without a key, without a network, without writing.
sed -i 's/b\.example\.net/b2.example.net/' networks/prod.yaml
if have strace && strace -f -o "$TRASH/strace" true 2>/dev/null; then
	# The leak sanitizer traces the program itself, so it cannot run beside strace.
	expect_ok 'under strace' env -u MESHRC_SIGNING_KEY ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" strace -f -e trace=network,file,desc -o "$TRASH/strace" "$MESHRC" plan
	expect_no_match 'no socket' "$(<"$TRASH/strace")" 'socket\('
	expect_no_match 'nothing opened for writing' "$(<"$TRASH/strace")" 'open(at)?\(.*O_(WRONLY|RDWR|CREAT|TRUNC)'
	expect_no_match 'nothing renamed, removed or made' "$(<"$TRASH/strace")" '^[0-9]+ +(rename|unlink|mkdir|link|symlink|truncate|chmod)'
else
	skip 'no socket, no write' 'needs strace'
fi
cp "$TRASH/prod.yaml" networks/prod.yaml

# Colour and bytes that would steer a terminal.
sed -i 's/b\.example\.net/b2.example.net/' networks/prod.yaml
on_terminal '' "$MESHRC" plan >"$OUT"
expect_match 'colour on a terminal' "$(cat -v "$OUT")" '\^\[\[33m'
NO_COLOR=1 on_terminal '' "$MESHRC" plan >"$OUT"
expect_no_match 'not with NO_COLOR' "$(cat -v "$OUT")" '\^\[\[[0-9;]*m'
expect_ok 'nor into a file' plan
expect_no_match 'no escape there' "$(cat -v "$OUT")" '\^\['
cp "$TRASH/prod.yaml" networks/prod.yaml

# A bare repository: HEAD. Somebody else's changes to the published branch are an error, not a plan.
git clone -q --bare . "$TRASH/bare.git"
expect_ok 'of a bare repository' plan --repo "$TRASH/bare.git"
expect_eq 'HEAD is planned' "$(<"$OUT")" 'No changes. The published networks match the configuration.'
blob=$(printf 'records\n' | git hash-object -w --stdin)
git read-tree --index-output="$TRASH/index" published
page=$(git ls-tree -r --name-only published | grep '^prod/records/' | head -1)
GIT_INDEX_FILE=$TRASH/index git update-index --add --cacheinfo "100644,$blob,$page"
git update-ref refs/heads/published "$(git commit-tree -p published -m bad "$(GIT_INDEX_FILE=$TRASH/index git write-tree)" 2>/dev/null ||
	git -c user.name=x -c user.email=x@y commit-tree -p published -m bad "$(GIT_INDEX_FILE=$TRASH/index git write-tree)")"
expect_status 'a published branch that was edited' 1 plan
expect_match 'is refused' "$(<"$ERR")" 'BAD-HASH|hash'

# A pipe that nobody reads.
git -C "$TRASH" init -q big && mkdir "$TRASH/big/networks" && printf 'version: 1\n' >"$TRASH/big/meshrc.yaml"
{
	printf 'version: 1\naddresses: [10.64.0.0/14]\nnodes:\n'
	for i in $(seq 400); do
		printf '  n%03d: {public_key: %s, endpoint: n%03d.example.net}\n' "$i" "$(printf '%032d' "$i" | base64)" "$i"
	done
} >"$TRASH/big/networks/lab.yaml"
capture bash -c '"$1" plan --verbose --repo "$2" | head -1; exit "${PIPESTATUS[0]}"' - "$MESHRC" "$TRASH/big"
expect_eq 'a reader that goes away: the first line comes' "$(<"$OUT")" 'Network lab (new)'
expect_match 'and the failed write is told' "$STATUS" '^[01]$'
expect_ok 'lists are cut' plan --repo "$TRASH/big"
expect_match 'with exact counts' "$(<"$OUT")" '# 400 nodes \(n001, .*n010, \.\.\. and 390 more\) will be added'
expect_match 'of peers too' "$(<"$OUT")" '^      \+ 399 peers \(n001, .*, \.\.\. and 389 more\)$'
expect_ok '--verbose lists all' plan --verbose --repo "$TRASH/big"
expect_no_match 'and cuts nothing' "$(<"$OUT")" '\.\.\. and'
expect_ok '--markdown of a large plan' plan --markdown --repo "$TRASH/big"
expect_eq 'is small enough for a comment' "$(($(wc -c <"$OUT") <= 60000))" 1
done_testing
