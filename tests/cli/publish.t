#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The published tree in a directory and on a remote: what is written, in which order, and what happens when it is interrupted.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/net.sh"

net=$TRASH/net
www=$TRASH/www/mesh
new_net "$net" || exit 1
cd "$net" || exit 1
# shellcheck disable=SC2120
apply() { "$MESHRC" apply --auto-approve "$@"; }
set_publish() { # LINE...
	{
		printf 'version: 1\npublish:\n  branch: published\n'
		[ $# -eq 0 ] || printf '  %s\n' "$@"
	} >meshrc.yaml
	commit . "Publish to $*"
}
# The tree of the branch, for comparison with the directory.
branch_tree() {
	rm -rf "$TRASH/tree" && mkdir "$TRASH/tree" && git archive published | tar -x -C "$TRASH/tree"
}
# True when everything of the branch stands in the directory; other documents may too.
complete() {
	local f
	branch_tree
	(cd "$TRASH/tree" && find . -type f) | while read -r f; do cmp -s "$TRASH/tree/$f" "$www/$f" || return 1; done
}
move_b() {
	sed -i "/^  b:/,/endpoint:/s/endpoint: .*/endpoint: $1/" networks/prod.yaml
	commit . "Move b to $1"
}

set_publish "directory: $www"
(umask 077 && "$MESHRC" apply --auto-approve >/dev/null 2>"$ERR") || note_file stderr "$ERR"
branch_tree
expect_ok 'the directory holds the tree of the branch' diff -r "$TRASH/tree" "$www" -x .meshrc.lock
expect_eq 'readable for a web server, whatever the umask' \
	"$(find "$www" -not -name .meshrc.lock -printf '%y%m\n' | sort -u | tr '\n' ' ')" 'd755 f644 '
expect_ok 'nothing to do' apply
expect_match 'is told as such' "$(<"$ERR")" 'nothing to publish: '

# Old documents stay for readers that have the old manifest, and go when their time is over.
old=$(cd "$www" && find prod/records -type f)
move_b b2.example.net
expect_ok 'a change' apply
expect_ok 'is in the directory' complete
expect_ok 'the old page is still there' test -f "$www/$old"
expect_match 'and noted as unreferenced' "$(<"$www/.meshrc-unreferenced")" " $old$"
sed -i 's/^[0-9T:Z-]*/2001-01-01T00:00:00Z/' "$www/.meshrc-unreferenced"
move_b b3.example.net
expect_ok 'a change after its time' apply
expect_fail 'the old page is gone' test -f "$www/$old"
expect_ok 'the directory is complete' complete
echo 'not a list' >"$www/.meshrc-unreferenced"
move_b b4.example.net
expect_ok 'a damaged list' apply
expect_ok 'does no harm' complete
move_b b3.example.net
expect_ok 'a revert brings the old page back' apply
page=$(git ls-tree -r --name-only published prod/records)
expect_no_match 'and it is not unreferenced any more' "$(<"$www/.meshrc-unreferenced")" "$page"

# Damage of any kind is repaired, with nothing new to publish.
at=$(git rev-parse published)
repaired() { # NAME
	expect_ok "$1" apply
	expect_match "$1: told" "$(<"$ERR")" 'directory was not as it should be and is repaired'
	if complete; then ok "$1: repaired"; else not_ok "$1: repaired"; fi
}
: >"$www/$page"
repaired 'a page that a crash left empty'
rm "$www/$page"
repaired 'a page that is missing'
printf x >>"$www/prod/manifest"
repaired 'a manifest that was tampered with'
rm -rf "$www"
repaired 'a directory that is gone'
git show published~2:prod/manifest >"$www/prod/manifest"
repaired 'a manifest of an earlier serial'
printf x >"$www/root/1"
repaired 'a root that was damaged'
touch "$www/$page.0123456789abcdef.tmp" "$www/prod/manifest.0123456789abcdef.tmp" "$www/root/1.0123456789abcdef.tmp"
echo mine >"$www/index.html"
mkdir "$www/prod/notes" && echo mine >"$www/prod/notes/x"
expect_ok "what interrupted writes left and what is not meshrc's" apply
expect_eq 'the former is removed' "$(find "$www" -name '*.tmp')" ''
expect_eq 'the latter stays' "$(cat "$www/index.html" "$www/prod/notes/x" | tr '\n' ' ')" 'mine mine '
expect_eq 'none of this made a commit' "$(git rev-parse published)" "$at"

# kill -9 at any time: what the manifest names is there.
consistent() {
	local kind len hash index
	grep ^table "$www/prod/manifest" | while read -r _ kind len hash; do
		[ "$len" != 0 ] || continue
		index=$www/prod/index/$hash
		[ "$(b2sum -l 256 "$index" | cut -d' ' -f1)" = "$hash" ] || return 1
		grep ^page "$index" | while read -r _ _ hash _; do
			[ "$(b2sum -l 256 "$www/prod/$kind/$hash" | cut -d' ' -f1)" = "$hash" ] || return 1
		done || return 1
	done
}
broken=0
for i in $(seq 1 25); do
	move_b "k$i.example.net"
	"$MESHRC" apply --auto-approve >/dev/null 2>&1 &
	sleep "0.0$(printf %02d $((i * 2)))"
	kill -9 $! 2>/dev/null
	wait $! 2>/dev/null
	consistent || broken=$((broken + 1))
done 2>/dev/null
expect_eq 'killed 25 times, never inconsistent' "$broken" 0
# A lock of git that was left in one of these moments counts as left when it is a minute old.
find .git -name '*.lock' -exec touch -d '-2 minutes' {} +
expect_ok 'and finished by the next run' apply
expect_ok 'the directory is complete after that' complete
expect_ok 'the repository is whole' git fsck --strict --no-dangling

# Directories of others.
new_net "$TRASH/net2" || exit 1
printf 'version: 1\npublish:\n  directory: %s\n' "$www" >"$TRASH/net2/meshrc.yaml"
commit "$TRASH/net2" 'The same directory'
expect_fail "another mesh's directory" "$MESHRC" apply --auto-approve --repo "$TRASH/net2"
expect_match 'is not overwritten' "$(<"$ERR")" 'another mesh is published there'
expect_ok 'nothing in it changed' complete
cp -r "$net" "$TRASH/copy"
move_b ahead.example.net
expect_ok 'the directory goes ahead' apply
expect_fail 'an older copy of the repository' "$MESHRC" apply --auto-approve --refresh --repo "$TRASH/copy" --key "$net.keys/publisher.key"
expect_match 'does not publish another manifest of the same serial' "$(<"$ERR")" 'serial [0-9]* stands there already'
expect_ok 'nothing in it changed either' complete
expect_fail 'its next serial, which follows its own' "$MESHRC" apply --auto-approve --refresh --repo "$TRASH/copy" --key "$net.keys/publisher.key"
expect_match 'is told from one that follows what stands there' "$(<"$ERR")" 'two copies of the repository publish'
expect_ok 'and changes nothing' complete
secret=$(<"$net.keys/publisher.key")
expect_fail 'a key in the place of its file' "$MESHRC" apply --auto-approve --refresh --repo "$net" --key "$secret"
expect_match 'is explained' "$(<"$ERR")" 'take the name of a file'
expect_eq 'and not shown' "$(grep -cF "$secret" "$ERR")" 0
set_publish 'directory: /proc/meshrc'
expect_fail 'a directory that cannot be written' apply --refresh
expect_match 'what is done and what is not is told' "$(<"$ERR")" 'the next meshrc apply finishes the directory'
set_publish "directory: $www"
expect_ok 'the next apply finishes' apply
expect_ok 'and the directory is complete' complete

# A remote.
git init -q --bare "$TRASH/remote.git"
set_publish 'remote: origin'
expect_fail 'a remote that is not there' apply --refresh
expect_match 'is asked for' "$(<"$ERR")" 'git remote add origin URL'
set_publish 'remote: "ext::sh -c evil"'
expect_fail 'a URL is no remote' apply --refresh
git remote add origin "$TRASH/remote.git"
set_publish 'remote: origin'
expect_ok 'a remote' apply
expect_eq 'has the branch' "$(git -C "$TRASH/remote.git" rev-parse published)" "$(git rev-parse published)"
mv "$TRASH/remote.git" "$TRASH/away.git"
expect_ok 'what was pushed is not pushed again' apply
expect_fail 'a remote that is away' apply --refresh
expect_match 'is told, with how to go on' "$(<"$ERR")" 'the next meshrc apply pushes it'
mv "$TRASH/away.git" "$TRASH/remote.git"
expect_ok 'the next apply pushes' apply
expect_eq 'what was left' "$(git -C "$TRASH/remote.git" rev-parse published)" "$(git rev-parse published)"

# Two reconcilers on one remote: the fast-forward decides.
git push -q origin main
git clone -q "$TRASH/remote.git" "$TRASH/two" -b main 2>/dev/null
git -C "$TRASH/two" config meshrc.signingKey "$net.keys/publisher.key"
expect_ok 'a clone plans against what the remote has' "$MESHRC" plan --repo "$TRASH/two" --detailed-exitcode
at=$(serial . prod)
expect_ok 'it publishes' "$MESHRC" apply --auto-approve --refresh --repo "$TRASH/two"
expect_eq 'the next serial' "$(serial "$TRASH/two" prod)" $((at + 1))
# In the same second both would make the same bytes, which is no conflict.
sleep 1.1
local_before=$(git rev-parse published)
on_terminal yes "$MESHRC" apply --refresh >"$ERR"
expect_match 'the first one, which does not know, loses' "$(<"$ERR")" 'has publications that are not here'
expect_match 'and is told how to go on' "$(<"$ERR")" 'git fetch origin'
expect_eq 'its commit is taken back' "$(git rev-parse published)" "$local_before"
sleep 1.1
expect_ok 'where nobody is asked it fetches and goes on by itself' apply --refresh
expect_eq 'behind the other' "$(serial . prod)" $((at + 2))
expect_eq 'on the same line' "$(git -C "$TRASH/remote.git" rev-parse published)" "$(git rev-parse published)"

done_testing
