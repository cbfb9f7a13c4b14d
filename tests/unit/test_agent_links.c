/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interfaces of routed links: each converged by itself, whatever becomes of the others. */
#include "tests/unit/unit.h"

#include "agent/links.h"
#include "tests/unit/fake_kern.h"

#define MAX_IFACES 8
#define NOW 1000000

/* A kernel with several interfaces: each a model of its own behind the fake back end. */
struct many {
	struct kern k;
	struct ifname names[MAX_IFACES];
	struct model models[MAX_IFACES];
	struct fake_kern backs[MAX_IFACES];
	size_t n;
	/* Applying to this one fails as long as that one exists, as a port in use does. */
	const char *waits, *for_that;
	unsigned int applied;
};

static struct arena arena;
static struct many world;
static struct config links[2][MAX_IFACES]; /* wanted now, and before */
static struct fake_desired made[2][MAX_IFACES];
static struct sock_endpoint endpoints[MAX_IFACES];
static struct config main_config[2];
static struct node main_node;
static struct state state;
static struct secret private_key;
static struct links_job job;

static struct model *model_of(const char *name)
{
	size_t i;

	for (i = 0; i < world.n; i++)
		if (!strcmp(world.names[i].s, name))
			return &world.models[i];
	assert_true(world.n < MAX_IFACES);
	snprintf(world.names[world.n].s, sizeof(world.names[0].s), "%s", name);
	fake_kern_init(&world.backs[world.n], &world.models[world.n]);
	return &world.models[world.n++];
}

static struct fake_kern *back_of(const struct ifname *name)
{
	return &world.backs[model_of(name->s) - world.models];
}

static int many_observe(struct kern *k, const struct ifname *name, struct arena *a,
			struct observed *ret, struct err *e)
{
	struct fake_kern *f = back_of(name);

	return f->k.ops->observe(&f->k, name, a, ret, e);
}

static int many_apply(struct kern *k, const struct ifname *name, const struct op *ops, size_t n,
		      const struct secret *key, const char *alias, struct err *e)
{
	struct fake_kern *f = back_of(name);

	world.applied++;
	if (world.waits && !strcmp(world.waits, name->s) && model_of(world.for_that)->exists &&
	    model_of(world.for_that)->listen_port == 7)
		return err_set(e, ERR_IO, "the port is in use");
	return f->k.ops->apply(&f->k, name, ops, n, key, alias, e);
}

static const struct kern_ops many_ops = { .name = "many",
					  .observe = many_observe,
					  .apply = many_apply };

/* A link to the node of that letter, on this interface. `when` 1: what was before. */
static void link_is(int when, const char *name, const char *text)
{
	size_t i = main_config[when].n_links++;
	struct fake_desired *d = &made[when][i];

	fake_desired(text, &arena, d);
	snprintf(d->node.interface.s, sizeof(d->node.interface.s), "%s", name);
	links[when][i] = d->config;
	links[when][i].routed = true;
	if (!when)
		endpoints[i] = d->desired.endpoints[0];
}

static int setup(void **unused)
{
	memset(&world, 0, sizeof(world));
	memset(links, 0, sizeof(links));
	memset(main_config, 0, sizeof(main_config));
	memset(&state, 0, sizeof(state));
	arena_init(&arena);
	world.k.ops = &many_ops;
	main_config[0].links = links[0];
	main_config[1].links = links[1];
	main_config[0].node = main_config[1].node = &main_node;
	job = (struct links_job){ .kern = &world.k,
				  .config = &main_config[0],
				  .state = &state,
				  .endpoints = endpoints,
				  .main = { "main" },
				  .private_key = &private_key,
				  .alias = FAKE_ALIAS,
				  .now = NOW,
				  .arena = &arena };
	fake_private_key('K', &private_key, &job.public_key);
	return 0;
}

static int teardown(void **unused)
{
	size_t i;

	for (i = 0; i < MAX_IFACES; i++)
		model_release(&world.models[i]);
	secret_release(&private_key);
	arena_release(&arena);
	return 0;
}

