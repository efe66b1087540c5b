/* SPDX-License-Identifier: MIT */
/*
 * See lanes.h.
 *
 * Doorbell.  The loop thread sets `rung`, then looks for a parked worker; a
 * worker says that it is parked, then looks at `rung`.  Each has a full fence
 * in between, so one of them sees the other.  How a lane falls asleep is in
 * lanes_slot.c.
 */
#include "daemon/worker/lanes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"
#include "daemon/base/failpoint.h"

#define BITS 64

/* The first slot from `from` on whose bit is set; ls->slots: none. */
static uint64_t next_open(const struct lanes *ls, uint64_t from)
{
	uint64_t word = from / BITS, bits;

	if (from >= ls->slots)
		return ls->slots;
	/* relaxed: the slot's state decides, and park() looks once more */
	bits = load_relaxed(&ls->open[word]) & ~UINT64_C(0) << from % BITS;
	while (!bits) {
		if (++word == ls->words)
			return ls->slots;
		bits = load_relaxed(&ls->open[word]);
	}
	return word * BITS + (uint64_t)__builtin_ctzll(bits);
}

/* -- loop thread --------------------------------------------------------- */

int lanes_open(struct lanes *ls, struct lane_table *table, uint64_t max_message)
{
	uint64_t n = table->entries;

	memset(ls, 0, sizeof(*ls));
	ls->table = table;
	ls->max_message = max_message;
	if (!n)
		return 0;
	ls->words = (n + BITS - 1) / BITS;
	ls->slot = aligned_alloc(CACHE_LINE, n * sizeof(*ls->slot));
	ls->open = calloc(ls->words, sizeof(*ls->open));
	if (!ls->slot || !ls->open) {
		free(ls->slot);
		free(ls->open);
		return -ENOMEM;
	}
	memset(ls->slot, 0, n * sizeof(*ls->slot));
	ls->slots = n;
	return 0;
}

void lanes_close(struct lanes *ls)
{
	uint64_t i;

	for (i = 0; i < ls->slots; i++)
		lane_unmap(&ls->slot[i].lane);
	free(ls->slot);
	free(ls->open);
	memset(ls, 0, sizeof(*ls));
}

void lanes_add(struct lanes *ls, struct lane *lane)
{
	unsigned i = lane_entry_index(ls->table, lane->entry);

	assert(i < ls->slots);
	lanes_slot_fill(&ls->slot[i], lane);
	/* release: a hint for next_open() */
	atomic_fetch_or_explicit(&ls->open[i / BITS], UINT64_C(1) << i % BITS,
				 memory_order_release);
}

bool lanes_remove(struct lanes *ls, unsigned slot)
{
	return lanes_slot_empty(&ls->slot[slot]);
}

void lanes_end(struct lanes *ls, unsigned slot)
{
	/* release: pairs with lanes_slot_find_end() */
	store_release(&ls->slot[slot].end, true);
	lanes_ring(ls);
}

void lanes_ring(struct lanes *ls)
{
	/* seq_cst, both: before the caller looks for a parked worker; pair with
	 * lanes_lack_attendant() and begin_look() */
	atomic_store_explicit(&ls->awake, true, memory_order_seq_cst);
	atomic_store_explicit(&ls->rung, true, memory_order_seq_cst);
}

void lanes_mark_flush(struct lanes *ls)
{
	uint64_t i;

	for (i = next_open(ls, 0); i < ls->slots; i = next_open(ls, i + 1))
		if (lanes_slot_is_open(&ls->slot[i]))
			lanes_slot_mark_flush(&ls->slot[i]);
	lanes_ring(ls);
}

/* -- one lane, under its claim ------------------------------------------- */

static void end_lane(struct lanes *ls, struct lanes_slot *s,
		     struct lanes_look *look)
{
	uint64_t i = (uint64_t)(s - ls->slot);

	atomic_fetch_and_explicit(&ls->open[i / BITS],
				  ~(UINT64_C(1) << i % BITS),
				  memory_order_relaxed);
	lanes_slot_end(s);
	/* release: pairs with the loop thread, which looks for the slot then */
	atomic_fetch_add_explicit(&ls->ended, 1, memory_order_release);
	look->notify = true;
}

static void note_fill(struct lanes_look *look, const struct lanes_slot *s,
		      uint64_t bytes)
{
	uint64_t fill = bytes * 1024 / s->lane.size;

	if (fill > look->fill)
		look->fill = fill;
	if (fill > 512)
		look->behind = true;
}

