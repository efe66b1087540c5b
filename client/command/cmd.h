/* SPDX-License-Identifier: MIT */
/*
 * The command `bufwriter`: its subcommands, and what they share.
 *
 * A subcommand is a line in CMD_LIST and a function cmd_NAME() in the file
 * NAME.c.  The function finds the subcommand's name in argv[0], reads its
 * options, and returns the exit status.  The whole command is
 * single-threaded.
 *
 * Exit statuses are those of sysexits.h.  A wrong command line always gives 64
 * (EX_USAGE).
 */
#ifndef BUFWRITER_CMD_H
#define BUFWRITER_CMD_H

#include <stdint.h>
#include <sysexits.h>
#include <time.h>

/* X(name, what it does: a line of the help) */
#define CMD_LIST(X)                                                            \
	X(send, "send lines, files or arguments to the daemon")                \
	X(status, "show what the daemon does; --check for monitoring")         \
	X(metrics, "print the daemon's numbers for Prometheus or OpenMetrics") \
	X(flush, "return when all messages sent so far are in files")          \
	X(reload, "make the daemon read its settings again")                   \
	X(top, "show live what the daemon does")                               \
	X(doctor, "look for what is often wrong, and say what to do")          \
	X(report, "print what a bug report needs")                             \
	X(ship, "take complete files to a centre; see bufwriter-ship(1)")      \
	X(cat, "print the messages of complete files")

struct cmd {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

#define CMD_DECLARE(name, summary) int cmd_##name(int argc, char **argv);
CMD_LIST(CMD_DECLARE)
#undef CMD_DECLARE

/* In all of the following, `cmd` is the subcommand's name, or NULL. */

/*
 * Prints one line on standard error: what is wrong with the command line, and
 * where to find help.  Returns EX_USAGE.
 */
int cmd_misuse(const char *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * The same for an option that getopt_long(3) refused.  `c` is what
 * getopt_long() returned, '?' or ':'; its option string must begin with ':'.
 */
int cmd_bad_option(const char *cmd, char **argv, int c);

/*
 * Flushes standard output.  Returns 0; or prints why the output could not be
 * written and returns EX_IOERR.
 */
int cmd_output(const char *cmd);

/* Prints name and version.  Returns what cmd_output() returns. */
int cmd_version(const char *cmd);

/* Milliseconds of CLOCK_MONOTONIC or CLOCK_MONOTONIC_COARSE. */
int64_t cmd_clock_ms(clockid_t clock);

/*
 * Parses a duration: a whole number with one of the units us ms s m h, or 0,
 * or `never`.  Stores milliseconds, rounded up, or BW_FOREVER.  Returns 0, or
 * -EINVAL for any other text and for more than 24 h.
 */
int cmd_parse_ms(const char *text, int *ms);
/* What a message says that refuses a duration. */
#define CMD_DURATIONS                                      \
	"allowed are 0, never, and a whole number with a " \
	"unit (us ms s m h) up to 24h"

#endif
