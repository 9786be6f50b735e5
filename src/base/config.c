/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sources of the configuration, what they set, and what was wrong with them.
 *
 * An entry holds the effective text of a key, the number it stands for and the place it came from;
 * a value that is refused leaves the entry as it was and records a mistake instead, so that one run
 * names every mistake. Mistakes are bounded: past the first hundred they are only counted. Texts of
 * secrets are wiped when they are replaced or freed, and appear in no message.
 */
#include "src/base/config_private.h"
#include "base/file.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ENV_PREFIX "TODOD_"

enum {
	FILE_BYTES_MAX = 65536,
	MISTAKES_MAX = 100, /* told; the rest is counted */
	MISTAKE_BYTES_MAX = 1024,
	SHOWN_BYTES_MAX = 60, /* of a value or an unknown name */
	NAME_MAX_BYTES = 64,
	PLACE_SIZE = 128,
};

struct entry {
	const struct config_key *key;
	char *text; /* owned, NUL-terminated; NULL while the default holds */
	int64_t number;
	char place[PLACE_SIZE];
	unsigned read_id; /* of the config_read_file that set it; 0: none */
};

struct config {
	struct entry *entries;
	size_t n_entries;
	struct buf mistakes;
	int n_mistakes;
	unsigned read_id;
};

/* How a source writes the names of keys. */
enum spelling { SPELLING_FILE, SPELLING_ENVIRON, SPELLING_FLAG };

static struct str entry_text(const struct entry *e)
{
	if (e->text)
		return str_from(e->text);
	return e->key->default_value ? str_from(e->key->default_value) : STR("");
}

static void wipe_text(struct entry *e)
{
	if (e->text)
		explicit_bzero(e->text, strlen(e->text));
	free(e->text);
	e->text = NULL;
}

/* Dots and underscores count as the same, because the environment can't tell them apart. */
static char fold(char c)
{
	return c == '.' || c == '-' ? '_' : (char)tolower((unsigned char)c);
}

static bool same_folded(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (fold(a.p[i]) != fold(b.p[i]))
			return false;
	return true;
}

static struct entry *find_entry(const struct config *c, struct str name)
{
	for (size_t i = 0; i < c->n_entries; i++)
		if (str_eq(name, str_from(c->entries[i].key->name)))
			return &c->entries[i];
	return NULL;
}

static struct entry *find_variable(const struct config *c, struct str variable)
{
	struct str name = { variable.p + strlen(ENV_PREFIX), variable.n - strlen(ENV_PREFIX) };

	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] != '_' && !isupper((unsigned char)name.p[i]) &&
		    !isdigit((unsigned char)name.p[i]))
			return NULL;
	for (size_t i = 0; i < c->n_entries; i++)
		if (same_folded(name, str_from(c->entries[i].key->name)))
			return &c->entries[i];
	return NULL;
}

static void add_table(struct config *c, const struct config_key *key)
{
	for (; key->name; key++) {
		struct entry *e = &c->entries[c->n_entries];
		const char *wrong;
		int r;

		for (size_t i = 0; i < c->n_entries; i++)
			assert(!same_folded(str_from(key->name),
					    str_from(c->entries[i].key->name)));
		e->key = key;
		r = config_value_parse(key, entry_text(e), &e->number, &wrong);
		assert(r == 0);
		(void)r;
		snprintf(e->place, sizeof(e->place), "default");
		c->n_entries++;
	}
}

static size_t count_keys(const struct config_key *key)
{
	size_t n = 0;

	while (key[n].name)
		n++;
	return n;
}

struct config *config_new(const struct config_key *const *tables, size_t n_tables)
{
	struct config *c = calloc(1, sizeof(*c));
	size_t n = 0;

	if (!c)
		return NULL;
	for (size_t i = 0; i < n_tables; i++)
		n += count_keys(tables[i]);
	c->entries = calloc(n + 1, sizeof(*c->entries));
	if (!c->entries) {
		free(c);
		return NULL;
	}
	for (size_t i = 0; i < n_tables; i++)
		add_table(c, tables[i]);
	buf_init(&c->mistakes, (size_t)MISTAKES_MAX * MISTAKE_BYTES_MAX);
	return c;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_entries; i++)
		wipe_text(&c->entries[i]);
	buf_done(&c->mistakes);
	free(c->entries);
	free(c);
}

