#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 600

. "$(dirname "$0")/../lib.sh"
vm -t 540 -a "$BUILD/kern_tool:/meshrc/build/kern_tool" "$ROOT/tests/vm/05-kernel.sh"
