/* SPDX-License-Identifier: MIT */
/*
 * See lane.h.  Everything here is off the way of a message: mapping, waiting
 * for room, ringing, and noticing that a daemon closes the lane or is gone.
 *
 * Ringing.  A daemon that attends needs no ring.  While it sleeps, each
 * message would ring again until the daemon wakes.  So after one ring the next
 * one waits until `read` has moved or the coarse clock has: a daemon that got
 * a ring takes something, and so moves `read`, before it may sleep again.  The
 * clock bounds what that rule rests on, and finds a dead daemon soon.
 *
 * A dead daemon.  Its lease ends, so the next message rings, and the kernel
 * says that nobody holds the other end.  Where a supervisor keeps the other
 * end for the next daemon, the ring stays in the socket for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "client/library/lane.h"

/* The system call that takes the struct timespec of this program. */
#ifdef SYS_futex_time64
#define FUTEX (sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex)
#else
#define FUTEX SYS_futex
#endif

static int64_t coarse_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

void bw_lane_become(struct bw_lane *lane, enum bw_lane_state state)
{
	/* What stands in a lane that is not open is nobody's room. */
	if (state != BW_LANE_OPEN)
		lane->room_end = lane->written;
	/* Relaxed: other threads take it as a hint, see lane.h. */
	atomic_store_explicit(&lane->state, state, memory_order_relaxed);
}

/* --- memory ---------------------------------------------------------------- */

/* A memory file that cannot shrink cannot raise SIGBUS. */
static int check_file(int fd, struct bw_lane_head *head)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) ||
	    pread(fd, head, sizeof(*head), 0) != sizeof(*head))
		return -EPROTO;
	if (memcmp(head->magic, BW_LANE_MAGIC, sizeof(head->magic)) ||
	    head->head_bytes != BW_LANE_HEAD_BYTES || head->flags)
		return -EPROTO;
	if (head->size < BW_LANE_HEAD_BYTES ||
	    (head->size & (head->size - 1)) || head->size > UINT32_MAX ||
	    st.st_size != (off_t)(BW_LANE_HEAD_BYTES + head->size))
		return -EPROTO;
	return 0;
}

static size_t mapped_bytes(uint64_t size)
{
	return BW_LANE_HEAD_BYTES + 2 * size;
}

