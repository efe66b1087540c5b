/* SPDX-License-Identifier: MIT */
/*
 * A model of how a message gets from a client's lane into a file, with SIGKILL
 * of the daemon and of the client between any two steps, and with a stop.
 * Checked by run.sh, for all orders of all steps:
 *
 *  - Exactly once.  Each message for which bw_write() has returned gets into
 *    one file, whole, whoever was killed; a message whose client was killed
 *    in the call gets into one file or into none.  Without a descriptor store
 *    the promise ends where both were killed, as the manual says.
 *  - No file has bytes that nobody wrote.
 *  - Never stuck.  Closing a lane ends, and so does each wait for it.
 *  - No copy of a lane stays behind when all is filed.
 *
 * Two threads of one client share a lane (default), or two clients have a lane
 * each (TWO_LANES), or one client opens a lane for each message (REOPEN).  With
 * STORE somebody keeps the lanes' memory and connections as systemd does; with
 * CONNECTION_LOST it keeps only the memory.
 *
 * With REFUSES the disk can refuse while the daemon stops.  What is unread in
 * the lane is copied beside the region then, and the next start reads the copy;
 * or there is no room for a copy, and the client sends it.  The store can end
 * with the stop or go on, and one start may be unable to read the copy.  With
 * UNANSWERED a daemon may give out no lanes, and then answers nobody.
 *
 * Steps, comments and broken daemons are as in crash.pml.  What lies behind a
 * commit is there: here the filing of an arena is one step, and a datagram is
 * in a file as soon as it is sent.  Who wakes whom is in doorbell.pml; here
 * everybody looks all the time.
 */
mtype = {
	/* `attended` of a lane: a lease, or its last value */
	LEASE, CLOSED,
	/* an entry of the region's lane table; CLOSED is one, too */
	FREE, OPEN,
	/* a thread of a client, in bw_write() */
	W_CALL, W_ROOM, W_COPY, W_PUBLISH, W_RETURN, W_ASK, W_RESEND, W_DATAGRAM,
	W_SHUT, W_OPEN, W_DONE,
	/* a worker */
	D_OFF, D_LOOK, D_COPY, D_COMMIT, D_POSITION, D_READ, D_GIVE,
	D_REMOVE,
	/* who closes a lane: the loop thread */
	C_OFF, C_SNAPSHOT, C_SEAL, C_TAKE, C_ENTRY, C_FINAL, C_CLOSED,
	C_FORGET,
	/* the same, when a stop gives up */
	C_REST, C_COPY, C_NAME, C_READ, C_TOLD, C_TELL, C_END,
	/* a start */
	R_OFF, R_POSITIONS, R_FILE, R_LANES, R_READ, R_UNSEAL, R_COPY, R_UP
};

#ifndef MESSAGES
#define MESSAGES 2 /* of the first writer; the second one has one */
#endif
#define CALLS(w) ((w) == 0 -> MESSAGES : 1)
#ifndef CRASHES
#define CRASHES 2 /* of the daemon */
#endif
#ifndef STOPS
#define STOPS 1
#endif
#define WORKERS 2
#define SIZE 2	   /* records that a lane holds */
#define POSITIONS 5 /* records that a lane ever has, at most, + 1 */

#ifdef REOPEN
#define WRITERS 1
#else
#define WRITERS 2
#endif
#ifdef TWO_LANES
#define LANES 2
#define LANE(w) (w)
#else
#define LANES 1
#define LANE(w) 0
#endif
#define CLIENT(w) LANE(w)

#ifdef STORE
#define KEPT true
#else
#define KEPT false
#endif

#define BIT(m) (1 << (m))
#define MESSAGE(w) ((w) * MESSAGES + call[w])
#define AT(l, position) ((l) * SIZE + (position) % SIZE)
#define WHICH(l, position) ((l) * POSITIONS + (position))

/* --- a lane's memory: it lives as long as the client or the store has it -- */

byte record[LANES * SIZE]; /* 1 + the message */
byte written[LANES];
bit sealed[LANES]; /* a bit of `written`: both change in one step */
byte read_to[LANES];
mtype attended[LANES] = LEASE;
byte final[LANES];
byte truth[LANES * POSITIONS]; /* what was put there; nobody reads it */

/* --- the region ------------------------------------------------------------ */

mtype entry[LANES] = OPEN;
#ifdef TWO_LANES
byte id[LANES] = { 1, 2 };
#else
byte id[LANES] = 1;
#endif
byte position[LANES];
byte ids = LANES;

/* The record of an arena, with what is in it as bits. */
byte data[WORKERS];
byte rec_id[WORKERS]; /* of the last commit; 0: none */
byte rec_end[WORKERS];

byte filed; /* what is in final files, as bits */

#ifdef REFUSES
/* --- a copy of the lane, a file beside the region ----------------------------- */

bit copy_there; /* it has its name: nobody finds it before */
byte copy_record[SIZE];
byte copy_written;
byte copy_read;
#ifdef COPY_FROM_BEGIN
byte copy_begin;
#endif
#endif

