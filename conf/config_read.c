/* SPDX-License-Identifier: MIT */
/*
 * From a settings file and -o options to values, by way of inih.
 *
 * inih knows the syntax, but it cuts lines at a length that the distribution
 * chose, takes an indented key for a continuation of the last value, drops
 * text after a section header, and does not tell line numbers.  So this file
 * gives inih one line at a time and looks at each line first: it counts the
 * line, removes the indentation, reports what inih would ignore, and keeps
 * the value itself if the line is too long for inih.
 */
#include "conf/config_read.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/config_unknown.h"

/* A larger file is not a settings file. */
#define FILE_MAX ((size_t)64 * 1024)

struct source {
	struct loader *load;
	char *next; /* rest of the file */
	char *end;
	unsigned line;
	bool in_section; /* false: outside any, or in an unknown one */
	bool pending;	 /* inih did not return the key of this line yet */
	char *value;	 /* value of a line too long for inih, or NULL */
};

/* How long a pipe at the start may be silent. */
#define PIPE_WAIT_MS 5000

/* --- one value ----------------------------------------------------------- */

static void set_or_report(struct loader *load, unsigned line,
			  const char *section, const char *key,
			  const char *value)
{
	const struct setting *set = setting_find(section, key);

	if (set)
		loader_set(load, set, line, value);
	else if (setting_has_section(section))
		config_unknown_key(&load->problems, line, section, key);
	else
		config_unknown_section(&load->problems, line, section);
}

/* Trims white space at both ends, in place. */
static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

void config_read_option(struct loader *load, const char *option)
{
	char *text = strdup(option);
	char *value;
	char *key;

	if (!text) {
		load->out_of_memory = true;
		return;
	}
	value = strchr(text, '=');
	if (value)
		*value++ = '\0';
	key = strchr(text, '.');
	if (!value || !key) {
		problem_add(&load->problems, PROBLEM_OPTION, NULL,
			    "\"%.60s\" is not of the form SECTION.KEY=VALUE",
			    option);
	} else {
		*key++ = '\0';
		set_or_report(load, PROBLEM_OPTION, trim(text), trim(key),
			      trim(value));
	}
	free(text);
}

/* --- lines --------------------------------------------------------------- */

static void report(struct source *src, const char *text)
{
	problem_add(&src->load->problems, src->line, NULL, "%s", text);
}

/*
 * Returns the first byte of `stop`, or the beginning of a comment, or the
 * end, by the rules of inih.
 */
static char *until(char *text, const char *stop)
{
	bool after_space = false;

	for (; *text; text++) {
		if (strchr(stop, *text) || (after_space && *text == ';'))
			break;
		after_space = isspace((unsigned char)*text);
	}
	return text;
}

static bool is_comment(const char *text)
{
	return *text == ';' || *text == '#';
}

/* Called when inih wants the next line: it found no key in this one. */
static void report_no_equals(struct source *src)
{
	if (src->pending)
		report(src, "no '=' in this line; allowed: [section], key = "
			    "value, and comments that begin with ; or #");
	src->pending = false;
}

/*
 * Returns true if the section is known.  Keys after a bad header are skipped;
 * inih would take them for keys of the section before.
 */
static bool read_header(struct source *src, char *text)
{
	struct problems *problems = &src->load->problems;
	char *end = until(text + 1, "]");
	char *rest;

	if (*end != ']') {
		report(src, "section header without ']'");
		return false;
	}
	*end = '\0';
	rest = trim(end + 1);
	if (*rest && !is_comment(rest))
		problem_add(problems, src->line, NULL,
			    "text after [%.*s]; a key belongs on a line of its "
			    "own",
			    CONFIG_NAME_SHOWN, text + 1);
	if (setting_has_section(text + 1))
		return true;
	config_unknown_section(problems, src->line, text + 1);
	return false;
}

static void read_pair(struct source *src, char *text, char *out, size_t room)
{
	char *sep;

	src->pending = true;
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
	src->value = trim(src->value);
	snprintf(out, room, "%.*s=\n", CONFIG_NAME_SHOWN, text);
}

/*
 * inih's reader: writes the next line, or an empty one in place of a line
 * that inih must not see.  NULL at the end.
 */
