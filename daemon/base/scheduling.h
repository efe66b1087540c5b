/* SPDX-License-Identifier: MIT */
/* Policy and nice value of threads: sched(7), setpriority(2). */
#ifndef BUFWRITER_SCHEDULING_H
#define BUFWRITER_SCHEDULING_H

#include <stdbool.h>

/*
 * SCHED_BATCH for the calling thread and those that it starts: a woken thread
 * does not preempt a sender in the middle of its work; the kernel queues
 * datagrams meanwhile.  The time of a send at p99.9, two senders at 100,000
 * datagrams/s: 150 us without, 110 us with; while other programs use all
 * processors, 1500 and 350 us.  Does nothing where a sandbox forbids it.
 */
void scheduling_yield(void);
/*
 * Lowers the nice value of the calling thread to -boost; or as far as it may,
 * and logs that.  0 leaves the nice value alone.  Returns whether the nice
 * value is below 0.
 *
 * The one thread that reads the socket must keep up with all senders.  With
 * the same share of the processors as each sender it cannot, and senders block
 * although a processor is idle.
 */
bool scheduling_boost(unsigned boost);

#endif
