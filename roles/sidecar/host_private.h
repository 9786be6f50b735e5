/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded sidecar as its files see it: apps and their instances, topics and who reads them.
 * One process owns all of it (lease.c), so positions and progress are kept in memory, the ones
 * written through, the other a little behind; bodies stay in the database but for the newest and
 * the ones under way.
 *
 *   topic      what is published, in partitions; topic.c writes it
 *   consumer   a group's reading of a topic; consumer.c runs a fiber for each partition with a
 *              backlog
 *   hosted     an app id with its tokens and jobs
 *   instance   a process of an app; instance.c asks whether it is healthy and what it subscribes to
 */
#ifndef SIDECAR_HOST_PRIVATE_H
#define SIDECAR_HOST_PRIVATE_H

#include "app/app.h"
#include "base/arena.h"
#include "base/metrics.h"
#include "base/str.h"
#include "base/uuid.h"
#include "loop/fiber.h"
#include "loop/timer.h"
#include "net/db.h"
#include "net/http_client.h"
#include "net/http_server.h"

#include "alarm_private.h"
#include "settings_private.h"

enum {
	HOST_PARTITIONS = 12,
	HOST_TOPICS_MAX = 256,
	HOST_BODY_MAX = 4 * 1024 * 1024,
	HOST_TOPIC_NAME_MAX = 249, /* Kafka's */
	HOST_GROUP_NAME_MAX = 100,
};

struct host;
struct topic;
struct consumer;
struct partition;
struct progress_batch;
struct job_run;
struct cron_binding;

struct hosted {
	struct host *host;
	const struct settings_app *settings;
	struct str id;
	struct job_run *runs; /* of its jobs, under way */
	unsigned n_runs;
	bool is_looking;     /* a fiber looks for due jobs */
	bool look_again;     /* there may be more since it began */
	int64_t next_job_us; /* no job is due before, but those under way; 0: not known */
};

/* One wish of /dapr/subscribe. */
struct wish {
	struct topic *topic;
	struct str path, dead_letter; /* dead_letter .n 0: none */
	bool is_raw, is_replica;      /* is_replica: a group of this instance alone */
};

struct instance {
	struct host *host;
	struct hosted *owner;
	const struct door *door; /* where it calls the API */
	const struct settings_instance *settings;
	struct http_client *client;
	struct timer probe_timer;
	bool is_probing, is_healthy;
	unsigned failures;   /* probes in a row */
	struct arena *arena; /* of its wishes; replaced when it comes back */
	struct wish *wishes;
	size_t n_wishes;
};

/* A port of the API. Several instances of an app may share one. */
struct door {
	struct host *host;
	struct hosted *owner;
	struct http_server *server;
	uint16_t port;
};

struct host {
	struct app *app;
	struct loop *loop;
	struct db *db;
	struct settings *settings;
	struct hosted *apps;
	size_t n_apps;
	struct instance *instances;
	size_t n_instances;
	struct door *doors;
	size_t n_doors;
	struct topic *topics;
	unsigned n_topics;
	struct consumer *consumers;
	struct partition *unwritten, *unwritten_last; /* progress.c */
	struct progress_batch *progress_batch;
	bool is_writing_progress;
	struct timer rescan; /* looks again for partitions whose fiber could not be had */
	struct timer lease_timer, sweep_timer;
	struct uuid lease_id;
	struct alarm_clock job_alarm; /* the earliest job of an app that lives */
	struct cron_binding *crons;
	size_t n_crons;
	size_t turn; /* of host_pick */
	bool is_stopping;
};

struct hosted *host_app(struct host *h, struct str id); /* NULL: not here */
/* Some healthy instance, another one each time; NULL: there is none. */
struct instance *host_pick(struct host *h, const struct hosted *app);

/* ---- api.c: the listeners ---- */

int api_open(struct host *h, struct err *reterr) MUST_CHECK;
void api_drain(struct host *h);
void api_close(struct host *h);

/* ---- instance.c ---- */

int instance_open(struct instance *i) MUST_CHECK;
void instance_close(struct instance *i);
/* One call of the app: token and bounds are added to *call, whose url is only a path. As
 * http_client_wait; what goes wrong on the way makes the instance suspect. */
FIBER int instance_call_wait(struct instance *i, struct arena *arena, const struct http_call *call,
			     struct http_response *ret, struct err *reterr) MUST_CHECK;
/* Something went wrong on the way to it: look now. */
void instance_suspect(struct instance *i);
/* What it wishes of a topic in a group of that kind; NULL: nothing. */
const struct wish *instance_wish(const struct instance *i, const struct topic *t, bool is_replica);

#endif
