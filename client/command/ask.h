/* SPDX-License-Identifier: MIT */
/*
 * A conversation with the daemon's control socket: a command, one line of
 * JSON back; see bufwriter-control(7).  Single-threaded.
 */
#ifndef BUFWRITER_ASK_H
#define BUFWRITER_ASK_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#define ASK_SOCKET "/run/bufwriter/control.sock"
/* How long an answer may take that needs no work, in ms. */
#define ASK_TIMEOUT 10000

struct asker {
	int fd;		  /* -1: not connected */
	const char *path; /* of the socket */
	char *answer;	  /* of the last command, valid JSON, or NULL */
	size_t room;
	/* after a failure: the exit status, and a sentence */
	int status;
	char why[512];
};

/*
 * The path of the socket: `option` if not NULL, else $BUFWRITER_CONTROL,
 * else ASK_SOCKET.
 */
void ask_init(struct asker *c, const char *option);
void ask_close(struct asker *c);

/*
 * Sends the command, connecting first if there is no connection, and waits
 * for the answer, `timeout` in ms for each.  True: answer has it and is not
 * an error.  False: status and why; answer has an error of the daemon, or is
 * NULL.
 */
bool ask_command(struct asker *c, const char *command, int timeout);

/* Says why on standard error; returns the exit status. */
int ask_failed(const struct asker *c, const char *cmd);

/*
 * The command line of a subcommand: its own options, and -s, -h and -V.
 */
struct ask_line {
	const char *usage;
	const char *shorts;	    /* begins with ':' and ends with "s:hV" */
	const struct option *longs; /* ends with ASK_LONGS */
	/*
	 * Takes one of its own options, from getopt_long(3).  NULL, or
	 * what is wrong with the value: "is no ...".
	 */
	const char *(*take)(void *arg, int c, const char *value);
	void *arg;
};

#define ASK_SHORTS "s:hV"
#define ASK_LONGS                                      \
	{ "socket", required_argument, NULL, 's' },    \
		{ "help", no_argument, NULL, 'h' },    \
		{ "version", no_argument, NULL, 'V' }, \
	{                                              \
		NULL, 0, NULL, 0                       \
	}

/* Reads it.  -1: go on, *socket is set if it was given; else the status. */
int ask_options(const struct ask_line *line, int argc, char **argv,
		const char **socket);

/* Text of the options that ask_options() knows, for a help. */
#define ASK_HELP                                                          \
	"  -s, --socket PATH  the daemon's control socket\n"              \
	"                     (default $BUFWRITER_CONTROL or " ASK_SOCKET \
	")\n"                                                             \
	"  -h, --help         show this help\n"                           \
	"  -V, --version      show the version\n"

#endif
