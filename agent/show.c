/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/show.h"

#include <jansson.h>

#include "common/text.h"
#include "common/timefmt.h"
#include "publication/gateway.h"
#include "publication/ruleset.h"

/* jansson refuses strings that are not UTF-8, and a terminal may read JSON too: everything passes
 * text_safe. */
static json_t *text(const char *s)
{
	struct buf safe;
	json_t *j;

	if (!s)
		return json_null();
	buf_init(&safe, 1u << 20);
	text_safe(&safe, s, strlen(s));
	j = json_string(safe.data);
	buf_release(&safe);
	return j;
}

static json_t *moment(int64_t t)
{
	char s[TIME_STRLEN];

	return t ? json_string(time_print(t, s)) : json_null();
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *error(const struct err *e)
{
	json_t *j;

	if (!e)
		return json_null();
	j = json_object();
	json_object_set_new(j, "reason", text(e->reason));
	json_object_set_new(j, "message", text(e->msg));
	return j;
}

static void add_manifest(json_t *j, const struct snapshot *s)
{
	char hex[DIGEST_STRLEN];

	json_object_set_new(j, "serial", s ? number(s->manifest.serial) : json_null());
	json_object_set_new(j, "epoch", s ? number(s->manifest.epoch) : json_null());
	json_object_set_new(j, "commit", text(s ? s->manifest.commit : NULL));
	json_object_set_new(j, "manifest",
			    s ? json_string(digest_print(&s->hash, hex)) : json_null());
	json_object_set_new(j, "issued", moment(s ? s->manifest.issued : 0));
	json_object_set_new(j, "expires", moment(s ? s->manifest.expires : 0));
}

static int dump(json_t *j, struct buf *out)
{
	char *s = j ? json_dumps(j, JSON_INDENT(2)) : NULL;

	if (s) {
		buf_adds(out, s);
		buf_addc(out, '\n');
	}
	free(s);
	json_decref(j);
	return s && buf_ok(out) ? 0 : -1;
}

static json_t *stats(const struct kern_stats *k, const struct host *h, const struct names_system *n)
{
	json_t *j = json_object();

	json_object_set_new(j, "set_messages", number(k->set_messages));
	json_object_set_new(j, "wg_messages", number(k->wg_messages));
	json_object_set_new(j, "peers_sent", number(k->peers_sent));
	json_object_set_new(j, "bytes_sent", number(k->bytes_sent));
	json_object_set_new(j, "dumps", number(k->dumps));
	json_object_set_new(j, "host_sets", number(h ? h->sets : 0));
	json_object_set_new(j, "names_sets", number(n ? n->sets : 0));
	return j;
}

static json_t *unresolved(const struct convergence *c)
{
	json_t *j = json_array();
	size_t i;

	for (i = 0; c && i < c->n_unresolved; i++)
		json_array_append_new(j, text(c->unresolved[i]));
	return j;
}

/* Only of a node that has some. */
static void add_links(json_t *top, const struct convergence *c)
{
	json_t *list;
	size_t i;

	if (!c || !c->n_links)
		return;
	list = json_array();
	for (i = 0; i < c->n_links; i++) {
		const struct link_convergence *l = &c->links[i];
		json_t *j = json_object();

		json_object_set_new(j, "interface", text(l->interface.s));
		json_object_set_new(j, "peer", text(l->peer));
		json_object_set_new(j, "converged", json_boolean(l->result.verified));
		json_object_set_new(j, "operations", number(l->result.n_changes));
		json_object_set_new(j, "error", error(l->error.class ? &l->error : NULL));
		json_array_append_new(list, j);
	}
	json_object_set_new(top, "links", list);
}

static const char *names_word(const struct convergence *c)
{
	static const char *const words[] = { "none", "hosts", "resolved" };

	return words[c ? c->names.how : NAMES_NONE];
}

int show_once(const struct once_outcome *o, struct buf *out)
{
	const struct convergence *c = o->convergence;
	const struct agent *a = o->agent;
	const struct fetcher *f = a->fetcher;
	json_t *j = json_object();

	json_object_set_new(j, "network", text(a->config->network));
	json_object_set_new(j, "node", text(a->config->node));
	add_manifest(j, a->current);
	json_object_set_new(j, "fresh", json_boolean(o->fresh));
	json_object_set_new(j, "stale", json_boolean(o->cycle && o->cycle->stale));
	json_object_set_new(j, "converged", json_boolean(o->converged));
	json_object_set_new(j, "removed",
			    json_boolean(a->current && a->current->standing == STANDING_GONE));
	json_object_set_new(j, "interface", c && c->acted ? text(c->interface.s) : json_null());
	json_object_set_new(j, "peers", number(c ? c->n_peers : 0));
	json_object_set_new(j, "peers_changed", number(o->peers_changed));
	json_object_set_new(j, "operations",
			    number(c ? convergence_changes(c) + c->exit.sets + c->host.sets +
						   c->names.sets :
				       0));
	add_links(j, c);
	json_object_set_new(j, "unresolved", unresolved(c));
	json_object_set_new(j, "names", text(names_word(c)));
	json_object_set_new(j, "stats", stats(&o->stats, a->host, a->names));
	json_object_set_new(j, "requests", number(f ? f->requests : 0));
	json_object_set_new(j, "bytes_fetched", number(f ? f->bytes : 0));
	json_object_set_new(j, "error", error(o->error));
	return dump(j, out);
}

static void add_rule_ops(json_t *j, const struct rule_op *ops, size_t n, struct buf *line)
{
	size_t i;

	for (i = 0; i < n; i++) {
		buf_reset(line);
		exit_op_print(&ops[i], line);
		json_array_append_new(j, text(line->data));
	}
}

static void add_changes(json_t *list, const struct apply_result *r, const char *link,
			struct buf *line)
{
	size_t i;

	for (i = 0; i < r->n_ops; i++) {
		buf_reset(line);
		if (link)
			buf_addf(line, "%s: ", link);
		op_print(&r->ops[i], line);
		json_array_append_new(list, text(line->data));
	}
}

static json_t *changes(const struct convergence *c)
{
	json_t *j = json_array();
	struct buf line;
	size_t i;

	buf_init(&line, 1u << 16);
	if (c)
		add_rule_ops(j, c->exit.plan.before, c->exit.plan.n_before, &line);
	if (c)
		add_changes(j, &c->result, NULL, &line);
	for (i = 0; c && i < c->n_links; i++)
		add_changes(j, &c->links[i].result, c->links[i].interface.s, &line);
	if (c)
		add_rule_ops(j, c->exit.plan.after, c->exit.plan.n_after, &line);
	for (i = 0; c && i < c->host.n_ops; i++) {
		buf_reset(&line);
		host_op_print(&c->host.ops[i], &line);
		json_array_append_new(j, text(line.data));
	}
	for (i = 0; c && i < c->names.n_ops; i++) {
		buf_reset(&line);
		names_op_print(&c->names.ops[i], &line);
		json_array_append_new(j, text(line.data));
	}
	buf_release(&line);
	return j;
}

static json_t *others(const struct convergence *c)
{
	json_t *j = json_array();
	size_t i;

	for (i = 0; c && i < c->n_others; i++)
		json_array_append_new(j, text(c->others[i].s));
	return j;
}

int show_plan(const struct plan_outcome *o, struct buf *out)
{
	const struct convergence *c = o->convergence;
	const struct agent *a = o->agent;
	json_t *j = json_object();

	json_object_set_new(j, "network", text(a->config->network));
	json_object_set_new(j, "node", text(a->config->node));
	add_manifest(j, a->current);
	json_object_set_new(j, "fresh", json_boolean(o->fresh));
	json_object_set_new(j, "removed",
			    json_boolean(a->current && a->current->standing == STANDING_GONE));
	json_object_set_new(j, "interface", c && c->acted ? text(c->interface.s) : json_null());
	json_object_set_new(j, "remove_interfaces", others(c));
	json_object_set_new(j, "peers", number(c ? c->n_peers : 0));
	json_object_set_new(j, "peers_changed", number(o->peers_changed));
	json_object_set_new(j, "changes", changes(c));
	json_object_set_new(j, "unresolved", unresolved(c));
	json_object_set_new(j, "error", error(o->error));
	return dump(j, out);
}

int show_verify(const struct agent *a, const struct cycle *cycle, const struct err *e,
		struct buf *out)
{
	const struct snapshot *s = e ? NULL : cycle->next ? cycle->next : a->current;
	json_t *j = json_object();

	json_object_set_new(j, "network", text(a->config->network));
	json_object_set_new(j, "node", text(a->config->node));
	add_manifest(j, s);
	json_object_set_new(j, "acceptable", json_boolean(!e));
	json_object_set_new(j, "new", json_boolean(!e && cycle->next));
	json_object_set_new(j, "stale", json_boolean(!e && cycle->stale));
	json_object_set_new(j, "accepted_serial",
			    a->state.accepted.serial ? number(a->state.accepted.serial) :
						       json_null());
	json_object_set_new(j, "removed", json_boolean(s && s->standing == STANDING_GONE));
	json_object_set_new(j, "peers", number(s && s->has_config ? s->config.n_peers : 0));
	json_object_set_new(j, "routed_links", number(s && s->has_config ? s->config.n_links : 0));
	json_object_set_new(j, "error", error(e));
	return dump(j, out);
}

/* ---- status ---- */

static bool links_missing(const struct status_view *v)
{
	size_t i;

	for (i = 0; i < v->n_links; i++)
		if (!v->links[i].exists)
			return true;
	return v->agent->state.n_pending != 0;
}

const char *show_condition(const struct status_view *v)
{
	const struct agent *a = v->agent;
	const struct state *s = &a->state;

	if (!s->accepted.serial)
		return "nothing accepted yet";
	if (!a->current)
		return "stored documents are missing";
	if (a->current->standing == STANDING_GONE)
		return "removed from the network";
	if (!s->applied.serial)
		return "not applied";
	if (digest_cmp(&s->applied.manifest, &s->accepted.manifest))
		return "accepted, but not applied yet";
	if (v->live && !v->live->exists)
		return "the interface is missing";
	if (links_missing(v))
		return "in force, but not all routed links";
	if (a->current->manifest.expires <= v->now)
		return "stale";
	return "in force";
}

/* The name of the peer of this key, or NULL. */
static const char *peer_name(const struct config *c, const struct wgkey *key)
{
	const struct peer *p = c ? config_peer(c, key) : NULL;

	return p ? p->name : NULL;
}

static const struct config *config_of(const struct status_view *v)
{
	const struct snapshot *s = v->agent->current;

	return s && s->has_config ? &s->config : NULL;
}

static json_t *peer_json(const struct status_view *v, const struct config *c,
			 const struct observed_peer *p)
{
	char key[KEY_STRLEN], ep[ENDPOINT_STRLEN], prefix[PREFIX_STRLEN];
	json_t *j = json_object(), *list = json_array();
	size_t i;

	json_object_set_new(j, "name", text(peer_name(c, &p->key)));
	json_object_set_new(j, "public_key", json_string(wgkey_print(&p->key, key)));
	json_object_set_new(j, "endpoint",
			    p->endpoint.family ?
				    json_string(sock_endpoint_print(&p->endpoint, ep)) :
				    json_null());
	for (i = 0; i < p->n_allowed_ips; i++)
		json_array_append_new(list, json_string(prefix_print(&p->allowed_ips[i], prefix)));
	json_object_set_new(j, "allowed_ips", list);
	json_object_set_new(j, "persistent_keepalive",
			    p->keepalive ? number(p->keepalive) : json_null());
	json_object_set_new(j, "last_handshake", moment(p->last_handshake));
	json_object_set_new(j, "last_handshake_age",
			    p->last_handshake ?
				    json_integer((json_int_t)(v->now - p->last_handshake)) :
				    json_null());
	json_object_set_new(j, "rx_bytes", number(p->rx_bytes));
	json_object_set_new(j, "tx_bytes", number(p->tx_bytes));
	return j;
}

static json_t *live_json(const struct status_view *v, const struct observed *o,
			 const struct config *c)
{
	json_t *j, *peers;
	char key[KEY_STRLEN];
	size_t i;

	if (!o || !o->exists)
		return json_null();
	j = json_object();
	peers = json_array();
	json_object_set_new(j, "up", json_boolean(o->up));
	json_object_set_new(j, "public_key",
			    o->has_private_key ? json_string(wgkey_print(&o->public_key, key)) :
						 json_null());
	json_object_set_new(j, "listen_port", number(o->listen_port));
	json_object_set_new(j, "mtu", number(o->mtu));
	for (i = 0; i < o->n_peers; i++)
		json_array_append_new(peers, peer_json(v, c, &o->peers[i]));
	json_object_set_new(j, "peers", peers);
	return j;
}

/* What was changed on the host, and stands. */
static json_t *host_json(const struct host_record *r)
{
	char name[SYSCTL_STRLEN];
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < r->n; i++) {
		json_t *j = json_object();

		json_object_set_new(j, "sysctl", text(sysctl_print(&r->changes[i].sysctl, name)));
		json_object_set_new(j, "before", number(r->changes[i].before));
		json_object_set_new(j, "set", number(r->changes[i].set));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *urls_json(const struct report *r)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < r->n_urls; i++) {
		json_t *j = json_object();

		json_object_set_new(j, "url", text(r->urls[i].url));
		json_object_set_new(j, "error", text(r->urls[i].error));
		json_array_append_new(list, j);
	}
	return list;
}