int bw_lane_map(struct bw_lane *lane, int fd, uint64_t large)
{
	const int prot = PROT_READ | PROT_WRITE;
	/* An ordinary lane has its pages before the first message needs them. */
	const int populate = large ? 0 : MAP_POPULATE;
	struct bw_lane_head head;
	size_t bytes;
	char *base;
	int err = check_file(fd, &head);

	if (err)
		return err;
	if (large ? head.large < large || head.size < BW_RECORD_BYTES(large) :
		    head.large != 0)
		return -EPROTO;
	bytes = mapped_bytes(head.size);
	base = mmap(NULL, bytes, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	if (mmap(base, BW_LANE_HEAD_BYTES + head.size, prot,
		 MAP_SHARED | MAP_FIXED | populate, fd, 0) == MAP_FAILED ||
	    mmap(base + BW_LANE_HEAD_BYTES + head.size, head.size, prot,
		 MAP_SHARED | MAP_FIXED | populate, fd,
		 BW_LANE_HEAD_BYTES) == MAP_FAILED ||
	    madvise(base, bytes, MADV_DONTFORK)) {
		err = -errno;
		munmap(base, bytes);
		return err;
	}
	lane->data = base + BW_LANE_HEAD_BYTES;
	lane->mask = head.size - 1;
	lane->id = head.id;
	lane->written = 0;
	lane->settled = 0;
	lane->max = large ? large : head.size / 4 - sizeof(struct bw_record);
	/* Nothing has been rung: no value of `read` is this one. */
	lane->rung_read = UINT64_MAX;
	bw_lane_become(lane, BW_LANE_OPEN);
	lane->room_end = head.size;
	return 0;
}

void bw_lane_unmap(struct bw_lane *lane)
{
	if (lane->data)
		munmap(lane->data - BW_LANE_HEAD_BYTES,
		       mapped_bytes(lane->mask + 1));
	lane->data = NULL;
	lane->written = 0;
	bw_lane_become(lane, BW_LANE_NONE);
}

/* --- looking at the daemon ------------------------------------------------- */

/* These two are bare system calls, which are no cancellation points. */

/* Has the other end been closed? */
static bool is_gone(int connection)
{
	char byte;
	long n = syscall(SYS_recvfrom, connection, &byte, 1,
			 MSG_PEEK | MSG_DONTWAIT, NULL, NULL);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static bool ring(int connection)
{
	static const char byte = 'r';
	long n = syscall(SYS_sendto, connection, &byte, 1,
			 MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);

	/* EAGAIN: rings that the daemon has not read are there already. */
	return n == 1 || errno == EAGAIN || errno == EINTR ||
	       errno == ENOBUFS || errno == ENOMEM;
}

/* Nobody attends: asks for it, unless a ring is on its way. */
static void look_unattended(struct bw_lane *lane, int connection, uint64_t read)
{
	const int64_t now_ms = coarse_ms();

	if (lane->rung_read == read && lane->rung_ms == now_ms)
		return;
	if (read == lane->written ? is_gone(connection) : !ring(connection)) {
		bw_lane_become(lane, BW_LANE_ORPHANED);
		return;
	}
	if (read != lane->written) {
		lane->rung_read = read;
		lane->rung_ms = now_ms;
	}
}

/* Tells the daemon's status what other threads have counted. */
static void publish_fallbacks(struct bw_lane *lane, struct bw_lane_head *head)
{
	/* Relaxed: a counter. */
	if (atomic_load_explicit(&lane->fallbacks, memory_order_relaxed))
		atomic_fetch_add_explicit(
			&head->fallbacks,
			atomic_exchange_explicit(&lane->fallbacks, 0,
						 memory_order_relaxed),
			memory_order_relaxed);
}

void bw_lane_look(struct bw_lane *lane, int connection)
{
	struct bw_lane_head *head = bw_lane_head(lane);
	/* In this order: see "Ringing" above.  Both pair with the daemon. */
	uint64_t attended = atomic_load_explicit(&head->attended,
						 memory_order_seq_cst);
	uint64_t read = atomic_load_explicit(&head->read, memory_order_acquire);
	/* Acquire: pairs with the daemon's seal. */
	uint64_t written = atomic_load_explicit(&head->written,
						memory_order_acquire);

	publish_fallbacks(lane, head);
	if (attended == BW_LANE_CLOSED) {
		/* Acquire, by the load of `attended`: the final position. */
		lane->settled = atomic_load_explicit(&head->final,
						     memory_order_relaxed);
		/* A position beyond the end takes nothing from anybody. */
		if (lane->settled > lane->written)
			lane->settled = lane->written;
		bw_lane_become(lane, BW_LANE_SETTLING);
		return;
	}
	if (lane->written - read > lane->mask + 1 ||
	    (written & ~BW_LANE_SEALED) != lane->written) {
		/* This is no daemon's work; the next one may know better. */
		bw_lane_become(lane, BW_LANE_ORPHANED);
		return;
	}
	if (written & BW_LANE_SEALED) {
		bw_lane_become(lane, is_gone(connection) ? BW_LANE_ORPHANED :
							   BW_LANE_ENDING);
		return;
	}
	/* After a daemon that was killed while it ended the lane, the next one
	 * may break the seal. */
	bw_lane_become(lane, BW_LANE_OPEN);
	lane->room_end = read + lane->mask + 1;
	if ((int64_t)attended <= coarse_ms())
		look_unattended(lane, connection, read);
}

void bw_lane_look_closely(struct bw_lane *lane, int connection)
{
	bw_lane_look(lane, connection);
	if (bw_lane_state(lane) == BW_LANE_OPEN && !bw_lane_is_read(lane) &&
	    is_gone(connection))
		bw_lane_become(lane, BW_LANE_ORPHANED);
}

/* Has nothing happened since the last look for which the owner waits? */
static bool is_unchanged(const struct bw_lane *lane,
			 const struct bw_lane_head *head)
{
	/* Both pair with the daemon, see bw_lane_wait(). */
	uint64_t attended = atomic_load_explicit(&head->attended,
						 memory_order_seq_cst);
	bool is_sealed = atomic_load_explicit(&head->written,
					      memory_order_seq_cst) &
			 BW_LANE_SEALED;

	if (attended == BW_LANE_CLOSED)
		return false;
	if (bw_lane_state(lane) == BW_LANE_ENDING)
		return is_sealed;
	return !is_sealed &&
	       atomic_load_explicit(&head->read, memory_order_seq_cst) +
			       lane->mask + 1 ==
		       lane->room_end;
}

void bw_lane_wait(struct bw_lane *lane, int ms)
{
	struct bw_lane_head *head = bw_lane_head(lane);
	const struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };
	uint32_t seen = atomic_load_explicit(&head->room_wake,
					     memory_order_acquire);

	/*
	 * Pairs with the daemon, which moves `read`, seals or closes the lane,
	 * and then looks at `waiters`: one of the two sees the other one's store.
	 */
	atomic_store_explicit(&head->waiters, 1, memory_order_seq_cst);
	if (is_unchanged(lane, head))
		syscall(FUTEX, &head->room_wake, FUTEX_WAIT, seen, &ts, NULL,
			0);
	atomic_store_explicit(&head->waiters, 0, memory_order_relaxed);
}
