/* SPDX-License-Identifier: MIT */
/*
 * The clock of one process steps: LD_PRELOAD puts this library before libc.
 * The file that BW_CLOCK names holds how many nanoseconds CLOCK_REALTIME is
 * off, and may change at any time.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static const _Atomic int64_t *offset_ns;

__attribute__((constructor)) static void map_offset(void)
{
	const char *path = getenv("BW_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, sizeof(*offset_ns), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		offset_ns = at;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int ret = syscall(SYS_clock_gettime, id, ts);
	int64_t ns;

	if (ret || id != CLOCK_REALTIME || !offset_ns)
		return ret;
	ns = ts->tv_sec * SECOND + ts->tv_nsec + *offset_ns;
	ts->tv_sec = ns / SECOND;
	ts->tv_nsec = ns % SECOND;
	return 0;
}
