#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 600
# The lint gates over this tree: one point for each.
. "$(dirname "$0")/../lib.sh"

cd "$ROOT" || exit 1
for gate in tests/lint/*.sh; do
	case $gate in
	*/lib.sh | */common.sh) continue ;;
	esac
	expect_ok "$(basename "$gate" .sh)" "$gate"
done
done_testing
