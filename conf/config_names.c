/* SPDX-License-Identifier: MIT */
/*
 * No two settings may lead to the same file.  Otherwise a daemon could bind its
 * socket over its state region, truncate the region as a temporary file, or mix
 * other files with the complete ones, and say nothing.  Nor may one path be
 * below another: a shipper takes what is below files.path, and nothing can be
 * below a file.
 *
 * Two texts can be one file: by dots and slashes, and by symbolic links on the
 * way, such as /var/run.
 */
#include "conf/config_names.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One for each setting that is a path, and those that add_derived() adds. */
#define NAMES_MAX (40 + 3 * CONFIG_ALSO_MOST)

struct name {
	const struct setting *set; /* it belongs to, or NULL: the settings file */
	char *path;
	bool derived;  /* the setting's own text is another path */
	bool numbered; /* any number may follow */
};

/* What one path is to another. */
enum relation { APART, SAME, BELOW, ABOVE };

struct names {
	struct loader *load;
	unsigned n;
	struct name name[NAMES_MAX];
};

/* --- the list ------------------------------------------------------------ */

__attribute__((format(printf, 3, 4))) static struct name *
add(struct names *names, const struct setting *set, const char *fmt, ...)
{
	struct name *name = &names->name[names->n];
	va_list ap;

	va_start(ap, fmt);
	if (names->n == NAMES_MAX || vasprintf(&name->path, fmt, ap) < 0) {
		names->load->out_of_memory = true;
		names->n -= names->n == NAMES_MAX;
		name = &names->name[names->n];
		name->path = NULL;
	}
	va_end(ap);
	names->n++;
	name->set = set;
	name->derived = true;
	return name;
}

static void add_settings(struct names *names)
{
	const struct setting *set;
	const char *path;

	for (set = setting_table; set < setting_table + SETTINGS; set++) {
		if (!value_is_path(set->type))
			continue;
		path = setting_text(set, names->load->cfg);
		if (*path)
			add(names, set, "%s", path)->derived = false;
	}
}

/* As intake/limits.c and the library do. */
static void add_limits(struct names *names, const struct setting *set,
		       const char *path)
{
	const char *base = strrchr(path, '/');
	size_t len = strlen(path);
	bool is_sock = base && strlen(base) > 6 &&
		       !strcmp(path + len - 5, ".sock");
	int keep = (int)(is_sock ? len - 5 : len);
	const char *end = is_sock ? "/limits" : ".limits";

	add(names, set, "%.*s%s", keep, path, end);
	add(names, set, "%.*s%s.new", keep, path, end);
}

/* The daemon makes a link for each socket. */
static void add_sockets(struct names *names)
{
	const struct setting *also = &setting_table[SETTING_socket_also];
	const struct config *cfg = names->load->cfg;
	const char *at = cfg->socket_also;
	char path[VALUE_SOCKET_PATH];

	add_limits(names, &setting_table[SETTING_socket_path],
		   cfg->socket_path);
	while (value_next_path(&at, path)) {
		add(names, also, "%s", path)->derived = false;
		add_limits(names, also, path);
	}
}

/* `bufwriter ship` says there how it is, see client/ship/news.c. */
static void add_news(struct names *names)
{
	const struct setting *control = &setting_table[SETTING_control_path];
	const char *path = names->load->cfg->control_path;
	const char *base = strrchr(path, '/');
	int len = base ? (int)(base - path) : 0;

	if (!base)
		return;
	add(names, control, "%.*s/ship.prom", len, path);
	add(names, control, "%.*s/ship.prom.new", len, path);
}

static void add_derived(struct names *names)
{
	const struct setting *state = &setting_table[SETTING_state_path];
	const struct setting *metrics =
		&setting_table[SETTING_control_metrics_file];
	const struct setting *ship = &setting_table[SETTING_ship_metrics_file];
	const struct config *cfg = names->load->cfg;
	const char *file = names->load->problems.file;

	add_sockets(names);
	add_news(names);
	if (!cfg->lanes_path[0])
		add(names, &setting_table[SETTING_socket_path], "%s",
		    cfg->lanes);
	if (!cfg->files_temp[0])
		add(names, &setting_table[SETTING_files_path], "%s", cfg->temp);
	if (cfg->state_path[0]) {
		add(names, state, "%s.lock", cfg->state_path);
		add(names, state, "%s.new", cfg->state_path);
		add(names, state, "%s.bad-", cfg->state_path)->numbered = true;
	}
	if (cfg->control_metrics_file[0])
		add(names, metrics, "%s.new", cfg->control_metrics_file);
	if (cfg->ship_metrics_file[0])
		add(names, ship, "%s.new", cfg->ship_metrics_file);
	/* A relative one is below a directory that nobody knows here. */
	if (file && *file == '/')
		add(names, NULL, "%s", file);
}

/* --- the same file ------------------------------------------------------- */

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

static bool same_text(const char *a, const char *b)
{
	size_t na;
	size_t nb;

	for (;;) {
		a = component(a, &na);
		b = component(b, &nb);
		if (na != nb || strncmp(a, b, na))
			return false;
		if (na == 0)
			return true;
		a += na;
		b += nb;
	}
}

/* Copies the path without its last component; returns where that begins. */
static const char *split(char dir[PATH_MAX], const char *path)
{
	const char *last = path;
	const char *at = path;
	size_t len;

	for (at = component(at, &len); len; at = component(at + len, &len))
		last = at;
	snprintf(dir, PATH_MAX, "%.*s", (int)(last - path), path);
	return last;
}

