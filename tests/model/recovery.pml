/* SPDX-License-Identifier: MIT */
/*
 * A start: daemon/filing/recover.c recover_region(), alone with the region, because
 * its lock is not free before every thread of the dead process is gone.
 */

/* daemon/region/ring_check.c ring_is_held() */
#define IS_HELD(t) ((t) < head && (t) + SLOTS >= head && IS_UNRELEASED(t))

#ifdef RELEASED_AFTER_MESSAGES
/* Another way to pass over what is in an arena: look at the records. */
#define IN_COMMIT(a, t) (rec_begin[a] <= (t) && (t) < rec_end[a])
#define MUST_FILE(t) (IS_HELD(t) && !IN_COMMIT(0, t) && !IN_COMMIT(1, t))
#define AFTER_HEAD_SET R_FINISH
#define AFTER_RELEASED R_RESTART
#define AFTER_MESSAGES R_RELEASE
#else
#define MUST_FILE(t) IS_HELD(t)
#define AFTER_HEAD_SET R_RELEASE
#define AFTER_RELEASED R_FINISH
#define AFTER_MESSAGES R_RESTART
#endif

#if defined(SETTINGS_CHANGE) && !defined(HEADER_PLACE_ONLY)
#define AFTER_RENAMES R_DIRS
#else
#define AFTER_RENAMES R_FILE
#endif

/* daemon/filing/transfer.c find_temp(): where temp files can be */
#ifdef SETTINGS_CHANGE
#define FIND_TEMP(a) (temp[a] != NONE && temp_place[a] == header_place)
#else
#define FIND_TEMP(a) (temp[a] != NONE)
#endif

#define ARE_OFF (worker_at[0] == W_OFF && worker_at[1] == W_OFF)

/* daemon/region/ring_check.c own_overflow() */
inline own_overflow(slot)
{
#ifdef OVERFLOW
	assert(!(j & BIT(overflow_of[slot])) || refused);
	j = j | BIT(overflow_of[slot])
#else
	skip
#endif
}

/* daemon/region/ring_check.c ring_check() */
inline check_ring()
{
	assert((armed >= head && armed - head <= SLOTS) || refused);
	for (ticket : head - SLOTS .. head - 1) {
		if
		:: released[SLOT(ticket)] == ticket + 1
		:: else ->
			assert((IS_UNRELEASED(ticket) &&
				meta[SLOT(ticket)] == ticket &&
				meta_len[SLOT(ticket)] ==
				msg_len[SLOT(ticket)]) || refused);
			if
			:: meta_len[SLOT(ticket)] == LEN_LARGE ->
				own_overflow(SLOT(ticket))
			:: else
			fi
		fi
	}
	for (ticket : head .. armed - 1) {
		assert(IS_UNRELEASED(ticket) || refused);
		assert(msg_len[SLOT(ticket)] == NOTHING || ticket == head ||
		       msg_len[SLOT(ticket - 1)] != NOTHING || refused);
		own_overflow(SLOT(ticket))
	}
	ticket = 0;
	j = 0
}

/* daemon/region/arena.c arena_load(), daemon/region/region.c check_parts() */
inline check_arena(a)
{
	assert((rec_step[a] == FILLING || rec_named[a]) || refused);
	assert((rec_end[a] <= head && rec_begin[a] <= rec_end[a] &&
		rec_end[a] - rec_begin[a] <= SLOTS) || refused)
}

/* daemon/region/ring.c ring_format(), daemon/region/arena.c arena_format() */
inline format()
{
	head = FIRST;
	armed = FIRST;
	for (j : 0 .. SLOTS - 1) {
		released[j] = j + 1;
		meta[j] = j;
		meta_len[j] = LEN_TOO_LARGE;
		bytes[j] = 0
	}
	for (j : 0 .. WORKERS - 1) {
		rec_begin[j] = 0;
		rec_end[j] = 0
	}
	j = 0
}

/* daemon/region/ring.c set_header() */
inline set_headers()
{
	for (j : 0 .. SLOTS - 1) {
		msg_len[j] = 0
	}
	j = 0
}

inline go_recovery(step)
{
	recovery_at = step;
	arena = 0;
	ticket = (step == R_RELEASE -> rec_begin[0] : 0)
}

/* daemon/region/region_header.c region_header_fits() */
#ifdef SETTINGS_CHANGE
#define SETTINGS_FIT (made_for == place)
#else
#define SETTINGS_FIT true
#endif