/*
 * Mistakes
 */

/* Text from outside, short and without anything a terminal would obey. */
static void put_shown(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n && i < SHOWN_BYTES_MAX; i++)
		buf_append_char(out, s.p[i] >= 0x20 && s.p[i] < 0x7f ? s.p[i] : '?');
	if (s.n > SHOWN_BYTES_MAX)
		buf_append_str(out, STR("..."));
}

static void put_key_name(struct buf *out, const char *name, enum spelling spelling)
{
	if (spelling == SPELLING_ENVIRON)
		buf_append_str(out, STR(ENV_PREFIX));
	if (spelling == SPELLING_FLAG)
		buf_append_str(out, STR("--"));
	for (; *name; name++)
		buf_append_char(out, spelling == SPELLING_ENVIRON
					     ? (char)toupper((unsigned char)fold(*name))
					     : *name);
}

/* Starts a mistake; false when it is only counted. */
static bool mistake_begin(struct config *c, struct buf *line, const char *place)
{
	c->n_mistakes++;
	if (c->n_mistakes > MISTAKES_MAX)
		return false;
	buf_init(line, MISTAKE_BYTES_MAX);
	buf_append_str(line, str_from(place));
	buf_append_str(line, STR(": "));
	return true;
}

static void mistake_end(struct config *c, struct buf *line)
{
	buf_append_char(line, '\n');
	if (buf_status(line) == 0)
		buf_append_str(&c->mistakes, buf_str(line));
	buf_done(line);
}

/* place: what: why */
static void mistake_plain(struct config *c, const char *place, struct str what, const char *why)
{
	struct buf line;

	if (!mistake_begin(c, &line, place))
		return;
	if (what.n > 0) {
		put_shown(&line, what);
		buf_append_str(&line, STR(": "));
	}
	buf_append_str(&line, str_from(why));
	mistake_end(c, &line);
}

static void mistake_value(struct config *c, const struct config_key *key, enum spelling spelling,
			  struct str value, const char *place, const char *wrong)
{
	struct buf line;

	if (!mistake_begin(c, &line, place))
		return;
	put_key_name(&line, key->name, spelling);
	buf_append_str(&line, STR(": "));
	if (key->flags & CONFIG_SECRET) {
		buf_append_str(&line, STR("the value (not shown)"));
	} else {
		buf_append_char(&line, '"');
		put_shown(&line, value);
		buf_append_char(&line, '"');
	}
	buf_printf(&line, " %s; allowed: ", wrong);
	config_value_allowed(key, &line);
	mistake_end(c, &line);
}

/* Levenshtein's distance of the folded names, of at most NAME_MAX_BYTES each. */
static size_t edit_distance(struct str a, struct str b)
{
	size_t row[NAME_MAX_BYTES + 1];

	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t best = diagonal + (fold(a.p[i - 1]) != fold(b.p[j - 1]));

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b.n];
}

/* The known name most like this one; NULL when none is within a third of its length, or 3. */
static const char *closest_name(const struct config *c, struct str name)
{
	size_t limit = name.n / 3 < 3 ? name.n / 3 : 3;
	const char *best = NULL;

	if (name.n > NAME_MAX_BYTES)
		return NULL;
	for (size_t i = 0; i < c->n_entries; i++) {
		struct str known = str_from(c->entries[i].key->name);
		size_t d = known.n <= NAME_MAX_BYTES ? edit_distance(name, known) : SIZE_MAX;

		if (d <= limit && (!best || d < limit)) {
			best = c->entries[i].key->name;
			limit = d;
		}
	}
	return best;
}

/* shown is the name as it was written, name what of it can be held against the keys. */
static void mistake_unknown(struct config *c, const char *place, struct str shown, struct str name,
			    enum spelling spelling)
{
	struct buf line;
	const char *closest;

	if (!mistake_begin(c, &line, place))
		return;
	if (spelling == SPELLING_FLAG)
		buf_append_str(&line, STR("--"));
	put_shown(&line, shown);
	buf_append_str(&line, STR(": no such key"));
	closest = closest_name(c, name);
	if (closest) {
		buf_append_str(&line, STR("; did you mean "));
		put_key_name(&line, closest, spelling);
		buf_append_char(&line, '?');
	}
	mistake_end(c, &line);
}

/*
 * Sources
 */

