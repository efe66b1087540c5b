/* SPDX-License-Identifier: MIT */
/*
 * The centre kit (systemd/centre): `bufwriter ship` takes files to the kit's
 * own rsync daemon, and bufwriter-centre moves, deletes and names what the
 * manual says.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/examples.h"
#include "tests/lib/port.h"
#include "tests/lib/process.h"
#include "tests/lib/random.h"
#include "tests/lib/ship.h"

static char dir[BED_PATH];  /* settings and secrets of the centre */
static char root[BED_PATH]; /* in/, done/, aside/, state/ */
static char host[256];	    /* this one; another one is called other */
static int server, mover;   /* groups, or 0 */
static int port;

/* --- a centre ------------------------------------------------------------ */

/* A directory of this host: in, done, aside, state/work. */
static const char *at(const char *parent)
{
	return bed_text("%s/%s/%s", root, parent, host);
}

static const char *file_at(const char *parent, const char *name)
{
	return bed_text("%s/%s", at(parent), name);
}

static void put(const char *path, const char *text)
{
	file_write(path, text, strlen(text));
}

static void require_text(const char *path, const char *text)
{
	char *is = file_read(path, NULL);

	ck_assert_str_eq(is, text);
	free(is);
}

static void settings(const char *more)
{
	script_write(bed_text("%s/conf", dir),
		     bed_text("root = %s\ninterval = 1s\nsecrets = %s/secrets\n"
			      "keys = %s/keys\nmetrics_file = %s/prom\n%s",
			      root, dir, dir, dir, more),
		     0644);
}

static const char *program(void)
{
	return bed_text("%s -c %s/conf",
			source_path("systemd/centre/bufwriter-centre"), dir);
}

/* The exit status; what it prints is in said(). */
static int centre(const char *command)
{
	return script_run(dir, bed_text("%s %s", program(), command));
}

static bool said(const char *text)
{
	char *all = file_read(bed_text("%s/output", dir), NULL);
	bool is = strstr(all, text) != NULL;

	if (!is)
		fprintf(stderr, "not '%s', but: %s\n", text, all);
	free(all);
	return is;
}

/* The shipper finds a password as under its unit. */
static void use_password_of(const char *name)
{
	ck_assert_int_eq(
		script_run(dir, bed_text("sed -n 's/^%s://p' secrets >password",
					 name)),
		0);
	ck_assert_int_eq(chmod(bed_text("%s/password", dir), 0600), 0);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
}

static void end_group(int *group)
{
	if (!*group)
		return;
	kill(-*group, SIGKILL);
	waitpid(*group, NULL, 0);
	*group = 0;
}

static void centre_open(void)
{
	ship_open();
	snprintf(dir, sizeof(dir), "%s/centre", bed.root);
	snprintf(root, sizeof(root), "%s", bed_text("%s/root", dir));
	ck_assert_int_eq(mkdir(dir, 0755), 0);
	ck_assert_int_eq(mkdir(root, 0755), 0);
	gethostname(host, sizeof(host) - 1);
	settings("");
	ck_assert_int_eq(centre(bed_text("add %s", host)), 0);
	ck_assert_int_eq(centre("add other"), 0);
	use_password_of(host);
}

static void centre_close(void)
{
	end_group(&mover);
	end_group(&server);
	unsetenv("CREDENTIALS_DIRECTORY");
	ship_close();
}

/* --- its rsync daemon ----------------------------------------------------- */

static void serve(void)
{
	port = port_free();
	server = script_start(bed.root,
			      bed_text("exec %s %s %d",
				       source_path("tests/centre/serve.sh"),
				       dir, port));
	UNTIL(port_answers(port));
}

/* ship.destination */
static const char *to(const char *where)
{
	return bed_text(
		"ship.destination=rsync://%%H@127.0.0.1:%d/bufwriter/%s", port,
		where);
}

/* The names of this directory are those of files 0 to n, with their content. */
static unsigned count_and_check(const char *parent)
{
	char path[BED_PATH + 64];
	unsigned found = 0, i, n;

	snprintf(path, sizeof(path), "%s", at(parent));
	n = files_count(path);

	for (i = 0; found < n && i < 100000; i++) {
		const char *file = bed_text("%s/%s", path, ship_name(i));

		if (!file_exists(file))
			continue;
		require_text(file, bed_text("%05u\n", i));
		found++;
	}
	ck_assert_uint_eq(found, n);
	return n;
}

START_TEST(shipped_files_come_to_the_directory_of_their_host_in_done)
{
	serve();
	ship_files(0, 50);
	ck_assert_int_eq(ship_once(to("in/%H/")), 0);
	ck_assert_uint_eq(files_count(bed.files), 0);
	ck_assert_uint_eq(count_and_check("in"), 50);
	ck_assert_int_eq(centre("move"), 0);
	ck_assert_uint_eq(files_count(at("in")), 0);
	ck_assert_uint_eq(count_and_check("done"), 50);
}
END_TEST