/* --- the connections -------------------------------------------------------- */

bit client_gone[LANES]; /* what the daemon can see */
bit daemon_gone[LANES]; /* what the client can see */
bit kept[LANES] = KEPT; /* the store has the memory */

/* --- private memory of the daemon -------------------------------------------- */

mtype worker_at[WORKERS] = D_OFF;
byte lane[WORKERS];
byte end[WORKERS];
byte copied[WORKERS];
byte owner[LANES]; /* 1 + the worker that has claimed the lane */

mtype closer_at = C_OFF;
byte closes; /* the lane that it closes */
byte until;
bit stop;
#ifdef REFUSES
bit gives_up; /* the workers have ended */
bit reads_copy; /* the lane is mapped from its copy */
bit unread; /* there is a copy that this life cannot read */
#endif
mtype recovery_at = R_UP;
byte turn; /* the arena or the lane that recovery is at */

/* --- private memory of the client --------------------------------------------- */

mtype writer_at[WRITERS] = W_CALL;
byte call[WRITERS]; /* number of the message */
byte resend[WRITERS];
bit shuts[WRITERS]; /* in bw_close() */
bit lock[LANES];
bit dead[LANES]; /* settled, or not there */

/* --- what happened so far ------------------------------------------------------- */

byte returned; /* messages for which bw_write() has returned */
byte crashes;
byte stops;
bit client_killed[LANES];
bit spared; /* no client is killed */
#ifdef REFUSES
bit was_unread;
bit was_copied;
bit was_dropped; /* messages were in no copy, and the store ended */
#endif
bit over;
byte j;

/* What an assertion has found is the last word of its text. */
bit lost;
bit doubled;
bit invented;
bit mixed;
bit left;

#define IS_UP (recovery_at == R_UP)

/* What the daemon has mapped: the lane, or its copy. */
#ifdef REFUSES
#define READS_COPY reads_copy
#define IS_UNREAD unread
#define HAS_COPY copy_there
#define GIVES_UP gives_up
#define RECORD(l, p) \
	(reads_copy -> copy_record[(p) % SIZE] : record[AT(l, p)])
#define WRITTEN(l) (reads_copy -> copy_written : written[l])
#else
#define READS_COPY false
#define IS_UNREAD false
#define HAS_COPY false
#define GIVES_UP false
#define RECORD(l, p) record[AT(l, p)]
#define WRITTEN(l) written[l]
#endif

inline file(set)
{
	assert(!(filed & (set)) || doubled);
	filed = filed | (set)
}

/* --- the client ------------------------------------------------------------------ */

/* The daemon has ended the lane, or is gone: what it did not take is sent. */
#define HAS_ENDED(l) (attended[l] == CLOSED || daemon_gone[l])
#define MUST_SETTLE(l) (!dead[l] && HAS_ENDED(l))
#if defined(CLOSE_NOT_SETTLED)
#define MAY_SHUT(l) true
#elif defined(CLOSE_NOT_TAKEN)
#define MAY_SHUT(l) (dead[l] || (attended[l] == LEASE && !daemon_gone[l]))
#else
#define MAY_SHUT(l) \
	(dead[l] || (attended[l] == LEASE && !daemon_gone[l] && \
		     read_to[l] == written[l]))
#endif

inline return_from(w)
{
	returned = returned | BIT(MESSAGE(w));
	call[w]++;
#ifdef REOPEN
	writer_at[w] = W_SHUT
#else
	writer_at[w] = (call[w] == CALLS(w) -> W_SHUT : W_CALL)
#endif
}

