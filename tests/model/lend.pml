/* SPDX-License-Identifier: MIT */
/*
 * A model of who has an arena, and who wakes whom: parking and lending, at
 * the head of daemon/worker/worker.c.  Checked by run.sh, for all orders:
 *
 *  - The loop thread and a worker never use an arena at the same time.
 *  - Never stuck.  Whatever was received gets into a file, also if nothing
 *    more is received and no stop comes; and after a stop all of it is in
 *    files and all workers are gone.
 *
 * What happens to the messages is in crash.pml; here they are only counted.
 * Steps, comments and broken daemons are as there.  Time is left to choice: a
 * deadline may pass at any moment after it is known.
 */
#ifndef MESSAGES
#define MESSAGES 3
#endif
#define WORKERS 2
#define SIZE 2 /* messages that fill an arena */

mtype = { PARKED, LENT, LOOKING, FILING, EXITED };

/* struct worker */
mtype state[WORKERS] = LOOKING;
bit signal[WORKERS];
bit wants_back[WORKERS];
byte count[WORKERS]; /* messages in its arena */
bit loop_has[WORKERS];
bit worker_has[WORKERS] = 1;
/* struct workers, struct ring */
bit stop;
byte waiting; /* published, not claimed */

byte sent;
byte filed;
bit patient; /* no stop comes before all is filed */

/* What an assertion has found is the last word of its text. */
bit shared; /* two threads use an arena */
bit lost;   /* all workers are gone, and something is in no file */

#define IS_PARKED(w) (state[w] == PARKED && !signal[w])
#define ON_ITS_WAY(w) (state[w] == LOOKING || (state[w] == PARKED && signal[w]))
#define HAS_DATA(w) (IS_PARKED(w) && count[w])

/* From here on the arena is used. */
inline loop_uses(w)
{
	assert(!worker_has[w] || shared);
	loop_has[w] = 1
}

inline worker_uses(w)
{
	assert(!loop_has[w] || shared);
	worker_has[w] = 1
}

active proctype loop_thread()
{
	byte w;
	bit due; /* the timer that workers_due() answers for */
	bit began;

	if
	:: patient = 1
	:: skip
	fi;
	do
	/* daemon/intake/listener.c take_batch(): published */
	:: d_step { sent < MESSAGES && !stop ->
		sent++;
		waiting++
	   }

	/* daemon/worker/workers.c workers_take(): one that is parked */
	:: d_step { waiting && (IS_PARKED(0) || IS_PARKED(1)) ->
		if
		:: IS_PARKED(0) && (HAS_DATA(0) || !HAS_DATA(1)) -> w = 0
		:: else -> w = 1
		fi
	   }
	   if
	   /* daemon/worker/worker.c worker_lend(): compare and exchange */
	   :: d_step { state[w] == PARKED ->
		state[w] = LENT;
		loop_uses(w)
	      }
	      d_step {
		began = !count[w];
		do
		:: waiting && count[w] < SIZE -> waiting--; count[w]++
		:: else -> break
		od;
#ifndef NO_DUE
		due = due || (began && count[w]);
#endif
		began = 0;
		loop_has[w] = 0
	      }
#ifdef BACK_BEFORE_STATE
	      d_step {
		began = wants_back[w];
		wants_back[w] = 0
	      }
#endif
	      /* daemon/worker/worker.c worker_give_back(): the state, a fence */
	      if
	      :: d_step { waiting && count[w] == SIZE ->
		 state[w] = FILING
		 }
		 d_step {
#ifndef FULL_NOT_TOLD
		 wants_back[w] = 0;
		 signal[w] = 1;
#endif
		 w = 0;
		 began = 0
		 }
	      :: d_step { !(waiting && count[w] == SIZE) ->
		 state[w] = PARKED
		 }
		 /* daemon/worker/worker.c worker_give_back(): and who wants it back */
		 d_step {
		 if
#if defined(NOT_GIVEN_BACK)
		 :: true
#elif defined(BACK_BEFORE_STATE)
		 :: began -> signal[w] = 1
		 :: else
#else
		 :: wants_back[w] -> wants_back[w] = 0; signal[w] = 1
		 :: else
#endif
		 fi;
		 w = 0;
		 began = 0
		 }
	      fi
	   :: d_step { state[w] != PARKED -> w = 0 }
	   fi

	/* daemon/worker/workers.c workers_wake(): nobody is on the way, by the timer */
	:: d_step { waiting && !ON_ITS_WAY(0) && !ON_ITS_WAY(1) &&
		    (IS_PARKED(0) || IS_PARKED(1)) ->
		if
		:: IS_PARKED(0) && (HAS_DATA(0) || !HAS_DATA(1)) ->
			signal[0] = 1
		:: else -> signal[1] = 1
		fi
	   }

	/* daemon/worker/workers.c workers_due(): what began to fill is due soon */
	:: d_step { due ->
		due = 0;
		if
		:: HAS_DATA(0) -> signal[0] = 1
		:: else
		fi;
		if
		:: HAS_DATA(1) -> signal[1] = 1
		:: else
		fi
	   }

	/* daemon/worker/workers.c workers_stop() */
	:: d_step { sent == MESSAGES && !stop &&
		    (!patient || filed == MESSAGES) ->
		stop = 1
	   }
	   d_step {
		signal[0] = 1;
		signal[1] = 1
	   }

	:: state[0] == EXITED && state[1] == EXITED -> break
	od;
	assert((filed == MESSAGES && !waiting) || lost)
}

