/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share.  Each target is a file fuzz_NAME.c with a
 * function LLVMFuzzerTestOneInput(); seeds/NAME holds inputs to begin with,
 * and NAME.dict words of its language.  The head of each file says how it
 * reads an input, and what must hold.
 */
#ifndef BUFWRITER_TESTS_FUZZ_H
#define BUFWRITER_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process with a line that says what does not hold. */
void fuzz_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

#define FUZZ_CHECK(truth, ...)                                      \
	do {                                                        \
		if (!(truth))                                       \
			fuzz_fail(__FILE__, __LINE__, __VA_ARGS__); \
	} while (0)

/* --- the input ----------------------------------------------------------- */

struct fuzz_input {
	const uint8_t *data;
	size_t left;
};

/* The next `bytes` as a little-endian number; zeroes behind the end. */
uint64_t fuzz_number(struct fuzz_input *in, unsigned bytes);
/* The next `bytes`, or what is left, with a NUL behind; to be freed. */
char *fuzz_text(struct fuzz_input *in, size_t bytes);
/*
 * All up to the first line that is `end`, which is taken too, or up to the end
 * of the input.
 */
struct fuzz_input fuzz_until_line(struct fuzz_input *in, const char *end);

/* --- texts --------------------------------------------------------------- */

/* True if no byte is a control character. */
bool fuzz_is_line(const char *text);

/* --- files --------------------------------------------------------------- */

/* The directory of this process; it is made by the first call. */
const char *fuzz_dir(void);
/* Writes a file, in place of what it held. */
void fuzz_write(const char *path, const void *data, size_t size);

#endif
