/* SPDX-License-Identifier: MIT */
/*
 * See screen.h.
 *
 * Job control.  The signals that end or stop the program are read from a
 * descriptor, and nobody reads while it is stopped: there they have to act by
 * themselves, or a stopped program could not be ended.  So the terminal is
 * given back first, then they are let through, then the program stops, by a
 * SIGTSTP or because it is in the background and asks for the terminal.  After
 * a SIGSTOP, which nobody can see coming, the same is done when it goes on.
 */
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

/* A larger terminal shows no more than this. */
#define COLUMNS_MAX 512
#define LINES_MAX 256

struct screen {
	struct termios before; /* to give back */
	sigset_t mask;	       /* the same */
	sigset_t taken;	       /* those that signals reads */
	int signals;	       /* signalfd */
	int ended;	       /* signal */
	int columns, lines;
	int line; /* next one of the frame */
	size_t len;
	char frame[LINES_MAX * (COLUMNS_MAX + 16)];
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
			len -= (size_t)n;
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
}

/*
 * Returns when the terminal is for this program to change; the kernel stops it
 * until then.  0, or -1: it will not be.
 */
static int await_terminal(void)
{
	/* Changes nothing, but asks as if it did. */
	return tcdrain(STDIN_FILENO);
}

/* The terminal is given back, or was not taken yet. */
static void take(struct screen *s)
{
	struct termios raw = s->before;

	sigprocmask(SIG_UNBLOCK, &s->taken, NULL);
	await_terminal();
	sigprocmask(SIG_BLOCK, &s->taken, NULL);
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

	/* -1: a terminal without jobs */
	return front >= 0 && front != getpgrp();
}

/* Never stops: in the background whoever has the terminal has set it up. */
static void give_back(struct screen *s)
{
	sigset_t output, mask;

	sigemptyset(&output);
	sigaddset(&output, SIGTTOU);
	sigprocmask(SIG_BLOCK, &output, &mask);
	write_out(LEAVE, strlen(LEAVE));
	if (!in_background())
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &s->before);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

const char *screen_refusal(void)
{
	const char *term = getenv("TERM");

	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term != NULL &&
	    *term != '\0' && strcmp(term, "dumb") != 0)
		return NULL;
	return "this needs a terminal; for a program there is 'bufwriter "
	       "status --json'";
}

struct screen *screen_open(void)
{
	static struct screen screen;
	struct screen *s = &screen;

	/* In the background it is set up for somebody else. */
	if (await_terminal() != 0 || tcgetattr(STDIN_FILENO, &s->before) != 0)
		return NULL;
	sigemptyset(&s->taken);
	sigaddset(&s->taken, SIGINT);
	sigaddset(&s->taken, SIGTERM);
	sigaddset(&s->taken, SIGHUP);
	sigaddset(&s->taken, SIGQUIT);
	sigaddset(&s->taken, SIGTSTP);
	sigaddset(&s->taken, SIGCONT);
	sigaddset(&s->taken, SIGWINCH);
	sigprocmask(SIG_BLOCK, &s->taken, &s->mask);
	s->signals = signalfd(-1, &s->taken, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0)
		return NULL;
	take(s);
	return s;
}

int screen_close(struct screen *s)
{
	give_back(s);
	close(s->signals);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
	return s->ended;
}

/* -- a frame ------------------------------------------------------------- */

static void add(struct screen *s, const char *text)
{
	size_t n = strlen(text);

	if (n > sizeof(s->frame) - s->len)
		return;
	memcpy(s->frame + s->len, text, n);
	s->len += n;
}

void screen_begin(struct screen *s)
{
	s->line = 0;
	s->len = 0;
	add(s, "\033[H");
}

/* Bytes of text that take `columns`; a character of UTF-8 counts as one. */
static size_t fitting(const char *text, int columns)
{
	size_t i;

	for (i = 0; text[i] != '\0'; i++)
		if ((text[i] & 0xc0) != 0x80 && columns-- == 0)
			break;
	return i;
}

__attribute__((format(printf, 3, 0))) static void
add_line(struct screen *s, const char *style, const char *fmt, va_list args)
{
	char text[1024];

	/* The last line stays free: a newline there would scroll. */
	if (s->line >= s->lines - 1)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	text[fitting(text, s->columns)] = '\0';
	add(s, style);
	add(s, text);
	add(s, REST_OF_LINE PLAIN "\r\n");
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
	add(s, REST_OF_SCREEN);
	write_out(s->frame, s->len);
}

/* -- keys and signals ---------------------------------------------------- */

/* ^Z: the shell gets the terminal as it was, and we get it again later. */
static void stop(struct screen *s)
{
	give_back(s);
	raise(SIGTSTP); /* acts when take() lets it through */
	take(s);
}

static int read_signal(struct screen *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) != sizeof(info))
		return SCREEN_NOTHING;
	switch (info.ssi_signo) {
	case SIGWINCH:
		get_size(s);
		return SCREEN_CHANGED;
	case SIGCONT:
		/* After a SIGSTOP: as it would have been after a SIGTSTP. */
		give_back(s);
		take(s);
		return SCREEN_CHANGED;
	case SIGTSTP:
		stop(s);
		return SCREEN_CHANGED;
	default:
		s->ended = (int)info.ssi_signo;
		return SCREEN_END;
	}
}

int screen_wait(struct screen *s, int ms)
{
	struct pollfd fds[2] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = s->signals, .events = POLLIN },
	};
	unsigned char key;

	if (poll(fds, 2, ms) <= 0)
		return SCREEN_NOTHING;
	if (fds[1].revents != 0)
		return read_signal(s);
	/* No byte although something is there: the terminal is gone. */
	if (read(STDIN_FILENO, &key, 1) != 1)
		return SCREEN_END;
	return key > SCREEN_END ? key : SCREEN_NOTHING;
}
