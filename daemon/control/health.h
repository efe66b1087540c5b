/* SPDX-License-Identifier: MIT */
/*
 * What the numbers mean for an operator: is the daemon well, and if not, why?
 * Loop thread only.
 */
#ifndef BUFWRITER_HEALTH_H
#define BUFWRITER_HEALTH_H

#include "daemon/control/snapshot.h"

enum health_level { HEALTH_OK, HEALTH_DEGRADED, HEALTH_FAILING };

#define HEALTH_WHY 480

struct health {
	enum health_level level;
	char why[HEALTH_WHY]; /* one line */
};

/* The worst of what the snapshot shows. */
void health_judge(struct health *h, const struct snapshot *s,
		  const struct sources *from);
const char *health_word(enum health_level level);

/*
 * The errno of a worker that cannot write its file, and the remedy; 0: there
 * is none.
 */
int health_error(const struct sources *from, const char **remedy);
/*
 * What is said of workers that cannot write, wherever it is said: the error,
 * its remedy, and that they keep their data.  Begins with "workers".
 */
#define HEALTH_ERROR 200
void health_explain_error(char text[HEALTH_ERROR], int error,
			  const char *remedy);
/*
 * What is said of drops behind every other trouble (I7): how many since the
 * start, by reason.  Begins with "; ", and is empty without one.
 */
#define HEALTH_DROPS 160
void health_explain_drops(char text[HEALTH_DROPS], const struct dropped *d);

#endif