START_TEST(a_file_that_has_moved_is_not_sent_again)
{
	serve();
	ship_files(0, 3);
	/* killed between the arrival and the removal; then it was moved */
	ck_assert_int_eq(script_run(bed.root,
				    bed_text("cp -p %s/%s %s/ && chmod 440 "
					     "%s/*",
					     bed.files, ship_name(1),
					     at("done"), at("done"))),
			 0);
	ck_assert_int_eq(ship_once(to("in/%H/")), 0);
	ck_assert_uint_eq(files_count(bed.files), 0);
	ck_assert_uint_eq(files_count(at("in")), 2);
}
END_TEST

/* --- hosts of one name ---------------------------------------------------- */

#define HOSTS 3
#define TWINS 20
static char files_of[HOSTS][BED_PATH];

/* Each host of this name has a directory of files. */
static void use_files_of(unsigned which)
{
	snprintf(files_of[which], BED_PATH, "%s",
		 bed_text("%s/files%u", bed.root, which));
	if (!file_exists(files_of[which]))
		ck_assert_int_eq(mkdir(files_of[which], 0755), 0);
	snprintf(bed.files, BED_PATH, "%s", files_of[which]);
}

/* Files of one name, size and second on each host; the text differs. */
static void make_twins(unsigned which)
{
	const struct timespec time = { .tv_sec = 1795597042, .tv_nsec = which };
	const struct timespec times[2] = { time, time };
	unsigned i;

	for (i = 0; i < TWINS; i++) {
		const char *path = bed_text("%s/%s", files_of[which],
					    ship_name(i));

		put(path, bed_text("host %u, message %05u\n", which, i));
		ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	}
}

/* Each message of all hosts is below done/ or aside/, once. */
static void require_all_messages(unsigned hosts, unsigned each)
{
	ck_assert_int_eq(
		script_run(dir,
			   bed_text("cat $(find root/done root/aside -type f) |"
				    " sort >all; i=0; while [ $i -lt %u ]; do "
				    "for h in $(seq 0 %u); do printf "
				    "'host %%u, message %%05u\n' $h $i; done; "
				    "i=$((i + 1)); done | sort >wanted; "
				    "diff all wanted",
				    each, hosts - 1)),
		0);
}

static const struct {
	const char *before; /* what the centre does after each host */
} twin_cases[] = { { NULL }, { "move" } };

START_TEST(files_of_one_name_from_hosts_of_one_name_are_kept_apart)
{
	unsigned i;

	serve();
	for (i = 0; i < HOSTS; i++) {
		use_files_of(i);
		make_twins(i);
		ck_assert_int_eq(ship_once(to("in/%H/")), 0);
		ck_assert_uint_eq(files_count(bed.files), 0);
		if (twin_cases[_i].before)
			ck_assert_int_eq(centre(twin_cases[_i].before), 0);
	}
	ck_assert_int_eq(centre("move"), 0);
	ck_assert_uint_eq(files_count(at("in")), 0);
	ck_assert_uint_eq(files_count(at("done")), TWINS);
	ck_assert_uint_eq(files_count(at("aside")), (HOSTS - 1) * TWINS);
	require_all_messages(HOSTS, TWINS);
	ck_assert_int_eq(centre("check"), 1);
	ck_assert(said(bed_text("%s: files in aside/: %u", host,
				(HOSTS - 1) * TWINS)));
}
END_TEST

/* Files whose names no other host has, as of a daemon with this number. */
static void make_own(unsigned which, unsigned from, unsigned end)
{
	for (; from < end; from++)
		put(bed_text("%s/0_%u_%llu.log", files_of[which], 100 + which,
			     1795597042000000000ull + from),
		    bed_text("host %u, message %05u\n", which, from));
}

/* A shipper for this host; the caller keeps the copies of `ship`. */
static void start_host(struct ship *ships, unsigned which)
{
	use_files_of(which);
	snprintf(ship.said, BED_PATH, "%s",
		 bed_text("%s/said%u", bed.root, which));
	ship_start(to("in/%H/"), "ship.interval=100ms", "ship.batch_files=10",
		   bed_text("control.path=%s/control%u", bed.root, which));
	ships[which] = ship;
	ship.pid = 0;
}

START_TEST(shippers_of_one_name_at_the_same_time_lose_nothing)
{
	unsigned rounds = (unsigned)suite_scale(20), n = 0, i, k;
	struct ship ships[HOSTS];

	serve();
	mover = script_start(bed.root, bed_text("exec %s run", program()));
	for (i = 0; i < HOSTS; i++)
		start_host(ships, i);
	for (k = 0; k < rounds; k++, n += 25) {
		for (i = 0; i < HOSTS; i++)
			make_own(i, n, n + 25);
		suite_sleep_ms(50);
	}
	for (i = 0; i < HOSTS; i++)
		UNTIL(files_count(files_of[i]) == 0);
	UNTIL(files_count(at("in")) == 0);
	for (i = 0; i < HOSTS; i++) {
		ship = ships[i];
		ck_assert_int_eq(ship_stop(), 0);
	}
	ck_assert_uint_eq(files_count(at("done")), HOSTS * n);
	ck_assert_uint_eq(files_count(at("aside")), 0);
	require_all_messages(HOSTS, n);
}
END_TEST

