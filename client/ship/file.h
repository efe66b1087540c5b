/* SPDX-License-Identifier: MIT */
/* A complete file that waits to be shipped. */
#ifndef BUFWRITER_SHIP_FILE_H
#define BUFWRITER_SHIP_FILE_H

#include <stdbool.h>
#include <stdint.h>

struct ship_file {
	uint64_t time_ns; /* from its name */
	uint64_t bytes;
	unsigned left;	 /* runs that moved other files and left this one */
	unsigned tries;	 /* runs in which it was alone and stayed */
	bool is_gone;	 /* it is no longer in the directory */
	bool is_suspect; /* it may be the reason why a run failed */
	char name[];
};

#endif
