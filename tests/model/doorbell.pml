/* SPDX-License-Identifier: MIT */
/*
 * A model of who wakes whom around a lane: the doorbell of a client whose lane
 * is asleep, the attendant among the workers, and the futex on which a client
 * waits for room.  Checked by run.sh, for all orders: whatever was written is
 * taken, and a client that waits for room gets it, also if nothing more is
 * written, no clock moves and no other event comes.
 *
 * Memory is that of x86: a store may wait in the buffer of its thread while
 * the thread goes on, and only a fence, or an exchange, makes the thread wait.
 * A fence that is missing is therefore found here.  One store at a time waits;
 * between two fences no thread here has more that matter.
 *
 * What happens to the messages is in lane.pml; here they are only counted.
 * Steps, comments and broken daemons are as there.
 */
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef SIZE
#define SIZE MESSAGES /* records that the lane holds */
#endif

/* Threads, for their store buffers. */
#define WRITER WORKERS
#define THREADS (WORKERS + 1)
#define NEVER 255

mtype = { NOTHING, WRITTEN, WAITERS, ATTENDED, READ, PARKED };

/* the lane's head */
byte written;
byte read_to;
bit asleep = 1; /* `attended`: LANE_ASLEEP, or a lease */
byte room_wake;
bit waiters;
bit in_futex; /* the client sleeps in futex(2) */
/* the region */
byte position;
/* struct lanes, struct lanes_slot */
bit claimed;
bit lease; /* the lease that was stored last is one */
bit awake;
bit rung;
byte attendant; /* 1 + the worker */
/* struct worker */
bit parked[WORKERS];
bit signal[WORKERS];
/* the connection */
bit bell;

mtype waits[THREADS] = NOTHING; /* the store that is in the buffer */
byte value[THREADS];
bit over;

inline arrive(t)
{
	if
	:: waits[t] == WRITTEN -> written = value[t]
	:: waits[t] == WAITERS -> waiters = value[t]
	:: waits[t] == ATTENDED -> asleep = value[t]
	:: waits[t] == READ -> read_to = value[t]
	:: waits[t] == PARKED -> parked[t % WORKERS] = value[t]
	:: else
	fi;
	waits[t] = NOTHING;
	value[t] = 0
}

inline store(t, what, new)
{
	d_step {
		waits[t] == NOTHING ->
		waits[t] = what;
		value[t] = new
	}
}

#define FENCE(t) (waits[t] == NOTHING)

/* What is in a buffer gets into memory, sooner or later. */
active proctype memory()
{
end_memory:
	do
	:: d_step { waits[0] != NOTHING -> arrive(0) }
#if WORKERS > 1
	:: d_step { waits[1] != NOTHING -> arrive(1) }
#endif
	:: d_step { waits[WRITER] != NOTHING -> arrive(WRITER) }
	od
}

/* client/library/lane.c bw_lane_look(): `attended`, then `read` */
inline look()
{
	saw_asleep = asleep;
	saw_read = read_to;
	/* client/library/lane.c look_unattended(): one ring until `read` moves */
	d_step {
		if
#ifdef NO_DOORBELL
		:: false
#else
		:: saw_asleep && saw_read != own && rung_read != saw_read ->
			bell = 1;
			rung_read = saw_read
#endif
		:: else
		fi;
		saw_asleep = 0;
		saw_read = 0
	}
}

active proctype writer()
{
	byte own;  /* lane->written */
	byte rung_read = NEVER;
	byte saw_read;
	bit saw_asleep;
	byte seen;
	bit changed;

	do
	:: own < MESSAGES && own - read_to < SIZE ->
		/* client/library/lane.h bw_lane_publish(): a locked exchange */
		store(WRITER, WRITTEN, own + 1);
		own++;
#ifndef NO_FENCE_WRITTEN
		FENCE(WRITER);
#endif
		look()
	:: own < MESSAGES && own - read_to >= SIZE ->
		look();
		/* client/library/lane.c bw_lane_wait(): the futex word first */
#ifndef WORD_LOADED_LATE
		seen = room_wake;
#endif
		store(WRITER, WAITERS, 1);
#ifndef NO_FENCE_WAITERS
		FENCE(WRITER);
#endif
		changed = (own - read_to < SIZE);
#ifdef WORD_LOADED_LATE
		seen = room_wake;
#endif
		/* client/library/lane.c bw_lane_wait(): futex(2) compares */
		if
		:: changed -> skip
		:: d_step { !changed && room_wake == seen -> in_futex = 1 }
			d_step { !in_futex -> skip }
		:: d_step { !changed && room_wake != seen -> skip }
		fi;
		d_step { changed = 0; seen = 0 }
		store(WRITER, WAITERS, 0)
	:: own == MESSAGES -> break
	od
}

