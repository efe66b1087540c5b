/* SPDX-License-Identifier: MIT */
/*
 * Senders learn how large a message may be before they send it: library,
 * command and a stranger with readlink(1), through every change of the daemon
 * behind the socket.  What stands where the limit is published is never
 * harmed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

/* With lanes the library also sends what no datagram holds. */
#define NO_LANES "lanes.count=0"

static char large[100000];

static struct bw *open_handle(const char *path)
{
	struct bw_options options = BW_OPTIONS;
	struct bw *bw;

	options.socket = path;
	ck_assert_int_eq(bw_open(&bw, &options), 0);
	return bw;
}

static void require_written(double messages)
{
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_double_eq(ask_number("messages.written"), messages);
	ck_assert_double_eq(ask_number("messages.dropped"), 0);
}

/* Up to the path of the lanes' socket. */
static const char *published(const char *path)
{
	static char text[256];
	ssize_t n = readlink(path, text, sizeof(text) - 1);

	if (n < 0)
		return NULL;
	text[n] = 0;
	text[strcspn(text, ",")] = 0;
	return text;
}

static const char *link_path(void)
{
	return bed_text("%s.limits", bed.sock);
}

START_TEST(the_library_refuses_what_the_daemon_would_drop)
{
	struct iovec pieces[2] = { { large, 600 }, { large, 401 } };
	struct bw *bw;

	daemon_start("socket.max_message=1000", NO_LANES);
	bw = open_handle(bed.sock);
	ck_assert_int_eq(bw_write(bw, large, 1001), BW_TOO_LARGE);
	ck_assert_int_eq(bw_write(bw, large, sizeof(large)), BW_TOO_LARGE);
	ck_assert_int_eq(bw_writev(bw, pieces, 2), BW_TOO_LARGE);
	ck_assert_int_eq(bw_write(bw, large, 1000), 0);
	pieces[1].iov_len = 400;
	ck_assert_int_eq(bw_writev(bw, pieces, 2), 0);
	require_written(2);
	bw_close(bw);
	daemon_stop(NULL);
}
END_TEST

/* The case that was found: sent, flushed, twice 0, and no file. */
START_TEST(send_says_that_a_message_is_too_large)
{
	FILE *whole;

	daemon_start(NO_LANES);
	whole = fopen(bed_text("%s/whole", bed.root), "w");
	ck_assert_uint_eq(fwrite(large, 70000, 1, whole), 1);
	fclose(whole);
	ck_assert_int_eq(command("send -w -f %s/whole", bed.root), EX_DATAERR);
	command_expect("dropped, 70000 bytes: message too large");
	command_expect("0 messages sent, 0 bytes; 1 dropped: 1 too large");
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_uint_eq(files_count(bed.files), 0);
	daemon_stop(NULL);
}
END_TEST

/* The socket is systemd's, and the library stays connected all the time. */
START_TEST(another_limit_after_a_restart_is_learnt)
{
	struct bw *bw;

	bed_hold_socket();
	daemon_start("socket.max_message=10000", NO_LANES);
	bw = open_handle(bed.sock);
	ck_assert_int_eq(bw_write(bw, large, 20000), BW_TOO_LARGE);
	ck_assert_int_eq(bw_write(bw, large, 10000), 0);
	daemon_stop(NULL);
	/* The socket is there, and so is its limit. */
	ck_assert_str_eq(published(link_path()), "max_message=10000");
	ck_assert_int_eq(bw_write(bw, large, 20000), BW_TOO_LARGE);
	/* A larger one at once ... */
	daemon_start("socket.max_message=30000", NO_LANES);
	ck_assert_int_eq(bw_write(bw, large, 20000), 0);
	require_written(1);
	daemon_stop(NULL);
	/* ... and a smaller one within a second. */
	daemon_start("socket.max_message=5000", NO_LANES);
	suite_sleep_ms(1100);
	ck_assert_int_eq(bw_write(bw, large, 20000), BW_TOO_LARGE);
	ck_assert_int_eq(bw_write(bw, large, 5000), 0);
	require_written(1);
	bw_close(bw);
	daemon_stop(NULL);
}
END_TEST

/* The socket is the daemon's own: the library connects again. */
START_TEST(another_limit_is_learnt_with_a_new_connection)
{
	struct bw *bw;

	daemon_start("socket.max_message=10000", NO_LANES);
	bw = open_handle(bed.sock);
	ck_assert_int_eq(bw_write(bw, large, 3000), 0);
	daemon_stop(NULL);
	ck_assert_ptr_null(published(link_path()));
	daemon_start("socket.max_message=2000", NO_LANES);
	/* Not larger than what needs a look, but a connection is one. */
	ck_assert_int_eq(bw_write(bw, large, 3000), BW_TOO_LARGE);
	ck_assert_int_eq(bw_write(bw, large, 2000), 0);
	require_written(1);
	bw_close(bw);
	daemon_stop(NULL);
}
END_TEST

/* An older daemon publishes nothing; another may publish what it likes. */
static const char *const others[] = {
	NULL,
	"",
	"max_message=",
	"max_message=0",
	"max_message=-5",
	"max_message=10 bytes",
	"max_message=99999999999999999999999999",
	"/etc/passwd",
	"max_message=70000,more=1",
};

START_TEST(without_a_limit_all_is_as_before)
{
	const char *text = others[_i];
	struct bw *bw;

	bed_hold_socket();
	if (text && *text)
		ck_assert_int_eq(symlink(text, link_path()), 0);
	else if (text)
		ck_assert_int_eq(mkdir(link_path(), 0755), 0);
	bw = open_handle(bed.sock);
	ck_assert_int_eq(bw_write(bw, large, 70000), 0);
	bw_close(bw);
}
END_TEST

