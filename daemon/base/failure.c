/* SPDX-License-Identifier: MIT */
/* See failure.h. */
#include "daemon/base/failure.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

int failure_set(struct failure *f, int err, const char *fmt, ...)
{
	va_list ap;

	assert(err < 0);
	f->err = err;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	return err;
}
