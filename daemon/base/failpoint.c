/* SPDX-License-Identifier: MIT */
/*
 * Named points for tests; in a daemon without BW_FAILPOINTS this file is empty.
 *
 * Any thread passes points.  The rules are read from the environment once
 * and do not change; what changes is a count for each rule and the list of
 * names that were logged, both atomic.  With no rule for a point, passing it
 * costs a comparison for each rule there is.
 *
 * A rule that can not be understood ends the process: a test whose failure
 * is not injected would pass and prove nothing.
 */
#include "daemon/base/failpoint.h"

_Static_assert(FAILPOINT_SHORT > 0, "an injected error is negative");

#ifdef BW_FAILPOINTS

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_RULES 32
#define MAX_NAMES 256
#define EXIT_USAGE 64

enum action { DO_KILL, DO_STALL, DO_ERRNO, DO_SHORT, DO_SLEEP };

struct rule {
	/* constant after start */
	const char *name;
	const char *file; /* only while it exists, or NULL */
	size_t len;	  /* of the name, without '*' */
	int any;	  /* the name ended in '*' */
	enum action action;
	int value;    /* errno, or milliseconds */
	uint64_t nth; /* 0: every time */
	/* shared, atomic */
	_Atomic uint64_t passed;
};

/* constant after start */
static struct rule rules[MAX_RULES];
static char *rules_text; /* what they point into */
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

/* At the end of an action: takes off `@N`. */
static uint64_t parse_nth(char *action)
{
	char *at = strrchr(action, '@');
	char *end;
	uint64_t n;

	if (!at)
		return 0;
	n = strtoull(at + 1, &end, 10);
	if (end == at + 1 || *end)
		return 0; /* a '@' in a file's name */
	if (n == 0)
		fail("counting begins at 1", action);
	*at = '\0';
	return n;
}

static int parse_errno(const char *name)
{
	for (int err = 1; err < 200; err++) {
		const char *known = strerrorname_np(err);

		if (known && strcmp(known, name) == 0)
			return err;
	}
	return 0;
}

static void parse_action(struct rule *rule, char *action)
{
	char *arg = strchr(action, ':');
	char *end;

	if (arg)
		*arg++ = '\0';
	rule->file = arg;
	if (strcmp(action, "kill") == 0 && !arg) {
		rule->action = DO_KILL;
	} else if (strcmp(action, "short") == 0 && !arg) {
		rule->action = DO_SHORT;
	} else if (strcmp(action, "stall") == 0 && arg && *arg) {
		rule->action = DO_STALL;
	} else if (strcmp(action, "sleep") == 0 && arg && *arg) {
		rule->action = DO_SLEEP;
		rule->file = NULL;
		rule->value = (int)strtol(arg, &end, 10);
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
	*action++ = '\0';
	rule->name = text;
	rule->len = strlen(text);
	if (text[rule->len - 1] == '*') {
		rule->any = 1;
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
	char *text;
	char *rest;

	if (log && *log) {
		log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			      0644);
		if (log_fd < 0)
			fail("can not open BW_FAILPOINTS_LOG", log);
	}
	if (!env)
		return;
	rules_text = strdup(env);
	rest = rules_text;
	while ((text = strsep(&rest, ";")))
		if (*text)
			parse_rule(text);
}

/* --- passing a point ----------------------------------------------------- */

/*
 * The exchange decides which of two threads logs a name; it orders nothing,
 * as names are texts of the program and there from its start.
 */
static void log_name(const char *name)
{
	char line[128];
	int len;

	for (unsigned i = 0; i < MAX_NAMES; i++) {
		const char *known = atomic_load_explicit(&logged[i],
							 memory_order_relaxed);

		if (!known &&
		    atomic_compare_exchange_strong_explicit(
			    &logged[i], &known, name, memory_order_relaxed,
			    memory_order_relaxed)) {
			len = snprintf(line, sizeof(line), "%s\n", name);
			if (write(log_fd, line, (size_t)len) != len)
				fail("can not write BW_FAILPOINTS_LOG", name);
			return;
		}
		if (strcmp(known, name) == 0)
			return;
	}
	fail("too many names for BW_FAILPOINTS_LOG", name);
}

static int exists(const char *file)
{
	return access(file, F_OK) == 0;
}

static void sleep_ms(int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		;
}

static int act(const struct rule *rule)
{
	switch (rule->action) {
	case DO_KILL:
		/* the whole process, and this thread goes no step further */
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

static int matches(const struct rule *rule, const char *name)
{
	return strncmp(rule->name, name, rule->len) == 0 &&
	       (rule->any || name[rule->len] == '\0');
}

int failpoint_hit(const char *name)
{
	int saved = errno;
	int result = 0;

	pthread_once(&once, start);
	if (log_fd >= 0)
		log_name(name);
	for (unsigned i = 0; i < nrules; i++) {
		struct rule *rule = &rules[i];
		uint64_t n;
		int ret;

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
