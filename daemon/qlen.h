/* SPDX-License-Identifier: MIT */
/*
 * How many datagrams the kernel queues for the socket before senders wait:
 * net.unix.max_dgram_qlen at the moment the socket was made, of the network
 * namespace in which it was made (af_unix.c, unix_create1()).
 */
#ifndef BUFWRITER_QLEN_H
#define BUFWRITER_QLEN_H

/* What systemd's sysctl.d sets; 10 is the kernel's own default. */
#define QLEN_GOOD 512

/*
 * The length that the queue of a socket made now would have, or -errno.  An
 * older socket may have another one, which nobody can ask it for.  Under
 * systemd it is the credential max_dgram_qlen, which the unit takes from the
 * host's namespace, where the socket was made: under PrivateNetwork= the
 * daemon's own /proc/sys is another namespace's.  A credential that is no
 * number, the unit's default for where systemd can not read it either, is
 * none.  Main thread.
 */
int qlen_read(void);

#endif
