/* SPDX-License-Identifier: MIT */
/* See listener.h for the states. */
#include "daemon/intake/listener.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/base/clock.h"

/* Batches read before the loop's other handles get their turn. */
#define BATCHES_A_TURN 16
/* Datagrams that a stopping daemon still takes from systemd's socket. */
#define DRAIN_MOST 65536
/*
 * A datagram that was in a queue at a mark cannot be further back there: after
 * so many it has been read.  The second number is for each socket, where the
 * length of a queue is known: it is more than that only if the sysctl was
 * lowered from more than that since the socket was made.
 */
#define CATCH_UP 65536
#define CATCH_UP_LEAST 1024
/*
 * The patience of a start that gets on, if buffer.timeout is shorter: a common
 * recovery takes milliseconds, but a large one on a busy machine takes seconds,
 * and what the kernel has queued since the process before is not dropped for
 * that.  See listener_recovery_waits().
 */
#define START_NS (5 * CLOCK_SECOND)

bool listener_polls(const struct listener *l)
{
	/* While it waits, the full queue would end every poll(2) at once. */
	return l->state != LISTENER_WAITING &&
	       l->state != LISTENER_DRAIN_WAITING &&
	       l->state != LISTENER_STOPPED;
}

/* -- batches ------------------------------------------------------------- */

/* Who sent them?  Those of a sender above its limit are dropped. */
static void judge_senders(struct listener *l, const struct mmsghdr *msgs,
			  unsigned n)
{
	uint64_t most = l->ring->layout.geo.max_message, refused = 0;
	struct sender_id id;
	uint32_t len;
	unsigned i;

	for (i = 0; i < n; i++) {
		id = receiver_sender(&msgs[i]);
		len = msgs[i].msg_len;
		if (senders_count(l->senders, &id, len, len > most,
				  l->received_ns))
			continue;
		ring_refuse(l->ring, i);
		stats_add(&l->stats.received_bytes, len);
		refused++;
	}
	if (!refused)
		return;
	stats_add(&l->stats.sender_rate, refused);
	drops_limited(&l->drops, refused, l->senders);
}

/* Into the ring. */
static unsigned take_batch(struct listener *l, struct mmsghdr *msgs, unsigned n,
			   int flags)
{
	struct ring_batch batch = { 0 };
	unsigned got = receiver_take(&l->receiver, msgs, n, flags);

	if (!got)
		return 0;
	l->received_ns = clock_now();
	if (l->senders)
		judge_senders(l, msgs, got);
	ring_publish(l->ring, got, l->received_ns, &batch);
	stats_add(&l->stats.received_bytes, batch.bytes);
	if (batch.too_large) {
		struct drops_large large = { batch.too_large,
					     batch.too_large_bytes,
					     batch.largest };

		stats_add(&l->stats.too_large, batch.too_large);
		drops_too_large(&l->drops, &large,
				l->cfg->socket_max_message_bytes);
	}
	feed_arenas(&l->feed);
	return got;
}

/* -- states -------------------------------------------------------------- */

static void end_drain(struct listener *l)
{
	l->state = LISTENER_STOPPED;
	uv_timer_stop(&l->wait_timer);
	/* The feed goes on: the workers still have to take what is there. */
	l->drained(l->drained_arg);
}

static void on_wait_timer(uv_timer_t *timer)
{
	struct listener *l = timer->data;

	assert(l->state == LISTENER_WAITING || l->state == LISTENER_RESUMING);
	l->state = LISTENER_DROPPING;
}

/* Senders may block from now on: for so long at most. */
static void start_wait_timer(struct listener *l, uint64_t timeout_ns)
{
	uv_timer_stop(&l->wait_timer);
	if (timeout_ns == CONFIG_NEVER)
		return;
	uv_update_time(l->wait_timer.loop);
	uv_timer_start(&l->wait_timer, on_wait_timer, clock_ms_up(timeout_ns),
		       0);
}

