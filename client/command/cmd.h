/* SPDX-License-Identifier: MIT */
/*
 * The command `bufwriter`: its subcommands, and what they have in common.
 *
 * A subcommand is a line in CMD_LIST and a function cmd_NAME() in a file
 * NAME.c.  It gets its own name as argv[0], reads its options from there,
 * and returns the exit status.  Everything is single-threaded.
 *
 * Exit statuses are those of sysexits.h; 64 (EX_USAGE) is always a command
 * line that makes no sense.
 */
#ifndef BUFWRITER_CMD_H
#define BUFWRITER_CMD_H

#include <stdint.h>
#include <sysexits.h>

/* X(name, what it does, in a line of the help) */
#define CMD_LIST(X)                                                    \
	X(send, "send lines, files or arguments to the daemon")        \
	X(status, "show what the daemon does; --check for monitoring") \
	X(metrics, "print its numbers for Prometheus or OpenMetrics")  \
	X(flush, "return when all that was sent is in files")          \
	X(reload, "let it read its settings again")                    \
	X(top, "show live what it does")

struct cmd {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

#define CMD_DECLARE(name, summary) int cmd_##name(int argc, char **argv);
CMD_LIST(CMD_DECLARE)
#undef CMD_DECLARE

/*
 * Says on standard error in one line what is wrong with the command line and
 * where to find help.  cmd is the subcommand, or NULL.  Returns EX_USAGE.
 */
int cmd_misuse(const char *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * The same for an option that getopt_long(3) refused: c is what it returned,
 * '?' or ':'.  Its option string has to begin with ':'.
 */
int cmd_bad_option(const char *cmd, char **argv, int c);

/*
 * Makes sure that what was printed to standard output is out: 0, or says why it
 * is not and returns EX_IOERR.  cmd as in cmd_misuse().
 */
int cmd_output(const char *cmd);

/* Milliseconds of the monotonic clock. */
int64_t cmd_clock(void);

/* Prints name and version; returns as cmd_output(). */
int cmd_version(const char *cmd);

/*
 * Reads a duration: a whole number and one of the units us ms s m h, or 0, or
 * `never`.  Stores milliseconds, rounded up, or BW_FOREVER.  Returns 0, or
 * -EINVAL for anything else and for more than 24 h.
 */
int cmd_duration(const char *text, int *ms);

#endif
