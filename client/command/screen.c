/* SPDX-License-Identifier: MIT */
/*
 * See screen.h.
 *
 * Job control.  The program blocks the signals that end or stop it, and reads
 * them from a descriptor.  A stopped program reads nothing, so while it is
 * stopped the signals must have their default action; otherwise nobody could
 * end it.  Therefore a stop has three steps: the program restores the
 * terminal, unblocks the signals, and stops.  It stops by a SIGTSTP, or because
 * it is in the background and touches the terminal.  A SIGSTOP gives no chance
 * to do this, so the program does it when it continues.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "client/command/screen.h"

#define ENTER "\033[?1049h\033[?25l\033[H\033[2J"
#define LEAVE "\033[?25h\033[?1049l"
#define REVERSE "\033[7m"
#define PLAIN "\033[m"
#define REST_OF_LINE "\033[K"
#define REST_OF_SCREEN "\033[J"

/* On a larger terminal the rest stays empty. */
#define COLUMNS_MAX 512
#define LINES_MAX 256
/* One line of text, and the sequences around it. */
#define TEXT_MAX_BYTES 1024
#define LINE_MAX_BYTES (TEXT_MAX_BYTES + 16)

struct screen {
	/* constant after screen_open() */
	struct termios old_termios; /* screen_close() restores these two */
	sigset_t old_mask;
	sigset_t handled; /* the signals that signal_fd reads */
	int signal_fd;

	int end_signal; /* the signal that ends the program, or 0 */
	int columns, lines;

	/* the frame that is being drawn */
	int line; /* the next one, from 0 */
	size_t frame_bytes;
	char frame[LINES_MAX * LINE_MAX_BYTES];
};

static void write_out(const char *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(STDOUT_FILENO, bytes, len);
		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			bytes += n;
			len -= n;
		}
	}
}

static void get_size(struct screen *s)
{
	struct winsize size;

	s->columns = 80;
	s->lines = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 &&
	    size.ws_row > 0) {
		s->columns = size.ws_col;
		s->lines = size.ws_row;
	}
	if (s->columns > COLUMNS_MAX)
		s->columns = COLUMNS_MAX;
	if (s->lines > LINES_MAX)
		s->lines = LINES_MAX;
	assert(s->columns > 0 && s->lines > 0);
}

/*
 * Returns 0 when this program may change the terminal.  In the background, the
 * kernel stops the program until then.  Returns -1 if it never may.
 */
static int await_terminal(void)
{
	/* tcdrain(3) changes nothing, but needs the right to change something. */
	return tcdrain(STDIN_FILENO);
}

/* Sets the terminal up.  The terminal must be in its old state. */
static void enter(struct screen *s)
{
	struct termios raw = s->old_termios;

	sigprocmask(SIG_UNBLOCK, &s->handled, NULL);
	await_terminal();
	sigprocmask(SIG_BLOCK, &s->handled, NULL);
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	write_out(ENTER, strlen(ENTER));
	get_size(s);
}

static bool in_background(void)
{
	pid_t front = tcgetpgrp(STDIN_FILENO);

	/* -1: the terminal has no job control. */
	return front >= 0 && front != getpgrp();
}

/*
 * Restores the terminal.  This never stops the program, even in the background:
 * SIGTTOU is blocked, and the modes are left to the job that is in front.
 */
static void leave(struct screen *s)
{
	sigset_t output, mask;

	sigemptyset(&output);
	sigaddset(&output, SIGTTOU);
	sigprocmask(SIG_BLOCK, &output, &mask);
	write_out(LEAVE, strlen(LEAVE));
	if (!in_background())
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &s->old_termios);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

const char *screen_refusal(void)
{
	const char *term = getenv("TERM");

	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
	    strcmp(term, "dumb"))
		return NULL;
	return "this needs a terminal; programs can use 'bufwriter status "
	       "--json'";
}

struct screen *screen_open(void)
{
	static struct screen screen;
	struct screen *s = &screen;

