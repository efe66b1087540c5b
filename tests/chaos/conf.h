/* SPDX-License-Identifier: MIT */
/*
 * The settings file of a life, and a reload of it.  A new setting has its values
 * in plan.c and its line here.
 */
#ifndef BUFWRITER_TEST_CONF_H
#define BUFWRITER_TEST_CONF_H

#include <stdbool.h>

#include "tests/chaos/plan.h"

/* `more` is put at the end, for a file with an error. */
void conf_write(const struct settings *s, const char *more);
/* These settings hold from the start of the daemon on. */
void conf_use(const struct settings *s);
/* True: the daemon has taken them. */
bool conf_reload(const struct settings *s, bool by_signal);

#endif
