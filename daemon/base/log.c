/* SPDX-License-Identifier: MIT */
/*
 * See log.h.
 *
 * Each thread composes its line on its own stack and puts it into the queue
 * (log_queue.h).  No flag of standard error is changed, because the
 * descriptor belongs to others as well: a blocked write(2) is the writing
 * thread's.  An error of that write cannot be reported anywhere, so the line
 * counts as lost.
 */
#include "daemon/base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"
#include "daemon/base/log_queue.h"
#include "daemon/base/thread.h"

/* constant after start */
static bool log_priorities; /* systemd reads `<N>` */

/* main thread */
static pthread_t log_thread;
static bool log_threaded;

/* shared, atomic */
static _Atomic int log_level = LEVEL_INFO;
static _Atomic bool log_queued;	  /* lines go to the writing thread */
static _Atomic bool log_stopping; /* it ends when the queue is empty */
static _Atomic bool log_woken;	  /* it looks at the queue again */
static _Atomic uint64_t log_lost_lines;
static _Atomic uint64_t log_untold; /* of these, not told of in a line */

static sem_t log_wake;

/*
 * JOURNAL_STREAM names the stream that systemd connected (systemd.exec(5)).
 * Every descendant of a service inherits the variable, even one whose standard
 * error was redirected; so it counts only if it names our standard error.
 */
static bool is_systemds(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;

	if (!stream)
		return getenv("INVOCATION_ID") && !isatty(STDERR_FILENO);
	return sscanf(stream, "%ju:%ju", &dev, &ino) == 2 &&
	       !fstat(STDERR_FILENO, &st) && st.st_dev == dev &&
	       st.st_ino == ino;
}

/*
 * A descriptor below 3 that is closed would be that of the next file opened,
 * and lines of the log would go into it.
 */
static void open_standard(void)
{
	int fd = 0;

	while (fd >= 0 && fd <= STDERR_FILENO)
		if (fcntl(fd, F_GETFD) >= 0)
			fd++;
		else
			fd = open("/dev/null", O_RDWR);
}

void log_open(void)
{
	open_standard();
	log_priorities = is_systemds();
	/* Reads the time zone now, so that localtime_r() in a thread need not. */
	tzset();
}

bool log_has_priorities(void)
{
	return log_priorities;
}

/* relaxed, as is the load: a level orders nothing */
void log_set_level(enum config_level level)
{
	store_relaxed(&log_level, level);
}

bool log_enabled(enum config_level level)
{
	return (int)level <= load_relaxed(&log_level);
}

/* `<4>`, or the local time and the level's word. */
static size_t head(char *out, size_t room, enum config_level level)
{
	struct timespec now;
	struct tm tm;
	size_t used;

	if (log_priorities)
		return snprintf(out, room, "<%d>", level);
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	used = strftime(out, room, "%Y-%m-%d %H:%M:%S", &tm);
	return used + snprintf(out + used, room - used,
			       ".%03d %s: ", (int)(now.tv_nsec / CLOCK_MS),
			       config_level_word(level));
}

/* The line of a message, with its newline; the length. */
__attribute__((format(printf, 3, 0))) static size_t
compose(char line[LOG_LINE], enum config_level level, const char *fmt,
	va_list ap)
{
	static const char cut[] = "...";
	size_t room = LOG_LINE - 1; /* the last byte is the newline's */
	size_t used, len, i;
	int saved = errno;
	int n;

	used = head(line, room, level);
	assert(used < room);
	errno = saved; /* for %m */
	n = vsnprintf(line + used, room - used, fmt, ap);
	len = n < 0 ? used : used + n;
	if (len >= room) {
		len = room - 1;
		memcpy(line + len - strlen(cut), cut, strlen(cut));
	}
	for (i = used; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == '\x7f')
			line[i] = '?';
	line[len++] = '\n';
	return len;
}

/* -- the writing thread -------------------------------------------------- */

/* False: the line, or the rest of it, cannot be written. */
static bool write_line(const char *line, size_t len)
{
	struct pollfd fd = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t n;

	while (len) {
		n = write(STDERR_FILENO, line, len);
		if (n > 0) {
			line += n;
			len -= n;
		} else if (n < 0 && errno == EAGAIN) {
			/* Somebody made it non-blocking. */
			poll(&fd, 1, -1);
		} else if (!n || errno != EINTR) {
			return false;
		}
	}
	return true;
}

