/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/text_network.h"

#include "reconciler/compile.h"
#include "schema/load.h"
#include "tests/unit/keys.h"
#include "tests/unit/unit.h"

static const char *with_keys(struct arena *a, const char *yaml)
{
	static const char *const keys[] = { KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G };
	struct buf b;
	char *s;

	buf_init(&b, 64 << 20);
	for (; *yaml; yaml++) {
		if (*yaml == '$')
			buf_adds(&b, keys[*++yaml - '1']);
		else
			buf_addc(&b, *yaml);
	}
	s = arena_strdup(a, b.data);
	assert_non_null(s);
	buf_release(&b);
	return s;
}

int text_compile(struct arena *a, struct diag *d, const char *yaml, const struct network *published,
		 uint64_t serial, struct network *ret)
{
	const char *text = with_keys(a, yaml);
	const struct source files[] = {
		{ "meshrc.yaml", "version: 1\n", 11 },
		{ "networks/net.yaml", text, strlen(text) },
	};
	struct source *kept = arena_array(a, ARRAY_LEN(files), sizeof(*kept));
	struct model *model = arena_alloc(a, sizeof(*model));
	int r;

	assert_non_null(kept);
	assert_non_null(model);
	memcpy(kept, files, sizeof(files));
	diag_init(d, a);
	r = schema_load(kept, ARRAY_LEN(files), a, d, model);
	return r < 0 ? r : compile(&model->networks[0], published, serial, a, d, ret);
}

struct network *text_must_compile(struct arena *a, struct diag *d, const char *yaml,
				  const struct network *published, uint64_t serial)
{
	struct network *n = arena_alloc(a, sizeof(*n));

	assert_non_null(n);
	if (text_compile(a, d, yaml, published, serial, n) < 0)
		fail_msg("does not compile:\n%s", text_of_diag(a, d));
	return n;
}

char *text_of_diag(struct arena *a, struct diag *d)
{
	struct buf b;
	char *text;

	buf_init(&b, 1 << 20);
	diag_render(d, false, &b);
	text = arena_strdup(a, b.data ? b.data : "");
	buf_release(&b);
	return text;
}
