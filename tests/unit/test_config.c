/* SPDX-License-Identifier: MIT */
/*
 * Values and options: each kind of value, each way to get it wrong, what is
 * printed, and what two settings have in common after a reload.
 */
#include "tests/lib/settings.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "conf/machine_id.h"

/* --- values -------------------------------------------------------------- */

static const struct {
	const char *option;
	const char *printed;
} good[] = {
	{ "buffer.size=1", "size = 1" },
	{ "buffer.size=1023", "size = 1023" },
	{ "buffer.size=1024", "size = 1K" },
	{ "buffer.size=1K", "size = 1K" },
	{ "buffer.size=1024K", "size = 1M" },
	{ "buffer.size=1025K", "size = 1025K" },
	{ "buffer.size=1G", "size = 1G" },
	{ "buffer.size=1073741824", "size = 1G" },
	{ "buffer.size=0000000000000000000000007", "size = 7" },
	{ " buffer . size = 5 ", "size = 5" },
	{ "socket.max_message=208K", "max_message = 208K" },
	{ "buffer.workers=64", "workers = 64" },
	{ "buffer.queue_size=2", "queue_size = 2" },
	{ "buffer.forced=0", "forced = 0" },
	{ "buffer.forced=0h", "forced = 0" },
	{ "buffer.forced=1us", "forced = 1us" },
	{ "buffer.forced=1500us", "forced = 1500us" },
	{ "buffer.forced=2000us", "forced = 2ms" },
	{ "buffer.forced=1000ms", "forced = 1s" },
	{ "buffer.forced=60s", "forced = 1m" },
	{ "buffer.forced=90m", "forced = 90m" },
	{ "buffer.forced=24h", "forced = 24h" },
	{ "buffer.timeout=never", "timeout = never" },
	{ "buffer.timeout=0", "timeout = 0" },
	{ "buffer.timeout=1h", "timeout = 1h" },
	{ "control.metrics_interval=1s", "metrics_interval = 1s" },
	{ "files.permission=0", "permission = 0000" },
	{ "files.permission=640", "permission = 0640" },
	{ "files.permission=0777", "permission = 0777" },
	{ "socket.group=", "group =" },
	{ "socket.group=adm", "group = adm" },
	{ "files.prefix=web-%H-%i-%%", "prefix = web-%H-%i-%%" },
	{ "files.prefix=a;b#c=d:e", "prefix = a;b#c=d:e" },
	{ "files.suffix=", "suffix =" },
	{ "files.path=/with space/\xc3\xa4", "path = /with space/\xc3\xa4" },
	{ "state.path=", "path =" },
	{ "control.path=", "path =" },
	{ "files.framing=none", "framing = none" },
	{ "files.framing=length", "framing = length" },
	{ "files.sync=data", "sync = data" },
	{ "socket.also=/a/b   /c", "also = /a/b   /c" },
	{ "socket.strip=syslog", "strip = syslog" },
	{ "socket.strip=tag", "strip = tag" },
	{ "files.compression=none", "compression = none" },
#ifdef BW_ZSTD
	{ "files.compression=zstd", "compression = zstd" },
#endif
	{ "log.level=error", "level = error" },
	{ "log.level=debug", "level = debug" },
};

START_TEST(a_value_is_printed_in_its_largest_exact_unit)
{
	struct reports reports = { 0 };
	struct config *cfg;
	char line[128];
	char *text;
	int err = settings_option(good[_i].option, &reports, &cfg);

	ck_assert_msg(err == 0, "%s: %s", good[_i].option,
		      reports.n ? reports.line[0] : "?");
	text = settings_print(cfg);
	snprintf(line, sizeof(line), "\n%s\n", good[_i].printed);
	ck_assert_msg(strstr(text, line) != NULL, "no %s in\n%s", line, text);
	free(text);
	config_free(cfg);
}
END_TEST