/* --- what a host may not do ----------------------------------------------- */

START_TEST(a_wrong_password_ships_nothing)
{
	serve();
	ship_files(0, 3);
	use_password_of("other");
	ck_assert_int_eq(ship_once(to("in/%H/")), 75);
	ck_assert_uint_ge(ship_said("auth failed"), 1);
	ck_assert_uint_eq(files_count(bed.files), 3);
	ck_assert_uint_eq(files_count(at("in")), 0);
}
END_TEST

static const char *const elsewhere[] = {
	"in/other/",	"in/other",  "in/%H/../other/", "in/",	       "",
	"in/%H/below/", "done/%H/",  "done/",		"done/other/", "../",
	"state/",	"aside/%H/",
};

START_TEST(no_other_directory_can_be_written)
{
	serve();
	ship_files(0, 3);
	ck_assert_int_ne(ship_once(to(elsewhere[_i])), 0);
	ck_assert_uint_eq(files_count(bed.files), 3);
	ck_assert_int_eq(script_run(dir, "[ -z \"$(find root/in root/done "
					 "root/aside -type f)\" ]"),
			 0);
}
END_TEST

/* rsync with these options and this source; its exit status */
static int rsync(const char *options, const char *from, const char *where)
{
	return script_run(bed.files,
			  bed_text("rsync --password-file=%s/password "
				   "--contimeout=20 --timeout=20 %s %s "
				   "rsync://%s@127.0.0.1:%d/bufwriter/%s",
				   dir, options, from, host, port, where));
}

static const char *const refused[] = {
	"-a --inplace",
	"-a --append",
	"-a --partial",
	"-a --partial-dir=x",
	"-a --delay-updates",
	"-a --delete",
	"-a --backup-dir=/in/other",
	"-a --temp-dir=/in/other",
	"-a --link-dest=/done/other",
	"-a --copy-dest=/done/other",
	"-a --compare-dest=/done/other",
	"-a --compare-dest=/in/other",
	"-a --keep-dirlinks",
	"-a --hard-links",
	"-a --ignore-existing",
	"-a --remove-sent-files --write-devices",
};

START_TEST(options_that_the_kit_does_not_know_are_refused)
{
	serve();
	ship_files(0, 1);
	ck_assert_int_eq(rsync("-a -n", ship_name(0), bed_text("in/%s/", host)),
			 0);
	ck_assert_int_ne(
		rsync(refused[_i], ship_name(0), bed_text("in/%s/", host)), 0);
	ck_assert_uint_eq(files_count(at("in")), 0);
}
END_TEST

START_TEST(nothing_can_be_read)
{
	serve();
	put(file_at("in", "a"), "secret");
	put(file_at("done", "b"), "secret");
	ck_assert_int_ne(script_run(bed.files,
				    bed_text("rsync -a --password-file=%s/"
					     "password rsync://%s@127.0.0.1:%d/"
					     "bufwriter/in/%s/ .",
					     dir, host, port, host)),
			 0);
	ck_assert_uint_eq(files_count(bed.files), 1); /* "output" */
}
END_TEST

START_TEST(directories_links_and_dot_files_stay_out_of_done)
{
	serve();
	ck_assert_int_eq(script_run(bed.files,
				    "mkdir below && echo x >below/file && "
				    "ln -s /etc/passwd link && echo x >.dot && "
				    "mkfifo pipe && rm output"),
			 0);
	rsync("-a", "./", bed_text("in/%s/", host));
	unlink(file_at("in", "output"));
	ck_assert_int_eq(centre("move"), 0);
	ck_assert_uint_eq(files_count(at("done")), 0);
	ck_assert(!file_exists(file_at("in", "below/file")));
	ck_assert(!file_exists(file_at("in", ".dot")));
	ck_assert_int_eq(centre("check"), 1);
	ck_assert(said("directories or links in in/"));
}
END_TEST

/* --- moving -------------------------------------------------------------- */

START_TEST(another_file_of_a_name_is_set_aside_and_named)
{
	put(file_at("done", "n.log"), "first");
	put(file_at("in", "n.log"), "second");
	ck_assert_int_eq(centre("move"), 0);
	ck_assert(said(bed_text("%s: n.log is in done/ with other content; the "
				"new one is aside/%s/n.log.1",
				host, host)));
	put(file_at("in", "n.log"), "third");
	ck_assert_int_eq(centre("move"), 0);
	require_text(file_at("done", "n.log"), "first");
	require_text(file_at("aside", "n.log.1"), "second");
	require_text(file_at("aside", "n.log.2"), "third");
	ck_assert_uint_eq(files_count(at("in")), 0);
	ck_assert_int_eq(centre("check"), 1);
	ck_assert(said(bed_text("%s: files in aside/: 2", host)));
}
END_TEST

