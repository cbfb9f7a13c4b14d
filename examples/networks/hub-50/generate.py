#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes networks/fleet.yaml: two hubs and fifty devices. The same bytes every time.

    examples/networks/hub-50/generate.py > examples/networks/hub-50/networks/fleet.yaml

The public keys are made from the names by a hash. Any 32 bytes are a public key of X25519, and to one
that was made like this nobody has the private half: good for an example, useless for a network.
"""

import base64
import hashlib

HEAD = """\
# yaml-language-server: $schema=../../../../schema/network.schema.json
#
# Hub and spoke: fifty devices in the field, two hubs that they can reach, and nothing else. Made by
# generate.py in the folder above: a network may well be written by a program, as long as its result
# is committed like any other change.
version: 1
description: devices in the field
addresses: [10.70.0.0/16]
persistent_keepalive: 25

topology:
  # A device is joined with both hubs. Its entry for the first one also gets the pools and what stands
  # behind other devices, so that devices reach each other through hub1; hub2 is there for what runs on it.
  - star:
      hubs: [hub1, hub2]
      spokes: [tag:device]
  - mesh: [hub1, hub2]

nodes:
  hub1:
    public_key: %s
    endpoint: hub1.example.net:51820
    addresses: [10.70.0.1]
    routes: [10.71.0.0/16]           # the data centre
  hub2:
    public_key: %s
    endpoint: hub2.example.net:51820
    addresses: [10.70.0.2]
"""

DEVICE = """\
  %s:
    public_key: %s
    addresses: [10.70.%d.%d]
    tags: [device, %s]
"""


def key(name):
    raw = bytearray(hashlib.blake2b(b"meshrc example " + name.encode(), digest_size=32).digest())
    raw[31] &= 0x7F
    return base64.b64encode(raw).decode()


print(HEAD % (key("hub1"), key("hub2")), end="")
for n in range(1, 51):
    name = "device-%02d" % n
    region = ("north", "south", "west")[n % 3]
    print(DEVICE % (name, key(name), 1 + n // 10, n, region), end="")
