#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A node can verify and can never sign: the agent holds no signing code, no YAML parser, no git.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/files.bash"
need nm readelf

agent=$BUILD/meshrc-agent
program=$BUILD/meshrc
[ -x "$agent" ] || cannot "no $agent: run make first"

signing='(crypto_sign|crypto_sign_(ed25519_)?((seed_)?keypair|detached|sk_to_[a-z]+|init|update|final_create)|crypto_sign_ed25519|sign_[a-z0-9_]+|(.*_)?sign_(detached|document|manifest|root|keypair)[a-z0-9_]*)'
others='(yaml_[a-z0-9_]+|git_[a-z0-9_]+|inotifytools_[a-z0-9_]+)'
libraries='lib(yaml|git2|inotifytools)'

symbols() {
	{ nm -P "$1"; nm -D -P "$1"; } 2>/dev/null | awk '{ sub(/@.*/, "", $1); print $1 }' | sort -u
}

all=$(symbols "$agent")
grep -q '^crypto_sign_.*verify' <<<"$all" ||
	cannot "$agent shows no verify function either: stripped, or linked in another way?"
while read -r s; do
	[ -n "$s" ] || continue
	finding "$agent" "holds $s"
done < <(grep -xE "$signing|$others" <<<"$all")
while read -r l; do
	finding "$agent" "needs $l"
done < <(readelf -d "$agent" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -E "^$libraries")

# The pattern must be able to see a signature: the other program makes them.
if [ -x "$program" ] && ! grep -qxE "$signing" <<<"$(symbols "$program")"; then
	finding "$program" 'shows no signing function: this gate looks for the wrong names'
fi
exit "$lint_bad"
