#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every fuzz target over its corpus: what was ever found stays mended. Each target has a corpus and is built.

. "$(dirname "$0")/../lib.sh"

for source in "$ROOT"/tests/fuzz/fuzz_*.c; do
	name=$(basename "$source" .c)
	expect_ok "$name: its corpus passes" "$BUILD/replay/$name" "$ROOT/tests/fuzz/corpus/$name"
done
for folder in "$ROOT"/tests/fuzz/corpus/*/; do
	name=$(basename "$folder")
	expect_ok "the corpus $name has its target" test -f "$ROOT/tests/fuzz/$name.c"
done
done_testing
