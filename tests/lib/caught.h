/* SPDX-License-Identifier: MIT */
/* Standard error of the test's own process, caught in a file. */
#ifndef BUFWRITER_TEST_CAUGHT_H
#define BUFWRITER_TEST_CAUGHT_H

void caught_begin(void);
/* What was written since, until the next call; standard error is as it was. */
const char *caught_end(void);

#endif
