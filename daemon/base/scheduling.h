/* SPDX-License-Identifier: MIT */
/*
 * How the kernel's scheduler sees the threads.  sched(7), setpriority(2).
 */
#ifndef BUFWRITER_SCHEDULING_H
#define BUFWRITER_SCHEDULING_H

#include <stdbool.h>

/*
 * A thread that is woken takes no processor from who runs there, which would
 * be a sender in the middle of its work: the kernel queues what comes
 * meanwhile.  Two senders, 100,000 datagrams/s, the send at p99.9: 150 us
 * without, 110 us with; 1500 and 350 us while other programs want all
 * processors.  For the calling thread and those it starts; a sandbox that
 * forbids it is no error.
 */
void scheduling_yield(void);
/*
 * Lowers the nice value of the calling thread to -boost, or as far as is
 * allowed, which is logged; with 0 it stays.  Returns whether it is below 0.
 * The one thread that reads the socket has to keep up with all senders: with a
 * share of the processors like that of each of them it can not, and they wait
 * while a processor is idle.
 */
bool scheduling_boost(unsigned boost);

#endif
