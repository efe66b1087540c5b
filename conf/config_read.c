/* SPDX-License-Identifier: MIT */
/*
 * From a settings file and -o options to values, by way of inih.
 *
 * inih knows the syntax, but it cuts a line at a length that the distribution
 * chose, takes an indented key for more of the last value, drops text behind
 * a section header, and tells no line numbers.  So it gets its lines from a
 * reader of ours, which looks at each before: it counts them, takes away the
 * indentation, reports what inih would pass over, and keeps the value of a
 * line that is too long for inih.
 */
#include "conf/setting.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More is not a settings file. */
#define FILE_MAX ((size_t)64 * 1024)

/* Longer names than this are cut in messages, and match nothing. */
#define NAME_SHOWN 60

struct source {
	struct config_loader *load;
	char *next; /* rest of the file */
	char *end;
	unsigned line;
	int in_section; /* 0: before the first, or a bad one: keys are skipped */
	int pending;	/* this line has a key that inih did not give us yet */
	char *value;	/* value of a line too long for inih, or NULL */
};

/* --- what somebody may have meant ---------------------------------------- */

/* Levenshtein's, without regard to case; long names are far away. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32];
	size_t na = strlen(a);
	size_t nb = strlen(b);

	if (na >= 32 || nb >= 32)
		return 32;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			int same = tolower((unsigned char)a[i - 1]) ==
				   tolower((unsigned char)b[j - 1]);
			size_t best = corner + !same;

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			corner = row[j];
			row[j] = best;
		}
	}
	return row[nb];
}

static int is_near(const char *given, const char *known)
{
	size_t len = strlen(given);

	if (len >= 3 && strncasecmp(given, known, len) == 0)
		return 1;
	return distance(given, known) <= (strlen(known) + 2) / 4;
}

/* True for the first key of each section, to walk over the sections. */
static int is_first(int i)
{
	return i == 0 || strcmp(config_settings[i].section,
				config_settings[i - 1].section) != 0;
}

static int section_known(const char *section)
{
	for (int i = 0; i < SETTINGS; i++)
		if (strcmp(config_settings[i].section, section) == 0)
			return 1;
	return 0;
}

/* Appends `open` word `close` to a list that has room for all of the table. */
static void list(char *out, size_t room, const char *open, const char *word,
		 const char *close)
{
	size_t used = strlen(out);

	snprintf(out + used, room - used, "%s%s%s%s", used ? ", " : "", open,
		 word, close);
}

static void unknown_section(struct config_loader *load, unsigned line,
			    const char *section)
{
	char shown[NAME_SHOWN + 3];
	char known[256] = "";

	snprintf(shown, sizeof(shown), "[%.*s]", NAME_SHOWN, section);
	for (int i = 0; i < SETTINGS; i++) {
		const char *name = config_settings[i].section;

		if (!is_first(i))
			continue;
		if (is_near(section, name)) {
			config_problem(load, line, shown,
				       "unknown section, did you mean [%s]?",
				       name);
			return;
		}
		list(known, sizeof(known), "[", name, "]");
	}
	config_problem(load, line, shown, "unknown section; allowed: %s",
		       known);
}

static void unknown_key(struct config_loader *load, unsigned line,
			const char *section, const char *key)
{
	const struct setting *set;
	char name[2 * NAME_SHOWN];
	char keys[512] = "";
	char elsewhere[128] = "";

	snprintf(name, sizeof(name), "%s.%.*s", section, NAME_SHOWN, key);
	for (set = config_settings; set < config_settings + SETTINGS; set++)
		if (strcmp(set->key, key) == 0)
			list(elsewhere, sizeof(elsewhere), "[", set->section,
			     "]");
	if (*elsewhere) {
		config_problem(load, line, name,
			       "unknown key in this section; %s is a key of %s",
			       key, elsewhere);
		return;
	}
	for (set = config_settings; set < config_settings + SETTINGS; set++) {
		if (strcmp(set->section, section) != 0)
			continue;
		if (is_near(key, set->key)) {
			config_problem(load, line, name,
				       "unknown key, did you mean %s?",
				       set->key);
			return;
		}
		list(keys, sizeof(keys), "", set->key, "");
	}
	config_problem(load, line, name, "unknown key; allowed in [%s]: %s",
		       section, keys);
}

