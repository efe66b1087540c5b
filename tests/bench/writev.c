/* SPDX-License-Identifier: MIT */
/*
 * The simplest thing that keeps the data: one thread that receives a batch
 * and writes it to one file with writev, a newline after a message that has
 * none.  What bufwriterd must beat for large messages, where its extra copy
 * costs most.  SIGTERM takes what is still queued and prints the count.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/uio.h>

#include "reader.h"

#define BATCH_MAX 512

static void usage(void)
{
	fprintf(stderr, "usage: writev [-b BATCH] [-s BUFFER] SOCKET FILE\n");
	exit(2);
}

static void write_all(int fd, struct iovec *iov, unsigned n)
{
	while (n) {
		ssize_t done = writev(fd, iov, (int)n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			perror("writev");
			exit(1);
		}
		while (n && (size_t)done >= iov->iov_len) {
			done -= (ssize_t)iov->iov_len;
			iov++;
			n--;
		}
		if (n) {
			iov->iov_base = (char *)iov->iov_base + done;
			iov->iov_len -= (size_t)done;
		}
	}
}

int main(int argc, char **argv)
{
	static struct iovec iov[2 * BATCH_MAX];
	unsigned batch = 64, first, n;
	size_t size = 65536;
	struct reader r;
	int c, out;

	while ((c = getopt(argc, argv, "b:s:")) != -1) {
		if (c == 'b')
			batch = (unsigned)atoi(optarg);
		else if (c == 's')
			size = strtoull(optarg, NULL, 10);
		else
			usage();
	}
	if (optind + 2 != argc || !batch || batch > BATCH_MAX || !size)
		usage();
	out = open(argv[optind + 1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		   0644);
	if (out < 0) {
		perror(argv[optind + 1]);
		return 1;
	}
	reader_open(&r, argv[optind], batch, batch, size);
	while ((n = reader_take(&r, &first, MSG_WAITFORONE)) > 0) {
		unsigned v = 0;

		for (unsigned i = first; i < first + n; i++) {
			size_t len = r.hdr[i].msg_len;
			char *base = r.hdr[i].msg_hdr.msg_iov->iov_base;

			iov[v].iov_base = base;
			iov[v++].iov_len = len;
			if (!len || base[len - 1] != '\n') {
				iov[v].iov_base = (char *)"\n";
				iov[v++].iov_len = 1;
			}
		}
		write_all(out, iov, v);
	}
	reader_report(&r);
	unlink(argv[optind]);
	return 0;
}
