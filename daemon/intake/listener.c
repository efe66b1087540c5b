/* SPDX-License-Identifier: MIT */
/*
 * See listener.h.
 *
 * Messages go into an arena at once, workers_take().  For what is left
 * in the ring workers are not woken for each batch: that would cost two
 * context switches for a few messages.  They are woken when the ring is a
 * quarter full, or a millisecond after the first message that nobody took; a
 * message is as safe in the ring as in an arena, and its age counts from its
 * receipt.
 *
 * While datagrams come fast, the socket is left alone for a moment when it was
 * read empty.  What comes meanwhile is taken in full batches, no sender has to
 * wake this thread, and one on the same processor gets on: what it sends is in
 * the cache afterwards.  See rest().
 *
 * While they come steadily but not fast, this thread sleeps in recvmmsg(2): its
 * entry in the socket's list of sleepers is gone with the first datagram.
 * That of poll(2) stays until the thread runs, so that each send up to then
 * wakes it again; and it takes one call more to sleep and one to read.  See
 * sleeps_in_socket().
 */
#include "daemon/intake/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/base/clock.h"
#include "daemon/base/failpoint.h"

/* Batches taken before other handles of the loop get their turn. */
#define TURN 16
/* Datagrams a stopping daemon still takes from a socket that stays open. */
#define DRAIN_MOST 65536
#define WAKE_MS 1
/*
 * How long the socket is left alone, if the loop has nothing to do.  It becomes
 * 0.15 ms, since the kernel has a slack of 50 us.  A sender of 200 bytes sends
 * some 80 datagrams meanwhile; its send buffer has room for 277, or for 90 of
 * 1000 bytes.
 */
#define REST_NS 100000
/*
 * It rests after REST_AFTER datagrams or more, if their average is REST_BYTES
 * or less, and if one came each REST_EVERY_NS or faster.
 */
#define REST_AFTER 128
#define REST_BYTES 1024
#define REST_EVERY_NS 5000
/*
 * Fewer than REST_LEAST in a rest are a queue that is shorter than it was
 * thought to be: a socket can be older than the sysctl.  In the end it is tried
 * only after REST_RARELY datagrams.
 */
#define REST_LEAST 32
#define REST_RARELY 65536

/*
 * After STEADY turns a millisecond or more, and as many datagrams, the thread
 * sleeps in recvmmsg(2) and not in poll(2), but for a look at the other handles
 * each LOOK_MS.  If one of them has something, or if nothing comes for
 * SLEEP_MS, rounded up to the kernel's tick, it is poll(2) until the next look;
 * also with a timer of the loop due in TIMER_MS.  A signal ends the sleep; one
 * that comes just before it waits.
 */
#define STEADY 2
#define LOOK_MS 10
#define SLEEP_MS 4
#define TIMER_MS 50

static void on_wake(uv_timer_t *timer)
{
	struct listener *l = timer->data;

	workers_wake(l->workers);
	if (ring_waiting(l->ring))
		uv_timer_start(timer, on_wake, WAKE_MS, 0);
}

static void on_due(uv_timer_t *timer)
{
	struct listener *l = timer->data;
	uint64_t next = workers_due(l->workers), now = clock_now();

	/* Rounded down: better early, see WORKERS_EARLY. */
	if (next)
		uv_timer_start(timer, on_due,
			       next > now ? (next - now) / 1000000 : 0, 0);
}

static void take_over(struct listener *l)
{
	uint64_t waiting = ring_waiting(l->ring);

	if (waiting > l->ring_high)
		l->ring_high = waiting;
	/* One that is active fires earlier. */
	if (workers_take(l->workers) && !uv_is_active((uv_handle_t *)&l->due))
		on_due(&l->due);
}

static void hand_over(struct listener *l)
{
	if (!ring_waiting(l->ring))
		return;
	if (ring_is_low(l->ring))
		workers_wake(l->workers);
	if (!uv_is_active((uv_handle_t *)&l->kick))
		uv_timer_start(&l->kick, on_wake, WAKE_MS, 0);
}

static bool is_reading(const struct listener *l)
{
	/* Not while it waits: a full queue would call us all the time. */
	return l->state == LISTENER_READING || l->state == LISTENER_DROPPING;
}

static void report_large(struct listener *l, uint64_t len)
{
	uint64_t missed;

	if (!log_limit(&l->limit_large, clock_now(), &missed))
		return;
	log_warning("a datagram of %llu bytes is larger than "
		    "socket.max_message (%llu) and was dropped; raise it, or "
		    "send smaller ones (%llu more since the last report)",
		    (unsigned long long)len,
		    (unsigned long long)l->cfg->socket_max_message_bytes,
		    (unsigned long long)missed);
}