#define SIZE_1G "1 to 1G, a whole number of bytes or with K, M or G"
#define TIME_24H "0 to 24h, a whole number with us, ms, s, m or h"
#define TIME_1H "0 to 1h, a whole number with us, ms, s, m or h, or never"
#define PATH_MAY "an absolute path of at most 3500 bytes"
#define SOCKET_MAY                                                      \
	"an absolute path of at most 107 bytes, the limit of a socket " \
	"address"
#define MODE_MAY "octal digits from 0000 to 0777, such as 0640"
#define NAME_MAY "a part of a file name, of at most 100 bytes, without '/'"

static const struct {
	const char *option;
	const char *report;
} bad[] = {
	{ "buffer.size=0",
	  "buffer.size: \"0\" is out of range; allowed: " SIZE_1G },
	{ "buffer.size=1025M", "buffer.size: \"1025M\" is out of range; "
			       "allowed: " SIZE_1G },
	{ "buffer.size=18446744073709551616",
	  "is out of range; allowed: " SIZE_1G },
	/* 2^54 K is 0 modulo 2^64 */
	{ "buffer.size=18014398509481984K", "is out of range" },
	{ "buffer.size=99999999999999999999999999M", "is out of range" },
	{ "buffer.size=99999999999999999999999999 parsecs", "is not a size" },
	{ "buffer.size=10 parsecs", "buffer.size: \"10 parsecs\" is not a "
				    "size; allowed: " SIZE_1G },
	{ "buffer.size=-1", "\"-1\" is not a size" },
	{ "buffer.size=+1", "\"+1\" is not a size" },
	{ "buffer.size=1.5M", "\"1.5M\" is not a size" },
	{ "buffer.size=0x10", "\"0x10\" is not a size" },
	{ "buffer.size=1 K", "\"1 K\" is not a size" },
	{ "buffer.size=1k", "\"1k\" is not a size" },
	{ "buffer.size=1KB", "\"1KB\" is not a size" },
	{ "buffer.size=K", "\"K\" is not a size" },
	{ "buffer.size=", "\"\" is not a size" },
	{ "buffer.size=never", "\"never\" is not a size" },
	{ "buffer.workers=0", "buffer.workers: \"0\" is out of range; "
			      "allowed: a whole number from 1 to 64" },
	{ "buffer.workers=65", "is out of range" },
	{ "buffer.workers=4K", "\"4K\" is not a number" },
	{ "buffer.queue_size=1", "is out of range" },
	{ "socket.max_message=209K", "allowed: 1 to 208K" },
	{ "buffer.forced=5",
	  "buffer.forced: \"5\" has no unit; allowed: " TIME_24H },
	{ "buffer.forced=25h", "is out of range; allowed: " TIME_24H },
	{ "buffer.forced=18446744073709551615h", "is out of range" },
	/* 2^64 / 3600e9 and one more: overflows to a little */
	{ "buffer.forced=5124096h", "is out of range" },
	{ "buffer.forced=-5s", "\"-5s\" is not a duration" },
	{ "buffer.forced=5 s", "\"5 s\" is not a duration" },
	{ "buffer.forced=5S", "\"5S\" is not a duration" },
	{ "buffer.forced=1h30m", "\"1h30m\" is not a duration" },
	{ "buffer.forced=10 parsecs", "is not a duration; allowed: " TIME_24H },
	{ "buffer.forced=never", "\"never\" is not a duration" },
	{ "buffer.timeout=ever",
	  "\"ever\" is not a duration; allowed: " TIME_1H },
	{ "buffer.timeout=61m", "is out of range; allowed: " TIME_1H },
	{ "control.metrics_interval=999ms", "is out of range; allowed: "
					    "1s to 24h" },
	{ "socket.mode=0888", "socket.mode: \"0888\" is not an octal "
			      "permission; allowed: " MODE_MAY },
	{ "socket.mode=1777", "is out of range; allowed: " MODE_MAY },
	{ "socket.mode=", "\"\" is not an octal permission" },
	{ "socket.mode=rw", "\"rw\" is not an octal permission" },
	{ "socket.mode=7777777777777777777777777", "is out of range" },
	{ "files.framing=lines", "files.framing: \"lines\" is unknown; "
				 "allowed: newline, none or length" },
	{ "files.framing=", "\"\" is unknown" },
	{ "files.compression=gzip", "files.compression: \"gzip\" is unknown; "
				    "allowed: none or zstd" },
#ifndef BW_ZSTD
	{ "files.compression=zstd",
	  "files.compression: \"zstd\" needs libzstd, and this daemon was "
	  "built without it; allowed: none" },
#endif
	{ "files.sync=full", "allowed: none or data" },
	{ "socket.also=sock", "socket.also: \"sock\" has a path that is not "
			      "absolute; allowed: up to 15 absolute paths" },
	{ "socket.also=/a /a", "allowed: a path that no other setting names" },
	{ "socket.also=/run/bufwriter.sock", "is also socket.path" },
	{ "socket.also=/run/bufwriter/state", "is also" },
	{ "socket.also=/run/bufwriter/limits", "is also" },
	{ "socket.also=/1 /2 /3 /4 /5 /6 /7 /8 /9 /10 /11 /12 /13 /14 /15 /16",
	  "has more than 15 paths" },
	{ "socket.strip=yes", "allowed: none, syslog or tag" },
	{ "log.level=Info", "\"Info\" is unknown; allowed: error, warning, "
			    "notice, info or debug" },
	{ "files.path=", "files.path: \"\" is empty; allowed: " PATH_MAY },
	{ "files.path=logs",
	  "\"logs\" is not an absolute path; allowed: " PATH_MAY },
	{ "files.path=\"/logs\"", "begins with a quote" },
	{ "files.path=/a\nb", "\"/a?b\" contains a control character" },
	{ "files.path=/a\033[2J", "contains a control character" },
	{ "files.path=/a ;b", "contains ' ;', which begins a comment" },
	{ "files.path=/a # b", "contains ' #'" },
	{ "state.path=state",
	  "is not an absolute path; allowed: " PATH_MAY ", or nothing" },
	{ "socket.path=@abstract",
	  "is not an absolute path; allowed: " SOCKET_MAY },
	{ "socket.path=/1234567890123456789012345678901234567890123456789"
	  "0123456789012345678901234567890123456789012345678901234567",
	  "socket.path: "
	  "\"/12345678901234567890123456789012345678901234567890123456789...\" "
	  "is too long; allowed: " SOCKET_MAY },
	{ "files.prefix=a/b",
	  "files.prefix: \"a/b\" contains '/'; allowed: " NAME_MAY },
	{ "files.prefix=\twe\tb", "contains a control character" },
	{ "files.prefix='web'", "begins with a quote" },
	{ "files.prefix=;web", "begins like a comment" },
	{ "files.prefix=.web",
	  "files.prefix: \".web\" begins with a dot, which marks "
	  "temporary files; allowed: any other first character" },
	{ "files.prefix=%x", "\"%x\" is unknown; allowed: %H host name, %i "
			     "instance, %m machine id, %% a percent sign" },
	{ "files.suffix=a%", "files.suffix: \"%\" is unknown" },
	{ "files.suffix=/", "contains '/'" },
	{ "socket.group=a\001", "contains a control character" },
};