/* Of the configuration that `links` goes with. */
static json_t *links_json(const struct status_view *v)
{
	const struct config *c = config_of(v);
	json_t *list = json_array();
	size_t i;

	for (i = 0; c && i < v->n_links; i++) {
		json_t *j = json_object();

		json_object_set_new(j, "interface", text(c->links[i].node->interface.s));
		json_object_set_new(j, "peer", text(c->links[i].peers[0].name));
		json_object_set_new(j, "live", live_json(v, &v->links[i], &c->links[i]));
		json_array_append_new(list, j);
	}
	return list;
}

int show_status_json(const struct status_view *v, struct buf *out)
{
	const struct agent *a = v->agent;
	const struct state *s = &a->state;
	json_t *j = json_object();

	json_object_set_new(j, "network", text(a->config->network));
	json_object_set_new(j, "node", text(a->config->node));
	json_object_set_new(j, "condition", json_string(show_condition(v)));
	add_manifest(j, a->current);
	json_object_set_new(j, "accepted_serial",
			    s->accepted.serial ? number(s->accepted.serial) : json_null());
	json_object_set_new(j, "accepted_since", moment(s->accepted.since));
	json_object_set_new(j, "applied_serial",
			    s->applied.serial ? number(s->applied.serial) : json_null());
	json_object_set_new(j, "applied_since", moment(s->applied.since));
	json_object_set_new(j, "interface",
			    s->applied.serial ? text(s->applied.interface.s) : json_null());
	json_object_set_new(j, "root_version",
			    s->root_version ? number(s->root_version) : json_null());
	json_object_set_new(j, "time_floor", moment(s->time_floor));
	json_object_set_new(j, "amnesia", moment(s->amnesia));
	json_object_set_new(j, "last_attempt", moment(a->report.checked));
	json_object_set_new(j, "last_fresh", moment(a->report.fresh));
	json_object_set_new(j, "last_error", text(a->report.error));
	json_object_set_new(j, "urls", urls_json(&a->report));
	json_object_set_new(j, "host", host_json(&v->host));
	json_object_set_new(j, "masquerading", json_boolean(s->host.has_table));
	json_object_set_new(j, "names",
			    text(s->names.link.s[0] ? "resolved" :
				 s->names.hosts	    ? "hosts" :
						      "none"));
	json_object_set_new(j, "live_error", text(v->live_error));
	json_object_set_new(j, "live", live_json(v, v->live, config_of(v)));
	if (v->n_links)
		json_object_set_new(j, "links", links_json(v));
	return dump(j, out);
}

