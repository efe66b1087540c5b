/* SPDX-License-Identifier: MIT */
/*
 * A thread of its own that looks up the processes of nameless senders, because
 * the loop thread must not touch files.  The loop thread asks for a few at a
 * time, and not before the last ones are answered: so a storm of processes
 * costs at most SENDER_NAMES_BATCH look-ups in SENDER_NAMES_MS, and nothing at
 * all when all senders are known.
 *
 * Handshake: questions and answers are the loop thread's while `asked` is
 * false, else the thread's.
 */
#ifndef BUFWRITER_SENDER_NAMES_H
#define BUFWRITER_SENDER_NAMES_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "daemon/intake/senders.h"

#define SENDER_NAMES_BATCH 16
#define SENDER_NAMES_MS 32

struct sender_names {
	/* constant after start */
	bool open;
	pthread_t thread;
	struct senders *senders;
	/* loop thread */
	uv_timer_t timer;
	bool waits; /* for the answers to what it asked */
	/* loop thread while not asked, else the thread that looks up */
	struct sender_answer answer[SENDER_NAMES_BATCH];
	unsigned answers;
	/* shared */
	sem_t wake;
	_Atomic bool asked; /* the loop thread sets it, the thread clears it */
	_Atomic bool stop;  /* the loop thread sets it */
};

/* Starts the thread.  0 or -errno. */
int sender_names_open(struct sender_names *n, uv_loop_t *uv,
		      struct senders *senders);
/* Loop thread, after datagrams came: looks the nameless ones up, soon. */
void sender_names_note(struct sender_names *n);
/* Ends the thread and the timer; the loop must run once more. */
void sender_names_close(struct sender_names *n);

#endif
