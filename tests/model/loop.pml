/* SPDX-License-Identifier: MIT */
/*
 * The loop thread: daemon/intake/listener.c listener_read(), which calls ring_arm(),
 * recvmmsg(2) and ring_publish().
 */

#ifdef OVERFLOW
#define HAS_BUFFER (spares || returned)
#else
#define HAS_BUFFER true
#endif

/* The ticket of a lap before is released: the slot can have the next one. */
#if defined(ARMED_UNRELEASED)
#define CAN_ARM(t) ((t) < claimed + SLOTS)
#else
#define CAN_ARM(t) (IS_UNRELEASED(t) && HAS_BUFFER)
#endif

/* The order of the steps of ring_publish(). */
#if defined(HEAD_BEFORE_METAS)
#define AFTER_RECEIVE L_HEAD
#define AFTER_HEAD L_METAS
#define AFTER_METAS L_PUBLISHED
#define AFTER_PUBLISHED L_TOP
#elif defined(PUBLISHED_BEFORE_HEAD)
#define AFTER_RECEIVE L_METAS
#define AFTER_METAS L_PUBLISHED
#define AFTER_PUBLISHED L_HEAD
#define AFTER_HEAD L_TOP
#else
#ifdef REFUSE
#define AFTER_RECEIVE L_REFUSE
#else
#define AFTER_RECEIVE L_METAS
#endif
#define AFTER_METAS L_HEAD
#define AFTER_HEAD L_PUBLISHED
#define AFTER_PUBLISHED L_TOP
#endif

#ifdef REFUSED_IN_META_ONLY
#define META_LENGTH(slot) (bytes[slot] == 2 -> LEN_TOO_LARGE : msg_len[slot])
#else
#define META_LENGTH(slot) msg_len[slot]
#endif

inline go_loop(step)
{
	loop_at = step;
	if
	:: step == L_TOP -> ready = 0; want = 0; got = 0
	:: else
	fi
}

/* daemon/region/ring.c collect_spares(): the whole list, in one exchange */
inline collect_spares()
{
	j = returned;
	returned = 0;
	do
	:: j ->
		assert(!(spares & BIT(j - 1)) || mixed);
		spares = spares | BIT(j - 1);
		after = link[j - 1];
		link[j - 1] = 0;
		j = after
	:: else -> break
	od;
	after = 0
}

/* The lowest free buffer; which one it is makes no difference. */
inline take_spare(slot)
{
#ifdef OVERFLOW
	if
	:: spares == 0 -> collect_spares()
	:: else
	fi;
	overflow_of[slot] = (spares & 1 -> 0 : 1);
	spares = spares & (spares - 1)
#else
	skip
#endif
}

/* The kernel copies a datagram and then writes msg_len, in a system call
 * that no signal ends: the whole is one step, and all of it happens. */
inline receive_into(slot)
{
	bytes[slot] = next;
	msg_len[slot] = LENGTH(next);
#ifdef OVERFLOW
	if
	:: msg_len[slot] >= LEN_LARGE ->
		for (j : 0 .. SLOTS - 1) {
			assert(!(j != slot && meta_len[j] == LEN_LARGE &&
				 released[j] == meta[j] + 1 - SLOTS &&
				 overflow_of[j] == overflow_of[slot]) ||
			       mixed)
		}
		j = 0;
		overflow[overflow_of[slot]] = next
	:: else
	fi;
#endif
	next++
}