START_TEST(the_same_file_a_second_time_is_dropped)
{
	put(file_at("done", "n.log"), "same");
	put(file_at("in", "n.log"), "same");
	ck_assert_int_eq(centre("move"), 0);
	ck_assert(!said("n.log"));
	ck_assert_uint_eq(files_count(at("in")), 0);
	ck_assert_uint_eq(files_count(at("aside")), 0);
	require_text(file_at("done", "n.log"), "same");
}
END_TEST

/* What rsync keeps when two hosts of one name send files of one name. */
START_TEST(a_twin_goes_aside_unless_it_is_the_same)
{
	put(file_at("done", "same"), "1");
	put(file_at("in", "same.0123abcd~"), "1");
	put(file_at("in", "n.log.zst"), "1");
	put(file_at("in", "n.log.zst.0123abcd~"), "2");
	put(file_at("in", "n.log.zst.fedcba98~"), "3");
	put(file_at("in", "no-twin~"), "4");
	ck_assert_int_eq(centre("move"), 0);
	ck_assert(said(bed_text("%s: n.log.zst came from two hosts of this "
				"name; one is aside/%s/n.log.zst.1",
				host, host)));
	ck_assert_uint_eq(files_count(at("in")), 0);
	ck_assert_uint_eq(files_count(at("done")), 3);
	ck_assert_uint_eq(files_count(at("aside")), 2);
	require_text(file_at("done", "n.log.zst"), "1");
	require_text(file_at("aside", "n.log.zst.1"), "2");
	require_text(file_at("aside", "n.log.zst.2"), "3");
	require_text(file_at("done", "no-twin~"), "4");
}
END_TEST

/* What a pass leaves that was killed between its two steps. */
START_TEST(a_pass_goes_on_where_a_killed_one_ended)
{
	ck_assert_int_eq(
		script_run(root, bed_text("mkdir -p state/work/%s", host)), 0);
	put(file_at("done", "same"), "1");
	put(file_at("state/work", "same"), "1");
	put(file_at("done", "other"), "1");
	put(file_at("state/work", "other"), "2");
	put(file_at("state/work", "lone"), "3");
	ck_assert_int_eq(centre("move"), 0);
	ck_assert_uint_eq(files_count(at("state/work")), 0);
	require_text(file_at("done", "same"), "1");
	require_text(file_at("done", "other"), "1");
	require_text(file_at("aside", "other.1"), "2");
	require_text(file_at("done", "lone"), "3");
}
END_TEST

START_TEST(names_that_a_shell_could_mistake_are_names)
{
	static const char *const names[] = { "-n",    "--help", "a b", "*",
					     "$(id)", "a\nb",	"'",   "\\" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		put(file_at("in", names[i]), names[i]);
		put(file_at("done", names[i]), i % 2 ? "other" : names[i]);
	}
	put(file_at("in", "-rf"), "new");
	ck_assert_int_eq(centre("move"), 0);
	require_text(file_at("done", "-rf"), "new");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		require_text(file_at("done", names[i]),
			     i % 2 ? "other" : names[i]);
		if (i % 2)
			require_text(file_at("aside",
					     bed_text("%s.1", names[i])),
				     names[i]);
	}
	ck_assert_uint_eq(files_count(at("in")), 0);
	ck_assert_uint_eq(files_count(at("aside")), 4);
}
END_TEST

START_TEST(a_mount_inside_of_the_root_stops_the_mover)
{
	if (bed_mount(at("done"), "1m")) {
		suite_skip("no memory file system can be mounted here");
		return;
	}
	put(file_at("in", "n.log"), "text");
	ck_assert_int_eq(centre("move"), 1);
	ck_assert(said("have to be in one file system"));
	require_text(file_at("in", "n.log"), "text");
	ck_assert_int_eq(umount(at("done")), 0);
}
END_TEST

START_TEST(a_move_that_would_be_a_copy_is_refused)
{
	char other[BED_PATH];

	snprintf(other, sizeof(other), "%s", bed_text("%s/other", bed.root));
	ck_assert_int_eq(mkdir(other, 0755), 0);
	if (bed_mount(other, "1m")) {
		suite_skip("no memory file system can be mounted here");
		return;
	}
	ck_assert_int_eq(rmdir(at("done")), 0);
	ck_assert_int_eq(symlink(other, at("done")), 0);
	put(file_at("in", "n.log"), "text");
	ck_assert_int_eq(centre("move"), 1);
	ck_assert(said("are not in one file system, or it is full"));
	require_text(file_at("in", "n.log"), "text");
	ck_assert_uint_eq(files_count(other), 0);
	ck_assert_int_eq(umount(other), 0);
}
END_TEST

