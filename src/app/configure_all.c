/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of all roles of one process: what each has in its own file, over it what is
 * given for all, and then what follows from it (configure_derive.c). A key that no role knows is a
 * mistake once; so is a file in the directory that is no role's.
 */
#include "configure_private.h"

#include "app/options.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_config_file(const struct configuration *c, struct str name)
{
	for (size_t i = 0; i < c->n; i++) {
		struct str role = str_from(c->parts[i].role->name);
		if (name.n == role.n + strlen(".conf") && str_starts(name, role))
			return true;
	}
	return false;
}

/* A role that is spelled wrong would otherwise run with defaults. */
static void check_names(struct configuration *c)
{
	DIR *directory = opendir(c->directory);

	if (directory == NULL) {
		buf_printf(&c->mistakes, "%s: the directory cannot be read: %s\n", c->directory,
			   strerror(errno));
		return;
	}
	for (const struct dirent *e = readdir(directory); e != NULL; e = readdir(directory)) {
		struct str name = str_from(e->d_name);
		if (str_ends(name, STR(".conf")) && !is_config_file(c, name))
			buf_printf(&c->mistakes, "%s/%s: there is no role of this name\n",
				   c->directory, e->d_name);
	}
	closedir(directory);
}

static void read_directory(struct configuration *c)
{
	check_names(c);
	for (size_t i = 0; i < c->n; i++) {
		const struct process_part *part = &c->parts[i];
		char *path = NULL;
		if (asprintf(&path, "%s/%s.conf", c->directory, part->role->name) < 0) {
			buf_printf(&c->mistakes, "%s: out of memory\n", c->directory);
			return;
		}
		if (access(path, F_OK) == 0)
			config_read_file(part->config, path);
		free(path);
		config_mistakes(part->config, &c->mistakes);
	}
}

/* A port that is given for all can be one role's only. */
static void check_common_ports(struct configuration *c)
{
	static const char *const KEYS[] = { "http.port", "dapr.port" };

	for (size_t i = 0; i < ARRAY_SIZE(KEYS); i++) {
		if (config_place(c->common, KEYS[i]) != NULL && config_i64(c->common, KEYS[i]) > 0)
			buf_printf(&c->mistakes,
				   "%s: %s: the roles of a process cannot share a port; use "
				   "all.port, or this key in DIRECTORY/ROLE.conf\n",
				   config_place(c->common, KEYS[i]), KEYS[i]);
	}
}

static int read_sources(struct configuration *c, const struct arguments *a, char **envp)
{
	if (a->config_file != NULL && is_directory(a->config_file))
		c->directory = a->config_file;
	else if (a->config_file != NULL)
		config_read_file(c->common, a->config_file);
	config_read_environ(c->common, envp, CONFIGURE_CLIENT_VARIABLES);
	if (arguments_configure(a, c->common) != EX_OK)
		return EX_USAGE;
	config_mistakes(c->common, &c->mistakes);
	check_common_ports(c);
	if (c->directory != NULL)
		read_directory(c);
	return configure_tell(&c->mistakes) ? EX_CONFIG : EX_OK;
}

static bool is_told(const struct buf *mistakes, struct str line)
{
	return mistakes->n > 0 && line.n > 0 && memmem(mistakes->p, mistakes->n, line.p, line.n);
}

/* Each line behind the role's name; what is given for all is told once. */
static void add_mistakes(struct configuration *c, const char *role, struct str lines)
{
	struct str line;

	while (lines.n > 0 && str_split(&lines, '\n', &line)) {
		if (c->directory != NULL || !is_told(&c->mistakes, line))
			buf_printf(&c->mistakes, "%s: %.*s\n", role, STR_ARGS(line));
	}
}

static void check_part(struct configuration *c, const struct process_part *part)
{
	struct buf lines;

	buf_init(&lines, MISTAKES_MAX_BYTES);
	int n = config_check(part->config);
	config_mistakes(part->config, &lines);
	if (n == 0)
		options_check(part->config, part->role, &lines);
	add_mistakes(c, part->role->name, buf_str(&lines));
	buf_done(&lines);
}

static int make(struct configuration *c, const struct arguments *a, char **envp)
{
	int r = read_sources(c, a, envp);

	if (r != EX_OK)
		return r;
	for (size_t i = 0; i < c->n; i++)
		config_take(c->parts[i].config, c->common);
	configure_derive(c);
	for (size_t i = 0; i < c->n; i++)
		check_part(c, &c->parts[i]);
	return configure_tell(&c->mistakes) ? EX_CONFIG : EX_OK;
}

static bool init(struct configuration *c, const struct role *const *roles)
{
	buf_init(&c->mistakes, MISTAKES_MAX_BYTES);
	c->common = options_new_all(roles);
	while (roles[c->n] != NULL)
		c->n++;
	c->parts = calloc(c->n + 1, sizeof(*c->parts));
	if (c->common == NULL || c->parts == NULL)
		return false;
	for (size_t i = 0; i < c->n; i++) {
		c->parts[i] = (struct process_part){ roles[i], options_new(roles[i]) };
		if (c->parts[i].config == NULL)
			return false;
	}
	return true;
}

int configure_all(const struct arguments *a, const struct role *const *roles, char **envp,
		  struct configured *ret)
{
	struct configuration c = { .n = 0 };
	int r = EX_OSERR;

	if (init(&c, roles))
		r = make(&c, a, envp);
	else
		fprintf(stderr, "todod: out of memory\n");
	buf_done(&c.mistakes);
	config_free(c.common);
	struct configured made = { c.parts, c.n };
	if (r == EX_OK)
		*ret = made;
	else
		configured_done(&made);
	return r;
}