/* Of the value, which has been read. How many mistakes this made. */
static int keep_value(struct config *c, struct entry *e, struct str value, int64_t number,
		      const char *place)
{
	char *text = malloc(value.n + 1);

	if (!text) {
		mistake_plain(c, place, str_from(e->key->name), "out of memory");
		return 1;
	}
	if (value.n > 0)
		memcpy(text, value.p, value.n);
	text[value.n] = '\0';
	wipe_text(e);
	e->text = text;
	e->number = number;
	snprintf(e->place, sizeof(e->place), "%s", place);
	return 0;
}

/* How many mistakes this made. */
static int set_entry(struct config *c, struct entry *e, enum spelling spelling, struct str value,
		     const char *place)
{
	const char *wrong;
	int64_t number;

	if (config_value_parse(e->key, value, &number, &wrong) == 0)
		return keep_value(c, e, value, number, place);
	mistake_value(c, e->key, spelling, value, place, wrong);
	return 1;
}

static int read_line(struct config *c, struct str line, const char *place)
{
	ssize_t equals = str_find_char(line, '=', 0);
	struct str name, value;
	struct entry *e;

	if (equals < 0) {
		mistake_plain(c, place, line, "expected: name = value");
		return 1;
	}
	name = str_trim((struct str){ line.p, (size_t)equals });
	value = str_trim((struct str){ line.p + equals + 1, line.n - (size_t)equals - 1 });
	e = find_entry(c, name);
	if (!e) {
		mistake_unknown(c, place, name, name, SPELLING_FILE);
		return 1;
	}
	if (e->read_id == c->read_id) {
		mistake_plain(c, place, name, "set more than once in this file");
		return 1;
	}
	e->read_id = c->read_id;
	return set_entry(c, e, SPELLING_FILE, value, place);
}

int config_read_text(struct config *c, const char *path, struct str text)
{
	char place[PLACE_SIZE];
	struct str rest = text, line;
	int before = c->n_mistakes;

	c->read_id++;
	for (int number = 1; str_split(&rest, '\n', &line); number++) {
		line = str_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		snprintf(place, sizeof(place), "%.100s:%d", path, number);
		read_line(c, line, place);
	}
	return c->n_mistakes - before;
}

int config_read_file(struct config *c, const char *path)
{
	char *bytes = malloc(FILE_BYTES_MAX);
	ssize_t n = bytes ? file_read(path, bytes, FILE_BYTES_MAX) : -ENOMEM;
	int mistakes = 1;

	if (n < 0)
		mistake_plain(c, path, STR("the file cannot be read"), strerror((int)-n));
	else
		mistakes = config_read_text(c, path, (struct str){ bytes, (size_t)n });
	if (n > 0)
		explicit_bzero(bytes, (size_t)n);
	free(bytes);
	return mistakes;
}

static void read_variable(struct config *c, const char *variable)
{
	struct str name = str_from(variable), value = STR("");
	const char *equals = strchr(variable, '=');
	struct entry *e;

	if (equals) {
		name.n = (size_t)(equals - variable);
		value = str_from(equals + 1);
	}
	if (!str_starts(name, STR(ENV_PREFIX)))
		return;
	e = find_variable(c, name);
	if (e)
		set_entry(c, e, SPELLING_ENVIRON, value, "environment");
	else
		mistake_unknown(c, "environment", name,
				(struct str){ name.p + strlen(ENV_PREFIX),
					      name.n - strlen(ENV_PREFIX) },
				SPELLING_ENVIRON);
}

static bool is_variable_of(struct str variable, const char *const *others)
{
	struct str name;

	str_split(&variable, '=', &name);
	for (; others && *others; others++)
		if (str_eq(name, str_from(*others)))
			return true;
	return false;
}

int config_read_environ(struct config *c, char *const *envp, const char *const *others)
{
	int before = c->n_mistakes;

	for (; *envp; envp++)
		if (!is_variable_of(str_from(*envp), others))
			read_variable(c, *envp);
	return c->n_mistakes - before;
}

bool config_has(const struct config *c, struct str name)
{
	return find_entry(c, name) != NULL;
}

