/* SPDX-License-Identifier: MIT */
/*
 * One lane: a ring of bytes in memory that this process and the daemon share.
 * bufwriter-lanes(7) describes the format; this file has the writer's half.
 *
 * Who may touch a lane.  A thread takes the lock of a lane with one try, and
 * owns the whole lane until it gives the lock back: memory, connection, state.
 * No thread ever waits for the lock, but for bw_flush(), which tries again.
 * Only the owner maps, unmaps, connects and closes, so no thread can reach
 * memory that is unmapped, or a descriptor that is closed.  An owner makes no
 * system call and is at no cancellation point while it writes a message; where
 * it must wait, it waits in slices and with a bound.
 *
 * Why a message cannot lie in a lane unseen.  The writer stores `written` and
 * then loads `attended`; the daemon that goes to sleep stores `attended` and
 * then loads `written`.  All four are sequentially consistent, so at least one
 * of the two sees what the other one stored: the writer rings, or the daemon
 * stays awake.
 *
 * Why no message gets into a lane that ends.  The daemon seals the lane by a
 * bit in `written`, and takes what that word said before.  The writer publishes
 * by a compare and exchange from the value that it stored last.  So each message
 * is either before the seal, and the daemon takes it, or is refused, and the
 * writer sends it by another road.
 */
#ifndef BUFWRITER_LANE_H
#define BUFWRITER_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* --- the format: shared with the daemon ------------------------------------ */

#define BW_LANE_MAGIC "BWLANE2"
#define BW_LANE_HEAD_BYTES 4096

/* Values of `attended` that are no time. */
enum { BW_LANE_ASLEEP = 0, BW_LANE_CLOSED = 1 };

/* In `written`, beside the position: the daemon takes nothing behind it. */
#define BW_LANE_SEALED UINT64_C(1)

/* Positions begin at 0 and only rise; a position's place is position % size. */
struct bw_lane_head {
	/* constant */
	char magic[8];
	uint32_t head_bytes;
	uint32_t flags;
	uint64_t size; /* bytes of data behind the head, a power of two */
	uint64_t id;
	uint64_t large; /* 0, or the length of the only message */
	char gap_constant[24];

	/* the client writes */
	/* the end of the complete records; the daemon may set BW_LANE_SEALED */
	_Atomic uint64_t written;
	char gap_client[56];

	/* the daemon writes */
	_Atomic uint64_t read; /* end of what the daemon has taken */
	_Atomic uint64_t attended;
	_Atomic uint64_t final;	    /* valid with BW_LANE_CLOSED */
	_Atomic uint32_t room_wake; /* futex word */
	char gap_daemon[36];

	/* the client writes, rarely */
	_Atomic uint32_t waiters; /* not 0: a thread waits at room_wake */
	uint32_t gap_waiters;
	_Atomic uint64_t waits; /* the client's counters, for status */
	_Atomic uint64_t timeouts;
	_Atomic uint64_t fallbacks; /* datagrams, because no lane was free */
};

_Static_assert(offsetof(struct bw_lane_head, large) == 32 &&
		       offsetof(struct bw_lane_head, written) == 64 &&
		       offsetof(struct bw_lane_head, read) == 128 &&
		       offsetof(struct bw_lane_head, attended) == 136 &&
		       offsetof(struct bw_lane_head, final) == 144 &&
		       offsetof(struct bw_lane_head, room_wake) == 152 &&
		       offsetof(struct bw_lane_head, waiters) == 192 &&
		       offsetof(struct bw_lane_head, waits) == 200 &&
		       offsetof(struct bw_lane_head, timeouts) == 208 &&
		       offsetof(struct bw_lane_head, fallbacks) == 216,
	       "the daemon knows these places");

/* What stands before the bytes of a message. */
struct bw_record {
	uint32_t len;
	uint32_t zero;
};

/* What a message of this length takes in a lane. */
#define BW_RECORD_BYTES(len) \
	(sizeof(struct bw_record) + (((uint64_t)(len) + 7) & ~UINT64_C(7)))