START_TEST(the_limit_is_beside_the_socket_or_in_its_directory)
{
	const char *sock = bed_text("%s/bw.sock", bed.root);
	const char *dir = bed_text("%s/bw", bed.root);
	struct stat st;
	struct bw *bw;

	daemon_start(bed_text("socket.path=%s", sock),
		     "socket.max_message=1234", NO_LANES);
	ck_assert_str_eq(published(bed_text("%s/limits", dir)),
			 "max_message=1234");
	/* Senders are other users. */
	ck_assert_int_eq(stat(dir, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0755);
	bw = open_handle(sock);
	ck_assert_int_eq(bw_write(bw, large, 1235), BW_TOO_LARGE);
	ck_assert_int_eq(bw_write(bw, large, 1234), 0);
	bw_close(bw);
	daemon_stop(NULL);
	ck_assert_int_eq(lstat(dir, &st), -1);
}
END_TEST

/* What may stand in the way: nothing of it is followed or overwritten. */
static const char *const ways[] = {
	"echo precious >way",
	"mkdir way",
	"mkfifo way",
};

START_TEST(what_is_no_link_is_not_replaced)
{
	const char *suffix = _i % 2 ? ".new" : "";
	const char *at = bed_text("%s%s", link_path(), suffix);
	struct stat before, after;
	struct bw *bw;

	ck_assert_int_eq(
		system(bed_text("cd %s && %s", bed.root, ways[_i / 2])), 0);
	ck_assert_int_eq(rename(bed_text("%s/way", bed.root), at), 0);
	ck_assert_int_eq(lstat(at, &before), 0);
	daemon_start("socket.max_message=1000", NO_LANES);
	ck_assert_uint_eq(log_count("socket.max_message cannot be published "
				    "as",
				    link_path(), strerror(EEXIST)),
			  1);
	bw = open_handle(bed.sock);
	ck_assert_int_eq(bw_write(bw, large, 900), 0);
	bw_close(bw);
	daemon_stop(NULL);
	ck_assert_int_eq(lstat(at, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_int_eq(before.st_size, after.st_size);
}
END_TEST

/* A link that another left is replaced, and what it leads to is not. */
START_TEST(a_link_is_replaced_and_not_followed)
{
	const char *precious = bed_text("%s/precious", bed.root);
	char line[32] = "";
	FILE *file;

	ck_assert_int_eq(system(bed_text("echo precious >%s", precious)), 0);
	ck_assert_int_eq(symlink(precious, link_path()), 0);
	ck_assert_int_eq(symlink(precious, bed_text("%s.new", link_path())), 0);
	daemon_start("socket.max_message=1000", NO_LANES);
	ck_assert_str_eq(published(link_path()), "max_message=1000");
	daemon_stop(NULL);
	file = fopen(precious, "r");
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
	fclose(file);
	ck_assert_str_eq(line, "precious\n");
}
END_TEST

/*
 * A shipper takes what is in files.path.  The settings alone do not say that it
 * would happen: systemd's socket has another path.
 */
START_TEST(nothing_is_published_among_the_files)
{
	strcat(bed.sock, ".sock");
	snprintf(bed.files, sizeof(bed.files), "%s/sock", bed.root);
	ck_assert_int_eq(mkdir(bed.files, 0755), 0);
	bed_hold_socket();
	daemon_start(bed_text("socket.path=%s/other", bed.root));
	ck_assert_uint_eq(files_count(bed.files), 0);
	ck_assert_uint_eq(log_count("socket.max_message cannot be published"),
			  1);
	daemon_stop(NULL);
}
END_TEST

/*
 * A client whose daemon was killed asks the next one how far its lane was taken.
 * Where the link has no lanes, it believes that nobody knows, and sends messages
 * again that are in files.
 */
START_TEST(a_start_at_no_time_says_that_there_are_no_lanes)
{
	char before[256] = "", during[256] = "";
	char log[300], look[400];

	snprintf(log, sizeof(log), "%s/points", bed.root);
	snprintf(look, sizeof(look), "grep -qs '^start.lanes' %s", log);
	daemon_start();
	ck_assert_int_gt(readlink(link_path(), before, sizeof(before) - 1), 0);
	ck_assert_ptr_nonnull(strstr(before, ",lanes="));
	daemon_kill();
	bed_block();
	bed.points = bed_point("start.lanes", "stall", "");
	bed.points_log = log;
	daemon_spawn();
	UNTIL(system(look) == 0);
	ck_assert_int_gt(readlink(link_path(), during, sizeof(during) - 1), 0);
	ck_assert_str_eq(during, before);
	bed_release();
	REQUIRE(daemon_ready(), "the daemon did not start");
	daemon_stop(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("limits");
	TCase *t = bed_case(suite, "limits");

	tcase_add_test(t, the_library_refuses_what_the_daemon_would_drop);
	tcase_add_test(t, send_says_that_a_message_is_too_large);
	tcase_add_test(t, another_limit_after_a_restart_is_learnt);
	tcase_add_test(t, another_limit_is_learnt_with_a_new_connection);
	tcase_add_loop_test(t, without_a_limit_all_is_as_before, 0,
			    sizeof(others) / sizeof(others[0]));
	tcase_add_test(t, the_limit_is_beside_the_socket_or_in_its_directory);
	tcase_add_loop_test(t, what_is_no_link_is_not_replaced, 0,
			    2 * sizeof(ways) / sizeof(ways[0]));
	tcase_add_test(t, a_link_is_replaced_and_not_followed);
	tcase_add_test(t, nothing_is_published_among_the_files);
	tcase_add_test(t, a_start_at_no_time_says_that_there_are_no_lanes);
	return suite_run(suite, CK_NOFORK);
}
