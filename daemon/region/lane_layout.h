/* SPDX-License-Identifier: MIT */
/*
 * The memory of a lane, which a client and the daemon share, and what the
 * region keeps of it.  bufwriter-lanes(7) describes the first for other
 * languages; the library has a copy of its own (client/library/lane.h), and a
 * unit test compares the two.
 *
 * A lane is a ring of bytes: a head of one page, then `size` bytes.  Positions
 * are free-running, and a byte's place is its position modulo `size`.  The
 * client writes a record and then moves `written`; the daemon copies what is
 * below `written` and then moves `read`.
 *
 * A lane ends when the daemon sets LANE_SEALED in `written`.  The client moves
 * `written` by a compare and exchange from the value that it stored last, so
 * one of the two is first: the record is below the seal, or it is refused, and
 * the client sends it by another road.
 *
 * The client can write any byte of this memory at any time.  So the daemon
 * reads three words of the head only (`written`, `waiters` and the client's
 * own counters), each once, and checks it.  How far it has read stands in the
 * region, in struct lane_entry.
 */
#ifndef BUFWRITER_LANE_LAYOUT_H
#define BUFWRITER_LANE_LAYOUT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define LANE_MAGIC "BWLANE2"
#define LANE_HEAD_BYTES 4096
#define LANE_ALIGN 8  /* bytes: a record's length is a multiple of this */
#define LANE_RECORD 8 /* bytes before the message: its length, and zero */

/* Values of `attended` that are no time. */
#define LANE_ASLEEP 0 /* ring the doorbell after each record */
#define LANE_CLOSED 1 /* `final` holds, nothing more is taken */

/* In `written`, beside the position: the daemon takes nothing behind it. */
#define LANE_SEALED UINT64_C(1)

struct lane_head {
	/* constant */
	char magic[8];
	uint32_t head_bytes;
	uint32_t flags; /* 0 */
	uint64_t size;
	uint64_t id;
	uint64_t large; /* 0: an ordinary lane; else bytes of its one message */
	/* the client: the end of the complete records; the daemon: LANE_SEALED */
	alignas(64) _Atomic uint64_t written;
	/* the daemon: the end of what it has taken */
	alignas(64) _Atomic uint64_t read;
	/*
	 * CLOCK_MONOTONIC, ms, until which the daemon looks without a doorbell;
	 * or LANE_ASLEEP, LANE_CLOSED.
	 */
	_Atomic uint64_t attended;
	_Atomic uint64_t final;	    /* with LANE_CLOSED: the last `read` */
	_Atomic uint32_t room_wake; /* a futex; rises when room came free */
	/* the client */
	alignas(64) _Atomic uint32_t waiters; /* waits on room_wake */
	uint32_t unused;
	_Atomic uint64_t waits, timeouts, fallbacks;
};

_Static_assert(offsetof(struct lane_head, size) == 16, "lane layout");
_Static_assert(offsetof(struct lane_head, id) == 24, "lane layout");
_Static_assert(offsetof(struct lane_head, large) == 32, "lane layout");
_Static_assert(offsetof(struct lane_head, written) == 64, "lane layout");
_Static_assert(offsetof(struct lane_head, read) == 128, "lane layout");
_Static_assert(offsetof(struct lane_head, attended) == 136, "lane layout");
_Static_assert(offsetof(struct lane_head, final) == 144, "lane layout");
_Static_assert(offsetof(struct lane_head, room_wake) == 152, "lane layout");
_Static_assert(offsetof(struct lane_head, waiters) == 192, "lane layout");
_Static_assert(offsetof(struct lane_head, waits) == 200, "lane layout");
_Static_assert(offsetof(struct lane_head, timeouts) == 208, "lane layout");
_Static_assert(offsetof(struct lane_head, fallbacks) == 216, "lane layout");
_Static_assert(sizeof(struct lane_head) <= LANE_HEAD_BYTES, "lane layout");

/* Bytes of a lane that a message of this length takes. */
static inline uint64_t lane_record_bytes(uint32_t len)
{
	return LANE_RECORD +
	       ((uint64_t)len + LANE_ALIGN - 1) / LANE_ALIGN * LANE_ALIGN;
}

/* Bytes of a lane for one message of this length, and for its framing. */
static inline uint64_t lane_large_size(uint64_t len)
{
	uint64_t size = LANE_HEAD_BYTES;

	while (size < len + 2 * LANE_RECORD + LANE_ALIGN)
		size *= 2;
	return size;
}

/* -- in the region ------------------------------------------------------- */

enum lane_entry_state {
	LANE_ENTRY_FREE,
	LANE_ENTRY_OPEN,  /* the lane is read */
	LANE_ENTRY_CLOSED /* `position` is final; its client may still ask */
};

/* What outlives the process of a lane. */
struct lane_entry {
	/* from the hand-out on; `check` is over what is above it */
	alignas(64) uint64_t id; /* 1 to LANE_ID_MAX, random, of one lane */
	uint64_t size;
	uint64_t large;
	uint32_t uid, pid; /* of its client */
	uint64_t check;
	/* whoever reads the lane */
	alignas(64) _Atomic uint64_t position; /* the end of what was taken */
	_Atomic uint64_t state;		       /* enum lane_entry_state */
	_Atomic uint64_t closed_ns; /* CLOCK_REALTIME; the oldest goes first */
	/*
	 * The loop thread at the end: messages that it could neither file nor
	 * copy, and whose client has ended; zero in a region of a daemon that
	 * did not know this word.
	 */
	_Atomic uint64_t unkept;
};

#define LANE_ID_MAX INT64_MAX
#define LANE_SIZE_MOST (UINT64_C(1) << 31)
_Static_assert(sizeof(struct lane_entry) == 128, "region layout");
_Static_assert(offsetof(struct lane_entry, check) == 32, "region layout");
_Static_assert(offsetof(struct lane_entry, position) == 64, "region layout");
_Static_assert(offsetof(struct lane_entry, unkept) == 88, "region layout");

#endif
