/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/names_resolved.h"

#include <errno.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "common/dnsname.h"
#include "common/os_time.h"

#define SERVICE "org.freedesktop.resolve1"
#define MANAGER SERVICE ".Manager"
#define LINK SERVICE ".Link"
#define PATH "/org/freedesktop/resolve1"
#define CALL_MS 3000
/* systemd-resolved hears of a new interface a moment after it is there. */
#define LINK_WAIT_MS 2000

struct resolved {
	sd_bus *bus;
};

/* `be` NULL: only the number is known. */
static int bus_failed(struct err *e, int r, const sd_bus_error *be, const char *doing)
{
	const char *said = be && sd_bus_error_is_set(be) ? be->message : NULL;

	/* The service's own words: err_set keeps them short, whoever prints them escapes them. */
	if (said)
		return err_set(e, ERR_IO, "systemd-resolved: cannot %s: %.200s", doing, said);
	errno = -r;
	return err_errno(e, "systemd-resolved: cannot %s", doing);
}

/* The library would wait for a bus that says nothing for a minute and a half. */
static int wait_ready(sd_bus *bus, struct err *e)
{
	int64_t end = os_monotonic_ms() + CALL_MS, left;
	int r;

	while ((r = sd_bus_is_ready(bus)) == 0) {
		r = sd_bus_process(bus, NULL);
		if (r > 0)
			continue;
		left = end - os_monotonic_ms();
		if (r == 0 && left <= 0)
			r = -ETIMEDOUT;
		if (r == 0)
			r = sd_bus_wait(bus, (uint64_t)left * 1000);
		if (r < 0 && r != -EINTR)
			break;
	}
	return r < 0 ? bus_failed(e, r, NULL, "talk to the system bus") : 0;
}

static int has_service(sd_bus *bus, bool *ret, struct err *e)
{
	sd_bus_error be = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	int r, owned = 0;

	r = sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
			       "org.freedesktop.DBus", "NameHasOwner", &be, &reply, "s", SERVICE);
	if (r >= 0)
		r = sd_bus_message_read(reply, "b", &owned);
	if (r < 0)
		bus_failed(e, r, &be, "ask the system bus for it");
	*ret = owned;
	sd_bus_message_unref(reply);
	sd_bus_error_free(&be);
	return r < 0 ? -1 : 0;
}

int resolved_open(struct resolved **ret, struct err *e)
{
	sd_bus *bus = NULL;
	bool there = false;
	int r = sd_bus_open_system(&bus);

	*ret = NULL;
	/* No socket, or nobody behind it. */
	if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTCONN || r == -ENOMEDIUM)
		return 0;
	if (r < 0)
		return bus_failed(e, r, NULL, "connect to the system bus");
	(void)sd_bus_set_method_call_timeout(bus, CALL_MS * UINT64_C(1000));
	if (wait_ready(bus, e) < 0 || has_service(bus, &there, e) < 0) {
		sd_bus_close_unref(bus);
		return -1;
	}
	if (there)
		*ret = calloc(1, sizeof(**ret));
	if (!there || !*ret) {
		sd_bus_close_unref(bus);
		return there ? err_nomem(e) : 0;
	}
	(*ret)->bus = bus;
	return 0;
}

void resolved_close(struct resolved *r)
{
	if (!r)
		return;
	/* Not flushed: that would wait for a bus that does not read. Every call had its answer. */
	sd_bus_close_unref(r->bus);
	free(r);
}

/* ---- reading ---- */

static int read_server(sd_bus_message *m, struct arena *a, struct ipaddr **list, size_t *n)
{
	struct ipaddr *grown, one = { 0 };
	const void *bytes;
	size_t len;
	int32_t family;
	int r = sd_bus_message_enter_container(m, 'r', "iay");

	if (r <= 0)
		return r;
	r = sd_bus_message_read(m, "i", &family);
	if (r >= 0)
		r = sd_bus_message_read_array(m, 'y', &bytes, &len);
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r < 0)
		return r;
	if ((family != AF_INET || len != 4) && (family != AF_INET6 || len != 16))
		return -EBADMSG;
	one.family = family == AF_INET ? 4 : 6;
	memcpy(one.b, bytes, len);
	grown = arena_grow(a, *list, *n, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*list = grown;
	grown[(*n)++] = one;
	return 1;
}

