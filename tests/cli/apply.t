#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/net.sh"

net=$TRASH/net
new_net "$net" || exit 1
cd "$net" || exit 1
apply() { "$MESHRC" apply --auto-approve "$@"; }
published() { git rev-parse -q --verify published || echo none; }

# Asking.
expect_status 'nobody to ask' 1 "$MESHRC" apply
expect_match 'says what publishes without asking' "$(<"$ERR")" '\-\-auto-approve'
expect_match 'but the plan was shown' "$(<"$OUT")" '^Plan: 3 nodes to add'
expect_eq 'nothing was published' "$(published)" none
on_terminal no "$MESHRC" apply >"$OUT"
expect_match 'a person is asked' "$(<"$OUT")" "Only 'yes' is taken"
expect_eq 'and may say no' "$(published)" none
on_terminal yes "$MESHRC" apply >"$OUT"
expect_match 'or yes' "$(<"$OUT")" 'prod: serial 1 published'
first=$(published)
expect_eq 'one commit without a parent' "$(git rev-list --count published)" 1
expect_match 'that names its source' "$(git log -1 --format=%B published)" "^Source-Commit: $(git rev-parse HEAD)$"
expect_match 'and says what it is' "$(git log -1 --format=%s published)" "^publish $(git rev-parse --short=10 HEAD): First network$"
expect_eq 'by meshrc, as nobody set user.name in the repository' "$(git log -1 --format='%an <%ae>' published)" 'meshrc <meshrc@localhost>'
expect_eq 'root/1 is trust/root-1' "$(git rev-parse published:root/1)" "$(git rev-parse HEAD:trust/root-1)"
manifest . prod >"$TRASH/m1"
expect_match 'the manifest names the commit' "$(<"$TRASH/m1")" "^commit $(git rev-parse HEAD)$"
expect_match 'and has no predecessor' "$(<"$TRASH/m1")" '^previous -$'
expect_eq 'it lasts 30 days' "$(($(date -ud "$(sed -n 's/^expires //p' "$TRASH/m1")" +%s) - $(date -ud "$(sed -n 's/^issued //p' "$TRASH/m1")" +%s)))" $((30 * 86400))

# Nothing to change.
expect_ok 'again, with nothing changed' apply
expect_match 'says so' "$(<"$ERR")" 'nothing to publish'
expect_eq 'no commit' "$(published)" "$first"
commit . 'Empty'
expect_ok 'a commit that changes nothing' apply
expect_eq 'makes no commit either' "$(published)" "$first"

# A change.
sed -i 's/b\.example\.net/b2.example.net/' networks/prod.yaml
expect_ok 'what is not committed is not applied' apply
expect_match 'and that is said' "$(<"$ERR")" 'work tree differs'
expect_eq 'no commit for it' "$(published)" "$first"
commit . 'Move b'
expect_ok 'the change, committed' apply
expect_match 'the plan shows it' "$(<"$OUT")" 'b2\.example\.net'
expect_eq 'one commit on top' "$(git rev-parse published^)" "$first"
manifest . prod >"$TRASH/m2"
expect_match 'the next serial' "$(<"$TRASH/m2")" '^serial 2$'
expect_match 'that names the one before it' "$(<"$TRASH/m2")" "^previous $(b2sum -l 256 "$TRASH/m1" | cut -d' ' -f1)$"
git diff -M1% --numstat published^ published -- prod/records | awk '{ s += $1 + $2 } END { print s + 0 }' >"$OUT"
expect_eq 'one line of the records changed' "$(<"$OUT")" 2
expect_eq 'nodes and groups did not' "$(git diff --name-only published^ published | grep -cE '^prod/(nodes|groups)/')" 0

# --refresh, --rev.
expect_ok '--refresh signs anew' apply --refresh
expect_eq 'under a new serial' "$(serial . prod)" 3
expect_eq 'with the same tables' "$(manifest . prod | grep ^table)" "$(grep ^table "$TRASH/m2")"
expect_ok '--json' "$MESHRC" apply --auto-approve --refresh --json
expect_ok 'prints JSON' jq -e . "$OUT"

