#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# No shell script gives shellcheck anything to say. What .shellcheckrc turns off is explained there; a
# single place is excused by a comment in front of it. Matters of style alone are left to people.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/files.bash"
need shellcheck

said=$(tree_scripts | xargs -r -n 8 -P 2 shellcheck --severity=info --format=gcc 2>&1) && exit 0
printf '%s\n' "$said" >&2
exit 1
