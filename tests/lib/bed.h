/* SPDX-License-Identifier: MIT */
/*
 * The test bed: a directory of its own for each test, the daemon's processes
 * in it, and what they said.
 *
 * A test program uses one bed at a time, `bed`, from one thread, and runs its
 * suite with CK_NOFORK.  Children (daemon, senders, shipper) die with the test
 * program.
 *
 * Environment: BW_BUILD (where the binaries are, default `build`), BW_KEEP
 * (do not remove the directory).
 */
#ifndef BUFWRITER_TEST_BED_H
#define BUFWRITER_TEST_BED_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/lib/files.h"
#include "tests/lib/suite.h"

#define BED_PATH 112
#define BED_ALSO 2

struct bed {
	char root[DIR_PATH];
	char sock[BED_PATH];
	char control[BED_PATH];
	char state[BED_PATH];
	char files[BED_PATH];
	char temp[BED_PATH];  /* files + .tmp, the daemon's default */
	char conf[BED_PATH];  /* settings file, empty unless the test writes */
	char log[BED_PATH];   /* standard error of the last daemon started */
	char block[BED_PATH]; /* the file of bed_block() */
	int held;	      /* socket passed as systemd does, or -1 */
	int held_lanes;	      /* the lanes' socket, the same */
	unsigned also;	      /* further sockets passed as systemd does */
	int held_also[BED_ALSO];
	bool own_timeout;     /* buffer.timeout is in the settings file */
	int unprivileged;     /* run the daemon as nobody */
	int is_process_1;     /* in a namespace of its own; as root */
	unsigned descriptors; /* the daemon's limit; 0: the test's limit */
	int limited;	      /* RLIMIT_..., for `limit`, which is a soft one */
	uint64_t limit;	      /* 0: none */
	int nice;	      /* nice value that the daemon starts with */
	int nice_limit;	      /* RLIMIT_NICE, 20 - the lowest; -1: the test's */
	const char *points;   /* BW_FAILPOINTS of the next daemon, or NULL */
	const char *points_log;
	const char *notify; /* NOTIFY_SOCKET of the next daemon, or NULL */
	int standard_error; /* of the next daemon; 0: it writes to `log` */
	int bare;	    /* the next daemon starts without 0, 1 and 2 */
	pid_t pid;	    /* the daemon, or 0 */
};

extern struct bed bed;

/* The numbers of the daemon's last line. */
struct totals {
	uint64_t received, written, dropped, too_large, ring_full, sender_rate;
	uint64_t lane_lost;
	uint64_t files, bytes;
};

/* Checked fixtures: make a new directory; stop and remove everything. */
void bed_open(void);
void bed_close(void);
/* Prints settings and the last lines of the daemon's log, for a failure. */
void bed_dump(void);

#define REQUIRE(cond, ...)                         \
	do {                                       \
		if (!(cond)) {                     \
			bed_dump();                \
			ck_abort_msg(__VA_ARGS__); \
		}                                  \
	} while (0)

/* The file bed.block, on which stall:FILE and ERRNO:FILE depend. */
void bed_block(void);
void bed_release(void);
/* "NAME=ACTION:<block>SUFFIX" for bed.points; lives as bed_text(). */
const char *bed_point(const char *name, const char *action, const char *suffix);

/*
 * A text put together; it lives until so many more were.  A condition that a
 * test waits for may make one each time it is looked at, a thousand a second.
 */
#define BED_TEXTS 65536
const char *bed_text(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* Replaces the settings file. */
void bed_write_conf(const char *text);

/*
 * Mounts a memory file system of this size, as of mount -o size=, in a name
 * space of the test.  0, or -errno where that is not allowed.  The caller
 * unmounts it.
 */
int bed_mount(const char *dir, const char *size);

/* Binds the datagram socket as systemd would and passes it from now on. */
void bed_hold_socket(void);
/* The same of the lanes' socket. */
void bed_hold_lanes(void);
/* The same of so many further datagram sockets, and the path of one. */
void bed_hold_also(unsigned sockets);
const char *bed_also(unsigned i);
/* Nothing is left in the held sockets' queues. */
int bed_queue_empty(void);

/*
 * Starts the daemon with the bed's paths, buffer.timeout=never and these
 * options ("KEY=VALUE"; one that names one of the bed's replaces it).
 * daemon_start() also waits until it is ready and fails the test if it does
 * not get so far.
 */
#define daemon_spawn(...) \
	daemon_spawn_list((const char *const[]){ NULL, ##__VA_ARGS__, NULL })
#define daemon_start(...)                                            \
	do {                                                         \
		daemon_spawn(__VA_ARGS__);                           \
		REQUIRE(daemon_ready(), "the daemon did not start"); \
	} while (0)
/* As daemon_spawn(); the list begins with a NULL and ends with another. */
void daemon_spawn_list(const char *const *options);
/* Waits until the daemon is ready: 1, or 0 if it ended before. */
int daemon_ready(void);
/* 1 while the daemon runs. */
int daemon_alive(void);
void daemon_signal(int sig);
/* Waits for the end; returns the wait status. */
int daemon_wait(void);
/* Sends SIGKILL and waits; the daemon may have ended before. */
void daemon_kill(void);
/*
 * As daemon_kill(), but returns 1 where that would fail the test, because a
 * sanitizer found an error.
 */
int daemon_reap(void);
/*
 * Stops the daemon with SIGTERM, requires the exit status 0, and gives the
 * numbers of its last line (unless NULL).
 */
void daemon_stop(struct totals *totals);
/* Parses the log's last `stopped:` line: 0, or -1 if there is none. */
int daemon_totals(struct totals *totals);

/* Lines of the daemon's log that contain every one of the texts. */
#define log_count(...) \
	log_count_list((const char *const[]){ __VA_ARGS__, NULL })
unsigned log_count_list(const char *const *texts);

/* What the log says of messages above socket.max_message, in all its lines. */
struct too_large {
	uint64_t count, bytes, largest;
};
void log_too_large(struct too_large *told);

/* A test case with the bed's fixtures, added to the suite. */
TCase *bed_case(Suite *suite, const char *name);

#endif
