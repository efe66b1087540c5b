/* SPDX-License-Identifier: MIT */
/*
 * Stands for the daemon's side of lanes, beside the receiver that stands for
 * its datagram socket.  A thread gives out lanes, reads them, and does what a
 * test needs: refuse, sleep, read nothing, close its lanes, die, come back.
 *
 * One stub a test, in the receiver's directory.  The functions belong to the
 * test's thread.  A child of the test has no stub, and should call
 * lane_stub_child(), because it has copies of the stub's descriptors.
 */
#ifndef BUFWRITER_TEST_LANE_STUB_H
#define BUFWRITER_TEST_LANE_STUB_H

#include <check.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/receiver.h"

/* A lease that outlasts every test. */
#define LEASE_LONG 3600000

/* The roads on which a message can come. */
enum road { DATAGRAM, LANE, LARGE_LANE, ROADS };

/* What is wrong with a lane that is given out. */
enum spoil {
	SPOIL_NOTHING,
	SPOIL_MAGIC,
	SPOIL_FLAGS,
	SPOIL_SIZE,
	SPOIL_SEALS,
	SPOIL_MEMORY,
	SPOILS
};

struct lane_stub {
	/* the test sets them at any time; the thread reads them */
	atomic_bool takes;	/* reads its lanes */
	atomic_bool attends;	/* renews leases; otherwise lanes are asleep */
	atomic_bool answers;	/* answers requests */
	atomic_bool datagrams;	/* reads receiver.fd as well */
	atomic_int refuses;	/* the errno of an answer to a request, or 0 */
	atomic_int refuses_ask; /* the same for a question */
	atomic_uint spoils;	/* enum spoil */
	/*
	 * So many requests for a lane it reads and never answers, as a daemon
	 * that is killed before the answer and whose connections a supervisor
	 * keeps open.
	 */
	atomic_uint forgets;
	atomic_uint slow_us; /* pause between two records */
	/*
	 * How long a lease lasts (100).  The stub's thread may get no processor
	 * for that long; a test that must not see a lease end says LEASE_LONG.
	 */
	atomic_uint lease_ms;

	/* set before lane_stub_start() */
	uint64_t size;	/* of an ordinary lane */
	uint64_t large; /* the longest large message; 0: none */
	/*
	 * Is given each message, in the stub's thread.  NULL: the messages are
	 * kept, up to 4096, see lane_stub_expect().
	 */
	void (*sink)(enum road road, const char *data, uint32_t len);

	/* what the thread has seen */
	atomic_uint opened, rings, asked, flushes, open;
	atomic_uint used; /* lanes in which a message came */
	atomic_uint messages[ROADS];
};

extern struct lane_stub lane_stub;

/* Checked fixtures: with those of the receiver. */
void lane_stub_setup(void);
void lane_stub_teardown(void);
TCase *lane_stub_case(Suite *suite, const char *name);

/* The daemon's lanes' socket is there, and the limits are published. */
void lane_stub_start(void);
/*
 * It is killed.  How far its lanes were read is remembered for the next one,
 * as in a state region.
 */
void lane_stub_die(void);
/* The next one knows nothing: a question is answered with ENOENT. */
void lane_stub_forget(void);
/*
 * It closes all lanes in order, at most `limit` bytes behind what it has read.
 * The seal is there for so many milliseconds before that.
 */
void lane_stub_close_lanes(uint64_t limit, unsigned ms);
/* Between these two it does nothing at all. */
void lane_stub_freeze(void);
void lane_stub_thaw(void);
/* From the return on it reads no lane, until the test sets `takes`. */
void lane_stub_stop_taking(void);
/* Connections that it has. */
unsigned lane_stub_connections(void);
/* For a child of the test. */
void lane_stub_child(void);

/* How many messages came on all roads. */
unsigned lane_stub_count(void);
/* The next message that came is this one, on this road.  Waits for it. */
void lane_stub_expect(enum road road, const void *data, size_t len);
/* Everything that was written in open lanes was read, and nothing is left. */
void lane_stub_expect_none(void);

/* Every datagram that was sent was read. */
void lane_stub_expect_no_datagrams(void);

/* A handle of the library to the receiver's socket. */
struct bw *lane_stub_client(int timeout_ms, int lanes);
/*
 * With BW_LANES_ALWAYS, and its first lane is open: see handle.h.  Of tries
 * that got none, nothing is seen in `opened`.
 */
struct bw *lane_stub_client_with_lane(int timeout_ms);

/* The head of the lane that was given out last. */
struct bw_lane_head *lane_stub_head(void);
/* How much was written to it; 0: there is none. */
uint64_t lane_stub_written(void);

#endif