static void report_error(struct listener *l, int err)
{
	uint64_t missed;

	if (log_limit(&l->limit_error, clock_now(), &missed))
		log_error("recvmmsg on the socket: %s (%llu more since the "
			  "last report)",
			  strerror(err), (unsigned long long)missed);
}

static void drain_ends(struct listener *l)
{
	l->draining = false;
	l->state = LISTENER_STOPPED;
	uv_timer_stop(&l->patience);
	/* `kick` goes on: the workers still have to see what is there. */
	l->drained(l->drained_arg);
}

/*
 * One system call; `flags`: MSG_DONTWAIT, or MSG_WAITFORONE to sleep until a
 * datagram comes.  Returns the datagrams taken; 0: none is there now, or none
 * came in the time to sleep.
 */
static unsigned receive(struct listener *l, struct mmsghdr *msgs, unsigned n,
			int flags)
{
	int got;

	(void)FAILPOINT("recv.before");
	/*
	 * MSG_TRUNC: msg_len is the datagram's own length, so that a too
	 * large one is recognised (recv(2)).
	 */
	got = recvmmsg(l->fd, msgs, n, flags | MSG_TRUNC, NULL);
	(void)FAILPOINT("recv.after");
	if (flags == MSG_WAITFORONE && got <= 0)
		l->steady = false;
	if (got > 0) {
		stats_add(&l->stats.batches, 1);
		stats_add(&l->stats.received, got);
		return got;
	}
	if (got < 0 && errno != EAGAIN && errno != EINTR)
		report_error(l, errno);
	return 0;
}

static unsigned take_batch(struct listener *l, struct mmsghdr *msgs, unsigned n,
			   int flags)
{
	struct ring_batch batch = { 0 };
	unsigned got = receive(l, msgs, n, flags);

	if (!got)
		return 0;
	ring_publish(l->ring, got, clock_now(), &batch);
	stats_add(&l->stats.received_bytes, batch.bytes);
	if (batch.too_large) {
		stats_add(&l->stats.too_large, batch.too_large);
		report_large(l, batch.largest);
	}
	take_over(l);
	return got;
}

static void report_dropping(struct listener *l)
{
	uint64_t missed;

	if (log_limit(&l->limit_drop, clock_now(), &missed))
		log_warning("the ring is full for longer than buffer.timeout: "
			    "datagrams are dropped until a worker gets on; "
			    "see the messages before this one, or raise "
			    "buffer.queue_size");
}

static unsigned drop_batch(struct listener *l)
{
	struct mmsghdr msgs[RING_BATCH];
	unsigned got, i;

	memset(msgs, 0, sizeof(msgs));
	got = receive(l, msgs, RING_BATCH, MSG_DONTWAIT);
	for (i = 0; i < got; i++)
		stats_add(&l->stats.received_bytes, msgs[i].msg_len);
	stats_add(&l->stats.ring_full, got);
	if (got && !l->draining)
		report_dropping(l);
	return got;
}

/* Drops that are not in the log yet. */
static uint64_t untold(const struct listener *l)
{
	return stats_get(&l->stats.ring_full) - l->told;
}

static void on_tell(uv_timer_t *timer);

/*
 * Each slot that gets free can end the dropping for a moment, so this is
 * said now and then, of all that was dropped since.
 */
static void tell_dropped(struct listener *l)
{
	uint64_t dropped = untold(l), now = clock_now(), missed;

	if (!dropped)
		return;
	if (!log_limit(&l->limit_again, now, &missed)) {
		if (!uv_is_active((uv_handle_t *)&l->tell))
			uv_timer_start(&l->tell, on_tell,
				       1 + (l->limit_again.next_ns - now) /
						       1000000,
				       0);
		return;
	}
	log_warning("reading again after %.1f s; %llu datagrams were dropped",
		    (l->read_since - l->full_since) / 1e9,
		    (unsigned long long)dropped);
	l->told += dropped;
}

static void on_tell(uv_timer_t *timer)
{
	struct listener *l = timer->data;

	/* else the end of it tells */
	if (l->state == LISTENER_READING)
		tell_dropped(l);
}

static void on_patience(uv_timer_t *timer)
{
	struct listener *l = timer->data;

	l->state = LISTENER_DROPPING;
}

static void arm_patience(struct listener *l)
{
	uint64_t ms, timeout = l->cfg->buffer_timeout_ns;

	uv_timer_stop(&l->patience);
	/*
	 * While draining no sender comes; those that wait already are let go
	 * by the end of it, and stop_timeout is the bound.
	 */
	if (timeout == CONFIG_NEVER || l->draining)
		return;
	ms = (timeout + 999999) / 1000000;
	uv_update_time(l->patience.loop);
	uv_timer_start(&l->patience, on_patience, ms, 0);
}

