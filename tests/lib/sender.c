/* SPDX-License-Identifier: MIT */
/* Flows, sender processes, shipper.  See sender.h. */
#define _GNU_SOURCE
#include "tests/lib/sender.h"

#include <dirent.h>
#include <errno.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/random.h"

#define MAX_SENDERS 16

/* No brackets, no newline. */
static const char alphabet[65] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static struct sender senders[MAX_SENDERS];
static struct {
	pid_t pid;
	struct sender_page *page;
} shipper;

static size_t message_size(const struct flow *flow, uint64_t *state)
{
	uint64_t random = random_next(state);
	uint64_t low = flow->min;
	uint64_t high = flow->max;

	if (low == high)
		return low;
	/* Mistakes are found at the ends: they come often. */
	if (random % 16 == 0)
		return random & 16 ? low : high;
	/* A random one of the powers of two in between, then within it. */
	random >>= 8;
	while (high > 2 * low && random & 3) {
		high = high / 2 > low ? high / 2 : low;
		random >>= 2;
	}
	return low + random_next(state) % (high - low + 1);
}

static void fill_text(const struct flow *flow, uint64_t number, uint8_t *buf,
		      size_t len, uint64_t state)
{
	uint64_t head = (uint64_t)flow->id << 36 | number;
	uint64_t random = 0;
	size_t i;

	if (len == 1)
		buf[0] = '!';
	if (len < 2)
		return;
	buf[0] = '[';
	for (i = 1; i < len - 1; i++) {
		if (i % 8 == 1)
			random = i == 1 ? head : random_next(&state);
		buf[i] = (uint8_t)alphabet[random & 63];
		random >>= 6;
	}
	buf[len - 1] = ']';
}

static void fill_binary(const struct flow *flow, uint64_t number, uint8_t *buf,
			size_t len, uint64_t state)
{
	uint64_t random = (uint64_t)flow->id << 36 | number;
	size_t i;

	for (i = 0; i < len; i += 8) {
		memcpy(buf + i, &random, len - i < 8 ? len - i : 8);
		random = random_next(&state);
	}
}

size_t flow_message(const struct flow *flow, uint64_t number, uint8_t *buf)
{
	uint64_t state = ((uint64_t)flow->id << 40) + number;
	size_t len;

	random_next(&state);
	len = message_size(flow, &state);
	if (flow->binary)
		fill_binary(flow, number, buf, len, state);
	else
		fill_text(flow, number, buf, len, state);
	return len;
}

unsigned send_fill(const char *path, const char *text)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	ssize_t len = (ssize_t)strlen(text);
	unsigned n = 0, before;
	int fd;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", path);
	do {
		before = n;
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(
			connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
		while (send(fd, text, (size_t)len, MSG_DONTWAIT) == len)
			n++;
		ck_assert_int_eq(errno, EAGAIN);
		close(fd);
	} while (n > before);
	ck_assert_uint_gt(n, 0);
	return n;
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int room = 2 * FLOW_LARGEST;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.107s", path);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

int send_open(void)
{
	return connect_to(bed.sock);
}

void send_one(int fd, const void *data, size_t len)
{
	ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

	REQUIRE(n == (ssize_t)len, "send of %zu bytes: %s", len,
		strerror(errno));
}

static int taken(int fd)
{
	int queued = 0;

	return ioctl(fd, SIOCOUTQ, &queued) == 0 && queued == 0;
}

void send_drain(int fd)
{
	UNTIL(taken(fd));
}

/* 0 or the errno. */
static int send_timed(int fd, const uint8_t *buf, size_t len,
		      struct sender_page *page)
{
	double began = suite_now();
	ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);
	uint64_t us;

	if (n != (ssize_t)len)
		return errno;
	us = (suite_now() - began) * 1e6;
	if (us > page->slowest_us)
		page->slowest_us = us;
	return 0;
}

static void run(const char *path, const struct flow *flow,
		struct sender_page *page)
{
	static uint8_t buf[256 + FLOW_LARGEST];
	size_t head = flow->header ? strlen(flow->header) : 0, len;
	int fd = connect_to(path);
	uint64_t i;