static void add_safe(struct buf *out, const char *s)
{
	text_safe(out, s, strlen(s));
}

static void add_ago(struct buf *out, const char *what, int64_t t, int64_t now)
{
	char when[TIME_STRLEN], ago[AGO_STRLEN];

	buf_addf(out, "%-12s %s", what, time_print(t, when));
	if (now >= t)
		buf_addf(out, " (%s ago)\n", duration_print(now - t, ago));
	else
		buf_addf(out, " (in %s)\n", duration_print(t - now, ago));
}

static void add_host(const struct status_view *v, struct buf *out)
{
	const struct host_record *r = &v->host;
	char name[SYSCTL_STRLEN];
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->changes[i].before != r->changes[i].set)
			buf_addf(out, "%-12s sysctl %s: %u -> %u\n", "host",
				 sysctl_print(&r->changes[i].sysctl, name), r->changes[i].before,
				 r->changes[i].set);
	if (r->has_table)
		buf_addf(out, "%-12s nftables table inet " RULESET_TABLE "%s\n", "host",
			 v->agent->config->network);
}

static void add_names(const struct agent *a, struct buf *out)
{
	const struct names_record *r = &a->state.names;

	if (r->link.s[0])
		buf_addf(out, "%-12s asked of name servers by systemd-resolved, on %s\n", "names",
			 r->link.s);
	if (r->hosts)
		buf_addf(out, "%-12s in /etc/hosts\n", "names");
}