/* --- the writer's half ----------------------------------------------------- */

enum bw_lane_state {
	BW_LANE_NONE,	  /* no lane; what a fork's child finds */
	BW_LANE_OPENING,  /* asked for; the answer has not been seen */
	BW_LANE_OPEN,	  /* messages can be written */
	BW_LANE_ENDING,	  /* sealed; the daemon takes what is in it */
	BW_LANE_ORPHANED, /* the connection has ended: ask how far it was read */
	BW_LANE_ASKING,	  /* asked; the answer has not been seen */
	BW_LANE_SETTLING, /* [settled, written) goes by other roads */
};

/*
 * FROM		TO				in
 * NONE		OPENING				lanes.c, large.c
 * OPENING	OPEN, NONE			lanes.c, large.c
 * OPEN		ENDING, SETTLING, ORPHANED	bw_lane_look()
 * ENDING	OPEN, SETTLING, ORPHANED	bw_lane_look()
 * ORPHANED	ASKING, SETTLING		settle.c
 * ASKING	SETTLING, ORPHANED		settle.c
 * SETTLING	NONE				settle.c, large.c
 *
 * All zero is a valid lane, in the state NONE: the kernel clears this memory in
 * a fork's child.
 */
struct bw_lane {
	/* any thread, atomic; acquire to take it, release to give it back */
	_Atomic uint32_t lock;
	/* any thread may read it, relaxed, as a hint; the owner changes it */
	_Atomic uint32_t state;

	/* owner; not OPEN: room_end == written, so nothing can be written */
	char *data;	   /* the bytes, mapped twice, one after the other */
	uint64_t mask;	   /* size - 1 */
	uint64_t written;  /* as in the head, without the seal */
	uint64_t room_end; /* `read` as last seen, plus size */
	uint64_t max;	   /* the longest message for this lane */

	/* owner, rarely */
	uint64_t settled; /* SETTLING: what was taken or sent */
	uint64_t id;
	/* The last ring: `read` and the time then.  Together: see lane.c. */
	uint64_t rung_read;
	int64_t rung_ms;
	int64_t since_ms;   /* when the state began, or of the last try */
	int pause_ms;	    /* between two tries */
	uint32_t is_resent; /* a large one, SETTLING: the connection is new */
	size_t reserved;    /* of a place that bw_reserve() has given out */

	/* any thread, relaxed: datagrams, because no lane was free */
	_Atomic uint32_t fallbacks;
} __attribute__((aligned(128)));

static inline struct bw_lane_head *bw_lane_head(const struct bw_lane *lane)
{
	return (struct bw_lane_head *)(lane->data - BW_LANE_HEAD_BYTES);
}

static inline enum bw_lane_state bw_lane_state(const struct bw_lane *lane)
{
	return atomic_load_explicit(&lane->state, memory_order_relaxed);
}

/* Tries to become the owner. */
static inline bool bw_lane_take(struct bw_lane *lane)
{
	/* Acquire: pairs with the release in bw_lane_leave(). */
	return !atomic_exchange_explicit(&lane->lock, 1, memory_order_acquire);
}

static inline void bw_lane_leave(struct bw_lane *lane)
{
	atomic_store_explicit(&lane->lock, 0, memory_order_release);
}

/* Owner.  Where a message of this length goes, or NULL: see bw_lane_look(). */
static inline char *bw_lane_place(const struct bw_lane *lane, size_t len)
{
	/* The first comparison keeps the second from overflowing. */
	if (len > lane->max ||
	    BW_RECORD_BYTES(len) > lane->room_end - lane->written)
		return NULL;
	return lane->data + (lane->written & lane->mask) +
	       sizeof(struct bw_record);
}

/*
 * Fetches the memory of a message to come, so that this processor may write to
 * it.  The daemon has read what lay there before, mostly on another processor,
 * and the next store would wait for that processor's cache.  A fetch that is
 * ordered now is done when the message comes; nothing waits for it.
 *
 * __builtin_prefetch() fetches for reading unless the compiler may use
 * PREFETCHW.  All x86-64 processors take the instruction: AMD's fetch (AMD64
 * manual, volume 3), Intel's older ones do nothing (Intel SDM, volume 2).
 */
