/* SPDX-License-Identifier: MIT */
/*
 * What is done to a running daemon and to those around it.  A new deed has its
 * word in plan.h, its chance in plan.c, and its line in deeds_do().
 */
#ifndef BUFWRITER_TEST_DEEDS_H
#define BUFWRITER_TEST_DEEDS_H

#include <stdbool.h>

#include "tests/chaos/plan.h"

void deeds_do(const struct life *life, const struct step *step);

/* Senders and programs rest, or go on. */
void deeds_hold_senders(bool hold);
/* Every fault of the disk ends. */
void deeds_mend(void);
/* One command; no answer in time fails the test, and so does a wrong sum. */
void deeds_ask(const char *command);
/* Has this daemon looked at what the life before left? */
bool deeds_has_looked(void);

#endif
