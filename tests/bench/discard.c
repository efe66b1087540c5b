/* SPDX-License-Identifier: MIT */
/*
 * The floor: receives datagrams and throws them away.  What it costs is what
 * the kernel costs; no daemon that reads the same socket in the same way can
 * be cheaper.  SIGTERM takes what is still queued and prints the count.
 *
 * -g and -w are experiments, off in the race: how far a reader can get below
 * the plain loop by letting a batch gather.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>

#include "reader.h"

static void usage(void)
{
	fprintf(stderr,
		"usage: discard [-b BATCH] [-s BUFFER] [-n BUFFERS] [-B]\n"
		"               [-g MICROSECONDS] [-w SMALL] [-y] SOCKET\n"
		"-n: buffers used in turn (default: one batch)\n"
		"-g: after a batch of less than SMALL (default BATCH), sleep\n"
		"    this long, so that the next is larger; -y: yield instead\n"
		"-B: SCHED_BATCH\n");
	exit(2);
}

int main(int argc, char **argv)
{
	unsigned batch = 64, slots = 0, small = 0, first, n;
	struct timespec gather = { 0 };
	size_t size = 2048;
	int c, yield = 0;
	struct sched_param sp = { 0 };
	struct reader r;

	while ((c = getopt(argc, argv, "b:s:n:g:w:yB")) != -1) {
		switch (c) {
		case 'b':
			batch = (unsigned)atoi(optarg);
			break;
		case 's':
			size = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			slots = (unsigned)atoi(optarg);
			break;
		case 'g':
			gather.tv_nsec = atol(optarg) * 1000;
			break;
		case 'w':
			small = (unsigned)atoi(optarg);
			break;
		case 'y':
			yield = 1;
			break;
		case 'B':
			if (sched_setscheduler(0, SCHED_BATCH, &sp) < 0)
				perror("SCHED_BATCH");
			break;
		default:
			usage();
		}
	}
	if (optind + 1 != argc || !batch || batch > 1024 || !size)
		usage();
	if (!small)
		small = batch;
	prctl(PR_SET_TIMERSLACK, 1ul);
	reader_open(&r, argv[optind], batch, slots, size);
	while ((n = reader_take(&r, &first, MSG_WAITFORONE)) > 0) {
		if (n >= small)
			continue;
		if (gather.tv_nsec)
			nanosleep(&gather, NULL);
		else if (yield)
			sched_yield();
	}
	reader_report(&r);
	unlink(argv[optind]);
	return 0;
}
