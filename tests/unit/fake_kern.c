/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fake_kern.h"

#include <errno.h>

#include "common/num.h"

static void die(const char *what, const char *text)
{
	fprintf(stderr, "fake_kern: %s: %s\n", what, text);
	abort();
}

static void *grow(void *p, size_t n, size_t size)
{
	void *q = realloc(p, (n + 1) * size);

	if (!q)
		die("memory", "none left");
	return q;
}

void model_step(struct model *m)
{
	if (m->step)
		m->step(m, m->step_arg);
}

void model_remove_peers(struct model *m)
{
	size_t i;

	for (i = 0; i < m->n_peers; i++)
		free(m->peers[i].ips);
	free(m->peers);
	m->peers = NULL;
	m->n_peers = 0;
}

void model_release(struct model *m)
{
	model_remove_peers(m);
	free(m->routes);
	m->routes = NULL;
	m->n_routes = 0;
}

struct model_peer *model_peer(struct model *m, const struct wgkey *key)
{
	size_t i;

	for (i = 0; i < m->n_peers; i++)
		if (wgkey_cmp(&m->peers[i].key, key) == 0)
			return &m->peers[i];
	return NULL;
}

static void remove_peer(struct model *m, struct model_peer *p)
{
	free(p->ips);
	*p = m->peers[--m->n_peers];
}

static void drop_prefix(struct model *m, const struct prefix *p)
{
	size_t i, j;

	for (i = 0; i < m->n_peers; i++)
		for (j = 0; j < m->peers[i].n_ips; j++)
			if (prefix_cmp(&m->peers[i].ips[j], p) == 0)
				m->peers[i].ips[j--] = m->peers[i].ips[--m->peers[i].n_ips];
}

int model_create(struct model *m)
{
	if (m->exists)
		return EEXIST;
	m->exists = m->wireguard = true;
	m->up = false;
	m->hears = true;
	m->ifindex++;
	m->mtu = 1420;
	m->alias[0] = '\0';
	model_step(m);
	return 0;
}

int model_delete(struct model *m)
{
	if (!m->exists)
		return ENODEV;
	model_release(m);
	m->exists = m->wireguard = m->up = m->has_private_key = false;
	m->n_addresses = 0;
	m->listen_port = 0;
	m->fwmark = 0;
	model_step(m);
	return 0;
}

static bool one_subnet(const struct ifaddr *a, const struct ifaddr *b)
{
	struct prefix x = prefix_of_ifaddr(a), y = prefix_of_ifaddr(b);

	return prefix_cmp(&x, &y) == 0;
}

static void lose_v4_routes(struct model *m)
{
	size_t i;

	for (i = 0; i < m->n_addresses; i++)
		if (m->addresses[i].addr.family == 4)
			return;
	for (i = 0; i < m->n_routes; i++)
		if (m->routes[i].dst.family == 4)
			m->routes[i--] = m->routes[--m->n_routes];
}

int model_addr(struct model *m, bool add, const struct ifaddr *a)
{
	size_t i, j;

	for (i = 0; i < m->n_addresses; i++)
		if (ifaddr_cmp(&m->addresses[i], a) == 0)
			break;
	if (add) {
		if (i == m->n_addresses)
			m->addresses[m->n_addresses++] = *a;
		model_step(m);
		return 0;
	}
	if (i == m->n_addresses)
		return EADDRNOTAVAIL;
	/* Those behind the first of a subnet are its secondaries, in the order in which they came.
	 */
	for (j = 0; a->addr.family == 4 && j < i; j++)
		if (one_subnet(&m->addresses[j], a))
			break;
	if (a->addr.family == 4 && j == i && !m->promote) {
		for (j = i + 1; j < m->n_addresses; j++) {
			if (!one_subnet(&m->addresses[j], a))
				continue;
			memmove(&m->addresses[j], &m->addresses[j + 1],
				(--m->n_addresses - j) * sizeof(m->addresses[0]));
			j--;
		}
	}
	memmove(&m->addresses[i], &m->addresses[i + 1],
		(--m->n_addresses - i) * sizeof(m->addresses[0]));
	if (a->addr.family == 4)
		lose_v4_routes(m);
	model_step(m);
	return 0;
}