static void begin_waiting(struct listener *l)
{
	stats_add(&l->stats.waits, 1);
	workers_wake(l->workers);
	if (l->draining && !l->ours) {
		/* The queue outlives this process: leave the rest there. */
		drain_ends(l);
		return;
	}
	if (!untold(l))
		l->full_since = clock_now();
	if (!l->cfg->buffer_timeout_ns && !l->draining) {
		l->state = LISTENER_DROPPING;
		return;
	}
	l->state = LISTENER_WAITING;
	arm_patience(l);
}

static void end_waiting(struct listener *l)
{
	uv_timer_stop(&l->patience);
	l->state = LISTENER_READING;
	l->read_since = clock_now();
	tell_dropped(l);
}

/* Slots for a batch; 0: the ring is full and this was dealt with. */
static unsigned get_slots(struct listener *l, struct mmsghdr **msgs)
{
	unsigned n;

	do {
		n = ring_arm(l->ring, RING_BATCH, msgs);
	} while (!n && !ring_wait_for_slot(l->ring));
	if (n && l->state != LISTENER_READING)
		end_waiting(l);
	if (!n && l->state == LISTENER_READING)
		begin_waiting(l);
	return n;
}

static void judge_rest(struct listener *l, uint64_t came)
{
	l->rested = false;
	if (came < REST_LEAST && l->rest_after < REST_RARELY)
		l->rest_after *= 2;
	else if (came >= REST_LEAST && l->rest_after > REST_AFTER)
		l->rest_after /= 2;
}

/* The queue was read empty.  Is it to be left alone for REST_NS? */
static bool rest(struct listener *l)
{
	uint64_t came = stats_get(&l->stats.received) - l->base_received;
	uint64_t bytes = stats_get(&l->stats.received_bytes) - l->base_bytes;
	uint64_t now;

	if (l->rested)
		judge_rest(l, came);
	if (!l->may_rest || came < l->rest_after)
		return false;
	now = clock_now();
	l->resting = bytes <= came * REST_BYTES &&
		     now - l->base_time <= came * REST_EVERY_NS;
	l->base_received += came;
	l->base_bytes += bytes;
	l->base_time = now;
	return l->resting;
}

/* `flags` as for receive(), and for the first one only. */
static void read_socket(struct listener *l, int flags)
{
	struct mmsghdr *msgs;
	unsigned turn, n, got, taken = 0;

	for (turn = 0; turn < TURN && l->state != LISTENER_STOPPED; turn++) {
		n = get_slots(l, &msgs);
		if (n)
			got = take_batch(l, msgs, n, flags);
		else if (l->state == LISTENER_DROPPING)
			got = drop_batch(l);
		else
			break;
		taken += got;
		flags = MSG_DONTWAIT;
		if (l->draining) {
			if (!got || got >= l->drain_left) {
				drain_ends(l);
				break;
			}
			l->drain_left -= got;
		} else if (got < (n ? n : RING_BATCH)) {
			l->emptied++;
			/*
			 * While there was something, there may be more.  A
			 * sleep in recvmmsg(2) finds it without another call.
			 */
			if (rest(l) || !got || l->steady)
				break;
		}
	}
	if (taken)
		hand_over(l);
}

/* Whether it is time for the loop; `timeout` in ms, -1: none. */
static bool wait_for(struct listener *l, struct pollfd *fds, int timeout)
{
	struct timespec span = { .tv_nsec = timeout ? REST_NS : 0 };
	int n;

	if (!l->resting)
		return poll(fds, 2, timeout) <= 0;
	l->resting = false;
	n = ppoll(&fds[1], 1, &span, NULL);
	/* One that was cut short says nothing. */
	l->rested = !n && timeout;
	fds[0].revents = is_reading(l) ? POLLIN : 0;
	return n < 0;
}

/* The loop's other handles are looked at; the sleeps until the next look? */
static void look(struct listener *l, uint64_t passed)
{
	uint64_t came = stats_get(&l->stats.received) - l->look_received;

	l->steady = l->may_sleep && l->turns >= passed * STEADY &&
		    came >= passed * STEADY &&
		    came * REST_EVERY_NS < passed * 1000000;
	l->looked += passed;
	l->look_received += came;
	l->turns = 0;
}

/* The next sleep, in recvmmsg(2)?  `timeout` as for wait_for(). */
static bool sleeps_in_socket(struct listener *l, int timeout)
{
	uint64_t passed = uv_now(l->loop) - l->looked;

	if (l->resting || l->state != LISTENER_READING || l->draining)
		return false;
	l->turns++;
	if (passed >= LOOK_MS) {
		look(l, passed);
		return false;
	}
	return l->steady && (timeout < 0 || timeout >= TIMER_MS);
}