START_TEST(a_bad_value_is_one_line_that_says_what_is_allowed)
{
	struct reports reports = { 0 };
	struct config *cfg;
	int err = settings_option(bad[_i].option, &reports, &cfg);

	ck_assert_int_eq(err, -EINVAL);
	ck_assert_ptr_null(cfg);
	ck_assert_uint_eq(reports.n, 1);
	ck_assert_msg(strstr(reports.line[0], bad[_i].report) != NULL,
		      "%s\nis not\n%s", reports.line[0], bad[_i].report);
	ck_assert_msg(strncmp(reports.line[0], "-o: ", 4) == 0, "%s",
		      reports.line[0]);
	reports_clear(&reports);
}
END_TEST

static const struct {
	const char *option;
	const char *report;
} bad_options[] = {
	{ "", "-o: \"\" is not of the form SECTION.KEY=VALUE" },
	{ "buffer.size", "-o: \"buffer.size\" is not of the form" },
	{ "size=1", "-o: \"size=1\" is not of the form" },
	{ "size=1.5", "-o: \"size=1.5\" is not of the form" },
	{ "buffers.size=1", "-o: [buffers]: unknown section, did you mean "
			    "[buffer]?" },
	{ "buffer.Size=1", "-o: buffer.Size: unknown key, did you mean "
			   "size?" },
	{ ".=",
	  "-o: []: unknown section; allowed: [socket], [buffer], [lanes], "
	  "[senders], [files], [state], [control], [ship], [log]" },
};