active proctype recovery()
{
	do
	/* daemon/region/region.c region_open_old() */
	:: d_step { recovery_at == R_CHECK ->
		check_ring();
		check_arena(0);
		check_arena(1);
		ticket = head;
#ifdef RECOVERED_HEAD_FIRST
		do
		:: head < armed && msg_len[SLOT(head)] != NOTHING -> head++
		:: else -> break
		od;
#endif
		recovery_at = R_PUBLISH
	   }

	/* daemon/region/ring_check.c ring_recover(): a meta */
	:: d_step { recovery_at == R_PUBLISH && ticket < armed &&
		    msg_len[SLOT(ticket)] != NOTHING ->
		meta[SLOT(ticket)] = ticket;
		meta_len[SLOT(ticket)] = msg_len[SLOT(ticket)];
		ticket++
	   }
	/* daemon/region/ring_layout.h ring_set_head() */
	:: d_step { recovery_at == R_PUBLISH &&
		    !(ticket < armed && msg_len[SLOT(ticket)] != NOTHING) ->
		head = ticket;
		go_recovery(AFTER_HEAD_SET)
	   }

	/* daemon/filing/recover.c release_committed(): one ticket */
	:: d_step { recovery_at == R_RELEASE ->
		do
		:: ticket < rec_end[arena] && !IS_HELD(ticket) -> ticket++
		:: else -> break
		od;
		if
		:: ticket < rec_end[arena] ->
			released[SLOT(ticket)] = ticket + 1;
			ticket++
		:: ticket >= rec_end[arena] && arena + 1 < WORKERS ->
			arena++;
			ticket = rec_begin[arena]
		:: else -> go_recovery(AFTER_RELEASED)
		fi
	   }

	/* daemon/filing/transfer.c finish_rename() */
	:: d_step { recovery_at == R_FINISH ->
		do
		:: arena < WORKERS && rec_step[arena] != RENAMING -> arena++
		:: else -> break
		od;
		if
		:: arena == WORKERS ->
			arena = 0;
			recovery_at = AFTER_RENAMES
#if defined(WRITE_AGAIN)
		:: else -> begin_write(arena)
#elif defined(FINAL_FILE_DECIDES)
		:: arena < WORKERS && final[arena] -> emptied(arena)
		:: arena < WORKERS && !final[arena] -> begin_write(arena)
#elif defined(RECOVERY_EMPTIES_FIRST)
		:: else -> emptied(arena); recovery_at = R_RENAME
#else
		/* its temp file is gone: the rename happened */
		:: arena < WORKERS && !FIND_TEMP(arena) -> emptied(arena)
		:: arena < WORKERS && FIND_TEMP(arena) ->
			recovery_at = R_RENAME
#endif
		fi
	   }
	/* daemon/filing/rename.c rename_noreplace() */
	:: d_step { recovery_at == R_RENAME ->
		if
		:: temp[arena] != NONE -> rename_file(arena)
		:: else
		fi;
		recovery_at = R_RENAMED
	   }
	/* daemon/region/arena.c arena_emptied() */
	:: d_step { recovery_at == R_RENAMED ->
		emptied(arena);
		recovery_at = R_FINISH
	   }
	/* daemon/filing/transfer.c finish_rename(): the rename fails, write again */
	:: d_step { recovery_at == R_RENAME && failures < FAILURES ->
		failures++;
		begin_write(arena);
#ifdef NAME_ERASED
		rec_named[arena] = 0;
#endif
		recovery_at = R_UNLINK
	   }
	/* daemon/filing/transfer.c finish_rename(): unlink(2) */
	:: d_step { recovery_at == R_UNLINK ->
		discard(arena);
		recovery_at = R_FINISH
	   }

#ifdef SETTINGS_CHANGE
	/* daemon/region/region_header.c region_header_use_dirs(): no rename is in doubt */
	:: d_step { recovery_at == R_DIRS ->
		header_place = place;
		recovery_at = R_FILE
	   }
#endif

	/* daemon/filing/recover.c flush_arena() */
	:: d_step { recovery_at == R_FILE && ARE_OFF ->
		do
		:: arena < WORKERS && rec_length[arena] == 0 -> arena++
		:: else -> break
		od;
		if
		:: arena == WORKERS ->
			arena = 0;
			ticket = head - SLOTS;
			recovery_at = R_MESSAGES
		:: else -> worker_at[arena] = W_BEGIN
		fi
	   }

	/* daemon/filing/recover.c file_messages(), daemon/filing/transfer.c transfer_one() */
	:: d_step { recovery_at == R_MESSAGES && ARE_OFF ->
		do
		:: ticket < head && !MUST_FILE(ticket) -> ticket++
		:: else -> break
		od;
		if
		:: ticket < head && fill[0] < SIZE ->
			from[0] = ticket;
			run_len[0] = 1;
			worker_at[0] = W_COPY;
			ticket++
		:: (ticket < head && fill[0] == SIZE) ||
		   (ticket == head && fill[0]) ->
			worker_at[0] = W_BEGIN
		:: ticket == head && !fill[0] ->
			/* the promise: all that was taken from the socket */
			assert((filed | TOO_LARGE) ==
			       ((BIT(next) - BIT(1)) | TOO_LARGE) || lost);
			go_recovery(AFTER_MESSAGES)
		fi
	   }

#ifdef SETTINGS_CHANGE
	/* daemon/filing/recover.c recover_region(): a new region; killed before it is
	 * there, the next start makes one just the same */
	:: d_step { recovery_at == R_RESTART && made_for != place ->
		format();
		set_headers();
		made_for = place;
		header_place = place
	   }
#endif

	/* daemon/region/region.c region_adopt(), daemon/region/arena.c arena_restart() */
	:: d_step { recovery_at == R_RESTART && SETTINGS_FIT ->
		assert(rec_step[arena] == FILLING && rec_length[arena] == 0);
		rec_begin[arena] = 0;
		rec_end[arena] = 0;
		arena++;
		if
		:: arena == WORKERS ->
			arena = 0;
			recovery_at = R_ADOPT
		:: else
		fi
	   }
	/* daemon/region/ring.c start_at(): first what the region calls armed */
	:: d_step { recovery_at == R_ADOPT ->
#ifdef HEADERS_BEFORE_ARMED
		set_headers();
#else
		armed = head;
#endif
		recovery_at = R_START
	   }
	/* daemon/region/ring.c set_header(); daemon/worker/workers.c workers_start() */
	:: d_step { recovery_at == R_START ->
		set_headers();
		armed = head;
		published = head;
		claimed = head;
		wanted = 0;
		notified = 0;
#ifdef OVERFLOW
		spares = BIT(OVERFLOWS) - 1;
		returned = 0;
		link[0] = 0;
		link[1] = 0;
#endif
		loop_at = L_TOP;
		worker_at[0] = W_LOOK;
		worker_at[1] = W_LOOK;
		recovery_at = R_UP
	   }

	:: over -> break
	od
}