/* No slot could be armed.  A state that reads into the ring ends. */
static void ring_is_full(struct listener *l)
{
	switch (l->state) {
	case LISTENER_READING:
		receiver_ring_full(&l->receiver);
		drops_ring_full(&l->drops);
		if (!l->cfg->buffer_timeout_ns) {
			l->state = LISTENER_DROPPING;
			break;
		}
		l->state = LISTENER_WAITING;
		start_wait_timer(l, l->cfg->buffer_timeout_ns);
		break;
	case LISTENER_RESUMING:
		/* wait_timer runs on: the queue was not empty meanwhile. */
		receiver_ring_full(&l->receiver);
		l->state = LISTENER_WAITING;
		break;
	case LISTENER_DRAINING:
		if (l->ours)
			l->state = LISTENER_DRAIN_WAITING;
		else
			end_drain(l);
		break;
	default:
		return;
	}
	if (!l->ring)
		return;
	stats_add(&l->stats.waits, 1);
	feed_wake(&l->feed);
}

/* Slots are armed.  A state that waits for one ends. */
static void ring_has_room(struct listener *l)
{
	if (l->state == LISTENER_WAITING)
		l->state = LISTENER_RESUMING;
	else if (l->state == LISTENER_DRAIN_WAITING)
		l->state = LISTENER_DRAINING;
}

/*
 * The queue was read empty into the ring: whoever blocked before has sent, so
 * the patience begins anew with the next full ring.  (Read empty by dropping,
 * it stays DROPPING: while the disk is dead, no sender has to block again.)
 */
static void queue_is_empty(struct listener *l)
{
	if (l->state != LISTENER_RESUMING && l->state != LISTENER_DROPPING)
		return;
	uv_timer_stop(&l->wait_timer);
	l->state = LISTENER_READING;
	drops_resumed(&l->drops);
}

/*
 * Arms slots for a batch; 0: the ring is full, or not there.  Either may change
 * the state.
 */
static unsigned arm_slots(struct listener *l, struct mmsghdr **msgs)
{
	unsigned n;

	if (!l->ring) {
		ring_is_full(l);
		return 0;
	}
	do {
		n = ring_arm(l->ring, RING_BATCH, msgs);
	} while (!n && !ring_wait_for_slot(l->ring));
	if (n)
		ring_has_room(l);
	else
		ring_is_full(l);
	return n;
}

/*
 * A batch was read: `got` of at most n, into the ring or dropped.  False: no
 * further one this turn.
 */
static bool goes_on(struct listener *l, unsigned got, unsigned n, bool dropped)
{
	if (l->state == LISTENER_DRAINING) {
		if (got >= l->drain_left ||
		    (!got && receiver_found_empty(&l->receiver))) {
			end_drain(l);
			return false;
		}
		l->drain_left -= got;
		/* A flood at one socket does not keep the others waiting. */
		if (got)
			receiver_next(&l->receiver);
		return true;
	}
	if (got == n) {
		receiver_next(&l->receiver);
		return true;
	}
	if (!receiver_emptied(&l->receiver, dropped))
		return true;
	l->emptied++;
	if (!dropped && receiver_is_read(&l->receiver))
		queue_is_empty(l);
	pace_emptied(&l->pace, stats_get(&l->stats.received),
		     stats_get(&l->stats.received_bytes), l->received_ns);
	return got && pace_reads_on(&l->pace);
}

