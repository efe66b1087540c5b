/* SPDX-License-Identifier: MIT */
/* See keeper.h. */
#include "daemon/worker/keeper.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/remedy.h"
#include "daemon/base/thread.h"

/* A deletion goes this far below a limit, so that the next one is not near. */
#define SLACK 16
#define NICE 10
/* The log names so many deleted files a minute, and then their sum. */
#define NAMED 10
#define ROUND_NS (60 * CLOCK_SECOND)
#define STOP_WAIT_MS 1000
/* Not more often than this while workers wait. */
#define SCAN_NS CLOCK_SECOND

/* -- workers ------------------------------------------------------------- */

static void wake(struct keeper *k)
{
	/* acq_rel: what was published before is seen after the exchange in
	 * wait_for_work() */
	if (!atomic_exchange_explicit(&k->woken, true, memory_order_acq_rel))
		sem_post(&k->wake);
}

const char *keeper_admits(struct keeper *k, const struct config *cfg,
			  uint64_t len)
{
	uint64_t keep = cfg->files_keep_bytes,
		 room = cfg->files_keep_free_bytes;
	/* relaxed: a sum, which orders nothing */
	uint64_t bytes = load_relaxed(&k->bytes);
	const char *limit = NULL;

	/* One large message can be longer: it has room where no file is. */
	if (keep && bytes && bytes + len > keep)
		limit = "files.keep";
	else if (room && retain_free(cfg) < room + len)
		limit = "files.keep_free";
	if (!limit)
		return NULL;
	/* relaxed: wake() orders it; any of several workers' is enough */
	store_relaxed(&k->asked, len);
	wake(k);
	return cfg->files_when_full == FULL_WAIT ? limit : NULL;
}

void keeper_written(struct keeper *k, uint64_t bytes)
{
	/* relaxed: a sum */
	atomic_fetch_add_explicit(&k->bytes, bytes, memory_order_relaxed);
}

void keeper_refused(struct keeper *k, const struct config *cfg, int err,
		    uint64_t len)
{
	if (cfg->files_when_full != FULL_DELETE_OLDEST ||
	    (err != -ENOSPC && err != -EDQUOT))
		return;
	/* relaxed: wake() orders it; any of several workers' is enough */
	store_relaxed(&k->wanted, len);
	wake(k);
}

/* -- the log ------------------------------------------------------------- */

static void report_rest(struct keeper *k)
{
	if (k->more_files)
		log_warning("files.when_full: deleted %" PRIu64
			    " more files: %" PRIu64 " messages, %" PRIu64
			    " bytes",
			    k->more_files, k->more.messages, k->more.bytes);
	memset(&k->more, 0, sizeof(k->more));
	k->more_files = 0;
	k->named = 0;
	k->round_ns = 0;
}

static void name_file(const struct retain_file *gone, const char *why)
{
	if (gone->counted)
		log_warning("files.when_full: deleted %s, because %s: %" PRIu64
			    " messages, %" PRIu64 " bytes",
			    gone->name, why, gone->messages, gone->bytes);
	else
		log_warning("files.when_full: deleted %s, because %s: about "
			    "%" PRIu64 " messages, %" PRIu64 " bytes",
			    gone->name, why, gone->messages, gone->bytes);
}

static void report(struct keeper *k, const struct retain_file *gone,
		   const char *why)
{
	uint64_t now = clock_now();

	if (k->round_ns && now - k->round_ns >= ROUND_NS)
		report_rest(k);
	if (!k->round_ns)
		k->round_ns = now;
	if (k->named++ < NAMED) {
		name_file(gone, why);
		return;
	}
	k->more_files++;
	k->more.messages += gone->messages;
	k->more.bytes += gone->bytes;
}

static void report_error(struct keeper *k, int err)
{
	if (err && err != k->error)
		log_error("files.when_full: cannot delete old files in %s: "
			  "%s; %s",
			  k->retain.cfg->files_path, strerror(-err),
			  remedy(err));
	k->error = err;
}

/* -- the keeper ---------------------------------------------------------- */

static void count(struct keeper *k, const struct retain_file *gone)
{
	uint64_t bytes = load_relaxed(&k->bytes), left;

	stats_add(&k->stats.deleted_bytes, gone->bytes);
	stats_add(&k->stats.deleted_messages, gone->messages);
	stats_add(&k->stats.deleted_uncounted, !gone->counted);
	/* last: who reads that the file is counted has its messages, too */
	stats_add(&k->stats.deleted_files, 1);
	store_relaxed(&k->deleted_ns, clock_now());
	/* relaxed: a sum, which workers add to meanwhile */
	do
		left = bytes > gone->bytes ? bytes - gone->bytes : 0;
	while (!atomic_compare_exchange_weak_explicit(&k->bytes, &bytes, left,
						      memory_order_relaxed,
						      memory_order_relaxed));
}

/* Deletes one file: its bytes, or 0: none can be deleted. */
static uint64_t delete_one(struct keeper *k, const char *why)
{
	struct retain_file gone;
	int done = retain_delete_some(&k->retain, &gone);

	report_error(k, done < 0 ? done : 0);
	if (done <= 0)
		return 0;
	count(k, &gone);
	report(k, &gone, why);
	return gone.bytes ? gone.bytes : 1;
}

/* A file that is written meanwhile may count twice, until the next scan. */
static void scan(struct keeper *k)
{
	uint64_t before = load_relaxed(&k->bytes), found, now;

	k->scanned_ns = clock_now();
	if (retain_scan(&k->retain, &found))
		return;
	now = before;
	/* relaxed: a sum */
	while (!atomic_compare_exchange_weak_explicit(
		&k->bytes, &now, found + (now - before), memory_order_relaxed,
		memory_order_relaxed))
		;
}

