/* SPDX-License-Identifier: MIT */
/*
 * The control socket: what peers send, and the answers.
 *
 * The input is the settings file for `reload`, up to a line `---`, and then
 * what the peers do.  These bytes are events, all others are sent:
 *
 *	0x10 .. 0x13	that one of four peers goes on; it connects first
 *	0x14		what was sent so far arrives
 *	0x15		the peer ends its sending
 *	0x16		the peer closes
 *	0x17		all time limits are over
 *	0x18		the workers have done what they were told
 *	0x19		from now on new peers are not trusted
 *	0x1a		the daemon stops
 *	0x1b		a worker fails
 *	0x1c		the peer reads nothing from now on
 *	0x1d		the start is complete
 *	0x1e		it waits for the disk
 *	0x1f		the path of the socket is lost
 *
 * The start is complete from the beginning, unless the input begins with `#`.
 *
 * - Each answer is one line of JSON: an object, with `code` if it has `error`.
 * - A peer gets at most one answer for a line, and one more when the server
 *   closes the connection.
 * - The server has an end of its work, and at the end nothing stays open.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/command/json.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/remedy.h"
#include "daemon/control/commands.h"
#include "daemon/control/show.h"
#include "tests/fuzz/fuzz.h"

#define PEERS 4
#define WORKERS 2
/* Enough for what a peer can cause, far below a server that spins. */
#define TURNS 10000

struct peer {
	int fd; /* -1: not connected */
	bool deaf;
	unsigned sent;	/* lines */
	unsigned heard; /* answers */
	bool ended;	/* the last answer came */
	char *answer;	/* a part of one */
	size_t len;
};

static char file[PATH_MAX];
static struct sockaddr_un address;
static socklen_t address_len;
static int listener_fd, datagrams[2];
static uv_loop_t loop;
static struct config *defaults;

static struct region region;
static struct worker *worker_list;
static struct start start;
static struct metrics_file metrics_file; /* there is none */
static struct path_watch watch;
static struct listener listener;
static struct workers workers;
static struct reload settings;
static struct recovered recovered;
static struct commands commands;
static struct peer peers[PEERS];
static bool trusted;

/* --- the daemon ---------------------------------------------------------- */

static void on_problem(void *arg, const char *line)
{
	(void)arg;
	fuzz_fail(__FILE__, __LINE__, "%s", line);
}

static void open_listener(void)
{
	address.sun_family = AF_UNIX;
	listener_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	FUZZ_CHECK(listener_fd >= 0, "socket: %s", strerror(errno));
	/* a name that the kernel chooses */
	FUZZ_CHECK(!bind(listener_fd, (void *)&address, sizeof(sa_family_t)),
		   "bind: %s", strerror(errno));
	address_len = sizeof(address);
	FUZZ_CHECK(!getsockname(listener_fd, (void *)&address, &address_len),
		   "getsockname: %s", strerror(errno));
	FUZZ_CHECK(!socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams),
		   "socketpair: %s", strerror(errno));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const options[] = {
		"state.path=", "buffer.workers=2", "buffer.size=4K",
		"buffer.queue_size=16"
	};
	struct failure failure;
	int err;

	(void)argc;
	(void)argv;
	log_set_level(0);
	snprintf(file, sizeof(file), "%s/fuzz.ini", fuzz_dir());
	err = config_load(NULL, options, 4, on_problem, NULL, &defaults);
	FUZZ_CHECK(!err, "no settings: %d", err);
	FUZZ_CHECK(!region_create(&region, defaults, &failure), "%s",
		   failure.text);
	open_listener();
	FUZZ_CHECK(!uv_loop_init(&loop), "no loop");
	worker_list = aligned_alloc(CACHE_LINE,
				    WORKERS * sizeof(struct worker));
	FUZZ_CHECK(worker_list, "out of memory");
	return 0;
}

/* Workers without threads; see on_event(). */
static void open_workers(void)
{
	static const struct flush_place place;
	unsigned i;

	memset(worker_list, 0, WORKERS * sizeof(struct worker));
	workers.list = worker_list;
	workers.count = WORKERS;
	workers.ring = &region.ring;
	workers.orders.ring = &region.ring;
	atomic_init(&workers.orders.cfg, settings.cfg);
	for (i = 0; i < WORKERS; i++)
		worker_open(&worker_list[i], i, &region.arenas[i], &place,
			    &workers.orders);
}

