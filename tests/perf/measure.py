#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""measure.py OUTPUT COMMAND...: runs it with its standard output in a file; prints "MILLISECONDS KILOBYTES STATUS"."""
import os
import resource
import subprocess
import sys
import time

with open(sys.argv[1], "wb") as out:
    start = time.monotonic()
    status = subprocess.call(sys.argv[2:], stdout=out, env=os.environ)
    took = time.monotonic() - start
print(round(took * 1000), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, status)
