/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/verify.h"

#include <sodium.h>

bool verify_signature(const char *type, const char *body, size_t len, const struct signkey *key,
		      const struct signature *sig)
{
	struct buf b;
	bool good;

	buf_init(&b, len + 64);
	buf_addf(&b, "meshrc/%s/v1\n", type);
	buf_add(&b, body, len);
	good = buf_ok(&b) &&
	       !crypto_sign_verify_detached(sig->b, (const unsigned char *)b.data, b.len, key->b);
	buf_release(&b);
	return good;
}

/* How many distinct keys of `keys` have signed; signed_split made the document's keys distinct. */
static unsigned int count_signers(const struct signed_doc *d, const char *type,
				  const struct signkey *keys, size_t n, bool *ret_known)
{
	unsigned int count = 0;
	size_t i, j;

	*ret_known = false;
	for (i = 0; i < d->n; i++)
		for (j = 0; j < n; j++) {
			if (signkey_cmp(&d->keys[i], &keys[j]))
				continue;
			*ret_known = true;
			count += verify_signature(type, d->body, d->body_len, &d->keys[i],
						  &d->signatures[i]);
		}
	return count;
}

static int check_signers(const struct signed_doc *d, const char *type, const struct signkey *keys,
			 size_t n, unsigned int threshold, const char *whose, struct err *e)
{
	bool known;
	unsigned int count = count_signers(d, type, keys, n, &known);
	char key[KEY_STRLEN];

	if (count >= threshold)
		return 0;
	if (!known)
		return err_refuse(e, "UNKNOWN-KEY", "the %s is signed by %s, which is no %s", type,
				  signkey_print(&d->keys[0], key), whose);
	return err_refuse(e, "BAD-SIG", "the %s has %u good signature%s of a %s; %u wanted", type,
			  count, count == 1 ? "" : "s", whose, threshold);
}

static int check_size(size_t len, size_t max, const char *type, struct err *e)
{
	return len > max ? err_refuse(e, "TOO-LARGE", "the %s has more than %zu bytes", type, max) :
			   0;
}

int verify_pinned_root(const char *data, size_t len, struct root *ret, struct err *e)
{
	struct signed_doc d;
	struct root r;

	if (check_size(len, MAX_ROOT_DOC, "root document", e) < 0 ||
	    signed_split(data, len, &d, e) < 0 || root_decode(d.body, d.body_len, &r, e) < 0)
		return -1;
	if (check_signers(&d, SIGN_TYPE_ROOT, r.root_keys, r.n_root_keys, r.root_threshold,
			  "root key of its own", e) < 0)
		return -1;
	*ret = r;
	return 0;
}

int verify_next_root(const struct root *old, const char *data, size_t len, struct root *ret,
		     struct err *e)
{
	struct signed_doc d;
	struct root r;

	if (check_size(len, MAX_ROOT_DOC, "root document", e) < 0 ||
	    signed_split(data, len, &d, e) < 0)
		return -1;
	if (check_signers(&d, SIGN_TYPE_ROOT, old->root_keys, old->n_root_keys, old->root_threshold,
			  "root key of the version before it", e) < 0 ||
	    root_decode(d.body, d.body_len, &r, e) < 0 ||
	    check_signers(&d, SIGN_TYPE_ROOT, r.root_keys, r.n_root_keys, r.root_threshold,
			  "root key of its own", e) < 0)
		return -1;
	if (memcmp(&r.mesh, &old->mesh, sizeof(r.mesh)) != 0)
		return err_refuse(e, "BAD-ROOT", "the root document is of another mesh");
	if (r.version != old->version + 1)
		return err_refuse(e, "BAD-ROOT", "root version %llu cannot follow version %llu",
				  (unsigned long long)r.version, (unsigned long long)old->version);
	if (r.epoch < old->epoch || r.min_format < old->min_format)
		return err_refuse(e, "BAD-ROOT",
				  "the epoch and min-format of a root document never go down");
	*ret = r;
	return 0;
}

int verify_manifest(const struct root *root, const char *network, unsigned int format_floor,
		    const char *data, size_t len, struct arena *a, struct manifest *ret,
		    struct err *e)
{
	struct signed_doc d;
	struct manifest m;

	if (check_size(len, MAX_MANIFEST, "manifest", e) < 0 ||
	    signed_split(data, len, &d, e) < 0 ||
	    check_signers(&d, SIGN_TYPE_MANIFEST, root->publisher_keys, root->n_publisher_keys, 1,
			  "publisher key of the trusted root", e) < 0 ||
	    manifest_decode(d.body, d.body_len, a, &m, e) < 0)
		return -1;
	if (m.format < format_floor || m.format < root->min_format)
		return err_refuse(
			e, "FORMAT-FLOOR",
			"the manifest has format %u, but %u or later is known to be in use",
			m.format,
			format_floor > root->min_format ? format_floor : root->min_format);
	if (memcmp(&m.mesh, &root->mesh, sizeof(m.mesh)) != 0)
		return err_refuse(e, "WRONG-NETWORK", "the manifest is of another mesh");
	if (strcmp(m.network, network) != 0)
		return err_refuse(e, "WRONG-NETWORK", "the manifest is of network %s, not %s",
				  m.network, network);
	if (m.epoch != root->epoch)
		return err_refuse(e, "WRONG-EPOCH",
				  "the manifest has epoch %llu, the trusted root %llu",
				  (unsigned long long)m.epoch, (unsigned long long)root->epoch);
	if (m.root_version > root->version)
		return err_refuse(
			e, "ROOT-BEHIND",
			"the manifest needs root version %llu; %llu is the newest one known",
			(unsigned long long)m.root_version, (unsigned long long)root->version);
	*ret = m;
	return 0;
}

int verify_document(const struct document_ref *ref, const char *data, size_t len, struct err *e)
{
	struct digest d;

	if (len != ref->len)
		return err_refuse(e, "BAD-HASH", "a document has %zu bytes instead of %llu", len,
				  (unsigned long long)ref->len);
	digest_of(data, len, &d);
	if (digest_cmp(&d, &ref->hash))
		return err_refuse(e, "BAD-HASH", "a document's bytes do not match its hash");
	return 0;
}