START_TEST(an_option_that_is_none_is_refused)
{
	struct reports reports = { 0 };
	struct config *cfg;

	ck_assert_int_eq(settings_option(bad_options[_i].option, &reports,
					 &cfg),
			 -EINVAL);
	ck_assert_uint_eq(reports.n, 1);
	ck_assert_msg(strstr(reports.line[0], bad_options[_i].report) != NULL,
		      "%s\nis not\n%s", reports.line[0],
		      bad_options[_i].report);
	reports_clear(&reports);
}
END_TEST

/* --- options and names --------------------------------------------------- */

START_TEST(options_win_over_the_file_and_the_last_one_counts)
{
	static const char *const options[] = { "buffer.size=2",
					       "buffer.size=3" };
	struct reports reports = { 0 };
	struct config *cfg;

	settings_write("[buffer]\nsize = 1\nworkers = 1\n", 30);
	ck_assert_int_eq(config_load(settings_file, options, 2, reports_add,
				     &reports, &cfg),
			 0);
	ck_assert_uint_eq(cfg->buffer_size_bytes, 3);
	ck_assert_uint_eq(cfg->buffer_workers, 1);
	ck_assert_str_eq(cfg->file, settings_file);
	config_free(cfg);
}
END_TEST

START_TEST(without_a_file_everything_has_its_default)
{
	struct reports reports = { 0 };
	struct config *cfg;
	const struct setting *set;
	char value[SETTING_TEXT];

	ck_assert_int_eq(
		config_load(NULL, NULL, 0, reports_add, &reports, &cfg), 0);
	for (set = setting_table; set < setting_table + SETTINGS; set++) {
		/* also: each default is written as it is printed */
		setting_format(set, cfg, value, sizeof(value));
		ck_assert_str_eq(value, set->default_text);
	}
	ck_assert_str_eq(cfg->instance, "bufwriter");
	ck_assert_str_eq(cfg->prefix, "");
	ck_assert_str_eq(cfg->suffix, ".log");
	ck_assert_str_eq(cfg->temp, "/var/log/bufwriter.tmp");
	ck_assert_ptr_null(cfg->file);
	config_free(cfg);
}
END_TEST

static uint64_t bound(enum value_type type, const char *text)
{
	char printed[64];
	uint64_t number;

	ck_assert_ptr_null(value_parse(type, text, &number));
	value_format(type, number, printed, sizeof(printed));
	ck_assert_str_eq(printed, text);
	return number;
}

START_TEST(each_bound_is_written_as_it_is_printed_and_has_its_order)
{
	const struct setting *set = &setting_table[_i];

	if (value_is_word(set->type))
		ck_assert(!set->min_text && !set->max_text);
	else if (value_is_text(set->type))
		ck_assert(!set->min_text && bound(VALUE_COUNT, set->max_text));
	else
		ck_assert_uint_lt(bound(set->type, set->min_text),
				  bound(set->type, set->max_text));
	ck_assert_msg(value_is_text(set->type) || !set->may_be_empty,
		      "%s is no text", set->name);
}
END_TEST

START_TEST(percent_words_are_replaced_and_host_has_no_slash)
{
	struct config *cfg = settings_good("[files]\nprefix=%i-%H-%%i\n"
					   "suffix=.%%%i\ntemp = /t\n");
	char host[256] = "";
	char expected[512];
	char *p;

	ck_assert_int_eq(gethostname(host, sizeof(host) - 1), 0);
	for (p = host; *p; p++)
		if (*p == '/')
			*p = '_';
	snprintf(expected, sizeof(expected), "test-%s-%%i", host);
	ck_assert_str_eq(cfg->prefix, expected);
	ck_assert_str_eq(cfg->suffix, ".%test");
	ck_assert_str_eq(cfg->files_prefix, "%i-%H-%%i");
	ck_assert_str_eq(cfg->instance, "test");
	ck_assert_str_eq(cfg->temp, "/t");
	config_free(cfg);
}
END_TEST