/* A thread of a client. */
active [WRITERS] proctype writer()
{
	byte me = _pid;

	do
	/* client/library/lane.h bw_lane_take(): nobody waits for a lane */
	:: d_step { writer_at[me] == W_CALL && !dead[LANE(me)] &&
		    !lock[LANE(me)] ->
		lock[LANE(me)] = 1;
		writer_at[me] = W_ROOM
	   }
	/* another thread has it, or there is none any more */
	:: d_step { writer_at[me] == W_CALL &&
		    (dead[LANE(me)] || lock[LANE(me)] ||
		     sealed[LANE(me)] || HAS_ENDED(LANE(me))) ->
		writer_at[me] = W_DATAGRAM
	   }
	/* client/library/datagram.c bw_datagram_write() */
	:: d_step { writer_at[me] == W_DATAGRAM ->
		file(BIT(MESSAGE(me)));
		return_from(me)
	   }

	/* client/library/lane.h bw_lane_place() */
	:: d_step { writer_at[me] == W_ROOM &&
		    written[LANE(me)] - read_to[LANE(me)] < SIZE ->
		writer_at[me] = W_COPY
	   }
	/* client/library/lanes.c bw_lanes_room(): no room will come */
	:: d_step { writer_at[me] == W_ROOM &&
		    written[LANE(me)] - read_to[LANE(me)] >= SIZE &&
		    (sealed[LANE(me)] || HAS_ENDED(LANE(me))) ->
		lock[LANE(me)] = 0;
		writer_at[me] = W_DATAGRAM
	   }

#ifdef PUBLISHED_BEFORE_COPY
	:: d_step { writer_at[me] == W_COPY ->
		truth[WHICH(LANE(me), written[LANE(me)])] = 1 + MESSAGE(me);
		written[LANE(me)]++;
		writer_at[me] = W_PUBLISH
	   }
	:: d_step { writer_at[me] == W_PUBLISH ->
		record[AT(LANE(me), written[LANE(me)] - 1)] = 1 + MESSAGE(me);
		writer_at[me] = W_RETURN
	   }
#else
	/* client/library/libbufwriter.c gather(): nobody reads this yet */
	:: d_step { writer_at[me] == W_COPY ->
		record[AT(LANE(me), written[LANE(me)])] = 1 + MESSAGE(me);
		writer_at[me] = W_PUBLISH
	   }
	/* client/library/lane.h bw_lane_publish(): compare, exchange */
	:: d_step { writer_at[me] == W_PUBLISH &&
#ifndef SEAL_NOT_HEEDED
		    !sealed[LANE(me)] &&
#endif
		    true ->
		truth[WHICH(LANE(me), written[LANE(me)])] = 1 + MESSAGE(me);
		written[LANE(me)]++;
		writer_at[me] = W_RETURN
	   }
	/* client/library/lanes.c bw_lanes_published(): it was refused */
	:: d_step { writer_at[me] == W_PUBLISH && sealed[LANE(me)] ->
#ifdef REFUSED_KEPT
		written[LANE(me)]++;
#endif
		lock[LANE(me)] = 0;
		writer_at[me] = W_DATAGRAM
	   }
#endif
#ifdef CLOSED_IS_REFUSED
	/* closed since, so it is taken for a message that was refused */
	:: d_step { writer_at[me] == W_RETURN && attended[LANE(me)] == CLOSED ->
		lock[LANE(me)] = 0;
		writer_at[me] = W_DATAGRAM
	   }
#endif
	/* client/library/libbufwriter.c publish() */
	:: d_step { writer_at[me] == W_RETURN ->
		lock[LANE(me)] = 0;
		return_from(me)
	   }
	/* client/library/settle.c bw_settle(), under the lane's lock */
	:: d_step { (writer_at[me] == W_CALL || writer_at[me] == W_SHUT) &&
		    MUST_SETTLE(LANE(me)) && !lock[LANE(me)] ->
		shuts[me] = (writer_at[me] == W_SHUT);
		lock[LANE(me)] = 1;
		if
		:: attended[LANE(me)] == CLOSED ->
			resend[me] = final[LANE(me)];
			writer_at[me] = W_RESEND
		:: else -> writer_at[me] = W_ASK
		fi
	   }
	/* client/library/settle.c look_for_answer(): the next daemon knows */
	:: d_step { writer_at[me] == W_ASK && IS_UP &&
#ifdef ASK_ANY_TIME
		    entry[LANE(me)] != FREE ->
#else
		    entry[LANE(me)] == CLOSED ->
#endif
#ifdef ASK_READ
		resend[me] = read_to[LANE(me)];
#else
		resend[me] = position[LANE(me)];
#endif
		writer_at[me] = W_RESEND
	   }
#ifdef UNANSWERED
	/* client/library/settle.c read_for_sure(): nobody answers */
	:: d_step { writer_at[me] == W_ASK && IS_UP && !was_unread ->
		resend[me] = read_to[LANE(me)];
		writer_at[me] = W_RESEND
	   }
#endif
	/* client/library/settle.c send_rest(): one datagram */
	:: d_step { writer_at[me] == W_RESEND &&
		    resend[me] < written[LANE(me)] ->
#ifndef REST_NOT_SENT
		file(BIT(record[AT(LANE(me), resend[me])] - 1));
#endif
		resend[me]++
	   }
	:: d_step { writer_at[me] == W_RESEND &&
		    resend[me] >= written[LANE(me)] ->
		dead[LANE(me)] = 1;
		lock[LANE(me)] = 0;
		resend[me] = 0;
		writer_at[me] = (shuts[me] -> W_SHUT : W_CALL);
		shuts[me] = 0
	   }

	/* client/library/lanes_end.c bw_lanes_close(): all of it is the daemon's */
	:: d_step { writer_at[me] == W_SHUT && MAY_SHUT(LANE(me)) ->
#ifdef REOPEN
		client_gone[LANE(me)] = 1;
		dead[LANE(me)] = 1;
		writer_at[me] = (call[me] < MESSAGES -> W_OPEN : W_DONE)
#else
		writer_at[me] = W_DONE;
		/* the last thread of the client closes */
		client_gone[LANE(me)] = client_gone[LANE(me)] ||
			LANES > 1 || writer_at[1 - me] == W_DONE
#endif
	   }
#ifdef REOPEN
	/* a new lane in the same place of the table */
	:: d_step { writer_at[me] == W_OPEN && IS_UP && !stop &&
		    entry[0] == FREE && owner[0] == 0 && !kept[0] ->
		for (j : 0 .. SIZE - 1) {
			record[j] = 0
		}
		for (j : 0 .. POSITIONS - 1) {
			truth[j] = 0
		}
		j = 0;
		written[0] = 0;
		sealed[0] = 0;
		read_to[0] = 0;
		attended[0] = LEASE;
		final[0] = 0;
		ids++;
		id[0] = ids;
		position[0] = 0;
		entry[0] = OPEN;
		client_gone[0] = 0;
		daemon_gone[0] = 0;
		dead[0] = 0;
		kept[0] = KEPT;
		writer_at[me] = W_CALL
	   }
	/* none to be had: datagrams */
	:: d_step { writer_at[me] == W_OPEN -> writer_at[me] = W_CALL }
#endif

	:: over -> break
	od
}