static int read_servers(sd_bus_message *m, struct arena *a, struct link_names *ret)
{
	struct ipaddr *list = NULL;
	int r = sd_bus_message_enter_container(m, 'a', "(iay)");

	while (r >= 0 && (r = read_server(m, a, &list, &ret->n_servers)) > 0)
		;
	ret->servers = list;
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_domains(sd_bus_message *m, struct arena *a, struct link_names *ret)
{
	const char *domain;
	int routed, r = sd_bus_message_enter_container(m, 'a', "(sb)");

	while (r >= 0 && (r = sd_bus_message_read(m, "(sb)", &domain, &routed)) > 0) {
		if (ret->domain || !routed) {
			ret->other = true;
			continue;
		}
		ret->domain = arena_strdup(a, domain);
		if (!ret->domain)
			r = -ENOMEM;
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int get(struct resolved *x, const char *path, const char *property, const char *type,
	       sd_bus_message **ret, sd_bus_error *be)
{
	return sd_bus_get_property(x->bus, SERVICE, path, LINK, property, be, ret, type);
}

static int read_link(struct resolved *x, const char *path, struct arena *a, struct link_names *ret,
		     sd_bus_error *be)
{
	sd_bus_message *servers = NULL, *domains = NULL;
	int r, fallback = 0;

	r = get(x, path, "DNS", "a(iay)", &servers, be);
	if (r >= 0)
		r = read_servers(servers, a, ret);
	if (r >= 0)
		r = get(x, path, "Domains", "a(sb)", &domains, be);
	if (r >= 0)
		r = read_domains(domains, a, ret);
	if (r >= 0)
		r = sd_bus_get_property_trivial(x->bus, SERVICE, path, LINK, "DefaultRoute", be,
						'b', &fallback);
	/* A link without servers has no part in that. */
	ret->other |= fallback && ret->n_servers;
	sd_bus_message_unref(servers);
	sd_bus_message_unref(domains);
	return r;
}

/* The object of the link; waits for one that the service has yet to hear of. */
static int find_link(struct resolved *x, unsigned int ifindex, sd_bus_message **ret,
		     sd_bus_error *be)
{
	int64_t end = os_monotonic_ms() + LINK_WAIT_MS;
	int r;

	for (;;) {
		sd_bus_error_free(be);
		r = sd_bus_call_method(x->bus, SERVICE, PATH, MANAGER, "GetLink", be, ret, "i",
				       (int32_t)ifindex);
		if (r >= 0 || !sd_bus_error_has_name(be, SERVICE ".NoSuchLink") ||
		    os_monotonic_ms() >= end)
			return r;
		os_sleep_ms(50);
	}
}

int resolved_link(struct resolved *x, unsigned int ifindex, struct arena *a, struct link_names *ret,
		  struct err *e)
{
	struct link_names names = { .n_servers = 0 };
	sd_bus_error be = SD_BUS_ERROR_NULL;
	sd_bus_message *found = NULL;
	const char *path;
	int r = find_link(x, ifindex, &found, &be);

	if (r >= 0)
		r = sd_bus_message_read(found, "o", &path);
	if (r >= 0)
		r = read_link(x, path, a, &names, &be);
	if (r < 0)
		bus_failed(e, r, &be, "read what it has for the interface");
	else
		*ret = names;
	sd_bus_message_unref(found);
	sd_bus_error_free(&be);
	return r < 0 ? -1 : 0;
}

/* ---- writing ---- */

static int append_servers(sd_bus_message *m, const struct link_names *n)
{
	size_t i;
	int r = sd_bus_message_open_container(m, 'a', "(iay)");

	for (i = 0; r >= 0 && i < n->n_servers; i++) {
		const struct ipaddr *s = &n->servers[i];

		r = sd_bus_message_open_container(m, 'r', "iay");
		if (r >= 0)
			r = sd_bus_message_append(m, "i", s->family == 4 ? AF_INET : AF_INET6);
		if (r >= 0)
			r = sd_bus_message_append_array(m, 'y', s->b, s->family == 4 ? 4 : 16);
		if (r >= 0)
			r = sd_bus_message_close_container(m);
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int set_servers(struct resolved *x, unsigned int ifindex, const struct link_names *n,
		       sd_bus_error *be)
{
	sd_bus_message *m = NULL, *reply = NULL;
	int r = sd_bus_message_new_method_call(x->bus, &m, SERVICE, PATH, MANAGER, "SetLinkDNS");

	if (r >= 0)
		r = sd_bus_message_append(m, "i", (int32_t)ifindex);
	if (r >= 0)
		r = append_servers(m, n);
	if (r >= 0)
		r = sd_bus_call(x->bus, m, 0, be, &reply);
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	return r;
}

int resolved_set_link(struct resolved *x, unsigned int ifindex, const struct link_names *names,
		      struct err *e)
{
	sd_bus_error be = SD_BUS_ERROR_NULL;
	int32_t i = (int32_t)ifindex;
	int r;

	if (!names) {
		r = sd_bus_call_method(x->bus, SERVICE, PATH, MANAGER, "RevertLink", &be, NULL, "i",
				       i);
	} else {
		/* The domain first: servers of a link without one are asked for everything. */
		r = sd_bus_call_method(x->bus, SERVICE, PATH, MANAGER, "SetLinkDomains", &be, NULL,
				       "ia(sb)", i, 1, names->domain, 1);
		if (r >= 0)
			r = sd_bus_call_method(x->bus, SERVICE, PATH, MANAGER,
					       "SetLinkDefaultRoute", &be, NULL, "ib", i, 0);
		if (r >= 0)
			r = set_servers(x, ifindex, names, &be);
	}
	if (r < 0)
		bus_failed(e, r, &be,
			   names ? "set the name servers of the interface" :
				   "take the name servers of the interface away");
	sd_bus_error_free(&be);
	return r < 0 ? -1 : 0;
}
