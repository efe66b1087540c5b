/* SPDX-License-Identifier: MIT */
/*
 * See failpoint.h.  Without BW_FAILPOINTS this file is empty.
 *
 * Any thread passes points.  The rules are read from the environment once
 * and do not change.  Two things change, both atomic: a count for each rule,
 * and the list of names that were logged.  A point without a rule costs one
 * comparison for each rule that exists.
 *
 * A rule that cannot be parsed ends the process: a test whose failure is not
 * injected would pass and prove nothing.
 */
#include "daemon/base/failpoint.h"

_Static_assert(FAILPOINT_SHORT > 0, "an injected error is negative");

#ifdef BW_FAILPOINTS

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"

#define MAX_RULES 32
#define MAX_NAMES 256
#define EXIT_USAGE 64

enum action { DO_KILL, DO_STALL, DO_ERRNO, DO_SHORT, DO_SLEEP };

struct rule {
	/* constant after start */
	const char *name;
	const char *file; /* only while it exists, or NULL */
	size_t len;	  /* of the name, without '*' */
	bool any;	  /* the name ended in '*' */
	enum action action;
	int value;    /* errno, or milliseconds */
	uint64_t nth; /* 0: every time */
	/* shared, atomic */
	_Atomic uint64_t passed;
};

/* constant after start */
static struct rule rules[MAX_RULES];
static char *rules_text; /* the rules point into it */
static unsigned nrules;
static int log_fd = -1;

/* shared, atomic: filled from the front, never emptied */
static _Atomic(const char *) logged[MAX_NAMES];

static pthread_once_t once = PTHREAD_ONCE_INIT;

__attribute__((noreturn)) static void fail(const char *text, const char *about)
{
	dprintf(STDERR_FILENO, "BW_FAILPOINTS: %s: %s\n", text, about);
	_exit(EXIT_USAGE);
}

/* --- reading the rules --------------------------------------------------- */

/* Cuts `@N` off the end of an action.  0: every time. */
static uint64_t parse_nth(char *action)
{
	char *at = strrchr(action, '@'), *end;
	uint64_t n;

	if (!at)
		return 0;
	n = strtoull(at + 1, &end, 10);
	if (end == at + 1 || *end)
		return 0; /* an '@' in a file's name */
	if (!n)
		fail("counting begins at 1", action);
	*at = 0;
	return n;
}

/* Not every C library has a function for the names of errors. */
static int parse_errno(const char *name)
{
#define ERROR(number)           \
	{                       \
		number, #number \
	}
	static const struct {
		int number;
		const char *name;
	} known[] = {
		ERROR(EACCES),	   ERROR(EADDRINUSE),	ERROR(EAGAIN),
		ERROR(EBADF),	   ERROR(EBADMSG),	ERROR(ECANCELED),
		ERROR(EBUSY),	   ERROR(EDQUOT),	ERROR(EEXIST),
		ERROR(EFAULT),	   ERROR(EFBIG),	ERROR(EINTR),
		ERROR(EINVAL),	   ERROR(EIO),		ERROR(EISDIR),
		ERROR(ELOOP),	   ERROR(EMFILE),	ERROR(EMLINK),
		ERROR(EMSGSIZE),   ERROR(ENAMETOOLONG), ERROR(ENFILE),
		ERROR(ENOBUFS),	   ERROR(ENODEV),	ERROR(ENOENT),
		ERROR(ENOMEM),	   ERROR(ENOSPC),	ERROR(ENOSYS),
		ERROR(ENOTDIR),	   ERROR(ENOTEMPTY),	ERROR(ENXIO),
		ERROR(EOPNOTSUPP), ERROR(EOVERFLOW),	ERROR(EPERM),
		ERROR(EPIPE),	   ERROR(EROFS),	ERROR(ESRCH),
		ERROR(ESTALE),	   ERROR(ETIMEDOUT),	ERROR(ETXTBSY),
		ERROR(EXDEV),
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].name, name))
			return known[i].number;
	return 0;
}

