/* SPDX-License-Identifier: MIT */
/*
 * What follows from the settings together: the names of files, and what two
 * keys must not say at once.
 */
#include "conf/setting.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* NAME_MAX, and what <worker>_<pid>_<unix nanoseconds> may take of it; a dot
 * in front of a temporary file is in it too. */
#define FILE_NAME_MAX 255
#define FILE_NAME_MIDDLE 60

static void problem_of(struct config_loader *load, int i, const char *text)
{
	const struct setting *set = &config_settings[i];
	char name[64];

	snprintf(name, sizeof(name), "%s.%s", set->section, set->key);
	config_problem(load, load->line[i], name, "%s", text);
}

/* --- names --------------------------------------------------------------- */

/* What may come from outside, as a part of a file name. */
static void clean(char *text)
{
	for (; *text; text++)
		if (*text == '/' || iscntrl((unsigned char)*text))
			*text = '_';
}

static char *instance_name(const char *file)
{
	const char *base;
	char *name;
	size_t len;

	if (!file)
		return strdup("bufwriter");
	base = strrchr(file, '/');
	name = strdup(base ? base + 1 : file);
	if (!name)
		return NULL;
	clean(name);
	len = strlen(name);
	if (len > 4 && strcmp(name + len - 4, ".ini") == 0)
		name[len - 4] = '\0';
	return name;
}

static void host_name(char *out, size_t room)
{
	if (gethostname(out, room) < 0)
		snprintf(out, room, "localhost");
	out[room - 1] = '\0';
	clean(out);
}

/*
 * Replaces the % words of a prefix or suffix.  NULL after a report or without
 * memory.
 */
static char *expand(struct config_loader *load, int i, const char *host)
{
	const char *from = *setting_text(&config_settings[i], load->cfg);
	const char *word;
	char *out = NULL;
	char why[128];
	size_t size;
	FILE *to = open_memstream(&out, &size);

	if (!to) {
		load->nomem = 1;
		return NULL;
	}
	for (; *from; from++) {
		if (*from != '%') {
			fputc(*from, to);
			continue;
		}
		from++;
		word = *from == 'H' ? host :
		       *from == 'i' ? load->cfg->instance :
		       *from == '%' ? "%" :
				      NULL;
		if (!word) {
			snprintf(why, sizeof(why),
				 "\"%%%.1s\" is unknown; allowed: %%H host "
				 "name, %%i instance, %%%% a percent sign",
				 from);
			problem_of(load, i, why);
			fclose(to);
			free(out);
			return NULL;
		}
		fputs(word, to);
	}
	if (fclose(to) != 0) {
		load->nomem = 1;
		free(out);
		return NULL;
	}
	return out;
}

static void derive_names(struct config_loader *load)
{
	struct config *cfg = load->cfg;
	char host[256];
	char why[256];
	size_t prefix;
	size_t suffix;

	host_name(host, sizeof(host));
	cfg->prefix = expand(load, SETTING_files_prefix, host);
	cfg->suffix = expand(load, SETTING_files_suffix, host);
	if (!cfg->prefix || !cfg->suffix)
		return;
	if (cfg->prefix[0] == '.') {
		snprintf(why, sizeof(why),
			 "\"%.60s\" begins with a dot, and dot files are "
			 "temporary; allowed: any other beginning",
			 cfg->prefix);
		problem_of(load, SETTING_files_prefix, why);
	}
	prefix = strlen(cfg->prefix);
	suffix = strlen(cfg->suffix);
	if (prefix + suffix + FILE_NAME_MIDDLE <= FILE_NAME_MAX)
		return;
	snprintf(why, sizeof(why),
		 "prefix and suffix have %zu bytes together when their %% "
		 "words are replaced; allowed: %d",
		 prefix + suffix, FILE_NAME_MAX - FILE_NAME_MIDDLE);
	problem_of(load,
		   prefix >= suffix ? SETTING_files_prefix :
				      SETTING_files_suffix,
		   why);
}

/* --- paths --------------------------------------------------------------- */

/* The next component of a path, without empty ones and dots. */
static const char *component(const char *path, size_t *len)
{
	for (;;) {
		path += strspn(path, "/");
		*len = strcspn(path, "/");
		if (*len != 1 || *path != '.')
			return path;
		path++;
	}
}

static int same_path(const char *a, const char *b)
{
	size_t na;
	size_t nb;

	for (;;) {
		a = component(a, &na);
		b = component(b, &nb);
		if (na != nb || strncmp(a, b, na) != 0)
			return 0;
		if (na == 0)
			return 1;
		a += na;
		b += nb;
	}
}

/*
 * No two paths may be one: a daemon that binds its socket over its state, or
 * fills the directory of complete files with others, would do so silently.
 * The report goes to the key that was given, if only one of them was.
 */
static void check_paths(struct config_loader *load)
{
	const struct setting *set = config_settings;
	char why[512];

	for (int i = 0; i < SETTINGS; i++) {
		const char *path;

		if (set[i].type != TYPE_PATH && set[i].type != TYPE_SOCKET)
			continue;
		path = *setting_text(&set[i], load->cfg);
		for (int j = 0; *path && j < i; j++) {
			int at = load->line[i] ? i : j;
			int other = at == i ? j : i;

			if ((set[j].type != TYPE_PATH &&
			     set[j].type != TYPE_SOCKET) ||
			    !same_path(path, *setting_text(&set[j], load->cfg)))
				continue;
			snprintf(why, sizeof(why),
				 "\"%.100s\" is %s.%s too; allowed: a path of "
				 "its own",
				 path, set[other].section, set[other].key);
			problem_of(load, at, why);
		}
	}
}

static char *temp_path(const struct config *cfg)
{
	char *path;

	if (*cfg->files_temp)
		return strdup(cfg->files_temp);
	return asprintf(&path, "%s/.tmp", cfg->files_path) < 0 ? NULL : path;
}

void config_derive(struct config_loader *load)
{
	struct config *cfg = load->cfg;

	cfg->instance = instance_name(load->file);
	cfg->temp = temp_path(cfg);
	if (load->file)
		cfg->file = strdup(load->file);
	if (!cfg->instance || !cfg->temp || (load->file && !cfg->file)) {
		load->nomem = 1;
		return;
	}
	derive_names(load);
	check_paths(load);
}