int model_rule(struct model *m, const struct rule_op *op)
{
	size_t i;

	if (op->rule.family == 6 && m->no_ipv6)
		return EAFNOSUPPORT;
	for (i = 0; i < m->n_rules; i++)
		if (exit_rule_cmp(&m->rules[i], &op->rule) == 0)
			break;
	if (op->add) {
		if (i < m->n_rules)
			return EEXIST;
		if (m->n_rules == 64)
			return ENOBUFS;
		m->rules[m->n_rules++] = op->rule;
	} else {
		if (i == m->n_rules)
			return ENOENT;
		m->rules[i] = m->rules[--m->n_rules];
	}
	model_step(m);
	return 0;
}

int model_route(struct model *m, bool add, const struct route *p)
{
	size_t i;

	for (i = 0; i < m->n_routes; i++)
		if (route_cmp(&m->routes[i], p) == 0)
			break;
	if (add) {
		if (!m->up)
			return ENETDOWN;
		if (i < m->n_routes ||
		    (p->table == EXIT_TABLE_MAIN && prefix_cmp(&m->other_route, &p->dst) == 0))
			return EEXIST;
		m->routes = grow(m->routes, m->n_routes, sizeof(*m->routes));
		m->routes[m->n_routes++] = *p;
	} else {
		if (i == m->n_routes)
			return ESRCH;
		m->routes[i] = m->routes[--m->n_routes];
	}
	model_step(m);
	return 0;
}

void model_set_key(struct model *m, const struct wgkey *public_key)
{
	struct model_peer *own = model_peer(m, public_key);

	m->has_private_key = true;
	m->public_key = *public_key;
	if (own)
		remove_peer(m, own);
	model_step(m);
}

void model_set_peer(struct model *m, const struct op *op)
{
	struct model_peer *p = model_peer(m, &op->key);
	size_t i;

	if (!p) {
		if ((op->flags & (MODEL_REMOVE | MODEL_UPDATE_ONLY)) ||
		    (m->has_private_key && wgkey_cmp(&op->key, &m->public_key) == 0))
			return;
		m->peers = grow(m->peers, m->n_peers, sizeof(*m->peers));
		p = &m->peers[m->n_peers++];
		*p = (struct model_peer){ .key = op->key };
		m->created++;
	}
	if (op->flags & MODEL_REMOVE) {
		remove_peer(m, p);
		model_step(m);
		return;
	}
	if (op->flags & OPP_CLEAR_PSK)
		p->has_psk = false;
	if (op->flags & OPP_ENDPOINT)
		p->endpoint = op->endpoint;
	if (op->flags & OPP_REPLACE_ALLOWED) {
		p->n_ips = 0;
		model_step(m);
	}
	for (i = 0; i < op->n_allowed_ips; i++) {
		drop_prefix(m, &op->allowed_ips[i]);
		p->ips = grow(p->ips, p->n_ips, sizeof(*p->ips));
		p->ips[p->n_ips++] = op->allowed_ips[i];
		model_step(m);
	}
	if (op->flags & OPP_KEEPALIVE)
		p->keepalive = op->keepalive;
	model_step(m);
}