#ifdef BW_ZSTD
START_TEST(compressed_files_have_a_mark_that_a_reload_does_not_change)
{
	static const char *const option[] = { "[files]\ncompression=none\n",
					      "[files]\ncompression=zstd\n" };
	struct config *old = settings_good(option[_i]);
	struct config *new, *merged;

	ck_assert_str_eq(old->suffix, _i ? ".log.zst" : ".log");
	new = settings_good(_i ? "[files]\ncompression=none\nsuffix=.x\n" :
				 "[files]\ncompression=zstd\nsuffix=.x\n");
	ck_assert_str_eq(new->suffix, _i ? ".x" : ".x.zst");
	merged = config_merge(old, new);
	ck_assert_str_eq(merged->suffix, _i ? ".x.zst" : ".x");
	ck_assert_int_eq(merged->files_compression, old->files_compression);
	config_free(old);
	config_free(new);
	config_free(merged);
}
END_TEST
#endif

#define ID "0123456789abcdef0123456789abcdef"

/* a file, and what machine_id_read() makes of it */
static const struct {
	const char *text;
	int err;
} machine_ids[] = {
	{ ID "\n", 0 },
	{ ID, 0 },
	{ "", -EINVAL },
	{ "uninitialized\n", -EINVAL },
	{ "0123456789abcdef0123456789abcde\n", -EINVAL },
	{ ID "0\n", -EINVAL },
	{ ID " \n", -EINVAL },
	{ "0123456789ABCDEF0123456789ABCDEF\n", -EINVAL },
	{ "00000000000000000000000000000000\n", -EINVAL },
};

START_TEST(a_machine_id_is_32_digits_and_nothing_else)
{
	const char *text = machine_ids[_i].text;
	char id[MACHINE_ID] = "";

	settings_write(text, strlen(text));
	ck_assert_int_eq(machine_id_read(settings_file, id),
			 machine_ids[_i].err);
	ck_assert_str_eq(id, machine_ids[_i].err ? "" : ID);
}
END_TEST

/* In a mount namespace of the test. */
static bool replace_machine_id(const char *text)
{
	settings_write(text, strlen(text));
	return !unshare(CLONE_NEWNS) &&
	       !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount(settings_file, MACHINE_ID_FILE, NULL, MS_BIND, NULL);
}

START_TEST(the_machine_id_is_in_a_prefix_or_missed_in_one_line)
{
	struct reports reports = { 0 };
	struct config *cfg;

	if (!replace_machine_id(_i ? ID "\n" : "uninitialized\n")) {
		suite_skip("no mount over " MACHINE_ID_FILE " here");
		return;
	}
	ck_assert_int_eq(settings_option("files.prefix=%m-", &reports, &cfg),
			 _i ? 0 : -EINVAL);
	if (_i) {
		ck_assert_str_eq(cfg->prefix, ID "-");
		config_free(cfg);
	} else {
		ck_assert_uint_eq(reports.n, 1);
		ck_assert(reports_have(
			&reports, "files.prefix: \"%m\" needs the machine id, "
				  "and /etc/machine-id holds none; allowed: "));
	}
	reports_clear(&reports);
	/* It is not missed where no name has it. */
	ck_assert_int_eq(settings_option("files.prefix=%H-", &reports, &cfg),
			 0);
	config_free(cfg);
}
END_TEST

/* name of a file, and the %i that comes from it; NULL: a dot file */
static const struct {
	const char *file;
	const char *instance;
} instances[] = {
	{ "web.ini", "web" }, { "web", "web" },	     { "web.conf", "web.conf" },
	{ "a.b.ini", "a.b" }, { "a\nb.ini", "a_b" }, { ".hidden.ini", NULL },
};