#define LINK_A "addr=10.99.0.0/31 mtu=1420 port=5 key=K|A 0.0.0.0/0,::/0 ep=192.0.2.1:5"
#define LINK_B "addr=10.99.0.2/31 mtu=1420 port=6 key=K|B 0.0.0.0/0,::/0"
#define LINK_C "addr=10.99.0.4/31 mtu=1420 port=7 key=K|C 0.0.0.0/0,::/0 ep=192.0.2.3:5"

static void expect_is(const char *name, const char *text)
{
	struct fake_desired want;

	fake_desired(text, &arena, &want);
	assert_true(fake_is(model_of(name), &want, true));
	assert_string_equal(model_of(name)->alias, FAKE_ALIAS);
}

/* One of ours. */
static void there(const char *name, const char *text)
{
	struct model *m = model_of(name);

	fake_model(text, m);
	snprintf(m->alias, sizeof(m->alias), "%s", FAKE_ALIAS);
}

static struct link_convergence *must(bool dry)
{
	struct link_convergence *list;
	struct err e = { 0 };
	size_t n;

	if (links_converge(&job, dry, &list, &n, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(n, main_config[0].n_links);
	return list;
}

static void test_each(void **unused)
{
	struct link_convergence *l;

	link_is(0, "wl-a", LINK_A);
	link_is(0, "wl-b", LINK_B);
	l = must(true);
	assert_int_equal(world.applied, 0);
	assert_false(model_of("wl-a")->exists);
	assert_true(l[0].result.n_ops > 3 && l[1].result.n_ops > 3);
	l = must(false);
	expect_is("wl-a", LINK_A);
	expect_is("wl-b", LINK_B);
	assert_string_equal(l[1].peer, "B");
	assert_string_equal(l[1].interface.s, "wl-b");
	/* Again: nothing is sent. One of two is touched: the other is not. */
	world.applied = 0;
	must(false);
	assert_int_equal(world.applied, 0);
	model_of("wl-b")->listen_port = 99;
	must(false);
	assert_int_equal(world.applied, 1);
	expect_is("wl-b", LINK_B);
}

static void test_none(void **unused)
{
	must(false);
	assert_int_equal(world.applied, 0);
}

/* Those behind one that cannot be made are made; the error names it, and how many there are. */
static void test_one_that_cannot(void **unused)
{
	struct link_convergence *list;
	struct err e = { 0 };
	size_t n;

	link_is(0, "wl-a", LINK_A);
	link_is(0, "wl-b", LINK_B);
	link_is(0, "wl-c", LINK_C);
	fake_model("alias=somebody key=X port=1|D 10.0.0.1/32", model_of("wl-a"));
	assert_int_equal(links_converge(&job, false, &list, &n, &e), -1);
	assert_int_equal(n, 3);
	assert_int_equal(e.class, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "interface wl-a: "));
	assert_int_equal(list[0].error.class, ERR_CONFLICT);
	assert_int_equal(list[1].error.class, ERR_NONE);
	expect_is("wl-b", LINK_B);
	expect_is("wl-c", LINK_C);
	assert_int_equal(model_of("wl-a")->n_peers, 1);
	links_pending(list, n, &state);
	assert_int_equal(state.n_pending, 1);
	assert_string_equal(state.pending[0].s, "wl-a");
	/* A second one. */
	model_of("wl-c")->alias[0] = 'x';
	model_of("wl-c")->public_key = fake_key('Y');
	assert_int_equal(links_converge(&job, false, &list, &n, &e), -1);
	assert_non_null(strstr(e.msg, "2 routed links cannot be made; the first: interface wl-a"));
	/* Dry, the same is said. */
	assert_int_equal(links_converge(&job, true, &list, &n, &e), -1);
	assert_int_equal(e.class, ERR_CONFLICT);
}

/* A port that another link gives up in the same breath. */
static void test_tried_again(void **unused)
{
	struct link_convergence *l;

	link_is(0, "wl-a", "addr=10.99.0.0/31 mtu=1420 port=7 key=K|A 0.0.0.0/0,::/0");
	link_is(0, "wl-c", "addr=10.99.0.4/31 mtu=1420 port=8 key=K|C 0.0.0.0/0,::/0");
	there("wl-c", "addr=10.99.0.4/31 mtu=1420 port=7 key=K|C 0.0.0.0/0,::/0");
	world.waits = "wl-a";
	world.for_that = "wl-c";
	l = must(false);
	assert_true(l[0].result.verified && l[1].result.verified);
	assert_int_equal(model_of("wl-a")->listen_port, 7);
	assert_int_equal(model_of("wl-c")->listen_port, 8);
	/* What the first try had to do is told. */
	assert_true(l[0].result.n_ops > 3);
}

/* The endpoint of a live session is set for a new declaration alone; of a link that was not in
 * force it is not known what was declared. */
static void test_roamed(void **unused)
{
	link_is(0, "wl-a", LINK_A);
	link_is(1, "wl-a", LINK_A);
	job.previous = &main_config[1];
	there("wl-a",
	      "addr=10.99.0.0/31 mtu=1420 port=5 key=K|A 0.0.0.0/0,::/0 ep=192.0.2.77:9 hs=999990");
	must(false);
	assert_int_equal(world.applied, 0);
	/* Another declaration. */
	((struct peer *)(uintptr_t)links[1][0].peers)->endpoint.host = "198.51.100.1";
	((struct peer *)(uintptr_t)links[1][0].peers)->endpoint.port = 5;
	state.n_pending = 1;
	state.pending[0] = (struct ifname){ "wl-a" };
	must(false);
	assert_int_equal(world.applied, 0);
	state.n_pending = 0;
	must(false);
	assert_int_equal(world.applied, 1);
	expect_is("wl-a", LINK_A);
}

static void test_main_interface(void **unused)
{
	struct link_convergence *list;
	struct err e = { 0 };
	size_t n;

	link_is(0, "main", LINK_A);
	assert_int_equal(links_converge(&job, false, &list, &n, &e), -1);
	assert_non_null(strstr(e.msg, "choose another name for --interface"));
	assert_int_equal(world.applied, 0);
}

static void test_holds(void **unused)
{
	struct ifname old = { "wl-a" }, other = { "wl-z" };

	link_is(1, "wl-a", LINK_A);
	link_is(0, "bb-a", LINK_A);
	job.previous = &main_config[1];
	assert_false(links_holds(&job, &old));
	assert_false(links_holds(&job, &other));
	fake_model("alias=somebody key=X port=1", model_of("bb-a"));
	assert_true(links_holds(&job, &old));
	assert_false(links_holds(&job, &other));
	/* A link that is not there any more goes, whatever stands elsewhere. */
	main_config[0].n_links = 0;
	assert_false(links_holds(&job, &old));
	job.previous = NULL;
	assert_false(links_holds(&job, &old));
}

/* One over: the rest is not remembered. */
static void test_pending_limit(void **unused)
{
	static struct link_convergence list[MAX_PENDING_LINKS + 1];
	size_t i;

	for (i = 0; i < ARRAY_LEN(list); i++)
		snprintf(list[i].interface.s, sizeof(list[i].interface.s), "wl-%03zu", i);
	list[0].result.verified = true;
	list[1].result.all_but_routes = true;
	links_pending(list, ARRAY_LEN(list), &state);
	assert_int_equal(state.n_pending, MAX_PENDING_LINKS - 1);
	list[0].result.verified = list[1].result.all_but_routes = false;
	links_pending(list, ARRAY_LEN(list), &state);
	assert_int_equal(state.n_pending, MAX_PENDING_LINKS);
	assert_string_equal(state.pending[0].s, "wl-000");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_each),	     T(test_none),	    T(test_one_that_cannot),
		T(test_tried_again), T(test_roamed),	    T(test_main_interface),
		T(test_holds),	     T(test_pending_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