static void parse_action(struct rule *rule, char *action)
{
	char *arg = strchr(action, ':'), *end;

	if (arg)
		*arg++ = 0;
	rule->file = arg;
	if (!strcmp(action, "kill") && !arg) {
		rule->action = DO_KILL;
	} else if (!strcmp(action, "short") && !arg) {
		rule->action = DO_SHORT;
	} else if (!strcmp(action, "stall") && arg && *arg) {
		rule->action = DO_STALL;
	} else if (!strcmp(action, "sleep") && arg && *arg) {
		rule->action = DO_SLEEP;
		rule->file = NULL;
		rule->value = strtol(arg, &end, 10);
		if (*end || rule->value < 0)
			fail("not a number of milliseconds", arg);
	} else {
		rule->action = DO_ERRNO;
		rule->value = parse_errno(action);
		if (!rule->value || (arg && !*arg))
			fail("unknown action", action);
	}
}

static void parse_rule(char *text)
{
	struct rule *rule = &rules[nrules];
	char *action = strchr(text, '=');

	if (nrules == MAX_RULES)
		fail("too many rules", text);
	if (!action || action == text)
		fail("not NAME=ACTION", text);
	*action++ = 0;
	rule->name = text;
	rule->len = strlen(text);
	if (text[rule->len - 1] == '*') {
		rule->any = true;
		rule->len--;
	}
	rule->nth = parse_nth(action);
	parse_action(rule, action);
	nrules++;
}

static void start(void)
{
	const char *env = getenv("BW_FAILPOINTS");
	const char *log = getenv("BW_FAILPOINTS_LOG");
	char *text, *rest;

	if (log && *log) {
		log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			      0644);
		if (log_fd < 0)
			fail("cannot open BW_FAILPOINTS_LOG", log);
	}
	if (!env || !*env)
		return;
	rules_text = strdup(env);
	rest = rules_text;
	while ((text = strsep(&rest, ";")))
		if (*text)
			parse_rule(text);
}

/* --- passing a point ----------------------------------------------------- */

/*
 * The exchange decides which of two threads logs a name.  Relaxed: it orders
 * nothing, because names are constants of the program.
 */
static void log_name(const char *name)
{
	const char *known;
	char line[128];
	unsigned i;
	int len;

	for (i = 0; i < MAX_NAMES; i++) {
		known = load_relaxed(&logged[i]);
		if (!known &&
		    atomic_compare_exchange_strong_explicit(
			    &logged[i], &known, name, memory_order_relaxed,
			    memory_order_relaxed)) {
			len = snprintf(line, sizeof(line), "%s\n", name);
			if (write(log_fd, line, len) != len)
				fail("cannot write BW_FAILPOINTS_LOG", name);
			return;
		}
		if (!strcmp(known, name))
			return;
	}
	fail("too many names for BW_FAILPOINTS_LOG", name);
}

static bool exists(const char *file)
{
	return !access(file, F_OK);
}

static void sleep_ms(int ms)
{
	struct timespec left = clock_timespec(ms * CLOCK_MS);

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static int act(const struct rule *rule)
{
	switch (rule->action) {
	case DO_KILL:
		/* Ends the process; this thread must not take another step. */
		for (;;) {
			kill(getpid(), SIGKILL);
			pause();
		}
	case DO_STALL:
		while (exists(rule->file))
			sleep_ms(1);
		return 0;
	case DO_SLEEP:
		sleep_ms(rule->value);
		return 0;
	case DO_SHORT:
		return FAILPOINT_SHORT;
	case DO_ERRNO:
		if (rule->file && !exists(rule->file))
			return 0;
		return -rule->value;
	}
	return 0;
}

static bool matches(const struct rule *rule, const char *name)
{
	return !strncmp(rule->name, name, rule->len) &&
	       (rule->any || !name[rule->len]);
}

int failpoint_hit(const char *name)
{
	int saved = errno, result = 0, ret;
	struct rule *rule;
	uint64_t n;

	pthread_once(&once, start);
	if (log_fd >= 0)
		log_name(name);
	for (rule = rules; rule < rules + nrules; rule++) {
		if (!matches(rule, name))
			continue;
		/* relaxed: only the number of passages counts */
		n = 1 + atomic_fetch_add_explicit(&rule->passed, 1,
						  memory_order_relaxed);
		if (rule->nth && rule->nth != n)
			continue;
		ret = act(rule);
		if (!result)
			result = ret;
	}
	errno = saved;
	return result;
}

#endif
