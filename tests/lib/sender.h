/* SPDX-License-Identifier: MIT */
/*
 * Processes that send what can be told apart afterwards.
 *
 * A flow is a rule: message number i of flow `id` has one content, which the
 * sender makes and the tally (tally.h) makes again.  Text messages are
 * `[...]` with the flow and number in front and no newline or bracket inside,
 * so that they show where they begin and end in any framing; one byte is `!`.
 * Binary ones are any bytes, for framing = length.
 */
#ifndef BUFWRITER_TEST_SENDER_H
#define BUFWRITER_TEST_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FLOW_LARGEST (208 * 1024)

struct flow {
	uint32_t id;
	uint64_t count;	   /* messages; 0: until sender_finish() */
	uint32_t min, max; /* bytes; as often 10 to 99 as 100 to 999 */
	int binary;
	const char *header;  /* sent before each message, or NULL */
	uint32_t pause_us;   /* after each message */
	uint32_t pause_each; /* ... or only after so many, if not 0 */
};

/* Shared with the sender's process. */
struct sender_page {
	_Atomic uint64_t sent;
	_Atomic int stop;
	_Atomic int hold;	     /* sends nothing while it is set */
	_Atomic int error;	     /* errno of the send that ended it, or 0 */
	_Atomic uint64_t slowest_us; /* the longest send so far */
};

struct sender {
	pid_t pid;
	struct flow flow;
	struct sender_page *page;
};

/* Message `number` of the flow, without header, into buf[max]; its size. */
size_t flow_message(const struct flow *flow, uint64_t number, uint8_t *buf);

/* Starts a process that sends the flow to bed.sock with blocking sends. */
struct sender *sender_start(const struct flow *flow);
/* The same to another socket. */
struct sender *sender_start_to(const char *path, const struct flow *flow);
/* How many messages the daemon's socket has taken from it. */
uint64_t sender_sent(const struct sender *sender);
/* The longest of its sends so far, in seconds. */
double sender_slowest(const struct sender *sender);
/* With true it sends nothing after the current message, until false. */
void sender_hold(struct sender *sender, bool hold);
/* 1 while its process runs. */
int sender_running(const struct sender *sender);
/* Waits for a counted flow's end; no send may have failed. */
void sender_wait(struct sender *sender);
/* Makes the sender end after its current message, and waits. */
void sender_finish(struct sender *sender);
/* As sender_wait(), but returns the errno that ended the sender, or 0. */
int sender_result(struct sender *sender);
/* SIGKILL to all that are left. */
void sender_kill_all(void);

/*
 * Fills the queue of the datagram socket at `path` with copies of this text;
 * returns their number.  It uses several sockets, because the send buffer of one
 * may be full before the queue: the queue is full when a new socket can send
 * nothing.
 */
unsigned send_fill(const char *path, const char *text);
/* A connected socket of the test itself. */
int send_open(void);
/* One datagram, blocking; fails the test on an error. */
void send_one(int fd, const void *data, size_t len);
/* Waits until nothing that was sent on fd is in the socket's queue. */
void send_drain(int fd);

/*
 * Starts a process that renames each complete file of bed.files into `to` as
 * soon as it sees it, as a shipper on an edge server does.  shipper_finish()
 * ends it after it has taken all files.
 */
void shipper_start(const char *to);
void shipper_finish(void);

#endif