unsigned listener_read(struct listener *l, int flags)
{
	unsigned most = BATCHES_A_TURN + l->receiver.sockets - 1;
	unsigned batch, n, got, taken = 0;
	struct mmsghdr *msgs;
	bool dropped;

	receiver_begin(&l->receiver);
	for (batch = 0; batch < most; batch++) {
		if (l->state == LISTENER_STOPPED)
			break;
		n = arm_slots(l, &msgs);
		dropped = !n && l->state == LISTENER_DROPPING;
		if (n) {
			got = take_batch(l, msgs, n, flags);
		} else if (dropped) {
			n = RING_BATCH;
			got = receiver_drop(&l->receiver);
			if (got)
				drops_dropping(&l->drops, got, !l->ring);
		} else {
			break;
		}
		taken += got;
		/* Only the first batch may sleep. */
		flags = MSG_DONTWAIT;
		if (!goes_on(l, got, n, dropped))
			break;
	}
	if (taken)
		feed_workers(&l->feed);
	if (taken && l->names)
		sender_names_note(l->names);
	return taken;
}

/* -- for others ---------------------------------------------------------- */

void listener_start(struct listener *l, uv_loop_t *uv, int fd, bool ours,
		    const struct config *cfg)
{
	memset(l, 0, sizeof(*l));
	l->ours = ours;
	l->cfg = cfg;
	l->qlen = -1;
	pace_open(&l->pace, receiver_open(&l->receiver, fd,
					  cfg->senders_identify == SWITCH_YES,
					  &l->stats, &l->drops));
	drops_open(&l->drops, uv);
	feed_open(&l->feed, uv);
	uv_timer_init(uv, &l->wait_timer);
	l->wait_timer.data = l;
	drops_ring_full(&l->drops);
	l->state = LISTENER_WAITING;
	start_wait_timer(l, cfg->buffer_timeout_ns > START_NS ?
				    cfg->buffer_timeout_ns :
				    START_NS);
}

void listener_add(struct listener *l, int fd)
{
	assert(!l->ring);
	receiver_add(&l->receiver, fd);
	pace_open(&l->pace, false);
}

void listener_identify(struct listener *l, struct senders *senders,
		       struct sender_names *names)
{
	assert(!l->ring);
	l->senders = senders;
	l->names = names;
	receiver_identify(&l->receiver, senders);
}

void listener_recovery_waits(struct listener *l)
{
	if (l->state == LISTENER_WAITING && !l->ring && !l->hurried)
		start_wait_timer(l, l->cfg->buffer_timeout_ns);
	l->hurried = true;
}

void listener_begin(struct listener *l, struct ring *ring,
		    struct workers *workers)
{
	assert(!l->ring && ring && workers && workers->ring == ring);
	l->ring = ring;
	feed_begin(&l->feed, workers);
	listener_resume(l);
}

void listener_close(struct listener *l)
{
	feed_close(&l->feed);
	uv_close((uv_handle_t *)&l->wait_timer, NULL);
	drops_close(&l->drops);
}

void listener_know_qlen(struct listener *l, int qlen)
{
	l->qlen = qlen;
}

/* How many datagrams all queues can hold. */
static uint64_t most_queued(const struct listener *l)
{
	uint64_t each = l->qlen > CATCH_UP_LEAST ? l->qlen : CATCH_UP_LEAST;
	uint64_t most = l->receiver.sockets * (each + 1);

	return l->qlen >= 0 && most < CATCH_UP ? most : CATCH_UP;
}

struct listener_mark listener_mark(const struct listener *l)
{
	return (struct listener_mark){ l->emptied,
				       stats_get(&l->stats.received) };
}

static bool is_caught_up(const struct listener *l,
			 const struct listener_mark *mark)
{
	return l->emptied != mark->emptied || l->state == LISTENER_STOPPED ||
	       stats_get(&l->stats.received) - mark->received >= most_queued(l);
}

bool listener_catch_up(struct listener *l, const struct listener_mark *mark)
{
	if (is_caught_up(l, mark))
		return true;
	if (!listener_polls(l) || listener_is_stopping(l))
		return false;
	listener_read(l, MSG_DONTWAIT);
	if (is_caught_up(l, mark))
		return true;
	/*
	 * A flood may keep the queues from being found empty: the loop has its
	 * other work before the next read.
	 */
	if (listener_polls(l))
		workers_notify(l->feed.workers);
	return false;
}

