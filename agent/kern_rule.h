/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policy rules of ours, through rtnetlink: for both back ends. Ours are those with ROUTE_PROTOCOL
 * as their FRA_PROTOCOL; no other is ever changed or taken away.
 */
#ifndef AGENT_KERN_RULE_H
#define AGENT_KERN_RULE_H

#include "agent/kern_rt.h"

/* As kern_ops say. */
int rule_list(struct rt *rt, uint32_t first, uint32_t n, struct arena *a, struct rules_seen *ret,
	      struct err *e) MUST_CHECK;
int rule_set(struct rt *rt, const struct rule_op *ops, size_t n, struct err *e) MUST_CHECK;
int rule_way(struct rt *rt, const struct ipaddr *to, uint32_t *ret_ifindex,
	     struct err *e) MUST_CHECK;

/* The bytes, for tests: never more than RT_REQUEST_SIZE. */
struct nlmsghdr *rule_build(const struct rule_op *op, void *buf);
/* 1: *ret is a rule with ROUTE_PROTOCOL of a form that rule_build makes; 0: another one; -1 */
int rule_parse(const struct nlmsghdr *nlh, struct exit_rule *ret, struct err *e);

#endif
