/* SPDX-License-Identifier: MIT */
/*
 * What is written about settings is true: the sample file and the manual's
 * examples load, the sample names every key with its default, and what is
 * printed loads again as the same.  And whatever is in a file, loading ends
 * in settings or in reports.
 */
#include "tests/lib/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads a file of the source tree; this one's place in it is known. */
static char *read_source(const char *name)
{
	static const char self[] = "tests/unit/test_config_doc.c";
	char path[1024];
	struct stat st;
	char *text;
	FILE *from;

	snprintf(path, sizeof(path), "%.*s%s",
		 (int)(strlen(__FILE__) - strlen(self)), __FILE__, name);
	from = fopen(path, "r");
	ck_assert_msg(from != NULL, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(fstat(fileno(from), &st), 0);
	text = calloc(1, (size_t)st.st_size + 1);
	ck_assert_uint_eq(fread(text, 1, (size_t)st.st_size, from),
			  (size_t)st.st_size);
	fclose(from);
	return text;
}

/* --- the sample file ----------------------------------------------------- */

/* True for `#key = value`, a setting that is commented out. */
static int is_sample(const char *line)
{
	return line[0] == '#' && islower((unsigned char)line[1]) &&
	       strstr(line, " =") != NULL;
}

START_TEST(the_sample_file_changes_nothing)
{
	char *text = read_source("conf/bufwriter.ini");
	struct config *sample = settings_good(text);
	struct config *empty = settings_good("");
	char *a = settings_print(sample);
	char *b = settings_print(empty);

	ck_assert_str_eq(a, b);
	free(a);
	free(b);
	free(text);
	config_free(sample);
	config_free(empty);
}
END_TEST

START_TEST(the_sample_file_still_loads_with_every_key_uncommented)
{
	char *text = read_source("conf/bufwriter.ini");
	struct config *sample;
	struct config *empty;
	char *a;
	char *b;
	char *line;
	int keys = 0;

	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (is_sample(line)) {
			*line = ' ';
			keys++;
		}
	}
	ck_assert_int_eq(keys, SETTINGS);
	sample = settings_good(text);
	empty = settings_good("");
	a = settings_print(sample);
	b = settings_print(empty);
	ck_assert_str_eq(a, b);
	free(a);
	free(b);
	free(text);
	config_free(sample);
	config_free(empty);
}
END_TEST

START_TEST(the_sample_file_has_each_key_default_and_reload_mark)
{
	char *text = read_source("conf/bufwriter.ini");
	char *rest = text;
	char section[64] = "";
	char expected[512];
	int seen[SETTINGS] = { 0 };
	int reload = 0;
	int comment = 0;
	const struct setting *set;
	char *line;

	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "[%63[a-z]]", section) == 1)
			continue;
		if (is_sample(line)) {
			char *key = line + 1;
			char *equals = strstr(line, " =");
			*equals = '\0';
			set = setting_find(section, key);
			ck_assert_msg(set != NULL, "no key %s.%s", section,
				      key);
			*equals = ' ';
			snprintf(expected, sizeof(expected), "#%s =%s%s",
				 set->key, *set->default_text ? " " : "",
				 set->default_text);
			ck_assert_str_eq(line, expected);
			ck_assert_msg(reload == set->reload,
				      "%s.%s: (reload) is wrong", section,
				      set->key);
			ck_assert_msg(comment, "%s.%s: no comment", section,
				      set->key);
			seen[set - setting_table]++;
		}
		/* the comment above a key, from an empty line to the key */
		comment = line[0] == '#' && line[1] == ' ';
		reload = comment && (reload || strstr(line, "(reload)"));
	}
	for (set = setting_table; set < setting_table + SETTINGS; set++)
		ck_assert_msg(seen[set - setting_table] == 1,
			      "%s is there %d times", set->name,
			      seen[set - setting_table]);
	free(text);
}
END_TEST

/* --- the manual ---------------------------------------------------------- */

/* An instance writes where bufwriter@.service lets it. */
static int check_instance(const struct config *cfg)
{
	char name[64], path[128];

	if (sscanf(cfg->state_path, "/run/bufwriter-%63[^/]/state", name) != 1)
		return 0;
	snprintf(path, sizeof(path), "/var/log/bufwriter-%s", name);
	ck_assert_str_eq(cfg->files_path, path);
	snprintf(path, sizeof(path), "/run/bufwriter-%s.sock", name);
	ck_assert_str_eq(cfg->socket_path, path);
	snprintf(path, sizeof(path), "/run/bufwriter-%s/control.sock", name);
	ck_assert_str_eq(cfg->control_path, path);
	return 1;
}

