/* SPDX-License-Identifier: MIT */
/*
 * The load of BENCH=lanes: a program that logs, with whatever sink.h is linked.
 * Processes (-p) have a sink each, the threads (-t) of a process share it.
 *
 * With -l each call is timed by the processor's time stamp counter, calibrated
 * with CLOCK_MONOTONIC; the cost of the two readings (the median of many
 * without a call between them) is printed and subtracted.  Elsewhere it is
 * clock_gettime(2).
 *
 * A paced thread (-r) logs what is due and then sleeps at least 50 us; the time
 * is that of a call and never that of the sleep.  With -k the process is killed
 * after so many milliseconds, and what counts is how many calls had returned.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#include "../hist.h"
#include "../message.h"
#include "sink.h"

#define THREADS 64
#define PROCESSES 16
#define QUANTUM_NS 50000

struct result {
	_Atomic uint64_t returned; /* calls */
	uint64_t failed;
	uint64_t done_ns;
	struct hist hist;
};

struct process {
	uint64_t filed_ns, cpu_us;
	int failed;
};

static struct {
	const char *target, *mode;
	unsigned processes, threads;
	uint64_t messages, rate, kill_ms;
	size_t bytes;
	int latency, idle;
} opt = { .mode = "lane",
	  .processes = 1,
	  .threads = 1,
	  .messages = 1000000,
	  .bytes = 200 };

static struct result *results; /* shared: [process][thread] */
static struct process *processes;
static pthread_barrier_t *start_line;
static double ns_per_tick = 1;
static uint64_t cost_ticks;
static void *sink;
static unsigned self;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t ticks(void)
{
#ifdef __x86_64__
	unsigned cpu;

	return __rdtscp(&cpu);
#else
	return now_ns();
#endif
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void calibrate(void)
{
	enum { N = 10001 };
	static uint64_t cost[N];
	uint64_t ns = now_ns(), t = ticks(), end;

	for (int i = 0; i < N; i++) {
		cost[i] = ticks();
		cost[i] = ticks() - cost[i];
	}
	qsort(cost, N, sizeof(cost[0]), compare);
	cost_ticks = cost[N / 2];
	do
		end = now_ns();
	while (end - ns < 50000000);
	ns_per_tick = (double)(end - ns) / (double)(ticks() - t);
}

static void put_number(char *at, unsigned width, uint64_t v)
{
	while (width--) {
		at[width] = (char)('0' + v % 10);
		v /= 10;
	}
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000u),
			       (long)(ns % 1000000000u) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
		;
}

static void *run_thread(void *arg)
{
	unsigned thread = (unsigned)(uintptr_t)arg;
	unsigned all = opt.processes * opt.threads;
	struct result *r = &results[self * opt.threads + thread];
	uint64_t n = opt.messages / all, gap, start, due, now, before, took;
	char *msg = malloc(opt.bytes);

	gap = opt.rate ? 1000000000u * all / opt.rate : 0;
	if (!msg)
		_exit(1);
	prctl(PR_SET_TIMERSLACK, 1ul);
	memset(msg, 'x', opt.bytes);
	memcpy(msg, "#bw 000 0000000000 000000 ", MSG_HEAD);
	put_number(msg + 4, 3, self * opt.threads + thread);
	put_number(msg + 19, 6, opt.bytes);
	msg[opt.bytes - 1] = '\n';
	pthread_barrier_wait(start_line);
	start = now_ns();
	for (uint64_t i = 0; i < n; i++) {
		put_number(msg + 8, 10, i);
		if (gap) {
			due = start + i * gap;
			now = now_ns();
			if (now < due)
				sleep_until(due > now + QUANTUM_NS ?
						    due :
						    now + QUANTUM_NS);
		}
		before = opt.latency ? ticks() : 0;
		if (sink_log(sink, msg, opt.bytes))
			r->failed++;
		if (opt.latency) {
			took = ticks() - before;
			took = took > cost_ticks ? took - cost_ticks : 0;
			hist_add(&r->hist,
				 (uint64_t)((double)took * ns_per_tick));
		}
		/* release: the call has returned */
		atomic_store_explicit(&r->returned, i + 1,
				      memory_order_release);
	}
	r->done_ns = now_ns();
	free(msg);
	return NULL;
}

