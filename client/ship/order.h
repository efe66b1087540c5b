/* SPDX-License-Identifier: MIT */
/*
 * What the settings order: which command runs with which arguments, and
 * whether two hosts could get in each other's way at the centre.
 *
 * Made once at the start.
 */
#ifndef BUFWRITER_SHIP_ORDER_H
#define BUFWRITER_SHIP_ORDER_H

#include <stddef.h>

#include "conf/config.h"

struct order {
	char *destination; /* with its % words replaced */
	char **argv;	   /* ends with a NULL */
	size_t argc;
	/*
	 * The prefix that a name must have, because nothing else tells hosts
	 * apart; or "".
	 */
	const char *prefix;
	char wrong[1024]; /* after a failure: one sentence */
};

/* 0; or -EINVAL with `wrong` set; or -ENOMEM. */
int order_make(struct order *order, const struct config *cfg);
void order_free(struct order *order);

#endif
