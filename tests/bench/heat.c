/* SPDX-License-Identifier: MIT */
/*
 * One heat of the race: starts a contestant, waits until its socket takes a
 * connection, runs the load, waits until the contestant is at rest, stops
 * it with SIGTERM, and prints what it cost as key=value lines.
 *
 * The contestant leads a process group of its own and heat is the reaper of
 * what it leaves behind, so a shell with children is accounted for as well
 * as one process.  cpu_us counts from ready to exit (what a daemon writes
 * when it stops is part of its work), rest_us from ready to rest, threads
 * shows who of the threads had spent what at rest, since start.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

struct sample {
	uint64_t cpu_ns;
	uint64_t voluntary, involuntary;
	uint64_t rss_kb, anon_kb, shmem_kb;
};

static char threads[4096];
static pid_t group;

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void sleep_us(long us)
{
	struct timespec ts = {
		.tv_sec = us / 1000000,
		.tv_nsec = us % 1000000 * 1000,
	};

	nanosleep(&ts, NULL);
}

static int slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = 0;
	return n > 0 ? 0 : -1;
}

static uint64_t field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void sample_thread(int pid, int tid, struct sample *s)
{
	char path[128], buf[4096], name[32];
	uint64_t ns;
	size_t used = strlen(threads);

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	if (slurp(path, buf, sizeof(buf)))
		return;
	s->voluntary += field(buf, "\nvoluntary_ctxt_switches:");
	s->involuntary += field(buf, "\nnonvoluntary_ctxt_switches:");
	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, tid);
	if (slurp(path, name, sizeof(name)))
		return;
	name[strcspn(name, "\n")] = 0;
	for (char *c = name; *c; c++)
		if (strchr(" ,;:'\"", *c))
			*c = '_';
	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, tid);
	if (slurp(path, buf, sizeof(buf)))
		return;
	ns = strtoull(buf, NULL, 10);
	snprintf(threads + used, sizeof(threads) - used, "%s%s:%llu",
		 used ? ";" : "", name, (unsigned long long)ns / 1000);
}

static void sample_process(int pid, struct sample *s)
{
	char path[64], buf[4096];
	struct dirent *e;
	clockid_t clock;
	DIR *dir;

	if (!clock_getcpuclockid(pid, &clock))
		s->cpu_ns += now_ns(clock);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (slurp(path, buf, sizeof(buf)))
		return;
	s->rss_kb += field(buf, "\nVmRSS:");
	s->anon_kb += field(buf, "\nRssAnon:");
	s->shmem_kb += field(buf, "\nRssShmem:");
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			sample_thread(pid, atoi(e->d_name), s);
	if (dir)
		closedir(dir);
}

/* Everything of the contestant's process group. */
static struct sample sample_group(void)
{
	struct sample s = { 0 };
	struct dirent *e;
	DIR *proc = opendir("/proc");

	threads[0] = 0;
	while (proc && (e = readdir(proc))) {
		int pid = atoi(e->d_name);

		if (pid > 0 && getpgid(pid) == group)
			sample_process(pid, &s);
	}
	if (proc)
		closedir(proc);
	return s;
}

/* Ticks that all CPUs have spent busy, and that the hypervisor took. */
static void sample_machine(uint64_t *busy, uint64_t *steal)
{
	unsigned long long v[8] = { 0 };
	char buf[512];

	slurp("/proc/stat", buf, sizeof(buf));
	sscanf(buf, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1],
	       &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
	/* user nice system idle iowait irq softirq steal */
	*busy = v[0] + v[1] + v[2] + v[5] + v[6];
	*steal = v[7];
}

/* 0 when a datagram socket at `path` takes connections. */
static int try_connect(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = -1;

	if (fd < 0)
		return -1;
	if (strlen(path) < sizeof(sa.sun_path)) {
		strcpy(sa.sun_path, path);
		rc = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	}
	close(fd);
	return rc;
}

static pid_t start(char **argv, const char *log)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL);
	fd = open("/dev/null", O_RDWR);
	dup2(fd, 0);
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd >= 0) {
		dup2(fd, 1);
		dup2(fd, 2);
	}
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

/* 0 when connectable, -1 when the contestant died or time ran out. */
static int wait_ready(const char *path, long seconds)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) +
		       (uint64_t)seconds * 1000000000u;
	siginfo_t info;

	while (try_connect(path)) {
		info.si_pid = 0;
		waitid(P_PID, (id_t)group, &info, WEXITED | WNOHANG | WNOWAIT);
		if (info.si_pid || now_ns(CLOCK_MONOTONIC) > end)
			return -1;
		sleep_us(100);
	}
	return 0;
}

/* At rest: less than 1 % of a CPU for 60 ms; gives up after a minute. */
static struct sample wait_rest(void)
{
	struct sample before = sample_group(), s = before;
	int calm = 0;

	for (int i = 0; i < 3000 && calm < 3; i++) {
		sleep_us(20000);
		s = sample_group();
		calm = s.cpu_ns - before.cpu_ns < 200000 ? calm + 1 : 0;
		before = s;
	}
	return s;
}

static uint64_t time_us(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * 1000000u + (uint64_t)tv.tv_usec;
}

