#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The hooks as git runs them: pre-commit in a work tree, pre-receive (in quarantine) and post-receive in a bare repository.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/net.sh"

server=$TRASH/server.git
www=$TRASH/www
net=$TRASH/net
new_net "$net" || exit 1
cd "$net" || exit 1
sed -i "s|^  # directory.*|  directory: $www|" meshrc.yaml
commit . 'With a directory'
expect_ok 'hooks in the work tree' "$MESHRC" init --hooks
move_b() {
	sed -i "/^  b:/,/endpoint:/s/endpoint: .*/endpoint: $1/" networks/prod.yaml
}

# pre-commit: what is being committed counts.
move_b b2.example.net
expect_ok 'a valid commit' git commit -qam 'Move b'
cp networks/prod.yaml "$TRASH/good"
printf '    endpiont: x.example.net\n' >>networks/prod.yaml
expect_fail 'an invalid commit' git commit -qam 'Typo'
expect_match 'is refused with path:line:col' "$(<"$ERR")" '^networks/prod\.yaml:[0-9]+:5: error: unknown key `endpiont`'
expect_match 'and the way to mend it' "$(<"$ERR")" 'did you mean `endpoint`'
echo note >NOTES
git add NOTES
expect_ok 'a valid commit while the work tree is not' git commit -qm 'Only the note'
git add networks/prod.yaml
cp "$TRASH/good" networks/prod.yaml
expect_fail 'an invalid commit while the work tree is valid' git commit -qm 'Typo in the index'
git reset -q
printf '    endpiont: x.example.net\n' >>networks/prod.yaml
expect_fail 'git commit FILE, which uses an index of its own' git commit -qm 'Typo' networks/prod.yaml
expect_ok 'git commit --no-verify' git commit -q --no-verify -am 'Typo all the same'
git reset -q --hard HEAD~
git worktree add -q "$TRASH/linked" -b linked 2>/dev/null
printf '    endpiont: x.example.net\n' >>"$TRASH/linked/networks/prod.yaml"
expect_fail 'in a linked work tree' git -C "$TRASH/linked" commit -qam 'Typo'
expect_match 'with the same message' "$(<"$ERR")" 'unknown key `endpiont`'
git worktree remove --force "$TRASH/linked"
git checkout -q --orphan other && git rm -qrf . && echo page >index.html && git add index.html
expect_ok 'a branch of other things' git commit -qm 'No networks here'
git checkout -q main
mkdir "$TRASH/empty-path"
expect_fail 'a hook that does not find meshrc refuses' \
	git -c meshrc.program="$TRASH/no-such-program" commit -q --allow-empty -m 'x'

# A server.
git init -q --bare -b main "$server"
expect_ok 'hooks on the server' "$MESHRC" init --hooks "$server"
git -C "$server" config meshrc.signingKey "$net.keys/publisher.key"
git remote add origin "$server"
expect_ok 'the first push' git push -q origin main
expect_match 'the plan is shown to who pushes' "$(<"$ERR")" '^remote: .*Plan: 3 nodes to add'
expect_match 'and that it is published' "$(<"$ERR")" '^remote: meshrc: prod: serial 1 published'
expect_eq 'it is' "$(serial "$server" prod)" 1
expect_ok 'in the directory too' test -f "$www/prod/manifest"
move_b b3.example.net
commit . 'Move b again'
expect_ok 'the next push' git push -q origin main
expect_match 'is published' "$(<"$www/prod/manifest")" '^serial 2$'

# pre-receive.
head=$(git rev-parse HEAD)
printf '    endpiont: x.example.net\n' >>networks/prod.yaml
git commit -q --no-verify -am 'Typo'
expect_fail 'an invalid push' git push -q origin main
expect_match 'is refused with path:line:col' "$(<"$ERR")" '^remote: networks/prod\.yaml:[0-9]+:5: error: unknown key `endpiont`'
expect_match 'as a push' "$(<"$ERR")" 'pre-receive hook declined'
expect_eq 'the branch stands where it was' "$(git -C "$server" rev-parse main)" "$head"
expect_eq 'nothing was published' "$(serial "$server" prod)" 2
expect_ok 'on another branch it is work in progress' git push -q origin main:topic
git reset -q --hard "$head"
git rm -q meshrc.yaml && git commit -q --no-verify -m 'No meshrc.yaml'
expect_fail 'a push without meshrc.yaml' git push -q origin main
git reset -q --hard "$head"
ln -s /etc/passwd networks/evil.yaml
git add networks && git commit -q --no-verify -m 'Link'
expect_fail 'a push with a symbolic link' git push -q origin main
expect_match 'is refused with its path' "$(<"$ERR")" 'networks/evil\.yaml: error: a symbolic link'
git reset -q --hard "$head"
expect_fail 'deleting the branch' git -c receive.denyDeleteCurrent=ignore push -q origin :main

