/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of words, and the small things a few words can be: a number, a priority, a length of time.
 * A set is a line of alternatives; a capital letter in it stands for a group below.
 */
#include "rules_private.h"

static const char *const GROUPS['Z' - 'A' + 1] = {
	['A' - 'A'] = "a|an|the|my|this|that|these|those|another|new|our|one|some|your",
	['B' - 'A'] = "is|are|was|were",
	['D' - 'A'] = "done|complete|completed|finished|finish|over|checked",
	['I' - 'A'] = "it|that|this|them|these|those",
	['L' - 'A'] = "list|lists|todo|todos|tasks|agenda|todolist",
	['P' - 'A'] =
		"pending|open|incomplete|undone|unfinished|active|outstanding|todo|uncompleted|remaining|unchecked",
	['T' - 'A'] =
		"task|tasks|todo|todos|item|items|chore|chores|tsk|taks|tasl|tassk|taskk|entry",
};

static const char CHORES[] =
	"arrange|back|backup|bake|bring|buy|call|change|charge|check|clean|collect|cook|defrost|deposit|donate|"
	"draft|drop|dust|email|empty|exercise|feed|file|fill|finalize|finish|fix|fold|get|grab|"
	"hang|hoover|install|iron|mail|meditate|mop|mow|organize|pack|paint|pay|phone|pick|plan|plant|"
	"polish|post|practice|practise|prepare|print|prune|purchase|rake|renew|repair|replace|return|"
	"review|scan|schedule|scrub|send|sharpen|shop|shred|sign|sort|stretch|study|submit|sweep|take|"
	"text|tidy|trim|update|upload|vacuum|visit|walk|wash|water|weed|wipe|workout|wrap|write|meet|"
	"floss|jog|run|refill|reply|register|cancel|book|order|read";

/* What other programs keep: "delete my account" is not about tasks. */
static const char FOREIGN[] =
	"account|accounts|alarm|alarms|album|app|apps|calendar|card|channel|chat|chats|contact|contacts|"
	"conversation|cookies|email|emails|event|events|facebook|file|files|flight|folder|game|history|"
	"hotel|image|images|instagram|mail|mails|membership|message|messages|movie|music|order|photo|photos|"
	"picture|pictures|playlist|playlists|podcast|policy|reservation|song|songs|subscription|subscriptions|"
	"timer|timers|twitter|video|videos|visa|volume|light|lights|lamp|voicemail|voicemails|user|users|"
	"database|table|ringtone|bluetooth|wifi|uber|taxi|trip|booking|ticket|tickets|account's|stain|stains|"
	"chromecast|pin|channel|accent|password|settings|language|browser|cache|garage|weather|traffic|door|math|"
	"playlist|favorites|favourites|cart|basket|library|queue|wishlist|memory|cursor|volume|heating|tv|radio|insurance|payment|transfer|transaction|credit|recipe|screenshot";

static const char COMMAND_WORDS[] =
	"delete|remove|complete|completed|reschedule|reminder|remind|rename|postpone|priority|tasks|"
	"create|reopen|cancel|finished|overdue|pending|forget|change|update|remember|history";

static size_t alternative_length(const char *p)
{
	size_t n = 0;

	while (p[n] && p[n] != '|' && p[n] != ' ' && p[n] != '?')
		n++;
	return n;
}

bool rules_in(struct str w, const char *p)
{
	if (!w.n)
		return false;
	for (;;) {
		size_t n = alternative_length(p);
		if (n == 1 && *p >= 'A' && *p <= 'Z') {
			if (rules_in(w, GROUPS[*p - 'A']))
				return true;
		} else if (n == w.n && *p == *w.p && !memcmp(p, w.p, n))
			return true;
		if (p[n] != '|')
			return false;
		p += n + 1;
	}
}

bool rules_is(const struct rules_text *t, size_t i, const char *alternatives)
{
	return rules_in(t->words[i].folded, alternatives);
}

static const struct {
	const char *word;
	int64_t n;
} NUMBERS[] = {
	{ "a", 1 },	     { "an", 1 },	{ "one", 1 },	  { "two", 2 },
	{ "three", 3 },	     { "four", 4 },	{ "five", 5 },	  { "six", 6 },
	{ "seven", 7 },	     { "eight", 8 },	{ "nine", 9 },	  { "ten", 10 },
	{ "twelve", 12 },    { "fifteen", 15 }, { "twenty", 20 }, { "thirty", 30 },
	{ "fortyfive", 45 }, { "sixty", 60 },	{ "ninety", 90 },
};

bool rules_number(struct str w, int64_t *ret)
{
	if (w.n && *w.p == '#')
		w = (struct str){ w.p + 1, w.n - 1 };
	if (w.n && w.n < 19 && *w.p >= '0' && *w.p <= '9')
		return str_parse_i64(w, ret) == 0;
	for (size_t i = 2; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++)
		if (str_eq(w, str_from(NUMBERS[i].word))) {
			*ret = NUMBERS[i].n;
			return true;
		}
	return false;
}

static const struct {
	const char *words;
	enum task_priority priority;
} PRIORITIES[] = {
	{ "low|lowest|minor|lowpriority|lowprio", TASK_LOW },
	{ "medium|normal|med|moderate|mediumpriority|regular|standard", TASK_MEDIUM },
	{ "high|higher|important|highpriority|highprio|hi", TASK_HIGH },
	{ "urgent|critical|highest|top|toppriority|asap|maximum", TASK_URGENT },
};