active proctype loop_thread()
{
end_poll:
	do
	/* daemon/intake/lane_clients.c on_readable() */
	:: bell ->
		bell = 0;
		/* daemon/worker/lanes.c lanes_ring() */
		awake = 1;
		rung = 1;
		/* daemon/worker/workers.c workers_ring(): a fence, then a sleeper */
#ifndef ATTENDANT_NOT_ASKED
		if
		:: attendant
		:: else ->
#endif
			d_step {
				if
				:: parked[0] -> signal[0] = 1
#if WORKERS > 1
				:: !parked[0] && parked[1] -> signal[1] = 1
#endif
				:: else
				fi
			}
#ifndef ATTENDANT_NOT_ASKED
		fi
#endif
	od
}

/* daemon/worker/lanes.c take(), daemon/region/lane.c lane_release() */
inline take_records()
{
	if
	:: d_step { written > position ->
		/* the commit and the position are the region's */
		position = written;
		took = 1
	   }
		store(me, READ, position);
#ifndef NO_FENCE_READ
		FENCE(me);
#endif
		/* daemon/region/lane.c wake() */
		if
		:: d_step { waiters -> room_wake++ }
			in_futex = 0
		:: !waiters
		fi
	:: written == position
	fi
}

active [WORKERS] proctype worker()
{
	byte me = _pid - 3;
	bit took, calm, timer, sleeps;
	bit spare = !me; /* a wake-up for another reason */

looking:
	/* daemon/worker/lanes.c lanes_take() */
	if
	:: awake || rung ->
		rung = 0;
		if
		:: d_step { !claimed -> claimed = 1 }
			take_records();
			if
			:: attendant == me + 1 && !lease ->
				d_step {
					FENCE(me) ->
					lease = 1;
					asleep = 0
				}
			:: else
			fi;
			d_step { FENCE(me) -> claimed = 0 }
		:: claimed -> skip
		fi
	:: else
	fi;
	if
	/* the arena takes more */
	:: d_step { took -> took = 0 }
		goto looking
	/* daemon/worker/worker.c flush_arena(): somebody else attends */
	:: d_step { took -> took = 0 }
		if
		:: attendant == me + 1 ->
			attendant = 0;
			if
#if WORKERS > 1
			:: (awake || rung) && parked[1 - me] ->
				signal[1 - me] = 1
#endif
			:: else
			fi
		:: else
		fi;
		/* the disk */
		goto looking
	:: !took
	fi;

	/* daemon/worker/lanes.c lanes_attend() */
	if
	:: attendant == me + 1 || awake || rung ->
		/* daemon/worker/lanes.c become_attendant(): awake from then on */
		if
		:: d_step { !attendant -> attendant = me + 1 }
			awake = 1
		:: attendant
		fi;
		if
		:: attendant == me + 1 -> timer = 1
		/* daemon/worker/lanes.c put_all_to_sleep() */
		:: attendant == me + 1 ->
#ifndef AWAKE_CLEARED_LATE
			awake = 0;
#endif
			calm = 0;
			if
			:: d_step { !claimed -> claimed = 1 }
				lease = 0;
				/* daemon/worker/lanes_slot.c lanes_slot_sleep() */
#ifdef RUN_OUT
				/* the lease ends by itself, later */
				calm = (written == position);
				asleep = 1;
#elif defined(NO_SECOND_LOOK)
				store(me, ATTENDED, 1);
				FENCE(me);
				calm = 1;
#else
				store(me, ATTENDED, 1);
#ifndef NO_FENCE_ASLEEP
				FENCE(me);
#endif
				calm = (written == position);
#endif
				d_step { FENCE(me) -> claimed = 0 }
#ifdef CLAIMED_IS_CALM
			:: claimed -> calm = 1
#else
			:: claimed -> skip
#endif
			fi;
#ifdef AWAKE_CLEARED_LATE
			if
			:: calm -> awake = 0
			:: else
			fi;
#endif
			if
			:: calm ->
				/* daemon/worker/lanes.c stop_attending() */
				attendant = 0
			:: else ->
				awake = 1;
				timer = 1
			fi;
			calm = 0
		:: attendant != me + 1
		fi
	:: attendant != me + 1 && !awake && !rung
	fi;
	/* daemon/worker/worker.c park(): announced, then a fence */
	store(me, PARKED, 1);
#ifndef NO_FENCE_PARKED
	FENCE(me);
#endif
	/* daemon/worker/lanes.c lanes_lack_attendant() */
#ifdef PARKS_ANYWAY
	sleeps = 1;
#else
	if
	:: rung -> skip
	:: d_step { !rung && !awake -> sleeps = 1 }
	:: !rung && awake -> d_step { sleeps = (attendant != 0) }
	fi;
#endif
	/* daemon/worker/worker.c sleep_until() */
	if
	:: !sleeps -> skip
	:: sleeps ->
end_sleep:
		if
		:: d_step { signal[me] -> signal[me] = 0 }
		:: d_step { timer -> timer = 0 }
		:: d_step { spare -> spare = 0 }
		fi
	fi;
	/* daemon/worker/worker.c reclaim() */
	d_step {
		FENCE(me) ->
		parked[me] = 0;
		sleeps = 0;
		timer = 0
	}
	goto looking
}

/* Somebody must take it all; else nothing can happen any more, and this waits. */
active proctype world()
{
	d_step { position == MESSAGES -> over = 1 }
}