static void complete_start(void)
{
	if (start.complete)
		return;
	start.complete = true;
	open_workers();
	listener_begin(&listener, &region.ring, &workers);
}

static void open_daemon(void)
{
	static const char *const options[] = { "log.level=error" };
	struct sources from = {
		.ring = &region.ring,
		.listener = &listener,
		.workers = &workers,
		.workers_most = WORKERS,
		.settings = &settings,
		.start = &start,
		.watch = &watch,
		.region_watch = &watch,
		.lock_watch = &watch,
		.metrics = &metrics_file,
		.recovered = &recovered,
		.socket = "/run/\xff\"\n.sock",
		.started_mono_ns = clock_now(),
	};

	memset(&settings, 0, sizeof(settings));
	settings.file = file;
	settings.options = options;
	settings.noptions = 1;
	settings.listener = &listener;
	settings.workers = &workers;
	settings.cfg = config_merge(defaults, defaults);
	FUZZ_CHECK(settings.cfg, "out of memory");
	memset(&workers, 0, sizeof(workers));
	memset(&start, 0, sizeof(start));
	memset(&watch, 0, sizeof(watch));
	listener_start(&listener, &loop, datagrams[0], true, settings.cfg);
	FUZZ_CHECK(!commands_open(&commands, listener_fd, &from),
		   "commands_open");
	log_set_level(0);
}

static void close_daemon(void)
{
	listener_close(&listener);
	uv_run(&loop, UV_RUN_NOWAIT);
	reload_close(&settings);
}

/* A reload may have raised it. */
static void be_quiet(void)
{
	log_set_level(0);
}

static void set_trust(void)
{
	unsigned i;

	for (i = 0; i < SERVER_CONNECTIONS; i++)
		commands.server.connections[i].trusted = trusted;
}

static void serve(void)
{
	struct pollfd p = { .fd = commands.server.epoll, .events = POLLIN };
	unsigned turns = 0;

	while (poll(&p, 1, 0) > 0) {
		commands.server.credit_ns = SERVER_CREDIT_NS;
		server_turn(&commands.server, clock_now());
		set_trust();
		commands_check_flushes(&commands);
		be_quiet();
		FUZZ_CHECK(++turns < TURNS, "the server spins");
	}
}

/* --- a peer -------------------------------------------------------------- */

/* After these errors the server closes the connection. */
static bool is_last(const char *line)
{
	char code[16], error[32];

	json_string(json_at(line, "code"), code, sizeof(code));
	json_string(json_at(line, "error"), error, sizeof(error));
	return !strcmp(code, "idle") || !strcmp(code, "busy") ||
	       !strncmp(error, "the line is longer", 18);
}

static void check_answer(struct peer *p, const char *line, size_t len)
{
	FUZZ_CHECK(strlen(line) == len, "a NUL is in an answer");
	FUZZ_CHECK(json_valid(line) && *line == '{', "no JSON: %s", line);
	FUZZ_CHECK(!json_at(line, "error") ||
			   json_is_string(json_at(line, "code")),
		   "an error has no code: %s", line);
	FUZZ_CHECK(!p->ended, "an answer follows the last: %s", line);
	p->ended = is_last(line);
	p->heard++;
}

/* Takes complete lines from what was heard. */
static void split(struct peer *p)
{
	char *begin = p->answer, *end;

	while ((end = memchr(begin, '\n', p->answer + p->len - begin))) {
		*end = '\0';
		check_answer(p, begin, end - begin);
		begin = end + 1;
	}
	p->len -= begin - p->answer;
	memmove(p->answer, begin, p->len);
}

static void disconnect(struct peer *p)
{
	close(p->fd);
	p->fd = -1;
}

/* False: the connection is at its end. */
static bool hear(struct peer *p)
{
	size_t room = 2 * show_room(WORKERS, false);
	ssize_t n;

	if (!p->answer)
		p->answer = malloc(room);
	FUZZ_CHECK(p->answer, "out of memory");
	do {
		FUZZ_CHECK(p->len < room, "an answer is too long");
		n = recv(p->fd, p->answer + p->len, room - p->len,
			 MSG_DONTWAIT);
		if (n > 0)
			p->len += n;
		split(p);
	} while (n > 0);
	/* a last line without its newline, and that no command came for long */
	FUZZ_CHECK(p->heard <= p->sent + 2, "%u answers to %u lines", p->heard,
		   p->sent);
	return n < 0 && errno == EAGAIN;
}

