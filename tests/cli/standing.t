#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What stands already, and cannot be read, or is not where it should be: clones that are incomplete or behind, branches
# that somebody tampered with, directories that are ahead.
# shellcheck disable=SC2119,SC2120 # apply takes options where a test needs some
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/net.sh"
PUBKIT=$BUILD/tests/pubkit_tool

net=$TRASH/net
new_net "$net" || exit 1
cd "$net" || exit 1
apply() { "$MESHRC" apply --auto-approve "$@"; }
move_b() {
	sed -i "/^  b:/,/endpoint:/s/endpoint: .*/endpoint: $1/" networks/prod.yaml
	commit . "Move b to $1"
}
loose() { # DIR COMMIT: the file of an object
	printf '%s/.git/objects/%s/%s' "$1" "${2:0:2}" "${2:2}"
}

# What cannot be read is not "nothing".
apply >/dev/null 2>"$ERR" || note_file stderr "$ERR"
cp -r "$net" "$TRASH/damaged"
rm -f "$(loose "$TRASH/damaged" "$(git rev-parse published)")"
expect_fail 'a published branch whose commit is gone' "$MESHRC" plan --repo "$TRASH/damaged"
expect_match 'is not an empty one' "$(<"$ERR")" 'refs/heads/published'
expect_fail 'neither for apply' apply --repo "$TRASH/damaged"
move_b b2.example.net
git init -q --bare -b main "$TRASH/remote.git"
git remote add origin "$TRASH/remote.git"
git push -q origin main published
for i in 3 4 5; do
	move_b "b$i.example.net"
	apply >/dev/null 2>&1
done
git push -q origin main published
git clone -q --depth 1 --no-single-branch "file://$TRASH/remote.git" "$TRASH/shallow" 2>/dev/null
git -C "$TRASH/shallow" config meshrc.signingKey "$net.keys/publisher.key"
git -C "$TRASH/shallow" branch -q published origin/published
sed -i 's/b5\.example/b6.example/' "$TRASH/shallow/networks/prod.yaml"
commit "$TRASH/shallow" 'In a shallow clone'
# libgit2 1.5.1 itself loses a few bytes when it meets the end of a shallow history.
asan=$ASAN_OPTIONS
export ASAN_OPTIONS=$asan:detect_leaks=0
expect_fail 'a shallow clone' apply --repo "$TRASH/shallow"
expect_match 'is told how to become a whole one' "$(<"$ERR")" 'NOT-DESCENDANT.*git fetch --unshallow'
git -C "$TRASH/shallow" fetch -q --depth 1 origin "$(git rev-parse published~2)"
git -C "$TRASH/shallow" update-ref refs/remotes/origin/published "$(git rev-parse published~2)"
expect_fail 'one that lacks the history between two branches' "$MESHRC" plan --repo "$TRASH/shallow"
expect_match 'says what is missing' "$(<"$ERR")" 'not complete here.*git fetch --unshallow'
export ASAN_OPTIONS=$asan

# A clone whose own branch is behind.
git clone -q "$TRASH/remote.git" "$TRASH/behind" 2>/dev/null
git -C "$TRASH/behind" branch -q published origin/published~1
sed -i 's/^publish:/publish:\n  remote: origin/' meshrc.yaml
commit . 'A remote'
git push -q origin main
git -C "$TRASH/behind" pull -q
expect_ok 'apply with nothing to do where published is behind' apply --repo "$TRASH/behind"
expect_eq 'catches up' "$(git -C "$TRASH/behind" rev-parse published)" "$(git rev-parse published)"

# Files that are no part of a publication.
"$MESHRC" init --hooks --quiet "$TRASH/remote.git"
tamper() { # COMMAND...: a commit on top of the published one, from an index that COMMAND changed
	(
		export GIT_INDEX_FILE=$TRASH/index
		git read-tree published && "$@" && git commit-tree -p published -m tamper "$(git write-tree)"
	)
}
put() { # PATH
	git update-index --add --cacheinfo "100644,$(echo x | git hash-object -w --stdin),$1"
}
hash=0000000000000000000000000000000000000000000000000000000000000000
for path in prod/notes "prod/records/$hash" prod/records/x/y prod/index/x root/1 root/2 root/01 README lab/manifest prod/a/b/c; do
	expect_fail "a push of $path" git push -q origin "$(tamper put "$path"):refs/heads/published"
	expect_match "$path: is refused by the hook" "$(<"$ERR")" "push to 'published' refused"
done
expect_fail 'a push without root/1' git push -q origin "$(tamper git update-index --force-remove root/1):refs/heads/published"
git branch -q before published
git branch -qf published "$(tamper put root/1)"
expect_ok 'apply with nothing to do' apply
expect_match 'mends the branch' "$(<"$ERR")" "held other files than a publication does"
expect_eq 'with a commit on top' "$(git diff --name-only before published; git rev-list --count before..published)" 2
at=$(git rev-parse published)
expect_ok 'once' apply
expect_eq 'and no more' "$(git rev-parse published)" "$at"

# Another validity.
sed -i 's/^expires: .*/expires: 10d/' meshrc.yaml
commit . 'Ten days'
expect_ok 'plan after a change of expires' "$MESHRC" plan
expect_match 'says what apply will do' "$(<"$OUT")" '^prod: apply signs its manifest anew: expires was changed'
at=$(serial . prod)
expect_ok 'apply' apply
expect_eq 'signs anew' "$(serial . prod)" $((at + 1))
expect_eq 'for that time' "$(($(date -ud "$(manifest . prod | sed -n 's/^expires //p')" +%s) - $(date -ud "$(manifest . prod | sed -n 's/^issued //p')" +%s)))" $((10 * 86400))
expect_ok 'plan after that' "$MESHRC" plan
expect_no_match 'has nothing more to say' "$(<"$OUT")" 'anew'