# Keys.
expect_fail 'a root key is no publisher key' "$MESHRC" apply --refresh --auto-approve --key "$net.keys/root.key"
expect_match 'and is refused as such' "$(<"$ERR")" 'UNKNOWN-KEY: .*not a publisher key'
before=$(published)
cp "$net.keys/publisher.key" "$TRASH/open.key"
chmod 644 "$TRASH/open.key"
expect_fail 'a key that others may read' apply --refresh --key "$TRASH/open.key"
expect_match 'is refused with the way out' "$(<"$ERR")" 'chmod 600'
ln -s "$net.keys/publisher.key" "$TRASH/link.key"
expect_fail 'a key behind a symbolic link' apply --refresh --key "$TRASH/link.key"
echo short >"$TRASH/short.key"
chmod 600 "$TRASH/short.key"
expect_fail 'something that is no key' apply --refresh --key "$TRASH/short.key"
expect_no_match 'is not printed' "$(<"$ERR")" short$
expect_fail 'a key that is not there' apply --refresh --key "$TRASH/no.key"
git config --unset meshrc.signingKey
expect_fail 'no key at all' apply --refresh
expect_match 'the ways to give one are told' "$(<"$ERR")" '\-\-key FILE, MESHRC_SIGNING_KEY or'
expect_eq 'nothing was published with any of these' "$(published)" "$before"
expect_ok 'MESHRC_SIGNING_KEY' env MESHRC_SIGNING_KEY="$net.keys/publisher.key" "$MESHRC" apply --auto-approve --refresh
export MESHRC_SIGNING_KEY=$net.keys/publisher.key
expect_ok 'plan needs no key' env -u MESHRC_SIGNING_KEY "$MESHRC" plan
# T35: nor a network, and it writes nothing.
if ! have strace unshare || ! unshare -Urn true 2>/dev/null; then
	skip 'plan opens no socket and writes no file' 'needs strace and user namespaces'
else
	# The leak check of a sanitizer cannot run under strace.
	capture env ASAN_OPTIONS=detect_leaks=0 unshare -Urn strace -f -qq -o "$TRASH/trace" \
		-e trace=socket,openat,open,creat,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat "$MESHRC" plan
	expect_eq 'plan works without a network' "$STATUS" 0
	expect_no_match 'plan opens no socket and writes no file' "$(<"$TRASH/trace")" \
		'socket\(|O_WRONLY|O_RDWR|O_CREAT|creat\(|unlink|rename|mkdir'
fi
mv trust "$TRASH/trust"
commit . 'No trust'
expect_fail 'without trust/root-1 nothing is published' apply --refresh
expect_match 'and the way out is told' "$(<"$ERR")" "trust/root-1.*'meshrc init'"
git reset -q --hard HEAD~

# T43: the source branch must go forward.
current=$(published)
head=$(git rev-parse HEAD)
at=$(serial . prod)
git checkout -q -b sibling HEAD~1
sed -i 's/a\.example\.net/evil.example.net/' networks/prod.yaml
commit . 'Sibling'
expect_fail 'a sibling with a shared ancestor' apply
expect_match 'is refused' "$(<"$ERR")" 'NOT-DESCENDANT'
expect_fail 'an ancestor' apply --rev "$head~1"
expect_match 'is refused too' "$(<"$ERR")" 'NOT-DESCENDANT'
git checkout -q --orphan unrelated
commit . 'Unrelated'
expect_fail 'an unrelated history' apply
expect_match 'is refused too, with the way out' "$(<"$ERR")" 'NOT-DESCENDANT.*--allow-rewind'
expect_eq 'nothing was published' "$(published)" "$current"
git checkout -q sibling
expect_ok '--allow-rewind publishes it' apply --allow-rewind
expect_match 'and warns' "$(<"$ERR")" 'NOT-DESCENDANT allowed'
expect_match 'and leaves a trace' "$(git log -1 --format=%B published)" "^Rewound-From: $head$"
expect_eq 'serials go on' "$(serial . prod)" $((at + 1))
commit . 'After the rewind'
expect_ok 'and from there on nothing is special' apply --refresh
git checkout -q main
expect_ok 'back to main' apply --allow-rewind

