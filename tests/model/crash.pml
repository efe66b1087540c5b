/* SPDX-License-Identifier: MIT */
/*
 * A model of how a datagram gets from the socket into a file, with SIGKILL
 * between any two steps.  Checked by run.sh, for all orders of all steps:
 *
 *  - Exactly once.  Each datagram that was taken from the socket gets into
 *    one file, whole; when recovery ends, all of them are in files.
 *  - No crash leaves a region that the next start would refuse.
 *  - No slot and no overflow buffer is ever given to two messages.
 *  - Never stuck.  Wherever a run ends, everything is filed; and no run goes
 *    on for ever, so that what does not end in a crash ends there.
 *
 * Each option of a `do` is one step: the loads and stores that others can see
 * at most one of.  Above it stands the function of the daemon that takes it.
 * What only the thread itself can see, or nobody, goes with the step that
 * follows.  Where a thread stands is a variable, so that a crash is one step
 * too: it forgets these and all other private memory, and keeps the region
 * and the files.  That it stops all threads at once leaves nothing out: a
 * thread that dies earlier than another is one that was not scheduled.
 *
 * What a worker does up to the release of a run, the loop thread does too, with
 * an arena that it is lent: `worker` stands for whoever has the arena.  The
 * loop thread receives nothing meanwhile, so those orders are among the ones
 * checked here.  That only one has it is shown by lend.pml.
 *
 * Memory is taken to be sequentially consistent: what orders the daemon's
 * stores on real machines is said at each of them, and the thread sanitizer
 * looks at it.  Settings, time and sizes are left to choice: any worker may
 * file at any moment, recvmmsg(2) may return early.  A shipper may take a
 * file as soon as it has its final name.
 *
 * A broken daemon is selected by a macro: BREAKS in run.sh lists them all.
 */
mtype = {
	/* the loop thread */
	L_OFF, L_TOP, L_ARM, L_NOTHING, L_WANT, L_AGAIN, L_WAIT, L_RECEIVE,
	L_REFUSE, L_METAS, L_HEAD, L_PUBLISHED,
	/* a worker */
	W_OFF, W_LOOK, W_CLAIM, W_COPY, W_COMMIT, W_CELL, W_RELEASE, W_GIVE,
	W_PUSH, W_WISH, W_BEGIN, W_OPEN, W_WRITE, W_MARK, W_RENAME, W_UNDO,
	W_DISCARD, W_EMPTIED,
	/* a start */
	R_CHECK, R_PUBLISH, R_RELEASE, R_FINISH, R_RENAME, R_RENAMED,
	R_UNLINK, R_DIRS, R_FILE, R_MESSAGES, R_RESTART, R_ADOPT, R_START, R_UP
};

/* Numbers of processes: active proctypes, in their order. */
#define FIRST_WORKER 1

#include "region.pml"
#include "loop.pml"
#include "worker.pml"
#include "recovery.pml"

/* Nothing is left to do: queue, ring and arenas are empty. */
#define AT_REST                                                      \
	(recovery_at == R_UP && next > DATAGRAMS &&                  \
	 loop_at == L_RECEIVE && got == 0 && claimed == published && \
	 worker_at[0] == W_LOOK && worker_at[1] == W_LOOK &&         \
	 rec_length[0] == 0 && rec_length[1] == 0)

inline forget_worker(w)
{
	worker_at[w] = W_OFF;
	from[w] = 0;
	run_len[w] = 0;
	done[w] = 0;
#ifdef OVERFLOW
	giving[w] = 0;
	top[w] = 0;
#endif
	/* What lies behind the record's length, nobody will read. */
	fill[w] = rec_length[w];
	if
	:: rec_length[w] < 1 -> data[AT(w, 0)] = 0
	:: else
	fi;
	if
	:: rec_length[w] < 2 -> data[AT(w, 1)] = 0
	:: else
	fi
}

inline crash()
{
	crashes++;
	published = 0;
	claimed = 0;
	wanted = 0;
	notified = 0;
#ifdef OVERFLOW
	spares = 0;
	returned = 0;
	link[0] = 0;
	link[1] = 0;
#endif
	loop_at = L_OFF;
	ready = 0;
	want = 0;
	got = 0;
	forget_worker(0);
	forget_worker(1);
	ticket = 0;
	arena = 0;
	recovery_at = R_CHECK
}

active proctype world()
{
	do
	/* SIGKILL */
	:: d_step { crashes < CRASHES && recovery_at != R_CHECK && !over ->
		crash()
	   }
#ifdef SETTINGS_CHANGE
	/* SIGKILL, and then other settings */
	:: d_step { crashes < CRASHES && place < CHANGES &&
		    recovery_at != R_CHECK && !over ->
		crash();
		place++
	   }
#endif
	/* a shipper */
	:: d_step { final[0] -> final[0] = 0 }
	:: d_step { final[1] -> final[1] = 0 }
	/* the end */
	:: d_step { AT_REST && !over ->
		assert((filed | MAY_FILE) == (ALL | MAY_FILE) || lost);
		over = 1
	   }
	:: over -> break
	od
}