static void hear_all(void)
{
	struct peer *p;

	for (p = peers; p < peers + PEERS; p++)
		if (p->fd >= 0 && !p->deaf && !hear(p))
			disconnect(p);
}

static void let_arrive(void)
{
	serve();
	hear_all();
	serve();
}

static void make_peer(struct peer *p)
{
	if (p->fd >= 0)
		return;
	free(p->answer);
	memset(p, 0, sizeof(*p));
	p->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	FUZZ_CHECK(p->fd >= 0, "socket: %s", strerror(errno));
	FUZZ_CHECK(!connect(p->fd, (void *)&address, address_len),
		   "connect: %s", strerror(errno));
	serve();
}

static void say(struct peer *p, const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		p->sent += data[i] == '\n';
	(void)!send(p->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* --- events -------------------------------------------------------------- */

static void pass_time(void)
{
	server_expire(&commands.server, UINT64_MAX);
	be_quiet();
}

static void settle_workers(void)
{
	unsigned i;

	for (i = 0; i < workers.count; i++) {
		struct worker *w = &workers.list[i];

		atomic_store(&w->flushed,
			     atomic_load(&workers.orders.flush_request));
		atomic_store(&w->cfg_seen,
			     atomic_load(&workers.orders.cfg_generation));
		atomic_store(&w->error, 0);
	}
	reload_settle(&settings);
	commands_check_flushes(&commands);
}

static void fail_worker(void)
{
	if (!workers.count)
		return;
	atomic_store(&workers.list[0].error, ENOSPC);
	atomic_store(&workers.list[0].failing_since_ns, clock_now());
}

static void on_event(uint8_t event, struct peer **p)
{
	switch (event) {
	case 0x10:
	case 0x11:
	case 0x12:
	case 0x13:
		*p = &peers[event - 0x10];
		make_peer(*p);
		break;
	case 0x14:
		let_arrive();
		break;
	case 0x15:
		shutdown((*p)->fd, SHUT_WR);
		break;
	case 0x16:
		disconnect(*p);
		break;
	case 0x17:
		pass_time();
		break;
	case 0x18:
		settle_workers();
		break;
	case 0x19:
		trusted = false;
		break;
	case 0x1a:
		commands.stopping = true;
		break;
	case 0x1b:
		fail_worker();
		break;
	case 0x1c:
		(*p)->deaf = true;
		break;
	case 0x1d:
		complete_start();
		break;
	case 0x1e:
		atomic_store(&start.waits_remedy, remedy(-ENOSPC));
		atomic_store(&start.waits_for, ENOSPC);
		break;
	default:
		watch.lost = true;
		break;
	}
}

static void play(struct fuzz_input *in)
{
	struct peer *p = &peers[0];
	size_t n;

	while (in->left) {
		make_peer(p);
		for (n = 0; n < in->left; n++)
			if (in->data[n] >= 0x10 && in->data[n] <= 0x1f)
				break;
		say(p, in->data, n);
		if (n < in->left)
			on_event(in->data[n++], &p);
		in->data += n;
		in->left -= n;
	}
	let_arrive();
}

static void check_end(void)
{
	struct peer *p;

	pass_time();
	let_arrive();
	for (p = peers; p < peers + PEERS; p++) {
		if (p->fd >= 0)
			disconnect(p);
		free(p->answer);
		p->answer = NULL;
	}
	serve();
	pass_time();
	FUZZ_CHECK(!commands.server.open, "%u connections stay open",
		   commands.server.open);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size }, text;
	unsigned i;

	text = fuzz_until_line(&in, "---");
	fuzz_write(file, text.data, text.left);
	trusted = true;
	for (i = 0; i < PEERS; i++)
		peers[i] = (struct peer){ .fd = -1 };
	open_daemon();
	if (!size || *data != '#')
		complete_start();
	play(&in);
	check_end();
	commands_close(&commands, true);
	close_daemon();
	return 0;
}
