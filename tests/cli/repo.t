#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What is read from a repository, and what is refused there: links, submodules, odd names, too much of anything.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/net.sh"

new_net "$TRASH/net" || exit 1
cd "$TRASH/net" || exit 1
good=$(git rev-parse HEAD)
blob=$(git rev-parse HEAD:networks/prod.yaml)

# tree_with MODE TYPE ID NAME...: a commit whose networks/ also holds these entries; its id on stdout
commit_with() {
	local networks tree
	networks=$({
		git ls-tree HEAD:networks
		while [ $# -gt 0 ]; do
			printf '%s %s %s\t%s\0' "$1" "$2" "$3" "$4" | tr '\0' '\n'
			shift 4
		done
	} | git mktree --missing) || return 1
	tree=$({
		git ls-tree HEAD | grep -v '	networks$'
		printf '040000 tree %s\tnetworks\n' "$networks"
	} | git mktree --missing) || return 1
	git commit-tree -m evil "$tree"
}

refused() { # NAME COMMIT REGEX
	expect_fail "$1" "$MESHRC" validate --rev "$2"
	expect_match "$1: the path and the reason" "$(<"$ERR")" "$3"
}

expect_ok 'the work tree' "$MESHRC" validate
expect_ok 'a commit' "$MESHRC" validate --rev "$good"

link=$(printf '/etc/passwd' | git hash-object -w --stdin)
refused 'a symbolic link' "$(commit_with 120000 blob "$link" evil.yaml)" 'networks/evil\.yaml: error: a symbolic link'
refused 'a symbolic link of another ending' "$(commit_with 120000 blob "$link" README.md)" 'networks/README\.md: error: a symbolic link'
refused 'a submodule' "$(commit_with 160000 commit "$good" sub)" 'networks/sub: error: a submodule'
empty=$(git mktree </dev/null)
refused 'a name with an escape byte' "$(commit_with 100644 blob "$blob" $'x\e[31m.yaml')" 'networks/x\?\[31m\.yaml: error: .*control byte'
refused 'a name with a blank' "$(commit_with 100644 blob "$blob" 'a b.yaml')" 'networks/a b\.yaml: error: .*letters, digits'
refused 'names that differ by case' "$(commit_with 100644 blob "$blob" Prod.yaml)" 'differs from .* by case'
refused 'the same for folders' "$(commit_with 040000 tree "$empty" Sub 040000 tree "$empty" sub)" 'differs from .* by case'

# Trees that git itself would not write, as raw objects: "..", ".git", the same name twice, a slash in a name.
raw_tree() { # NAME...: a tree of these files with the blob
	local name
	for name; do printf '100644 %s\0' "$name"; unhex "$blob"; done |
		git hash-object -t tree -w --stdin --literally
}
raw_commit() {
	local tree
	tree=$({
		git ls-tree HEAD | grep -v '	networks$'
		printf '040000 tree %s\tnetworks\n' "$(raw_tree "$@")"
	} | git mktree --missing) && git commit-tree -m evil "$tree"
}
refused 'a file called ..' "$(raw_commit ..)" 'networks/\.\.: error: this name'
refused 'a file called .GIT' "$(raw_commit .GIT)" 'networks/\.GIT: error: this name'
refused 'the same name twice' "$(raw_commit prod.yaml prod.yaml)" 'differs from .* by nothing'

# Depth and number.
deep=$(printf '100644 blob %s\tx.yaml\n' "$blob" | git mktree)
for ((i = 0; i < 200; i++)); do
	deep=$(printf '040000 tree %s\td\n' "$deep" | git mktree)
	[ "$i" -ne 13 ] || fits=$deep
	[ "$i" -ne 14 ] || over=$deep
done
refused '200 folders deep' "$(commit_with 040000 tree "$deep" deep)" 'nested too deep'
refused 'one folder too deep' "$(commit_with 040000 tree "$over" deep)" 'nested too deep'
capture "$MESHRC" validate --rev "$(commit_with 040000 tree "$fits" deep)"
expect_no_match 'as deep as it may be' "$(<"$ERR")" 'nested too deep'
many=$(seq 131073 | sed "s/.*/100644 blob $blob\tn&.txt/" | git mktree)
refused 'one file too many' "$(commit_with 040000 tree "$many" many)" 'networks/many: error: too many files'

# Large files are refused by their size, before they are read.
head -c $((64 * 1024 * 1024 + 1)) /dev/zero >"$TRASH/large"
large=$(git hash-object -w "$TRASH/large")
rm "$TRASH/large"
refused 'a file that is one byte too long' "$(commit_with 100644 blob "$large" large.yaml)" 'networks/large\.yaml: error: .*longer than'

head -c $((54 * 1024 * 1024)) /dev/zero >"$TRASH/large"
large=$(git hash-object -w "$TRASH/large")
rm "$TRASH/large"
refused 'files that are too large together' "$(commit_with 100644 blob "$large" l1.yaml 100644 blob "$large" l2.yaml \
	100644 blob "$large" l3.yaml 100644 blob "$large" l4.yaml 100644 blob "$large" l5.yaml)" 'networks/l5\.yaml: error: .*too large together'
huge=$(perl -e 'for (1 .. 270000) { printf "100644 %s%06d\0%s", "n" x 240, $_, "\1" x 20 }' |
	git hash-object -t tree -w --stdin --literally)
refused 'a folder whose very list is too large' "$(commit_with 040000 tree "$huge" huge)" "'huge' is an object of .* too large"
roots() { # NAME: a commit whose trust/ also holds this name
	local trust tree
	trust=$({
		git ls-tree HEAD:trust
		printf '100644 blob %s\t%s\n' "$(git rev-parse HEAD:trust/root-1)" "$1"
	} | git mktree)
	tree=$({
		git ls-tree HEAD | grep -v '	trust$'
		printf '040000 tree %s\ttrust\n' "$trust"
	} | git mktree) && git commit-tree -m roots "$tree"
}
refused 'one root document too many' "$(roots root-257)" 'trust/root-257: error: .*from 1 to 256'
refused 'a root document of no number' "$(roots root-01)" 'trust/root-01: error: '
refused 'a gap in the root documents' "$(roots root-3)" 'trust/root-2 is missing'
refused 'a root document that does not follow' "$(roots root-2)" 'trust/root-2: error: BAD-ROOT'
expect_ok 'another file in trust/' "$MESHRC" validate --rev "$(roots README)"

# What is left alone.
expect_ok 'other files and names that begin with a dot' "$MESHRC" validate --rev \
	"$(commit_with 100644 blob "$link" README.md 120000 blob "$link" .\#prod.yaml 100644 blob "$link" .prod.yaml.swp)"
expect_ok 'an executable file is a file' "$MESHRC" validate --rev "$(raw=$(git ls-tree HEAD:networks | sed 's/^100644/100755/' | git mktree)
	tree=$({ git ls-tree HEAD | grep -v '	networks$'; printf '040000 tree %s\tnetworks\n' "$raw"; } | git mktree)
	git commit-tree -m exec "$tree")"

