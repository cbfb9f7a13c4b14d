/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The grammar as JSON Schema (draft-07), for editors: schema/network.schema.json and
 * schema/meshrc.schema.json are what these print, byte for byte. An editor sees one file at a time,
 * so the schema of a network demands nothing that another file of the same network may say. It is
 * less strict than meshrc where a regular expression cannot tell (host bits, numbers inside
 * strings), never stricter, but for a node whose keys stand in two files.
 */
#ifndef SCHEMA_JSONSCHEMA_H
#define SCHEMA_JSONSCHEMA_H

#include "common/buf.h"

/* 0, or -1 when the buffer failed. */
int jsonschema_network(struct buf *out);
int jsonschema_meshrc(struct buf *out);

#endif