START_TEST(only_one_mover_works_on_a_root)
{
	mover = script_start(bed.root, bed_text("exec %s run", program()));
	UNTIL(file_exists(bed_text("%s/prom", dir)));
	ck_assert_int_eq(centre("move"), 75);
	ck_assert(said("another bufwriter-centre works on"));
}
END_TEST

/* --- what is deleted ------------------------------------------------------ */

/* `seconds` has passed since the file was put there. */
static void wait_for_age(const char *path, int seconds)
{
	struct stat st;

	UNTIL(!stat(path, &st) && time(NULL) > st.st_ctime + seconds);
}

START_TEST(an_unfinished_file_is_deleted_when_it_is_stale)
{
	settings("stale = 1h\n");
	put(file_at("in", ".n.log.Ab12cD"), "half");
	ck_assert_int_eq(centre("move"), 0);
	ck_assert_int_eq(centre("clean"), 0);
	require_text(file_at("in", ".n.log.Ab12cD"), "half");
	settings("stale = 1s\n");
	wait_for_age(file_at("in", ".n.log.Ab12cD"), 1);
	ck_assert_int_eq(centre("clean"), 0);
	ck_assert(said("files deleted: 1, unfinished ones"));
	ck_assert(!file_exists(file_at("in", ".n.log.Ab12cD")));
}
END_TEST

START_TEST(files_older_than_keep_are_deleted)
{
	ck_assert_int_eq(mkdir(at("aside"), 0755), 0);
	put(file_at("done", "old"), "1");
	put(file_at("aside", "stays"), "1");
	put(file_at("in", "waits"), "1");
	ck_assert_int_eq(mkdir(bed_text("%s/done/.loaded", root), 0755), 0);
	put(bed_text("%s/done/.loaded/note", root), "1");
	ck_assert_int_eq(centre("clean"), 0);
	ck_assert(file_exists(file_at("done", "old")));
	settings("keep = 1h\n");
	ck_assert_int_eq(centre("clean"), 0);
	ck_assert(file_exists(file_at("done", "old")));
	wait_for_age(file_at("in", "waits"), 1);
	settings("keep = 1s\n");
	ck_assert_int_eq(centre("clean"), 0);
	ck_assert(said("files deleted: 1, those of"));
	ck_assert(!file_exists(file_at("done", "old")));
	ck_assert(file_exists(file_at("aside", "stays")));
	ck_assert(file_exists(file_at("in", "waits")));
	ck_assert(file_exists(bed_text("%s/done/.loaded/note", root)));
}
END_TEST

/* A root of a few MiB; false where that cannot be. */
static bool small_root(void)
{
	if (bed_mount(root, "4m")) {
		suite_skip("no memory file system can be mounted here");
		return false;
	}
	ck_assert_int_eq(centre(bed_text("add %s", host)), 0);
	return true;
}

static void put_large(const char *path, size_t size)
{
	char *text = calloc(1, size);

	file_write(path, text, size);
	free(text);
}

START_TEST(the_oldest_files_go_when_space_is_short)
{
	unsigned i;

	if (!small_root())
		return;
	for (i = 0; i < 3; i++) {
		put_large(file_at("done", bed_text("%u", 2 - i)), 1 << 20);
		wait_for_age(file_at("done", bed_text("%u", 2 - i)), 0);
	}
	/* at most 1 MiB is free */
	settings("keep_free = 2M\n");
	ck_assert_int_eq(centre("clean"), 0);
	ck_assert_uint_eq(files_count(at("done")), 3);
	ck_assert_int_eq(centre("check"), 1);
	ck_assert(said("less than keep_free is free"));
	settings("keep_free = 2M\nkeep_least = 0\n");
	ck_assert_int_eq(centre("clean"), 0);
	ck_assert(said("files deleted: 1, the oldest"));
	ck_assert(!file_exists(file_at("done", "2")));
	ck_assert(file_exists(file_at("done", "1")));
	ck_assert_int_eq(centre("check"), 1); /* no pass yet */
	ck_assert_int_eq(umount(root), 0);
}
END_TEST

START_TEST(a_full_disk_of_the_centre_loses_nothing)
{
	if (!small_root())
		return;
	serve();
	ship_files(0, 20);
	put_large(file_at("done", "large"), (4 << 20) - (64 << 10));
	ck_assert_int_eq(script_run(root, "cat /dev/zero >filler; true"), 0);
	ck_assert_int_ne(ship_once(to("in/%H/")), 0);
	ck_assert_uint_ge(ship_said("No space left"), 1);
	ck_assert_uint_eq(files_count(bed.files) + files_count(at("in")), 20);
	/* what has come moves, too */
	centre("move");
	ck_assert_uint_eq(files_count(at("in")), 0);
	unlink(bed_text("%s/filler", root));
	unlink(file_at("done", "large"));
	ck_assert_int_eq(ship_once(to("in/%H/")), 0);
	ck_assert_int_eq(centre("move"), 0);
	ck_assert_uint_eq(count_and_check("done"), 20);
	end_group(&server);
	UNTIL(!umount(root));
}
END_TEST