/* --- one value ----------------------------------------------------------- */

static int find(const char *section, const char *key)
{
	for (int i = 0; i < SETTINGS; i++)
		if (strcmp(config_settings[i].section, section) == 0 &&
		    strcmp(config_settings[i].key, key) == 0)
			return i;
	return -1;
}

static void set_value(struct config_loader *load, unsigned line, int i,
		      const char *value)
{
	const struct setting *set = &config_settings[i];
	char why[512];
	char name[64];
	uint64_t number;

	snprintf(name, sizeof(name), "%s.%s", set->section, set->key);
	/* An option may repeat a key: the last word of a command line wins. */
	if (line != LINE_OPTION && load->line[i] != LINE_DEFAULT) {
		config_problem(load, line, name,
			       "given twice; the first is in line %u",
			       load->line[i]);
		return;
	}
	load->line[i] = line;
	if (setting_parse(set, value, &number, why, sizeof(why)) < 0)
		config_problem(load, line, name, "%s", why);
	else if (!setting_is_text(set))
		setting_set_number(set, load->cfg, number);
	else if (setting_set_text(set, load->cfg, value) < 0)
		load->nomem = 1;
}

void config_read_option(struct config_loader *load, const char *option)
{
	char *text = strdup(option);
	char *value;
	char *key;
	char *section;
	int i;

	if (!text) {
		load->nomem = 1;
		return;
	}
	value = strchr(text, '=');
	if (value)
		*value++ = '\0';
	key = strchr(text, '.');
	if (!value || !key) {
		config_problem(load, LINE_OPTION, NULL,
			       "\"%.60s\" is not of the form SECTION.KEY=VALUE",
			       option);
		goto out;
	}
	*key++ = '\0';
	section = setting_trim(text);
	key = setting_trim(key);
	i = find(section, key);
	if (i >= 0)
		set_value(load, LINE_OPTION, i, setting_trim(value));
	else if (section_known(section))
		unknown_key(load, LINE_OPTION, section, key);
	else
		unknown_section(load, LINE_OPTION, section);
out:
	free(text);
}

/* --- lines --------------------------------------------------------------- */

/* The first byte of `stop`, or of a comment, or the end: as inih does it. */
static char *until(char *text, const char *stop)
{
	int space = 0;

	for (; *text; text++) {
		if (strchr(stop, *text) || (space && *text == ';'))
			break;
		space = isspace((unsigned char)*text);
	}
	return text;
}

static void no_equals(struct source *src)
{
	if (src->pending)
		config_problem(src->load, src->line, NULL,
			       "no '=' in this line; allowed: [section], key = "
			       "value, and comments that begin with ; or #");
	src->pending = 0;
}

/*
 * True if the keys that follow are worth looking at.  inih would take the
 * keys behind a bad header for keys of the section before.
 */
static int read_header(struct source *src, char *text)
{
	char *end = until(text + 1, "]");
	char *rest;

	if (*end != ']') {
		config_problem(src->load, src->line, NULL,
			       "section header without ']'");
		return 0;
	}
	*end = '\0';
	rest = setting_trim(end + 1);
	if (*rest && *rest != ';' && *rest != '#') {
		config_problem(src->load, src->line, NULL,
			       "text after [%.*s]; a key begins a line of its "
			       "own",
			       NAME_SHOWN, text + 1);
	}
	if (!section_known(text + 1)) {
		unknown_section(src->load, src->line, text + 1);
		return 0;
	}
	return 1;
}

