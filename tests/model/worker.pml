/* SPDX-License-Identifier: MIT */
/*
 * A worker: daemon/worker/worker.c run(), which calls daemon/filing/transfer.c
 * transfer_take() and transfer_flush().  Recovery goes through the same
 * functions, so it takes the same steps: it says where a worker goes on, and
 * waits until that is at W_OFF again.
 *
 * When an arena is filed is a matter of time and size; here a worker may do
 * it whenever there is something in it.
 */

/* What comes after which step of transfer_take(). */
#if defined(COMMIT_BEFORE_CLAIM)
#define AFTER_LOOK W_COPY
#define AFTER_COPY W_COMMIT
#define AFTER_COMMIT W_CLAIM
#define AFTER_CLAIM W_RELEASE
#define AFTER_RELEASE W_WISH
#define AFTER_WISH W_LOOK
#elif defined(COMMIT_BEFORE_COPY)
#define AFTER_LOOK W_CLAIM
#define AFTER_CLAIM W_COMMIT
#define AFTER_COMMIT W_COPY
#define AFTER_COPY W_RELEASE
#define AFTER_RELEASE W_WISH
#define AFTER_WISH W_LOOK
#elif defined(RELEASE_BEFORE_COMMIT)
#define AFTER_LOOK W_CLAIM
#define AFTER_CLAIM W_COPY
#define AFTER_COPY W_RELEASE
#define AFTER_RELEASE W_COMMIT
#define AFTER_COMMIT W_WISH
#define AFTER_WISH W_LOOK
#elif defined(WISH_BEFORE_RELEASE)
#define AFTER_LOOK W_CLAIM
#define AFTER_CLAIM W_COPY
#define AFTER_COPY W_COMMIT
#define AFTER_COMMIT W_WISH
#define AFTER_WISH W_RELEASE
#define AFTER_RELEASE W_LOOK
#else
#define AFTER_LOOK W_CLAIM
#define AFTER_CLAIM W_COPY
#define AFTER_COPY W_COMMIT
#define AFTER_COMMIT W_RELEASE
#define AFTER_RELEASE W_WISH
#define AFTER_WISH W_LOOK
#endif

/* And of transfer_flush(). */
#if defined(RENAME_BEFORE_RECORD)
#define AFTER_BEGIN W_OPEN
#define AFTER_WRITE W_RENAME
#define AFTER_RENAME W_MARK
#define AFTER_MARK W_EMPTIED
#define AFTER_EMPTIED W_LOOK
#elif defined(RECORD_BEFORE_WRITE)
#define AFTER_BEGIN W_MARK
#define AFTER_MARK W_OPEN
#define AFTER_WRITE W_RENAME
#define AFTER_RENAME W_EMPTIED
#define AFTER_EMPTIED W_LOOK
#elif defined(EMPTIED_BEFORE_RENAME)
#define AFTER_BEGIN W_OPEN
#define AFTER_WRITE W_MARK
#define AFTER_MARK W_EMPTIED
#define AFTER_EMPTIED W_RENAME
#define AFTER_RENAME W_LOOK
#else
#define AFTER_BEGIN W_OPEN
#define AFTER_WRITE W_MARK
#define AFTER_MARK W_RENAME
#define AFTER_RENAME W_EMPTIED
#define AFTER_EMPTIED W_LOOK
#endif

#define TICKET (from[me] + done[me]) /* that this step is for */
#define HERE SLOT(TICKET)

inline go_worker(step)
{
	worker_at[me] = step;
	if
	:: step == W_LOOK ->
		from[me] = 0;
		run_len[me] = 0;
		if
		:: recovery_at != R_UP -> worker_at[me] = W_OFF
		:: else
		fi
#ifdef BUFFER_BEFORE_SLOT
	:: step == W_RELEASE && meta_len[HERE] == LEN_LARGE ->
		worker_at[me] = W_GIVE
#endif
	:: else
	fi
}

/* One ticket of the run is dealt with; `step` is after the last. */
inline go_on(step)
{
	done[me]++;
	if
	:: done[me] == run_len[me] -> done[me] = 0; go_worker(step)
	:: else -> go_worker(worker_at[me])
	fi
}