static int cmp_prefix(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static int cmp_route(const void *a, const void *b)
{
	return route_cmp(a, b);
}

static int cmp_ifaddr(const void *a, const void *b)
{
	return ifaddr_cmp(a, b);
}

static int cmp_peer(const void *a, const void *b)
{
	return wgkey_cmp(&((const struct observed_peer *)a)->key,
			 &((const struct observed_peer *)b)->key);
}

static void *copy_sorted(struct arena *a, const void *list, size_t n, size_t size,
			 int (*cmp)(const void *, const void *))
{
	void *p = arena_array(a, n, size);

	if (!p)
		die("memory", "none left");
	if (n) {
		memcpy(p, list, n * size);
		qsort(p, n, size, cmp);
	}
	return p;
}

void model_observe(const struct model *m, struct arena *a, struct observed *ret)
{
	struct observed_peer *peers;
	size_t i;

	*ret = (struct observed){ 0 };
	ret->exists = m->exists;
	if (!m->exists)
		return;
	ret->is_wireguard = m->wireguard;
	ret->ifindex = m->ifindex;
	ret->up = m->up;
	ret->hears = m->hears;
	ret->mtu = m->mtu;
	memcpy(ret->alias, m->alias, sizeof(ret->alias));
	ret->addresses =
		copy_sorted(a, m->addresses, m->n_addresses, sizeof(*m->addresses), cmp_ifaddr);
	ret->n_addresses = m->n_addresses;
	ret->routes = copy_sorted(a, m->routes, m->n_routes, sizeof(*m->routes), cmp_route);
	ret->n_routes = m->n_routes;
	ret->has_private_key = m->has_private_key;
	ret->public_key = m->public_key;
	ret->listen_port = m->listen_port;
	ret->fwmark = m->fwmark;
	peers = arena_array(a, m->n_peers, sizeof(*peers));
	for (i = 0; i < m->n_peers; i++) {
		const struct model_peer *p = &m->peers[i];

		peers[i] = (struct observed_peer){
			.key = p->key,
			.endpoint = p->endpoint,
			.keepalive = p->keepalive,
			.has_psk = p->has_psk,
			.last_handshake = p->last_handshake,
			.rx_bytes = p->rx_bytes,
			.tx_bytes = p->tx_bytes,
			.allowed_ips =
				copy_sorted(a, p->ips, p->n_ips, sizeof(*p->ips), cmp_prefix),
			.n_allowed_ips = p->n_ips,
		};
	}
	if (m->n_peers)
		qsort(peers, m->n_peers, sizeof(*peers), cmp_peer);
	ret->peers = peers;
	ret->n_peers = m->n_peers;
}

/* The short language. */

struct wgkey fake_key(char letter)
{
	struct wgkey k;

	memset(k.b, letter, sizeof(k.b));
	return k;
}

void fake_private_key(char letter, struct secret *ret, struct wgkey *ret_public)
{
	if (secret_init(ret, 32, NULL) < 0)
		die("memory", "none left");
	memset(ret->b, letter, ret->len);
	wgkey_public(ret->b, ret_public);
}

struct word {
	const char *s;
	size_t len;
};

static bool next_word(const char **pos, const char *end, struct word *ret)
{
	while (*pos < end && **pos == ' ')
		(*pos)++;
	if (*pos == end)
		return false;
	ret->s = *pos;
	while (*pos < end && **pos != ' ')
		(*pos)++;
	ret->len = (size_t)(*pos - ret->s);
	return true;
}

static bool value(const struct word *w, const char *name, struct word *ret)
{
	size_t n = strlen(name);

	if (w->len < n || memcmp(w->s, name, n) != 0)
		return false;
	ret->s = w->s + n;
	ret->len = w->len - n;
	return true;
}

static uint64_t number(const struct word *w)
{
	uint64_t n;

	if (num_parse(w->s, w->len, UINT32_MAX, &n) < 0)
		die("number", w->s);
	return n;
}

static struct prefix a_prefix(const struct word *w)
{
	bool host_bits;
	struct prefix p;

	if (prefix_parse(w->s, w->len, &p, &host_bits) < 0)
		die("prefix", w->s);
	return p;
}

/* "10.5.0.0/16", or "10.5.0.0/16@100" in another table than the main one. */
static struct route a_route(const struct word *w)
{
	const char *at = memchr(w->s, '@', w->len);
	struct word p = { w->s, at ? (size_t)(at - w->s) : w->len };
	struct word table = { at ? at + 1 : NULL, at ? w->len - p.len - 1 : 0 };

	return (struct route){ a_prefix(&p), at ? (uint32_t)number(&table) : EXIT_TABLE_MAIN };
}

static void peer_word(struct model *m, struct model_peer *p, const struct word *w)
{
	struct word v;

	if (value(w, "ep=", &v)) {
		const char *colon = memrchr(v.s, ':', v.len);
		struct word port = { colon + 1, v.len - (size_t)(colon + 1 - v.s) };
		struct ipaddr addr;
		size_t len = (size_t)(colon - v.s);
		bool brackets = v.s[0] == '[';

		if (ipaddr_parse(v.s + brackets, len - 2u * brackets, &addr) < 0)
			die("endpoint", v.s);
		p->endpoint = (struct sock_endpoint){ .family = addr.family,
						      .port = (uint16_t)number(&port) };
		memcpy(p->endpoint.b, addr.b, sizeof(addr.b));
	} else if (value(w, "ka=", &v)) {
		p->keepalive = (uint16_t)number(&v);
	} else if (value(w, "hs=", &v)) {
		p->last_handshake = (int64_t)number(&v);
	} else if (value(w, "psk", &v)) {
		p->has_psk = true;
	} else {
		const char *pos = w->s, *end = w->s + w->len;

		while (pos < end) {
			const char *comma = memchr(pos, ',', (size_t)(end - pos));
			struct word one = { pos, (size_t)((comma ? comma : end) - pos) };
			struct prefix x = a_prefix(&one);

			drop_prefix(m, &x);
			p->ips = grow(p->ips, p->n_ips, sizeof(*p->ips));
			p->ips[p->n_ips++] = x;
			pos = comma ? comma + 1 : end;
		}
	}
}

static void device_word(struct model *m, const struct word *w)
{
	struct word v;

	if (value(w, "addr=", &v)) {
		if (ifaddr_parse(v.s, v.len, &m->addresses[m->n_addresses++]) < 0)
			die("address", v.s);
	} else if (value(w, "route=", &v)) {
		m->routes = grow(m->routes, m->n_routes, sizeof(*m->routes));
		m->routes[m->n_routes++] = a_route(&v);
	} else if (value(w, "mtu=", &v)) {
		m->mtu = (uint32_t)number(&v);
	} else if (value(w, "port=", &v)) {
		m->listen_port = (uint16_t)number(&v);
	} else if (value(w, "mark=", &v)) {
		m->fwmark = (uint32_t)number(&v);
	} else if (value(w, "alias=", &v)) {
		snprintf(m->alias, sizeof(m->alias), "%.*s", (int)v.len, v.s);
		for (char *c = m->alias; *c; c++)
			if (*c == '_')
				*c = ' ';
	} else if (value(w, "key=", &v)) {
		struct secret s = { 0 };

		m->has_private_key = *v.s != '-';
		if (m->has_private_key)
			fake_private_key(*v.s, &s, &m->public_key);
		secret_release(&s);
	} else if (value(w, "other=", &v)) {
		m->other_route = a_prefix(&v);
	} else if (value(w, "down", &v)) {
		m->up = false;
	} else if (value(w, "hears", &v)) {
		m->hears = true;
	} else if (value(w, "eth", &v)) {
		m->wireguard = false;
	} else {
		die("word", w->s);
	}
}

void fake_model(const char *text, struct model *ret)
{
	const char *pos = text, *end = text + strlen(text), *bar;
	struct word w;

	*ret = (struct model){ 0 };
	if (strncmp(text, "-", 1) == 0) {
		const char *rest = text + 1;

		ret->ifindex = 6;
		while (next_word(&rest, end, &w))
			device_word(ret, &w);
		return;
	}
	ret->exists = ret->wireguard = ret->up = true;
	ret->ifindex = 7;
	ret->mtu = 1420;
	snprintf(ret->alias, sizeof(ret->alias), "%s", FAKE_ALIAS);
	w = (struct word){ "key=K", 5 };
	device_word(ret, &w);
	for (bar = memchr(pos, '|', (size_t)(end - pos)); pos <= end;
	     bar = memchr(pos, '|', (size_t)(end - pos))) {
		const char *stop = bar ? bar : end;
		struct model_peer *p = NULL;

		while (next_word(&pos, stop, &w)) {
			if (p) {
				peer_word(ret, p, &w);
			} else if (pos - w.s == 1 && w.s > text) {
				ret->peers = grow(ret->peers, ret->n_peers, sizeof(*ret->peers));
				p = &ret->peers[ret->n_peers++];
				*p = (struct model_peer){ .key = fake_key(*w.s) };
			} else {
				device_word(ret, &w);
			}
		}
		pos = stop + 1;
		if (pos > end)
			break;
	}
}

/* All of one table, which is the node's. */
static void take_routes(const struct observed *o, struct arena *a, struct fake_desired *ret)
{
	struct prefix *list = arena_array(a, o->n_routes, sizeof(*list));
	size_t i;

	for (i = 0; i < o->n_routes; i++) {
		list[i] = o->routes[i].dst;
		if (o->routes[i].table == EXIT_TABLE_MAIN)
			continue;
		ret->node.flags |= NODE_HAS_TABLE;
		ret->node.table = o->routes[i].table;
	}
	ret->config.routes = list;
	ret->config.n_routes = o->n_routes;
}

void fake_desired(const char *text, struct arena *a, struct fake_desired *ret)
{
	struct sock_endpoint *endpoints;
	char host[ENDPOINT_STRLEN];
	const char *why;
	struct observed o;
	struct peer *peers;
	struct model m;
	size_t i;

	*ret = (struct fake_desired){ 0 };
	fake_model(text, &m);
	model_observe(&m, a, &o);
	ret->node.mtu = (uint16_t)m.mtu;
	ret->node.addresses = o.addresses;
	ret->node.n_addresses = o.n_addresses;
	ret->node.listen_port = m.listen_port;
	ret->node.flags |= m.listen_port ? NODE_HAS_LISTEN_PORT : 0;
	ret->node.fwmark = m.fwmark;
	ret->node.flags |= m.fwmark ? NODE_HAS_FWMARK : 0;
	ret->config.network = "test";
	ret->config.node = &ret->node;
	take_routes(&o, a, ret);
	ret->config.n_peers = o.n_peers;
	peers = arena_array(a, o.n_peers, sizeof(*peers));
	endpoints = arena_array(a, o.n_peers, sizeof(*endpoints));
	for (i = 0; i < o.n_peers; i++) {
		char name[2] = { (char)o.peers[i].key.b[0], '\0' };

		peers[i] = (struct peer){
			.name = arena_strdup(a, name),
			.key = o.peers[i].key,
			.allowed_ips = o.peers[i].allowed_ips,
			.n_allowed_ips = o.peers[i].n_allowed_ips,
			.keepalive = o.peers[i].keepalive,
		};
		endpoints[i] = o.peers[i].endpoint;
		if (!endpoints[i].family)
			continue;
		sock_endpoint_print(&endpoints[i], host);
		if (endpoint_parse(host, strlen(host), false, a, &peers[i].endpoint, &why) < 0)
			die("endpoint", why);
	}
	ret->config.peers = peers;
	ret->desired.config = &ret->config;
	ret->desired.endpoints = endpoints;
	ret->desired.public_key = m.public_key;
	ret->desired.alias = FAKE_ALIAS;
	model_release(&m);
}

static bool wrong(const char *what)
{
	fprintf(stderr, "fake_is: %s differs\n", what);
	return false;
}

static bool same_routes(const struct observed *o, const struct config *c, struct arena *a)
{
	struct route *want;
	size_t n, i;

	if (desired_routes(c, a, &want, &n, NULL) < 0)
		die("memory", "none left");
	for (i = 0; i < n && i < o->n_routes; i++)
		if (route_cmp(&want[i], &o->routes[i]))
			return false;
	return n == o->n_routes;
}

bool fake_is(const struct model *m, const struct fake_desired *d, bool endpoints)
{
	const struct config *c = &d->config;
	struct observed o;
	struct arena a;
	bool good = true;
	size_t i;

	arena_init(&a);
	model_observe(m, &a, &o);
	if (!o.exists || !o.is_wireguard || !o.up)
		good = wrong("link");
	else if (o.mtu != d->node.mtu || strcmp(o.alias, d->desired.alias) != 0)
		good = wrong("MTU or alias");
	else if (!o.has_private_key || wgkey_cmp(&o.public_key, &d->desired.public_key) != 0)
		good = wrong("key");
	else if (d->node.listen_port && o.listen_port != d->node.listen_port)
		good = wrong("port");
	else if (o.fwmark != d->node.fwmark)
		good = wrong("mark");
	else if (o.n_addresses != d->node.n_addresses ||
		 memcmp(o.addresses, d->node.addresses, o.n_addresses * sizeof(*o.addresses)) != 0)
		good = wrong("addresses");
	else if (!same_routes(&o, c, &a))
		good = wrong("routes");
	else if (o.n_peers != c->n_peers)
		good = wrong("number of peers");
	for (i = 0; good && i < o.n_peers; i++) {
		const struct observed_peer *p = &o.peers[i];
		const struct peer *q = &c->peers[i];

		if (wgkey_cmp(&p->key, &q->key) != 0 || p->has_psk ||
		    p->keepalive != q->keepalive || p->n_allowed_ips != q->n_allowed_ips ||
		    memcmp(p->allowed_ips, q->allowed_ips,
			   p->n_allowed_ips * sizeof(*p->allowed_ips)) != 0)
			good = wrong(q->name);
		if (endpoints && d->desired.endpoints[i].family &&
		    !sock_endpoint_equal(&p->endpoint, &d->desired.endpoints[i]))
			good = wrong("endpoint");
	}
	arena_release(&a);
	return good;
}

/* The back end. */

static int do_op(struct model *m, const struct op *op, const struct secret *private_key,
		 const char *alias)
{
	struct op copy = *op;
	struct wgkey public_key;
	int r = 0;

	if (op->kind != OP_LINK_CREATE && !m->exists)
		return ENODEV;
	switch (op->kind) {
	case OP_LINK_CREATE:
		r = model_create(m);
		m->hears &= r || m->stays_hearing;
		if (r == 0)
			snprintf(m->alias, sizeof(m->alias), "%s", alias);
		return r;
	case OP_LINK_DELETE:
		return model_delete(m);
	case OP_LINK_MTU:
		m->mtu = op->number;
		break;
	case OP_LINK_DEAF:
		m->hears = m->stays_hearing;
		break;
	case OP_LINK_UP:
		m->up = true;
		break;
	case OP_LINK_ALIAS:
		snprintf(m->alias, sizeof(m->alias), "%s", alias);
		break;
	case OP_ROUTE_DEL:
	case OP_ROUTE_ADD:
		r = model_route(m, op->kind == OP_ROUTE_ADD, &op->route);
		return r == ESRCH ? 0 : r;
	case OP_ADDR_DEL:
	case OP_ADDR_ADD:
		r = model_addr(m, op->kind == OP_ADDR_ADD, &op->address);
		return r == EADDRNOTAVAIL ? 0 : r;
	case OP_DEVICE:
		if (op->flags & OPD_LISTEN_PORT)
			m->listen_port = (uint16_t)(op->number ? op->number : 40000);
		if (op->flags & OPD_FWMARK)
			m->fwmark = op->fwmark;
		if (op->flags & OPD_PRIVATE_KEY) {
			wgkey_public(private_key->b, &public_key);
			model_set_key(m, &public_key);
		}
		break;
	case OP_PEER_REMOVE:
		copy.flags |= MODEL_REMOVE;
		model_set_peer(m, &copy);
		return 0;
	case OP_PEER_SET:
		if (!(op->flags & OPP_NEW))
			copy.flags |= MODEL_UPDATE_ONLY;
		model_set_peer(m, &copy);
		return 0;
	}
	model_step(m);
	return r;
}

static int fake_observe(struct kern *k, const struct ifname *name, struct arena *a,
			struct observed *ret, struct err *e)
{
	struct fake_kern *f = (struct fake_kern *)k;

	f->n_observes++;
	k->stats.dumps++;
	if (f->before_observe)
		f->before_observe(f, f->n_observes);
	if (f->n_observes == f->fail_observe_at)
		return err_set(e, ERR_IO, "made to fail");
	model_observe(f->m, a, ret);
	return 0;
}

static int fake_apply(struct kern *k, const struct ifname *name, const struct op *ops, size_t n,
		      const struct secret *private_key, const char *alias, struct err *e)
{
	struct fake_kern *f = (struct fake_kern *)k;
	size_t i;

	for (i = 0; i < n; i++) {
		bool fails = ++f->n_ops == f->fail_at ||
			     (f->fail_this_kind && ops[i].kind == f->fail_kind) ||
			     (f->fail_at && f->fail_for_ever && f->n_ops > f->fail_at);
		int r;

		k->stats.set_messages++;
		if (ops[i].kind == OP_PEER_SET || ops[i].kind == OP_PEER_REMOVE) {
			k->stats.wg_messages++;
			k->stats.peers_sent++;
		}
		k->refused = fails ? f->fail_errno : 0;
		if (fails && !f->fail_after)
			return err_set(e, f->fail_class, "made to fail");
		r = do_op(f->m, &ops[i], private_key, alias);
		if (r == EEXIST && ops[i].kind == OP_ROUTE_ADD)
			return err_set(e, ERR_CONFLICT, "a route that is not ours");
		if (r) {
			errno = r;
			return err_errno(e, "operation %zu", i);
		}
		if (fails)
			return err_set(e, f->fail_class, "made to fail when it was done");
	}
	return 0;
}

static int cmp_rule(const void *a, const void *b)
{
	return exit_rule_cmp(a, b);
}

int model_way(const struct model *m, const struct ipaddr *to, uint32_t *ret_ifindex)
{
	size_t i;

	*ret_ifindex = 99;
	if (m->no_way)
		return EIO;
	for (i = 0; i < m->n_rules && to->b[0] != m->straight; i++)
		if (m->rules[i].family == to->family && exit_rule_leads(&m->rules[i]))
			*ret_ifindex = m->ifindex;
	return 0;
}

static int fake_way(struct kern *k, const struct ipaddr *to, uint32_t *ret_ifindex, struct err *e)
{
	int r = model_way(((struct fake_kern *)k)->m, to, ret_ifindex);

	return r ? err_set(e, ERR_IO, "made to fail") : 0;
}

static int fake_rules(struct kern *k, uint32_t first, uint32_t n, struct arena *a,
		      struct rules_seen *ret, struct err *e)
{
	struct fake_kern *f = (struct fake_kern *)k;
	struct exit_rule *list = arena_array(a, f->m->n_rules, sizeof(*list));
	size_t i;

	k->stats.dumps += 2;
	if (++f->n_looks == f->fail_look_at)
		return err_set(e, ERR_IO, "made to fail");
	*ret = (struct rules_seen){ .list = list };
	for (i = 0; i < f->m->n_rules; i++)
		if (f->m->rules[i].priority - first < n)
			list[ret->n++] = f->m->rules[i];
	qsort(list, ret->n, sizeof(*list), cmp_rule);
	return 0;
}

static int fake_set_rules(struct kern *k, const struct rule_op *ops, size_t n, struct err *e)
{
	struct fake_kern *f = (struct fake_kern *)k;
	size_t i;

	for (i = 0; i < n; i++) {
		bool fails = ++f->n_ops == f->fail_at ||
			     (f->fail_at && f->fail_for_ever && f->n_ops > f->fail_at);
		int r = 0;

		k->stats.set_messages++;
		if (!fails || f->fail_after)
			r = model_rule(f->m, &ops[i]);
		if (fails)
			return err_set(e, f->fail_class, "made to fail");
		if (r && !(r == ENOENT && !ops[i].add)) {
			errno = r;
			return err_errno(e, "rule %zu", i);
		}
	}
	return 0;
}

static void fake_free(struct kern *k)
{
}

static int fake_ways(struct kern *k, const struct ifname *name, uint32_t table, struct arena *a,
		     struct ways *ret, struct err *e)
{
	const struct model *m = ((struct fake_kern *)k)->m;

	*ret = (struct ways){ 0 };
	if (table == (m->ways_table ? m->ways_table : EXIT_TABLE_MAIN))
		*ret = (struct ways){ m->ways, m->n_ways };
	return 0;
}

/* The model has no name, so there is never one under another name. */
static int fake_marked(struct kern *k, const char *alias, struct arena *a, struct ifname **ret,
		       size_t *ret_n, struct err *e)
{
	*ret = NULL;
	*ret_n = 0;
	return 0;
}

static const struct kern_ops fake_ops = {
	.name = "fake",
	.observe = fake_observe,
	.apply = fake_apply,
	.rules = fake_rules,
	.set_rules = fake_set_rules,
	.ways = fake_ways,
	.way = fake_way,
	.marked = fake_marked,
	.free = fake_free,
};

void fake_kern_init(struct fake_kern *f, struct model *m)
{
	*f = (struct fake_kern){ .k.ops = &fake_ops, .m = m, .fail_class = ERR_IO };
}
