/* SPDX-License-Identifier: MIT */
/*
 * Lanes of programs in other places: another user, and a container, which has
 * namespaces of its own and of the host nothing but the directory of the
 * sockets.  The rights of the socket decide, and nothing else.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/handle.h"
#include "tests/lib/tally.h"

#define MESSAGES 20000
#define NOBODY 65534
/* Statuses of the program. */
enum { REFUSED = 76, NO_NAMESPACES };

static struct tally tally;

static const struct place {
	const char *name;
	int namespaces;
	const char *sockets; /* where their directory is; NULL: where it was */
	uid_t uid;
} places[] = {
	{ "another user", 0, NULL, NOBODY },
	{ "a container with the directory at the same place",
	  CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
		  CLONE_NEWUTS | CLONE_NEWCGROUP,
	  NULL, 0 },
	{ "a container with the directory at another place",
	  CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
		  CLONE_NEWUTS | CLONE_NEWCGROUP,
	  "/mnt/sockets", NOBODY },
	{ "a container with users of its own", CLONE_NEWUSER | CLONE_NEWNS,
	  NULL, 0 },
};
#define PLACES (int)(sizeof(places) / sizeof(places[0]))

static const char *sockets(void)
{
	return bed_text("%s/sockets", bed.root);
}

static int text_of(char *to, int n)
{
	return sprintf(to, "%d from a place of its own", n);
}

/* Nothing of the host's /mnt is left, and the directory of sockets is there. */
static void move_in(const struct place *place)
{
	const char *host = sockets();

	if (unshare(place->namespaces))
		_exit(NO_NAMESPACES);
	if (!place->sockets)
		return;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("container", "/mnt", "tmpfs", 0, "mode=755") ||
	    mkdir(place->sockets, 0755) ||
	    mount(host, place->sockets, NULL, MS_BIND, NULL) ||
	    mount(NULL, place->sockets, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY,
		  NULL))
		_exit(2);
}

static bool expects_lane;

/*
 * The program: an exit status.  What is not permitted may be so a moment later,
 * so a write tries again until its timeout.
 */
static int write_all(const char *socket)
{
	struct bw *bw = expects_lane ?
				handle_open_with_lane(socket, 60000) :
				handle_open(socket, 1000, BW_LANES_ALWAYS);
	char text[64];
	int n, err;

	for (n = 0; n < MESSAGES; n++) {
		err = bw_write(bw, text, (size_t)text_of(text, n));
		if (err)
			return err == BW_NOT_PERMITTED ? REFUSED : 4;
	}
	if (bw_flush(bw))
		return 5;
	bw_close(bw);
	return 0;
}

static pid_t start_program(const struct place *place)
{
	const char *socket = bed_text(
		"%s/in.sock", place->sockets ? place->sockets : sockets());
	pid_t pid = fork(), inner;
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	move_in(place);
	/* The first process of the container. */
	inner = fork();
	if (inner < 0)
		_exit(6);
	if (inner)
		_exit(waitpid(inner, &status, 0) == inner && WIFEXITED(status) ?
			      WEXITSTATUS(status) :
			      7);
	if (place->uid &&
	    (setgroups(0, NULL) || setgid(place->uid) || setuid(place->uid)))
		_exit(8);
	_exit(write_all(socket));
}

START_TEST(a_program_in_another_place_has_a_lane)
{
	const struct place *place = &places[_i];
	char text[64];
	int status, n;
	pid_t pid;

	if (getuid()) {
		suite_skip("another user and a container need root");
		return;
	}
	ck_assert_int_eq(chmod(bed.root, 0755), 0);
	ck_assert_int_eq(mkdir(sockets(), 0755), 0);
	tally_open(&tally);
	daemon_start(bed_text("socket.path=%s/in.sock", sockets()),
		     "socket.mode=0666");
	expects_lane = true;
	pid = start_program(place);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_NAMESPACES) {
		daemon_stop(NULL);
		suite_skip("no namespaces here");
		return;
	}
	REQUIRE(WEXITSTATUS(status) == 0, "%s: %d", place->name,
		WEXITSTATUS(status));
	/* Through a lane, and not as datagrams. */
	ck_assert_double_eq(ask_number("messages.written"), MESSAGES);
	ck_assert_double_eq(ask_number("counters.lane_messages"), MESSAGES);
	for (n = 0; n < MESSAGES; n++)
		tally_expect(&tally, text, (size_t)text_of(text, n));
	daemon_stop(NULL);
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	tally_close(&tally);
}
END_TEST

/* Who may not send to the socket gets no lane either. */
START_TEST(who_may_not_send_gets_no_lane)
{
	int status;
	pid_t pid;

	if (getuid()) {
		suite_skip("another user needs root");
		return;
	}
	ck_assert_int_eq(chmod(bed.root, 0755), 0);
	ck_assert_int_eq(mkdir(sockets(), 0755), 0);
	daemon_start(bed_text("socket.path=%s/in.sock", sockets()),
		     "socket.mode=0600");
	expects_lane = false;
	pid = start_program(&places[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), REFUSED);
	ck_assert_double_eq(ask_number("counters.lanes_opened"), 0);
	daemon_stop(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lanes of other places");
	TCase *t = bed_case(suite, "places");

	tcase_add_loop_test(t, a_program_in_another_place_has_a_lane, 0,
			    PLACES);
	tcase_add_test(t, who_may_not_send_gets_no_lane);
	return suite_run(suite, CK_NOFORK);
}