START_TEST(each_example_of_the_manual_loads)
{
	char *text = read_source("conf/bufwriter.ini.5.in");
	char *next = strstr(text, ".Sh EXAMPLES");
	char *after;
	int examples = 0, instances = 0;

	ck_assert_ptr_nonnull(next);
	after = strstr(next + 1, "\n.Sh ");
	if (after)
		*after = '\0';
	while ((next = strstr(next, "\n.Bd -literal"))) {
		char *begin = strchr(next + 1, '\n') + 1;
		char *end = strstr(begin, ".Ed");
		struct config *cfg;
		struct config *defaults;
		struct reports differ = { 0 };

		ck_assert_ptr_nonnull(end);
		*end = '\0';
		cfg = settings_good(begin);
		defaults = settings_good("");
		instances += check_instance(cfg);
		ck_assert_uint_gt(config_diff(defaults, cfg, reports_add,
					      reports_add, &differ),
				  0);
		reports_clear(&differ);
		config_free(cfg);
		config_free(defaults);
		next = end + 1;
		examples++;
	}
	ck_assert_int_ge(examples, 3);
	ck_assert_int_ge(instances, 1);
	free(text);
}
END_TEST

/* --- round trip ---------------------------------------------------------- */

/* Deterministic: xorshift64. */
static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t random_below(uint64_t n)
{
	return random_next() % n;
}

/* Prints cfg, loads that, and compares all of it. */
static void round_trip(const struct config *cfg)
{
	struct reports differ = { 0 };
	char *text = settings_print(cfg);
	struct config *again = settings_good(text);
	char *second = settings_print(again);
	unsigned n = config_diff(cfg, again, reports_add, reports_add, &differ);

	ck_assert_msg(n == 0, "%s differs in\n%s", n ? differ.line[0] : "",
		      text);
	ck_assert_str_eq(text, second);
	ck_assert_str_eq(cfg->prefix, again->prefix);
	ck_assert_str_eq(cfg->suffix, again->suffix);
	ck_assert_str_eq(cfg->temp, again->temp);
	free(text);
	free(second);
	config_free(again);
}

/* A value that may be allowed or not, made for the type of the setting. */
static void random_value(const struct setting *set, char *out, size_t room)
{
	static const char *const units[] = { "",   "K", "M", "G", "us",
					     "ms", "s", "m", "h" };
	static const char bytes[] = "ab.-_;#=:%iH/ \"'[]\xc3\xa4\t";
	static const char *const words[] = { "newline", "none",	 "length",
					     "data",	"error", "debug",
					     "never",	"" };
	size_t n = 0;
	uint64_t len;

	if (value_is_text(set->type)) {
		if (set->type == VALUE_PATH || set->type == VALUE_SOCKET)
			out[n++] = '/';
		for (len = random_below(20); len; len--)
			out[n++] = bytes[random_below(sizeof(bytes) - 1)];
		out[n] = '\0';
	} else if (set->type >= VALUE_FRAMING || random_below(9) == 0) {
		snprintf(out, room, "%s", words[random_below(8)]);
	} else {
		snprintf(out, room, "%llu%s",
			 (unsigned long long)(random_next() >>
					      random_below(64)),
			 set->type == VALUE_MODE ? "" : units[random_below(9)]);
	}
}

START_TEST(what_is_printed_loads_as_the_same)
{
	struct reports reports = { 0 };
	unsigned accepted = 0;
	const struct setting *set;
	struct config *cfg;
	const char *options[1];
	char option[256];
	char value[128];
	int err, run;

	for (run = 0; run < 1500; run++) {
		set = &setting_table[random_below(SETTINGS)];
		random_value(set, value, sizeof(value));
		snprintf(option, sizeof(option), "%s=%s", set->name, value);
		options[0] = option;
		settings_write("", 0);
		err = config_load(settings_file, options, 1, reports_add,
				  &reports, &cfg);
		ck_assert_int_eq(err, reports.n ? -EINVAL : 0);
		reports_clear(&reports);
		if (err)
			continue;
		accepted++;
		round_trip(cfg);
		config_free(cfg);
	}
	ck_assert_uint_gt(accepted, 200);
}
END_TEST