# What is published counts for validate, too.
theirs=$(git show published:"$(git ls-tree -r --name-only published prod/records | head -n 1)" | grep '^record a ' | grep -oE '10\.20\.[0-9]+\.[0-9]+' | head -n 1)
node d >>networks/prod.yaml
printf '    addresses: [%s]\n' "$theirs" >>networks/prod.yaml
expect_fail 'a pin of what another node has' "$MESHRC" validate
expect_match 'is what plan refuses, too' "$(<"$ERR")" "${theirs//./\\.}"
git checkout -q networks/prod.yaml

# A new root: another publisher, and another epoch.
www=$TRASH/www
sed -i "s|^publish:|publish:\n  directory: $www|; /remote:/d" meshrc.yaml
commit . 'A directory'
apply >/dev/null 2>&1
cp -r "$net" "$TRASH/stale"
head -c 32 /dev/urandom | base64 -w0 >"$TRASH/new.key"
chmod 600 "$TRASH/new.key"
expect_ok 'a root of version 2' "$PUBKIT" successor "$net.keys/root.key" trust/root-1 "$TRASH/new.key" 1 trust/root-2
commit . 'Another publisher'
at=$(serial . prod)
expect_ok 'plan after a succession' "$MESHRC" plan
expect_match 'says what it means' "$(<"$OUT")" 'anew: there is a new root document'
expect_ok 'render' "$MESHRC" render a
expect_fail 'apply with the old key' apply
expect_match 'is refused' "$(<"$ERR")" 'UNKNOWN-KEY'
expect_ok 'apply with the new one' apply --key "$TRASH/new.key"
expect_eq 'goes on under the next serial' "$(serial . prod)" $((at + 1))
expect_ok 'in the directory as well' cmp "$www/root/2" trust/root-2
before=$(manifest . prod)
expect_fail 'a copy that does not know the new root' apply --refresh --repo "$TRASH/stale"
expect_match 'is told to catch up' "$(<"$ERR")" 'root version 2 stands there, this repository knows only 1: git pull first'
expect_eq 'and wrote nothing there' "$(<"$www/prod/manifest")" "$before"
git -C "$TRASH/stale" reset -q --hard
"$PUBKIT" successor "$net.keys/root.key" trust/root-1 "$TRASH/new.key" 2 "$TRASH/stale/trust/root-2"
rm -rf "$www"
commit "$TRASH/stale" 'Another epoch'
expect_ok 'a new epoch' apply --repo "$TRASH/stale" --key "$TRASH/new.key"
expect_eq 'begins with serial 1' "$(serial "$TRASH/stale" prod)" 1
expect_match 'without a predecessor' "$(manifest "$TRASH/stale" prod)" '^previous -$'

# A clone without the published branch, as CI makes it.
git clone -q --single-branch -b main "file://$TRASH/remote.git" "$TRASH/ci" 2>/dev/null
expect_ok 'plan where no published branch is known' "$MESHRC" plan --repo "$TRASH/ci"
expect_match 'says how to get it' "$(<"$ERR")" 'everything looks new: git fetch origin published:refs/remotes/origin/published'
git -C "$TRASH/ci" fetch -q origin published:refs/remotes/origin/published
expect_ok 'plan after that' "$MESHRC" plan --repo "$TRASH/ci"
expect_no_match 'is content' "$(<"$ERR")" 'looks new'

# What apply shows.
expect_ok 'apply --json with nothing to do' apply --json --key "$TRASH/new.key"
expect_eq 'prints an object without changes' "$(jq -r .changes "$OUT")" false
move_b b7.example.net
on_terminal no "$MESHRC" apply --quiet --key "$TRASH/new.key" >"$OUT"
expect_match 'a question comes with the plan, --quiet or not' "$(<"$OUT")" 'b7\.example\.net'
expect_ok 'where nobody is asked' apply --quiet --key "$TRASH/new.key"
expect_eq '--quiet is quiet' "$(<"$OUT")" ''

git init -q --object-format=sha256 "$TRASH/sha256"
export ASAN_OPTIONS=$asan:detect_leaks=0 # libgit2 again
expect_fail 'a SHA-256 repository' "$MESHRC" plan --repo "$TRASH/sha256"
export ASAN_OPTIONS=$asan
expect_match 'is refused as what it is' "$(<"$ERR")" 'SHA-256 repositories are not supported'

# A repository that several users share.
rm -f .git/meshrc.lock
expect_ok 'apply with the umask of a group' bash -c "umask 002 && '$MESHRC' apply --auto-approve --refresh --key '$TRASH/new.key'"
expect_eq 'leaves a lock that the group can take' "$(stat -c %a .git/meshrc.lock)" 664
expect_eq "the directory's can be read by all" "$(stat -c %a "$www/.meshrc.lock")" 644
flock .git/meshrc.lock sleep 2 &
for _ in 1 2 3 4 5 6 7 8 9 10; do
	flock -n .git/meshrc.lock true || break
	sleep 0.1
done
expect_ok 'a lock that somebody has' apply --refresh --key "$TRASH/new.key"
expect_match 'is waited for, and named' "$(<"$ERR")" "waiting for it .*$net/\.git/meshrc\.lock"
wait

done_testing