# The published branch: signed publications that go forward, from anybody who can make them.
git fetch -q origin
git branch -q published origin/published
commit . 'Something'
at=$(git -C "$server" rev-parse published)
expect_ok 'published elsewhere, with the same key' "$MESHRC" apply --auto-approve --refresh
expect_ok 'it can be pushed' git push -q origin main published
expect_eq 'and stands there' "$(serial "$server" prod)" 3
now=$(git rev-parse published)
commit_tree() { # TREE-ISH: a commit on top of the published one
	git commit-tree -p "$now" -m evil "$1^{tree}"
}
expect_fail 'an older state on top' git push -q origin "$(commit_tree "$at"):refs/heads/published"
expect_match 'is a rollback' "$(<"$ERR")" 'ROLLBACK: .*goes back from serial 3 to 2'
expect_fail 'a push back' git push -q -f origin "$at:refs/heads/published"
expect_match 'is a rollback too' "$(<"$ERR")" 'ROLLBACK: .*fast-forward'
expect_fail 'anything else' git push -q -f origin main:published
expect_fail 'deletion' git push -q origin :published
evil_manifest() {
	local blob
	git read-tree "$now"
	blob=$(git show "$now:prod/manifest" | sed 's/^serial 3$/serial 4/' | git hash-object -w --stdin)
	git update-index --cacheinfo "100644,$blob,prod/manifest"
	git commit-tree -p "$now" -m evil "$(git write-tree)"
}
evil=$(GIT_INDEX_FILE=$TRASH/index evil_manifest)
expect_fail 'a manifest that was not signed' git push -q origin "$evil:refs/heads/published"
expect_match 'is refused' "$(<"$ERR")" 'BAD-SIG'
evil_removal() {
	git read-tree "$now"
	git ls-tree -r --name-only "$now" prod | git update-index --force-remove --stdin
	git commit-tree -p "$now" -m evil "$(git write-tree)"
}
evil=$(GIT_INDEX_FILE=$TRASH/index evil_removal)
expect_fail 'a network taken away' git push -q origin "$evil:refs/heads/published"
expect_match 'is refused too' "$(<"$ERR")" 'ROLLBACK: .*missing'
expect_fail "meshrc's own references" git push -q origin main:refs/meshrc/pushed/origin/published
expect_eq 'it stands as it was' "$(git -C "$server" rev-parse published)" "$now"

# Errors of apply reach who pushes.
chmod 644 "$net.keys/publisher.key"
move_b b4.example.net
commit . 'Move b once more'
expect_ok 'a push that cannot be published is taken' git push -q origin main
expect_match 'and the reason is told' "$(<"$ERR")" '^remote: meshrc: error: .*may be read by others'
expect_match 'and the consequence' "$(<"$ERR")" '^remote: .*not published'
chmod 600 "$net.keys/publisher.key"
commit . 'Again'
expect_ok 'the next push' git push -q origin main
expect_eq 'makes up for it' "$(git -C "$server" show published:"$(git -C "$server" ls-tree -r --name-only published prod/records)" | grep -c b4.example.net)" 1
git -C "$server" config meshrc.signingKey /nonexistent
expect_ok 'MESHRC_SIGNING_KEY is second to --key alone' env MESHRC_SIGNING_KEY="$net.keys/publisher.key" git push -q origin main:main
git commit -q --allow-empty -m 'Rewritten' && git reset -q --hard HEAD~2
move_b b5.example.net
commit . 'Another history'
expect_ok 'a forced push' env MESHRC_SIGNING_KEY="$net.keys/publisher.key" git push -q -f origin main
expect_match 'is not published unseen' "$(<"$ERR")" '^remote: meshrc: error: NOT-DESCENDANT'

# Many at once: the last one is what stands in the end.
rm -rf "$TRASH/many.git" && git init -q --bare -b main "$TRASH/many.git"
"$MESHRC" init --hooks --quiet "$TRASH/many.git"
git -C "$TRASH/many.git" config meshrc.signingKey "$net.keys/publisher.key"
sed -i '/directory:/d' meshrc.yaml && commit . 'Without a directory'
git remote add many "$TRASH/many.git"
for i in 1 2 3 4 5; do
	move_b "m$i.example.net"
	commit . "Move $i"
	git push -q many main >/dev/null 2>&1 &
done
wait
git push -q many main >/dev/null 2>&1
git commit -q --allow-empty -m 'last' && git push -q many main >/dev/null 2>&1
expect_eq 'after pushes at once, the last state is published' \
	"$(git -C "$TRASH/many.git" show published:"$(git -C "$TRASH/many.git" ls-tree -r --name-only published prod/records)" | grep -c m5.example.net)" 1

# A repository whose HEAD is another branch than the one that is pushed.
git init -q --bare -b master "$TRASH/master.git"
expect_ok 'hooks where HEAD names a branch that is not there' "$MESHRC" init --hooks "$TRASH/master.git"
expect_match 'are installed with a warning' "$(<"$ERR")" "HEAD names 'master', which does not exist here"
git -C "$TRASH/master.git" config meshrc.signingKey "$net.keys/publisher.key"
expect_fail 'a push of main there' git push -q "$TRASH/master.git" main
expect_match 'is refused with the way out' "$(<"$ERR")" "HEAD names 'master'.*git symbolic-ref HEAD refs/heads/main"
expect_ok 'a tag may come' git push -q "$TRASH/master.git" main:refs/tags/v1
expect_ok 'the first push of that branch' git push -q "$TRASH/master.git" main:master
expect_eq 'is published' "$(serial "$TRASH/master.git" prod)" 1
git -C "$TRASH/master.git" config meshrc.branch main
expect_fail 'a branch that is configured and missing' git push -q "$TRASH/master.git" main:topic
expect_match 'is named as such' "$(<"$ERR")" "meshrc.branch names 'main'"
expect_ok 'deletions pass' git push -q "$TRASH/master.git" :refs/tags/v1
expect_ok 'and so does the branch itself' git push -q "$TRASH/master.git" main

# A published branch that somebody broke stops what touches it, and nothing else.
git -C "$TRASH/master.git" update-ref refs/heads/published "$(git rev-parse main)"
expect_ok 'another branch can be pushed' git push -q "$TRASH/master.git" main:topic
commit . 'Next'
expect_fail 'the one that is published cannot' git push -q "$TRASH/master.git" main

done_testing
