/* SPDX-License-Identifier: MIT */
/* `bufwriter top` on a terminal: what it shows there. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../lib/bed.h"
#include "../lib/peer.h"
#include "../lib/terminal.h"

#define FRAME "\033[H\033[7m bufwriterd"
#define LAST_OF_FRAME "\033[J"

static unsigned frames(struct terminal *t)
{
	const char *at = terminal_find(t, FRAME);
	unsigned n = 0;

	for (; at; at = strstr(at + 1, FRAME))
		n++;
	return n;
}

/* --- what fits ----------------------------------------------------------- */

/* A status with this number in every place of one. */
static const char *status_of(const char *number)
{
	const char *rates = bed_text(
		"{\"received\":%1$s,\"received_bytes\":%1$s,\"written\":%1$s,"
		"\"files\":%1$s,\"file_bytes\":%1$s,\"dropped\":%1$s}",
		number);
	const char *worker = bed_text(
		"{\"worker\":255,\"state\":\"retrying\",\"error\":null,"
		"\"arena_bytes\":%1$s,\"arena_size\":1,\"messages\":%1$s,"
		"\"files\":%1$s,\"file_bytes\":%1$s,\"failures\":%1$s}",
		number);

	return bed_text(
		"{\"version\":\"10.20.30\",\"pid\":4194304,\"uptime\":%1$s,"
		"\"health\":\"degraded\",\"why\":\"of numbers\","
		"\"listener\":\"waiting\",\"rates\":{\"now\":%2$s,"
		"\"minute\":%2$s},\"dropped\":{\"too_large\":%1$s,"
		"\"ring_full\":%1$s},\"gauges\":{\"in_ring\":%1$s,"
		"\"ring_slots\":%1$s,\"ring_high\":%1$s,\"in_arenas\":%1$s,"
		"\"arena_bytes\":%1$s,\"oldest_seconds\":%1$s},"
		"\"histograms\":{\"flush_seconds\":{\"le\":[0.0256,60],"
		"\"counts\":[0,%1$s,0]}},\"workers\":[%3$s]}\n",
		number, rates, worker);
}

/* Of the text up to `end`, without what is no text. */
static unsigned columns(const char *line, const char *end)
{
	unsigned n = 0;

	for (; line < end; line++)
		if (*line == '\033')
			line += strcspn(line, "HJKlmh");
		else
			n++;
	return n;
}

static const char *const numbers[] = {
	"0",	     "7",	   "1023.96",
	"99999.9",   "999999",	   "9999999",
	"123456789", "9999999999", "18446744073709551615",
};

/* Where there is room for more: nothing may be cut to fit. */
START_TEST(every_line_of_numbers_fits_80_columns)
{
	static struct terminal t;
	pid_t peer = peer_start(status_of(numbers[_i]), 1);
	const char *line, *end;

	terminal_start(&t, 200, "bufwriter top -d 100ms");
	UNTIL(frames(&t) >= 2 && strstr(strrchr(t.seen, 'H'), LAST_OF_FRAME));
	terminal_type(&t, "q");
	ck_assert_int_eq(terminal_end(&t), 0);
	for (line = t.seen; (end = strstr(line, "\r\n")); line = end + 2)
		/* In the last column there is what clears the line's rest. */
		ck_assert_msg(columns(line, end) < 80, "%u columns: %.*s",
			      columns(line, end), (int)(end - line), line);
	ck_assert_ptr_nonnull(strstr(t.seen, "failed"));
	peer_stop(peer);
}
END_TEST

/* The daemon would close a connection that has nothing to say for so long. */
START_TEST(a_long_delay_has_a_connection_for_each_look)
{
	static struct terminal t;

	daemon_start();
	terminal_start(&t, 80, "bufwriter top -d 10s");
	UNTIL(frames(&t) == 1);
	terminal_type(&t, " ");
	UNTIL(frames(&t) == 2);
	terminal_type(&t, "q");
	ck_assert_int_eq(terminal_end(&t), 0);
	daemon_stop(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("top");
	TCase *t = bed_case(suite, "frame");

	tcase_add_loop_test(t, every_line_of_numbers_fits_80_columns, 0,
			    sizeof(numbers) / sizeof(numbers[0]));
	tcase_add_test(t, a_long_delay_has_a_connection_for_each_look);
	return bed_run(suite);
}