	/* In the background, the modes are those of another job. */
	if (await_terminal() || tcgetattr(STDIN_FILENO, &s->old_termios))
		return NULL;
	sigemptyset(&s->handled);
	sigaddset(&s->handled, SIGINT);
	sigaddset(&s->handled, SIGTERM);
	sigaddset(&s->handled, SIGHUP);
	sigaddset(&s->handled, SIGQUIT);
	sigaddset(&s->handled, SIGTSTP);
	sigaddset(&s->handled, SIGCONT);
	sigaddset(&s->handled, SIGWINCH);
	sigprocmask(SIG_BLOCK, &s->handled, &s->old_mask);
	s->signal_fd = signalfd(-1, &s->handled, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return NULL;
	enter(s);
	return s;
}

int screen_close(struct screen *s)
{
	leave(s);
	close(s->signal_fd);
	sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
	return s->end_signal;
}

/* -- a frame ------------------------------------------------------------- */

static void append(struct screen *s, const char *text)
{
	size_t n = strlen(text);

	/* The frame has room for LINES_MAX of the longest lines. */
	assert(n <= sizeof(s->frame) - s->frame_bytes);
	memcpy(s->frame + s->frame_bytes, text, n);
	s->frame_bytes += n;
}

void screen_begin(struct screen *s)
{
	s->line = 0;
	s->frame_bytes = 0;
	append(s, "\033[H");
}

/*
 * How many bytes of the text fit this many columns.  Every character of UTF-8
 * counts as one column.
 */
static size_t fitting(const char *text, int columns)
{
	size_t i;

	for (i = 0; text[i]; i++)
		if ((text[i] & 0xc0) != 0x80 && columns-- == 0)
			break;
	return i;
}

__attribute__((format(printf, 3, 0))) static void
add_line(struct screen *s, const char *style, const char *fmt, va_list args)
{
	char text[TEXT_MAX_BYTES];

	/* The last row stays free: a newline there would scroll. */
	if (s->line >= s->lines - 1)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	text[fitting(text, s->columns)] = '\0';
	append(s, style);
	append(s, text);
	append(s, REST_OF_LINE PLAIN "\r\n");
	s->line++;
}

void screen_line(struct screen *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_line(s, "", fmt, args);
	va_end(args);
}

void screen_title(struct screen *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_line(s, REVERSE, fmt, args);
	va_end(args);
}

void screen_end(struct screen *s)
{
	append(s, REST_OF_SCREEN);
	write_out(s->frame, s->frame_bytes);
}

/* -- keys and signals ---------------------------------------------------- */

/* ^Z: the shell gets the terminal in its old state until the job continues. */
static void suspend(struct screen *s)
{
	leave(s);
	raise(SIGTSTP); /* stops the program when enter() unblocks it */
	enter(s);
}

static int read_signal(struct screen *s)
{
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return SCREEN_NOTHING;
	switch (info.ssi_signo) {
	case SIGWINCH:
		get_size(s);
		return SCREEN_CHANGED;
	case SIGCONT:
		/* After a SIGSTOP: do what suspend() does for a SIGTSTP. */
		leave(s);
		enter(s);
		return SCREEN_CHANGED;
	case SIGTSTP:
		suspend(s);
		return SCREEN_CHANGED;
	default:
		s->end_signal = info.ssi_signo;
		return SCREEN_END;
	}
}

int screen_wait(struct screen *s, int timeout_ms)
{
	struct pollfd fds[2] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = s->signal_fd, .events = POLLIN },
	};
	unsigned char key;

	if (poll(fds, 2, timeout_ms) <= 0)
		return SCREEN_NOTHING;
	if (fds[1].revents)
		return read_signal(s);
	/* Ready, but without a byte: the terminal is gone. */
	if (read(STDIN_FILENO, &key, 1) != 1)
		return SCREEN_END;
	return key > SCREEN_END ? key : SCREEN_NOTHING;
}