/* --- the daemon ---------------------------------------------------------------------- */

/* The lane that a worker looks at: both workers look at both. */
#define CAN_CLAIM(l) (entry[l] == OPEN && position[l] < WRITTEN(l) && \
		      CLAIM_IS_FREE(l) && !IS_UNREAD)
#ifdef CLAIM_NOT_EXCLUSIVE
#define CLAIM_IS_FREE(l) true
#else
#define CLAIM_IS_FREE(l) (owner[l] == 0)
#endif

/* The order of what follows the commit. */
#if defined(READ_BEFORE_COMMIT)
#define AFTER_COPY D_READ
#define AFTER_READ D_COMMIT
#define AFTER_COMMIT D_POSITION
#define AFTER_POSITION D_GIVE
#elif defined(POSITION_BEFORE_COMMIT)
#define AFTER_COPY D_POSITION
#define AFTER_POSITION D_COMMIT
#define AFTER_COMMIT D_READ
#define AFTER_READ D_GIVE
#else
#if !defined(CLAIM_NOT_EXCLUSIVE) && !defined(POSITION_NOT_STORED)
#define ORDERED
#endif
#define AFTER_COPY D_COMMIT
#define AFTER_COMMIT D_POSITION
#define AFTER_POSITION D_READ
#define AFTER_READ D_GIVE
#endif

active [WORKERS] proctype worker()
{
	byte me = _pid - WRITERS;

	do
	/* daemon/worker/lanes_slot.h lanes_slot_claim() */
	:: d_step { worker_at[me] == D_LOOK && CAN_CLAIM(0) ->
		lane[me] = 0;
		owner[0] = 1 + me;
		end[me] = position[0];
		worker_at[me] = D_COPY
	   }
#ifdef TWO_LANES
	:: d_step { worker_at[me] == D_LOOK && CAN_CLAIM(1) ->
		lane[me] = 1;
		owner[1] = 1 + me;
		end[me] = position[1];
		worker_at[me] = D_COPY
	   }
#endif
	/* daemon/filing/transfer_lane.c copy_records(): one record */
	:: d_step { worker_at[me] == D_COPY && end[me] < WRITTEN(lane[me]) ->
		assert(RECORD(lane[me], end[me]) || invented);
		assert(RECORD(lane[me], end[me]) ==
		       truth[WHICH(lane[me], end[me])] || mixed);
		copied[me] = copied[me] |
			     BIT(RECORD(lane[me], end[me]) - 1);
		end[me]++
	   }
	/* as many as it takes at a time */
	:: d_step { worker_at[me] == D_COPY && copied[me] ->
		worker_at[me] = AFTER_COPY
	   }
	/* daemon/region/arena.c arena_commit_lane(): bytes and end in one step */
	:: d_step { worker_at[me] == D_COMMIT ->
		assert(!(data[me] & copied[me]) || doubled);
		data[me] = data[me] | copied[me];
#ifndef COMMIT_WITHOUT_POSITION
		rec_id[me] = id[lane[me]];
		rec_end[me] = end[me];
#endif
		copied[me] = 0;
		worker_at[me] = AFTER_COMMIT
	   }
	/* daemon/region/lane.c lane_release(): the entry's position */
	:: d_step { worker_at[me] == D_POSITION ->
#ifndef POSITION_NOT_STORED
		position[lane[me]] = end[me];
#endif
		worker_at[me] = AFTER_POSITION;
	   }
	/* daemon/region/lane.c lane_release(): `read`, room for the client */
	:: d_step { worker_at[me] == D_READ ->
		/* what nobody can read any more is 0 */
		do
#ifdef REFUSES
		:: reads_copy && copy_read < end[me] ->
#if defined(ORDERED) && !defined(COPY_FROM_BEGIN)
			copy_record[copy_read % SIZE] = 0;
			truth[copy_read] = 0;
#endif
			copy_read++
#endif
		:: !READS_COPY && read_to[lane[me]] < end[me] ->
#ifdef ORDERED
			record[AT(lane[me], read_to[lane[me]])] = 0;
			truth[WHICH(lane[me], read_to[lane[me]])] = 0;
#endif
			read_to[lane[me]]++
		:: else -> break
		od;
		worker_at[me] = AFTER_READ
	   }
	/* daemon/worker/lanes_slot.h lanes_slot_unclaim() */
	:: d_step { worker_at[me] == D_GIVE ->
		worker_at[me] = D_LOOK;
		end[me] = 0;
		owner[lane[me]] = 0;
		lane[me] = 0
	   }
	/* daemon/filing/transfer.c transfer_flush() */
	:: d_step { worker_at[me] == D_LOOK && data[me] ->
		file(data[me]);
		data[me] = 0
	   }
	/* daemon/worker/lanes.c end_lane(): the client is gone, all is taken */
	:: d_step { worker_at[me] == D_LOOK && entry[0] == OPEN &&
		    client_gone[0] && !daemon_gone[0] && owner[0] == 0 &&
		    !IS_UNREAD &&
#ifndef FREED_TOO_EARLY
		    position[0] == written[0] &&
#endif
		    !(closer_at != C_OFF && closes == 0) ->
		entry[0] = FREE;
		position[0] = 0;
		worker_at[me] = D_REMOVE
	   }
	/* daemon/intake/lane_store.c lane_store_forget(): the store */
	:: d_step { worker_at[me] == D_REMOVE ->
		kept[0] = 0;
		worker_at[me] = D_LOOK
	   }
#ifdef TWO_LANES
	:: d_step { worker_at[me] == D_LOOK && entry[1] == OPEN &&
		    client_gone[1] && !daemon_gone[1] && owner[1] == 0 &&
		    position[1] == written[1] &&
		    !(closer_at != C_OFF && closes == 1) ->
		entry[1] = FREE;
		position[1] = 0;
		kept[1] = 0
	   }
#endif

	:: over -> break
	od
}

