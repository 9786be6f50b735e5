/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A role that only tests know: the process half of Dapr (listener, deliveries, answers) before and
 * beside the roles that use it. dapr_role --config=FILE runs it, dapr_role --describe shows it. An
 * event says by its type what becomes of it: test.done, test.invalid, test.down; test.slow sleeps
 * first.
 *
 * As --role=dapr-test-waiting it needs the sidecar, else it only wants one.
 */
#include "app/openapi.h"
#include "app/options.h"
#include "app/process.h"
#include "app/request.h"
#include "base/hash.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static FIBER int answer_as(struct str word, struct err *reterr)
{
	if (str_eq(word, STR("test.slow")))
		return fiber_sleep(300);
	if (str_eq(word, STR("test.invalid")))
		return err_set(reterr, &ERR_INVALID, "event.data", "a poison");
	if (str_eq(word, STR("test.missing")))
		return err_set(reterr, &ERR_NOT_FOUND, NULL, "not there");
	if (str_eq(word, STR("test.down")))
		return err_unavailable(reterr, 1, "a dependency is down");
	return 0;
}

static FIBER int on_event(struct app *app, const struct delivery *d, struct err *reterr)
{
	(void)app;
	log_info("test.delivered", LOG_STR("type", d->event.type), LOG_STR("key", d->key),
		 LOG_STR("data", d->event.data), LOG_I64("body_bytes", (int64_t)d->body.n));
	return answer_as(d->event.type, reterr);
}

static FIBER int on_record(struct app *app, const struct delivery *d, struct err *reterr)
{
	(void)app;
	log_info("test.delivered", LOG_STR("record", d->body));
	return answer_as(d->body, reterr);
}

static unsigned n_ticks;

static FIBER int on_tick(struct app *app, struct err *reterr)
{
	(void)app;
	return ++n_ticks % 2 ? 0 : err_unavailable(reterr, 0, "every second tick fails");
}

static FIBER int on_job(struct app *app, struct str name, struct str data, struct arena *arena,
			struct err *reterr)
{
	(void)app;
	(void)arena;
	log_info("test.job", LOG_STR("job", name), LOG_STR("data", data));
	return answer_as(name, reterr);
}

static void get_whoami(struct request *rq)
{
	struct buf *body = request_buf(rq, 1024);

	if (body == NULL) {
		reply_problem(rq);
		return;
	}
	buf_printf(body, "{\"user\":\"%.*s\"}", STR_ARGS(rq->user));
	reply_json(rq, 200, body);
}

static const struct route_answer ANSWERS[] = { { 200, "{}", "the user", NULL }, { .status = 0 } };
static const struct route ROUTES[] = {
	{ .method = HTTP_GET,
	  .pattern = "/api/{user_id}/whoami",
	  .operation = "whoami",
	  .summary = "Who calls",
	  .answers = ANSWERS,
	  .handler = get_whoami },
	{ .pattern = NULL },
};

static const struct subscription SUBSCRIPTIONS[] = {
	{ "test-events", "dlq.test-events", false, on_event },
	{ "test-updates", NULL, false, on_event },
	{ "dlq.test-events", "dlq.dlq", true, on_record },
	{ .topic = NULL },
};
static const struct cron CRONS[] = { { "cron-test", on_tick, "@every 1h" }, { .name = NULL } };

static struct role role = {
	.name = "dapr-test",
	.summary = "a role for tests",
	.needs = NEED_AUTH | WANT_DAPR,
	.default_port = 8900,
	.routes = ROUTES,
	.subscriptions = SUBSCRIPTIONS,
	.crons = CRONS,
	.job = on_job,
	.dapr_routes = ROUTES,
};

static int describe(void)
{
	struct buf out;

	buf_init(&out, 1024 * 1024);
	role_describe(&role, &out);
	bool is_written = buf_status(&out) == 0 && fwrite(out.p, 1, out.n, stdout) == out.n;
	buf_done(&out);
	return is_written ? EX_OK : EX_IOERR;
}

static int run(const char *config_file)
{
	struct config *config = options_new(&role);
	struct buf mistakes;
	int r = EX_CONFIG;

	if (config == NULL || hash_init() < 0)
		return EX_OSERR;
	buf_init(&mistakes, 64 * 1024);
	config_read_file(config, config_file);
	if (config_check(config) == 0 && options_check(config, &role, &mistakes) == 0)
		r = process_run(role.name, &(struct process_part){ &role, config }, 1);
	config_mistakes(config, &mistakes);
	fprintf(stderr, "%.*s", (int)mistakes.n, mistakes.n > 0 ? mistakes.p : "");
	buf_done(&mistakes);
	config_free(config);
	return r;
}

int main(int argc, char **argv)
{
	const char *file = NULL;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--describe") == 0)
			return describe();
		if (strcmp(argv[i], "--role=dapr-test-waiting") == 0)
			role.needs = NEED_AUTH | NEED_DAPR;
		if (strncmp(argv[i], "--config=", 9) == 0)
			file = argv[i] + 9;
	}
	if (file == NULL)
		return EX_USAGE;
	return run(file);
}