/* daemon/filing/transfer.c count_fitting() */
inline count_fitting()
{
	j = 0;
	do
	:: from[me] + run_len[me] < published &&
	   meta_len[SLOT(from[me] + run_len[me])] == LEN_TOO_LARGE ->
		run_len[me]++
	:: from[me] + run_len[me] < published && fill[me] + j < SIZE &&
	   meta_len[SLOT(from[me] + run_len[me])] != LEN_TOO_LARGE ->
		run_len[me]++;
		j++
	:: else -> break
	od;
	j = 0
}

/* daemon/region/arena.c arena_append() */
inline append()
{
	assert(fill[me] < SIZE || mixed);
	assert(bytes[HERE] || invented);
#ifdef OVERFLOW
	assert(meta_len[HERE] != LEN_LARGE ||
	       overflow[overflow_of[HERE]] == bytes[HERE] || mixed);
#endif
	data[AT(me, fill[me])] = bytes[HERE];
	fill[me]++
}

/* daemon/region/arena.c arena_begin_write() */
inline begin_write(a)
{
	rec_step[a] = WRITING;
	rec_named[a] = 1
}

/* daemon/filing/flush.c write_all() */
inline write_file(a)
{
	for (j : 0 .. SIZE - 1) {
		if
		:: j < rec_length[a] ->
			assert(data[AT(a, j)] || invented);
			assert(!(temp_set[a] & BIT(data[AT(a, j)])) || doubled);
			temp_set[a] = temp_set[a] | BIT(data[AT(a, j)])
		:: else
		fi
	}
	j = 0;
	temp[a] = COMPLETE
}

/* daemon/filing/rename.c rename_noreplace() */
inline rename_file(a)
{
	assert(temp[a] == COMPLETE || torn);
	assert(!(filed & temp_set[a]) || doubled);
	filed = filed | temp_set[a];
	final[a] = 1;
	discard(a)
}

/* daemon/filing/flush.c flush_discard() */
inline discard(a)
{
	temp[a] = NONE;
#ifdef SETTINGS_CHANGE
	temp_place[a] = 0;
#endif
	temp_set[a] = 0
}

/* daemon/region/arena.c arena_emptied() */
inline emptied(a)
{
	rec_step[a] = FILLING;
	rec_named[a] = 0;
	rec_length[a] = 0;
	data[AT(a, 0)] = 0;
	data[AT(a, 1)] = 0;
	fill[a] = 0;
	final[a] = 0
}