#define MUST_CLOSE(l) \
	(entry[l] == OPEN && (stop || daemon_gone[l]) && !IS_UNREAD)
#ifdef TWO_LANES
#define CLOSES_NEXT (MUST_CLOSE(0) || MUST_CLOSE(1))
#define NONE_OPEN (entry[0] != OPEN && entry[1] != OPEN)
#else
#define CLOSES_NEXT MUST_CLOSE(0)
#define NONE_OPEN (entry[0] != OPEN || IS_UNREAD)
#endif

/* Somebody starts a daemon again that could not read a copy. */
#ifdef REFUSES
#define MAY_STOP (stops < STOPS || (unread && !stop))
#else
#define MAY_STOP (closer_at == C_OFF && stops < STOPS)
#endif

/* The order of closing. */
#if defined(SNAPSHOT_BEFORE_SEAL)
#define CLOSE_FIRST C_SNAPSHOT
#else
#define CLOSE_FIRST C_SEAL
#endif
#if defined(CLOSED_BEFORE_ENTRY)
#define AFTER_TAKE C_FINAL
#define AFTER_FINAL C_CLOSED
#define AFTER_CLOSED C_ENTRY
#define AFTER_ENTRY C_FORGET
#elif defined(CLOSED_BEFORE_FINAL)
#define AFTER_TAKE C_ENTRY
#define AFTER_ENTRY C_CLOSED
#define AFTER_CLOSED C_FINAL
#define AFTER_FINAL C_FORGET
#else
#define AFTER_TAKE C_ENTRY
#define AFTER_ENTRY C_FINAL
#define AFTER_FINAL C_CLOSED
#define AFTER_CLOSED C_FORGET
#endif

#ifdef REFUSES
/* The order of copying. */
#if defined(COPY_NAMED_FIRST)
#define COPY_FIRST C_NAME
#define AFTER_NAME C_COPY
#define AFTER_COPIED C_READ
#define AFTER_TELL C_END
#elif defined(TOLD_BEFORE_COPY)
#define COPY_FIRST C_READ
#define AFTER_TELL C_COPY
#define AFTER_COPIED C_NAME
#define AFTER_NAME C_END
#else
#define COPY_FIRST C_COPY
#define AFTER_COPIED C_NAME
#define AFTER_NAME C_READ
#define AFTER_TELL C_END
#endif

inline remove_copy()
{
	copy_there = 0;
	copy_written = 0;
	copy_read = 0;
	for (j : 0 .. SIZE - 1) {
		copy_record[j] = 0
	}
	j = 0
}

inline end_of_process()
{
	stop = 0;
	gives_up = 0;
	forget_copy();
	closer_at = C_OFF;
	closes = 0;
	until = 0;
	recovery_at = R_POSITIONS
}

/* What a process knows of the copy ends with it. */
inline forget_copy()
{
#ifdef ENTRY_FREED
	/* the entry was its own; that of the region was freed */
	if
	:: reads_copy && entry[0] == OPEN -> entry[0] = FREE; position[0] = 0
	:: else
	fi;
#endif
	reads_copy = 0;
	unread = 0
}
#endif

