/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As much of systemd-resolved's org.freedesktop.resolve1 as the agent uses, on the bus of
 * DBUS_SYSTEM_BUS_ADDRESS. It keeps the settings of links, says on standard output what is set, and
 * can be made to behave badly:
 *
 *	fake_resolved [hang=METHOD] [fail=METHOD] [late=CALLS] [forget]
 *
 * late: the first so many calls of GetLink know no such link. forget: sets nothing.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <net/if.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "common/num.h"

#define SERVICE "org.freedesktop.resolve1"
#define PATH "/org/freedesktop/resolve1"
#define MAX_LINKS 8
#define MAX_SERVERS 8

struct server {
	int32_t family;
	size_t len;
	uint8_t b[16];
};

struct fake_link {
	int32_t ifindex; /* 0: unused */
	struct server servers[MAX_SERVERS];
	size_t n_servers;
	char domain[256];
	int routed;
	int fallback; /* -1: by the domains */
};

static struct fake_link links[MAX_LINKS];
static const char *hang, *failing;
static unsigned int late;
static bool forget;

/* 0: go on; else what the handler returns. */
static int misbehave(sd_bus_message *m, sd_bus_error *e)
{
	const char *name = sd_bus_message_get_member(m);

	if (hang && !strcmp(hang, name)) {
		sd_bus_message_ref(m);
		return 1;
	}
	if (failing && !strcmp(failing, name))
		return sd_bus_error_setf(e, SERVICE ".LinkBusy", "Link is managed.");
	return 0;
}

static struct fake_link *find(int32_t ifindex)
{
	struct fake_link *unused = NULL;
	size_t i;

	for (i = 0; i < MAX_LINKS; i++) {
		if (links[i].ifindex == ifindex)
			return &links[i];
		if (!links[i].ifindex && !unused)
			unused = &links[i];
	}
	if (unused)
		*unused = (struct fake_link){ .ifindex = ifindex, .fallback = -1 };
	return unused;
}

static struct fake_link *want(int32_t ifindex, sd_bus_error *e)
{
	struct fake_link *l = ifindex > 0 ? find(ifindex) : NULL;
	char name[IF_NAMESIZE];

	if (!l || !if_indextoname((unsigned int)ifindex, name)) {
		sd_bus_error_setf(e, SERVICE ".NoSuchLink", "Link %d not known", ifindex);
		return NULL;
	}
	return l;
}

/* The link that a call begins with. 0: go on; else what the handler returns. */
static int take_link(sd_bus_message *m, sd_bus_error *e, struct fake_link **ret)
{
	int32_t ifindex;
	int r = misbehave(m, e);

	if (r)
		return r;
	r = sd_bus_message_read(m, "i", &ifindex);
	if (r < 0)
		return r;
	*ret = want(ifindex, e);
	return *ret ? 0 : -1;
}

static const char *name_of(const struct fake_link *l)
{
	static char name[IF_NAMESIZE];

	return if_indextoname((unsigned int)l->ifindex, name) ? name : "?";
}

static int get_link(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	char path[64];
	int32_t ifindex;
	int r = misbehave(m, e);

	if (r)
		return r;
	r = sd_bus_message_read(m, "i", &ifindex);
	if (r < 0)
		return r;
	if (late) {
		late--;
		return sd_bus_error_setf(e, SERVICE ".NoSuchLink", "Link %d not known", ifindex);
	}
	if (!want(ifindex, e))
		return -1;
	snprintf(path, sizeof(path), PATH "/link/_%d", ifindex);
	return sd_bus_reply_method_return(m, "o", path);
}

static int set_dns(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	struct fake_link *l, set = { 0 };
	char text[INET6_ADDRSTRLEN];
	size_t i;
	int r = take_link(m, e, &l);

	if (r)
		return r;
	r = sd_bus_message_enter_container(m, 'a', "(iay)");
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "iay")) > 0 &&
	       set.n_servers < MAX_SERVERS) {
		struct server *s = &set.servers[set.n_servers++];
		const void *bytes;

		if (sd_bus_message_read(m, "i", &s->family) < 0 ||
		    sd_bus_message_read_array(m, 'y', &bytes, &s->len) < 0 ||
		    s->len != (s->family == AF_INET ? 4 : 16))
			return sd_bus_error_setf(e, "org.freedesktop.DBus.Error.InvalidArgs",
						 "bad");
		memcpy(s->b, bytes, s->len);
		r = sd_bus_message_exit_container(m);
	}
	printf("SetLinkDNS %s", name_of(l));
	for (i = 0; i < set.n_servers; i++)
		printf(" %s",
		       inet_ntop(set.servers[i].family, set.servers[i].b, text, sizeof(text)));
	printf("\n");
	if (!forget) {
		memcpy(l->servers, set.servers, sizeof(l->servers));
		l->n_servers = set.n_servers;
	}
	return sd_bus_reply_method_return(m, NULL);
}

