/* SPDX-License-Identifier: MIT */
/* TCP ports on loopback. */
#ifndef BUFWRITER_TEST_PORT_H
#define BUFWRITER_TEST_PORT_H

#include <stdbool.h>

/* A port that nobody listens on, and that no other test gets now. */
int port_free(void);
bool port_answers(int port);

#endif