/* --- what is told --------------------------------------------------------- */

START_TEST(a_silent_host_is_named)
{
	const char *seen = bed_text("%s/state/seen/other", root);

	put(file_at("in", "n.log"), "text");
	ck_assert_int_eq(centre("move"), 0);
	ck_assert_int_eq(centre("check"), 0);
	ck_assert(said("all is well: 2 hosts"));
	ck_assert_int_eq(
		script_run(root, bed_text("touch -d '2 hours ago' %s", seen)),
		0);
	ck_assert_int_eq(centre("check"), 1);
	ck_assert(said("other is silent: nothing has come since 20"));
	ck_assert(!said(bed_text("%s is silent", host)));
	settings("silent = 3h\n");
	ck_assert_int_eq(centre("check"), 0);
	settings("silent = 0\n");
	ck_assert_int_eq(centre("check"), 0);
	settings("");
	ck_assert_int_eq(centre("remove other"), 0);
	ck_assert_int_eq(centre("check"), 0);
	ck_assert_int_eq(
		script_run(root, "touch -d '20 minutes ago' state/passed"), 0);
	ck_assert_int_eq(centre("check"), 1);
	ck_assert(said("nothing has moved files for ten minutes"));
}
END_TEST

START_TEST(the_numbers_are_there_for_prometheus)
{
	char *text;

	put(file_at("in", "n.log"), "text");
	mover = script_start(bed.root, bed_text("exec %s run", program()));
	UNTIL(file_exists(bed_text("%s/prom", dir)));
	text = file_read(bed_text("%s/prom", dir), NULL);
	ck_assert_ptr_nonnull(strstr(
		text, bed_text("bufwriter_centre_waiting_files{edge=\"%s\"} 0",
			       host)));
	ck_assert_ptr_nonnull(strstr(
		text, bed_text("\nbufwriter_centre_last_arrival_timestamp_"
			       "seconds{edge=\"%s\"} 1",
			       host)));
	free(text);
	require_text(file_at("done", "n.log"), "text");
}
END_TEST

static const struct {
	const char *line;
	const char *told;
} mistakes[] = {
	{ "colour = blue", "conf:6: colour: there is no such setting" },
	{ "keep = 10 parsecs", "conf:6: keep: '10 parsecs' is no duration" },
	{ "keep = -1d", "conf:6: keep: '-1d' is no duration" },
	{ "keep = 99999999999999999999d", "is no duration" },
	{ "stale = 0", "conf:6: stale: '0' is too short" },
	{ "keep_free = 999999999999T", "is no size" },
	{ "keep_free = 20 %", "is no size" },
	{ "silent", "conf:6: silent: '=' is missing" },
	{ "silent = ", "conf:6: silent: '' is no duration" },
	{ "root = /a/b", "conf:6: root: is set a second time" },
	{ "interval = $(id)", "conf:6: interval: '$(id)' is no duration" },
};

START_TEST(a_mistake_in_the_settings_is_named)
{
	settings(bed_text("%s\n", mistakes[_i].line));
	ck_assert_int_eq(centre("check"), 78);
	ck_assert(said(mistakes[_i].told));
}
END_TEST

START_TEST(a_name_that_is_no_host_is_refused)
{
	static const char *const names[] = { "''",    "a/b",  "..",   "-a",
					     "'a b'", "'a*'", "'a:b'" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ck_assert_int_eq(centre(bed_text("add %s", names[i])), 64);
		ck_assert(said("is no name of a host") || said("usage: "));
	}
}
END_TEST

/* --- ssh ------------------------------------------------------------------ */

static void start_sshd(void)
{
	port = port_free();
	script_write(bed_text("%s/sshd_config", dir),
		     bed_text("ListenAddress 127.0.0.1\nPort %d\n"
			      "HostKey %s/host\nAuthorizedKeysFile %s/keys\n"
			      "UsePAM no\nStrictModes no\nPidFile none\n",
			      port, dir, dir),
		     0600);
	ck_assert_int_eq(
		script_run(dir, bed_text("mkdir -p /run/sshd; for k in "
					 "host key; do ssh-keygen -q -t "
					 "ed25519 -N '' -f $k || exit; done;"
					 " echo \"[127.0.0.1]:%d "
					 "$(cat host.pub)\" >known_hosts",
					 port)),
		0);
	ck_assert_int_eq(centre(bed_text("add %s key.pub", host)), 0);
	server = script_start(bed.root, bed_text("exec /usr/sbin/sshd -D -e -f "
						 "%s/sshd_config",
						 dir));
	UNTIL(port_answers(port));
	setenv("RSYNC_RSH",
	       bed_text("ssh -F none -p %d -i %s/key -oBatchMode=yes "
			"-oIdentitiesOnly=yes -oUserKnownHostsFile=%s/"
			"known_hosts",
			port, dir, dir),
	       1);
}

