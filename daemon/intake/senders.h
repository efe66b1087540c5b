/* SPDX-License-Identifier: MIT */
/*
 * Who sends datagrams: a row for each process, with what came from it, in a
 * table of a fixed size that is reserved at the start.
 *
 * The kernel says of each datagram which process and which user sent it
 * (SCM_CREDENTIALS, unix(7)).  Process 0 is one that the daemon's process
 * namespace does not have, or a datagram that was sent before the socket asked
 * for credentials.
 *
 * A search looks at WAYS rows, however many processes come and go.  A new one
 * takes the place of the row that sent longest ago.
 *
 * A row is *nameless* until a thread has looked up the command and the unit of
 * its process (sender_names.h), and again when it sends after a pause of
 * SENDERS_IDLE_NS: the number may be another process's by then.  What a row has
 * sent is *credited* to its unit when it has a name, or when it gives way.  So
 *
 *	total = the sums of all units + what is not credited of all rows
 *
 * and what a unit has never becomes less.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_SENDERS_H
#define BUFWRITER_SENDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/config.h"
#include "daemon/intake/sender_rate.h"
#include "daemon/intake/sender_units.h"

#define SENDERS_SETS 128
#define SENDERS_WAYS 8
#define SENDERS_MOST (SENDERS_SETS * SENDERS_WAYS)

/* Room for a command's name with its NUL, see proc(5). */
#define SENDER_COMMAND 16

/* After such a pause a sender is looked up again. */
#define SENDERS_IDLE_NS UINT64_C(10000000000)

/* After such a pause its speed is 0. */
#define SENDER_SILENT_NS UINT64_C(2000000000)

struct sender_id {
	uint32_t pid, uid;
};

/* Messages and bytes a second, over the last one or two seconds. */
struct sender_speed {
	double messages, bytes;
};

struct sender {
	struct sender_id id;
	bool used;
	bool nameless;	  /* its process is to be looked up */
	bool has_unit;	  /* it is one of the senders of `unit` */
	unsigned unit;	  /* of sender_units.h */
	uint64_t started; /* of the process, in its clock ticks; 0: unknown */
	char command[SENDER_COMMAND]; /* any bytes; empty: unknown */
	struct sender_sums sums;
	struct sender_sums credited; /* of these */
	uint64_t limited;	     /* over the limit, not in the log yet */
	uint64_t last_ns;	     /* of its last datagram */
	/* for the speed */
	uint64_t mark_ns;
	struct sender_sums mark; /* the sums at mark_ns */
	struct sender_speed speed;
};

struct senders {
	struct sender *at; /* SENDERS_MOST of them */
	struct sender *last;
	unsigned rows; /* that are used */
	unsigned nameless;
	uint64_t evicted; /* rows that gave way */
	struct sender_sums total;
	struct sender_units units;
	/* limit */
	struct sender_limit limit;
	bool by_unit;
	struct sender_users users;
	/* constant after start: /proc shows the daemon's own processes only */
	bool hidden;
};

/* 0 or -ENOMEM. */
int senders_open(struct senders *s, const struct config *cfg, uint64_t now_ns);
void senders_close(struct senders *s);
/* New settings: rate, burst and by count here. */
void senders_configure(struct senders *s, const struct config *cfg,
		       uint64_t now_ns);

/*
 * A datagram of `bytes` was received.  True: it may pass.  False: its sender is
 * over the limit, and it counts as dropped here.  `dropped`: it is dropped for
 * another reason, and takes nothing from the limit.
 */
bool senders_count(struct senders *s, const struct sender_id *id,
		   uint64_t bytes, bool dropped, uint64_t now_ns);

/* -- names ---------------------------------------------------------------- */

/* What was found out about a process. */
struct sender_answer {
	struct sender_id id;
	bool found;	  /* it runs, and it is this user's */
	uint64_t started; /* see struct sender */
	char command[SENDER_COMMAND];
	char unit[SENDER_UNIT_NAME]; /* empty: none */
};

/* Nameless senders, `most` of them; returns how many. */
unsigned senders_nameless(const struct senders *s, struct sender_id *id,
			  unsigned most);
/* Names a sender.  Does nothing if that is not there any more. */
void senders_name(struct senders *s, const struct sender_answer *answer,
		  uint64_t now_ns);

/* -- for others ----------------------------------------------------------- */

/* Credits the units with what all their senders have sent by now. */
void senders_credit(struct senders *s);
/* What is in no unit's sums after that: of senders that have no name yet. */
struct sender_sums senders_pending(const struct senders *s);
/* How fast it sends. */
struct sender_speed sender_speed(const struct sender *sender, uint64_t now_ns);
/*
 * The fastest senders, the fastest first; those with the same speed by the
 * messages that they have sent.  Returns how many, at most `most`.
 */
unsigned senders_busiest(const struct senders *s, const struct sender **row,
			 unsigned most, uint64_t now_ns);
/*
 * The sender with most messages over the limit since the last call, and their
 * number; NULL: it gave way.  Counts anew from here.
 */
const struct sender *senders_worst(struct senders *s, uint64_t *limited);
/* The name of its unit; NULL: not known yet. */
static inline const char *senders_unit(const struct senders *s,
				       const struct sender *sender)
{
	return sender->has_unit ? s->units.at[sender->unit].name : NULL;
}

#endif