/* For the log; the count says how many there were. */
static void note_too_large(struct lanes *ls, const struct lane_taken *taken)
{
	uint64_t most = load_relaxed(&ls->large_most);

	while (most < taken->too_large_most &&
	       !atomic_compare_exchange_weak_explicit(
		       &ls->large_most, &most, taken->too_large_most,
		       memory_order_relaxed, memory_order_relaxed))
		;
	atomic_fetch_add_explicit(&ls->large_bytes, taken->too_large_bytes,
				  memory_order_relaxed);
	/* pairs with lane_end.c, note_too_large() */
	atomic_thread_fence(memory_order_release);
}

static void count(struct lanes *ls, struct lanes_slot *s,
		  const struct lane_taken *taken, struct lanes_look *look,
		  struct stats_worker *stats)
{
	stats_add(&s->messages, taken->messages);
	stats_add(&s->bytes, taken->bytes);
	stats_add(&stats->lane_bytes, taken->bytes);
	if (!taken->too_large)
		return;
	look->notify = true;
	note_too_large(ls, taken);
	stats_add(&s->too_large, taken->too_large);
	stats_add(&stats->lane_too_large, taken->too_large);
}

/* Takes what is there; EMPTY: nothing was. */
static enum transfer_result take(struct lanes *ls, struct lanes_slot *s,
				 struct lanes_look *look, struct arena *a,
				 struct stats_worker *stats, uint64_t now_ns)
{
	enum transfer_result result = TRANSFER_EMPTY;
	struct lane_taken taken = { 0 };
	uint64_t to = 0, bytes;

	taken.broken = !lanes_slot_find_end(s, &to);
	bytes = taken.broken ? 0 : to - lane_position(&s->lane);
	if (bytes) {
		note_fill(look, s, bytes);
		if (s->lane.entry->large)
			result = transfer_large(&s->lane, to, a, now_ns,
						&taken);
		else
			result = transfer_lane(&s->lane, to, a, ls->max_message,
					       now_ns, &taken);
		if (s->lane.entry->large && taken.messages) {
			look->held = s;
			/* release: the take comes first; pairs with put_to_sleep() */
			store_release(&s->filing, true);
		}
		count(ls, s, &taken, look, stats);
		look->more |= taken.more;
		look->moved = to - lane_position(&s->lane) != bytes;
	}
	s->broken = taken.broken;
	if (taken.broken || lanes_slot_is_at_end(s))
		end_lane(ls, s, look);
	else
		look->more |= s->ending;
	return result;
}

/* -- a look at all lanes ------------------------------------------------- */

static bool is_attendant(const struct lanes *ls, const struct lanes_look *look)
{
	/* relaxed: only this worker makes itself the attendant */
	return load_relaxed(&ls->attendant) == look->worker + 1;
}

static void begin_look(struct lanes *ls, struct lanes_look *look)
{
	look->more = false;
	/* seq_cst: what was written before the doorbell is seen from here on;
	 * pairs with lanes_ring() */
	if (load_relaxed(&ls->rung))
		atomic_exchange_explicit(&ls->rung, false,
					 memory_order_seq_cst);
}

enum transfer_result lanes_take(struct lanes *ls, struct lanes_look *look,
				struct arena *a, struct stats_worker *stats)
{
	enum transfer_result result = TRANSFER_EMPTY;
	uint64_t now_ns = clock_now(), i;
	bool attends = is_attendant(ls, look);
	struct lanes_slot *s;
	unsigned turns = 0;

	if (!look->next)
		begin_look(ls, look);
	for (i = next_open(ls, look->next); i < ls->slots;
	     i = next_open(ls, i + 1)) {
		s = &ls->slot[i];
		if (!lanes_slot_claim(s))
			continue;
		if (lanes_slot_is_open(s)) {
			result = take(ls, s, look, a, stats, now_ns);
			if (attends)
				lanes_slot_promise(s, now_ns / CLOCK_MS);
		}
		if (look->held != s)
			lanes_slot_unclaim(s);
		if (result != TRANSFER_EMPTY) {
			/* relaxed: a hint, of whichever worker comes last */
			store_relaxed(&ls->taken_ns, now_ns);
			turns++;
		}
		/* Then the next lane: none waits for one that is always full. */
		if (result == TRANSFER_FULL || turns == LANES_TURN) {
			look->next = i + look->moved;
			return result;
		}
		result = TRANSFER_EMPTY;
	}
	look->next = 0;
	return look->more ? TRANSFER_TOOK : TRANSFER_EMPTY;
}

void lanes_filed(struct lanes *ls, struct lanes_look *look, struct arena *a)
{
	struct lanes_slot *s = look->held;

	if (!s)
		return;
	look->held = NULL;
	store_relaxed(&s->filing, false);
	transfer_large_done(&s->lane, a);
	if (lanes_slot_is_at_end(s))
		end_lane(ls, s, look);
	else
		/* The lane may have an end by now, and was not put to sleep. */
		lanes_ring(ls);
	lanes_slot_unclaim(s);
}