/* --- any bytes ----------------------------------------------------------- */

static size_t random_text(char *out, size_t room)
{
	static const char *const words[] = {
		"[socket]", "[buffer]",
		"[files]",  "[log]",
		"[",	    "]",
		"\n",	    "\n",
		"\n",	    "\r\n",
		"=",	    " = ",
		":",	    ";",
		" ;",	    "#",
		" ",	    "\t",
		"path",	    "size",
		"workers",  "timeout",
		"prefix",   "mode",
		"level",    "/x",
		"1M",	    "5s",
		"never",    "0660",
		"%H",	    "%i",
		"%",	    "info",
		".",	    "\xef\xbb\xbf",
		"-1",	    "18446744073709551616",
	};
	size_t n = 0;
	size_t len = random_below(room - 64);

	while (n < len) {
		uint64_t kind = random_below(40);

		if (kind == 0) {
			out[n++] = (char)random_next();
		} else if (kind == 1) {
			size_t run = random_below(room - n);

			run = run > 400 ? 400 : run;
			memset(out + n, 'a' + (int)random_below(26), run);
			n += run;
		} else {
			const char *word = words[random_below(
				sizeof(words) / sizeof(words[0]))];

			memcpy(out + n, word, strlen(word));
			n += strlen(word);
		}
	}
	return n;
}

static int load_any(const char *text, size_t len)
{
	struct reports reports = { 0 };
	struct config *cfg;
	int err = settings_load(text, len, &reports, &cfg);
	const char *line;
	unsigned i;

	ck_assert_int_eq(err, reports.n ? -EINVAL : 0);
	for (i = 0; i < reports.n; i++) {
		line = reports.line[i];

		ck_assert_msg(strncmp(line, settings_file,
				      strlen(settings_file)) == 0 ||
				      strncmp(line, "and ", 4) == 0,
			      "%s", line);
		for (; *line; line++)
			ck_assert(!iscntrl((unsigned char)*line));
	}
	reports_clear(&reports);
	if (err)
		return 0;
	round_trip(cfg);
	config_free(cfg);
	return 1;
}

START_TEST(any_bytes_end_in_settings_or_in_reports)
{
	char text[2048];
	size_t len, i;
	int run;

	for (run = 0; run < 800; run++) {
		len = random_below(sizeof(text));
		for (i = 0; i < len; i++)
			text[i] = (char)random_next();
		load_any(text, len);
	}
	for (run = 0; run < 1500; run++)
		load_any(text, random_text(text, sizeof(text)));
}
END_TEST

START_TEST(a_good_file_with_a_few_bytes_changed_ends_well_too)
{
	struct config *defaults = settings_good("");
	char *text = settings_print(defaults);
	size_t len = strlen(text);
	char *copy = malloc(len);
	int loaded = 0;
	uint64_t n;
	int run;

	for (run = 0; run < 1000; run++) {
		memcpy(copy, text, len);
		for (n = 1 + random_below(3); n; n--)
			copy[random_below(len)] =
				random_below(2) ? (char)random_next() :
						  text[random_below(len)];
		loaded += load_any(copy,
				   random_below(8) ? len : random_below(len));
	}
	/* both ends are reached, or this shows nothing */
	ck_assert_int_gt(loaded, 50);
	ck_assert_int_lt(loaded, 950);
	free(copy);
	free(text);
	config_free(defaults);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_doc");
	TCase *doc = suite_case(suite, "sample file and manual", settings_open,
				settings_close);
	TCase *random = suite_case(suite, "round trip and any bytes",
				   settings_open, settings_close);

	tcase_add_test(doc, the_sample_file_changes_nothing);
	tcase_add_test(doc,
		       the_sample_file_still_loads_with_every_key_uncommented);
	tcase_add_test(doc,
		       the_sample_file_has_each_key_default_and_reload_mark);
	tcase_add_test(doc, each_example_of_the_manual_loads);

	tcase_add_test(random, what_is_printed_loads_as_the_same);
	tcase_add_test(random, any_bytes_end_in_settings_or_in_reports);
	tcase_add_test(random,
		       a_good_file_with_a_few_bytes_changed_ends_well_too);
	return suite_run(suite, CK_FORK);
}