active [WORKERS] proctype worker()
{
	byte me = _pid - FIRST_WORKER;

	do
	/* daemon/filing/transfer.c transfer_take(): what is waiting and fits */
	:: d_step { worker_at[me] == W_LOOK && claimed < published &&
		    fill[me] < SIZE ->
		from[me] = claimed;
		count_fitting();
		go_worker(AFTER_LOOK)
	   }

	/* daemon/region/ring.c ring_claim() */
	:: d_step { worker_at[me] == W_CLAIM ->
		if
#ifdef CLAIM_NOT_ATOMIC
		:: true ->
#else
		:: claimed == from[me] ->
#endif
			claimed = from[me] + run_len[me];
			go_worker(AFTER_CLAIM)
		:: else -> go_worker(W_LOOK)
		fi
	   }

	/* daemon/filing/transfer.c copy_run(): one message */
	:: d_step { worker_at[me] == W_COPY ->
		assert(meta[HERE] == TICKET || mixed);
		if
		:: meta_len[HERE] != LEN_TOO_LARGE -> append()
		:: else
		fi;
		go_on(AFTER_COPY)
	   }

	/* daemon/region/arena.c arena_commit() */
	:: d_step { worker_at[me] == W_COMMIT ->
#if defined(CELL_IN_PLACE)
		rec_length[me] = fill[me];
		worker_at[me] = W_CELL
	   }
	:: d_step { worker_at[me] == W_CELL ->
#elif defined(COMMIT_BEFORE_COPY)
		rec_length[me] = fill[me] + run_len[me];
#else
		rec_length[me] = fill[me];
#endif
#ifndef COMMIT_WITHOUT_TICKETS
		rec_begin[me] = from[me];
		rec_end[me] = from[me] + run_len[me];
#endif
		go_worker(AFTER_COMMIT)
	   }

	/* daemon/region/ring.c release_slot() */
	:: d_step { worker_at[me] == W_RELEASE ->
		released[HERE] = TICKET + 1;
#if defined(OVERFLOW) && !defined(BUFFER_BEFORE_SLOT)
		if
		:: meta_len[HERE] == LEN_LARGE ->
			giving[me] = 1 + overflow_of[HERE];
			worker_at[me] = W_GIVE
		:: else -> go_on(AFTER_RELEASE)
		fi
#else
		go_on(AFTER_RELEASE)
#endif
	   }
#ifdef OVERFLOW
	/* daemon/region/ring.c give_back(): the link */
	:: d_step { worker_at[me] == W_GIVE ->
#ifdef BUFFER_BEFORE_SLOT
		giving[me] = 1 + overflow_of[HERE];
#endif
		top[me] = returned;
		link[giving[me] - 1] = top[me];
		worker_at[me] = W_PUSH
	   }
	/* daemon/region/ring.c give_back(): compare and exchange */
	:: d_step { worker_at[me] == W_PUSH && returned != top[me] ->
		top[me] = returned;
		link[giving[me] - 1] = top[me]
	   }
	:: d_step { worker_at[me] == W_PUSH && returned == top[me] ->
		returned = giving[me];
		giving[me] = 0;
		top[me] = 0;
		worker_at[me] = W_RELEASE;
#ifndef BUFFER_BEFORE_SLOT
		go_on(AFTER_RELEASE)
#endif
	   }
#endif

	/* daemon/region/ring.c ring_release(): a fence, then the loop's wish */
	:: d_step { worker_at[me] == W_WISH ->
		notified = notified | wanted;
		wanted = 0;
		go_worker(AFTER_WISH)
	   }

	/* daemon/filing/transfer.c begin_file(): a new name, that no temp file has */
	:: d_step { worker_at[me] == W_BEGIN ||
		    (worker_at[me] == W_LOOK && rec_length[me]) ->
		discard(me);
		final[me] = 0;
		begin_write(me);
		go_worker(AFTER_BEGIN)
	   }

	/* daemon/filing/flush.c flush_write(), open_temp() */
	:: d_step { worker_at[me] == W_OPEN ->
		temp[me] = PARTIAL;
#ifdef SETTINGS_CHANGE
		temp_place[me] = place;
#endif
		go_worker(W_WRITE)
	   }
	/* daemon/filing/flush.c flush_write(), fill_temp(), to close(2) */
	:: d_step { worker_at[me] == W_WRITE ->
		write_file(me);
		go_worker(AFTER_WRITE)
	   }
	/* the disk refuses: flush_write() removes what it wrote */
	:: d_step { worker_at[me] == W_WRITE && failures < FAILURES ->
		failures++;
		discard(me);
		go_worker(W_BEGIN)
	   }

	/* daemon/region/arena.c arena_begin_rename() */
	:: d_step { worker_at[me] == W_MARK ->
		rec_step[me] = RENAMING;
		go_worker(AFTER_MARK)
	   }

	/* daemon/filing/flush.c flush_publish() */
	:: d_step { worker_at[me] == W_RENAME ->
		rename_file(me);
		go_worker(AFTER_RENAME)
	   }
	/* daemon/filing/flush.c flush_publish(): the rename fails */
	:: d_step { worker_at[me] == W_RENAME && failures < FAILURES ->
		failures++;
#ifdef UNLINK_BEFORE_RECORD
		discard(me);
#endif
		go_worker(W_UNDO)
	   }
#ifdef RENAME_BELIEVED
	/* it happens and reports an error, as on NFS, and nobody looks;
	 * daemon/filing/rename.c rename_happened() makes a success of that */
	:: d_step { worker_at[me] == W_RENAME && failures < FAILURES ->
		failures++;
		rename_file(me);
		go_worker(W_UNDO)
	   }
#endif
	/* daemon/region/arena.c arena_undo_rename(): the record goes back first */
	:: d_step { worker_at[me] == W_UNDO ->
		begin_write(me);
		go_worker(W_DISCARD)
	   }
	/* daemon/filing/flush.c flush_discard(): then the temp file goes */
	:: d_step { worker_at[me] == W_DISCARD ->
		discard(me);
		go_worker(W_BEGIN)
	   }

	/* daemon/region/arena.c arena_emptied() */
	:: d_step { worker_at[me] == W_EMPTIED ->
		emptied(me);
		go_worker(AFTER_EMPTIED)
	   }

	:: over -> break
	od
}
