# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the tests of meshrc's commands: small network repositories.

export GIT_AUTHOR_NAME=tester GIT_AUTHOR_EMAIL=tester@localhost
export GIT_COMMITTER_NAME=tester GIT_COMMITTER_EMAIL=tester@localhost

# unhex HEX: those bytes
unhex() {
	printf '%b' "$(sed 's/../\\x&/g' <<<"$1")"
}

# A public key that belongs to nobody, the same for the same number.
key() {
	unhex "$(printf 'meshrc test key %s' "$1" | sha256sum | cut -c1-64)" | base64 -w0
}

# new_net DIR: an initialised repository with one network "prod" of three nodes, committed. Its keys are in DIR.keys.
new_net() {
	"$MESHRC" init --quiet --no-hooks "$1" --keys "$1.keys" || return 1
	rm "$1/networks/example.yaml"
	{
		printf 'version: 1\naddresses: [10.20.0.0/16]\nnodes:\n'
		node a a.example.net
		node b b.example.net
		node c
	} >"$1/networks/prod.yaml"
	commit "$1" 'First network'
}

# node NAME [ENDPOINT] [KEY NUMBER]: the lines of a node
node() {
	printf '  %s:\n    public_key: %s\n' "$1" "$(key "${3:-$1}")"
	[ -z "${2:-}" ] || printf '    endpoint: %s\n' "$2"
}

# commit DIR MESSAGE: all that is in the work tree
commit() {
	git -C "$1" add -A && git -C "$1" commit -q --allow-empty -m "$2"
}

# serial DIR NETWORK, manifest DIR NETWORK: as published
manifest() {
	git -C "$1" show "published:$2/manifest"
}

serial() {
	manifest "$1" "$2" | sed -n 's/^serial //p'
}

# on_terminal ANSWER COMMAND...: runs it with a terminal as its input, on which ANSWER is typed
on_terminal() {
	local answer=$1 command
	shift
	command=$(printf '%q ' "$@")
	printf '%s\n' "$answer" | TERM=xterm script -qec "$command" /dev/null
}