static void add_bytes(struct buf *out, uint64_t n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;
	uint64_t rest = 0;

	while (n >= 1024 && u + 1 < ARRAY_LEN(units)) {
		rest = n % 1024;
		n /= 1024;
		u++;
	}
	if (u)
		buf_addf(out, "%llu.%llu %s", (unsigned long long)n,
			 (unsigned long long)(rest * 10 / 1024), units[u]);
	else
		buf_addf(out, "%llu B", (unsigned long long)n);
}

/* A peer and what to call it: the name that the configuration has for it, else its key. */
struct shown_peer {
	const struct observed_peer *peer;
	const char *name;
	char key[KEY_STRLEN];
};

static int cmp_shown(const void *pa, const void *pb)
{
	const struct shown_peer *a = pa, *b = pb;

	if (!a->name != !b->name)
		return a->name ? -1 : 1;
	return strcmp(a->name ? a->name : a->key, b->name ? b->name : b->key);
}

static void add_peer(const struct shown_peer *s, int64_t now, struct buf *out)
{
	const struct observed_peer *p = s->peer;
	char ep[ENDPOINT_STRLEN], ago[AGO_STRLEN];

	buf_addf(out, "  %-20s %-24s ", s->name ? s->name : s->key,
		 p->endpoint.family ? sock_endpoint_print(&p->endpoint, ep) : "no endpoint");
	if (!p->last_handshake)
		buf_adds(out, "no handshake yet");
	else
		buf_addf(out, "handshake %s ago",
			 duration_print(now > p->last_handshake ? now - p->last_handshake : 0,
					ago));
	buf_adds(out, ", ");
	add_bytes(out, p->rx_bytes);
	buf_adds(out, " in, ");
	add_bytes(out, p->tx_bytes);
	buf_adds(out, " out\n");
}

