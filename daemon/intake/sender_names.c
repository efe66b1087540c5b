/* SPDX-License-Identifier: MIT */
/* See sender_names.h. */
#include "daemon/intake/sender_names.h"

#include <assert.h>
#include <string.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"
#include "daemon/base/failpoint.h"
#include "daemon/base/thread.h"
#include "daemon/intake/sender_proc.h"

/* How long a stop waits for the last look-ups. */
#define CLOSE_WAIT_MS 1000

/* -- the thread ----------------------------------------------------------- */

static void *look_up(void *arg)
{
	struct sender_names *n = arg;
	unsigned i;

	pthread_setname_np(pthread_self(), "sender names");
	for (;;) {
		while (sem_wait(&n->wake))
			;
		/* pairs with the release in sender_names_close() */
		if (load_acquire(&n->stop))
			return NULL;
		(void)FAILPOINT("senders.look");
		for (i = 0; i < n->answers; i++)
			sender_proc_read(&n->answer[i]);
		/* pairs with the acquire in on_timer() */
		store_release(&n->asked, false);
	}
}

/* -- the loop thread ------------------------------------------------------ */

static void on_timer(uv_timer_t *timer);

static void ask(struct sender_names *n)
{
	struct sender_id id[SENDER_NAMES_BATCH];
	unsigned i;

	/* relaxed: this thread has seen the answers */
	assert(!n->waits && !load_relaxed(&n->asked));
	n->answers = senders_nameless(n->senders, id, SENDER_NAMES_BATCH);
	if (!n->answers)
		return;
	for (i = 0; i < n->answers; i++)
		n->answer[i].id = id[i];
	n->waits = true;
	/* relaxed: the semaphore makes it visible, and the questions */
	store_relaxed(&n->asked, true);
	sem_post(&n->wake);
	uv_timer_start(&n->timer, on_timer, SENDER_NAMES_MS, 0);
}

static void take_answers(struct sender_names *n)
{
	uint64_t now = clock_now();
	unsigned i;

	n->waits = false;
	for (i = 0; i < n->answers; i++)
		senders_name(n->senders, &n->answer[i], now);
}

static void on_timer(uv_timer_t *timer)
{
	struct sender_names *n = timer->data;

	/* pairs with the release in look_up() */
	if (n->waits && load_acquire(&n->asked)) {
		uv_timer_start(timer, on_timer, SENDER_NAMES_MS, 0);
		return;
	}
	if (n->waits)
		take_answers(n);
	ask(n);
}

void sender_names_note(struct sender_names *n)
{
	/* While the timer runs, they are asked for when it ends. */
	if (n->senders->nameless && !uv_is_active((uv_handle_t *)&n->timer))
		ask(n);
}

int sender_names_open(struct sender_names *n, uv_loop_t *uv,
		      struct senders *senders)
{
	int err;

	memset(n, 0, sizeof(*n));
	n->senders = senders;
	sem_init(&n->wake, 0, 0);
	err = thread_start(&n->thread, look_up, n);
	if (err)
		return err;
	uv_timer_init(uv, &n->timer);
	n->timer.data = n;
	n->open = true;
	return 0;
}

void sender_names_close(struct sender_names *n)
{
	if (!n->open)
		return;
	n->open = false;
	uv_close((uv_handle_t *)&n->timer, NULL);
	/* pairs with the acquire in look_up() */
	store_release(&n->stop, true);
	sem_post(&n->wake);
	/* One that does not end still uses this memory, which is static. */
	if (thread_join_within(n->thread, CLOSE_WAIT_MS))
		sem_destroy(&n->wake);
}
