/* SPDX-License-Identifier: MIT */
/*
 * The load: processes that send datagrams to a Unix socket, each with its
 * own connected socket and blocking sends, as a statistics library does.
 *
 * All of them wait at a pipe until the last one is connected, so that the
 * clock starts with the first send.  A sender is done when its last send
 * returned; after that it asks the kernel (SIOCOUTQ) until all it sent has
 * been taken by the reader, which gives the second time.  Results meet in
 * shared memory and become one CSV line.
 *
 * With -l each send is timed, from the call to its return; a paced sender
 * (-r) sends what is due and then sleeps until the next is, but at least the
 * quantum (-q), because a sleep for each message would cost more CPU than the
 * message.  The latency is that of the call and never that of the sleep.
 *
 * With -c senders do not share a processor, as long as there are enough: one
 * that is woken while another one sends would take its place, and the send of
 * that one last as long as the whole burst of the first, whoever reads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "hist.h"
#include "message.h"

struct result {
	uint64_t sent;
	uint64_t failed;
	uint64_t done_ns;  /* last send returned */
	uint64_t taken_ns; /* kernel queue held nothing of ours */
	int error;	   /* errno of the first failure */
	struct hist hist;
};

static struct {
	const char *path;
	const char *prefix;
	unsigned senders;
	uint64_t messages; /* of all senders */
	size_t min, max;   /* bytes of one message, without prefix */
	uint64_t rate;	   /* of all senders, a second; 0: no pacing */
	uint64_t quantum;  /* shortest sleep of a paced sender, ns */
	int latency;
	int bound;
	int drain;
	int events; /* the filling is a JSON event, another one each time */
} opt = {
	.prefix = "",
	.senders = 2,
	.messages = 500000,
	.min = 200,
	.max = 200,
	.drain = 1,
	.quantum = 200000,
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / 1000000000u),
		.tv_nsec = (long)(ns % 1000000000u),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
		;
}