static const struct {
	const char *words;
	enum task_priority priority;
} MARKS[] = {
	{ "p1|!urgent|!critical|!1|!p1", TASK_URGENT },
	{ "p2|!high|!important|!2|!p2", TASK_HIGH },
	{ "p3|!medium|!med|!normal|!3|!p3", TASK_MEDIUM },
	{ "p4|!low|!4|!p4", TASK_LOW },
};

/* "high", "high priority", "priority high", "p1", "!high": how many words, 0 for none. */
size_t rules_priority(const struct rules_text *t, struct rules_range at, enum task_priority *ret)
{
	size_t i = at.from;

	if (i >= at.to)
		return 0;
	for (size_t k = 0; k < 4; k++)
		if (rules_is(t, i, MARKS[k].words)) {
			*ret = MARKS[k].priority;
			return 1;
		}
	if (i + 1 < at.to && rules_is(t, i, "priority|prio"))
		i += i + 2 < at.to && rules_is(t, i + 1, "of|is|to|level|very") ? 2 : 1;
	i += i + 1 < at.to && rules_is(t, i, "very|super|really|more|less|the");
	for (size_t k = 0; k < 4; k++)
		if (rules_is(t, i, PRIORITIES[k].words)) {
			*ret = PRIORITIES[k].priority;
			i++;
			i += i < at.to && rules_is(t, i, "priority|prio|importance|urgency");
			return i - at.from;
		}
	return 0;
}

static char unit_of(struct str w)
{
	static const struct {
		const char *words;
		char unit;
	} UNITS[] = {
		{ "minute|minutes|min|mins|m", 'm' },
		{ "hour|hours|hr|hrs|h", 'H' },
		{ "day|days|d", 'D' },
		{ "week|weeks|wk|wks|w", 'W' },
		{ "month|months|mo", 'M' },
		{ "year|years|yr|yrs", 'Y' },
	};

	for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++)
		if (rules_in(w, UNITS[i].words))
			return UNITS[i].unit;
	return 0;
}

/* "30min": digits with the unit at once. */
static bool joined_length(struct str w, int64_t *ret_n, char *ret_unit)
{
	size_t n = 0;

	while (n < w.n && w.p[n] >= '0' && w.p[n] <= '9')
		n++;
	if (!n || n > 6 || n == w.n)
		return false;
	*ret_unit = unit_of((struct str){ w.p + n, w.n - n });
	return *ret_unit && str_parse_i64((struct str){ w.p, n }, ret_n) == 0;
}

/* "two", "a", "a couple of", "a few": how many words, 0 for none. */
static size_t count_words(const struct rules_text *t, struct rules_range at, int64_t *ret)
{
	size_t i = at.from;

	if (i + 2 < at.to && rules_is(t, i, "a") && rules_is(t, i + 1, "couple|few")) {
		*ret = rules_is(t, i + 1, "couple") ? 2 : 3;
		return rules_is(t, i + 2, "of") ? 3 : 2;
	}
	*ret = 1;
	return rules_is(t, i, "a|an|another") || rules_number(t->words[i].folded, ret) ? 1 : 0;
}

/* "two days", "a week", "half an hour", "30min": how many words, 0 for none. */
size_t rules_length(const struct rules_text *t, struct rules_range at, int64_t *ret_n,
		    char *ret_unit)
{
	size_t i = at.from, words;
	int64_t n;
	char unit;

	if (i >= at.to)
		return 0;
	if (joined_length(t->words[i].folded, ret_n, ret_unit))
		return 1;
	if (i + 2 < at.to && rules_is(t, i, "half") && rules_is(t, i + 1, "a|an") &&
	    unit_of(t->words[i + 2].folded) == 'H') {
		*ret_n = 30;
		*ret_unit = 'm';
		return 3;
	}
	words = count_words(t, at, &n);
	if (!words || i + words >= at.to || n > 1000000)
		return 0;
	unit = unit_of(t->words[i + words].folded);
	if (!unit)
		return 0;
	*ret_n = n;
	*ret_unit = unit;
	return words + 1;
}

bool rules_chore(const struct rules_text *t, size_t i)
{
	return rules_is(t, i, CHORES);
}

bool rules_foreign(const struct rules_text *t, struct rules_range at)
{
	bool foreign = false;

	for (size_t i = at.from; i < at.to; i++) {
		if (rules_is(t, i, "T|reminder|reminders"))
			return false;
		foreign |= rules_is(t, i, FOREIGN);
	}
	return foreign;
}

bool rules_determiner(const struct rules_text *t, size_t i)
{
	return rules_is(
		t, i,
		"the|my|a|an|our|his|her|their|your|this|that|whole|of|about|from|vs|and|or|"
		"until|since|no");
}

static bool one_slip(struct str a, struct str b) /* a is as long as b, or one longer */
{
	size_t i = 0, end = 0;

	while (i < b.n && a.p[i] == b.p[i])
		i++;
	while (end < b.n - i && a.p[a.n - 1 - end] == b.p[b.n - 1 - end])
		end++;
	if (a.n > b.n)
		return i + end >= b.n;
	return i + end + 1 >= b.n ||
	       (i + end + 2 == b.n && a.p[i] == b.p[i + 1] && a.p[i + 1] == b.p[i]);
}

struct str rules_correct(struct str w)
{
	if (w.n < 4 || w.n > 12)
		return w;
	for (const char *p = COMMAND_WORDS; *p;) {
		struct str word = { p, alternative_length(p) };
		p += word.n + (p[word.n] == '|');
		if (word.n < 5 || *word.p != *w.p)
			continue;
		if ((w.n == word.n || w.n == word.n + 1) ? one_slip(w, word)
							 : w.n + 1 == word.n && one_slip(word, w))
			return word;
	}
	return w;
}