void listener_turn(struct listener *l)
{
	struct pollfd fds[] = {
		{ .fd = is_reading(l) ? l->fd : -1, .events = POLLIN },
		{ .fd = uv_backend_fd(l->loop), .events = POLLIN },
	};
	int timeout;
	bool due;

	uv_update_time(l->loop);
	timeout = uv_backend_timeout(l->loop);
	if (sleeps_in_socket(l, timeout)) {
		read_socket(l, MSG_WAITFORONE);
		return;
	}
	due = wait_for(l, fds, timeout);
	if (fds[0].revents)
		read_socket(l, MSG_DONTWAIT);
	/* What has something now may soon have more. */
	if (fds[1].revents)
		l->steady = false;
	/* else nothing but datagrams */
	if (due || fds[1].revents || !timeout)
		uv_run(l->loop, UV_RUN_NOWAIT);
}

/*
 * It was non-blocking, as all sockets here; now the calls that are not to wait
 * have MSG_DONTWAIT.  Flag and timeout are the socket's and stay with one of
 * systemd's: fcntl(2), socket(7).
 */
static bool make_blocking(int fd)
{
	struct timeval most = { .tv_usec = SLEEP_MS * 1000 };
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) &&
	       !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
}

void listener_start(struct listener *l, uv_loop_t *loop, int fd, bool ours,
		    struct ring *ring, struct workers *workers,
		    const struct config *cfg)
{
	memset(l, 0, sizeof(*l));
	l->loop = loop;
	l->fd = fd;
	l->ours = ours;
	l->ring = ring;
	l->workers = workers;
	l->cfg = cfg;
	l->may_sleep = make_blocking(fd);
	l->rest_after = REST_AFTER;
	l->limit_large.every_ns = 10 * CLOCK_SECOND;
	l->limit_drop.every_ns = 10 * CLOCK_SECOND;
	l->limit_again.every_ns = 10 * CLOCK_SECOND;
	l->limit_error.every_ns = 10 * CLOCK_SECOND;
	uv_timer_init(loop, &l->kick);
	uv_timer_init(loop, &l->due);
	uv_timer_init(loop, &l->patience);
	uv_timer_init(loop, &l->tell);
	l->kick.data = l->due.data = l->patience.data = l->tell.data = l;
}

void listener_may_rest(struct listener *l)
{
	l->may_rest = true;
}

bool listener_read(struct listener *l)
{
	if (l->draining || !is_reading(l))
		return false;
	read_socket(l, MSG_DONTWAIT);
	return true;
}

void listener_resume(struct listener *l)
{
	if (l->state != LISTENER_WAITING && l->state != LISTENER_DROPPING)
		return;
	read_socket(l, MSG_DONTWAIT);
}

void listener_configure(struct listener *l, const struct config *cfg)
{
	bool changed = l->cfg->buffer_timeout_ns != cfg->buffer_timeout_ns;

	l->cfg = cfg;
	/* Each worker is woken for the settings, and then watches the time. */
	uv_timer_stop(&l->due);
	if (changed &&
	    (l->state == LISTENER_WAITING || l->state == LISTENER_DROPPING)) {
		l->state = LISTENER_WAITING;
		arm_patience(l);
	}
}

/* From here on nobody waits for room but what is in the queue. */
static void stop_dropping(struct listener *l)
{
	uv_timer_stop(&l->patience);
	if (l->state != LISTENER_DROPPING)
		return;
	l->state = LISTENER_WAITING;
}

void listener_stop(struct listener *l, void (*drained)(void *arg), void *arg)
{
	l->drained = drained;
	l->drained_arg = arg;
	l->draining = true;
	l->drain_left = DRAIN_MOST;
	if (l->ours) {
		/* Senders get EPIPE from here on, the queue can still be
		 * read: af_unix.c, unix_dgram_sendmsg(). */
		shutdown(l->fd, SHUT_RD);
		l->drain_left = UINT64_MAX;
		stop_dropping(l);
	} else if (l->state != LISTENER_READING) {
		/* As in begin_waiting(). */
		drain_ends(l);
	}
	while (l->draining && l->state == LISTENER_READING)
		read_socket(l, MSG_DONTWAIT);
}

void listener_abandon(struct listener *l)
{
	if (!l->draining)
		return;
	if (l->ours)
		while (drop_batch(l))
			;
	drain_ends(l);
}

void listener_close(struct listener *l)
{
	uv_close((uv_handle_t *)&l->kick, NULL);
	uv_close((uv_handle_t *)&l->due, NULL);
	uv_close((uv_handle_t *)&l->patience, NULL);
	uv_close((uv_handle_t *)&l->tell, NULL);
}

const char *listener_state_word(enum listener_state state)
{
	static const char *const words[] = { "reading", "waiting", "dropping",
					     "stopped" };

	return words[state];
}
