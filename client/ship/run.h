/* SPDX-License-Identifier: MIT */
/*
 * One run of the command: a process in a session and a process group of its
 * own, which gets the list of files on standard input, NUL-terminated.
 *
 * The run has an end.  When nothing has moved for `stall_ms`, the process group
 * gets SIGTERM, and RUN_KILL_MS later SIGKILL.  What moves is a file that has
 * left the directory, or RUN_MOVED_BYTES that the processes have written, not
 * counting what they said: a command that only talks moves nothing.
 *
 * Loop thread.
 */
#ifndef BUFWRITER_SHIP_RUN_H
#define BUFWRITER_SHIP_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define RUN_KILL_MS 5000
/* How long the output may stay open after the end of the command. */
#define RUN_OUTPUT_MS 1000
#define RUN_MOVED_BYTES 4096
/* What is kept of the output. */
#define RUN_SAID 8192

struct run {
	/* set by the caller before run_start() */
	uv_loop_t *loop;
	char **argv;
	const char *cwd;
	int lock; /* a descriptor that the command inherits */
	uint64_t stall_ms;
	/* called about twice a second: how many files have moved so far */
	uint64_t (*look)(void *arg);
	/* called once, when nothing of the run is left */
	void (*end)(void *arg);
	void *arg;

	/* results */
	int status, signal;
	bool has_stalled;
	char said[RUN_SAID + 1];
	size_t said_bytes;

	/* private */
	uv_process_t process;
	uv_pipe_t pipe[3]; /* standard input, output, error */
	uv_timer_t tick, term;
	uv_write_t write;
	uv_buf_t list;
	bool has_ended;	  /* the process; its output may still be open */
	unsigned open;	  /* output pipes that are */
	unsigned handles; /* not closed yet */
	uint64_t received;
	uint64_t moved_files;
	uint64_t moved_bytes;
	uint64_t moved_ms; /* when something moved last */
};

/*
 * Starts the command with this list, which it takes over.  0; or -errno, and
 * then end() is called as well, later.
 */
int run_start(struct run *run, char *list, size_t list_bytes);

/* Ends the process group.  end() is called within RUN_KILL_MS and a little. */
void run_stop(struct run *run);

#endif
