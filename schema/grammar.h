/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of the format: the tables of meshrc.yaml (-> struct m_settings) and of a network (->
 * struct m_network). */
#ifndef SCHEMA_GRAMMAR_H
#define SCHEMA_GRAMMAR_H

#include "schema/table.h"

extern const struct table grammar_meshrc;
extern const struct table grammar_network;

#endif