static void read_pair(struct source *src, char *text, char *out, size_t room)
{
	char *sep;

	src->pending = 1;
	if (strlen(text) + 2 <= room) {
		snprintf(out, room, "%s\n", text);
		return;
	}
	sep = until(text, "=:");
	if (*sep != '=' && *sep != ':') {
		snprintf(out, room, "?\n");
		return;
	}
	*sep = '\0';
	src->value = sep + 1;
	*until(src->value, "") = '\0';
	src->value = setting_trim(src->value);
	snprintf(out, room, "%.*s=\n", NAME_SHOWN, text);
}

/* inih's reader: the next line, or an empty one in place of what it is not to
 * see.  NULL at the end. */
static char *next_line(char *out, int room, void *stream)
{
	struct source *src = stream;
	char *text = src->next;
	size_t len;
	char *nl;

	no_equals(src);
	if (text == src->end)
		return NULL;
	nl = memchr(text, '\n', (size_t)(src->end - text));
	src->next = nl ? nl + 1 : src->end;
	len = (size_t)((nl ? nl : src->end) - text);
	text[len] = '\0';
	src->line++;
	src->value = NULL;

	snprintf(out, (size_t)room, "\n");
	if (memchr(text, '\0', len)) {
		config_problem(
			src->load, src->line, NULL,
			"a NUL byte in this line; is it a settings file?");
		return out;
	}
	text = setting_trim(text);
	if (*text == '[') {
		src->in_section = read_header(src, text);
		snprintf(out, (size_t)room, "[%.*s]\n", NAME_SHOWN,
			 src->in_section ? text + 1 : "?");
	} else if (*text && *text != ';' && *text != '#') {
		read_pair(src, text, out, (size_t)room);
	}
	return out;
}

/* inih's handler.  Builds of inih differ in when a text is NULL. */
static int take_pair(void *user, const char *section, const char *key,
		     const char *value)
{
	struct source *src = user;
	int i;

	if (!key || !value)
		return 1;
	src->pending = 0;
	if (src->value)
		value = src->value;
	if (!*key) {
		config_problem(src->load, src->line, NULL, "no key before '='");
	} else if (!*section) {
		config_problem(src->load, src->line, NULL,
			       "\"%.*s\" is outside a section; a line such as "
			       "[files] comes first",
			       NAME_SHOWN, key);
	} else if (src->in_section) {
		i = find(section, key);
		if (i >= 0)
			set_value(src->load, src->line, i, value);
		else
			unknown_key(src->load, src->line, section, key);
	}
	return 1;
}

/* --- the file ------------------------------------------------------------ */

static const char *hint(int err)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
		return "; name the file with -c, see bufwriter.ini(5)";
	case EACCES:
	case EPERM:
		return "; the daemon's user must be able to read it and "
		       "to search its directory";
	case EISDIR:
		return "; name a file in it";
	default:
		return "";
	}
}

/* Reads all of it: its length, or -errno. */
static ssize_t slurp(const char *file, char *text, size_t room)
{
	size_t len = 0;
	ssize_t n;
	int err = 0;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, text + len, room - len);
		if (n < 0 && errno != EINTR)
			err = -errno;
		if (n > 0)
			len += (size_t)n;
	} while (!err && n != 0 && len < room);
	close(fd);
	return err ? err : (ssize_t)len;
}

void config_read_file(struct config_loader *load)
{
	struct source src = { .load = load };
	char *text = malloc(FILE_MAX + 2);
	ssize_t len;

	if (!text) {
		load->nomem = 1;
		return;
	}
	len = slurp(load->file, text, FILE_MAX + 1);
	if (len < 0) {
		config_problem(load, LINE_DEFAULT, NULL, "cannot be read: %s%s",
			       strerror((int)-len), hint((int)-len));
	} else if ((size_t)len > FILE_MAX) {
		config_problem(load, LINE_DEFAULT, NULL,
			       "is larger than 64K; is it a settings file?");
	} else {
		src.next = text;
		src.end = text + len;
		if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
			src.next += 3;
		/* its own errors are those that we report ourselves */
		if (ini_parse_stream(next_line, &src, take_pair, &src) == -2)
			load->nomem = 1;
	}
	free(text);
}
