/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics in the Prometheus text format 0.0.4.
 *
 * A family is known by its name and holds its series in the order they came, which is the order
 * they are shown in: the format wants all lines of a family together. Series are also reachable by
 * a hash of family and labels, because a route asks for "its" counter with a status code it has not
 * seen before. All memory is of this module and lives until metrics_done; nobody may use a series
 * after that. A registry belongs to a scope, and is made when something of it is first asked for.
 */
#include "base/metrics.h"

#include "base/hash.h"
#include "base/scope.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SERIES_MAX = 4096, COLLECTORS_MAX = 64, HASH_SLOTS = 1024, BOUNDS = 13, NUMBER_SIZE = 32 };

/* Upper bounds of the buckets in seconds, as text too: the text is the label and never varies. */
static const double bounds[BOUNDS] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
				       0.25,  0.5,    1,     2.5,  5,	  10 };
static const char *const bound_names[BOUNDS] = { "0.001", "0.0025", "0.005", "0.01", "0.025",
						 "0.05",  "0.1",    "0.25",  "0.5",  "1",
						 "2.5",	  "5",	    "10" };

struct histogram {
	double sum;
	uint64_t counts[BOUNDS + 1]; /* each observation in one bucket; the last has no bound */
};

struct metric {
	enum metric_type type;
	const struct metric_family *family;
	uint64_t count; /* counter: its value; histogram: observations */
	double value;	/* gauge */
	struct histogram *histogram;
	struct metric *next_in_family;
	struct metric *next_in_slot;
	char labels[]; /* NUL-terminated */
};

struct family {
	const struct metric_family *spec;
	struct metric *first, *last;
	struct family *next;
};

struct collector {
	metric_collect_fn *fn;
	void *arg;
};

struct metrics {
	struct family *first, *last;
	struct metric *slots[HASH_SLOTS];
	size_t n_series;
	struct collector collectors[COLLECTORS_MAX];
	size_t n_collectors;
};

/* What callers get when there is no room: it counts, and nobody sees it. */
static struct histogram spare_histogram;
static struct metric spare = { .histogram = &spare_histogram };

/* Of the current scope; NULL when out of memory. */
static struct metrics *registry(void)
{
	struct scope *s = scope_current();

	if (!s->metrics)
		s->metrics = calloc(1, sizeof(*s->metrics));
	return s->metrics;
}

static struct family *find_family(const struct metrics *r, const struct metric_family *spec)
{
	for (struct family *f = r->first; f; f = f->next)
		if (f->spec == spec || strcmp(f->spec->name, spec->name) == 0)
			return f;
	return NULL;
}

static struct family *add_family(struct metrics *r, const struct metric_family *spec)
{
	struct family *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->spec = spec;
	if (r->last)
		r->last->next = f;
	else
		r->first = f;
	r->last = f;
	return f;
}

static struct metric *new_series(const struct metric_family *spec, const char *labels)
{
	size_t size = strlen(labels) + 1;
	struct metric *m = calloc(1, sizeof(*m) + size);

	if (!m)
		return NULL;
	if (spec->type == METRIC_HISTOGRAM) {
		m->histogram = calloc(1, sizeof(*m->histogram));
		if (!m->histogram) {
			free(m);
			return NULL;
		}
	}
	m->type = spec->type;
	m->family = spec;
	memcpy(m->labels, labels, size);
	return m;
}

static struct metric **find_slot(struct metrics *r, const struct metric_family *spec,
				 const char *labels)
{
	uint64_t hash = hash_stable64(str_from(labels)) ^ hash_stable64(str_from(spec->name));

	return &r->slots[hash % HASH_SLOTS];
}