START_TEST(the_instance_is_the_base_name_of_the_file)
{
	static const char *const options[] = { "files.prefix=%i" };
	struct reports reports = { 0 };
	struct config *cfg;
	char file[400];
	int err;

	snprintf(file, sizeof(file), "%s/%s", settings_dir, instances[_i].file);
	settings_write("", 0);
	ck_assert_int_eq(rename(settings_file, file), 0);
	err = config_load(file, options, 1, reports_add, &reports, &cfg);
	unlink(file);
	if (!instances[_i].instance) {
		ck_assert_int_eq(err, -EINVAL);
		ck_assert(reports_have(&reports, "begins with a dot"));
		reports_clear(&reports);
		return;
	}
	ck_assert_int_eq(err, 0);
	ck_assert_str_eq(cfg->instance, instances[_i].instance);
	ck_assert_str_eq(cfg->prefix, instances[_i].instance);
	config_free(cfg);
}
END_TEST

/* --- a reload ------------------------------------------------------------ */

/* Without libzstd there is no other value. */
#ifdef BW_ZSTD
#define OTHER_COMPRESSION "zstd"
#define MARK ".zst"
#define UNCHANGED 0
#else
#define OTHER_COMPRESSION "none"
#define MARK ""
#define UNCHANGED 1
#endif

/* A value other than the default, for each type. */
static const char *other_value(const struct setting *set)
{
	/* more than a file of the other sizes */
	if (!strcmp(set->name, "files.keep"))
		return "777K";
	switch (set->type) {
	case VALUE_SIZE:
		return "32K"; /* lanes.size is a power of two */
	case VALUE_DURATION:
		return "77s";
	case VALUE_PATIENCE:
		return "never";
	case VALUE_COUNT:
		return "7";
	case VALUE_MODE:
		return "0123";
	case VALUE_FRAMING:
		return "length";
	case VALUE_STRIP:
		return "syslog";
	case VALUE_SYNC:
		return "data";
	case VALUE_COMPRESSION:
		return OTHER_COMPRESSION;
	case VALUE_FULL:
		return "delete-oldest";
	case VALUE_SWITCH:
		return "yes";
	case VALUE_BY:
		return "unit";
	case VALUE_LEVEL:
		return "debug";
	case VALUE_SOCKETS:
		return "/run/other-1 /run/other-2";
	case VALUE_NAME:
		return "name-%i";
	case VALUE_GROUP:
		return "adm";
	case VALUE_TEXT:
		return "any % text";
	default:
		return NULL; /* each path another one */
	}
}

/* Everything other than by default. */
static struct config *other_config(void)
{
	const struct setting *set;
	const char *value;
	char text[4096];
	char path[64];
	size_t used = 0;

	for (set = setting_table; set < setting_table + SETTINGS; set++) {
		value = other_value(set);
		snprintf(path, sizeof(path), "/other/%s", set->name);
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "[%s]\n%s = %s\n", set->section,
					 set->key, value ? value : path);
	}
	return settings_good(text);
}

struct diff {
	struct reports applied;
	struct reports restart;
};

static void diff_applied(void *arg, const char *line)
{
	reports_add(&((struct diff *)arg)->applied, line);
}

static void diff_restart(void *arg, const char *line)
{
	reports_add(&((struct diff *)arg)->restart, line);
}

START_TEST(diff_names_each_changed_key_once_by_what_it_needs)
{
	struct config *old = settings_good("");
	struct config *new = other_config();
	struct diff diff = { 0 };
	unsigned applied = 0;
	unsigned restart = 0;
	unsigned shippers = 0;
	const struct setting *set;

	/* the daemon does not use these */
	for (set = setting_table; set < setting_table + SETTINGS; set++)
		shippers += set->ship;
	ck_assert_uint_gt(shippers, 0);
	ck_assert_uint_eq(
		config_diff(old, old, diff_applied, diff_restart, &diff), 0);
	ck_assert_uint_eq(config_diff(old, new, diff_applied, diff_restart,
				      &diff),
			  SETTINGS - shippers - UNCHANGED);
	for (set = setting_table; set < setting_table + SETTINGS; set++) {
		if (set->ship || (UNCHANGED && set->type == VALUE_COMPRESSION))
			continue;
		ck_assert_str_eq(set->reload ? diff.applied.line[applied++] :
					       diff.restart.line[restart++],
				 set->name);
	}
	ck_assert_uint_eq(diff.applied.n, applied);
	ck_assert_uint_eq(diff.restart.n, restart);
	reports_clear(&diff.applied);
	reports_clear(&diff.restart);
	config_free(old);
	config_free(new);
}
END_TEST

