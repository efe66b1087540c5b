/* SPDX-License-Identifier: MIT */
/*
 * Runs `bufwriter` as a process of its own in the receiver's directory, and
 * keeps what it printed on standard error and what arrived at the receiver.
 *
 * There is one run at a time, for the test's own thread.
 */
#ifndef BUFWRITER_TEST_RUN_H
#define BUFWRITER_TEST_RUN_H

#include <stddef.h>
#include <sys/types.h>

struct run {
	int in; /* standard input of the next run, or -1 */
	pid_t pid;
	int status;	/* of waitpid(2), after run_wait() */
	char err[8192]; /* standard error, after run_wait() */
	/* the messages that arrived, one after the other */
	char *bytes;
	size_t len, room;
	size_t *ends; /* of each message in `bytes` */
	size_t count;
};

extern struct run run;

/* The path of the command under test. */
const char *run_program(void);
/* Makes a file in the receiver's directory. */
void run_file(const char *name, const char *data, size_t len);
/* These bytes are standard input of the next run. */
void run_input(const char *data, size_t len);

/* Starts argv, ended by NULL, with the receiver as the daemon. */
void run_start_list(const char *const *argv);
/* The same with the arguments of `bufwriter send`. */
#define run_start(...)                                             \
	run_start_list((const char *const[]){ "bufwriter", "send", \
					      ##__VA_ARGS__, NULL })
/* The same with a shell's command line; `bufwriter` is the one under test. */
void run_start_shell(const char *command);

/* Waits for the end, and takes messages from receiver.fd until then. */
void run_wait(void);
/* Waits for the end and takes no messages. */
void run_wait_only(void);
/* Takes the messages that have arrived. */
void run_take(void);

/* The process has ended with this exit status. */
void run_expect_status(int status);
/* Standard error has this part, or is exactly this text. */
void run_expect_part(const char *part);
void run_expect_error(const char *text);
/* So many messages have arrived. */
void run_expect_count(size_t count);
/* Message number i, from 0, is exactly this. */
void run_expect_message(size_t i, const char *data, size_t len);

#endif
