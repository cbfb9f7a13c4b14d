#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a large network as YAML, the same for the same arguments.

	network.py mesh|star NODES [--routes] [--first KEY] [--moved N] [--without N]

mesh: every node with every other. star: node 0 is a hub of all the others without transit, so that it
alone has a large interface. Each node has one IPv4 address; with --routes also an IPv6 address and a
network behind it (three prefixes). --first gives node 0 that public key, for a test that has its private
half; --moved gives node N another endpoint, the K-th with --place K; --without leaves out the last N nodes.
"""
import argparse
import base64
import hashlib
import ipaddress

p = argparse.ArgumentParser()
p.add_argument("shape", choices=["mesh", "star"])
p.add_argument("nodes", type=int)
p.add_argument("--routes", action="store_true")
p.add_argument("--first")
p.add_argument("--moved", type=int, default=-1)
p.add_argument("--place", type=int, default=1)
p.add_argument("--without", type=int, default=0)
a = p.parse_args()

V4 = int(ipaddress.ip_address("10.0.0.1"))
V6 = int(ipaddress.ip_address("fd20::1"))
ROUTE = int(ipaddress.ip_address("100.64.0.0"))
ENDPOINT = int(ipaddress.ip_address("198.18.0.1"))
lines = ["version: 1", 'addresses: [10.0.0.0/8, "fd20::/64"]' if a.routes else "addresses: [10.0.0.0/8]"]
if a.shape == "star":
    lines += ["topology:", "  - star: {hubs: [node-0], spokes: [tag:spoke], transit: false}"]
lines += ["nodes:"]
for i in range(a.nodes - a.without):
    key = base64.b64encode(hashlib.sha256(f"peer {i}".encode()).digest()).decode()
    if i == 0 and a.first:
        key = a.first
    endpoint = ipaddress.ip_address(ENDPOINT + i + (16384 * a.place if i == a.moved else 0))
    lines.append(f"  node-{i}:")
    lines.append(f"    public_key: {key}")
    lines.append(f"    endpoint: {endpoint}:51820")
    if a.routes:
        lines.append(f'    addresses: [{ipaddress.ip_address(V4 + i)}, "{ipaddress.ip_address(V6 + i)}"]')
        lines.append(f"    routes: [{ipaddress.ip_address(ROUTE + 8 * i)}/29]")
    else:
        lines.append(f"    addresses: [{ipaddress.ip_address(V4 + i)}]")
    if a.shape == "star" and i:
        lines.append("    tags: [spoke]")
print("\n".join(lines))
