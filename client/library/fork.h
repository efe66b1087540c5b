/* SPDX-License-Identifier: MIT */
/*
 * The connections of lanes, and what a fork does to them.
 *
 * A fork's child has none of its parent's lanes: the kernel clears the memory
 * that describes them, and does not map the lanes themselves.  It does inherit
 * the connections.  The child closes them at once, because the daemon takes the
 * end of a connection as the end of its client.
 *
 * Making and closing a connection hold a lock, and a fork takes the same lock,
 * so that a child knows every connection that it has inherited.  No message
 * needs the lock.  Signals are blocked while a thread holds it, so that a
 * signal handler may fork.
 */
#ifndef BUFWRITER_FORK_H
#define BUFWRITER_FORK_H

struct bw;

/*
 * Makes connection number `index` of the handle: a socket that is not
 * connected yet.  Returns the descriptor or -errno.
 */
int bw_fork_socket(struct bw *bw, int index);
/* The descriptor of a connection that has been made. */
int bw_fork_fd(const struct bw *bw, int index);
/* Closes the connection, if there is one. */
void bw_fork_close(struct bw *bw, int index);
/* Closes all connections of a handle that will be freed. */
void bw_fork_forget(struct bw *bw);

/*
 * Memory that a fork's child finds cleared, or NULL where the kernel cannot do
 * that.  munmap(2) frees it.
 */
void *bw_fork_memory(unsigned long bytes);

#endif