START_TEST(a_key_ships_to_the_directory_of_its_host_only)
{
	if (getuid() || access("/usr/sbin/sshd", X_OK) ||
	    !script_has("rrsync")) {
		suite_skip("ssh needs root, sshd and rrsync here");
		return;
	}
	start_sshd();
	ship_files(0, 30);
	ck_assert_int_ne(script_run(bed.files,
				    bed_text("rsync -a %s 127.0.0.1:/in/other/",
					     ship_name(0))),
			 0);
	ck_assert_int_ne(
		script_run(bed.files, bed_text("$RSYNC_RSH 127.0.0.1 id")), 0);
	ck_assert_int_ne(
		script_run(bed.root,
			   bed_text("rsync -a 127.0.0.1:/in/%s/ got", host)),
		0);
	ck_assert_int_ne(
		script_run(bed.files,
			   bed_text("rsync -a --inplace %s 127.0.0.1:/in/%s/",
				    ship_name(0), host)),
		0);
	ck_assert_uint_eq(files_count(at("in")), 0);
	unlink(bed_text("%s/output", bed.files));
	ck_assert_int_eq(ship_once("ship.destination=127.0.0.1:/in/%H/"), 0);
	unsetenv("RSYNC_RSH");
	ck_assert_uint_eq(files_count(bed.files), 0);
	ck_assert_uint_eq(count_and_check("in"), 30);
}
END_TEST

/* --- everything dies ------------------------------------------------------ */

/* Passes without a pause, each of which may be killed at any step. */
static void start_mover(void)
{
	mover = script_start(bed_text("%s/mover", bed.root),
			     bed_text("while :; do %s move; done", program()));
}

START_TEST(each_file_is_in_done_once_whoever_is_killed)
{
	unsigned kills = (unsigned)suite_scale(40), files = 0, i;
	char command[1024], where[128];

	random_seed = suite_number("BW_SEED", (uint64_t)getpid());
	printf("BW_SEED=%llu\n", (unsigned long long)random_seed);
	setenv("SERVE_TIMEOUT", "2", 1);
	serve();
	unsetenv("SERVE_TIMEOUT");
	ck_assert_int_eq(mkdir(bed_text("%s/mover", bed.root), 0755), 0);
	start_mover();
	snprintf(where, sizeof(where), "%s", to("in/%H/"));
	/*
	 * The default command, but for the time: half of a server that was
	 * killed says nothing, and an rsync whose shipper was killed waits.
	 */
	snprintf(command, sizeof(command),
		 "rsync -a --whole-file --fsync --timeout=2 "
		 "--remove-source-files --backup --suffix=.01234567~ "
		 "--modify-window=-1 --contimeout=20 "
		 "--sockopts=TCP_NODELAY --compare-dest=/done/%%H "
		 "--password-file=%s/password --from0 --files-from=- ./ %%d",
		 dir);
	ship.command = command;
	ship_start(where, "ship.interval=100ms", "ship.batch_files=10");
	for (i = 0; i < kills; i++) {
		ship_files(files, files + 25);
		files += 25;
		suite_sleep_ms((unsigned)random_below(300));
		switch (random_below(4)) {
		case 0:
			process_kill_one(ship.pid, -1, 0);
			break;
		case 1:
			process_kill_one(-1, server, server);
			break;
		case 2:
			process_kill_one(-1, mover, mover);
			break;
		default:
			ck_assert_int_eq(kill(ship.pid, SIGKILL), 0);
			ck_assert_int_eq(waitpid(ship.pid, NULL, 0), ship.pid);
			ship_start(where, "ship.interval=100ms",
				   "ship.batch_files=10");
			break;
		}
	}
	UNTIL(files_count(bed.files) == 0);
	UNTIL(files_count(at("in")) == 0);
	ck_assert_int_eq(ship_stop(), 0);
	end_group(&mover);
	UNTIL(centre("move") == 0);
	ck_assert_uint_eq(count_and_check("done"), files);
	ck_assert_uint_eq(files_count(at("aside")), 0);
	ck_assert_uint_eq(files_count(at("state/work")), 0);
}
END_TEST

#define ENTRIES(list) ((int)(sizeof(list) / sizeof((list)[0])))

static void add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, no_other_directory_can_be_written, 0,
			    ENTRIES(elsewhere));
	tcase_add_loop_test(tc, options_that_the_kit_does_not_know_are_refused,
			    0, ENTRIES(refused));
	tcase_add_test(tc, nothing_can_be_read);
	tcase_add_test(tc, directories_links_and_dot_files_stay_out_of_done);
	tcase_add_test(tc, a_full_disk_of_the_centre_loses_nothing);
}

static const struct {
	const char *arguments, *said;
} misuses[] = {
	{ "nosuch", "there is no command 'nosuch'; see " },
	{ "", "a command is missing; see " },
	{ "move more", "move has too few arguments, or too many; see " },
	{ "add", "add has too few arguments, or too many; see " },
};

