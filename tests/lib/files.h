/* SPDX-License-Identifier: MIT */
/* Directories and files of a test.  An error fails the test. */
#ifndef BUFWRITER_TEST_FILES_H
#define BUFWRITER_TEST_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* Enough for dir_make(); a socket's address has room for 40 bytes more. */
#define DIR_PATH 64

/*
 * Makes a directory that every user may enter, in a memory file system if
 * there is one with room: tests are about order, not about disks.
 */
void dir_make(char path[DIR_PATH]);
/*
 * Removes a directory and its content, and unmounts what a test mounted in it.
 */
void dir_remove(const char *path);
/*
 * Makes the directory `to` with copies of the files in `from`, which has no
 * directories; modes and times stay.
 */
void dir_copy(const char *from, const char *to);
/* True if the directory is empty or missing. */
bool dir_empty(const char *path);

bool file_exists(const char *path);
/* The file becomes these bytes. */
void file_write(const char *path, const void *data, size_t len);
void file_touch(const char *path);
/*
 * The whole file with a NUL behind it, to be freed; the length is without the
 * NUL, and `len` may be NULL.
 */
char *file_read(const char *path, size_t *len);
/* The same of an open file, from its offset on. */
char *file_read_fd(int fd, size_t *len);

/*
 * True if the tests are built with libzstd, so that the daemon compresses, too.
 */
bool file_can_unpack(void);
/*
 * If the name says that the file is compressed: what it holds; it has to be one
 * whole frame with a checksum.  Otherwise the bytes themselves.  Frees `data`;
 * the caller frees what is returned.  NULL, and `why`: it is not such a frame.
 */
char *file_unpack(const char *name, char *data, size_t *len, const char **why);
/* Complete files in a directory: names without a dot in front. */
unsigned files_count(const char *dir);
/* What all complete files hold, one after the other; the caller frees. */
char *files_content(const char *dir, size_t *len);

#endif
