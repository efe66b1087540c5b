/* SPDX-License-Identifier: MIT */
/* See screen.h. */
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

#include "screen.h"

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

static void take(struct screen *s)
{
	struct termios raw = s->before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	write_out(ENTER, strlen(ENTER));
	get_size(s);
}

static void give_back(struct screen *s)
{
	write_out(LEAVE, strlen(LEAVE));
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &s->before);
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
	sigset_t mask;

	if (tcgetattr(STDIN_FILENO, &s->before) != 0)
		return NULL;
	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGQUIT);
	sigaddset(&mask, SIGTSTP);
	sigaddset(&mask, SIGCONT);
	sigaddset(&mask, SIGWINCH);
	sigprocmask(SIG_BLOCK, &mask, &s->mask);
	s->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
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
	sigset_t none;

	give_back(s);
	sigemptyset(&none);
	sigaddset(&none, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &none, NULL); /* stops here */
	sigprocmask(SIG_BLOCK, &none, NULL);
	take(s);
}

static int read_signal(struct screen *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) != sizeof(info))
		return SCREEN_NOTHING;
	switch (info.ssi_signo) {
	case SIGWINCH:
	case SIGCONT:
		get_size(s);
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