int config_set(struct config *c, struct str name, struct str value, const char *place)
{
	struct entry *e = find_entry(c, name);
	bool is_flag = strcmp(place, CONFIG_COMMAND_LINE) == 0;

	if (!e) {
		mistake_unknown(c, place, name, name, is_flag ? SPELLING_FLAG : SPELLING_FILE);
		return 1;
	}
	if (is_flag && (e->key->flags & CONFIG_SECRET)) {
		mistake_plain(
			c, place, name,
			"is a secret, which other users could read here; use the environment or the file");
		return 1;
	}
	return set_entry(c, e, is_flag ? SPELLING_FLAG : SPELLING_FILE, value, place);
}

void config_take(struct config *c, const struct config *from)
{
	for (size_t i = 0; i < from->n_entries; i++) {
		const struct entry *theirs = &from->entries[i];
		struct entry *mine = find_entry(c, str_from(theirs->key->name));

		if (mine && theirs->text)
			keep_value(c, mine, str_from(theirs->text), theirs->number, theirs->place);
	}
}

const char *config_place(const struct config *c, const char *name)
{
	const struct entry *e = find_entry(c, str_from(name));

	assert(e);
	return e->text ? e->place : NULL;
}

static void mistake_required(struct config *c, const struct config_key *key)
{
	struct buf line;

	if (!mistake_begin(c, &line, "configuration"))
		return;
	put_key_name(&line, key->name, SPELLING_FILE);
	buf_append_str(&line, STR(": required but empty; set "));
	put_key_name(&line, key->name, SPELLING_ENVIRON);
	if (!(key->flags & CONFIG_SECRET)) {
		buf_append_str(&line, STR(" or "));
		put_key_name(&line, key->name, SPELLING_FLAG);
	}
	buf_append_str(&line, STR("; allowed: "));
	config_value_allowed(key, &line);
	mistake_end(c, &line);
}

int config_check(struct config *c)
{
	for (size_t i = 0; i < c->n_entries; i++)
		if ((c->entries[i].key->flags & CONFIG_REQUIRED) &&
		    entry_text(&c->entries[i]).n == 0)
			mistake_required(c, c->entries[i].key);
	return c->n_mistakes;
}

/*
 * What people see
 */

void config_mistakes(const struct config *c, struct buf *out)
{
	buf_append_str(out, buf_str(&c->mistakes));
	if (c->n_mistakes > MISTAKES_MAX)
		buf_printf(out, "and %d more mistakes\n", c->n_mistakes - MISTAKES_MAX);
}

void config_print(const struct config *c, struct buf *out)
{
	for (size_t i = 0; i < c->n_entries; i++) {
		const struct entry *e = &c->entries[i];
		struct str text = entry_text(e);

		if (e->key->flags & CONFIG_SECRET)
			text = text.n > 0 ? STR("[set]") : STR("[empty]");
		buf_printf(out, "%s = %.*s  # %s\n", e->key->name, STR_ARGS(text), e->place);
	}
}

void config_help(const struct config *c, struct buf *out)
{
	for (size_t i = 0; i < c->n_entries; i++) {
		const struct config_key *key = c->entries[i].key;
		bool has_default = key->default_value && key->default_value[0] != '\0';

		buf_append_str(out, STR("  "));
		put_key_name(out, key->name,
			     key->flags & CONFIG_SECRET ? SPELLING_ENVIRON : SPELLING_FLAG);
		buf_printf(out, "\n      %s\n      ", key->doc);
		config_value_allowed(key, out);
		if (has_default)
			buf_printf(out, "; default %s", key->default_value);
		if (key->flags & CONFIG_REQUIRED)
			buf_append_str(out, STR("; required"));
		if (key->flags & CONFIG_SECRET)
			buf_append_str(out, STR("; secret: environment or file only"));
		buf_append_char(out, '\n');
	}
}

static const struct entry *typed_entry(const struct config *c, const char *name, unsigned types)
{
	const struct entry *e = find_entry(c, str_from(name));

	assert(e && (types & 1u << e->key->type));
	(void)types;
	return e;
}

struct str config_str(const struct config *c, const char *name)
{
	return entry_text(typed_entry(c, name, 1u << CONFIG_STRING | 1u << CONFIG_CHOICE));
}

int64_t config_i64(const struct config *c, const char *name)
{
	return typed_entry(c, name,
			   1u << CONFIG_I64 | 1u << CONFIG_DURATION_MS | 1u << CONFIG_BYTES)
		->number;
}

bool config_bool(const struct config *c, const char *name)
{
	return typed_entry(c, name, 1u << CONFIG_BOOL)->number != 0;
}
