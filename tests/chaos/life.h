/* SPDX-License-Identifier: MIT */
/*
 * A life of the daemon: its start, its deeds, and its end, which is an orderly
 * one or SIGKILL.
 */
#ifndef BUFWRITER_TEST_LIFE_H
#define BUFWRITER_TEST_LIFE_H

#include "tests/chaos/plan.h"

/* The whole of it. */
void life_live(const struct life *life);

/* Its parts, for the last life. */
void life_begin(const struct life *life);
/* Waits for the end; the wait status. */
int life_wait(void);
/* The log of this life goes into the ledger. */
void life_account(int status);

#endif