static int add_peers(const struct status_view *v, struct buf *out)
{
	const struct observed *o = v->live;
	struct shown_peer *list = calloc(o->n_peers ? o->n_peers : 1, sizeof(*list));
	size_t i;

	if (!list)
		return -1;
	for (i = 0; i < o->n_peers; i++) {
		list[i].peer = &o->peers[i];
		list[i].name = peer_name(config_of(v), &o->peers[i].key);
		wgkey_print(&o->peers[i].key, list[i].key);
	}
	if (o->n_peers)
		qsort(list, o->n_peers, sizeof(*list), cmp_shown);
	for (i = 0; i < o->n_peers; i++)
		add_peer(&list[i], v->now, out);
	free(list);
	return 0;
}

/* A link by its interface, with what is to be said of its peer. */
static void add_link(const struct status_view *v, const struct config *link, size_t i,
		     struct buf *out)
{
	const struct observed *o = &v->links[i];
	struct shown_peer s = { 0 };
	size_t j;

	for (j = 0; j < o->n_peers && wgkey_cmp(&o->peers[j].key, &link->peers[0].key); j++)
		;
	buf_addf(out, "  %-15s", link->node->interface.s);
	if (!o->exists || j == o->n_peers) {
		buf_addf(out, "  %-20s %s\n", link->peers[0].name,
			 o->exists ? "not on the interface" : "no interface");
		return;
	}
	s.peer = &o->peers[j];
	s.name = link->peers[0].name;
	add_peer(&s, v->now, out);
}