static struct metric *add_series(struct metrics *r, const struct metric_family *spec,
				 const char *labels, struct metric **slot)
{
	struct family *f = find_family(r, spec);
	struct metric *m;

	if (r->n_series == SERIES_MAX)
		return NULL;
	if (!f)
		f = add_family(r, spec);
	if (!f)
		return NULL;
	assert(f->spec->type ==
	       spec->type); /* one name, one type: anything else breaks the exposition */
	m = new_series(spec, labels);
	if (!m)
		return NULL;
	if (f->last)
		f->last->next_in_family = m;
	else
		f->first = m;
	f->last = m;
	m->next_in_slot = *slot;
	*slot = m;
	r->n_series++;
	return m;
}

struct metric *metric_get(const struct metric_family *family, const char *labels)
{
	struct metrics *r = registry();
	struct metric **slot, *m;

	if (!r)
		return &spare;
	slot = find_slot(r, family, labels);
	for (m = *slot; m; m = m->next_in_slot)
		if (strcmp(m->family->name, family->name) == 0 && strcmp(m->labels, labels) == 0)
			return m;
	m = add_series(r, family, labels, slot);
	return m ? m : &spare;
}

void metric_add(struct metric *m, uint64_t n)
{
	assert(m == &spare || m->type == METRIC_COUNTER);
	m->count += n;
}

void metric_set(struct metric *m, double v)
{
	assert(m == &spare || m->type == METRIC_GAUGE);
	m->value = v;
}

void metric_observe(struct metric *m, double v)
{
	size_t i = 0;

	assert(m == &spare || m->type == METRIC_HISTOGRAM);
	if (!(v >= 0)) /* NaN as well: it would spoil the sum for good */
		v = 0;
	while (i < BOUNDS && v > bounds[i])
		i++;
	m->histogram->counts[i]++;
	m->histogram->sum += v;
	m->count++;
}

double metric_value(const struct metric *m)
{
	return m->type == METRIC_GAUGE ? m->value : (double)m->count;
}

int metric_on_collect(metric_collect_fn *fn, void *arg)
{
	struct metrics *r = registry();

	if (!r || r->n_collectors == COLLECTORS_MAX)
		return -ENOSPC;
	r->collectors[r->n_collectors++] = (struct collector){ fn, arg };
	return 0;
}

void metric_off_collect(metric_collect_fn *fn, void *arg)
{
	struct metrics *r = scope_current()->metrics;
	struct collector *c;
	size_t i = 0;

	if (!r)
		return;
	c = r->collectors;
	while (i < r->n_collectors && (c[i].fn != fn || c[i].arg != arg))
		i++;
	if (i == r->n_collectors)
		return;
	r->n_collectors--;
	memmove(&c[i], &c[i + 1], (r->n_collectors - i) * sizeof(*c));
}

