/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two keys of the audit trail: the one that wraps the keys of users, and the one that signs
 * checkpoints. Services have them from the secret store, commands from files.
 */
#ifndef APP_AUDIT_KEYS_H
#define APP_AUDIT_KEYS_H

#include "auth/jws.h"
#include "base/aead.h"
#include "store/audit_checkpoint.h"
#include "store/audit_verify.h"

/* Zero-initialised: there are none. */
struct audit_keys {
	bool has_kek;
	struct aead_key kek;
	struct jwt_key *checkpoint; /* the set's; NULL: none */
	struct jwt_keys *set;
};

/* source is what errors call it: a secret, or a file. 0; -EINVAL; -ENOMEM. */
int audit_keys_add_kek(struct audit_keys *k, struct str hex, const char *source,
		       struct err *reterr) MUST_CHECK;
int audit_keys_add_checkpoint(struct audit_keys *k, struct str pem, const char *source,
			      struct err *reterr) MUST_CHECK;
/* The same from files; an empty path is left out. */
int audit_keys_read_files(struct audit_keys *k, struct str kek_path, struct str checkpoint_path,
			  struct err *reterr) MUST_CHECK;
void audit_keys_done(struct audit_keys *k);

/* arg is the struct audit_keys, which has a key for checkpoints. */
audit_sign_fn audit_keys_sign;
audit_signed_fn audit_keys_signed;

#endif
