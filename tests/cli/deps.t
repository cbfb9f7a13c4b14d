#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# packaging/deps.sh with apt-get and dpkg-query replaced: it installs exactly what is missing, says so, and does nothing when
# all is there.

. "$(dirname "$0")/../lib.sh"

fake=$TRASH/fake
mkdir "$fake"
deps=$ROOT/packaging/deps.sh
mapfile -t all < <("$deps" --list | cut -f 1)
expect_match 'the list has the compiler' "${all[*]}" '(^| )gcc '
expect_eq 'no package stands there twice' "$(printf '%s\n' "${all[@]}" | sort | uniq -d)" ''
expect_eq 'each says what it is for' "$("$deps" --list | grep -cvE $'^[a-z0-9.+-]+\t(build|test): .+')" 0

# What is "installed" stands in $fake/installed; apt-get notes what it is asked for and installs it.
cat >"$fake/dpkg-query" <<'SH'
#!/bin/sh
sed 's/^/ii  /' "$FAKE/installed"
SH
cat >"$fake/apt-get" <<'SH'
#!/bin/sh
printf '%s\n' "$*" >>"$FAKE/asked"
case " $* " in *' install '*)
	[ -e "$FAKE/broken" ] && { echo 'E: no such luck' >&2; exit 100; }
	for word in "$@"; do
		case $word in -* | install | Dpkg*) ;; *) printf '%s\n' "$word" >>"$FAKE/installed" ;; esac
	done ;;
esac
exit 0
SH
printf '#!/bin/sh\nexit "$(cat "$FAKE/no-lists" 2>/dev/null || echo 0)"\n' >"$fake/apt-cache"
printf '#!/bin/sh\necho "${FAKE_ID:-0}"\n' >"$fake/id"
chmod +x "$fake"/*
export FAKE=$fake
run() { # ARGUMENT...
	: >"$fake/asked"
	PATH=$fake:$PATH "$deps" "$@"
}

printf '%s\n' "${all[@]}" >"$fake/installed"
expect_ok 'all is there: it says so' run
expect_eq 'in one line' "$(wc -l <"$OUT")" 1
expect_eq 'and apt-get is not asked' "$(cat "$fake/asked")" ''

printf '%s\n' "${all[@]}" | grep -vxE 'gcc|scdoc' >"$fake/installed"
export FAKE_ID=1000
expect_fail 'two are missing, and this is not root: refused' run
expect_match 'it says which' "$(cat "$OUT")" '^  scdoc +build: manual pages$'
expect_match 'and what to do' "$(cat "$ERR")" 'sudo make deps'
expect_eq 'apt-get is not asked' "$(cat "$fake/asked")" ''

export FAKE_ID=0
touch "$fake/broken"
expect_fail 'apt-get fails: so does it' run
expect_match 'with what apt-get says' "$(cat "$ERR")" 'no such luck'
rm "$fake/broken"

expect_ok 'root: installed' run
expect_match 'it said which before' "$(cat "$OUT")" '^  gcc +build: the compiler$'
expect_match 'those two alone were asked for' "$(grep ' install ' "$fake/asked")" '--no-install-recommends gcc scdoc$'
expect_match 'after an update' "$(head -n 1 "$fake/asked")" ' update$'
expect_ok 'once more: nothing to do' run
expect_eq 'apt-get is not asked again' "$(cat "$fake/asked")" ''

printf 'gcc\n' >"$fake/installed"
expect_ok 'the build group alone' run build
expect_no_match 'has no package of the tests' "$(cat "$fake/asked")" 'libcmocka-dev'
expect_status 'another group is wrong usage' 64 run everything
done_testing