/* The shortest text that reads back as the same number. */
static void put_double(struct buf *out, double v)
{
	char text[NUMBER_SIZE];
	double back;

	if (!isfinite(v)) {
		buf_append_str(out, str_from(isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf"));
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		back = strtod(text, NULL);
		if (memcmp(&back, &v, sizeof(v)) == 0)
			break;
	}
	buf_append_str(out, str_from(text));
}

static void put_help(struct buf *out, const char *help)
{
	for (; *help; help++)
		if (*help == '\\')
			buf_append_str(out, STR("\\\\"));
		else if (*help == '\n')
			buf_append_str(out, STR("\\n"));
		else
			buf_append_char(out, *help);
}

/* A series as it is shown: role is another label of it, or "". */
struct line {
	const struct metric *m;
	const char *role;
};

/* name_suffix{role="...",labels,le="..."} and a space; braces only when there is something in them.
 */
static void put_name(struct buf *out, const struct line *l, const char *suffix, const char *le)
{
	bool has_role = l->role[0] != '\0', has_labels = l->m->labels[0] != '\0';

	buf_append_str(out, str_from(l->m->family->name));
	buf_append_str(out, str_from(suffix));
	if (has_role || has_labels || le) {
		buf_append_char(out, '{');
		if (has_role)
			buf_printf(out, "role=\"%s\"%s", l->role, has_labels || le ? "," : "");
		buf_append_str(out, str_from(l->m->labels));
		if (le)
			buf_printf(out, "%sle=\"%s\"", has_labels ? "," : "", le);
		buf_append_char(out, '}');
	}
	buf_append_char(out, ' ');
}

static void put_histogram(struct buf *out, const struct line *l)
{
	const struct metric *m = l->m;
	uint64_t below = 0;

	for (size_t i = 0; i < BOUNDS; i++) {
		below += m->histogram->counts[i];
		put_name(out, l, "_bucket", bound_names[i]);
		buf_printf(out, "%" PRIu64 "\n", below);
	}
	put_name(out, l, "_bucket", "+Inf");
	buf_printf(out, "%" PRIu64 "\n", m->count);
	put_name(out, l, "_sum", NULL);
	put_double(out, m->histogram->sum);
	buf_append_char(out, '\n');
	put_name(out, l, "_count", NULL);
	buf_printf(out, "%" PRIu64 "\n", m->count);
}

static void put_series(struct buf *out, const struct metric *m, const char *role)
{
	const struct line l = { m, role };

	if (m->type == METRIC_HISTOGRAM) {
		put_histogram(out, &l);
		return;
	}
	put_name(out, &l, "", NULL);
	if (m->type == METRIC_GAUGE)
		put_double(out, m->value);
	else
		buf_printf(out, "%" PRIu64, m->count);
	buf_append_char(out, '\n');
}

static void put_head(struct buf *out, const struct metric_family *spec)
{
	static const char *const type_names[] = { "counter", "gauge", "histogram" };

	buf_printf(out, "# HELP %s ", spec->name);
	put_help(out, spec->help);
	buf_printf(out, "\n# TYPE %s %s\n", spec->name, type_names[spec->type]);
}

static void put_family(struct buf *out, const struct family *f, const char *role)
{
	for (const struct metric *m = f ? f->first : NULL; m; m = m->next_in_family)
		put_series(out, m, role);
}

static void collect(const struct metrics *r)
{
	for (size_t i = 0; r && i < r->n_collectors; i++)
		r->collectors[i].fn(r->collectors[i].arg);
}

void metrics_render(struct buf *out)
{
	const struct metrics *r = scope_current()->metrics;

	collect(r);
	for (const struct family *f = r ? r->first : NULL; f; f = f->next) {
		put_head(out, f->spec);
		put_family(out, f, "");
	}
}

static bool is_in_one_of(struct scope *const *scopes, size_t n, const struct family *f)
{
	for (size_t i = 0; i < n; i++)
		if (scopes[i]->metrics && find_family(scopes[i]->metrics, f->spec))
			return true;
	return false;
}

/* The families that are in the first of the scopes that have them. */
static void put_first_of(struct buf *out, struct scope *const *scopes, size_t n, size_t first)
{
	const struct metrics *r = scopes[first]->metrics;

	for (const struct family *f = r ? r->first : NULL; f; f = f->next) {
		if (is_in_one_of(scopes, first, f))
			continue;
		put_head(out, f->spec);
		for (size_t i = first; i < n; i++)
			if (scopes[i]->metrics)
				put_family(out, find_family(scopes[i]->metrics, f->spec),
					   scopes[i]->role);
	}
}

void metrics_render_all(struct scope *const *scopes, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		SCOPE_ENTER(scopes[i]);
		collect(scopes[i]->metrics);
	}
	for (size_t i = 0; i < n; i++)
		put_first_of(out, scopes, n, i);
}

static void free_family(struct family *f)
{
	struct metric *next;

	for (struct metric *m = f->first; m; m = next) {
		next = m->next_in_family;
		free(m->histogram);
		free(m);
	}
	free(f);
}

void metrics_done(void)
{
	struct scope *s = scope_current();
	struct family *next;

	for (struct family *f = s->metrics ? s->metrics->first : NULL; f; f = next) {
		next = f->next;
		free_family(f);
	}
	free(s->metrics);
	s->metrics = NULL;
}