/* Stops the group and waits for all of it; returns its CPU time in us. */
static uint64_t stop(int *status)
{
	uint64_t cpu = 0,
		 give_up = now_ns(CLOCK_MONOTONIC) + 60 * UINT64_C(1000000000);
	struct rusage ru;
	pid_t pid;
	int st;

	kill(-group, SIGTERM);
	kill(-group, SIGCONT);
	for (;;) {
		pid = wait4(-1, &st, WNOHANG, &ru);
		if (pid < 0)
			return cpu;
		if (pid == 0) {
			if (now_ns(CLOCK_MONOTONIC) > give_up)
				kill(-group, SIGKILL);
			sleep_us(500);
			continue;
		}
		cpu += time_us(ru.ru_utime) + time_us(ru.ru_stime);
		if (pid == group)
			*status = st;
	}
}

/* Waits at most so long for a tenth of a second with 5 % of one CPU busy. */
static void wait_quiet(long seconds)
{
	uint64_t busy[2], steal;
	long tick = sysconf(_SC_CLK_TCK);

	for (long i = 0; i < seconds * 10; i++) {
		sample_machine(&busy[0], &steal);
		sleep_us(100000);
		sample_machine(&busy[1], &steal);
		if ((busy[1] - busy[0]) * 200 <= (uint64_t)tick)
			return;
	}
}

/* Prints what the whole machine did meanwhile: a race wants to be alone. */
static int run_work(const char *work, const char *path)
{
	uint64_t tick_us = 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t busy[2], steal[2], busy_us, steal_us;
	int failed;

	setenv("SOCKET", path, 1);
	sample_machine(&busy[0], &steal[0]);
	failed = system(work);
	sample_machine(&busy[1], &steal[1]);
	busy_us = (busy[1] - busy[0]) * tick_us;
	steal_us = (steal[1] - steal[0]) * tick_us;
	printf("machine_us=%llu\nsteal_us=%llu\n", (unsigned long long)busy_us,
	       (unsigned long long)steal_us);
	return failed;
}

static void report(const struct sample *ready, const struct sample *rest,
		   uint64_t total_us)
{
	printf("cpu_us=%llu\nrest_us=%llu\n",
	       (unsigned long long)(total_us - ready->cpu_ns / 1000),
	       (unsigned long long)((rest->cpu_ns - ready->cpu_ns) / 1000));
	printf("voluntary=%llu\ninvoluntary=%llu\n",
	       (unsigned long long)(rest->voluntary - ready->voluntary),
	       (unsigned long long)(rest->involuntary - ready->involuntary));
	printf("rss_kb=%llu\nanon_kb=%llu\nshmem_kb=%llu\n",
	       (unsigned long long)rest->rss_kb,
	       (unsigned long long)rest->anon_kb,
	       (unsigned long long)rest->shmem_kb);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: heat -s SOCKET -w WORK [-o LOG] [-t SECONDS] "
		"[-q SECONDS]\n            COMMAND [ARGUMENT]...\n"
		"%%p in SOCKET is the contestant's process id; WORK is a shell"
		"\ncommand and finds the socket in $SOCKET; -t: how long the\n"
		"contestant may take to listen; -q: how long to wait for a\n"
		"quiet machine before WORK\n");
	exit(2);
}

int main(int argc, char **argv)
{
	const char *sock = NULL, *work = NULL, *log = "/dev/null", *at;
	struct sample ready, rest;
	uint64_t begin, up, total;
	int c, status = 0, failed;
	char path[256];
	long patience = 10, quiet = 0;

	while ((c = getopt(argc, argv, "+s:w:o:t:q:")) != -1) {
		if (c == 's')
			sock = optarg;
		else if (c == 'w')
			work = optarg;
		else if (c == 'o')
			log = optarg;
		else if (c == 't')
			patience = atol(optarg);
		else if (c == 'q')
			quiet = atol(optarg);
		else
			usage();
	}
	if (!sock || !work || optind >= argc)
		usage();
	prctl(PR_SET_CHILD_SUBREAPER, 1ul);
	prctl(PR_SET_TIMERSLACK, 1ul);
	begin = now_ns(CLOCK_MONOTONIC);
	group = start(argv + optind, log);
	if (group < 0)
		return 1;
	setpgid(group, group);
	at = strstr(sock, "%p");
	if (at)
		snprintf(path, sizeof(path), "%.*s%d%s", (int)(at - sock), sock,
			 group, at + 2);
	else
		snprintf(path, sizeof(path), "%s", sock);
	if (wait_ready(path, patience)) {
		stop(&status);
		fprintf(stderr, "heat: %s: not ready, status %d, see %s\n",
			argv[optind], status, log);
		return 1;
	}
	up = now_ns(CLOCK_MONOTONIC);
	ready = wait_rest();
	if (quiet) {
		wait_quiet(quiet);
		ready = sample_group();
	}
	failed = run_work(work, path);
	rest = wait_rest();
	printf("start_ms=%.2f\nthreads='%s'\n", (double)(up - begin) / 1e6,
	       threads);
	begin = now_ns(CLOCK_MONOTONIC);
	total = stop(&status);
	report(&ready, &rest, total);
	printf("stop_ms=%.1f\nstatus=%d\n",
	       (double)(now_ns(CLOCK_MONOTONIC) - begin) / 1e6, status);
	return failed ? 1 : 0;
}