active [WORKERS] proctype worker()
{
	byte me = _pid - 1;
	bit late;  /* its own deadline has passed */
	bit knows; /* it parked with data, so it has a deadline */
	bit stops; /* it saw the stop before it looked at the ring */
	bit nothing; /* it found nothing there */

looking:
	/* daemon/worker/worker.c run(): the stop, then the ring */
#ifndef STOP_SEEN_LATE
	stops = stop;
#endif
	nothing = 0;
	/* daemon/worker/worker.c run(): takes what is waiting */
	if
	:: d_step { waiting && count[me] < SIZE ->
		assert(!loop_has[me] || shared);
		waiting--;
		count[me]++
	   }
	   goto looking
	:: d_step { waiting && count[me] == SIZE -> state[me] = FILING }
	   goto filing
	:: d_step { !waiting -> nothing = 1 }
	fi;
	/* daemon/worker/worker.c run(): is_due(), and goes on after it */
	if
	:: d_step { late && count[me] -> state[me] = FILING }
	   goto filing
	:: else -> late = 0
	fi;

emptied:
	/* daemon/worker/worker.c run(): nothing can come any more */
#ifdef STOP_SEEN_LATE
	stops = stop;
#endif
	if
	:: d_step { stops && count[me] -> state[me] = FILING }
	   goto filing
	:: d_step { stops && !count[me] -> state[me] = EXITED }
	   goto exited
	:: else
	fi;

	/* daemon/worker/worker.c park(): announced, then a fence */
	d_step {
#ifndef GOES_ON_USING
		worker_has[me] = 0;
#endif
		knows = count[me] > 0;
		state[me] = PARKED
	}
	/* daemon/worker/worker.c park(): the second look */
	if
	:: (waiting || stop) -> goto reclaim
	:: else
	fi;
	/* daemon/worker/worker.c sleep_until() */
	if
	:: d_step { signal[me] -> signal[me] = 0 }
	:: d_step { knows -> late = 1 }
	fi;

reclaim:
	/* daemon/worker/worker.c reclaim(): compare and exchange */
	if
	:: d_step { state[me] == PARKED ->
		knows = 0;
		state[me] = LOOKING;
		worker_uses(me)
	   }
	   goto looking
	:: d_step { state[me] == FILING ->
		knows = 0;
		late = 0;
		worker_uses(me)
	   }
	   goto filing
#ifdef TAKEN_BACK
	:: d_step { state[me] == LENT ->
		state[me] = LOOKING;
		worker_uses(me)
	   }
	   goto looking
#else
	:: state[me] == LENT
#endif
	fi;
	wants_back[me] = 1;
	/* daemon/worker/worker.c reclaim(): the second look */
	if
#ifndef SLEEPS_ANYWAY
	:: state[me] != LENT -> goto reclaim
	:: state[me] == LENT
#else
	:: true
#endif
	fi;
	d_step { signal[me] -> signal[me] = 0 }
	goto reclaim;

filing:
	true;
	/* daemon/worker/worker.c flush_arena() */
	d_step {
		filed = filed + count[me];
		count[me] = 0;
		late = 0;
		state[me] = LOOKING
	}
	if
	:: nothing -> goto emptied
	:: else -> goto looking
	fi;

exited:
	skip
}