/* The last components are the same, and the directories are one. */
static bool same_directory(const char *a, const char *b)
{
	char in_a[PATH_MAX], in_b[PATH_MAX];
	struct stat sa, sb;

	return same_text(split(in_a, a), split(in_b, b)) && !stat(in_a, &sa) &&
	       !stat(in_b, &sb) && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

static bool same_file(const char *a, const char *b)
{
	return same_text(a, b) || same_directory(a, b);
}

/* The path without the digits at its end is that of the numbered name. */
static bool is_number_of(const struct name *numbered, const char *path)
{
	size_t len = strlen(path);
	char *text;
	bool same;

	if (!isdigit((unsigned char)path[len - 1]))
		return false;
	while (len && isdigit((unsigned char)path[len - 1]))
		len--;
	text = strndup(path, len);
	same = text && same_file(text, numbered->path);
	free(text);
	return same;
}

/* The path is another name of this directory. */
static bool is_directory(const struct stat *dir, const char *path)
{
	struct stat st;

	return !stat(path, &st) && dir->st_dev == st.st_dev &&
	       dir->st_ino == st.st_ino;
}

/* The component at the end of this path goes back up. */
static bool is_dotdot(const char *last)
{
	size_t len;

	last = component(last, &len);
	return len == 2 && !strncmp(last, "..", 2);
}

static bool is_below(const char *path, const char *dir)
{
	char up[PATH_MAX], from[PATH_MAX];
	unsigned skip = 0; /* directories that .. leaves again */
	struct stat st;
	bool exists = !stat(dir, &st) && S_ISDIR(st.st_mode);
	const char *last;

	for (snprintf(from, sizeof(from), "%s", path); !same_text(from, "/");
	     strcpy(from, up)) {
		last = split(up, from);
		if (is_dotdot(last))
			skip++;
		else if (skip)
			skip--;
		if (!skip &&
		    (same_file(up, dir) || (exists && is_directory(&st, up))))
			return true;
	}
	return false;
}

/* One of these may be below the other: see files.temp in the manual. */
static bool is_files(const struct name *name)
{
	return name->set == &setting_table[SETTING_files_path] ||
	       name->set == &setting_table[SETTING_files_temp];
}

static enum relation relate(const struct name *a, const struct name *b)
{
	if (a->set == b->set && (a->derived || b->derived))
		return APART;
	if (a->numbered || b->numbered)
		return is_number_of(a->numbered ? a : b,
				    a->numbered ? b->path : a->path) ?
			       SAME :
			       APART;
	if (same_file(a->path, b->path))
		return SAME;
	if (is_files(a) && is_files(b))
		return APART;
	if (is_below(a->path, b->path))
		return BELOW;
	return is_below(b->path, a->path) ? ABOVE : APART;
}

/* --- the report ---------------------------------------------------------- */

static bool is_given(const struct loader *load, const struct name *name)
{
	return name->set && loader_line(load, name->set);
}

/* The other name, as the end of a sentence. */
static void describe(const struct name *other, enum relation relation,
		     char out[256])
{
	if (!other->set)
		snprintf(out, 256, "the settings file");
	else if (!other->derived)
		snprintf(out, 256, "%s", other->set->name);
	else if (relation == SAME)
		snprintf(out, 256, "what the daemon makes for %s",
			 other->set->name);
	else
		snprintf(out, 256, "\"%.100s\", which the daemon makes for %s",
			 other->path, other->set->name);
}

/*
 * Reports what path a is to path b, at a setting that was given, and at the one
 * that says the path itself if there is a choice.
 */
static void report(struct loader *load, const struct name *a,
		   const struct name *b, enum relation relation)
{
	static const char *const words[] = {
		[SAME] = "also",
		[BELOW] = "below",
		[ABOVE] = "above",
	};
	bool at_a = is_given(load, a) &&
		    (!is_given(load, b) || (b->derived && !a->derived));
	const struct name *at = at_a || !b->set ? a : b;
	const struct name *other = at == a ? b : a;
	char said[256], why[640];

	if (at == b && relation != SAME)
		relation = relation == BELOW ? ABOVE : BELOW;
	describe(other, relation, said);
	snprintf(why, sizeof(why),
		 "%s\"%.100s\"%s is %s %s; allowed: a path that no other "
		 "setting names%s",
		 at->derived ? "the daemon makes " : "", at->path,
		 at->derived ? " for it, which" : "", words[relation], said,
		 relation == SAME ? "" : ", and none above or below it");
	loader_problem(load, at->set, why);
}

static bool same_settings(const struct name *a, const struct name *b,
			  const struct name *c, const struct name *d)
{
	return (a->set == c->set && b->set == d->set) ||
	       (a->set == d->set && b->set == c->set);
}

/* Two settings clash once, however many names they have. */
static bool is_first(const struct names *names, const struct name *a,
		     const struct name *b)
{
	const struct name *c, *d;

	for (d = names->name; d <= b; d++)
		for (c = names->name; c < d; c++)
			if (same_settings(a, b, c, d) && relate(c, d) != APART)
				return c == a && d == b;
	return true;
}

void config_names_check(struct loader *load)
{
	struct names names = { .load = load };
	struct name *a, *b;
	enum relation relation;

	add_settings(&names);
	add_derived(&names);
	for (b = names.name; b < names.name + names.n; b++)
		for (a = names.name; a < b && !load->out_of_memory; a++) {
			relation = relate(a, b);
			if (relation != APART && is_first(&names, a, b))
				report(load, a, b, relation);
		}
	for (a = names.name; a < names.name + names.n; a++)
		free(a->path);
}
