/* SPDX-License-Identifier: MIT */
/*
 * The form of a benchmark message, shared by sender and count: a head of
 * fixed width that says who sent it, which one it is and how long it is,
 * then filling, then a newline.  The head lets the counting program prove
 * that each message arrived whole and once, through any daemon that keeps
 * the text of a line.
 */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

/* "#bw SSS NNNNNNNNNN LLLLLL ": sender, number, bytes from '#' to newline */
#define MSG_MARK "#bw "
#define MSG_HEAD 26
#define MSG_MIN (MSG_HEAD + 1)
#define MSG_MAX (208 * 1024)
#define MSG_SENDERS 256

#endif