/* Is there no room for the next file? */
static bool is_reached(const struct keeper *k, uint64_t keep)
{
	return load_relaxed(&k->bytes) + k->retain.cfg->buffer_size_bytes >
	       keep;
}

/* Is there none for the file that a worker was not admitted with? */
static bool is_refused(struct keeper *k, uint64_t keep)
{
	/* relaxed: wait_for_work() orders it */
	uint64_t asked = atomic_exchange_explicit(&k->asked, 0,
						  memory_order_relaxed);

	return asked && load_relaxed(&k->bytes) + asked > keep;
}

static void hold_keep(struct keeper *k, uint64_t keep)
{
	bool deletes = k->retain.cfg->files_when_full == FULL_DELETE_OLDEST;

	if (!is_refused(k, keep) && !is_reached(k, keep))
		return;
	/* A worker that waits asks again and again. */
	if (!deletes && clock_now() - k->scanned_ns < SCAN_NS)
		return;
	scan(k);
	if (!deletes || !is_reached(k, keep))
		return;
	while (is_reached(k, keep - keep / SLACK))
		if (!delete_one(k, "files.keep is reached"))
			return;
}

static void hold_free(struct keeper *k, uint64_t room)
{
	const struct config *cfg = k->retain.cfg;

	if (cfg->files_when_full != FULL_DELETE_OLDEST)
		return;
	while (retain_free(cfg) < room + room / SLACK + cfg->buffer_size_bytes)
		if (!delete_one(k, "files.keep_free is reached"))
			return;
}

/*
 * The disk has refused so many bytes.  Also where it has no inode, or a quota
 * that statvfs(3) does not know: so many bytes are deleted in any case.
 */
static void make_room(struct keeper *k)
{
	/* relaxed: wait_for_work() orders it */
	uint64_t wanted = atomic_exchange_explicit(&k->wanted, 0,
						   memory_order_relaxed);
	uint64_t deleted = 0, n;

	while (wanted > deleted) {
		n = delete_one(k, "the disk is full");
		if (!n)
			return;
		deleted += n;
	}
}

static void hold_limits(struct keeper *k)
{
	const struct config *cfg = k->retain.cfg;

	if (cfg->files_keep_bytes)
		hold_keep(k, cfg->files_keep_bytes);
	if (cfg->files_keep_free_bytes)
		hold_free(k, cfg->files_keep_free_bytes);
	if (cfg->files_when_full == FULL_DELETE_OLDEST)
		make_room(k);
}

/* Sleeps until it is woken, or until the log is due. */
static void wait_for_work(struct keeper *k)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ROUND_NS / CLOCK_SECOND;
	while (k->more_files ? sem_timedwait(&k->wake, &until) :
			       sem_wait(&k->wake))
		if (errno == ETIMEDOUT) {
			report_rest(k);
			return;
		}
	/* acq_rel: pairs with wake() */
	atomic_exchange_explicit(&k->woken, false, memory_order_acq_rel);
}

static void heed_settings(struct keeper *k)
{
	/* pairs with the release in keeper_configure() */
	uint64_t generation = load_acquire(&k->cfg_generation);

	if (load_relaxed(&k->cfg_seen) == generation)
		return;
	k->retain.cfg = load_acquire(&k->cfg);
	/* Names of other settings are other files. */
	k->retain.n = k->retain.next = 0;
	scan(k);
	/* The old settings are not used after this: keeper_settled(). */
	store_release(&k->cfg_seen, generation);
}

static void *keeper_main(void *arg)
{
	struct keeper *k = arg;

	pthread_setname_np(pthread_self(), "keeper");
	/* Of this thread alone; the calling thread is 0. */
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	if (k->retain.cfg->files_keep_bytes)
		scan(k);
	/* What a former life left may be too much, or the limit is another. */
	hold_limits(k);
	for (;;) {
		wait_for_work(k);
		/* pairs with the release in keeper_stop() */
		if (load_acquire(&k->stop))
			break;
		heed_settings(k);
		hold_limits(k);
	}
	report_rest(k);
	return NULL;
}

/* -- loop thread --------------------------------------------------------- */

int keeper_start(struct keeper *k, const struct config *cfg)
{
	int err;

	memset(k, 0, sizeof(*k));
	err = retain_open(&k->retain, cfg);
	if (err)
		return err;
	atomic_init(&k->cfg, cfg);
	sem_init(&k->wake, 0, 0);
	err = thread_start(&k->thread, keeper_main, k);
	k->open = !err;
	if (err)
		retain_close(&k->retain);
	return err;
}

void keeper_configure(struct keeper *k, const struct config *cfg)
{
	if (!k->open)
		return;
	/* Both pair with heed_settings(); the settings come first. */
	store_release(&k->cfg, cfg);
	store_release(&k->cfg_generation, load_relaxed(&k->cfg_generation) + 1);
	wake(k);
}

bool keeper_settled(const struct keeper *k)
{
	/* pairs with the release in heed_settings() */
	return !k->open ||
	       load_acquire(&k->cfg_seen) == load_relaxed(&k->cfg_generation);
}

bool keeper_end(struct keeper *k)
{
	if (!k->open || k->ended)
		return true;
	/* pairs with the acquire in keeper_main() */
	store_release(&k->stop, true);
	sem_post(&k->wake);
	k->ended = thread_join_within(k->thread, STOP_WAIT_MS);
	return k->ended;
}

bool keeper_stop(struct keeper *k)
{
	if (!k->open)
		return true;
	if (!keeper_end(k))
		return false;
	k->open = false;
	sem_destroy(&k->wake);
	retain_close(&k->retain);
	return true;
}
