/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading argv: one command word, switches, flags with a value, and configuration keys.
 */
#include "app/arguments.h"

#include <stdio.h>
#include <sysexits.h>

enum { TOKEN_TTL_S = 3600, TOKEN_TTL_MAX_S = 366 * 24 * 3600 };

const char ARGUMENTS_USAGE[] =
	"usage: todod --role=ROLE [--config=FILE] [--KEY=VALUE ...]  run a service\n"
	"       todod --role=all [--config=FILE|DIR] ...             all services in one process; DIR holds ROLE.conf\n"
	"       todod --role=ROLE --describe                         its routes and keys, as JSON\n"
	"       todod --role=ROLE --openapi                          its API, as an OpenAPI document\n"
	"       todod --role=ROLE --check-config [--config=FILE]     every mistake, else the values in force\n"
	"       todod --list-roles | --version | --help\n"
	"       todod migrate [--config=FILE]                        bring the database to this version's schema\n"
	"       todod token --user USER [--ttl SECONDS]              print a token signed with the local key\n"
	"       todod audit verify [--user USER]                     has anything been changed since it was written?\n"
	"       todod audit export --user USER                       all that is kept of a user, a line each\n"
	"       todod audit erase --user USER                        destroy the key of what is kept of a user\n"
	"       todod dlq list | show ID | replay ID | drop ID       records that a consumer could not take\n"
	"       todod parse [--dates] [--plain] [--now TIME] [--tz ZONE] [--day-first]\n"
	"                                                            the commands in lines of text, or\n"
	"                                                            the dates in them, as JSON\n"
	"\n"
	"Each KEY below is also `KEY = VALUE` in the file, and TODOD_KEY with underscores for dots in the\n"
	"environment. Flags win over the environment, and the environment over the file.\n";

static int usage_error(const char *what, struct str argument)
{
	fprintf(stderr, "todod: %s: %.*s; see todod --help\n", what, STR_ARGS(argument));
	return EX_USAGE;
}

static bool parse_switch(struct str arg, struct arguments *a)
{
	const struct {
		struct str name;
		bool *value;
	} switches[] = {
		{ STR("--help"), &a->help },
		{ STR("--version"), &a->version },
		{ STR("--list-roles"), &a->list_roles },
		{ STR("--describe"), &a->describe },
		{ STR("--openapi"), &a->openapi },
		{ STR("--check-config"), &a->check_config },
		{ STR("--plain"), &a->parse.is_plain },
		{ STR("--dates"), &a->parse.is_dates },
		{ STR("--day-first"), &a->parse.is_day_first },
	};

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		if (str_eq(arg, switches[i].name)) {
			*switches[i].value = true;
			return true;
		}
	}
	return false;
}

/* Words behind `audit` and `dlq`. */
static bool parse_word(struct str arg, struct arguments *a)
{
	bool has_id = a->command == COMMAND_DLQ;

	if ((a->command != COMMAND_AUDIT && !has_id) || str_starts(arg, STR("-")))
		return false;
	if (a->action.p == NULL)
		a->action = arg;
	else if (has_id && a->id.p == NULL)
		a->id = arg;
	else
		return false;
	return true;
}

static bool parse_command(struct str arg, struct arguments *a)
{
	if (a->command != COMMAND_NONE)
		return parse_word(arg, a);
	if (str_eq(arg, STR("migrate")))
		a->command = COMMAND_MIGRATE;
	else if (str_eq(arg, STR("token")))
		a->command = COMMAND_TOKEN;
	else if (str_eq(arg, STR("parse")))
		a->command = COMMAND_PARSE;
	else if (str_eq(arg, STR("audit")))
		a->command = COMMAND_AUDIT;
	else if (str_eq(arg, STR("dlq")))
		a->command = COMMAND_DLQ;
	return a->command != COMMAND_NONE;
}

static int parse_ttl(struct str value, struct arguments *a)
{
	if (str_parse_i64(value, &a->ttl_s) == 0 && a->ttl_s >= 1 && a->ttl_s <= TOKEN_TTL_MAX_S)
		return EX_OK;
	return usage_error("--ttl must be 1 to 31622400 seconds", value);
}

/* "--name=value". False when arg has no such form. */
static bool cut_flag(struct str arg, struct str *ret_name, struct str *ret_value)
{
	struct str rest = arg;

	if (!str_starts(arg, STR("--")) || str_find_char(arg, '=', 0) < 0)
		return false;
	str_split(&rest, '=', ret_name);
	*ret_name = (struct str){ ret_name->p + 2, ret_name->n - 2 };
	*ret_value = rest;
	return true;
}

