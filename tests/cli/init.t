#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/../lib.sh"

export HOME=$TRASH/home
mkdir "$HOME"
unset XDG_CONFIG_HOME

expect_ok 'a new repository' "$MESHRC" init "$TRASH/net"
expect_match 'the next steps are told' "$(<"$ERR")" 'meshrc validate'
expect_eq 'stdout is for data' "$(<"$OUT")" ''
cd "$TRASH/net" || exit 1
expect_ok 'it is a git repository' git rev-parse --git-dir
expect_eq 'on the branch main' "$(git symbolic-ref HEAD)" refs/heads/main
expect_ok 'what init makes is valid right away, strictly' "$MESHRC" validate --strict
expect_ok 'and can be planned before the first commit' "$MESHRC" plan

keys=$HOME/.config/meshrc/keys/net
expect_eq 'the keys are outside, for their owner alone' \
	"$(stat -c %a "$keys" "$keys/root.key" "$keys/publisher.key" | tr '\n' ' ')" '700 600 600 '
expect_eq 'a key file is one line of 44 characters' "$(wc -lc <"$keys/publisher.key" | tr -s ' ')" ' 1 45'
expect_eq 'no key is in the repository' "$(grep -rlF -e "$(<"$keys/publisher.key")" -e "$(<"$keys/root.key")" . || :)" ''
expect_match 'the root document names a publisher' "$(<trust/root-1)" '^publisher-key '
expect_match 'the example points editors at its schema' "$(<networks/example.yaml)" \
	'^# yaml-language-server: \$schema=\.\./\.meshrc/network\.schema\.json$'
expect_match 'so does meshrc.yaml' "$(<meshrc.yaml)" '^# yaml-language-server: \$schema=\.meshrc/meshrc\.schema\.json$'
"$MESHRC" schema network >"$TRASH/schema"
expect_same 'the schema in the repository is the one that is printed' .meshrc/network.schema.json "$TRASH/schema"
expect_eq 'the placeholder keys are three different ones' \
	"$(sed -n 's/^ *public_key: //p' networks/example.yaml | sort -u | wc -l)" 3
expect_same 'the hook is the file of hooks/' .git/hooks/pre-commit "$ROOT/hooks/pre-commit"
expect_eq 'and can be run' "$(stat -c %a .git/hooks/pre-commit)" 755
expect_eq 'the signing key is known to the repository' "$(git config meshrc.signingKey)" "$keys/publisher.key"

# Nothing is overwritten.
find . "$keys" -type f -not -path './.git/*' -exec sha256sum {} + | sort >"$TRASH/before"
expect_fail 'a second init is refused' "$MESHRC" init "$TRASH/net"
expect_match 'and says what stands in the way' "$(<"$ERR")" 'meshrc\.yaml exists already'
expect_fail 'the same keys for another repository are refused' "$MESHRC" init "$TRASH/other" --keys "$keys"
expect_match 'and says which' "$(<"$ERR")" '(root|publisher)\.key exists already'
find . "$keys" -type f -not -path './.git/*' -exec sha256sum {} + | sort >"$TRASH/after"
expect_same 'nothing was touched' "$TRASH/after" "$TRASH/before"

expect_fail 'keys inside the repository are refused' "$MESHRC" init "$TRASH/in" --keys "$TRASH/in/keys"
expect_match 'with the reason' "$(<"$ERR")" 'private keys must not lie in the repository'
ln -s "$TRASH/in" "$TRASH/link"
expect_fail 'also through a symbolic link' "$MESHRC" init "$TRASH/in" --keys "$TRASH/link/keys"
expect_match 'with the reason, through the link' "$(<"$ERR")" 'private keys must not lie in the repository'
expect_eq 'no key was made there' "$(find "$TRASH/in" -name '*.key')" ''

