/* SPDX-License-Identifier: MIT */
/*
 * Asks the daemon over its control socket: one command, one line of JSON as
 * the answer.  bufwriter-control(7) describes the protocol.
 *
 * Single-threaded.
 */
#ifndef BUFWRITER_ASK_H
#define BUFWRITER_ASK_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

/* The default of the daemon's setting control.path. */
#define ASK_SOCKET "/run/bufwriter/control.sock"
/* How long to wait for an answer that the daemon gives at once. */
#define ASK_TIMEOUT_MS 10000

struct ask {
	int fd;		     /* -1: not connected */
	const char *path;    /* of the socket, borrowed */
	char *answer;	     /* the last one, valid JSON, or NULL; owned */
	size_t answer_bytes; /* allocated for it */
	/* after a failure: */
	int status;	  /* the exit status */
	char reason[512]; /* one sentence */
};

/*
 * Connects to nothing yet.  The path is `option` if that is not NULL, else
 * $BUFWRITER_CONTROL, else ASK_SOCKET.
 */
void ask_init(struct ask *a, const char *option);
/* Closes the connection and frees the answer. */
void ask_close(struct ask *a);

/*
 * Sends the command and waits for the answer, after connecting if there is no
 * connection.  Each of the three steps may take timeout_ms.
 *
 * True: `answer` holds the answer, which is not an error.  False: `status` and
 * `reason` say why; `answer` holds the daemon's error, or is NULL.  The answer
 * is valid until the next ask_command() or ask_close().
 */
bool ask_command(struct ask *a, const char *command, int timeout_ms);

/*
 * Prints `reason` on standard error as a line of the subcommand `cmd`.
 * Returns `status`.
 */
int ask_print_failure(const struct ask *a, const char *cmd);

/*
 * The command line of a subcommand that asks: its own options, and those that
 * all of them have: -s, -h and -V.
 */
struct ask_options {
	const char *usage;
	const char *shorts;	    /* begins with ':', ends with ASK_SHORTS */
	const struct option *longs; /* ends with ASK_LONGS */
	/*
	 * Takes an option of the subcommand: its letter and its value.
	 * Returns NULL, or what is wrong with the value ("is not ...").
	 */
	const char *(*take)(void *arg, int letter, const char *value);
	void *arg; /* for take() */
};

#define ASK_SHORTS "s:hV"
#define ASK_LONGS                                      \
	{ "socket", required_argument, NULL, 's' },    \
		{ "help", no_argument, NULL, 'h' },    \
		{ "version", no_argument, NULL, 'V' }, \
	{                                              \
		NULL, 0, NULL, 0                       \
	}

/*
 * Reads the command line.  Returns -1 to go on, with *socket set if the option
 * was given, or an exit status.
 */
int ask_options_read(const struct ask_options *options, int argc, char **argv,
		     const char **socket);

/* The help for -s, -h and -V. */
#define ASK_HELP                                                          \
	"  -s, --socket PATH  the daemon's control socket\n"              \
	"                     (default $BUFWRITER_CONTROL or " ASK_SOCKET \
	")\n"                                                             \
	"  -h, --help         show this help\n"                           \
	"  -V, --version      show the version\n"

#endif