static int set_domains(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	struct fake_link *l;
	const char *domain = "";
	int routed = 0, r = take_link(m, e, &l);

	if (r)
		return r;
	r = sd_bus_message_enter_container(m, 'a', "(sb)");
	if (r >= 0)
		r = sd_bus_message_read(m, "(sb)", &domain, &routed);
	if (r < 0)
		return r;
	printf("SetLinkDomains %s %s%s\n", name_of(l), routed ? "~" : "", domain);
	if (!forget) {
		snprintf(l->domain, sizeof(l->domain), "%s", domain);
		l->routed = routed;
	}
	return sd_bus_reply_method_return(m, NULL);
}

static int set_default_route(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	struct fake_link *l;
	int on, r = take_link(m, e, &l);

	if (r)
		return r;
	r = sd_bus_message_read(m, "b", &on);
	if (r < 0)
		return r;
	printf("SetLinkDefaultRoute %s %s\n", name_of(l), on ? "yes" : "no");
	l->fallback = on;
	return sd_bus_reply_method_return(m, NULL);
}

static int revert(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	struct fake_link *l;
	int r = take_link(m, e, &l);

	if (r)
		return r;
	printf("RevertLink %s\n", name_of(l));
	if (!forget)
		*l = (struct fake_link){ .ifindex = l->ifindex, .fallback = -1 };
	return sd_bus_reply_method_return(m, NULL);
}

static int property(sd_bus *bus, const char *path, const char *interface, const char *name,
		    sd_bus_message *reply, void *arg, sd_bus_error *e)
{
	const struct fake_link *l = arg;
	size_t i;
	int r;

	if (!strcmp(name, "DefaultRoute"))
		return sd_bus_message_append(reply, "b",
					     l->fallback >= 0 ? l->fallback : !l->domain[0]);
	if (!strcmp(name, "Domains"))
		return l->domain[0] ?
			       sd_bus_message_append(reply, "a(sb)", 1, l->domain, l->routed) :
			       sd_bus_message_append(reply, "a(sb)", 0);
	r = sd_bus_message_open_container(reply, 'a', "(iay)");
	for (i = 0; r >= 0 && i < l->n_servers; i++) {
		r = sd_bus_message_open_container(reply, 'r', "iay");
		if (r >= 0)
			r = sd_bus_message_append(reply, "i", l->servers[i].family);
		if (r >= 0)
			r = sd_bus_message_append_array(reply, 'y', l->servers[i].b,
							l->servers[i].len);
		if (r >= 0)
			r = sd_bus_message_close_container(reply);
	}
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int find_object(sd_bus *bus, const char *path, const char *interface, void *arg, void **ret,
		       sd_bus_error *e)
{
	static const char before[] = PATH "/link/_";
	uint64_t n;

	if (strncmp(path, before, sizeof(before) - 1) != 0)
		return 0;
	path += sizeof(before) - 1;
	if (num_parse(path, strlen(path), 1000000, &n) < 0)
		return 0;
	*ret = find((int32_t)n);
	return *ret ? 1 : 0;
}

static const sd_bus_vtable manager[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("GetLink", "i", "o", get_link, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("SetLinkDNS", "ia(iay)", NULL, set_dns, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("SetLinkDomains", "ia(sb)", NULL, set_domains, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("SetLinkDefaultRoute", "ib", NULL, set_default_route,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("RevertLink", "i", NULL, revert, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable link_table[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("DNS", "a(iay)", property, 0, 0),
	SD_BUS_PROPERTY("Domains", "a(sb)", property, 0, 0),
	SD_BUS_PROPERTY("DefaultRoute", "b", property, 0, 0),
	SD_BUS_VTABLE_END,
};

static void take_options(int argc, char **argv)
{
	uint64_t n;
	int i;

	for (i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "hang=", 5))
			hang = argv[i] + 5;
		else if (!strncmp(argv[i], "fail=", 5))
			failing = argv[i] + 5;
		else if (!strncmp(argv[i], "late=", 5) &&
			 !num_parse(argv[i] + 5, strlen(argv[i] + 5), 1000, &n))
			late = (unsigned int)n;
		else if (!strcmp(argv[i], "forget"))
			forget = true;
		else
			exit(64);
	}
}

int main(int argc, char **argv)
{
	sd_bus *bus = NULL;
	int r;

	take_options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = sd_bus_open_system(&bus);
	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, PATH, SERVICE ".Manager", manager, NULL);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(bus, NULL, PATH "/link", SERVICE ".Link", link_table,
					       find_object, NULL);
	if (r >= 0)
		r = sd_bus_request_name(bus, SERVICE, 0);
	if (r >= 0)
		printf("ready\n");
	while (r >= 0) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	fprintf(stderr, "fake_resolved: %s\n", strerror(-r));
	sd_bus_unref(bus);
	return 1;
}
