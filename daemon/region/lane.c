/* SPDX-License-Identifier: MIT */
/* See lane.h. */
#include "daemon/region/lane.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/atomic.h"
#include "daemon/base/failpoint.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

#define SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

/* -- memory -------------------------------------------------------------- */

static int open_memory(void)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("bufwriter-lane", flags | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("bufwriter-lane", flags);
	return fd < 0 ? -errno : fd;
}

static int fill_memory(int fd, const struct lane_entry *e)
{
	struct lane_head head = {
		.magic = LANE_MAGIC,
		.head_bytes = LANE_HEAD_BYTES,
		.size = e->size,
		.id = e->id,
		.large = e->large,
	};
	ssize_t n;
	int err;

	if (ftruncate(fd, LANE_HEAD_BYTES + e->size))
		return -errno;
	/*
	 * The pages are there from now on: what the client does cannot make
	 * the daemon's memory grow.  A large lane has what its message needs.
	 */
	err = e->large ? 0 : -posix_fallocate(fd, 0, LANE_HEAD_BYTES + e->size);
	if (err)
		return err;
	n = pwrite(fd, &head, sizeof(head), 0);
	if (n != sizeof(head))
		return n < 0 ? -errno : -EIO;
	return fcntl(fd, F_ADD_SEALS, SEALS) ? -errno : 0;
}