/* The flags that are no configuration key. */
static bool is_own_flag(struct str name)
{
	static const struct str OWN[] = { STR_INIT("role"), STR_INIT("config"), STR_INIT("user"),
					  STR_INIT("ttl"),  STR_INIT("now"),	STR_INIT("tz") };

	for (size_t i = 0; i < ARRAY_SIZE(OWN); i++) {
		if (str_eq(name, OWN[i]))
			return true;
	}
	return false;
}

static int parse_own_flag(struct str name, struct str value, struct arguments *a)
{
	if (str_eq(name, STR("role")))
		a->role = value;
	else if (str_eq(name, STR("config")))
		a->config_file = value.p;
	else if (str_eq(name, STR("user")))
		a->user = value;
	else if (str_eq(name, STR("now")))
		a->parse.now = value;
	else if (str_eq(name, STR("tz")))
		a->parse.tz = value;
	else
		return parse_ttl(value, a);
	return EX_OK;
}

static int parse_flag(char **argv, int *i, struct arguments *a)
{
	struct str arg = str_from(argv[*i]), name, value;

	if (cut_flag(arg, &name, &value))
		return is_own_flag(name) ? parse_own_flag(name, value, a) : EX_OK;
	if (!str_starts(arg, STR("--")))
		return usage_error("unknown command", arg);
	name = (struct str){ arg.p + 2, arg.n - 2 };
	if (!is_own_flag(name))
		return usage_error("unknown flag, or a key without =VALUE", arg);
	if (argv[*i + 1] == NULL)
		return usage_error("a value is missing after", arg);
	return parse_own_flag(name, str_from(argv[++*i]), a);
}

static int check_action(const struct arguments *a)
{
	static const struct {
		enum command command;
		struct str action;
		bool needs_user, needs_id;
	} ACTIONS[] = {
		{ COMMAND_AUDIT, STR_INIT("verify"), false, false },
		{ COMMAND_AUDIT, STR_INIT("export"), true, false },
		{ COMMAND_AUDIT, STR_INIT("erase"), true, false },
		{ COMMAND_DLQ, STR_INIT("list"), false, false },
		{ COMMAND_DLQ, STR_INIT("show"), false, true },
		{ COMMAND_DLQ, STR_INIT("replay"), false, true },
		{ COMMAND_DLQ, STR_INIT("drop"), false, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ACTIONS); i++) {
		if (ACTIONS[i].command != a->command || !str_eq(ACTIONS[i].action, a->action))
			continue;
		if (ACTIONS[i].needs_user && a->user.p == NULL)
			return usage_error("a user is needed", STR("--user USER"));
		if (ACTIONS[i].needs_id != (a->id.p != NULL))
			return usage_error(ACTIONS[i].needs_id ? "an ID is needed" : "takes no ID",
					   ACTIONS[i].action);
		return EX_OK;
	}
	return usage_error(a->command == COMMAND_AUDIT
				   ? "audit needs one of verify, export, erase"
				   : "dlq needs one of list, show, replay, drop",
			   a->action);
}

static int check_command(const struct arguments *a)
{
	if (a->role.p != NULL)
		return usage_error("a command takes no role", a->role);
	if (a->command == COMMAND_TOKEN && a->user.p == NULL)
		return usage_error("a user is needed", STR("--user USER"));
	if (a->command == COMMAND_AUDIT || a->command == COMMAND_DLQ)
		return check_action(a);
	return EX_OK;
}

static int check(const struct arguments *a)
{
	if (a->help || a->version || a->list_roles)
		return EX_OK;
	if (a->role.p == NULL && a->command == COMMAND_NONE && !a->check_config) {
		fprintf(stderr, "todod: nothing to do: name a role or a command\n%s",
			ARGUMENTS_USAGE);
		return EX_USAGE;
	}
	if (a->role.p == NULL && (a->describe || a->openapi))
		return usage_error("a role is needed", STR("--role=ROLE"));
	return a->command == COMMAND_NONE ? EX_OK : check_command(a);
}

int arguments_parse(int argc, char **argv, struct arguments *ret)
{
	struct arguments a = { .argv = argv, .ttl_s = TOKEN_TTL_S };

	for (int i = 1; i < argc; i++) {
		struct str arg = str_from(argv[i]);
		if (parse_switch(arg, &a) || parse_command(arg, &a))
			continue;
		int r = parse_flag(argv, &i, &a);
		if (r != EX_OK)
			return r;
	}
	int r = check(&a);
	if (r == EX_OK)
		*ret = a;
	return r;
}

int arguments_configure(const struct arguments *a, struct config *config)
{
	struct str name, value;

	for (char **arg = a->argv + 1; *arg != NULL; arg++) {
		if (!cut_flag(str_from(*arg), &name, &value) || is_own_flag(name))
			continue;
		if (!config_has(config, name))
			return usage_error("unknown flag", str_from(*arg));
		config_set(config, name, value, CONFIG_COMMAND_LINE);
	}
	return EX_OK;
}