/* A lane ends because the daemon does, or because its connection is lost. */
active proctype closer()
{
	do
	:: d_step { IS_UP && !stop && MAY_STOP ->
		stops = (stops < STOPS -> stops + 1 : stops);
		stop = 1
	   }
	:: d_step { IS_UP && closer_at == C_OFF && CLOSES_NEXT ->
		if
		:: MUST_CLOSE(0) -> closes = 0
		:: else -> closes = 1
		fi;
		closer_at = CLOSE_FIRST
	   }
	/* daemon/region/lane.c lane_seal(), under the claim */
	:: d_step { closer_at == C_SEAL && owner[closes] == 0 ->
		sealed[closes] = 1;
#ifndef SNAPSHOT_BEFORE_SEAL
		until = WRITTEN(closes);
#endif
		closer_at = C_TAKE
	   }
#ifdef SNAPSHOT_BEFORE_SEAL
	:: d_step { closer_at == C_SNAPSHOT ->
		until = written[closes];
		closer_at = C_SEAL
	   }
#endif
	/* the workers have taken it; from here on no one claims the lane */
	:: d_step { closer_at == C_TAKE && owner[closes] == 0 &&
		    position[closes] >= until ->
		owner[closes] = 1 + WORKERS;
		closer_at = AFTER_TAKE
	   }
#ifdef REFUSES
	/* the disk refuses until the stop's time is over; arenas stay */
	:: d_step { closer_at == C_TAKE && owner[closes] == 0 && stop &&
		    worker_at[0] == D_LOOK && worker_at[1] == D_LOOK ->
		worker_at[0] = D_OFF;
		worker_at[1] = D_OFF;
		gives_up = 1;
		closer_at = C_REST
	   }
	/* daemon/intake/lane_rest.c keep(): it is a copy, or it is empty, or
	 * there is no room for a copy */
	:: d_step { closer_at == C_REST ->
		closer_at = C_END
	   }
	:: d_step { closer_at == C_REST && !reads_copy &&
		    position[closes] < until ->
		closer_at = COPY_FIRST
	   }
	/* daemon/region/lane_keep.c fill(): a file that nobody finds */
	:: d_step { closer_at == C_COPY ->
		for (j : 0 .. SIZE - 1) {
			copy_record[j] = record[j]
		}
		j = 0;
		copy_written = until;
		copy_read = position[closes];
#ifdef COPY_FROM_BEGIN
		copy_begin = copy_read;
#endif
		closer_at = AFTER_COPIED
	   }
	/* daemon/region/lane_keep.c lane_keep(): the rename */
	:: d_step { closer_at == C_NAME ->
#ifdef COPY_NAMED_FIRST
		copy_written = until;
		copy_read = position[closes];
#endif
		copy_there = 1;
		was_copied = 1;
		closer_at = AFTER_NAME
	   }
	/* daemon/region/lane.c lane_hand_over(): the entry stays OPEN; `read` */
	:: d_step { closer_at == C_READ ->
		read_to[closes] = until;
		closer_at = C_TOLD
	   }
	/* daemon/region/lane.c close_head(): `final` */
	:: d_step { closer_at == C_TOLD ->
		final[closes] = until;
		closer_at = C_TELL
	   }
	/* daemon/region/lane.c close_head(): CLOSED, all of it was taken */
	:: d_step { closer_at == C_TELL ->
#ifdef HANDED_CLOSED
		entry[closes] = CLOSED;
#endif
		attended[closes] = CLOSED;
		closer_at = AFTER_TELL
	   }
	/* daemon/stop.c stop_end(): somebody starts the next daemon at once */
	:: d_step { closer_at == C_END && kept[closes] ->
		end_of_process()
	   }
	/* or the unit is stopped, and with it the store */
	:: d_step { closer_at == C_END ->
		was_dropped = was_dropped || (!copy_there &&
			position[closes] < written[closes]);
		kept[closes] = 0;
		daemon_gone[closes] = 1;
		end_of_process()
	   }
#endif
	/* daemon/region/lane.c lane_finish(): no later life goes on with it */
	:: d_step { closer_at == C_ENTRY ->
		entry[closes] = CLOSED;
		closer_at = AFTER_ENTRY
	   }
	/* daemon/region/lane.c lane_finish(): `final`; no client reads a copy */
	:: d_step { closer_at == C_FINAL ->
		final[closes] = (READS_COPY -> final[closes] : position[closes]);
		closer_at = AFTER_FINAL
	   }
	/* daemon/region/lane.c lane_finish(): CLOSED */
	:: d_step { closer_at == C_CLOSED ->
		attended[closes] = (READS_COPY -> attended[closes] : CLOSED);
		closer_at = AFTER_CLOSED
	   }
	/* daemon/intake/lane_end.c settle(): copy, store, connection */
	:: d_step { closer_at == C_FORGET ->
#ifdef REFUSES
		if
		:: reads_copy -> remove_copy(); reads_copy = 0
		:: else
		fi;
#endif
		owner[closes] = 0;
		kept[closes] = 0;
		daemon_gone[closes] = 1;
		closes = 0;
		until = 0;
		closer_at = C_OFF
	   }
	/* the end of the process: arenas are in files */
	:: d_step { IS_UP && stop && closer_at == C_OFF && NONE_OPEN &&
		    !data[0] && !data[1] && worker_at[0] == D_LOOK &&
		    worker_at[1] == D_LOOK ->
		stop = 0;
		worker_at[0] = D_OFF;
		worker_at[1] = D_OFF;
#ifdef REFUSES
		unread = 0;
#endif
		recovery_at = R_POSITIONS
	   }

	:: over -> break
	od
}

