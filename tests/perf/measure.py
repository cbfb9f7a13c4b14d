#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""measure.py OUTPUT COMMAND...: runs it with its standard output in a file; prints
"MILLISECONDS KILOBYTES STATUS CPU-MILLISECONDS"."""
import os
import resource
import subprocess
import sys
import time

with open(sys.argv[1], "wb") as out:
    start = time.monotonic()
    status = subprocess.call(sys.argv[2:], stdout=out, env=os.environ)
    took = time.monotonic() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(round(took * 1000), used.ru_maxrss, status, round((used.ru_utime + used.ru_stime) * 1000))