void listener_resume(struct listener *l)
{
	if (l->state == LISTENER_WAITING || l->state == LISTENER_DROPPING ||
	    l->state == LISTENER_DRAIN_WAITING)
		listener_read(l, MSG_DONTWAIT);
}

void listener_replace(struct listener *l, unsigned i, int fd)
{
	const struct receiver_socket *s = &l->receiver.socket[i];
	uint64_t emptied = s->emptied;

	assert(l->ours && !listener_is_stopping(l) && i < l->receiver.sockets);
	/* No sender adds to the queue from here on. */
	receiver_shut(&l->receiver, i);
	while (listener_polls(l) && s->emptied == emptied)
		listener_read(l, MSG_DONTWAIT);
	if (s->emptied == emptied)
		receiver_drop_queue(&l->receiver, i);
	receiver_replace(&l->receiver, i, fd);
}

void listener_lanes_dropped(struct listener *l, uint64_t too_large,
			    uint64_t bytes, uint64_t largest)
{
	struct drops_large large = { too_large - l->lane_too_large, bytes,
				     largest };

	stats_add(&l->stats.too_large, large.count);
	l->lane_too_large = too_large;
	drops_too_large(&l->drops, &large, l->cfg->socket_max_message_bytes);
}

void listener_configure(struct listener *l, const struct config *cfg)
{
	bool changed;

	assert(cfg);
	changed = l->cfg->buffer_timeout_ns != cfg->buffer_timeout_ns;
	l->cfg = cfg;
	feed_configure(&l->feed);
	if (l->senders)
		senders_configure(l->senders, cfg, clock_now());
	if (!changed || l->state == LISTENER_READING || listener_is_stopping(l))
		return;
	/* There may be room in the ring: only a read can tell. */
	if (l->state == LISTENER_DROPPING)
		l->state = LISTENER_RESUMING;
	start_wait_timer(l, cfg->buffer_timeout_ns);
}

void listener_stop(struct listener *l, void (*drained)(void *arg), void *arg)
{
	unsigned i;

	assert(!listener_is_stopping(l));
	l->drained = drained;
	l->drained_arg = arg;
	l->drain_left = l->ours ? UINT64_MAX : DRAIN_MOST;
	uv_timer_stop(&l->wait_timer);
	for (i = 0; l->ours && i < l->receiver.sockets; i++)
		receiver_shut(&l->receiver, i);
	if (l->state != LISTENER_WAITING)
		l->state = LISTENER_DRAINING;
	else if (l->ours)
		l->state = LISTENER_DRAIN_WAITING;
	else
		end_drain(l);
	/* Nobody adds to the queue of our own. */
	while (l->ours && l->state == LISTENER_DRAINING)
		listener_read(l, MSG_DONTWAIT);
	listener_drain(l);
}

void listener_drain(struct listener *l)
{
	if (l->ours || l->state != LISTENER_DRAINING)
		return;
	listener_read(l, MSG_DONTWAIT);
	if (l->state == LISTENER_DRAINING)
		workers_notify(l->feed.workers);
}

void listener_abandon(struct listener *l)
{
	unsigned i;

	if (l->state != LISTENER_DRAINING && l->state != LISTENER_DRAIN_WAITING)
		return;
	for (i = 0; l->ours && i < l->receiver.sockets; i++)
		receiver_drop_queue(&l->receiver, i);
	end_drain(l);
}

const char *listener_state_word(enum listener_state state)
{
	static const char *const words[] = {
		[LISTENER_READING] = "reading",
		[LISTENER_WAITING] = "waiting",
		[LISTENER_RESUMING] = "reading",
		[LISTENER_DROPPING] = "dropping",
		[LISTENER_DRAINING] = "reading",
		[LISTENER_DRAIN_WAITING] = "waiting",
		[LISTENER_STOPPED] = "stopped",
	};

	return words[state];
}