static void lose(uint64_t lines)
{
	/* relaxed: numbers, which order nothing */
	atomic_fetch_add_explicit(&log_lost_lines, lines, memory_order_relaxed);
	atomic_fetch_add_explicit(&log_untold, lines, memory_order_relaxed);
}

__attribute__((format(printf, 1, 2))) static bool write_warning(const char *fmt,
								...)
{
	char line[LOG_LINE];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = compose(line, LEVEL_WARNING, fmt, ap);
	va_end(ap);
	return write_line(line, len);
}

/* Whatever the level: the lost lines may have been errors. */
static void tell_lost(void)
{
	/* relaxed, both: numbers, which order nothing */
	uint64_t n = atomic_exchange_explicit(&log_untold, 0,
					      memory_order_relaxed);

	if (n && !write_warning("lines of the log were lost: %" PRIu64
				"; standard error did not take them: let its "
				"reader read it, or make room",
				n))
		atomic_fetch_add_explicit(&log_untold, n, memory_order_relaxed);
}

/* As many lines as there are, but tells of lost ones after each queueful. */
static void write_lines(void)
{
	char line[LOG_LINE];
	unsigned lines = 0;
	size_t len;

	while (lines++ < LOG_QUEUE_LINES && (len = log_queue_take(line)))
		if (!write_line(line, len))
			lose(1);
	tell_lost();
}

static void wake_writer(void)
{
	/*
	 * acq_rel: the line comes before it, and the writer that resets it sees
	 * the line.  Pairs with the exchange in writer().
	 */
	if (!atomic_exchange_explicit(&log_woken, true, memory_order_acq_rel))
		sem_post(&log_wake);
}

static void *writer(void *arg)
{
	bool stopping;

	(void)arg;
	pthread_setname_np(pthread_self(), "log");
	do {
		while (sem_wait(&log_wake))
			;
		/* pairs with the exchange in wake_writer() */
		atomic_exchange_explicit(&log_woken, false,
					 memory_order_acq_rel);
		/* pairs with the release in log_stop() */
		stopping = load_acquire(&log_stopping);
		write_lines();
	} while (!stopping);
	return NULL;
}

int log_start(void)
{
	int err;

	assert(!log_threaded);
	log_queue_open();
	sem_init(&log_wake, 0, 0);
	/* relaxed, both: the creation of the thread makes them visible */
	store_relaxed(&log_stopping, false);
	store_relaxed(&log_woken, false);
	err = thread_start(&log_thread, writer, NULL);
	log_threaded = !err;
	/* relaxed: threads that log are made later */
	store_relaxed(&log_queued, !err);
	return err;
}

void log_stop(void)
{
	if (!log_threaded)
		return;
	log_threaded = false;
	/* pairs with the acquire in writer() */
	store_release(&log_stopping, true);
	wake_writer();
	if (thread_join_within(log_thread, LOG_STOP_MS))
		/* relaxed: the threads that log have ended */
		store_relaxed(&log_queued, false);
}

uint64_t log_lost(void)
{
	return load_relaxed(&log_lost_lines);
}

/* -- any thread ---------------------------------------------------------- */

void log_write(enum config_level level, const char *fmt, ...)
{
	char line[LOG_LINE];
	int saved = errno;
	va_list ap;
	size_t len;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	len = compose(line, level, fmt, ap);
	va_end(ap);
	/* relaxed: set before other threads start */
	if (!load_relaxed(&log_queued)) {
		(void)write_line(line, len);
	} else {
		if (!log_queue_put(line, len))
			lose(1);
		wake_writer();
	}
	errno = saved;
}

bool log_limit(struct log_limit *limit, uint64_t now_ns, uint64_t *missed)
{
	if (now_ns < limit->next_ns) {
		limit->missed++;
		return false;
	}
	*missed = limit->missed;
	limit->missed = 0;
	limit->next_ns = now_ns + limit->every_ns;
	return true;
}
