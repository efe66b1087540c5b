/* SPDX-License-Identifier: MIT */
/*
 * See deliver.h.
 *
 * Waiting.  A wait of the library ends only with its timeout, but ^C must also
 * work during `--timeout never`.  So the library waits for a slice of the
 * user's timeout, SLICE_MS at most, and this file repeats the call until the
 * timeout is over.  Between two slices it looks for signals.
 *
 * Signals.  SIGINT and SIGTERM are blocked and read from a descriptor.  The
 * program looks at it where it waits and once for each block of input, never
 * between a send and its count.  So the summary is exact.
 *
 * Roads.  The first 2,000 messages are one send(2) each; then the library takes
 * a lane, unless they came slowly.  So a command that sends a line, and one
 * that waits for a line now and then, never take a lane from others.
 * sendmmsg(2) was measured to save 10 to 20 % of the time of datagrams.  But it
 * reports neither the error of the first message that it did not send nor how
 * long that message has waited.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "client/command/cmd.h"
#include "client/command/deliver.h"
#include "client/command/outcome.h"
#include "client/library/bufwriter.h"
#include "client/library/lanes_end.h"

#define SLICE_MS 100
/* Between two tries to reach a daemon that is gone. */
#define PAUSE_MS 20

/* Adds the signal unless it is ignored, as it is under nohup(1). */
static void add_signal(sigset_t *set, int signal)
{
	struct sigaction sa;

	if (sigaction(signal, NULL, &sa) == 0 && sa.sa_handler != SIG_IGN)
		sigaddset(set, signal);
}

/* Equal slices, so that the last one ends together with the timeout. */
static int slice_of(int timeout_ms)
{
	int n;

	if (timeout_ms == BW_FOREVER)
		return SLICE_MS;
	if (timeout_ms <= SLICE_MS)
		return timeout_ms;
	n = (timeout_ms + SLICE_MS - 1) / SLICE_MS;
	return (timeout_ms + n - 1) / n;
}

int deliver_open(struct deliver *d, struct outcome *outcome, const char *socket,
		 int timeout_ms)
{
	struct bw_options options = BW_OPTIONS;
	sigset_t set;
	int err;

	memset(d, 0, sizeof(*d));
	d->outcome = outcome;
	d->timeout_ms = timeout_ms;
	d->slice_ms = slice_of(timeout_ms);
	assert(d->slice_ms >= 0 && d->slice_ms <= SLICE_MS);
	options.socket = socket;
	options.timeout = d->slice_ms;
	err = bw_open(&d->bw, &options);
	if (err)
		return err;
	sigemptyset(&set);
	add_signal(&set, SIGINT);
	add_signal(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	/* Without a descriptor the signals keep their default action. */
	if (d->signal_fd < 0)
		sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 0;
}

int deliver_signal(const struct deliver *d)
{
	return d->signal;
}

/* Waits this long for a signal.  True: one came, now or earlier. */
static bool is_stopped(struct deliver *d, int wait_ms)
{
	struct pollfd pfd = { .fd = d->signal_fd, .events = POLLIN };
	struct signalfd_siginfo info;

	if (!d->signal && poll(&pfd, 1, wait_ms) == 1 &&
	    read(pfd.fd, &info, sizeof(info)) == sizeof(info))
		d->signal = info.ssi_signo;
	return d->signal != 0;
}

/*
 * Messages that the outcome counts as sent can be in a lane whose daemon was
 * killed.  They are the next daemon's, if it comes within the timeout.
 */
static void wait_for_lanes(struct deliver *d)
{
	const int64_t start_ms = cmd_clock_ms(CLOCK_MONOTONIC);
	uint64_t n, bytes;

	while ((n = bw_lanes_left(d->bw, &bytes)) && !is_stopped(d, 0) &&
	       (d->timeout_ms == BW_FOREVER ||
		cmd_clock_ms(CLOCK_MONOTONIC) - start_ms < d->timeout_ms))
		outcome_progress(d->outcome);
	if (n)
		outcome_lost(d->outcome, n, bytes, BW_NO_DAEMON);
	n = bw_lanes_lost(d->bw, &bytes);
	if (n)
		outcome_lost(d->outcome, n, bytes, BW_TOO_LARGE);
}

void deliver_close(struct deliver *d)
{
	wait_for_lanes(d);
	bw_close(d->bw);
	if (d->signal_fd >= 0)
		close(d->signal_fd);
}

bool deliver_wait_input(struct deliver *d, int fd)
{
	struct pollfd pfd[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = d->signal_fd, .events = POLLIN },
	};

	/* A file is always ready.  Any other error is found by read(2). */
	while (poll(pfd, 2, -1) < 0 && errno == EINTR)
		continue;
	return is_stopped(d, 0);
}

/* True if the daemon may take the same message a little later. */
static bool may_pass(int err)
{
	return err == BW_TIMEOUT || err == BW_NO_DAEMON ||
	       err == BW_NOT_PERMITTED || err == BW_NO_MEMORY;
}

/*
 * Sends again until the timeout is over; the library has waited for one slice
 * already.  As in the library, each message has the whole timeout while the
 * queue is full, and all messages together have one timeout while the daemon
 * is gone: so input of a million lines ends also without a daemon.
 *
 * The clock is the precise one.  By the coarse clock a wait could seem too
 * short by a tick, and another slice would follow.
 */
static int send_again(struct deliver *d, const char *data, size_t bytes,
		      int err)
{
	int64_t start_ms = cmd_clock_ms(CLOCK_MONOTONIC) - d->slice_ms;
	int64_t since_ms;

	while (may_pass(err)) {
		if (err != BW_TIMEOUT && !d->gone_since_ms)
			d->gone_since_ms = start_ms;
		since_ms = err == BW_TIMEOUT ? start_ms : d->gone_since_ms;
		if (d->timeout_ms != BW_FOREVER &&
		    cmd_clock_ms(CLOCK_MONOTONIC) - since_ms >= d->timeout_ms)
			break;
		outcome_progress(d->outcome);
		if (is_stopped(d, err == BW_TIMEOUT ? 0 : PAUSE_MS))
			return -EINTR;
		err = bw_write(d->bw, data, bytes);
	}
	return err;
}

bool deliver_message(struct deliver *d, const char *data, size_t bytes,
		     uint64_t number)
{
	int err = BW_TOO_LARGE;

	outcome_progress(d->outcome);
	if (data)
		err = bw_write(d->bw, data, bytes);
	if (err && (d->timeout_ms > SLICE_MS || d->timeout_ms == BW_FOREVER))
		err = send_again(d, data, bytes, err);
	if (!err) {
		d->gone_since_ms = 0;
		outcome_sent(d->outcome, bytes);
		return false;
	}
	if (err == -EINTR)
		return true;
	outcome_dropped(d->outcome, number, bytes, err);
	return is_stopped(d, 0);
}
