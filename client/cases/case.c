/* SPDX-License-Identifier: MIT */
/* The program of the cases in C, see README.md. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/library/bufwriter.h"

static char line[1 << 20], message[1 << 19];

static int result(int err)
{
	static const struct {
		int err;
		const char *word;
	} words[] = { { 0, "ok" },
		      { BW_TOO_LARGE, "too-large" },
		      { BW_NO_DAEMON, "no-daemon" },
		      { BW_TIMEOUT, "timeout" },
		      { BW_NOT_PERMITTED, "not-permitted" } };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].err == err)
			return puts(words[i].word) < 0;
	return puts(bw_strerror(err)) < 0;
}

static char digit(char c)
{
	return (char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

int main(void)
{
	struct bw *bw;
	size_t len;
	char *hex;

	if (bw_open(&bw, NULL))
		return 1;
	setvbuf(stdout, NULL, _IONBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		hex = strchr(line, ' ') + 1;
		for (len = 0; *hex != '\n'; hex += 2)
			message[len++] = (char)(digit(hex[0]) << 4 |
						digit(hex[1]));
		if (!strncmp(line, "write ", 6)) {
			result(bw_write(bw, message, len));
		} else if (fork() == 0) {
			result(bw_write(bw, message, len));
			_exit(0);
		} else {
			wait(NULL);
		}
	}
	bw_close(bw);
	return 0;
}
