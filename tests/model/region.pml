/* SPDX-License-Identifier: MIT */
/*
 * What there is: the region and the file system, which outlive the process,
 * and the private memory, which does not.
 *
 * What nobody can read any more is set to 0, so that two states which differ
 * in nothing else are one: bytes of an arena behind its length after a crash,
 * an index that is not in use.
 */

/* Sizes of the checked world.  The ring is lapped: DATAGRAMS > SLOTS. */
#ifndef DATAGRAMS
#define DATAGRAMS 5
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef FAILURES
#define FAILURES 0 /* how often the disk refuses */
#endif
#ifndef CHANGES
#define CHANGES 2 /* how often settings change */
#endif
#define SLOTS 3
#define WORKERS 2
#define BATCH 2	    /* RING_BATCH */
#define SIZE 2	    /* messages that fill an arena */
#define OVERFLOWS 2 /* buffers: fewer than slots, so that they run short */

#define FIRST SLOTS /* ring_format(): the first ticket */
#define SLOT(ticket) ((ticket) % SLOTS)
/* The slot's mark is still that of a lap before this ticket. */
#define IS_UNRELEASED(ticket) (released[SLOT(ticket)] + SLOTS == (ticket) + 1)
#define BIT(d) (1 << (d))

/* msg_len, and the length in a meta word; new memory holds zeroes. */
#define LEN_EMPTY 0
#define LEN_SMALL 1
#define LEN_LARGE 2	/* goes on in an overflow buffer */
#define LEN_TOO_LARGE 3 /* truncated: META_SKIP, counted and never filed */
#ifdef SENTINEL_ZERO
#define NOTHING 0
#else
#define NOTHING 4 /* RING_NOTHING */
#endif

/* Datagrams are numbered from 1; 0 means bytes that nobody sent. */
#ifdef REFUSED_IN_META_ONLY
#define REFUSE
#endif
#if defined(REFUSE) /* datagram 2 is above the limit of its sender */
#define LENGTH(d) ((d) == 4 -> LEN_SMALL : LEN_LARGE)
#define TOO_LARGE BIT(2)
#elif defined(OVERFLOW)
#define LENGTH(d) \
	((d) == 2 -> LEN_TOO_LARGE : ((d) == 4 -> LEN_SMALL : LEN_LARGE))
#define TOO_LARGE BIT(2)
#else
#define LENGTH(d) ((d) % 2 -> LEN_SMALL : LEN_EMPTY)
#define TOO_LARGE 0
#endif
/* After a kill between its receipt and its refusal, that one is filed. */
#ifdef REFUSE
#define MAY_FILE BIT(2)
#else
#define MAY_FILE 0
#endif
#define ALL (BIT(DATAGRAMS + 1) - BIT(1) - TOO_LARGE)

/* --- the region: struct ring_region and the arrays behind it ------------- */

byte head = FIRST;
byte armed = FIRST;
byte msg_len[SLOTS];
byte meta[SLOTS] = { 0, 1, 2 }; /* the ticket in the meta word */
byte meta_len[SLOTS] = LEN_TOO_LARGE; /* its length and flags */
byte released[SLOTS] = { 1, 2, 3 };
byte bytes[SLOTS]; /* the datagram that lies in the slot */
#ifdef OVERFLOW
byte overflow_of[SLOTS];
byte overflow[OVERFLOWS]; /* the datagram whose end lies there */
#endif

/* --- the region: struct arena_region ------------------------------------- */

#define FILLING 0
#define WRITING 1
#define RENAMING 2

/*
 * The cell that `cur` selects.  store_record() fills the other one, which nobody
 * reads, and then moves `cur`: so a change is one step here.  CELL_IN_PLACE
 * is a daemon with only one cell.
 */
byte rec_step[WORKERS];
bit rec_named[WORKERS];
byte rec_length[WORKERS]; /* in messages */
byte rec_begin[WORKERS];
byte rec_end[WORKERS];

byte data[WORKERS * SIZE]; /* the datagrams in the arenas */
#define AT(arena, i) ((arena) * SIZE + (i))

/* --- the file system: the temp file of each arena's present name --------- */

#define NONE 0
#define PARTIAL 1
#define COMPLETE 2

byte temp[WORKERS];
byte temp_set[WORKERS]; /* the datagrams in it, as bits */
bit final[WORKERS];	/* it was renamed, and is still there */
byte filed;		/* the datagrams that are in final files, as bits */

/*
 * With SETTINGS_CHANGE a start may find other settings than the one before,
 * which put files elsewhere and do not fit the region.
 */
#ifdef SETTINGS_CHANGE
byte place;	   /* of the present settings */
byte made_for;	   /* those that the region was made for */
byte header_place; /* region_header_dirs(): where its temp files are */
byte temp_place[WORKERS];
#endif

/* --- the socket ----------------------------------------------------------- */

byte next = 1; /* the datagram that the kernel hands out next */

/* --- private memory, lost in a crash ------------------------------------- */

mtype loop_at = L_OFF; /* the step that each thread takes next */
mtype worker_at[WORKERS] = W_OFF;
mtype recovery_at = R_CHECK;

/* struct ring */
byte published;
byte claimed;
bit wanted;
bit notified; /* uv_async_send() to the loop thread */
#ifdef OVERFLOW
byte spares;	      /* free buffers, as bits: the stack */
byte returned;	      /* 1 + a buffer on its way back, the list's top */
byte link[OVERFLOWS]; /* the next of that list */
#endif

/* the loop thread's variables */
byte ready; /* slots armed for this call; then the metas written */
byte want;
byte got;

/* a worker's variables */
byte fill[WORKERS]; /* a->fill */
byte from[WORKERS];
byte run_len[WORKERS];
byte done[WORKERS]; /* of this run */
#ifdef OVERFLOW
byte giving[WORKERS]; /* 1 + the buffer to give back */
byte top[WORKERS];    /* of the list, as last seen */
#endif

/* recovery's variables */
byte ticket;
byte arena;

/* --- what happened so far ------------------------------------------------- */

byte crashes;
byte failures;
bit over;
byte j; /* for loops inside one step, 0 between steps */

/*
 * What an assertion has found is the last word of its text.
 */
bit lost;     /* a datagram is in no file */
bit doubled;  /* a datagram is in two files, or twice in one */
bit invented; /* a file has bytes that nobody sent, or not as sent */
bit torn;     /* a file appeared that was not complete */
bit mixed;    /* memory was given to two messages at a time */
bit refused;  /* recovery would set the region aside */
