/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for the sidecar, and finding out which paths it has. healthz/outbound is what an app may
 * wait for: plain healthz waits for the app's own port, and each would wait for the other.
 */
#include "src/dapr/sidecar_private.h"

#include "base/json.h"
#include "base/time.h"

#include <errno.h>

enum {
	ASK_AGAIN_MS = 200,
	METADATA_MAX = 4 * 1024 * 1024,
	HEALTH_MAX = 4096,
	RETRY_AFTER_S = 1,
	/* Dapr's minor versions that have it under /v1.0/. */
	STABLE_PUBLISH = 17,
	STABLE_JOBS = 18,
};

const char *sidecar_api_name(enum sidecar_api api)
{
	return api == SIDECAR_API_ALPHA1 ? "v1.0-alpha1" : "v1.0";
}

/* The number at the start of *rest, which moves behind it and a dot; -1: there is none. */
static int64_t number(struct str *rest)
{
	size_t n = 0;
	int64_t v;

	while (n < rest->n && n < 6 && rest->p[n] >= '0' && rest->p[n] <= '9')
		n++;
	if (str_parse_i64((struct str){ rest->p, n }, &v) < 0)
		return -1;
	if (n < rest->n && rest->p[n] == '.')
		n++;
	*rest = (struct str){ rest->p + n, rest->n - n };
	return v;
}

/* The minor version of a Dapr 1.x; a large one for later ones, and for those that do not tell
 * ("edge"): they are built from what is newest. */
static int64_t minor_version(struct str version)
{
	const int64_t newest = INT64_MAX;
	int64_t major, minor;

	if (version.n > 0 && version.p[0] == 'v')
		version = (struct str){ version.p + 1, version.n - 1 };
	major = number(&version);
	minor = number(&version);
	if (major < 0 || minor < 0 || major > 1)
		return newest;
	return major == 1 ? minor : 0;
}

static void decide(struct sidecar *s, struct str version)
{
	int64_t minor = minor_version(version);

	s->publish_api = minor >= STABLE_PUBLISH ? SIDECAR_API_STABLE : SIDECAR_API_ALPHA1;
	s->jobs_api = minor >= STABLE_JOBS ? SIDECAR_API_STABLE : SIDECAR_API_ALPHA1;
}

struct metadata {
	struct json_str version;
};

static const struct json_field metadata_fields[] = {
	JSON_FIELD(struct metadata, version, "runtimeVersion", JSON_KIND_STR),
	JSON_FIELD_END,
};

static FIBER int read_metadata(struct sidecar_op *op, struct err *reterr)
{
	const struct sidecar_exchange x = {
		.method = "GET",
		.path = STR("/v1.0/metadata"),
		.max_response_bytes = METADATA_MAX,
	};
	struct metadata m = { 0 };
	struct err why = { 0 };
	int r = sidecar_exchange_wait(op, &x, reterr);
	int status = op->response.status;

	if (r < 0)
		return r;
	/* A Configuration may switch this API off. Then it is not known, as with "edge". */
	if (status == 403 || status == 404) {
		decide(op->s, STR(""));
		return 0;
	}
	r = sidecar_check_status(op, reterr);
	if (r < 0)
		return r;
	r = json_parse(op->arena, buf_str(&op->response.body), "", metadata_fields, &m, &why);
	if (r == -EINVAL && why.kind == &ERR_BAD_REQUEST)
		return sidecar_garbage(op, reterr);
	if (r == -ENOMEM)
		return sidecar_no_memory(reterr);
	decide(op->s, m.version.state == JSON_SET ? m.version.v : STR(""));
	return 0;
}

int sidecar_decide_wait(struct sidecar *s, struct err *reterr)
{
	struct sidecar_op op;
	int r;

	if (s->publish_api != SIDECAR_API_AUTO)
		return 0;
	r = sidecar_op_begin(&op, s, SIDECAR_METADATA, reterr);
	if (r == 0)
		r = read_metadata(&op, reterr);
	return sidecar_op_end(&op, r);
}

static int64_t at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static FIBER int ask_health(struct sidecar *s, int64_t left_ms, struct err *reterr)
{
	const struct sidecar_exchange x = {
		.method = "GET",
		.path = STR("/v1.0/healthz/outbound"),
		.max_response_bytes = HEALTH_MAX,
		.timeout_ms = at_most(left_ms, s->config.timeout_ms),
	};
	struct sidecar_op op;
	int r = sidecar_op_begin(&op, s, SIDECAR_HEALTH, reterr);

	if (r == 0)
		r = sidecar_call_wait(&op, &x, reterr);
	if (r == 0 && op.response.status != 204)
		r = sidecar_garbage(&op, reterr);
	return sidecar_op_end(&op, r);
}

/* Asks until it is ready or deadline_ms has come; why is the last reason that it is not. */
static FIBER int ask_until(struct sidecar *s, int64_t deadline_ms, struct err *why)
{
	for (;;) {
		int64_t left_ms = deadline_ms - time_monotonic_ms();
		int r = ask_health(s, left_ms > 0 ? left_ms : 1, why);

		if (r == 0)
			r = sidecar_decide_wait(s, why);
		if (r == 0 || r == -ECANCELED)
			return r;
		/* The last one has time for an answer, or its reason would tell nothing. */
		if (deadline_ms - time_monotonic_ms() <= 2 * ASK_AGAIN_MS)
			return -ETIME;
		r = fiber_sleep(ASK_AGAIN_MS);
		if (r < 0)
			return r;
	}
}

int sidecar_ready_wait(struct sidecar *s, int64_t timeout_ms, struct err *reterr)
{
	struct err why = { 0 };
	int r;

	s->refs++;
	r = ask_until(s, time_monotonic_ms() + timeout_ms, &why);
	if (r < 0)
		err_unavailable(reterr, RETRY_AFTER_S, "The sidecar at %s is not ready: %s",
				s->config.url, why.text);
	sidecar_unref(s);
	return r;
}