# A repository that exists.
git init -q -b trunk "$TRASH/there"
echo mine >"$TRASH/there/README.md"
expect_ok 'an existing repository gets the files' "$MESHRC" init "$TRASH/there" --keys "$TRASH/k2" --no-hooks
expect_eq 'its branch stays' "$(git -C "$TRASH/there" symbolic-ref HEAD)" refs/heads/trunk
expect_eq 'its files stay' "$(<"$TRASH/there/README.md")" mine
expect_eq '--no-hooks installs none' "$(find "$TRASH/there/.git/hooks" -name 'pre-commit')" ''
printf '#!/bin/sh\nexit 0\n' >"$TRASH/there/.git/hooks/pre-commit"
cp "$TRASH/there/.git/hooks/pre-commit" "$TRASH/own"
expect_fail "--hooks does not replace somebody's hook" "$MESHRC" init --hooks "$TRASH/there"
expect_match 'and says how to have both' "$(<"$ERR")" 'meshrc hook pre-commit "\$\(git write-tree\)"'
expect_same 'it stands as it was' "$TRASH/there/.git/hooks/pre-commit" "$TRASH/own"
printf '#!/bin/sh\n# From '\''meshrc init'\'': an older one\n' >"$TRASH/there/.git/hooks/pre-commit"
expect_ok 'an older hook of ours is replaced' "$MESHRC" init --hooks "$TRASH/there"
expect_same 'by the current one' "$TRASH/there/.git/hooks/pre-commit" "$ROOT/hooks/pre-commit"
git -C "$TRASH/there" config core.hooksPath /elsewhere
expect_fail 'hooks that stand elsewhere are left to the user' "$MESHRC" init --hooks "$TRASH/there"
expect_match 'who is told where' "$(<"$ERR")" '/elsewhere'

# Bare repositories get hooks only.
git init -q --bare "$TRASH/bare.git"
expect_fail 'a bare repository gets no files' "$MESHRC" init "$TRASH/bare.git"
expect_match 'but is told what works' "$(<"$ERR")" 'meshrc init --hooks'
expect_ok 'hooks for a bare repository' "$MESHRC" init --hooks "$TRASH/bare.git"
for hook in pre-receive post-receive; do
	expect_same "the hook $hook is the file of hooks/" "$TRASH/bare.git/hooks/$hook" "$ROOT/hooks/$hook"
done
expect_ok 'once more does no harm' "$MESHRC" init --hooks "$TRASH/bare.git"
expect_fail '--hooks wants a repository' "$MESHRC" init --hooks "$TRASH/nothing"
expect_eq 'and makes none' "$(ls -d "$TRASH/nothing" 2>/dev/null)" ''
expect_status '--hooks and --no-hooks together are wrong usage' 64 "$MESHRC" init --hooks --no-hooks "$TRASH/x"

# A folder of another repository becomes a repository of its own.
mkdir "$TRASH/there/sub"
expect_ok 'a folder inside another repository' "$MESHRC" init "$TRASH/there/sub" --keys "$TRASH/k3"
expect_eq 'is a repository of its own' "$(git -C "$TRASH/there/sub" rev-parse --show-toplevel)" "$TRASH/there/sub"

mkdir "$TRASH/there/sub2"
cd "$TRASH/there/sub2" || exit 1
expect_fail 'but not by mistake' "$MESHRC" init --keys "$TRASH/k5"
expect_match 'the repository around it is named' "$(<"$ERR")" "a folder of the repository $TRASH/there/"

