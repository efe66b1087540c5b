/* SPDX-License-Identifier: MIT */
/* See metrics.h. */
#define _GNU_SOURCE
#include "tests/lib/metrics.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME 128
#define FAMILIES 128

struct family {
	char name[NAME];
	char type[32];
	int help, samples;
};

struct checker {
	int openmetrics;
	int eof;
	struct family families[FAMILIES];
	int n;
	/* the histogram that is being read */
	double bound, count;
	char series[512];
	char wrong[1024];
};

__attribute__((format(printf, 2, 3))) static int wrong(struct checker *c,
						       const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->wrong, sizeof(c->wrong), fmt, ap);
	va_end(ap);
	return -1;
}

static int starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static int ends(const char *s, const char *with)
{
	size_t n = strlen(s), m = strlen(with);

	return n >= m && strcmp(s + n - m, with) == 0;
}

static int is_metric_name(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!isalpha((unsigned char)s[i]) && s[i] != '_' &&
		    s[i] != ':' && !(i && isdigit((unsigned char)s[i])))
			return 0;
	return len > 0 && len < NAME;
}

/* The family that a line of metadata names: the last one, or a new one. */
static struct family *family_of(struct checker *c, const char *name)
{
	struct family *f;
	int i;

	if (c->n && strcmp(c->families[c->n - 1].name, name) == 0)
		return &c->families[c->n - 1];
	for (i = 0; i < c->n; i++)
		if (strcmp(c->families[i].name, name) == 0)
			return NULL;
	if (c->n == FAMILIES)
		return NULL;
	f = &c->families[c->n++];
	memset(f, 0, sizeof(*f));
	snprintf(f->name, NAME, "%s", name);
	c->bound = -1;
	c->count = 0;
	c->series[0] = 0;
	return f;
}

static int check_type(struct checker *c, struct family *f, const char *type)
{
	static const char *const types[] = { "counter", "gauge", "histogram",
					     "info" };
	int i;

	if (f->type[0] || f->samples)
		return wrong(c, "second or late TYPE of %s", f->name);
	for (i = 0; i < 4; i++)
		if (strcmp(type, types[i]) == 0)
			break;
	if (i == 4 || (i == 3 && !c->openmetrics))
		return wrong(c, "unknown type %s", type);
	snprintf(f->type, sizeof(f->type), "%s", type);
	if (i == 0 && ends(f->name, "_total") == c->openmetrics)
		return wrong(c,
			     "counter %s: _total where it must not be, or "
			     "missing",
			     f->name);
	if (i == 1 && ends(f->name, "_total"))
		return wrong(c, "gauge %s ends in _total", f->name);
	return 0;
}

static int check_metadata(struct checker *c, char *line)
{
	char *what = line + 2, *name, *text = NULL;
	struct family *f;

	name = strchr(what, ' ');
	if (!starts(line, "# ") || !name)
		return wrong(c, "not understood: %s", line);
	*name++ = 0;
	text = strchr(name, ' ');
	if (!text)
		return wrong(c, "nothing behind %s", name);
	*text++ = 0;
	if (!is_metric_name(name, strlen(name)))
		return wrong(c, "no name: %s", name);
	f = family_of(c, name);
	if (!f)
		return wrong(c, "the lines of %s are not together", name);
	if (f->samples)
		return wrong(c, "metadata of %s behind its samples", name);
	if (strcmp(what, "HELP") == 0) {
		if (f->help++)
			return wrong(c, "second HELP of %s", name);
		return strpbrk(text, "\\\"") ? wrong(c, "HELP of %s", name) : 0;
	}
	if (strcmp(what, "TYPE") == 0)
		return check_type(c, f, text);
	if (strcmp(what, "UNIT") == 0 && c->openmetrics && ends(name, text))
		return 0;
	return wrong(c, "not understood: %s %s %s", what, name, text);
}

/* {name="value",...}; moves *p behind it. */
static int check_labels(struct checker *c, const char **p, char *le)
{
	const char *s = *p + 1, *name;
	size_t n;

	le[0] = 0;
	while (*s != '}') {
		name = s;
		n = strspn(s, "abcdefghijklmnopqrstuvwxyz_");
		if (!n || strncmp(s + n, "=\"", 2))
			return wrong(c, "no label: %s", s);
		s += n + 2;
		name = n == 2 && starts(name, "le") ? s : NULL;
		for (; *s && *s != '"'; s++) {
			if (*s == '\\' && s[1])
				s++;
			if ((unsigned char)*s < ' ')
				return wrong(c, "control character in label");
		}
		if (!*s)
			return wrong(c, "label without an end");
		if (name)
			snprintf(le, 32, "%.*s", (int)(s - name), name);
		s++;
		if (*s == ',')
			s++;
		else if (*s != '}')
			return wrong(c, "behind a label: %s", s);
	}
	*p = s + 1;
	return 0;
}

