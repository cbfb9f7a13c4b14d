#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# alone: it measures time
exec "$(dirname "$0")/plan-10000.sh"
