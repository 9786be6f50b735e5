/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of channels and their bits, in one table.
 */
#include "domain/channels.h"

static const struct {
	enum channel bit;
	struct str name;
} CHANNELS[] = {
	{ CHANNEL_EMAIL, STR_INIT("email") },
	{ CHANNEL_IN_APP, STR_INIT("in_app") },
	{ CHANNEL_LOG, STR_INIT("log") },
};

/* 0: there is no such channel. */
static unsigned channel_named(struct str name)
{
	for (size_t i = 0; i < ARRAY_SIZE(CHANNELS); i++)
		if (str_eq(name, CHANNELS[i].name))
			return CHANNELS[i].bit;
	return 0;
}

int channels_parse(const struct json_strs *in, const char *field, unsigned *ret, struct err *reterr)
{
	unsigned set = 0;

	for (size_t i = 0; i < in->n; i++) {
		unsigned bit = channel_named(in->v[i]);

		if (bit == 0)
			return err_set(reterr, &ERR_INVALID, field,
				       "a channel must be email, in_app or log");
		if (set & bit)
			return err_set(reterr, &ERR_INVALID, field,
				       "a channel must not be named twice");
		set |= bit;
	}
	if (set == 0)
		return err_set(reterr, &ERR_INVALID, field, "at least one channel is needed");
	*ret = set;
	return 0;
}

unsigned channels_read(const struct json_strs *in)
{
	unsigned set = 0;

	for (size_t i = 0; i < in->n; i++)
		set |= channel_named(in->v[i]);
	return set;
}

void channels_write_json(struct json_out *o, unsigned channels)
{
	json_begin_array(o);
	for (size_t i = 0; i < ARRAY_SIZE(CHANNELS); i++)
		if (channels & CHANNELS[i].bit)
			json_str(o, CHANNELS[i].name);
	json_end_array(o);
}