static void run_process(void)
{
	pthread_t thread[THREADS];
	struct rusage ru;
	unsigned i;

	prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL);
	sink = sink_open(opt.target, opt.mode);
	if (!sink)
		_exit(1);
	if (opt.idle) {
		sink_log(sink, "idle\n", 5);
		pthread_barrier_wait(start_line);
		pause();
	}
	for (i = 0; i < opt.threads; i++)
		if (pthread_create(&thread[i], NULL, run_thread,
				   (void *)(uintptr_t)i))
			_exit(1);
	for (i = 0; i < opt.threads; i++)
		pthread_join(thread[i], NULL);
	processes[self].failed = sink_close(sink);
	processes[self].filed_ns = now_ns();
	getrusage(RUSAGE_SELF, &ru);
	processes[self].cpu_us =
		(uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000u +
		(uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
	_exit(0);
}

static void *share(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		exit(1);
	return at;
}

static void print_memory(pid_t pid)
{
	char path[64], line[256];
	FILE *f;

	usleep(200000);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Rss", 3))
			printf("%s", line);
	if (f)
		fclose(f);
}

/* rate,rate_filed,sent,failed,p50,p99,p999,p9999,max (ns),cpu us,cost ns */
static void print_results(uint64_t start_ns)
{
	static struct hist sum;
	uint64_t sent = 0, failed = 0, done = 0, filed = 0, cpu = 0;
	unsigned i;

	for (i = 0; i < opt.processes * opt.threads; i++) {
		sent += atomic_load(&results[i].returned);
		failed += results[i].failed;
		if (results[i].done_ns > done)
			done = results[i].done_ns;
		hist_merge(&sum, &results[i].hist);
	}
	for (i = 0; i < opt.processes; i++) {
		cpu += processes[i].cpu_us;
		failed += processes[i].failed != 0;
		if (processes[i].filed_ns > filed)
			filed = processes[i].filed_ns;
	}
	if (opt.kill_ms) {
		printf("%llu\n", (unsigned long long)sent);
		return;
	}
	printf("%.0f,%.0f,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%.4f,%.1f\n",
	       (double)sent * 1e9 / (double)(done - start_ns),
	       (double)sent * 1e9 / (double)(filed - start_ns),
	       (unsigned long long)sent, (unsigned long long)failed,
	       (unsigned long long)hist_quantile(&sum, 0.5),
	       (unsigned long long)hist_quantile(&sum, 0.99),
	       (unsigned long long)hist_quantile(&sum, 0.999),
	       (unsigned long long)hist_quantile(&sum, 0.9999),
	       (unsigned long long)sum.max, (double)cpu / (double)sent,
	       (double)cost_ticks * ns_per_tick);
}

static void usage(void)
{
	fprintf(stderr, "usage: caller [-m MODE] [-p PROCESSES] [-t THREADS] "
			"[-n MESSAGES] [-s BYTES] [-r RATE] [-l] [-k MS] "
			"[-i] TARGET\n");
	exit(2);
}

int main(int argc, char **argv)
{
	pthread_barrierattr_t attr;
	pid_t pid[PROCESSES];
	uint64_t start_ns;
	int c, status, bad = 0;

	while ((c = getopt(argc, argv, "m:p:t:n:s:r:lk:i")) != -1) {
		switch (c) {
		case 'm':
			opt.mode = optarg;
			break;
		case 'p':
			opt.processes = (unsigned)atoi(optarg);
			break;
		case 't':
			opt.threads = (unsigned)atoi(optarg);
			break;
		case 'n':
			opt.messages = strtoull(optarg, NULL, 10);
			break;
		case 's':
			opt.bytes = (size_t)atol(optarg);
			break;
		case 'r':
			opt.rate = strtoull(optarg, NULL, 10);
			break;
		case 'l':
			opt.latency = 1;
			break;
		case 'k':
			opt.kill_ms = strtoull(optarg, NULL, 10);
			break;
		case 'i':
			opt.idle = 1;
			break;
		default:
			usage();
		}
	}
	if (optind + 1 != argc || !opt.processes || opt.processes > PROCESSES ||
	    !opt.threads || opt.threads > THREADS || opt.bytes < MSG_MIN ||
	    opt.processes * opt.threads > MSG_SENDERS)
		usage();
	opt.target = argv[optind];
	results = share(sizeof(*results) * opt.processes * opt.threads);
	processes = share(sizeof(*processes) * opt.processes);
	start_line = share(sizeof(*start_line));
	calibrate();
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(start_line, &attr,
			     1 + opt.processes * (opt.idle ? 1 : opt.threads));
	for (self = 0; self < opt.processes; self++) {
		pid[self] = fork();
		if (pid[self] < 0)
			return 1;
		if (!pid[self])
			run_process();
	}
	pthread_barrier_wait(start_line);
	start_ns = now_ns();
	if (opt.idle)
		print_memory(pid[0]);
	if (opt.kill_ms)
		usleep((useconds_t)(opt.kill_ms * 1000));
	for (self = 0; self < opt.processes; self++) {
		if (opt.kill_ms || opt.idle)
			kill(pid[self], SIGKILL);
		waitpid(pid[self], &status, 0);
		bad |= !opt.kill_ms && !opt.idle && status;
	}
	if (!opt.idle && !bad)
		print_results(start_ns);
	return bad;
}
