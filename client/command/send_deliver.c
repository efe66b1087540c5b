/* SPDX-License-Identifier: MIT */
/*
 * One message to the daemon, for as long as the user is patient.
 *
 * The library's waits end only with its timeout, and a user who presses ^C
 * during `--timeout never` wants to be heard.  So the library waits SLICE
 * milliseconds at most, and the rest of the patience is a loop around it that
 * looks for signals in between.
 *
 * SIGINT and SIGTERM are blocked and read from a descriptor.  They are seen
 * where the program waits and once for each block of input, never between a
 * send and its count: the summary is exact.
 *
 * One send(2) for each message, not sendmmsg(2) for many: that was
 * measured to save a tenth to a fifth of the time, and it does not say which
 * error the message after the last one had, nor how long that one has waited.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/command/cmd.h"
#include "client/command/send.h"

#define SLICE 100 /* milliseconds at most */
#define PAUSE 20  /* milliseconds between two looks for a daemon that is gone */

/* A signal that is ignored, as under nohup(1), stays ignored. */
static void block(sigset_t *set, int signal)
{
	struct sigaction sa;

	if (sigaction(signal, NULL, &sa) == 0 && sa.sa_handler != SIG_IGN)
		sigaddset(set, signal);
}

/* The patience in equal slices: the last one ends with it. */
static int slice_of(int timeout)
{
	int n;

	if (timeout == BW_FOREVER)
		return SLICE;
	if (timeout <= SLICE)
		return timeout;
	n = (timeout + SLICE - 1) / SLICE;
	return (timeout + n - 1) / n;
}

int deliver_open(struct send *s, const char *socket, int timeout)
{
	struct bw_options options = BW_OPTIONS;
	struct deliver *d = &s->deliver;
	sigset_t set;
	int err;

	d->timeout = timeout;
	options.socket = socket;
	d->slice = slice_of(timeout);
	options.timeout = d->slice;
	err = bw_open(&d->bw, &options);
	if (err != 0)
		return err;
	sigemptyset(&set);
	block(&set, SIGINT);
	block(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	d->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signals >= 0)
		return 0;
	/* then they do what they always do */
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 0;
}

void deliver_close(struct send *s)
{
	bw_close(s->deliver.bw);
	if (s->deliver.signals >= 0)
		close(s->deliver.signals);
}

int deliver_stopped(struct send *s, int ms)
{
	struct pollfd pfd = { .fd = s->deliver.signals, .events = POLLIN };
	struct signalfd_siginfo info;

	if (s->deliver.stopped == 0 && poll(&pfd, 1, ms) == 1 &&
	    read(pfd.fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		s->deliver.stopped = (int)info.ssi_signo;
	return s->deliver.stopped != 0;
}

int deliver_wait_input(struct send *s, int fd)
{
	struct pollfd pfd[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = s->deliver.signals, .events = POLLIN },
	};

	/* ready at once for a file; another error is read(2)'s to tell */
	while (poll(pfd, 2, -1) < 0 && errno == EINTR)
		continue;
	return deliver_stopped(s, 0);
}

/* Whether the same message can be taken a little later. */
static int may_pass(int err)
{
	return err == BW_TIMEOUT || err == BW_NO_DAEMON ||
	       err == BW_NOT_PERMITTED || err == BW_NO_MEMORY;
}

/*
 * The library has waited for a slice.  Like the library, waits for a full
 * queue with each message, but for a daemon that is gone with all of them
 * together: input of a million lines ends, also without a daemon.
 *
 * Not by report_clock(): a wait could seem too short by a tick, and another
 * slice would follow.
 */
static int deliver_patiently(struct send *s, const char *data, size_t len,
			     int err)
{
	struct deliver *d = &s->deliver;
	int64_t start = cmd_clock() - d->slice;
	int64_t since;

	while (may_pass(err)) {
		if (err != BW_TIMEOUT && d->gone_since == 0)
			d->gone_since = start;
		since = err == BW_TIMEOUT ? start : d->gone_since;
		if (d->timeout != BW_FOREVER &&
		    cmd_clock() - since >= d->timeout)
			break;
		report_progress(s);
		if (deliver_stopped(s, err == BW_TIMEOUT ? 0 : PAUSE))
			return -EINTR;
		err = bw_write(d->bw, data, len);
	}
	return err;
}

int deliver(struct send *s, const char *data, size_t len, uint64_t number)
{
	struct deliver *d = &s->deliver;
	int err = BW_TOO_LARGE;

	report_progress(s);
	if (data != NULL)
		err = bw_write(d->bw, data, len);
	if (err != 0 && (d->timeout > SLICE || d->timeout == BW_FOREVER))
		err = deliver_patiently(s, data, len, err);
	if (err == 0) {
		d->gone_since = 0;
		report_sent(s, len);
		return 0;
	}
	if (err == -EINTR)
		return 1;
	report_dropped(s, number, len, err);
	return deliver_stopped(s, 0);
}