static inline void bw_lane_fetch(const char *at)
{
#ifdef __x86_64__
	__asm__ volatile("prefetchw %0" : : "m"(*at));
#else
	__builtin_prefetch(at, 1);
#endif
}

/* How far ahead of `written`, and how much at most for one message. */
#define BW_LANE_FETCH_AHEAD 1024
#define BW_LANE_FETCH_BYTES 512
#define BW_LANE_FETCH_LINE 64

static inline void bw_lane_fetch_ahead(const struct bw_lane *lane, size_t len)
{
	uint64_t from = (lane->written + BW_LANE_FETCH_AHEAD) & lane->mask;
	size_t end = len < BW_LANE_FETCH_BYTES ? BW_RECORD_BYTES(len) :
						 BW_LANE_FETCH_BYTES;
	size_t i;

	/* The second mapping of the data lies behind the first. */
	for (i = 0; i < end; i += BW_LANE_FETCH_LINE)
		bw_lane_fetch(lane->data + from + i);
}

/*
 * Owner.  Publishes the message of `len` bytes that lies at the place.  False:
 * the lane is sealed, and the message is not in it.
 */
static inline bool bw_lane_publish(struct bw_lane *lane, char *place,
				   size_t len)
{
	struct bw_lane_head *head = bw_lane_head(lane);
	const struct bw_record record = { .len = (uint32_t)len };
	uint64_t from = lane->written;
	const uint64_t to = from + BW_RECORD_BYTES(len);

	memcpy(place - sizeof(record), &record, sizeof(record));
	/* In the total order of the essay; it also releases. */
	if (!atomic_compare_exchange_strong_explicit(&head->written, &from, to,
						     memory_order_seq_cst,
						     memory_order_relaxed))
		return false;
	lane->written = to;
	bw_lane_fetch_ahead(lane, len);
	return true;
}

/*
 * Owner, after bw_lane_publish().  A time until which the daemon looks at the
 * lane by itself, or BW_LANE_ASLEEP; or BW_LANE_CLOSED, if the daemon has since
 * sealed the lane, taken the message with all others, and closed the lane.
 */
static inline uint64_t bw_lane_attended(const struct bw_lane *lane)
{
	/* In the total order of the essay. */
	return atomic_load_explicit(&bw_lane_head(lane)->attended,
				    memory_order_seq_cst);
}

/*
 * Owner, OPEN or ENDING.  Looks at what the daemon has done: learns of new
 * room, notices that the lane is closed or that the daemon is gone, and rings
 * if nobody attends to a lane with messages in it.  Changes the state, makes
 * no cancellation point and does not wait.  `connection` is the descriptor.
 */
void bw_lane_look(struct bw_lane *lane, int connection);
/*
 * The same, and looks at the connection whatever the daemon has promised, if
 * something was not taken yet.
 */
void bw_lane_look_closely(struct bw_lane *lane, int connection);

/*
 * Owner, OPEN or ENDING.  Waits until the daemon has changed something since
 * the last bw_lane_look(), for at most `ms`, which is at most one slice.
 */
#define BW_LANE_SLICE_MS 100
void bw_lane_wait(struct bw_lane *lane, int ms);

/* Owner.  Maps the memory of a new lane; 0 or -errno.  The caller closes fd. */
int bw_lane_map(struct bw_lane *lane, int fd, uint64_t large);
/* Owner.  Unmaps it, if it is mapped: the state is NONE. */
void bw_lane_unmap(struct bw_lane *lane);

/* Has the daemon taken everything?  Owner. */
static inline bool bw_lane_is_read(const struct bw_lane *lane)
{
	/* Acquire: what was read may be unmapped. */
	return atomic_load_explicit(&bw_lane_head(lane)->read,
				    memory_order_acquire) == lane->written;
}

/* Owner.  Changes the state. */
void bw_lane_become(struct bw_lane *lane, enum bw_lane_state state);

#endif