/* The store has the lane of a copy. */
#ifdef NOT_HANDED_OVER
#define MUST_HAND_OVER false
#else
#define MUST_HAND_OVER (kept[0] && attended[0] != CLOSED)
#endif

/* A start: alone with the region. */
active proctype recovery()
{
	do
	:: d_step { recovery_at == R_OFF -> recovery_at = R_POSITIONS }

#ifdef RECOVERY_FILES_FIRST
	/* nothing of the last commit is left when the positions are looked at */
	:: d_step { recovery_at == R_POSITIONS ->
		if
		:: data[turn] -> file(data[turn]); data[turn] = 0
		:: else
		fi;
		rec_id[turn] = 0;
		turn++;
		if
		:: turn == WORKERS -> turn = 0; recovery_at = R_FILE
		:: else
		fi
	   }
#endif
	/* daemon/region/lane_table.c lane_table_settle(): found by its id */
	:: d_step { recovery_at == R_POSITIONS ->
		for (j : 0 .. LANES - 1) {
			if
			:: rec_id[turn] &&
#ifndef FOUND_BY_PLACE
			   rec_id[turn] == id[j] &&
#endif
			   entry[j] != FREE &&
			   rec_end[turn] > position[j] ->
				position[j] = rec_end[turn]
			:: else
			fi
		}
		j = 0;
		turn++;
		if
		:: turn == WORKERS -> turn = 0; recovery_at = R_FILE
		:: else
		fi
	   }
	/* daemon/filing/recover.c flush_arena() */
	:: d_step { recovery_at == R_FILE ->
		file(data[turn]);
		data[turn] = 0;
		rec_id[turn] = 0;
		rec_end[turn] = 0;
		turn++;
		if
		:: turn == WORKERS -> turn = 0; recovery_at = R_LANES
		:: else
		fi
	   }
#ifdef REFUSES
	/* daemon/intake/lane_restore.c hand_over(): if the stop came not so far */
	:: d_step { recovery_at == R_LANES && copy_there && MUST_HAND_OVER ->
		if
		:: read_to[0] != written[0] -> read_to[0] = written[0]
		:: else ->
			if
			:: final[0] != written[0] -> final[0] = written[0]
			:: else -> attended[0] = CLOSED
			fi
		fi
	   }
	/* daemon/intake/lane_restore.c restore_one(): all of the copy was taken */
	:: d_step { recovery_at == R_LANES && copy_there && !MUST_HAND_OVER &&
		    entry[0] == CLOSED ->
		remove_copy();
		kept[0] = 0;
		daemon_gone[0] = 1;
		recovery_at = R_UP
	   }
	/* daemon/intake/lane_restore.c adopt(): goes on where its head says */
	:: d_step { recovery_at == R_LANES && copy_there && !MUST_HAND_OVER &&
		    entry[0] == FREE ->
		entry[0] = OPEN;
		position[0] = copy_read;
		recovery_at = R_COPY
	   }
	/* daemon/region/lane.c lane_map_kept(): goes on where its entry says */
	:: d_step { recovery_at == R_LANES && copy_there && !MUST_HAND_OVER &&
		    entry[0] == OPEN ->
#ifdef COPY_FROM_BEGIN
		position[0] = copy_begin;
#endif
		copy_read = position[0];
		recovery_at = R_COPY
	   }
	/* daemon/intake/lane_restore.c leave_unread(): the next start can */
	:: d_step { recovery_at == R_LANES && copy_there && entry[0] == OPEN &&
		    !was_unread ->
		was_unread = 1;
#ifdef UNREAD_CLOSED
		entry[0] = CLOSED;
#else
		unread = 1;
#endif
		recovery_at = R_UP
	   }
	/* daemon/intake/lane_restore.c restore_one(): the store has it, too */
	:: d_step { recovery_at == R_COPY ->
		reads_copy = 1;
#ifdef COPY_REMOVED_FIRST
		copy_there = 0;
#endif
		kept[0] = 0;
		daemon_gone[0] = 1;
		recovery_at = R_UP
	   }
#endif
	/* daemon/region/lane.c lane_revive(): goes on where its entry says */
	:: d_step { recovery_at == R_LANES && !HAS_COPY &&
		    entry[turn] == OPEN && kept[turn] ->
		recovery_at = R_READ
	   }
	/* daemon/intake/lane_restore.c close_the_rest() */
	:: d_step { recovery_at == R_LANES && !HAS_COPY &&
		    !(entry[turn] == OPEN && kept[turn]) ->
		if
		:: entry[turn] == OPEN -> entry[turn] = CLOSED
		:: else
		fi;
		if
		:: kept[turn] && entry[turn] == CLOSED ->
			final[turn] = position[turn];
			attended[turn] = CLOSED;
			kept[turn] = 0;
			daemon_gone[turn] = 1
		:: kept[turn] && entry[turn] == FREE -> kept[turn] = 0
		:: else
		fi;
		turn++;
		if
		:: turn == LANES -> turn = 0; recovery_at = R_UP
		:: else
		fi
	   }
	/* daemon/region/lane.c lane_revive(): `read` */
	:: d_step { recovery_at == R_READ ->
#ifndef READ_NOT_RECOVERED
		read_to[turn] = position[turn];
#endif
		recovery_at = R_UNSEAL
	   }
	/* daemon/region/lane.c lane_revive(): the client may write again */
	:: d_step { recovery_at == R_UNSEAL ->
		sealed[turn] = 0;
		turn++;
		if
		:: turn == LANES -> turn = 0; recovery_at = R_UP
		:: else -> recovery_at = R_LANES
		fi
	   }
	/* workers, and the socket of the lanes */
	:: d_step { IS_UP && worker_at[0] == D_OFF && !GIVES_UP ->
		worker_at[0] = D_LOOK;
		worker_at[1] = D_LOOK
	   }

	:: over -> break
	od
}