# The top: our names, spelled our way, of the right kind.
top() { # LINE...: a commit whose tree is HEAD's without meshrc.yaml, and these lines
	local tree
	tree=$({ git ls-tree HEAD | grep -v meshrc.yaml; [ $# -eq 0 ] || printf '%b\n' "$@"; } | git mktree --missing) && git commit-tree -m top "$tree"
}
settings=$(git rev-parse HEAD:meshrc.yaml)
refused 'no meshrc.yaml' "$(top)" "no meshrc\.yaml at the top .*'meshrc init' makes one"
refused 'meshrc.yaml as a link' "$(top "120000 blob $link\\tmeshrc.yaml")" 'meshrc\.yaml: error: this must be a plain file'
refused 'meshrc.yaml in capitals' "$(top "100644 blob $settings\\tMeshrc.yaml")" 'must be written `meshrc\.yaml`'
refused 'a link called Networks' "$(top "100644 blob $settings\\tmeshrc.yaml" "120000 blob $link\\tNetworks")" 'must be written `networks`'

# The same rules in the work tree.
ln -s /etc/passwd networks/evil.yaml
expect_fail 'a symbolic link in the work tree' "$MESHRC" validate
expect_match 'is refused with its path' "$(<"$ERR")" 'networks/evil\.yaml: error: a symbolic link'
rm networks/evil.yaml
mkfifo networks/pipe.yaml
expect_fail 'a pipe in the work tree' timeout 20 "$MESHRC" validate
expect_match 'is refused, not waited for' "$(<"$ERR")" 'networks/pipe\.yaml: error: neither a file nor a folder'
rm networks/pipe.yaml
mv networks "$TRASH/elsewhere"
ln -s "$TRASH/elsewhere" networks
expect_fail 'networks as a symbolic link' "$MESHRC" validate
expect_match 'is refused' "$(<"$ERR")" 'networks: error: this must be a folder'
rm networks
mv "$TRASH/elsewhere" networks
git init -q networks/inner
expect_fail 'a repository inside the repository' "$MESHRC" validate
expect_match 'is refused too' "$(<"$ERR")" 'networks/inner: error: a repository inside'
rm -rf networks/inner
ln -s nowhere 'networks/.#prod.yaml'
expect_ok "an editor's lock file is left alone" "$MESHRC" validate
rm 'networks/.#prod.yaml'
expect_eq 'the work tree is as it was' "$(git status --porcelain)" ''

# Names of commits.
commit . 'Second'
git tag v1 "$good"
git tag -a -m annotated v2 "$good"
git branch team/prod
for rev in HEAD main v1 v2 team/prod HEAD~ HEAD~1 HEAD^ main~1 v2~0 "$good" "${good:0:12}"; do
	expect_ok "--rev $rev" "$MESHRC" validate --rev "$rev"
done
for rev in '' - -x @ '@{1}' 'HEAD@{1}' ':/Second' 'main:networks' HEAD^^^^ HEAD~99 'HEAD~99999999999999999999' 'HEAD~1x' 'HEAD^{tree}' \
	'main..v1' nothing '../x' "${good:0:3}" 0000000000000000000000000000000000000000 $'a\nb' "$blob"; do
	expect_fail "--rev '$(printf %q "$rev")' is refused" "$MESHRC" validate --rev "$rev"
done
git branch v1 HEAD
expect_fail 'a branch and a tag of one name' "$MESHRC" validate --rev v1
expect_match 'are ambiguous' "$(<"$ERR")" 'a branch and a tag'

# Bare repositories, folders below, --repo, no repository.
git clone -q --bare . "$TRASH/bare.git"
expect_ok 'a bare repository' "$MESHRC" validate --repo "$TRASH/bare.git"
expect_ok 'from a folder of the work tree' sh -c "cd networks && '$MESHRC' validate"
expect_ok '--repo' sh -c "cd / && '$MESHRC' validate --repo '$TRASH/net'"
git worktree add -q "$TRASH/second" "$good" 2>/dev/null
expect_ok 'a linked work tree' "$MESHRC" validate --repo "$TRASH/second"
mkdir "$TRASH/none"
expect_fail 'no repository' "$MESHRC" validate --repo "$TRASH/none"
expect_match 'how to make one is told' "$(<"$ERR")" "there is no git repository .*'meshrc init' makes one"
if [ "$(id -u)" = 0 ]; then
	cp -r "$TRASH/bare.git" "$TRASH/foreign.git"
	chown -R 65534 "$TRASH/foreign.git"
	expect_fail "another user's repository" env HOME="$TRASH/none" "$MESHRC" validate --repo "$TRASH/foreign.git"
	expect_match 'is refused with the way out' "$(<"$ERR")" 'git config --global --add safe\.directory'
	printf '[safe]\n\tdirectory = %s\n[user]\n\tname = ignored\n' "$TRASH/foreign.git" >"$TRASH/none/.gitconfig"
	expect_ok 'which works' env HOME="$TRASH/none" "$MESHRC" validate --repo "$TRASH/foreign.git"
else
	skip "another user's repository" 'needs root'
fi

# A damaged repository is an error, not a crash.
cp -r "$TRASH/bare.git" "$TRASH/broken.git"
find "$TRASH/broken.git/objects" -type f -exec sh -c 'chmod u+w "$1" && printf x >"$1"' _ {} \;
expect_fail 'damaged objects' "$MESHRC" validate --repo "$TRASH/broken.git"

done_testing
