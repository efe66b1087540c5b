/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL of the daemon at every step of a lane's life, with a descriptor store
 * as systemd has one: each message is in files once, and the client does
 * nothing but what bufwriter-lanes(7) says.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/lane_client.h"
#include "tests/lib/store.h"
#include "tests/lib/tally.h"

#define MESSAGES 3000

/* What a daemon passes that opens, reads, puts to sleep and closes lanes. */
static const struct {
	const char *name;
	unsigned most; /* the last pass at which it is killed */
	bool at_stop;  /* it passes the step when it stops */
} steps[] = {
	{ "lane.entry", 1, false },   { "lane.stored", 1, false },
	{ "lane.mapped", 1, false },  { "lane.made", 1, false },
	{ "lane.copied", 3, false },  { "commit.before", 3, false },
	{ "commit.after", 3, false }, { "lane.position", 3, false },
	{ "lane.read", 3, false },    { "lane.attended", 2, false },
	{ "lanes.asleep", 2, false }, { "lane.closed", 1, true },
	{ "lane.final", 1, true },    { "lane.finished", 1, true },
	{ "flush.begin", 2, false },  { "flush.renamed", 2, false },
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* Shared with the client, which is another process. */
static struct progress {
	_Atomic uint64_t written; /* messages */
	atomic_bool killed;	  /* the daemon has passed the step */
} * progress;

static uint32_t text_of(char *to, uint64_t n)
{
	return (uint32_t)sprintf(to, "message %" PRIu64 " %.*s", n,
				 (int)(n * 31 % 200),
				 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				 "xxxxxxxxxxxxxxxxxxxxxxxxxx");
}

/* -- the client, a process of its own ------------------------------------ */

static void send_datagram(const void *data, uint32_t len)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.107s", bed.sock);
	while (sendto(fd, data, len, 0, (void *)&addr, sizeof(addr)) < 0)
		usleep(1000);
	close(fd);
}

/* What the daemon has not taken goes by datagram. */
static void send_rest(struct lane_client *c, uint64_t at)
{
	uint32_t len;

	while (at < c->written) {
		memcpy(&len, c->data + at % c->size, 4);
		send_datagram(c->data + at % c->size + 8, len);
		at += 8 + (len + 7) / 8 * 8;
	}
	lane_end(c);
}

/* Again until there is a lane; an answer may never come. */
static void get_lane(struct lane_client *c)
{
	const struct timeval second = { .tv_sec = 1 };
	struct lane_reply reply;

	for (;;) {
		if (lane_connect(c)) {
			usleep(1000);
			continue;
		}
		setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &second,
			   sizeof(second));
		lane_request(c, 1, 0);
		reply = lane_reply(c, &c->memory);
		if (!reply.status) {
			lane_use(c, &reply);
			return;
		}
		lane_end(c);
		usleep(1000);
	}
}

static bool is_closed(struct lane_client *c)
{
	while (lane_is_sealed(c) && lane_get(c, AT_ATTENDED) != CLOSED)
		usleep(100);
	return lane_get(c, AT_ATTENDED) == CLOSED;
}

static void write_all(void)
{
	struct lane_client c;
	char text[512];
	uint32_t len;
	uint64_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	get_lane(&c);
	for (n = 0; n < MESSAGES; n++) {
		len = text_of(text, n);
		/* A seal may be broken again. */
		while (!lane_write(&c, text, len)) {
			if (!is_closed(&c))
				continue;
			send_rest(&c, lane_get(&c, AT_FINAL));
			get_lane(&c);
		}
		atomic_store(&progress->written, n + 1);
		/* So that the lane sleeps now and then. */
		if (n % 500 == 499)
			usleep(30000);
	}
	/* Wakes the lanes until the daemon has passed the step. */
	while (!progress->killed && !is_closed(&c)) {
		lane_ring(&c);
		usleep(30000);
	}
	while (lane_get(&c, AT_READ) != c.written && !is_closed(&c))
		usleep(1000);
	if (is_closed(&c))
		send_rest(&c, lane_get(&c, AT_FINAL));
	_exit(0);
}

/* -- the test ------------------------------------------------------------ */

static pid_t client;

static void end_client(void)
{
	if (client)
		kill(client, SIGKILL);
	bed_close();
}

static bool has_ended(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == pid;
}

static void count_all(void)
{
	struct tally tally;
	char text[512];
	uint64_t n;

	tally_open(&tally);
	for (n = 0; n < MESSAGES; n++)
		tally_expect(&tally, text, text_of(text, n));
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	REQUIRE(dir_empty(bed.temp), "temp files are left behind");
	tally_close(&tally);
}

/* The client writes, and the daemon is killed at the step. */
static void await_kill(const char *name, unsigned pass, bool at_stop)
{
	int status;

	if (at_stop) {
		UNTIL(!daemon_alive() || progress->written > MESSAGES / 2);
		daemon_signal(SIGTERM);
	}
	UNTIL(!daemon_alive());
	status = daemon_wait();
	REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		"%s was not passed %u times: %#x", name, pass, status);
	progress->killed = true;
}

static void die_at(const char *name, unsigned pass, bool at_stop)
{
	pid_t pid;

	bed.points = bed_text("%s=kill@%u", name, pass);
	daemon_spawn("buffer.workers=2", "buffer.size=16K",
		     "buffer.forced=5ms");
	REQUIRE(daemon_ready(), "no start");
	memset(progress, 0, sizeof(*progress));
	pid = fork();
	if (!pid)
		write_all();
	client = pid;
	await_kill(name, pass, at_stop);
	bed.points = NULL;
	daemon_start();
	UNTIL(has_ended(pid));
	client = 0;
	UNTIL(bed_queue_empty());
	daemon_stop(NULL);
	count_all();
}

START_TEST(a_kill_at_each_step_of_a_lane_loses_and_doubles_nothing)
{
	unsigned pass;

	bed_hold_socket();
	bed_hold_lanes();
	store_open();
	for (pass = 1; pass <= steps[_i].most; pass++) {
		die_at(steps[_i].name, pass, steps[_i].at_stop);
		ck_assert_int_eq(system(bed_text("rm -f %s/*", bed.files)), 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("a kill at each step of a lane");
	TCase *t = suite_case(suite, "steps", bed_open, end_client);

	progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	tcase_add_loop_test(
		t, a_kill_at_each_step_of_a_lane_loses_and_doubles_nothing, 0,
		STEPS);
	return suite_run(suite, CK_NOFORK);
}
