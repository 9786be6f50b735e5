/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of one role, or of a command.
 */
#include "app/configure.h"

#include "app/options.h"
#include "configure_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

/* What `make run-all` tells scripts in .run/env; people export it, and it is nothing of ours to
 * read. */
const char *const CONFIGURE_CLIENT_VARIABLES[] = { "TODOD_URL",	 "TODOD_OPS_URL", "TODOD_MAILS_URL",
						   "TODOD_USER", "TODOD_TOKEN",	  NULL };

bool configure_tell(struct buf *mistakes)
{
	bool is_any = mistakes->n > 0 || buf_status(mistakes) < 0;

	fprintf(stderr, "%.*s", (int)mistakes->n, mistakes->n > 0 ? mistakes->p : "");
	buf_done(mistakes);
	return is_any;
}

static int read_sources(const struct arguments *a, const struct role *role, char **envp,
			struct config *config)
{
	struct buf mistakes;

	if (a->config_file != NULL)
		config_read_file(config, a->config_file);
	config_read_environ(config, envp, CONFIGURE_CLIENT_VARIABLES);
	if (arguments_configure(a, config) != EX_OK)
		return EX_USAGE;
	buf_init(&mistakes, MISTAKES_MAX_BYTES);
	if (role != NULL)
		config_check(config);
	config_mistakes(config, &mistakes);
	if (mistakes.n == 0)
		options_check(config, role, &mistakes);
	return configure_tell(&mistakes) ? EX_CONFIG : EX_OK;
}

int configure_one(const struct arguments *a, const struct role *role,
		  const struct role *const *roles, char **envp, struct configured *ret)
{
	struct configured c = { .parts = calloc(1, sizeof(*c.parts)), .n = 1 };
	struct config *config = role != NULL ? options_new(role) : options_new_all(roles);
	int r = EX_OSERR;

	if (c.parts == NULL || config == NULL) {
		fprintf(stderr, "todod: out of memory\n");
		config_free(config);
		configured_done(&c);
		return r;
	}
	c.parts[0] = (struct process_part){ role, config };
	r = read_sources(a, role, envp, config);
	if (r == EX_OK)
		*ret = c;
	else
		configured_done(&c);
	return r;
}

void configured_done(struct configured *c)
{
	for (size_t i = 0; c->parts != NULL && i < c->n; i++)
		config_free(c->parts[i].config);
	free(c->parts);
}