int lane_make(const struct lane_entry *e)
{
	int fd = open_memory(), err;

	if (fd < 0)
		return fd;
	err = FAILPOINT("lane.memory");
	if (!err)
		err = fill_memory(fd, e);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* The head, and then the data twice. */
static int map_parts(struct lane *l, int fd)
{
	uint8_t *base = mmap(NULL, LANE_HEAD_BYTES + 2 * l->size, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			     0);
	uint8_t *data = base + LANE_HEAD_BYTES;
	int prot = l->entry->large ? PROT_READ | PROT_WRITE : PROT_READ;
	int err = 0;

	if (base == MAP_FAILED)
		return -errno;
	l->head = (struct lane_head *)base;
	if (mmap(base, LANE_HEAD_BYTES, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
	    mmap(data, l->size, prot, MAP_SHARED | MAP_FIXED, fd,
		 LANE_HEAD_BYTES) == MAP_FAILED ||
	    mmap(data + l->size, l->size, prot, MAP_SHARED | MAP_FIXED, fd,
		 LANE_HEAD_BYTES) == MAP_FAILED) {
		err = -errno;
		munmap(base, LANE_HEAD_BYTES + 2 * l->size);
		l->head = NULL;
		return err;
	}
	l->data = data;
	return 0;
}

static int check_seals(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	/* Without the seals a client could shrink it: a SIGBUS here. */
	return seals >= 0 && (seals & SEALS) == SEALS ? 0 : -EBADMSG;
}

/* Is this memory what lane_make() or lane_keep() made for the entry? */
static int check_memory(int fd, const struct lane_entry *e)
{
	struct lane_head head;
	struct stat st;

	if (fstat(fd, &st) || (uint64_t)st.st_size != LANE_HEAD_BYTES + e->size)
		return -EBADMSG;
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		return -EBADMSG;
	if (memcmp(head.magic, LANE_MAGIC, sizeof(head.magic)) ||
	    head.id != e->id || head.size != e->size || head.large != e->large)
		return -EBADMSG;
	return 0;
}

static int map(struct lane *l, int fd, struct lane_entry *e)
{
	int err = check_memory(fd, e);

	memset(l, 0, sizeof(*l));
	l->size = e->size;
	l->entry = e;
	return err ? err : map_parts(l, fd);
}

int lane_map(struct lane *l, int fd, struct lane_entry *e)
{
	int err = map(l, fd, e);

	if (!err)
		err = check_seals(fd);
	if (err)
		lane_unmap(l);
	return err;
}

int lane_map_kept(struct lane *l, int fd, struct lane_entry *e)
{
	int err = map(l, fd, e);
	uint64_t position = load_relaxed(&e->position), from, to;

	if (err)
		return err;
	l->kept = true;
	/* What is outside of these is a hole in the file. */
	from = load_relaxed(&l->head->read);
	to = load_relaxed(&l->head->written) & ~LANE_SEALED;
	if (load_relaxed(&e->state) != LANE_ENTRY_OPEN ||
	    (from <= position && position <= to))
		return 0;
	lane_unmap(l);
	return -EBADMSG;
}

void lane_unmap(struct lane *l)
{
	if (l->head)
		munmap(l->head, LANE_HEAD_BYTES + 2 * l->size);
	memset(l, 0, sizeof(*l));
}

/* -- records ------------------------------------------------------------- */

uint64_t lane_position(const struct lane *l)
{
	/* relaxed: only who holds the claim writes it, and the claim orders */
	return load_relaxed(&l->entry->position);
}

static bool is_possible(const struct lane *l, uint64_t written)
{
	uint64_t position = lane_position(l);

	/* Where the region was lost, the position is the client's, too. */
	return written % LANE_ALIGN == 0 && position % LANE_ALIGN == 0 &&
	       written - position <= l->size;
}

bool lane_written(const struct lane *l, uint64_t *written)
{
	/* pairs with the client's release: the records come first */
	*written = load_acquire(&l->head->written);
	return is_possible(l, *written);
}

enum lane_found lane_record(const struct lane *l, uint64_t at, uint64_t to,
			    const uint8_t **data, uint32_t *len)
{
	const uint8_t *record = l->data + (at & (l->size - 1));

	if (at == to)
		return LANE_NONE;
	assert(to - at <= l->size && (to - at) % LANE_ALIGN == 0);
	/*
	 * relaxed: one load, so that what is checked is what is used; the
	 * records are ordered by `written`
	 */
	*len = load_relaxed((const _Atomic uint32_t *)record);
	*data = record + LANE_RECORD;
	return lane_record_bytes(*len) <= to - at ? LANE_FOUND : LANE_BROKEN;
}

uint64_t lane_count(const struct lane *l, uint64_t to)
{
	uint64_t at = lane_position(l), n = 0;
	const uint8_t *data;
	uint32_t len;

	while (lane_record(l, at, to, &data, &len) == LANE_FOUND) {
		at += lane_record_bytes(len);
		n++;
	}
	return n;
}

/* -- what the client sees ------------------------------------------------ */

static void wake(struct lane *l)
{
	/* seq_cst: pairs with the client's load before it sleeps */
	atomic_fetch_add_explicit(&l->head->room_wake, 1, memory_order_seq_cst);
	syscall(SYS_futex, &l->head->room_wake, FUTEX_WAKE, INT_MAX, NULL, NULL,
		0);
}

void lane_release(struct lane *l, uint64_t position)
{
	/* release: after the commit; recovery relies on it */
	store_release(&l->entry->position, position);
	(void)FAILPOINT("lane.position");
	/* release: the copies come first; pairs with the client's acquire */
	store_release(&l->head->read, position);
	/*
	 * Publish, then check: the client stores `waiters`, then loads `read`.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	/* relaxed: ordered by the fence */
	if (load_relaxed(&l->head->waiters))
		wake(l);
	(void)FAILPOINT("lane.read");
}

void lane_attend(struct lane *l, uint64_t attended)
{
	/*
	 * seq_cst: the client stores `written`, then loads this; the caller
	 * stores this, then loads `written`
	 */
	atomic_store_explicit(&l->head->attended, attended,
			      memory_order_seq_cst);
	(void)FAILPOINT("lane.attended");
}

/* What `written` was before, without the seal. */
static uint64_t seal(struct lane *l)
{
	/* seq_cst: acquire as lane_written(), and before the look at `waiters` */
	uint64_t written = atomic_fetch_or_explicit(
		&l->head->written, LANE_SEALED, memory_order_seq_cst);

	(void)FAILPOINT("lane.sealed");
	return written & ~LANE_SEALED;
}

bool lane_seal(struct lane *l, uint64_t *written)
{
	*written = seal(l);
	wake(l);
	return is_possible(l, *written);
}

/* The client learns that nothing behind `final` is ever taken. */
static void close_head(struct lane *l, uint64_t final)
{
	store_release(&l->head->read, final);
	store_release(&l->head->final, final);
	(void)FAILPOINT("lane.final");
	/* release: pairs with the client's acquire; `final` comes first */
	store_release(&l->head->attended, LANE_CLOSED);
	wake(l);
}

void lane_finish(struct lane *l)
{

	/* A lane that is broken or lost was not sealed. */
	(void)seal(l);
	/*
	 * The entry first: a client that saw LANE_CLOSED sends the rest
	 * itself, so no later life may go on with this lane.
	 */
	if (load_relaxed(&l->entry->state) != LANE_ENTRY_CLOSED)
		lane_entry_close(l->entry);
	close_head(l, lane_position(l));
	(void)FAILPOINT("lane.finished");
}

void lane_hand_over(struct lane *l, uint64_t to)
{
	close_head(l, to);
	(void)FAILPOINT("lane.handed");
}

void lane_revive(struct lane *l)
{
	/*
	 * The dead process may have been killed between any two stores: before
	 * `read`, before the wake, or while it closed the lane.
	 */
	store_release(&l->head->read, lane_position(l));
	lane_attend(l, LANE_ASLEEP);
	/* release: pairs with the client, which may write again */
	atomic_fetch_and_explicit(&l->head->written, ~LANE_SEALED,
				  memory_order_release);
	wake(l);
}
