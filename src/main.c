/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: what is asked for, with which configuration. Everything else is in the layers.
 */
#include "app/app.h"
#include "app/arguments.h"
#include "app/command.h"
#include "app/openapi.h"
#include "app/options.h"
#include "base/hash.h"
#include "base/version.h"
#include "roles/roles.h"

#include <stdio.h>
#include <sysexits.h>

enum { OUTPUT_MAX = 4 * 1024 * 1024 };

static int print_buf(struct buf *out, FILE *to)
{
	bool is_whole = buf_status(out) == 0 &&
			(out->n == 0 || fwrite(out->p, 1, out->n, to) == out->n) && fflush(to) == 0;

	buf_done(out);
	return is_whole ? EX_OK : EX_IOERR;
}

static int list_roles(void)
{
	for (size_t i = 0; ROLES[i] != NULL; i++)
		printf("%s\t%s\n", ROLES[i]->name, ROLES[i]->summary);
	return EX_OK;
}

static int unknown_role(struct str name)
{
	fprintf(stderr, "todod: there is no role \"%.*s\"; the roles are:", STR_ARGS(name));
	for (size_t i = 0; ROLES[i] != NULL; i++)
		fprintf(stderr, " %s", ROLES[i]->name);
	fprintf(stderr, "\n");
	return EX_USAGE;
}

static int print_help(const struct config *config)
{
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	buf_printf(&out, "%s\n", ARGUMENTS_USAGE);
	config_help(config, &out);
	return print_buf(&out, stdout);
}

static int print_document(const struct role *role, void (*write)(const struct role *, struct buf *))
{
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	write(role, &out);
	buf_append_char(&out, '\n');
	return print_buf(&out, stdout);
}

/* What `make run-all` tells scripts in .run/env; people export it, and it is nothing of ours to
 * read. */
static const char *const CLIENT_VARIABLES[] = { "TODOD_URL",  "TODOD_OPS_URL", "TODOD_MAILS_URL",
						"TODOD_USER", "TODOD_TOKEN",   NULL };

/* Defaults, file, environment, flags; every mistake on standard error. EX_OK, EX_USAGE, EX_CONFIG.
 */
static int configure(struct config *config, const struct arguments *a, const struct role *role,
		     char **envp)
{
	struct buf mistakes;
	int n = 0;

	if (a->config_file != NULL)
		config_read_file(config, a->config_file);
	config_read_environ(config, envp, CLIENT_VARIABLES);
	if (arguments_configure(a, config) != EX_OK)
		return EX_USAGE;
	buf_init(&mistakes, OUTPUT_MAX);
	n = config_check(config);
	config_mistakes(config, &mistakes);
	if (n == 0)
		n = options_check(config, role, &mistakes);
	print_buf(&mistakes, stderr);
	return n == 0 ? EX_OK : EX_CONFIG;
}

static int run(const struct arguments *a, const struct role *role, struct config *config,
	       char **envp)
{
	struct buf out;

	int r = configure(config, a, role, envp);
	if (r != EX_OK)
		return r;
	if (a->check_config) {
		buf_init(&out, OUTPUT_MAX);
		config_print(config, &out);
		return print_buf(&out, stdout);
	}
	if (a->command != COMMAND_NONE)
		return command_run(a, config);
	return app_run(role, config);
}

static int command_line(int argc, char **argv, char **envp)
{
	struct arguments a;

	int r = arguments_parse(argc, argv, &a);
	if (r != EX_OK)
		return r;
	if (a.version)
		return printf("todod %s\n", TODOD_VERSION) > 0 ? EX_OK : EX_IOERR;
	if (a.list_roles)
		return list_roles();
	const struct role *role = a.role.p != NULL ? role_find(a.role) : NULL;
	if (a.role.p != NULL && role == NULL)
		return unknown_role(a.role);
	if (a.command == COMMAND_PARSE)
		return command_parse(&a.parse, stdin, stdout);
	if (a.describe || a.openapi)
		return print_document(role, a.describe ? role_describe : openapi_write);

	struct config *config = options_new(role);
	if (config == NULL || hash_init() < 0) {
		fprintf(stderr, "todod: out of memory\n");
		return EX_OSERR;
	}
	r = a.help ? print_help(config) : run(&a, role, config, envp);
	config_free(config);
	return r;
}

/* What could not be written is not "ok", even when all else was. */
int main(int argc, char **argv, char **envp)
{
	int r = command_line(argc, argv, envp);

	if ((fflush(stdout) != 0 || ferror(stdout)) && r == EX_OK) {
		fprintf(stderr, "todod: the output could not be written\n");
		r = EX_IOERR;
	}
	return r;
}