START_TEST(a_wrong_command_line_is_named_in_one_line)
{
	char *all;

	ck_assert_int_eq(centre(misuses[_i].arguments), 64);
	ck_assert(said(misuses[_i].said));
	all = file_read(bed_text("%s/output", dir), NULL);
	ck_assert_ptr_eq(strchr(all, '\n'), strrchr(all, '\n'));
	free(all);
}
END_TEST

static const char *const printing[] = { "--help", "settings", "numbers",
					"check" };

START_TEST(output_that_cannot_be_written_is_named)
{
	ck_assert_int_eq(centre(bed_text("%s >/dev/full", printing[_i])), 74);
	require_text(bed_text("%s/output", dir),
		     "bufwriter-centre: the output cannot be written\n");
}
END_TEST

/* It would count as silent an hour later. */
START_TEST(a_key_that_cannot_be_read_adds_no_host)
{
	ck_assert_int_eq(centre("add newcomer no.pub"), 66);
	ck_assert_int_eq(centre(bed_text("add newcomer %s/conf", dir)), 65);
	ck_assert(access(bed_text("%s/in/newcomer", root), F_OK));
	ck_assert(access(bed_text("%s/state/seen/newcomer", root), F_OK));
}
END_TEST

/* sshd runs the command of a key in another directory. */
START_TEST(a_key_has_absolute_paths)
{
	char *line;

	put(bed_text("%s/key.pub", dir), "ssh-ed25519 AAAA a@b\n");
	ck_assert_int_eq(
		script_run(dir, bed_text("ln -s %s centre && ./centre -c conf "
					 "add other key.pub",
					 source_path("systemd/centre/"
						     "bufwriter-centre"))),
		0);
	line = file_read(bed_text("%s/keys", dir), NULL);
	ck_assert_msg(strstr(line, "command=\"/") && strstr(line, " -c /"),
		      "%s", line);
	free(line);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("centre");
	TCase *tc;

	if (system("command -v rsync >/dev/null 2>&1")) {
		suite_skip("rsync is not installed");
		return 0;
	}
	tc = suite_case(suite, "rsync", centre_open, centre_close);
	tcase_add_test(
		tc, shipped_files_come_to_the_directory_of_their_host_in_done);
	tcase_add_test(tc, a_file_that_has_moved_is_not_sent_again);
	tcase_add_test(tc, a_wrong_password_ships_nothing);
	tcase_add_loop_test(
		tc, files_of_one_name_from_hosts_of_one_name_are_kept_apart, 0,
		ENTRIES(twin_cases));
	tcase_add_test(tc, shippers_of_one_name_at_the_same_time_lose_nothing);
	add_tests(tc);
	tc = suite_case(suite, "ssh", centre_open, centre_close);
	tcase_add_test(tc, a_key_ships_to_the_directory_of_its_host_only);
	tc = suite_case(suite, "kills", centre_open, centre_close);
	tcase_add_test(tc, each_file_is_in_done_once_whoever_is_killed);
	tc = suite_case(suite, "move", centre_open, centre_close);
	tcase_add_test(tc, another_file_of_a_name_is_set_aside_and_named);
	tcase_add_test(tc, the_same_file_a_second_time_is_dropped);
	tcase_add_test(tc, a_twin_goes_aside_unless_it_is_the_same);
	tcase_add_test(tc, a_pass_goes_on_where_a_killed_one_ended);
	tcase_add_test(tc, names_that_a_shell_could_mistake_are_names);
	tcase_add_test(tc, a_mount_inside_of_the_root_stops_the_mover);
	tcase_add_test(tc, a_move_that_would_be_a_copy_is_refused);
	tcase_add_test(tc, only_one_mover_works_on_a_root);
	tc = suite_case(suite, "clean", centre_open, centre_close);
	tcase_add_test(tc, an_unfinished_file_is_deleted_when_it_is_stale);
	tcase_add_test(tc, files_older_than_keep_are_deleted);
	tcase_add_test(tc, the_oldest_files_go_when_space_is_short);
	tc = suite_case(suite, "told", centre_open, centre_close);
	tcase_add_test(tc, a_silent_host_is_named);
	tcase_add_test(tc, the_numbers_are_there_for_prometheus);
	tcase_add_loop_test(tc, a_mistake_in_the_settings_is_named, 0,
			    ENTRIES(mistakes));
	tcase_add_test(tc, a_name_that_is_no_host_is_refused);
	tcase_add_loop_test(tc, a_wrong_command_line_is_named_in_one_line, 0,
			    ENTRIES(misuses));
	tcase_add_loop_test(tc, output_that_cannot_be_written_is_named, 0,
			    ENTRIES(printing));
	tcase_add_test(tc, a_key_that_cannot_be_read_adds_no_host);
	tcase_add_test(tc, a_key_has_absolute_paths);
	return suite_run(suite, CK_NOFORK);
}