active proctype loop_thread()
{
#ifdef OVERFLOW
	byte after; /* in collect_spares() */
#endif

	do
	/* daemon/region/ring.c ring_arm(): its beginning */
	:: d_step { loop_at == L_TOP ->
		want = (SLOTS - SLOT(published) < BATCH ->
			SLOTS - SLOT(published) : BATCH);
		ready = armed - published;
		if
		:: ready >= want -> ready = 0; loop_at = L_RECEIVE
		:: else -> loop_at = L_ARM
		fi
	   }

	/* daemon/region/ring.c arm_slot() */
	:: d_step { loop_at == L_ARM && ready < want &&
		    CAN_ARM(published + ready) ->
		take_spare(SLOT(published + ready));
#if defined(ARMED_BEFORE_NOTHING)
		armed = published + ready + 1;
		loop_at = L_NOTHING
	   }
	:: d_step { loop_at == L_NOTHING ->
		loop_at = L_ARM;
#endif
#ifndef NEVER_NOTHING
		msg_len[SLOT(published + ready)] = NOTHING;
#endif
		ready++
	   }

	/* daemon/region/ring.c set_armed() */
	:: d_step { loop_at == L_ARM && !(ready < want &&
					  CAN_ARM(published + ready)) ->
		armed = published + ready;
		want = ready;
		loop_at = (ready -> L_RECEIVE : L_WANT);
		ready = 0
	   }

	/* daemon/region/ring.c ring_wait_for_slot(): the wish, then a fence */
	:: d_step { loop_at == L_WANT ->
		wanted = 1;
		loop_at = L_AGAIN
	   }
	/* daemon/region/ring.c ring_wait_for_slot(): the second look */
	:: d_step { loop_at == L_AGAIN ->
#if defined(NO_SECOND_LOOK)
		loop_at = L_WAIT
#elif defined(BUSY_WAIT)
		wanted = 0;
		go_loop(L_TOP)
#else
		if
		:: CAN_ARM(published) -> wanted = 0; go_loop(L_TOP)
		:: else -> loop_at = L_WAIT
		fi
#endif
	   }
	/* daemon/intake/listener.c listener_resume() */
	:: d_step { loop_at == L_WAIT && notified ->
		notified = 0;
		go_loop(L_TOP)
	   }

	/* daemon/intake/receiver.c receiver_take(): recvmmsg, one datagram */
	:: d_step { loop_at == L_RECEIVE && got < want && next <= DATAGRAMS ->
		receive_into(SLOT(published + got));
		got++
	   }
	/* daemon/intake/listener.c take_batch(): recvmmsg returned some or all */
	:: d_step { loop_at == L_RECEIVE && got ->
		want = 0;
		loop_at = AFTER_RECEIVE
	   }

#ifdef REFUSE
	/* daemon/region/ring.c ring_refuse() */
	:: d_step { loop_at == L_REFUSE ->
#ifndef REFUSED_IN_META_ONLY
		if
		:: bytes[SLOT(published + ready)] == 2 ->
			msg_len[SLOT(published + ready)] = LEN_TOO_LARGE
		:: else
		fi;
#endif
		ready++;
		if
		:: ready == got -> ready = 0; loop_at = L_METAS
		:: else
		fi
	   }
#endif

	/* daemon/region/ring.c ring_publish(): the metas */
	:: d_step { loop_at == L_METAS ->
		meta[SLOT(published + ready)] = published + ready;
		meta_len[SLOT(published + ready)] =
			META_LENGTH(SLOT(published + ready));
#ifdef OVERFLOW
		if
		:: msg_len[SLOT(published + ready)] != LEN_LARGE ->
			spares = spares |
				 BIT(overflow_of[SLOT(published + ready)])
		:: else
		fi;
#endif
		ready++;
		if
		:: ready == got -> ready = 0; loop_at = AFTER_METAS
		:: else
		fi
	   }
	/* daemon/region/ring_layout.h ring_set_head() */
	:: d_step { loop_at == L_HEAD ->
#ifdef PUBLISHED_BEFORE_HEAD
		head = published;
#else
		head = published + got;
#endif
		go_loop(AFTER_HEAD)
	   }
	/* daemon/region/ring.c ring_publish(): for the workers */
	:: d_step { loop_at == L_PUBLISHED ->
		published = published + got;
		go_loop(AFTER_PUBLISHED)
	   }

	:: over -> break
	od
}
