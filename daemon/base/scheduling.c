/* SPDX-License-Identifier: MIT */
/* See scheduling.h. */
#include "daemon/base/scheduling.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/log.h"

void scheduling_yield(void)
{
	struct sched_param param = { 0 };

	/* The system call itself: musl's function only says ENOSYS. */
	(void)syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &param);
}

/* In Linux each thread has its own nice value: setpriority(2), NOTES. */
bool scheduling_boost(unsigned boost)
{
	int before = getpriority(PRIO_PROCESS, 0), wish = -(int)boost;
	int now = wish < before ? wish : before, err = 0;

	if (!boost)
		return before < 0;
	while (now < before && setpriority(PRIO_PROCESS, 0, now) < 0) {
		err = errno;
		now++;
	}
	if (err)
		log_info("the receiving thread has the nice value %d, not %d "
			 "as socket.priority_boost says: %s; set Nice= in the "
			 "unit, or allow it with RLIMIT_NICE or CAP_SYS_NICE",
			 now, wish, strerror(err));
	return now < 0;
}