/* The suffix that a sample of this family may have. */
static int check_suffix(struct checker *c, const struct family *f,
			const char *suffix, const char *le)
{
	int ok = 0;

	if (strcmp(f->type, "histogram") == 0)
		ok = strcmp(suffix, "_bucket") == 0 ?
			     le[0] != 0 :
			     !le[0] && (strcmp(suffix, "_sum") == 0 ||
					strcmp(suffix, "_count") == 0);
	else if (strcmp(f->type, "counter") == 0)
		ok = strcmp(suffix, c->openmetrics ? "_total" : "") == 0;
	else if (strcmp(f->type, "info") == 0)
		ok = strcmp(suffix, "_info") == 0;
	else if (strcmp(f->type, "gauge") == 0)
		ok = !suffix[0];
	return ok ? 0 :
		    wrong(c, "sample %s%s of type '%s'", f->name, suffix,
			  f->type);
}

static int check_histogram(struct checker *c, const struct family *f,
			   const char *suffix, const char *le, double value)
{
	double bound = strcmp(le, "+Inf") == 0 ? INFINITY : atof(le);

	if (strcmp(suffix, "_bucket") == 0) {
		if (c->openmetrics && !strpbrk(le, ".eI"))
			return wrong(c, "%s: le is %s", f->name, le);
		if (bound <= c->bound || value < c->count)
			return wrong(c, "%s: buckets do not rise", f->name);
		c->bound = bound;
		c->count = value;
	} else if (strcmp(suffix, "_count") == 0) {
		if (!isinf(c->bound) || value != c->count)
			return wrong(c, "%s: count is not +Inf", f->name);
	}
	return 0;
}

static int check_sample(struct checker *c, const char *line)
{
	struct family *f = c->n ? &c->families[c->n - 1] : NULL;
	size_t len = strcspn(line, "{ ");
	const char *p = line + len;
	char name[NAME], le[32] = "", *end;
	double value;

	if (!f || !is_metric_name(line, len))
		return wrong(c, "sample without a family: %s", line);
	snprintf(name, sizeof(name), "%.*s", (int)len, line);
	if (!starts(name, f->name))
		return wrong(c, "%s is no sample of %s", name, f->name);
	if (*p == '{' && check_labels(c, &p, le))
		return -1;
	if (!f->help || check_suffix(c, f, name + strlen(f->name), le))
		return c->wrong[0] ? -1 : wrong(c, "%s has no HELP", f->name);
	if (*p++ != ' ')
		return wrong(c, "no value: %s", line);
	value = strtod(p, &end);
	if (end == p || *end || !(isdigit((unsigned char)*p) || *p == '-'))
		return wrong(c, "no value: %s", line);
	if (value < 0 && strcmp(f->type, "gauge"))
		return wrong(c, "negative: %s", line);
	f->samples++;
	if (strcmp(f->type, "histogram") == 0)
		return check_histogram(c, f, name + strlen(f->name), le, value);
	return 0;
}

static int check_line(struct checker *c, char *line)
{
	if (c->eof)
		return wrong(c, "behind # EOF: %s", line);
	if (strcmp(line, "# EOF") == 0) {
		c->eof = 1;
		return 0;
	}
	return line[0] == '#' ? check_metadata(c, line) : check_sample(c, line);
}

const char *metrics_check(const char *text, int openmetrics)
{
	static struct checker c;
	char *copy = strdup(text), *rest = copy, *line;
	int i;

	memset(&c, 0, sizeof(c));
	c.openmetrics = openmetrics;
	while (!c.wrong[0] && (line = strsep(&rest, "\n")) && rest)
		check_line(&c, line);
	if (!c.wrong[0] && (!c.eof || (line && *line)))
		wrong(&c, "the last line is not # EOF and a newline");
	for (i = 0; i < c.n && !c.wrong[0]; i++)
		if (!c.families[i].samples || !c.families[i].type[0])
			wrong(&c, "%s has no sample or no type",
			      c.families[i].name);
	free(copy);
	return c.wrong[0] ? c.wrong : NULL;
}

double metrics_value(const char *text, const char *sample)
{
	size_t len = strlen(sample);
	const char *at;

	for (at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, sample, len) == 0 && at[len] == ' ')
			return atof(at + len);
	}
	return -1;
}
