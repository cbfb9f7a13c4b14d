#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `make install` into a folder: everything is where it says, and the units of systemd start what was installed.
. "$(dirname "$0")/../lib.sh"

have make || skip_all 'needs make'

expect_ok 'make install' env -u MAKEFLAGS -u MAKELEVEL make -C "$ROOT" --no-print-directory install DESTDIR="$TRASH" PREFIX=/usr
for file in bin/meshrc bin/meshrc-agent share/meshrc/network.schema.json share/meshrc/meshrc.schema.json \
	share/meshrc/hooks/pre-commit share/meshrc/hooks/pre-receive share/meshrc/hooks/post-receive \
	share/man/man1/meshrc.1 share/man/man8/meshrc-agent.8 share/man/man5/meshrc-network.5; do
	expect_ok "$file" test -s "$TRASH/usr/$file"
done
for unit in meshrc-agent.service meshrc-agent@.service; do
	file=$TRASH/usr/lib/systemd/system/$unit
	expect_eq "$unit: nothing is left to fill in" "$(grep -c '@PREFIX@' "$file")" 0
	program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$file")
	expect_ok "$unit: starts what is there" test -x "$TRASH$program"
	mkdir -p "$TRASH/units"
	sed "s|=/usr/bin/|=$TRASH/usr/bin/|" "$file" >"$TRASH/units/$unit"
	! command -v systemd-analyze >/dev/null ||
		expect_ok "$unit: systemd reads it" systemd-analyze verify --man=no "$TRASH/units/$unit"
done
expect_match 'one agent for each network' "$(<"$TRASH/usr/lib/systemd/system/meshrc-agent@.service")" '--config /etc/meshrc/%i.conf$'
done_testing