	if (fd < 0) {
		page->error = -fd;
		_exit(1);
	}
	if (head)
		memcpy(buf, flow->header, head);
	for (i = 0; (!flow->count || i < flow->count) && !page->stop; i++) {
		len = head + flow_message(flow, i, buf + head);
		page->error = send_timed(fd, buf, len, page);
		if (page->error)
			_exit(1);
		page->sent = i + 1;
		if (flow->pause_us &&
		    (!flow->pause_each || i % flow->pause_each == 0))
			usleep(flow->pause_us);
		while (page->hold && !page->stop)
			usleep(1000);
	}
	_exit(0);
}

static struct sender_page *new_page(void)
{
	void *page = mmap(NULL, sizeof(struct sender_page),
			  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			  -1, 0);

	ck_assert_ptr_ne(page, MAP_FAILED);
	return page;
}

struct sender *sender_start(const struct flow *flow)
{
	return sender_start_to(bed.sock, flow);
}

struct sender *sender_start_to(const char *path, const struct flow *flow)
{
	struct sender *s = senders;

	while (s < senders + MAX_SENDERS && s->page)
		s++;
	ck_assert(s < senders + MAX_SENDERS);
	s->flow = *flow;
	s->page = new_page();
	s->pid = fork();
	ck_assert_int_ge(s->pid, 0);
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(path, flow, s->page);
	}
	return s;
}

uint64_t sender_sent(const struct sender *s)
{
	return s->page->sent;
}

double sender_slowest(const struct sender *s)
{
	return s->page->slowest_us / 1e6;
}

void sender_hold(struct sender *s, bool hold)
{
	s->page->hold = hold;
}

int sender_running(const struct sender *s)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT))
		return 0;
	return info.si_pid == 0;
}

/* On a busy machine a sender takes long.  One that gets on does not hang. */
static void await_end(const struct sender *s)
{
	double since = suite_now();
	uint64_t before = 0;

	while (sender_running(s)) {
		if (sender_sent(s) != before) {
			before = sender_sent(s);
			since = suite_now();
		}
		suite_waiting(since, "the end of a sender", __FILE__, __LINE__);
	}
}

int sender_result(struct sender *s)
{
	int error;

	await_end(s);
	waitpid(s->pid, NULL, 0);
	s->flow.count = s->page->sent;
	error = s->page->error;
	munmap(s->page, sizeof(*s->page));
	s->page = NULL;
	return error;
}

void sender_wait(struct sender *s)
{
	int error = sender_result(s);

	REQUIRE(error == 0, "a sender's send failed: %s", strerror(error));
}

void sender_finish(struct sender *s)
{
	s->page->stop = 1;
	sender_wait(s);
}

void sender_kill_all(void)
{
	struct sender *s;

	for (s = senders; s < senders + MAX_SENDERS; s++) {
		if (!s->page)
			continue;
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
		munmap(s->page, sizeof(*s->page));
		s->page = NULL;
	}
	if (shipper.pid) {
		kill(shipper.pid, SIGKILL);
		waitpid(shipper.pid, NULL, 0);
		shipper.pid = 0;
	}
}

static void ship(const char *to)
{
	char from_path[BED_PATH + 256];
	char to_path[BED_PATH + 256];
	const struct dirent *entry;
	DIR *dir = opendir(bed.files);

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(from_path, sizeof(from_path), "%s/%s", bed.files,
			 entry->d_name);
		snprintf(to_path, sizeof(to_path), "%s/%s", to, entry->d_name);
		/*
		 * RENAME_NOREPLACE: an older file of this name would be lost
		 * otherwise.
		 */
		if (syscall(SYS_renameat2, -1, from_path, -1, to_path,
			    1 /* RENAME_NOREPLACE */))
			_exit(1);
	}
	if (dir)
		closedir(dir);
}

void shipper_start(const char *to)
{
	ck_assert_int_eq(shipper.pid, 0);
	shipper.page = new_page();
	shipper.pid = fork();
	ck_assert_int_ge(shipper.pid, 0);
	if (shipper.pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!shipper.page->stop) {
		ship(to);
		usleep(100);
	}
	ship(to);
	_exit(0);
}

void shipper_finish(void)
{
	int status = 0;

	shipper.page->stop = 1;
	waitpid(shipper.pid, &status, 0);
	shipper.pid = 0;
	munmap(shipper.page, sizeof(*shipper.page));
	REQUIRE(status == 0, "the shipper met a name twice");
}
