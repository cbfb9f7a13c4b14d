/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/sign.h"

#include <sodium.h>

#include "publication/verify.h"

int sign_new_key(struct secret *ret_seed, struct signkey *ret_public, struct err *e)
{
	struct secret seed = { 0 };

	if (secret_init(&seed, crypto_sign_SEEDBYTES, e) < 0)
		return -1;
	randombytes_buf(seed.b, seed.len);
	if (sign_public(&seed, ret_public, e) < 0) {
		secret_release(&seed);
		return -1;
	}
	*ret_seed = seed;
	return 0;
}

static int make_pair(const struct secret *seed, struct secret *ret_key, struct signkey *ret_public,
		     struct err *e)
{
	if (seed->len != crypto_sign_SEEDBYTES)
		return err_set(e, ERR_INPUT, "a signing key has %u bytes", crypto_sign_SEEDBYTES);
	if (secret_init(ret_key, crypto_sign_SECRETKEYBYTES, e) < 0)
		return -1;
	crypto_sign_seed_keypair(ret_public->b, ret_key->b, seed->b);
	return 0;
}

int sign_public(const struct secret *seed, struct signkey *ret, struct err *e)
{
	struct secret key = { 0 };

	if (make_pair(seed, &key, ret, e) < 0)
		return -1;
	secret_release(&key);
	return 0;
}

struct made_signature {
	struct signkey key;
	struct signature sig;
};

static int cmp_made(const void *a, const void *b)
{
	return signkey_cmp(&((const struct made_signature *)a)->key,
			   &((const struct made_signature *)b)->key);
}

static int sign_one(const char *type, const struct buf *body, const struct secret *seed,
		    struct made_signature *ret, struct err *e)
{
	struct secret key = { 0 };
	struct buf message;
	int r = -1;

	buf_init(&message, body->len + 64);
	buf_addf(&message, "meshrc/%s/v1\n", type);
	buf_add(&message, body->data, body->len);
	if (!buf_ok(&message)) {
		err_nomem(e);
		goto out;
	}
	if (make_pair(seed, &key, &ret->key, e) < 0)
		goto out;
	crypto_sign_detached(ret->sig.b, NULL, (const unsigned char *)message.data, message.len,
			     key.b);
	/* A fault while signing can give the key away: nothing leaves here that does not verify. */
	if (!verify_signature(type, body->data, body->len, &ret->key, &ret->sig)) {
		err_set(e, ERR_VERIFY,
			"the new signature does not verify: faulty memory or processor?");
		goto out;
	}
	r = 0;
out:
	secret_release(&key);
	buf_release(&message);
	return r;
}

int sign_document(const char *type, const struct buf *body, const struct secret *seeds,
		  size_t n_seeds, struct buf *out, struct err *e)
{
	struct made_signature made[MAX_SIGNATURES];
	size_t i;

	if (!buf_ok(body))
		return err_nomem(e);
	if (!n_seeds || n_seeds > MAX_SIGNATURES)
		return err_set(e, ERR_LIMIT, "a document has 1 to %d signatures", MAX_SIGNATURES);
	for (i = 0; i < n_seeds; i++)
		if (sign_one(type, body, &seeds[i], &made[i], e) < 0)
			return -1;
	qsort(made, n_seeds, sizeof(*made), cmp_made);
	for (i = 1; i < n_seeds; i++)
		if (!signkey_cmp(&made[i - 1].key, &made[i].key))
			return err_set(e, ERR_INPUT, "the same key is to sign twice");
	buf_add(out, body->data, body->len);
	for (i = 0; i < n_seeds; i++)
		signed_append(out, &made[i].key, &made[i].sig);
	return buf_ok(out) ? 0 : err_nomem(e);
}
