/* SPDX-License-Identifier: MIT */
/* See lane_stub.h. */
#include "tests/lib/lane_stub.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "client/library/lane.h"
#include "tests/lib/handle.h"

#define LANES_MAX 128
#define MAGIC 0x314c5742
#define KEPT_MAX 4096

struct lane_stub lane_stub;

struct given {
	int connection; /* -1: free */
	int memory;	/* -1: no lane */
	bool is_gone;	/* the client is; what is left is read */
	bool is_closed;
	bool is_used; /* a message came */
	struct bw_lane_head *head;
	char *data;
	uint64_t size, id, read;
};

struct dead {
	uint64_t id, read;
};

/* guarded by mutex */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct given given[LANES_MAX];
static struct dead dead[LANES_MAX];
static unsigned dead_count;
static int listening = -1;
static bool stops;
static _Atomic(struct bw_lane_head *) last_head; /* any thread */
/* messages that no sink has taken */
static struct kept {
	enum road road;
	uint32_t len;
	char *data;
} kept[KEPT_MAX];
static unsigned kept_first, kept_end;

static pthread_t thread;
static bool has_thread;
static atomic_bool works; /* the thread */

#define NEED(condition)                                                       \
	do {                                                                  \
		if (!(condition)) {                                           \
			fprintf(stderr, "lane_stub.c:%d: %s: %s\n", __LINE__, \
				#condition, strerror(errno));                 \
			abort();                                              \
		}                                                             \
	} while (0)

static uint64_t now_ms(void)
{
	return (uint64_t)receiver_now_ms();
}

static void message(enum road road, const char *data, uint32_t len)
{
	struct kept *k;

	atomic_fetch_add(&lane_stub.messages[road], 1);
	if (lane_stub.sink) {
		lane_stub.sink(road, data, len);
		return;
	}
	/* Tests that send more look at the counters only. */
	if (kept_end - kept_first == KEPT_MAX)
		return;
	k = &kept[kept_end++ % KEPT_MAX];
	k->road = road;
	k->len = len;
	k->data = malloc(len + 1);
	NEED(k->data);
	memcpy(k->data, data, len);
}

/* --- one lane, with the mutex ---------------------------------------------- */

static void wake(struct given *g, bool always)
{
	if (!always && !atomic_load(&g->head->waiters))
		return;
	atomic_fetch_add(&g->head->room_wake, 1);
	syscall(SYS_futex, &g->head->room_wake, FUTEX_WAKE, 1 << 30, NULL, NULL,
		0);
}

/* Reads at most `bytes`.  True: something was read. */
static bool take_lane(struct given *g, uint64_t bytes)
{
	uint64_t written = atomic_load(&g->head->written) & ~BW_LANE_SEALED;
	uint64_t start = g->read;
	struct bw_record record;
	uint64_t at;

	NEED(written - g->read <= g->size && written % 8 == 0);
	while (g->read < written && g->read - start < bytes) {
		at = g->read % g->size;
		memcpy(&record, g->data + at, sizeof(record));
		NEED(record.zero == 0);
		NEED(BW_RECORD_BYTES(record.len) <= written - g->read);
		if (!g->is_used)
			atomic_fetch_add(&lane_stub.used, 1);
		g->is_used = true;
		message(g->head->large ? LARGE_LANE : LANE,
			g->data + at + sizeof(record), record.len);
		g->read += BW_RECORD_BYTES(record.len);
		if (lane_stub.slow_us) {
			atomic_store(&g->head->read, g->read);
			wake(g, false);
			usleep(lane_stub.slow_us);
			break;
		}
	}
	atomic_store(&g->head->read, g->read);
	if (g->read != start)
		wake(g, false);
	return g->read != start;
}

static void close_lane(struct given *g)
{
	atomic_fetch_or(&g->head->written, BW_LANE_SEALED);
	atomic_store(&g->head->final, g->read);
	atomic_store(&g->head->attended, BW_LANE_CLOSED);
	g->is_closed = true;
	wake(g, true);
}

static void give_back(struct given *g)
{
	if (g->memory >= 0) {
		dead[dead_count++ % LANES_MAX] = (struct dead){ g->id,
								g->read };
		if (g->head == last_head)
			last_head = NULL;
		munmap(g->head, BW_LANE_HEAD_BYTES + 2 * g->size);
		close(g->memory);
		atomic_fetch_sub(&lane_stub.open, 1);
	}
	close(g->connection);
	memset(g, 0, sizeof(*g));
	g->connection = g->memory = -1;
}

static void make_lane(struct given *g, uint64_t large)
{
	const int prot = PROT_READ | PROT_WRITE;
	static uint64_t next_id = 77;
	uint64_t size = lane_stub.size;
	char *base;

	if (large)
		for (size = 4096; size < BW_RECORD_BYTES(large);)
			size *= 2;
	g->memory = memfd_create("lane", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	NEED(g->memory >= 0);
	NEED(!ftruncate(g->memory, (off_t)(BW_LANE_HEAD_BYTES + size)));
	NEED(!fcntl(g->memory, F_ADD_SEALS,
		    lane_stub.spoils == SPOIL_SEALS ?
			    F_SEAL_GROW :
			    F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL));
	base = mmap(NULL, BW_LANE_HEAD_BYTES + 2 * size, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(base != MAP_FAILED);
	NEED(mmap(base, BW_LANE_HEAD_BYTES + size, prot, MAP_SHARED | MAP_FIXED,
		  g->memory, 0) != MAP_FAILED);
	NEED(mmap(base + BW_LANE_HEAD_BYTES + size, size, prot,
		  MAP_SHARED | MAP_FIXED, g->memory,
		  BW_LANE_HEAD_BYTES) != MAP_FAILED);
	g->head = last_head = (struct bw_lane_head *)base;
	g->data = base + BW_LANE_HEAD_BYTES;
	g->size = size;
	g->id = next_id++;
	memcpy(g->head->magic, BW_LANE_MAGIC, sizeof(g->head->magic));
	g->head->head_bytes = BW_LANE_HEAD_BYTES;
	g->head->size = size;
	g->head->id = g->id;
	g->head->large = large;
	if (lane_stub.spoils == SPOIL_MAGIC)
		g->head->magic[3] = 'X';
	if (lane_stub.spoils == SPOIL_FLAGS)
		g->head->flags = 1;
	if (lane_stub.spoils == SPOIL_SIZE)
		g->head->size *= 2;
	if (lane_stub.attends)
		atomic_store(&g->head->attended, now_ms() + lane_stub.lease_ms);
}

/* --- packets, with the mutex ----------------------------------------------- */

struct request {
	uint32_t magic, type;
	uint64_t value;
};

struct answer {
	uint32_t magic;
	int32_t status;
	uint64_t value[2];
};

static void answer(struct given *g, int32_t status, uint64_t a, uint64_t b)
{
	struct answer packet = { MAGIC, status, { a, b } };
	struct iovec iov = { &packet, sizeof(packet) };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (g->memory >= 0 && lane_stub.spoils != SPOIL_MEMORY) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &g->memory, sizeof(int));
	}
	/* The client may have gone. */
	sendmsg(g->connection, &msg, MSG_NOSIGNAL);
}

static void answer_ask(struct given *g, uint64_t id)
{
	unsigned i;

	atomic_fetch_add(&lane_stub.asked, 1);
	if (lane_stub.refuses_ask) {
		answer(g, -lane_stub.refuses_ask, id, 0);
		return;
	}
	for (i = 0; i < dead_count && i < LANES_MAX; i++)
		if (dead[i].id == id) {
			answer(g, 0, id, dead[i].read);
			return;
		}
	answer(g, -ENOENT, id, 0);
}

/* False: the connection has to be closed. */
static bool request(struct given *g, const struct request *r)
{
	NEED(r->magic == MAGIC);
	switch (r->type) {
	case 1:
		if (lane_stub.forgets) {
			atomic_fetch_sub(&lane_stub.forgets, 1);
			return true;
		}
		if (lane_stub.refuses || r->value > lane_stub.large) {
			answer(g,
			       lane_stub.refuses ? -lane_stub.refuses :
						   -EMSGSIZE,
			       0, 0);
			return false;
		}
		make_lane(g, r->value);
		atomic_fetch_add(&lane_stub.opened, 1);
		atomic_fetch_add(&lane_stub.open, 1);
		answer(g, 0, g->id, g->size);
		return true;
	case 2:
		answer_ask(g, r->value);
		return false;
	case 3:
		atomic_fetch_add(&lane_stub.flushes, 1);
		answer(g, -lane_stub.refuses, r->value, 0);
		return false;
	default:
		NEED(!"a known request");
		return false;
	}
}

static void hear(struct given *g)
{
	struct request r;
	ssize_t n;

	if (!lane_stub.answers)
		return;
	n = recv(g->connection, &r, sizeof(r), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		g->is_gone = true;
	} else if (n == 1) {
		NEED(g->memory >= 0);
		atomic_fetch_add(&lane_stub.rings, 1);
	} else {
		NEED(n == sizeof(r));
		if (!request(g, &r))
			give_back(g);
	}
}

static void mind(struct given *g)
{
	if (g->connection >= 0 && !g->is_gone)
		hear(g);
	if (g->connection < 0)
		return;
	if (g->memory >= 0 && !g->is_closed) {
		if (lane_stub.takes)
			take_lane(g, 65536);
		atomic_store(&g->head->attended,
			     lane_stub.attends ? now_ms() + lane_stub.lease_ms :
						 BW_LANE_ASLEEP);
	}
	if (g->is_gone && (g->memory < 0 || g->is_closed ||
			   atomic_load(&g->head->written) == g->read))
		give_back(g);
}

static void accept_all(void)
{
	int fd, i;

	while (listening >= 0 &&
	       (fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		for (i = 0; i < LANES_MAX && given[i].connection >= 0; i++)
			continue;
		NEED(i < LANES_MAX);
		given[i].connection = fd;
	}
}

/* False: there was none. */
static bool take_datagrams(void)
{
	static char data[1 << 20];
	ssize_t n;
	int i;

	for (i = 0; i < 64 && receiver.fd >= 0; i++) {
		n = receiver_take(receiver.fd, data, sizeof(data));
		if (n < 0)
			break;
		message(DATAGRAM, data, (uint32_t)n);
	}
	return i > 0;
}

static void *run_stub(void *arg)
{
	unsigned busy = 0;
	int i;

	atomic_store(&works, true);
	for (;;) {
		pthread_mutex_lock(&mutex);
		if (stops) {
			pthread_mutex_unlock(&mutex);
			return arg;
		}
		accept_all();
		for (i = 0; i < LANES_MAX; i++)
			mind(&given[i]);
		if (lane_stub.datagrams)
			busy = take_datagrams() ? busy + 1 : 0;
		pthread_mutex_unlock(&mutex);
		/*
		 * A sender must be able to be fast enough for a lane, and who
		 * waits for the mutex must get it.
		 */
		if (busy % 16 == 0)
			usleep(50);
	}
}

/* --- for the test's thread -------------------------------------------------- */

void lane_stub_setup(void)
{
	int i;

	receiver_setup();
	memset(&lane_stub, 0, sizeof(lane_stub));
	lane_stub.takes = lane_stub.attends = lane_stub.answers = true;
	lane_stub.datagrams = true;
	lane_stub.size = 65536;
	lane_stub.large = 64 << 20;
	lane_stub.lease_ms = 100;
	for (i = 0; i < LANES_MAX; i++)
		given[i].connection = given[i].memory = -1;
	dead_count = kept_first = kept_end = 0;
}

static void publish(void)
{
	char link[160], text[256];

	snprintf(link, sizeof(link), "%s.limits", receiver.path);
	snprintf(text, sizeof(text),
		 "max_message=65536,lanes=%s/lanes.sock,"
		 "large=%llu",
		 receiver.dir, (unsigned long long)lane_stub.large);
	unlink(link);
	ck_assert_int_eq(symlink(text, link), 0);
}

void lane_stub_start(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/lanes.sock",
		 receiver.dir);
	unlink(addr.sun_path);
	pthread_mutex_lock(&mutex);
	listening = socket(AF_UNIX,
			   SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	NEED(listening >= 0);
	NEED(!bind(listening, (struct sockaddr *)&addr, sizeof(addr)));
	NEED(!listen(listening, 128));
	stops = false;
	pthread_mutex_unlock(&mutex);
	publish();
	if (has_thread)
		return;
	NEED(!pthread_create(&thread, NULL, run_stub, NULL));
	has_thread = true;
	/* A client's short timeout must not include the start of the thread. */
	while (!atomic_load(&works))
		usleep(50);
}

void lane_stub_die(void)
{
	int i;

	pthread_mutex_lock(&mutex);
	if (listening >= 0)
		close(listening);
	listening = -1;
	for (i = 0; i < LANES_MAX; i++)
		if (given[i].connection >= 0)
			give_back(&given[i]);
	pthread_mutex_unlock(&mutex);
}

void lane_stub_forget(void)
{
	pthread_mutex_lock(&mutex);
	dead_count = 0;
	pthread_mutex_unlock(&mutex);
}

void lane_stub_freeze(void)
{
	pthread_mutex_lock(&mutex);
}

void lane_stub_thaw(void)
{
	pthread_mutex_unlock(&mutex);
}

void lane_stub_stop_taking(void)
{
	/* With the mutex, the thread is not about to read. */
	pthread_mutex_lock(&mutex);
	lane_stub.takes = false;
	pthread_mutex_unlock(&mutex);
}

unsigned lane_stub_connections(void)
{
	unsigned n = 0;
	int i;

	pthread_mutex_lock(&mutex);
	for (i = 0; i < LANES_MAX; i++)
		n += given[i].connection >= 0;
	pthread_mutex_unlock(&mutex);
	return n;
}

void lane_stub_child(void)
{
	int i;

	/* The mutex belongs to a thread that the child does not have. */
	close(listening);
	for (i = 0; i < LANES_MAX; i++) {
		if (given[i].connection >= 0)
			close(given[i].connection);
		if (given[i].memory >= 0)
			close(given[i].memory);
	}
}

void lane_stub_close_lanes(uint64_t limit, unsigned ms)
{
	int i;

	pthread_mutex_lock(&mutex);
	for (i = 0; i < LANES_MAX; i++)
		if (given[i].memory >= 0 && !given[i].is_closed)
			atomic_fetch_or(&given[i].head->written,
					BW_LANE_SEALED);
	suite_sleep_ms(ms);
	for (i = 0; i < LANES_MAX; i++)
		if (given[i].memory >= 0 && !given[i].is_closed) {
			take_lane(&given[i], limit);
			close_lane(&given[i]);
		}
	pthread_mutex_unlock(&mutex);
}

void lane_stub_teardown(void)
{
	lane_stub_die();
	pthread_mutex_lock(&mutex);
	stops = true;
	pthread_mutex_unlock(&mutex);
	if (has_thread)
		pthread_join(thread, NULL);
	has_thread = false;
	atomic_store(&works, false);
	receiver_teardown();
}

TCase *lane_stub_case(Suite *suite, const char *name)
{
	return suite_case(suite, name, lane_stub_setup, lane_stub_teardown);
}

unsigned lane_stub_count(void)
{
	return lane_stub.messages[DATAGRAM] + lane_stub.messages[LANE] +
	       lane_stub.messages[LARGE_LANE];
}

static unsigned kept_count(void)
{
	unsigned n;

	pthread_mutex_lock(&mutex);
	n = kept_end - kept_first;
	pthread_mutex_unlock(&mutex);
	return n;
}

void lane_stub_expect(enum road road, const void *data, size_t len)
{
	struct kept k;

	UNTIL(kept_count() > 0);
	pthread_mutex_lock(&mutex);
	k = kept[kept_first++ % KEPT_MAX];
	pthread_mutex_unlock(&mutex);
	ck_assert_int_eq(k.road, road);
	ck_assert_uint_eq(k.len, len);
	ck_assert(len == 0 || memcmp(k.data, data, len) == 0);
	free(k.data);
}

static bool is_read(void)
{
	bool all = true;
	int i;

	pthread_mutex_lock(&mutex);
	for (i = 0; i < LANES_MAX; i++)
		if (given[i].memory >= 0 && !given[i].is_closed)
			all &= atomic_load(&given[i].head->written) ==
			       given[i].read;
	pthread_mutex_unlock(&mutex);
	return all;
}

void lane_stub_expect_none(void)
{
	UNTIL(is_read());
	ck_assert_uint_eq(kept_count(), 0);
}

struct bw *lane_stub_client(int timeout_ms, int lanes)
{
	return handle_open(receiver.path, timeout_ms, lanes);
}

void lane_stub_expect_no_datagrams(void)
{
	int waiting;

	UNTIL(!ioctl(receiver.fd, SIOCINQ, &waiting) && !waiting);
	/* The thread may still hold the last one. */
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
}

struct bw *lane_stub_client_with_lane(int timeout_ms)
{
	const unsigned opened = lane_stub.opened;
	const unsigned connections = lane_stub_connections();
	struct bw *bw;

	for (;;) {
		bw = lane_stub_client(timeout_ms, BW_LANES_ALWAYS);
		if (handle_has_lane(bw))
			return bw;
		bw_close(bw);
		UNTIL(lane_stub.opened == opened + 1);
		UNTIL(lane_stub_connections() == connections);
		lane_stub.opened = opened;
	}
}

uint64_t lane_stub_written(void)
{
	uint64_t written = 0;

	pthread_mutex_lock(&mutex);
	if (last_head)
		written = atomic_load(&last_head->written);
	pthread_mutex_unlock(&mutex);
	return written;
}

struct bw_lane_head *lane_stub_head(void)
{
	return atomic_load(&last_head);
}
