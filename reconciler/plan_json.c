/* SPDX-License-Identifier: GPL-2.0-or-later */
/* docs/plan-json.md describes every member. */
#include <jansson.h>

#include "reconciler/plan.h"

/* Jansson gives NULL for a failed allocation and takes NULL for one: failures are seen once, in the
 * outermost object. */

static json_t *text(const char *s)
{
	return s ? json_string(s) : json_null();
}

static int set(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value);
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static const char *action_name(enum plan_action action)
{
	return action == PLAN_ADD ? "add" : action == PLAN_REMOVE ? "remove" : "change";
}

static json_t *names(const char *const *list, size_t n)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; array && i < n; i++) {
		if (json_array_append_new(array, json_string(list[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static bool is_list(const char *name)
{
	return !strcmp(name, "addresses") || !strcmp(name, "allowed_ips") ||
	       !strcmp(name, "routes") || !strcmp(name, "masquerade") ||
	       !strcmp(name, "endpoints") || !strcmp(name, "standby") || !strcmp(name, "except") ||
	       !strcmp(name, "policy");
}

/* {"from": ..., "to": ...}; for lists {"added": [...], "removed": [...]} of the run that starts at
 * a[0]. */
static json_t *attr_value(const struct plan_attr *a, size_t n)
{
	json_t *object = json_object(), *added, *removed;
	size_t i;
	int r = 0;

	if (!is_list(a[0].name)) {
		r = set(object, "from", text(a[0].from)) | set(object, "to", text(a[0].to));
	} else {
		r = set(object, "added", json_array()) | set(object, "removed", json_array());
		added = json_object_get(object, "added");
		removed = json_object_get(object, "removed");
		for (i = 0; !r && i < n; i++) {
			if (a[i].from)
				r |= json_array_append_new(removed, json_string(a[i].from));
			if (a[i].to)
				r |= json_array_append_new(added, json_string(a[i].to));
		}
	}
	if (r) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *attrs(const struct plan_attr *a, size_t n)
{
	json_t *object = json_object();
	size_t i, end;

	for (i = 0; i < n; i = end) {
		for (end = i + 1; end < n && is_list(a[i].name) && !strcmp(a[end].name, a[i].name);
		     end++)
			;
		if (set(object, a[i].name, attr_value(&a[i], end - i)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *peers(const struct plan_peer *list, size_t n)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; array && i < n; i++) {
		const struct plan_peer *p = &list[i];
		json_t *object = json_object();

		if (set(object, "action", json_string(action_name(p->action))) |
		    set(object, "name", json_string(p->name)) |
		    set(object, "attributes", attrs(p->attrs, p->n_attrs)) |
		    json_array_append_new(array, object)) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *node_attributes(const struct plan_class *c)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; c->own && i < c->n_nodes; i++) {
		if (c->own[i].n &&
		    set(object, c->nodes[i], attrs(c->own[i].list, c->own[i].n)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

/* Each node's own. */
static json_t *links(const struct plan_class *c)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; c->links && i < c->n_nodes; i++) {
		if (c->links[i].n &&
		    set(object, c->nodes[i], peers(c->links[i].list, c->links[i].n)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *peer_counts(uint64_t added, uint64_t changed, uint64_t removed, uint64_t unchanged)
{
	json_t *object = json_object();

	if (set(object, "add", number(added)) | set(object, "change", number(changed)) |
	    set(object, "remove", number(removed)) | set(object, "unchanged", number(unchanged))) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* *left: how many peers may still be listed. */
static json_t *class_object(const struct plan_class *c, size_t *left)
{
	size_t n = c->n_peers < *left ? c->n_peers : *left;
	json_t *object = json_object();

	*left -= n;
	if (set(object, "action", json_string(action_name(c->action))) |
	    set(object, "nodes", names(c->nodes, c->n_nodes)) |
	    set(object, "attributes", attrs(c->attrs, c->n_attrs)) |
	    set(object, "node_attributes", node_attributes(c)) | set(object, "links", links(c)) |
	    set(object, "peers", peers(c->peers, n)) |
	    set(object, "peers_not_listed", number(c->peers_cut + (c->n_peers - n))) |
	    set(object, "peers_per_node",
		peer_counts(c->peers_added, c->peers_changed, c->peers_removed,
			    c->peers_unchanged))) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* *attributes: of the client at hand. Those that come after it and change alike share them, so that
 * what they take follows the changes. */
static int add_client(json_t *array, const struct plan_client *c, json_t *attributes)
{
	static const char *const files[] = {
		[PLAN_FILE_STALE] = "stale", [PLAN_FILE_CUT_OFF] = "cut_off"
	};
	json_t *object = json_object();

	return set(object, "action", json_string(action_name(c->action))) |
	       set(object, "name", json_string(c->name)) |
	       set(object, "new_file", text(files[c->file])) |
	       json_object_set(object, "attributes", attributes) |
	       json_array_append_new(array, object);
}

static json_t *clients(const struct plan *p)
{
	json_t *array = json_array(), **attributes = calloc(p->n_clients + 1, sizeof(*attributes));
	int r = array && attributes ? 0 : -1;
	size_t i;

	for (i = 0; !r && i < p->n_clients; i++) {
		const struct plan_client *c = &p->clients[i];

		if (c->like == i)
			attributes[i] = attrs(c->attrs, c->n_attrs);
		r = add_client(array, c, attributes[c->like]);
	}
	for (i = 0; attributes && i < p->n_clients; i++)
		json_decref(attributes[i]);
	free(attributes);
	if (r) {
		json_decref(array);
		return NULL;
	}
	return array;
}

static bool same_losers(const struct plan_loss *a, const struct plan_loss *b)
{
	return a->n_class_nodes == b->n_class_nodes &&
	       (a->class_nodes == b->class_nodes ||
		(a->n_class_nodes == 1 && !strcmp(a->node, b->node)));
}

static json_t *losses(const struct plan *p)
{
	json_t *array = json_array();
	size_t i, end;

	for (i = 0; array && i < p->n_losses; i = end) {
		const struct plan_loss *l = &p->losses[i];
		json_t *object = json_object(), *lost = json_array();
		int r = set(object, "nodes", names(l->class_nodes, l->n_class_nodes)) |
			set(object, "lost", lost);

		for (end = i; end < p->n_losses && same_losers(l, &p->losses[end]); end++) {
			if (!r)
				r |= json_array_append_new(lost, json_string(p->losses[end].lost));
		}
		if (r | json_array_append_new(array, object)) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *admissions(const struct plan *p)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; array && i < p->n_admissions; i++) {
		const struct plan_admission *a = &p->admissions[i];
		json_t *object = json_object();
		int r = set(object, "action", json_string(a->gained ? "gain" : "lose")) |
			set(object, "from", names(a->from, a->n_from)) |
			set(object, "to", names(a->to, a->n_to));

		if (a->n_on) {
			r |= set(object, "on", names(a->on, a->n_on));
		} else {
			r |= set(object, "on", json_pack("[s]", "any")) |
			     set(object, "but", names(a->but, a->n_but));
		}
		if (r | json_array_append_new(array, object)) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

#define N_COUNTS 21

static json_t *summary(uint64_t n[N_COUNTS])
{
	json_t *object = json_object();

	if (set(object, "nodes", peer_counts(n[0], n[1], n[2], n[3])) |
	    set(object, "clients", peer_counts(n[9], n[10], n[11], n[12])) |
	    set(object, "peers", peer_counts(n[4], n[5], n[6], n[7])) |
	    set(object, "links", peer_counts(n[13], n[14], n[15], n[16])) |
	    set(object, "pairs_lost", number(n[8])) | set(object, "pairs_refused", number(n[17])) |
	    set(object, "pairs_admitted", number(n[18])) | set(object, "new_files", number(n[19])) |
	    set(object, "clients_cut_off", number(n[20]))) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static void add_counts(const struct plan *p, uint64_t n[N_COUNTS])
{
	n[0] += p->nodes_added;
	n[1] += p->nodes_changed;
	n[2] += p->nodes_removed;
	n[3] += p->nodes_unchanged;
	n[4] += p->peers_added;
	n[5] += p->peers_changed;
	n[6] += p->peers_removed;
	n[7] += p->peers_unchanged;
	n[8] += p->pairs_lost;
	n[9] += p->clients_added;
	n[10] += p->clients_changed;
	n[11] += p->clients_removed;
	n[12] += p->clients_unchanged;
	n[13] += p->links[PLAN_ADD];
	n[14] += p->links[PLAN_CHANGE];
	n[15] += p->links[PLAN_REMOVE];
	n[16] += p->links_unchanged;
	n[17] += p->pairs_refused;
	n[18] += p->pairs_admitted;
	n[19] += p->files_needed;
	n[20] += p->files_cut_off;
}

static json_t *network_object(const struct plan *p, size_t *left)
{
	json_t *object = json_object(), *array = json_array();
	uint64_t n[N_COUNTS] = { 0 };
	size_t i;
	int r;

	add_counts(p, n);
	r = set(object, "name", json_string(p->network)) |
	    set(object, "action",
		json_string(plan_empty(p) ? "none" :
			    p->first	  ? "add" :
			    p->gone	  ? "remove" :
					    "change")) |
	    set(object, "summary", summary(n)) | set(object, "losses", losses(p)) |
	    set(object, "policy", admissions(p)) |
	    set(object, "policy_not_listed", number(p->admissions_cut)) |
	    set(object, "clients", clients(p)) | set(object, "changes", array);
	for (i = 0; !r && i < p->n_classes; i++)
		r |= json_array_append_new(array, class_object(&p->classes[i], left));
	if (r) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static int append(const char *data, size_t len, void *arg)
{
	buf_add(arg, data, len);
	return buf_ok(arg) ? 0 : -1;
}

int plan_json(const struct plan *const *plans, size_t n, struct buf *out, struct err *e)
{
	json_t *top = json_object(), *array = json_array();
	size_t left = MAX_JSON_PEERS;
	uint64_t counts[N_COUNTS] = { 0 };
	bool changes = false;
	size_t i;
	int r = set(top, "format_version", json_string("1.1")) | set(top, "networks", array);

	for (i = 0; i < n; i++) {
		add_counts(plans[i], counts);
		changes |= !plan_empty(plans[i]);
		if (!r)
			r |= json_array_append_new(array, network_object(plans[i], &left));
	}
	r |= set(top, "summary", summary(counts)) | set(top, "changes", json_boolean(changes));
	if (!r && json_dump_callback(top, append, out, JSON_INDENT(2) | JSON_SORT_KEYS) == 0)
		buf_addc(out, '\n');
	else
		r = -1;
	json_decref(top);
	return r || !buf_ok(out) ? err_nomem(e) : 0;
}
