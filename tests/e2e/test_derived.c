/* SPDX-License-Identifier: MIT */
/*
 * tests/lib/derived.c lists every name that is made for a setting: a daemon and
 * a shipper make these, each of them, and no other.  The check of settings is
 * held to that list, so a name that somebody adds is checked or fails here.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/derived.h"
#include "tests/lib/lane_client.h"
#include "tests/lib/sender.h"
#include "tests/lib/ship.h"

/* A directory for each setting, in which its path is `x`. */
static const char *const keys[] = {
	"socket.path",	"socket.also",		"lanes.path",
	"files.path",	"files.temp",		"state.path",
	"control.path", "control.metrics_file", "ship.metrics_file",
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static bool seen[DERIVED];
static char watched[2 * KEYS + 1][64]; /* by the number of the watch */
static int notify;

static void watch(const char *key, const char *below)
{
	const char *dir = bed_text("%s/%s%s", bed.root, key, below);
	int number;

	ck_assert_int_eq(mkdir(dir, 0755), 0);
	number = inotify_add_watch(notify, dir, IN_CREATE | IN_MOVED_TO);
	ck_assert_int_gt(number, 0);
	ck_assert_uint_lt(number, 2 * KEYS + 1);
	snprintf(watched[number], sizeof(watched[number]), "%s%s", key, below);
}

/* The path of this setting. */
static const char *path_of(const char *key, const char *given)
{
	return bed_text("%s/%s/x%s", bed.root, key, given);
}

/* `path` is as `socket.path/x.limits`, without the bed's root. */
static bool is_made(const struct derived *d, const char *path)
{
	const char *made = bed_text("%s%s%s", d->key, d->beside ? "" : "/x",
				    d->made);
	size_t len = strlen(made);

	if (!d->numbered)
		return !strcmp(path, made);
	return !strncmp(path, made, len) && isdigit((unsigned char)path[len]) &&
	       path[len + strspn(path + len, "0123456789")] == 0;
}

static void note(const char *path, const char *given)
{
	bool known = false;
	unsigned i;

	for (i = 0; i < DERIVED; i++)
		if (is_made(&derived[i], path) &&
		    (!derived[i].given[0] || !strcmp(derived[i].given, given)))
			seen[i] = known = true;
	ck_assert_msg(known, "%s was made, and is not in derived.c", path);
}

static void read_events(const char *given)
{
	static char buf[65536] __attribute__((aligned(8)));
	ssize_t n = read(notify, buf, sizeof(buf));
	const struct inotify_event *e;
	char *at;

	ck_assert_int_gt(n, 0);
	for (at = buf; at < buf + n; at += sizeof(*e) + e->len) {
		e = (const void *)at;
		ck_assert_int_gt(e->wd, 0);
		note(bed_text("%s/%s", watched[e->wd], e->name), given);
	}
}

static void start(const char *given, bool all)
{
	daemon_start(
		bed_text("socket.also=%s", path_of("socket.also", given)),
		bed_text("control.metrics_file=%s",
			 path_of("control.metrics_file", "")),
		all ? bed_text("lanes.path=%s", path_of("lanes.path", "")) :
		      "log.level=debug",
		all ? bed_text("files.temp=%s", path_of("files.temp", "")) :
		      "log.level=debug");
}

static void send_and_flush(void)
{
	int fd = send_open();

	send_one(fd, "one", 3);
	ck_assert_int_eq(command("flush"), 0);
	close(fd);
}

static void damage_region(void)
{
	static const char nonsense[100];

	file_write(bed.state, nonsense, sizeof(nonsense));
}

static const char *const ends[] = { "", ".sock" };

/* With all settings given, and with those left out that have a default. */
START_TEST(each_name_that_is_made_is_in_the_list)
{
	const char *given = ends[_i / 2];
	bool all = _i % 2;
	unsigned i;

	notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	for (i = 0; i < KEYS; i++)
		watch(keys[i], "");
	if (*given) {
		watch("socket.path", "/x");
		watch("socket.also", "/x");
	}
	snprintf(bed.sock, BED_PATH, "%s", path_of("socket.path", given));
	snprintf(bed.files, BED_PATH, "%s", path_of("files.path", ""));
	snprintf(bed.state, BED_PATH, "%s", path_of("state.path", ""));
	snprintf(bed.control, BED_PATH, "%s", path_of("control.path", ""));
	ck_assert_int_eq(mkdir(bed.files, 0755), 0);
	start(given, all);
	send_and_flush();
	ck_assert_int_eq(command("reload"), 0);
	daemon_kill();
	damage_region();
	start(given, all);
	send_and_flush();
	UNTIL(file_exists(path_of("control.metrics_file", "")));
	daemon_stop(NULL);
	start(given, all);
	daemon_stop(NULL);
	ship_command("cat >/dev/null; rm $ROOT/files.path/x/*");
	ck_assert_int_eq(ship_once(bed_text("ship.metrics_file=%s",
					    path_of("ship.metrics_file", ""))),
			 0);
	read_events(given);
	close(notify);
	for (i = 0; i < DERIVED; i++)
		if (!strcmp(derived[i].given, given) &&
		    !(all && derived[i].unless) &&
		    (all || (strcmp(derived[i].key, "lanes.path") &&
			     strcmp(derived[i].key, "files.temp"))))
			ck_assert_msg(seen[i], "%s: x%s is not made",
				      derived[i].key, derived[i].made);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("derived");
	TCase *t = suite_case(suite, "names", ship_open, ship_close);

	tcase_add_loop_test(t, each_name_that_is_made_is_in_the_list, 0,
			    2 * sizeof(ends) / sizeof(ends[0]));
	return suite_run(suite, CK_NOFORK);
}
