/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: what is asked for, with which configuration. Everything else is in the layers.
 */
#include "app/arguments.h"
#include "app/command.h"
#include "app/configure.h"
#include "app/openapi.h"
#include "app/options.h"
#include "app/process.h"
#include "base/hash.h"
#include "base/version.h"
#include "roles/roles.h"

#include <stdio.h>
#include <sysexits.h>

#define ALL "all" /* --role=all: every role, in one process */

enum { OUTPUT_MAX = 4 * 1024 * 1024 };

static int print_buf(struct buf *out)
{
	bool is_whole = buf_status(out) == 0 &&
			(out->n == 0 || fwrite(out->p, 1, out->n, stdout) == out->n) &&
			fflush(stdout) == 0;

	buf_done(out);
	return is_whole ? EX_OK : EX_IOERR;
}

static int no_memory(void)
{
	fprintf(stderr, "todod: out of memory\n");
	return EX_OSERR;
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
	fprintf(stderr, "; `%s` runs them in one process\n", ALL);
	return EX_USAGE;
}

/* role NULL: of no role, or of all. */
static int print_help(const struct role *role, bool is_all)
{
	struct config *config = is_all ? options_new_all(ROLES) : options_new(role);
	struct buf out;

	if (config == NULL)
		return no_memory();
	buf_init(&out, OUTPUT_MAX);
	buf_printf(&out, "%s\n", ARGUMENTS_USAGE);
	config_help(config, &out);
	config_free(config);
	return print_buf(&out);
}

static int print_document(const struct role *role, bool is_description)
{
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	if (is_description && role == NULL)
		roles_describe(ALL, ROLES, &out);
	else if (is_description)
		role_describe(role, &out);
	else
		openapi_write(role, &out);
	buf_append_char(&out, '\n');
	return print_buf(&out);
}

static int print_config(const struct configured *c)
{
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	for (size_t i = 0; i < c->n; i++) {
		if (c->n > 1)
			buf_printf(&out, "# %s\n", c->parts[i].role->name);
		config_print(c->parts[i].config, &out);
	}
	return print_buf(&out);
}

/* role NULL: a command, or all roles. */
static int run(const struct arguments *a, const struct role *role, bool is_all, char **envp)
{
	struct configured c = { .n = 0 };
	int r = is_all ? configure_all(a, ROLES, envp, &c)
		       : configure_one(a, role, ROLES, envp, &c);

	if (r == EX_OK && a->check_config)
		r = print_config(&c);
	else if (r == EX_OK && a->command != COMMAND_NONE)
		r = command_run(a, c.parts[0].config);
	else if (r == EX_OK)
		r = process_run(role != NULL ? role->name : ALL, c.parts, c.n);
	configured_done(&c);
	return r;
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
	bool is_all = str_eq(a.role, STR(ALL));
	const struct role *role = a.role.p != NULL ? role_find(a.role) : NULL;
	if (a.role.p != NULL && role == NULL && (!is_all || a.openapi))
		return unknown_role(a.role);
	if (a.command == COMMAND_PARSE)
		return command_parse(&a.parse, stdin, stdout);
	if (a.describe || a.openapi)
		return print_document(role, a.describe);
	if (a.help)
		return print_help(role, is_all);
	return hash_init() < 0 ? no_memory() : run(&a, role, is_all, envp);
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
