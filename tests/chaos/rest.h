/* SPDX-License-Identifier: MIT */
/*
 * What a daemon holds that has nothing to do: descriptors, threads, memory.
 * After a life with faults and all it is not more than before.
 */
#ifndef BUFWRITER_TEST_REST_H
#define BUFWRITER_TEST_REST_H

/* Everything is filed, and nobody is connected: notes what the daemon holds. */
void rest_begin(void);
/* The same again: fails the test if it is more now. */
void rest_end(void);
/* So many the daemon has now. */
unsigned rest_descriptors(void);
/* How much more memory it held, in K. */
long rest_growth(void);

#endif
