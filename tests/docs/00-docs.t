#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The documentation says what the programs do: every command, option, setting, YAML key, reason code and limit that exists is
# described, every link leads somewhere, and every manual page is well formed.

. "$(dirname "$0")/../lib.sh"

cd "$ROOT" || exit 1

options_of() { # PROGRAM COMMAND
	"$1" "$2" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p'
}
commands_of() { # PROGRAM
	"$1" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

for pair in "$MESHRC docs/man/meshrc.1.scd" "$AGENT docs/man/meshrc-agent.8.scd"; do
	read -r program page <<<"$pair"
	name=$(basename "$program")
	missing=
	commands=$(commands_of "$program")
	expect_match "$name: has commands" "$commands" '[a-z]'
	for command in $commands; do
		grep -qE "^\*$command\*" "$page" || missing+=" $command"
		for option in $(options_of "$program" "$command"); do
			grep -q -e "\*--$option\*" "$page" || missing+=" $command --$option"
		done
	done
	expect_eq "$name: every command and option is in $page" "$missing" ''
done

missing=
mapfile -t keys < <(sed -n 's/.*\[CONFIG_[A-Z_]*\] = "\([a-z-]*\)".*/\1/p' agent/config.c)
expect_match 'the agent has settings' "${keys[*]}" 'url'
for key in "${keys[@]}"; do
	grep -q "^\*$key\*" docs/man/agent.conf.5.scd || missing+=" $key"
done
expect_eq 'every setting of the agent is in agent.conf(5)' "$missing" ''

missing=
mapfile -t keys < <(sed -n 's/.*{ *\.key = "\([a-z_]*\)".*/\1/p' schema/grammar*.c)
expect_match 'the grammar has keys' "${keys[*]}" 'public_key'
for key in "${keys[@]}"; do
	grep -q "\*[-a-z{:*, .]*\b$key\b" docs/man/meshrc-network.5.scd docs/man/meshrc.yaml.5.scd || missing+=" $key"
done
expect_eq 'every YAML key is in meshrc.yaml(5) or meshrc-network(5)' "$missing" ''

missing=
codes=$(grep -rhoE '"([A-Z]{3,}-)*[A-Z]{3,}"' --include='*.c' publication agent/accept.c agent/agent.c agent/agent_*.c agent/fetch.c \
	agent/snapshot.c reconciler/apply.c | tr -d '"' | grep -vxE 'HEAD|GET|AAAA|SSLKEYLOGFILE' | sort -u)
expect_match 'there are reason codes' "$codes" 'BAD-SIG'
for code in $codes; do
	grep -q "\`$code\`" docs/format.md || missing+=" $code"
done
expect_eq 'every reason code is in docs/format.md' "$missing" ''
missing=
for code in $(grep -oE '^\| (`[A-Z-]+` ?)+' docs/format.md | tr -d '|`'); do
	grep -rq "\"$code\"" --include='*.c' publication agent reconciler || missing+=" $code"
done
expect_eq 'and docs/format.md has no other' "$missing" ''

broken=
for file in *.md docs/*.md; do
	while read -r link; do
		case $link in http://* | https://* | '#'*) continue ;; esac
		[ -e "$(dirname "$file")/${link%%#*}" ] || broken+=" $file:$link"
	done < <(grep -oP '\]\(\K[^)]+' "$file")
done
expect_eq 'every link of the documentation leads to a file' "$broken" ''

if have mandoc scdoc; then
	for page in docs/man/*.scd; do
		name=$(basename "$page" .scd)
		scdoc <"$page" >"$TRASH/$name"
		# scdoc itself writes empty paragraphs.
		expect_eq "$name is well formed" \
			"$(mandoc -T lint -W warning "$TRASH/$name" | grep -v 'skipping paragraph macro')" ''
	done
else
	skip 'the manual pages are well formed' 'needs scdoc and mandoc'
fi
done_testing
