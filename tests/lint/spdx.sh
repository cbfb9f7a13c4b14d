#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each source says its licence in its first three lines.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/files.bash"

licence='GPL-2.0-or-later'
while IFS= read -r f; do
	head -n 3 "$f" | grep -qE "(^|[^A-Za-z])SPDX-License-Identifier: $licence( |\$)" ||
		finding "$f:1" "no SPDX-License-Identifier: $licence in the first three lines"
done < <({ tree_files_of c h mk py; tree_scripts; tree_files | grep -E '(^|/)Makefile$'; } | sort -u)
exit "$lint_bad"
