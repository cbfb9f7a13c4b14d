#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every fuzz target over its checked-in corpus, once: one point for each.
. "$(dirname "$0")/../lib.sh"

for source in "$ROOT"/tests/fuzz/fuzz_*.c; do
	target=$(basename "$source" .c)
	expect_ok "$target over its corpus" "$BUILD/replay/$target" "$ROOT/tests/fuzz/corpus/$target"
done
done_testing
