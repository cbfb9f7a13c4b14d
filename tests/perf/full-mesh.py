#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A full mesh of N nodes as YAML, on standard output: full-mesh.py N. The same for the same N."""
import base64
import hashlib
import sys

count = int(sys.argv[1])
print("version: 1\naddresses: [10.64.0.0/12]\nnodes:")
for i in range(count):
    key = base64.b64encode(hashlib.sha256(b"node %d" % i).digest()).decode()
    print(f"  n{i:05d}:\n    public_key: {key}\n    endpoint: n{i:05d}.example.net")