static int connect_to(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(sa.sun_path))
		return -1;
	strcpy(sa.sun_path, path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void put_number(char *at, unsigned width, uint64_t v)
{
	while (width--) {
		at[width] = (char)('0' + v % 10);
		v /= 10;
	}
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Waits until the reader has taken everything this socket sent. */
static void wait_taken(int fd)
{
	uint64_t give_up = now_ns() + 60 * UINT64_C(1000000000);
	struct timespec pause = { .tv_nsec = 100000 };
	int left;

	while (!ioctl(fd, SIOCOUTQ, &left) && left > 0 && now_ns() < give_up)
		nanosleep(&pause, NULL);
}

static void pace(uint64_t due)
{
	uint64_t now = now_ns();

	if (now < due)
		sleep_until(due > now + opt.quantum ? due : now + opt.quantum);
}

/* To the processor of this number among those that may be used, in turn. */
static void bind_to(unsigned id)
{
	cpu_set_t set;
	int cpu = -1;

	if (sched_getaffinity(0, sizeof(set), &set))
		_exit(1);
	for (id %= (unsigned)CPU_COUNT(&set), id++; id; id--)
		do
			cpu++;
		while (!CPU_ISSET(cpu, &set));
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		_exit(1);
}

static uint64_t share(unsigned id)
{
	return opt.messages / opt.senders +
	       (id < opt.messages % opt.senders ? 1 : 0);
}

/* So many events take turns, far more than a compressor looks back. */
#define EVENTS 16384

/* Fills `room` bytes with an event and blanks; no two are the same. */
static void make_event(char *to, size_t room, uint64_t *seed)
{
	static const char *const kinds[] = { "view", "click", "scroll",
					     "purchase" };
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "{\"session_id\":\"%016llx\",\"timestamp\":%llu,"
			 "\"event\":\"%s\",\"status\":%u,\"bytes\":%u,"
			 "\"path\":\"/api/v1/items/%u\",\"region\":\"eu\"}",
			 (unsigned long long)(next_random(seed) % 500 *
					      UINT64_C(0x9e3779b97f4a7c15)),
			 1795994833000ull + next_random(seed) % 100000,
			 kinds[next_random(seed) % 4],
			 next_random(seed) % 20 ? 200 : 404,
			 (unsigned)(next_random(seed) % 9000),
			 (unsigned)(next_random(seed) % 300));

	memset(to, ' ', room);
	memcpy(to, text, (size_t)n < room ? (size_t)n : room);
}

static char *make_events(size_t room, uint64_t seed)
{
	char *all = malloc(EVENTS * room);

	if (!all)
		_exit(1);
	for (unsigned i = 0; i < EVENTS; i++)
		make_event(all + i * room, room, &seed);
	return all;
}

static void run_sender(unsigned id, int fd, struct result *res)
{
	size_t prefix = strlen(opt.prefix);
	uint64_t seed = UINT64_C(88172645463325252) + id * 7919u;
	uint64_t total = share(id), start = now_ns(), before = 0, after;
	uint64_t gap = opt.rate ? 1000000000u * opt.senders / opt.rate : 0;
	size_t len = opt.max;
	char *buf = malloc(prefix + opt.max);
	size_t filling = opt.max - MSG_HEAD - 1;
	char *events = opt.events ? make_events(filling, seed) : NULL;
	char *msg;

	if (!buf)
		_exit(1);
	start = now_ns();
	msg = buf + prefix;
	memcpy(buf, opt.prefix, prefix);
	memset(msg, 'x', opt.max);
	memcpy(msg, "#bw 000 0000000000 000000 ", MSG_HEAD);
	put_number(msg + 4, 3, id);
	put_number(msg + 19, 6, len);
	msg[len - 1] = '\n';
	for (uint64_t i = 0; i < total; i++) {
		put_number(msg + 8, 10, i);
		if (opt.min != opt.max) {
			msg[len - 1] = 'x';
			len = opt.min +
			      next_random(&seed) % (opt.max - opt.min + 1);
			put_number(msg + 19, 6, len);
			msg[len - 1] = '\n';
		}
		if (events)
			memcpy(msg + MSG_HEAD, events + i % EVENTS * filling,
			       filling);
		if (gap)
			pace(start + i * gap);
		if (opt.latency)
			before = now_ns();
		if (send(fd, buf, prefix + len, MSG_NOSIGNAL) < 0) {
			if (errno == EINTR) {
				i--;
				continue;
			}
			if (!res->failed++)
				res->error = errno;
			if (errno == ECONNREFUSED || errno == ENOTCONN ||
			    errno == EPIPE)
				break;
			continue;
		}
		if (opt.latency) {
			after = now_ns();
			hist_add(&res->hist, after - before);
		}
		res->sent++;
	}
	res->done_ns = now_ns();
	if (opt.drain)
		wait_taken(fd);
	res->taken_ns = now_ns();
	free(events);
	free(buf);
}

static double cpu_us(const struct rusage *ru)
{
	return (double)(ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1e6 +
	       (double)(ru->ru_utime.tv_usec + ru->ru_stime.tv_usec);
}

static void print_results(const struct result *res, uint64_t start)
{
	static struct hist all;
	uint64_t sent = 0, failed = 0, done = start + 1, taken = done;
	struct rusage ru;
	int error = 0;

	for (unsigned i = 0; i < opt.senders; i++) {
		sent += res[i].sent;
		failed += res[i].failed;
		error = error ? error : res[i].error;
		done = res[i].done_ns > done ? res[i].done_ns : done;
		taken = res[i].taken_ns > taken ? res[i].taken_ns : taken;
		hist_merge(&all, &res[i].hist);
	}
	if (failed)
		fprintf(stderr, "sender: %llu sends failed: %s\n",
			(unsigned long long)failed, strerror(error));
	/* of all senders, which are gone */
	getrusage(RUSAGE_CHILDREN, &ru);
	printf("%llu,%llu,%.6f,%.0f,%.0f,%.2f,%.2f,%.2f,%.2f,%.3f,%ld\n",
	       (unsigned long long)sent, (unsigned long long)failed,
	       (double)(done - start) / 1e9,
	       (double)sent * 1e9 / (double)(done - start),
	       (double)sent * 1e9 / (double)(taken - start),
	       (double)hist_quantile(&all, 0.5) / 1e3,
	       (double)hist_quantile(&all, 0.99) / 1e3,
	       (double)hist_quantile(&all, 0.999) / 1e3, (double)all.max / 1e3,
	       cpu_us(&ru) / (double)(sent ? sent : 1), ru.ru_nivcsw);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: sender [-n SENDERS] [-m MESSAGES] [-s BYTES|MIN:MAX]\n"
		"              [-r RATE] [-q MICROSECONDS] [-p PREFIX] [-l] [-c]\n"
		"              [-j] [-D] [-H] SOCKET\n"
		"-m, -r are for all senders together; -l times each send;\n"
		"-c: each sender stays on a processor of its own;\n"
		"-j: messages are JSON events of one length;\n"
		"-q: shortest sleep between messages of a paced sender (200);\n"
		"-D does not wait for the reader; -H prints the CSV's head\n");
	exit(2);
}

static void parse(int argc, char **argv)
{
	char *colon;
	int c;

	while ((c = getopt(argc, argv, "n:m:s:r:q:p:lcjDH")) != -1) {
		switch (c) {
		case 'n':
			opt.senders = (unsigned)atoi(optarg);
			break;
		case 'm':
			opt.messages = strtoull(optarg, NULL, 10);
			break;
		case 's':
			colon = strchr(optarg, ':');
			opt.min = strtoull(optarg, NULL, 10);
			opt.max = colon ? strtoull(colon + 1, NULL, 10) :
					  opt.min;
			break;
		case 'r':
			opt.rate = strtoull(optarg, NULL, 10);
			break;
		case 'q':
			opt.quantum = strtoull(optarg, NULL, 10) * 1000;
			break;
		case 'p':
			opt.prefix = optarg;
			break;
		case 'j':
			opt.events = 1;
			break;
		case 'l':
			opt.latency = 1;
			break;
		case 'c':
			opt.bound = 1;
			break;
		case 'D':
			opt.drain = 0;
			break;
		case 'H':
			printf("sent,failed,seconds,rate,rate_taken,"
			       "p50,p99,p999,max,sender_cpu,preempted\n");
			exit(0);
		default:
			usage();
		}
	}
	if (optind + 1 != argc || !opt.senders || opt.senders > MSG_SENDERS ||
	    opt.min < MSG_MIN || opt.max < opt.min || opt.max > MSG_MAX)
		usage();
	opt.path = argv[optind];
}

int main(int argc, char **argv)
{
	struct result *res;
	uint64_t start;
	int gate[2], ready[2], bad = 0;
	char byte = 0;

	parse(argc, argv);
	res = mmap(NULL, opt.senders * sizeof(*res), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (res == MAP_FAILED || pipe(gate) < 0 || pipe(ready) < 0)
		return 1;
	for (unsigned i = 0; i < opt.senders; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (pid == 0) {
			int fd = connect_to(opt.path);

			/* Whoever ends the load ends its parent. */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (fd < 0) {
				perror(opt.path);
				_exit(1);
			}
			prctl(PR_SET_TIMERSLACK, 1ul);
			if (opt.bound)
				bind_to(i);
			close(gate[1]);
			if (write(ready[1], "r", 1) != 1 ||
			    read(gate[0], &byte, 1) < 0)
				_exit(1);
			run_sender(i, fd, &res[i]);
			_exit(res[i].failed ? 1 : 0);
		}
	}
	close(ready[1]);
	for (unsigned i = 0; i < opt.senders; i++)
		if (read(ready[0], &byte, 1) != 1)
			return 1;
	start = now_ns();
	close(gate[1]);
	for (unsigned i = 0; i < opt.senders; i++) {
		int status;

		if (wait(&status) < 0 || status)
			bad = 1;
	}
	print_results(res, start);
	return bad;
}