# Every step that is told works as it is told, in a folder that a shell would take apart, and with no meshrc on the PATH.
export GIT_AUTHOR_NAME=tester GIT_AUTHOR_EMAIL=tester@localhost GIT_COMMITTER_NAME=tester GIT_COMMITTER_EMAIL=tester@localhost
mkdir "$TRASH/new user" && cd "$TRASH/new user" || exit 1
expect_ok 'a new user' "$MESHRC" init "it's"
cp "$ERR" "$TRASH/told"
step() { # NAME PATTERN [SED SCRIPT]: runs the one line of what was told that matches
	local line
	line=$(grep -E -e "$2" "$TRASH/told" | sed -E 's/^ +([0-9]+\. )?(sudo meshrc-agent)?/\2/; s/^sudo meshrc-agent/"$AGENT"/; s/ +\(it signs.*//')
	line=$(sed -E "${3:-}" <<<"$line")
	expect_ok "$1" bash -c "${line:-false}"
}
expect_match 'first is told where to go' "$(<"$TRASH/told")" '^  1\. cd '
cd "$(eval "$(sed -n 's/^  1\. cd /printf %s /p' "$TRASH/told")")" || exit 1
expect_eq 'which is there' "$PWD" "$TRASH/new user/it's"
sed -i "s|.*directory:.*|  directory: $TRASH/www|" meshrc.yaml
step 'the key of a node is made and printed' '--print-public-key' "s|NODE|gateway|; s|\$| --state-dir $TRASH/st|"
sed -i "/^  gateway:/,/public_key/s|public_key: .*|public_key: $(<"$OUT")|" networks/example.yaml
expect_match 'the example names the same command' "$(<networks/example.yaml)" \
	'^# +sudo meshrc-agent once --network example --node gateway --print-public-key$'
step 'it is validated' 'validate$'
step 'and committed' 'git commit'
expect_eq 'as a whole' "$(git status --porcelain)" ''
step 'and planned' 'meshrc plan$'
step 'and applied' 'meshrc apply' 's|$| --auto-approve|'
step 'and an agent takes it' '--url' "s|URL|file://$TRASH/www|; s|NODE|gateway|; s|--trust |&trust/|; s| once | verify |; s|\$| --state-dir $TRASH/st|"
git init -q --bare "$TRASH/new user/server.git"
expect_ok 'hooks of a server' "$MESHRC" init --hooks "$TRASH/new user/server.git"
cp "$ERR" "$TRASH/told"
expect_match 'HEAD has another name there' "$(<"$TRASH/told")" "HEAD names '$(git -C "$TRASH/new user/server.git" symbolic-ref --short HEAD)'"
line=$(sed -n 's/.*: \(git -C .* symbolic-ref .*\)NAME$/\1main/p' "$TRASH/told")
expect_ok 'it is changed as told' bash -c "${line:-false}"
KEY=$(git config meshrc.signingKey)
export KEY
step 'the key is named as told' 'config meshrc.signingKey' 's|KEY$|"$KEY"|'
expect_ok 'so a push' git push -q "$TRASH/new user/server.git" main
expect_ok 'is published' git -C "$TRASH/new user/server.git" rev-parse -q --verify refs/heads/published
expect_ok 'once more' "$MESHRC" init --hooks "$TRASH/new user/server.git"
expect_no_match 'there is nothing left to tell' "$(<"$ERR")" 'Next|HEAD'
printf '#!/bin/sh\nexit 0\n' >"$TRASH/new user/server.git/hooks/pre-receive"
expect_fail "somebody's own hook there" "$MESHRC" init --hooks "$TRASH/new user/server.git"
line=$(sed -n 's/.*end it with: \(.*\) (which.*/\1/p' "$ERR")
printf '#!/bin/sh\n%s\n' "${line:-false}" >"$TRASH/new user/server.git/hooks/pre-receive"
sed -i 's/endpoint:/endpiont:/' networks/example.yaml
git commit -q --no-verify -am wrong
expect_fail 'ends as told and refuses what is wrong' git push -q "$TRASH/new user/server.git" main
expect_match 'with its place' "$(<"$ERR")" 'networks/example\.yaml:[0-9]+:[0-9]+: error: '

# The umask of the user does not open the keys, nor close the rest.
(umask 0 && "$MESHRC" init "$TRASH/open" --keys "$TRASH/k4" --quiet)
expect_eq 'keys stay closed under umask 0' "$(stat -c %a "$TRASH/k4/root.key" "$TRASH/k4/publisher.key" | tr '\n' ' ')" '600 600 '

done_testing
