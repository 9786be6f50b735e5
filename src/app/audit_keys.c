/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the keys of the audit trail, so that every mistake is told in a sentence that an operator
 * can act on. What was read is wiped.
 */
#include "app/audit_keys.h"

#include "base/file.h"

#include <errno.h>

enum { KEY_FILE_MAX = 2048 };

int audit_keys_add_kek(struct audit_keys *k, struct str hex, const char *source, struct err *reterr)
{
	if (aead_key_parse(hex, &k->kek) < 0)
		return err_set(
			reterr, &ERR_INVALID, NULL,
			"%s must hold 64 hexadecimal digits: make one with openssl rand -hex 32",
			source);
	k->has_kek = true;
	return 0;
}

int audit_keys_add_checkpoint(struct audit_keys *k, struct str pem, const char *source,
			      struct err *reterr)
{
	struct jwt_key *key = jws_key_from_pem(pem, source, reterr);

	if (key == NULL)
		return -EINVAL;
	k->set = jwt_keys_new_single(key);
	if (k->set == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	k->checkpoint = key;
	return 0;
}

static int read_file(struct audit_keys *k, struct str path,
		     int (*add)(struct audit_keys *, struct str, const char *, struct err *),
		     struct err *reterr)
{
	char bytes[KEY_FILE_MAX];
	ssize_t n;
	int r;

	if (path.n == 0)
		return 0;
	n = file_read(path.p, bytes, sizeof(bytes));
	if (n < 0)
		return err_set(reterr, &ERR_INVALID, NULL, "cannot read the key file %s: %s",
			       path.p, strerror((int)-n));
	r = add(k, (struct str){ bytes, (size_t)n }, path.p, reterr);
	explicit_bzero(bytes, sizeof(bytes));
	return r;
}

int audit_keys_read_files(struct audit_keys *k, struct str kek_path, struct str checkpoint_path,
			  struct err *reterr)
{
	int r = read_file(k, kek_path, audit_keys_add_kek, reterr);

	return r < 0 ? r : read_file(k, checkpoint_path, audit_keys_add_checkpoint, reterr);
}

void audit_keys_done(struct audit_keys *k)
{
	jwt_keys_free(k->set);
	aead_key_wipe(&k->kek);
	*k = (struct audit_keys){ .has_kek = false };
}

struct str audit_keys_sign(struct arena *arena, struct str claims, void *arg)
{
	const struct audit_keys *k = arg;

	return jws_sign(arena, k->checkpoint, claims);
}

int audit_keys_signed(struct arena *arena, struct str token, struct str *ret_claims, void *arg)
{
	const struct audit_keys *k = arg;

	return jws_verify(arena, k->set, token, ret_claims, NULL);
}