bool lanes_reached(const struct lanes *ls)
{
	const struct lanes_slot *s;
	uint64_t i;

	for (i = next_open(ls, 0); i < ls->slots; i = next_open(ls, i + 1)) {
		s = &ls->slot[i];
		/*
		 * acquire: whoever took the rest has committed it; the entry
		 * stays mapped.  relaxed: ordered by the request's number
		 */
		if (lanes_slot_is_open(s) &&
		    load_acquire(&ls->table->entry[i].position) <
			    load_relaxed(&s->flush_to))
			return false;
	}
	return true;
}

/* -- the attendant ------------------------------------------------------- */

/*
 * False: a record came, or the lane could not be looked at.  A lane whose large
 * message is being written into a file needs no look until that is done, and
 * then lanes_filed() rings: a slow disk keeps nobody awake.
 */
static bool put_to_sleep(struct lanes_slot *s)
{
	bool calm = true;

	if (!lanes_slot_claim(s))
		/* pairs with take(): what is written by then is taken */
		return load_acquire(&s->filing);
	if (lanes_slot_is_open(s))
		calm = lanes_slot_sleep(s);
	lanes_slot_unclaim(s);
	return calm;
}

/* False: there is something to do. */
static bool put_all_to_sleep(struct lanes *ls)
{
	bool calm = true;
	uint64_t i;

	/* seq_cst: before the lanes are looked at; pairs with lanes_ring() */
	atomic_store_explicit(&ls->awake, false, memory_order_seq_cst);
	for (i = next_open(ls, 0); i < ls->slots && calm;
	     i = next_open(ls, i + 1))
		calm = put_to_sleep(&ls->slot[i]);
	if (!calm)
		atomic_store_explicit(&ls->awake, true, memory_order_seq_cst);
	(void)FAILPOINT("lanes.asleep");
	return calm;
}

static bool become_attendant(struct lanes *ls, const struct lanes_look *look)
{
	unsigned none = 0;

	if (is_attendant(ls, look))
		return true;
	/* seq_cst: pairs with lanes_pass_on() and lanes_lack_attendant() */
	if (!lanes_are_awake(ls) ||
	    !atomic_compare_exchange_strong_explicit(
		    &ls->attendant, &none, look->worker + 1,
		    memory_order_seq_cst, memory_order_relaxed))
		return false;
	/*
	 * The attendant before may have put the lanes to sleep since they were
	 * found awake.  Only an attendant does that, so from here on it holds:
	 * while there is one, the lanes are awake.
	 */
	atomic_store_explicit(&ls->awake, true, memory_order_seq_cst);
	return true;
}

static void stop_attending(struct lanes *ls)
{
	/* seq_cst: before another worker is looked for */
	atomic_store_explicit(&ls->attendant, 0, memory_order_seq_cst);
}

/* So that no lane is more than a quarter full by then. */
static uint64_t look_interval(const struct lanes_look *look, uint64_t now_ns)
{
	uint64_t ns = LANES_LOOK_MAX_NS;

	if (look->fill && look->at_ns && now_ns > look->at_ns)
		ns = (now_ns - look->at_ns) * 256 / look->fill;
	if (ns > LANES_LOOK_MAX_NS)
		return LANES_LOOK_MAX_NS;
	return ns < LANES_LOOK_MIN_NS ? LANES_LOOK_MIN_NS : ns;
}

uint64_t lanes_attend(struct lanes *ls, struct lanes_look *look)
{
	uint64_t now_ns, interval_ns;

	if (!ls->slots || !become_attendant(ls, look))
		return 0;
	now_ns = clock_now();
	/* relaxed: a hint, see lanes_take(); it may be later than now_ns */
	if (now_ns > load_relaxed(&ls->taken_ns) + LANES_CALM_NS &&
	    put_all_to_sleep(ls)) {
		stop_attending(ls);
		return 0;
	}
	interval_ns = look_interval(look, now_ns);
	look->fill = 0;
	look->at_ns = now_ns;
	return now_ns + interval_ns;
}

bool lanes_lack_attendant(const struct lanes *ls)
{
	if (!ls->slots)
		return false;
	/* seq_cst, all: after the worker's fence; pair with lanes_ring() and
	 * stop_attending() */
	return atomic_load_explicit(&ls->rung, memory_order_seq_cst) ||
	       (atomic_load_explicit(&ls->awake, memory_order_seq_cst) &&
		!atomic_load_explicit(&ls->attendant, memory_order_seq_cst));
}

bool lanes_pass_on(struct lanes *ls, unsigned worker)
{
	/* relaxed: only this worker makes itself the attendant */
	if (load_relaxed(&ls->attendant) != worker + 1)
		return false;
	stop_attending(ls);
	return lanes_are_awake(ls);
}