/* --- the world ------------------------------------------------------------------------- */

inline kill_worker(w)
{
	worker_at[w] = D_OFF;
	lane[w] = 0;
	end[w] = 0;
	copied[w] = 0
}

inline kill_daemon()
{
	crashes++;
	kill_worker(0);
	kill_worker(1);
	closer_at = C_OFF;
	closes = 0;
	until = 0;
	stop = 0;
	turn = 0;
#ifdef REFUSES
	gives_up = 0;
	forget_copy();
#endif
	for (j : 0 .. LANES - 1) {
		owner[j] = 0;
#ifdef STORE
		if
		:: !kept[j] -> daemon_gone[j] = 1
		:: else
		fi
#else
		daemon_gone[j] = 1
#endif
	}
	j = 0;
	recovery_at = R_OFF
}

/* A returned message may be in no file where nobody promised it. */
#if defined(STORE) && defined(REFUSES)
#define IS_EXCUSED(l) (client_killed[l] && was_dropped)
#elif defined(STORE)
#define IS_EXCUSED(l) false
#elif defined(REFUSES)
#define IS_EXCUSED(l) \
	(client_killed[l] && (crashes || was_dropped) && !was_copied)
#else
#define IS_EXCUSED(l) (client_killed[l] && crashes)
#endif

inline check_promise()
{
	for (j : 0 .. WRITERS - 1) {
		assert((returned & ~filed &
			((BIT(MESSAGES) - 1) << (j * MESSAGES))) == 0 ||
		       IS_EXCUSED(LANE(j)) || lost)
	}
	j = 0;
	assert(!HAS_COPY || left)
}

#ifdef REOPEN
#define WRITERS_DONE (writer_at[0] == W_DONE)
#else
#define WRITERS_DONE (writer_at[0] == W_DONE && writer_at[1] == W_DONE)
#endif
#ifdef TWO_LANES
#define TAKEN (entry[0] != OPEN && entry[1] != OPEN)
#else
#define TAKEN (entry[0] != OPEN)
#endif
#define AT_REST                                                          \
	(IS_UP && !stop && WRITERS_DONE && TAKEN && closer_at == C_OFF && \
	 worker_at[0] == D_LOOK && worker_at[1] == D_LOOK && !data[0] &&  \
	 !data[1])

inline kill_client(l)
{
	client_killed[l] = 1;
	client_gone[l] = 1;
	lock[l] = 0;
	for (j : 0 .. WRITERS - 1) {
		if
		:: LANE(j) == l ->
			writer_at[j] = W_DONE;
			call[j] = 0;
			resend[j] = 0;
			shuts[j] = 0
		:: else
		fi
	}
	j = 0
}

active proctype world()
{
	/* A client that may be killed is never stuck. */
	if
	:: spared = 1
	:: true
	fi;
	do
	/* SIGKILL of the daemon */
	:: d_step { crashes < CRASHES && recovery_at != R_OFF && !over ->
		kill_daemon()
	   }
#ifdef CONNECTION_LOST
	/* the same, and the store drops the connection */
	:: d_step { crashes < CRASHES && recovery_at != R_OFF && !over &&
		    kept[0] ->
		kill_daemon();
		daemon_gone[0] = 1
	   }
#endif
	/* SIGKILL of a client */
	:: d_step { !over && !spared && !client_killed[0] &&
		    !client_gone[0] ->
		kill_client(0)
	   }
	/* the end */
	:: d_step { AT_REST && !over ->
		check_promise();
		over = 1
	   }
	:: over -> break
	od
}