static char *next_line(char *out, int room, void *stream)
{
	struct source *src = stream;
	char *text = src->next;
	size_t len;
	char *nl;

	report_no_equals(src);
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
		report(src, "a NUL byte in this line; is it a settings file?");
		return out;
	}
	text = trim(text);
	if (*text == '[') {
		src->in_section = read_header(src, text);
		snprintf(out, (size_t)room, "[%.*s]\n", CONFIG_NAME_SHOWN,
			 src->in_section ? text + 1 : "?");
	} else if (*text && !is_comment(text)) {
		read_pair(src, text, out, (size_t)room);
	}
	return out;
}

/* inih's handler.  Builds of inih differ in when a text is NULL. */
static int take_pair(void *user, const char *section, const char *key,
		     const char *value)
{
	struct source *src = user;

	if (!key || !value)
		return 1;
	src->pending = false;
	if (src->value)
		value = src->value;
	if (!*key)
		report(src, "no key before '='");
	else if (!*section)
		problem_add(&src->load->problems, src->line, NULL,
			    "\"%.*s\" is outside a section; put a line such "
			    "as [files] before it",
			    CONFIG_NAME_SHOWN, key);
	else if (src->in_section)
		set_or_report(src->load, src->line, section, key, value);
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

/* What is no regular file can keep its reader waiting. */
static const char not_again[] =
	"is a pipe or a device, which gives its text only once; a reload needs "
	"a file";
static const char silent[] =
	"is a pipe, and neither text nor its end came from it within 5 s; name "
	"a file with -c";

/* False: a pipe has been silent for too long. */
static bool wait_for_text(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	struct stat st;
	int n;

	if (fstat(fd, &st) || !S_ISFIFO(st.st_mode))
		return true;
	do {
		n = poll(&ready, 1, PIPE_WAIT_MS);
	} while (n < 0 && errno == EINTR);
	return n != 0;
}

/*
 * Opens the file without waiting for somebody to write to it: the descriptor,
 * or -errno, and then *why if there is more to say than that.
 */
static int open_file(const char *file, bool again, const char **why)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		st.st_mode = 0;
	if (again && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		*why = not_again;
	if (!*why && !fcntl(fd, F_SETFL, 0))
		return fd;
	close(fd);
	return -EINVAL;
}

/* Reads the whole file: its length, or -errno, and *why as open_file(). */
static ssize_t slurp(const char *file, bool again, char *text, size_t room,
		     const char **why)
{
	size_t len = 0;
	ssize_t n;
	int err = 0;
	int fd = open_file(file, again, why);

	if (fd < 0)
		return fd;
	do {
		if (!wait_for_text(fd)) {
			*why = silent;
			break;
		}
		n = read(fd, text + len, room - len);
		if (n < 0 && errno != EINTR)
			err = -errno;
		if (n > 0)
			len += (size_t)n;
	} while (!err && n != 0 && len < room);
	close(fd);
	return err ? err : (ssize_t)len;
}

static void read_lines(struct loader *load, char *text, char *end)
{
	struct source src = { .load = load, .next = text, .end = end };

	/* a byte order mark */
	if (end - text >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		src.next += 3;
	/* inih's own errors are those that this file reports itself */
	if (ini_parse_stream(next_line, &src, take_pair, &src) == -2)
		load->out_of_memory = true;
}

void config_read_file(struct loader *load)
{
	struct problems *problems = &load->problems;
	char *text = malloc(FILE_MAX + 2);
	const char *why = NULL;
	ssize_t len;

	if (!text) {
		load->out_of_memory = true;
		return;
	}
	len = slurp(problems->file, load->again, text, FILE_MAX + 1, &why);
	if (why)
		problem_add(problems, PROBLEM_NO_LINE, NULL, "%s", why);
	else if (len < 0)
		problem_add(problems, PROBLEM_NO_LINE, NULL,
			    "cannot be read: %s%s", strerror((int)-len),
			    hint((int)-len));
	else if ((size_t)len > FILE_MAX)
		problem_add(problems, PROBLEM_NO_LINE, NULL,
			    "is larger than 64K; is it a settings file?");
	else
		read_lines(load, text, text + len);
	free(text);
}
