/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys from files: a shared secret, or an Ed25519 private key in PEM. Read once at start, so every
 * mistake is told in a sentence that an operator can act on. What was read is wiped.
 */
#include "jwt_private.h"

#include "base/base64.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <unistd.h>

enum { KEY_FILE_MAX = 3 * 1024, ED25519_BYTES = 32 };

/* Reads at most size bytes. The number, or negative with the reason. */
static ssize_t read_file(const char *path, char *out, size_t size, struct err *reterr)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		int r = -errno;
		err_set(reterr, &ERR_INVALID, NULL, "cannot open the key file %s: %s", path,
			strerror(-r));
		return r;
	}
	size_t n = 0;
	ssize_t got = 1;
	while (n < size && got > 0) {
		got = read(fd, out + n, size - n);
		n += got > 0 ? (size_t)got : 0;
	}
	int r = got < 0 ? -errno : 0;
	close(fd);
	if (r < 0) {
		err_set(reterr, &ERR_INVALID, NULL, "cannot read the key file %s: %s", path,
			strerror(-r));
		return r;
	}
	if (n == size) {
		err_set(reterr, &ERR_INVALID, NULL, "the key file %s is longer than %d bytes", path,
			KEY_FILE_MAX);
		return -EFBIG;
	}
	return (ssize_t)n;
}

struct jwt_key *jwt_key_from_secret_file(const char *path, struct err *reterr)
{
	char bytes[KEY_FILE_MAX + 1];
	struct jwt_key *k = NULL;
	ssize_t n = read_file(path, bytes, sizeof(bytes), reterr);
	if (n >= 0) {
		struct str secret = str_trim((struct str){ bytes, (size_t)n });
		k = jwt_key_from_secret(secret);
		if (!k && secret.n < 32)
			err_set(reterr, &ERR_INVALID, NULL,
				"the secret in %s has %zu bytes and needs at least 32: try openssl rand -base64 48",
				path, secret.n);
		else if (!k)
			err_unavailable(reterr, 0, "out of memory reading the secret in %s", path);
	}
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return k;
}

/* Never asks a terminal. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static EVP_PKEY *read_pem(struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	BIO_free(bio);
	ERR_clear_error();
	return pkey;
}

/* RFC 7638 thumbprint of an Ed25519 key (RFC 8037 appendix A.3), into out. */
static int thumbprint(const EVP_PKEY *pkey, struct buf *out)
{
	uint8_t x[ED25519_BYTES], digest[SHA256_SIZE];
	size_t n = sizeof(x);
	struct buf json;
	if (EVP_PKEY_get_raw_public_key(pkey, x, &n) != 1 || n != sizeof(x)) {
		ERR_clear_error();
		return -EINVAL;
	}
	buf_init(&json, 256);
	buf_append_str(&json, STR("{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\""));
	base64url_encode((struct str){ (const char *)x, sizeof(x) }, &json);
	buf_append_str(&json, STR("\"}"));
	int r = buf_status(&json);
	if (r == 0)
		r = hash_sha256(buf_str(&json), digest);
	buf_done(&json);
	if (r < 0)
		return r;
	base64url_encode((struct str){ (const char *)digest, sizeof(digest) }, out);
	return buf_status(out);
}

/* Takes pkey. */
static struct jwt_key *ed25519_key(const char *path, EVP_PKEY *pkey, bool can_sign,
				   struct err *reterr)
{
	struct jwt_key *k = NULL;
	struct buf kid;
	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_ED25519) {
		err_set(reterr, &ERR_INVALID, NULL,
			"the key in %s is not Ed25519: make one with openssl genpkey -algorithm ed25519",
			path);
		EVP_PKEY_free(pkey);
		return NULL;
	}
	buf_init(&kid, 64);
	if (thumbprint(pkey, &kid) == 0)
		k = jwt_key_new(JWT_EDDSA, pkey, buf_str(&kid));
	else
		EVP_PKEY_free(pkey);
	buf_done(&kid);
	if (k)
		k->can_sign = can_sign;
	else
		err_unavailable(reterr, 0, "out of memory reading the key in %s", path);
	return k;
}

struct jwt_key *jws_key_from_pem(struct str pem, const char *source, struct err *reterr)
{
	EVP_PKEY *pkey = read_pem(pem);
	bool is_private = pkey != NULL;
	BIO *bio = is_private ? NULL : BIO_new_mem_buf(pem.p, (int)pem.n);
	if (bio)
		pkey = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (pkey)
		return ed25519_key(source, pkey, is_private, reterr);
	err_set(reterr, &ERR_INVALID, NULL,
		"%s holds no readable PEM key (it must not be encrypted): make one with openssl genpkey -algorithm ed25519",
		source);
	return NULL;
}

struct jwt_key *jwt_key_from_pem_file(const char *path, struct err *reterr)
{
	char bytes[KEY_FILE_MAX + 1];
	struct jwt_key *k = NULL;
	ssize_t n = read_file(path, bytes, sizeof(bytes), reterr);
	if (n >= 0) {
		EVP_PKEY *pkey = read_pem((struct str){ bytes, (size_t)n });
		if (pkey)
			k = ed25519_key(path, pkey, true, reterr);
		else
			err_set(reterr, &ERR_INVALID, NULL,
				"%s holds no readable PEM private key (it must not be encrypted)",
				path);
	}
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return k;
}
