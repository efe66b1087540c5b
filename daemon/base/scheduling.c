/* SPDX-License-Identifier: MIT */
/* See scheduling.h. */
#include "daemon/base/scheduling.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "daemon/base/log.h"

void scheduling_yield(void)
{
	struct sched_param param = { 0 };

	(void)sched_setscheduler(0, SCHED_BATCH, &param);
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
		log_info("the nice value of the thread that reads the socket "
			 "is %d, not %d as socket.priority_boost wants: %s; "
			 "Nice= of the unit sets it, RLIMIT_NICE or "
			 "CAP_SYS_NICE allows it",
			 now, wish, strerror(err));
	return now < 0;
}
