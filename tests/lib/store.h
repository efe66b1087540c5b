/* SPDX-License-Identifier: MIT */
/*
 * systemd's descriptor store, as a test program plays it: a thread reads
 * NOTIFY_SOCKET, keeps what comes with FDSTORE=1 under its FDNAME, forgets it
 * with FDSTOREREMOVE=1, and the bed passes all of it to the next life of the
 * daemon, which may have ended by SIGKILL.
 *
 * Call store_open() after bed_hold_socket(), whose order of descriptors is
 * that of systemd: the sockets first, then the store.
 */
#ifndef BUFWRITER_TEST_STORE_H
#define BUFWRITER_TEST_STORE_H

#define STORE_MOST 512

/* From now on the daemons that the bed starts have a store. */
void store_open(void);
/* Closes what is stored, as systemd does when a unit is stopped. */
void store_clear(void);
/* Ends that; harmless if it is not open.  bed_close() does it, too. */
void store_close(void);

/* Descriptors that are stored now, of all that the daemon sent so far. */
unsigned store_count(void);
/* Takes one out, as if systemd had lost it; "-c" at its end: a connection. */
void store_lose(const char *end);

/*
 * For daemon_spawn(): the descriptors and their names, from the second of two
 * calls that hold and release the store around fork(2).
 */
unsigned store_hold(int fds[STORE_MOST], const char *names[STORE_MOST]);
void store_release(void);

#endif
