/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent_impl.h"

#include <fcntl.h>

#include "common/limits.h"
#include "common/os_file.h"

/* A stored root is trusted by the hash in the state, like everything stored. */
static bool load_stored_root(struct agent *a, struct root *ret)
{
	struct document_ref ref = { .hash = a->state.root, .len = a->state.root_len };
	struct signed_doc doc;
	struct buf bytes;
	bool good;

	if (!a->state.root_version)
		return false;
	buf_init(&bytes, MAX_ROOT_DOC);
	good = !store_get(a->store, &ref, &bytes, NULL) &&
	       !signed_split(bytes.data, bytes.len, &doc, NULL) &&
	       !root_decode(doc.body, doc.body_len, ret, NULL) &&
	       ret->version == a->state.root_version;
	buf_release(&bytes);
	return good;
}

int agent_keep_root(struct agent *a, const struct root *root, const struct buf *bytes,
		    struct err *e)
{
	struct digest hash;

	digest_of(bytes->data, bytes->len, &hash);
	/* On the way from the pin back to a stored root that was damaged: the floors stay. */
	if (root->version < a->state.root_version)
		goto known;
	if (root->version == a->state.root_version && digest_cmp(&hash, &a->state.root))
		return err_refuse(
			e, "BAD-ROOT",
			"it has other bytes than the root of this version that was trusted before: one of them is not genuine");
	if (a->access == STORE_WRITE && store_put(a->store, bytes->data, bytes->len, &hash, e) < 0)
		return -1;
	accept_root(root, bytes->len, &hash, &a->state);
known:
	a->root = *root;
	a->has_root = true;
	return 0;
}

static int open_pin(struct agent *a, bool have_stored, struct err *e)
{
	struct root pin;
	struct digest hash;
	struct buf bytes;
	bool use_pin;
	int r = -1;

	buf_init(&bytes, MAX_ROOT_DOC);
	if (os_read_file(AT_FDCWD, a->config->trust, MAX_ROOT_DOC, &bytes, e) < 0) {
		err_prefix(e, "the pinned root document");
		goto out;
	}
	if (verify_pinned_root(bytes.data, bytes.len, &pin, e) < 0) {
		err_prefix(e, "the pinned root document %s", a->config->trust);
		goto out;
	}
	digest_of(bytes.data, bytes.len, &hash);
	if (accept_pin(&pin, &hash, &a->state, &use_pin, e) < 0)
		goto out;
	if (!use_pin && !have_stored) {
		/* The walk from the pin finds it again; epoch and serial stay as they are, so
		 * nothing older gets in. */
		agent_say(
			a,
			"the stored root document version %llu is damaged; going on from the pinned version %llu",
			(ull)a->state.root_version, (ull)pin.version);
		use_pin = true;
	}
	r = use_pin ? agent_keep_root(a, &pin, &bytes, e) : 0;
out:
	buf_release(&bytes);
	return r;
}

int agent_open_trust(struct agent *a, struct err *e)
{
	struct root stored;
	bool have_stored = load_stored_root(a, &stored);

	if (have_stored) {
		a->root = stored;
		a->has_root = true;
	}
	if (!a->config->trust || !open_pin(a, have_stored, &a->pin_error)) {
		a->pin_error = (struct err){ 0 };
		return 0;
	}
	if (have_stored && a->pin_error.class != ERR_NOMEM) {
		/* A file that is missing at boot must not take the network down. */
		if (a->config->offline)
			agent_say(a, "%s; going on with the stored root version %llu",
				  a->pin_error.msg, (ull)stored.version);
		return 0;
	}
	if (e)
		*e = a->pin_error;
	return -1;
}
