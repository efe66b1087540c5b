/* SPDX-License-Identifier: MIT */
/*
 * The control socket and the command `bufwriter` as a test uses them.  What
 * is wrong with a connection fails the test, unless it says otherwise.
 */
#ifndef BUFWRITER_TEST_ASK_H
#define BUFWRITER_TEST_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "client/command/json.h"

/* A connection to bed.control. */
int ask_open(void);
/* Sends bytes as they are; 0, or -errno. */
int ask_send(int fd, const void *bytes, size_t len);
/*
 * The next line, without its newline; NULL if the peer closed the connection
 * first.  Valid until the next call.
 */
const char *ask_receive(int fd);
/* One command on this connection; the answer is valid JSON. */
const char *ask_on(int fd, const char *command);
/* The same on a connection of its own. */
const char *ask(const char *command);
/* The number at a path of an answer, which has to be there. */
double ask_at(const char *answer, const char *path);
/* The text at a path of an answer is this. */
void ask_expect_text(const char *answer, const char *path, const char *text);
/* The number at a path of the status, asked now. */
double ask_number(const char *path);

/*
 * Runs `bufwriter` with these arguments and the bed's sockets.  Returns its exit
 * status; command_output has what it printed, standard error last.
 */
int command(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern char command_output[256 * 1024];
/* What it printed has this part. */
void command_expect(const char *part);

#endif
