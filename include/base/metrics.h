/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, gauges and histograms in the Prometheus text format 0.0.4. Series are created at start
 * (or when a route is registered) and live until the process ends; changing one allocates nothing.
 * What is made, collected, rendered or forgotten is the current scope's (base/scope).
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "base/buf.h"

#include <stdint.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* One family; const, static storage. Name and help follow the Prometheus naming rules (unit suffix,
 * _total). */
struct metric_family {
	const char *name;
	enum metric_type type;
	const char *help;
};

struct metric; /* one series */
struct scope;

/* Called before each rendering, to set gauges that are read rather than counted. */
typedef void metric_collect_fn(void *arg);

/*
 * The series of this family with these labels, made on first use. labels is the text between the
 * braces, `route="/api/x",method="GET"`, values already escaped; "" for none. At most 4096 series
 * exist: past that, and when out of memory, a spare series that is not rendered comes back, never
 * NULL.
 */
struct metric *metric_get(const struct metric_family *family, const char *labels);
void metric_add(struct metric *m, uint64_t n);	 /* counter */
void metric_set(struct metric *m, double v);	 /* gauge */
void metric_observe(struct metric *m, double v); /* histogram; seconds, buckets 1 ms to 10 s */
double metric_value(const struct metric *m); /* counter, gauge: value; histogram: count. For tests
						and shedding */
/* At most 64. -ENOSPC past that. */
int metric_on_collect(metric_collect_fn *fn, void *arg);
void metric_off_collect(metric_collect_fn *fn, void *arg);
/* Appends the whole exposition. */
void metrics_render(struct buf *out);
/* That of several scopes as one; each series has its scope's role as its first label. */
void metrics_render_all(struct scope *const *scopes, size_t n, struct buf *out);
/* Forgets everything, for tests and for leak checkers at exit. */
void metrics_done(void);

#endif