int show_status_text(const struct status_view *v, struct buf *out)
{
	const struct config *c = config_of(v);
	const struct agent *a = v->agent;
	const struct state *s = &a->state;
	const struct report *r = &a->report;
	char hex[DIGEST_STRLEN];
	size_t i;

	buf_addf(out, "%-12s %s\n", "network", a->config->network);
	buf_addf(out, "%-12s %s\n", "condition", show_condition(v));
	if (a->current) {
		buf_addf(out, "%-12s %llu\n", "serial",
			 (unsigned long long)a->current->manifest.serial);
		buf_addf(out, "%-12s %s\n", "commit", a->current->manifest.commit);
		buf_addf(out, "%-12s %s\n", "manifest", digest_print(&a->current->hash, hex));
		add_ago(out, "issued", a->current->manifest.issued, v->now);
		add_ago(out, "expires", a->current->manifest.expires, v->now);
	} else if (s->accepted.serial) {
		buf_addf(out, "%-12s %llu\n", "serial", (unsigned long long)s->accepted.serial);
	}
	if (s->applied.serial) {
		buf_addf(out, "%-12s %s\n", "interface", s->applied.interface.s);
		if (digest_cmp(&s->applied.manifest, &s->accepted.manifest))
			buf_addf(out, "%-12s %llu\n", "applied",
				 (unsigned long long)s->applied.serial);
		add_ago(out, "since", s->applied.since, v->now);
	}
	add_host(v, out);
	add_names(a, out);
	if (r->checked)
		add_ago(out, "last attempt", r->checked, v->now);
	if (r->fresh)
		add_ago(out, "last contact", r->fresh, v->now);
	if (r->error) {
		buf_addf(out, "%-12s ", "last error");
		add_safe(out, r->error);
		buf_addc(out, '\n');
	}
	for (i = 0; i < r->n_urls; i++) {
		buf_addf(out, "%-12s ", "url");
		add_safe(out, r->urls[i].url);
		buf_adds(out, r->urls[i].error ? ": " : ": good\n");
		if (r->urls[i].error) {
			add_safe(out, r->urls[i].error);
			buf_addc(out, '\n');
		}
	}
	if (s->amnesia)
		add_ago(out, "STATE LOST", s->amnesia, v->now);
	if (v->live_error) {
		buf_addf(out, "%-12s ", "peers");
		add_safe(out, v->live_error);
		buf_addc(out, '\n');
	} else if (v->live && v->live->exists) {
		buf_addf(out, "%-12s %zu\n", "peers", v->live->n_peers);
		if (add_peers(v, out) < 0)
			return -1;
	}
	if (v->n_links)
		buf_addf(out, "%-12s %zu\n", "routed links", v->n_links);
	for (i = 0; c && i < v->n_links; i++)
		add_link(v, &c->links[i], i, out);
	return buf_ok(out) ? 0 : -1;
}