# A network leaves the configuration: its nodes are told, its manifest stays.
{
	printf 'version: 1\naddresses: [10.30.0.0/16]\nnodes:\n'
	node x x.example.net
	node y
} >networks/lab.yaml
commit . 'Add lab'
expect_ok 'a second network' apply
lab=$(git rev-list --count published)
expect_eq 'begins above all serials that were ever signed' "$(serial . lab)" "$lab"
expect_match 'without a predecessor' "$(manifest . lab)" '^previous -$'
git show published:"$(git ls-tree -r --name-only published lab/records)" >"$TRASH/lab-records"
git rm -q networks/lab.yaml
commit . 'Remove lab'
expect_ok 'a network is removed' apply
expect_eq 'its manifest goes on' "$(serial . lab)" $((lab + 1))
expect_match 'its nodes are gone' "$(git show published:"$(git ls-tree -r --name-only published lab/gone)")" "^gone x serial=$((lab + 1))$"
expect_eq 'no record is left' "$(git ls-tree -r --name-only published lab/records lab/nodes)" ''
expect_ok 'plan has nothing more to say' "$MESHRC" plan --detailed-exitcode
at=$(published)
expect_ok 'neither has apply' apply
expect_eq 'no commit' "$(published)" "$at"
git revert --no-edit HEAD >/dev/null
expect_ok 'the network comes back' apply
expect_eq 'under the next serial' "$(serial . lab)" $((lab + 2))
git show published:"$(git ls-tree -r --name-only published lab/records)" >"$TRASH/lab-again"
expect_same 'and every node has its address again' "$TRASH/lab-again" "$TRASH/lab-records"
git rm -q networks/lab.yaml
commit . 'Remove lab again'
expect_ok '--prune in the same run' apply --prune
expect_eq 'still tells the nodes first' "$(serial . lab)" $((lab + 3))
expect_ok '--prune once more' apply --prune
expect_eq 'drops it then' "$(git ls-tree --name-only published lab)" ''
git revert --no-edit HEAD >/dev/null
expect_ok 'a network of the same name after that' apply
expect_eq 'is not below what agents remember, nor next to it' "$(($(serial . lab) > lab + 4))" 1
git rm -q networks/lab.yaml
commit . 'Remove lab for the third time'
apply >/dev/null 2>&1
apply --prune >/dev/null 2>&1

# The published branch is nobody else's.
git checkout -q published 2>/dev/null
expect_fail 'a published branch that is checked out' apply --rev main --refresh
expect_match 'is not moved under a work tree' "$(<"$ERR")" 'is checked out'
page=$(git ls-tree -r --name-only published prod/records | head -n 1)
sed -i 's/b2\.example\.net/evil.example.net/' "$page"
git commit -qam 'By hand'
git checkout -q main
expect_fail 'a page edited by hand' "$MESHRC" plan
expect_match 'is noticed' "$(<"$ERR")" 'BAD-HASH'
git branch -qf published published^
git checkout -q published && sed -i 's/^serial .*/serial 99/' prod/manifest && git commit -qam 'By hand' && git checkout -q main
expect_fail 'a manifest edited by hand' "$MESHRC" plan
expect_match 'is noticed too' "$(<"$ERR")" 'BAD-SIG'
git branch -qf published published^
git branch -q keep published
sed -i 's/^  branch: .*/  branch: main/' meshrc.yaml
commit . 'Publish onto the source'
expect_fail 'publishing onto the source branch' apply
expect_eq 'leaves it alone' "$(git log -1 --format=%s main)" 'Publish onto the source'
git reset -q --hard HEAD~

# At once.
sed -i 's/b2\.example\.net/b3.example.net/' networks/prod.yaml
commit . 'For many'
at=$(git rev-list --count published)
for i in 1 2 3 4 5 6; do
	"$MESHRC" apply --auto-approve >"$TRASH/o$i" 2>"$TRASH/e$i" || echo "$i" >"$TRASH/failed$i" &
done
wait
expect_eq 'six at once all succeed' "$(cat "$TRASH"/failed* 2>/dev/null)" ''
expect_eq 'and publish once' "$(git rev-list --count published)" $((at + 1))

expect_ok 'the repository is whole' git fsck --strict --no-dangling

done_testing