START_TEST(merge_takes_what_a_reload_applies_and_nothing_else)
{
	struct config *old = settings_good("");
	struct config *new = other_config();
	struct config *merged = config_merge(old, new);
	const struct setting *set;
	char want[SETTING_TEXT];
	char have[SETTING_TEXT];

	ck_assert_ptr_nonnull(merged);
	ck_assert_str_eq(merged->prefix, "name-test");
	ck_assert_str_eq(merged->suffix, "name-test");
	ck_assert_str_eq(merged->temp, "/var/log/bufwriter.tmp");
	ck_assert_str_eq(merged->file, settings_file);
	for (set = setting_table; set < setting_table + SETTINGS; set++) {
		setting_format(set, set->reload || set->ship ? new : old, want,
			       sizeof(want));
		setting_format(set, merged, have, sizeof(have));
		ck_assert_str_eq(have, want);
	}
	/* a copy: it outlives both */
	config_free(old);
	config_free(new);
	free(settings_print(merged));
	config_free(merged);
	config_free(NULL);
}
END_TEST

START_TEST(words_are_those_of_the_file)
{
	ck_assert_str_eq(config_framing_word(FRAMING_LENGTH), "length");
	ck_assert_str_eq(config_sync_word(SYNC_DATA), "data");
	ck_assert_str_eq(config_level_word(LEVEL_WARNING), "warning");
}
END_TEST

START_TEST(a_level_out_of_range_fails_an_assert)
{
	config_level_word((enum config_level)99);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *values = suite_case(suite, "values", NULL, NULL);
	TCase *rest = suite_case(suite, "options, names and reload",
				 settings_open, settings_close);

	tcase_add_loop_test(values,
			    a_value_is_printed_in_its_largest_exact_unit, 0,
			    COUNT(good));
	tcase_add_loop_test(values,
			    a_bad_value_is_one_line_that_says_what_is_allowed,
			    0, COUNT(bad));
	tcase_add_loop_test(values, an_option_that_is_none_is_refused, 0,
			    COUNT(bad_options));
	tcase_add_test_raise_signal(
		values, a_level_out_of_range_fails_an_assert, SIGABRT);

	tcase_add_test(rest, options_win_over_the_file_and_the_last_one_counts);
	tcase_add_test(rest, without_a_file_everything_has_its_default);
	tcase_add_loop_test(
		rest, each_bound_is_written_as_it_is_printed_and_has_its_order,
		0, SETTINGS);
	tcase_add_test(rest, percent_words_are_replaced_and_host_has_no_slash);
#ifdef BW_ZSTD
	tcase_add_loop_test(
		rest,
		compressed_files_have_a_mark_that_a_reload_does_not_change, 0,
		2);
#endif
	tcase_add_loop_test(rest, a_machine_id_is_32_digits_and_nothing_else, 0,
			    sizeof(machine_ids) / sizeof(machine_ids[0]));
	tcase_add_loop_test(rest,
			    the_machine_id_is_in_a_prefix_or_missed_in_one_line,
			    0, 2);
	tcase_add_loop_test(rest, the_instance_is_the_base_name_of_the_file, 0,
			    COUNT(instances));
	tcase_add_test(rest, diff_names_each_changed_key_once_by_what_it_needs);
	tcase_add_test(rest,
		       merge_takes_what_a_reload_applies_and_nothing_else);
	tcase_add_test(rest, words_are_those_of_the_file);
	return suite_run(suite, CK_FORK);
}
