/* SPDX-License-Identifier: MIT */
/*
 * The small parts of the shipper: back-off, names, destinations, what a run's
 * end means, and the scan of a directory.
 */
#include "tests/lib/core.h"

#include "client/command/backlog.h"
#include "client/ship/backoff.h"
#include "client/ship/names.h"
#include "client/ship/order.h"
#include "client/ship/scan.h"
#include "client/ship/target.h"
#include "client/ship/verdict.h"

/* --- back-off ------------------------------------------------------------ */

START_TEST(a_pause_doubles_from_a_second_to_five_minutes)
{
	uint32_t whole = 2000;
	unsigned i;

	for (i = 0; i < 100; i++) {
		ck_assert_uint_eq(backoff_ms(i, 0), whole / 2);
		ck_assert_uint_eq(backoff_ms(i, UINT32_MAX), whole - 1);
		whole = 2 * whole < 300000 ? 2 * whole : 300000;
	}
	ck_assert_uint_eq(backoff_ms(0, 0), BACKOFF_MIN_MS);
	ck_assert_uint_le(backoff_ms(1000, UINT32_MAX), BACKOFF_MAX_MS);
}
END_TEST

START_TEST(pauses_of_many_hosts_differ)
{
	uint64_t early = 0, late = 0;
	unsigned i;

	for (i = 0; i < 1000; i++) {
		uint32_t ms = backoff_ms(20, backoff_random());

		early += ms < 187500;
		late += ms >= 262500;
		ck_assert_uint_ge(ms, 150000);
		ck_assert_uint_le(ms, 300000);
	}
	/* each is a quarter of them, give or take */
	ck_assert_uint_ge(early, 100);
	ck_assert_uint_ge(late, 100);
}
END_TEST

START_TEST(an_interval_spreads_by_a_tenth)
{
	ck_assert_uint_eq(backoff_spread(1000, 0), 900);
	ck_assert_uint_eq(backoff_spread(1000, UINT32_MAX), 1099);
	ck_assert_uint_eq(backoff_spread(0, 7), 0);
	ck_assert_uint_le(backoff_spread(86400000, UINT32_MAX), 95040000);
}
END_TEST

/* --- names --------------------------------------------------------------- */

static const struct {
	const char *name;
	uint64_t time_ns;
} file_names[] = {
	{ "0_77_1795597042000000001.log", 1795597042000000001 },
	{ "web-12_2147483647_1795597042000000001.log.zst",
	  1795597042000000001 },
	{ "2024_01_02_3_77_1795597042000000001", 1795597042000000001 },
	{ "v23_77_1795597042000000001.log", 1795597042000000001 },
	{ "3_77_1795597042000000001_5.log", 1795597042000000001 },
	{ "-1_2_1795597042000000001.log", 1795597042000000001 },
	/* a clock that begins in 1970 */
	{ "1_2_12000000000.log", 12000000000 },
	{ "1_2_99999999999999999999999.log", UINT64_MAX },
	{ ".0_77_1795597042000000001.log", 0 },
	{ "#0_77_1795597042000000001.log", 0 },
	{ ";0_77_1795597042000000001.log", 0 },
	{ "0_77_17955.log", 0 },
	{ "0_1795597042000000001.log", 0 },
	{ "_77_1795597042000000001.log", 0 },
	{ "0__1795597042000000001.log", 0 },
	{ "0-77-1795597042000000001.log", 0 },
	{ "access.log", 0 },
	{ "_", 0 },
	{ "", 0 },
};

START_TEST(a_name_of_the_daemon_has_a_time)
{
	unsigned i;

	for (i = 0; i < sizeof(file_names) / sizeof(file_names[0]); i++)
		ck_assert_msg(backlog_time(file_names[i].name) ==
				      file_names[i].time_ns,
			      "%s", file_names[i].name);
}
END_TEST

START_TEST(a_set_of_names_has_a_bound)
{
	struct names names;
	char name[32];
	unsigned i;

	names_init(&names, 1000);
	ck_assert(!names_has(&names, ""));
	for (i = 0; i < 1000; i++) {
		sprintf(name, "%u", i);
		ck_assert(names_add(&names, name));
		ck_assert(!names_add(&names, name));
	}
	ck_assert(!names_add(&names, "another"));
	ck_assert(!names_has(&names, "another"));
	for (i = 0; i < 1000; i++) {
		sprintf(name, "%u", i);
		ck_assert(names_has(&names, name));
	}
	names_free(&names);
	ck_assert(!names_has(&names, "1"));
	ck_assert(names_add(&names, "1"));
	names_free(&names);
}
END_TEST

/* --- destinations -------------------------------------------------------- */

static const struct {
	const char *destination;
	enum target kind;
	const char *done; /* or NULL */
} targets[] = {
	{ "rsync://centre/edge/in/web1/", TARGET_DAEMON, "/done/web1" },
	{ "rsync://u@centre:8873/edge/in/web1", TARGET_DAEMON, "/done/web1" },
	{ "rsync://centre/edge/a/in/web1/", TARGET_DAEMON, "/a/done/web1" },
	{ "rsync://centre/edge/web1/", TARGET_DAEMON, NULL },
	{ "rsync://centre/edge/", TARGET_DAEMON, NULL },
	{ "rsync://centre", TARGET_DAEMON, NULL },
	{ "rsync://", TARGET_DAEMON, NULL },
	{ "u@centre::edge/in/web1", TARGET_DAEMON, "/done/web1" },
	{ "[::1]::edge/in/web1", TARGET_DAEMON, "/done/web1" },
	{ "centre::", TARGET_DAEMON, NULL },
	{ "centre:/in/web1/", TARGET_SSH, "/done/web1" },
	{ "centre:in/web1/", TARGET_SSH, "/done/web1" },
	{ "[::1]:/srv/in/web1", TARGET_SSH, "/srv/done/web1" },
	{ "u@centre:/srv/in//web1//", TARGET_SSH, "/srv/done/web1" },
	{ "centre:", TARGET_SSH, NULL },
	{ "/srv/in/web1", TARGET_LOCAL, "/srv/done/web1" },
	{ "/srv/a:b/in/web1", TARGET_LOCAL, "/srv/a:b/done/web1" },
	{ "/srv/main/web1", TARGET_LOCAL, NULL },
	{ "in/web1", TARGET_LOCAL, "/done/web1" },
	{ "/in/", TARGET_LOCAL, NULL },
	{ "/", TARGET_LOCAL, NULL },
	{ "", TARGET_LOCAL, NULL },
	{ "[", TARGET_LOCAL, NULL },
};

START_TEST(a_destination_is_what_rsync_takes_it_for)
{
	char done[64];
	unsigned i;

	for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		const char *text = targets[i].destination;
		bool has = target_done(text, done, sizeof(done));

		ck_assert_msg(target_kind(text) == targets[i].kind, "%s", text);
		ck_assert_msg(has == (targets[i].done != NULL), "%s: %s", text,
			      has ? done : "-");
		if (has)
			ck_assert_str_eq(done, targets[i].done);
	}
	ck_assert(!target_done("/srv/in/web1", done, 5));
}
END_TEST

/* --- the order ----------------------------------------------------------- */

static char host[256];

static void order_of(struct order *order, struct config **cfg,
		     const char *prefix, const char *destination,
		     const char *command, int expected)
{
	char options[4][1024];

	snprintf(options[0], sizeof(options[0]), "files.prefix=%s", prefix);
	snprintf(options[1], sizeof(options[1]), "ship.destination=%s",
		 destination);
	snprintf(options[2], sizeof(options[2]), "ship.command=%s", command);
	*cfg = CORE_SETTINGS(options[0], options[1], options[2]);
	ck_assert_msg(order_make(order, *cfg) == expected, "%s|%s|%s: %s",
		      prefix, destination, command, order->wrong);
}

static const struct {
	const char *prefix, *destination, *command;
	const char *needs; /* the prefix; NULL: refused */
} hosts[] = {
	{ "", "centre:/in/%H", "", "" },
	{ "", "centre:/in/HOST", "", "" },
	{ "%H-", "centre:/in", "", "HOST-" },
	{ "a-%H-", "centre:/in", "", "a-HOST-" },
	{ "HOST-", "centre:/in", "", "HOST-" },
	{ "%H-", "centre:/in/%H", "", "" },
	{ "", "", "send --from %H", "" },
	{ "", "centre:/in", "", NULL },
	{ "", "centre:/in/%i", "", NULL },
	{ "%i-", "centre:/in", "", NULL },
	{ "", "centre:/in/100%%H", "", NULL },
	{ "", "", "send", NULL },
	{ "%H", "", "", NULL },
};

/* HOST stands for the name of this host. */
static const char *with_host(const char *text)
{
	static char out[4][1024];
	static unsigned next;
	const char *at = strstr(text, "HOST");
	char *to = out[next++ % 4];

	if (!at)
		return text;
	snprintf(to, sizeof(out[0]), "%.*s%s%s", (int)(at - text), text, host,
		 at + 4);
	return to;
}

START_TEST(hosts_are_told_apart_or_nothing_is_shipped)
{
	struct config *cfg;
	struct order order;
	unsigned i;

	gethostname(host, sizeof(host) - 1);
	if (!strcmp(host, "localhost")) {
		suite_skip("this host has no name of its own");
		return;
	}
	for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		order_of(&order, &cfg, with_host(hosts[i].prefix),
			 with_host(hosts[i].destination), hosts[i].command,
			 hosts[i].needs ? 0 : -EINVAL);
		if (hosts[i].needs)
			ck_assert_str_eq(order.prefix,
					 with_host(hosts[i].needs));
		else
			ck_assert_ptr_nonnull(
				strstr(order.wrong, "destination"));
		order_free(&order);
		config_free(cfg);
	}
}
END_TEST

START_TEST(a_command_has_words_quotes_and_percent_words)
{
	static const char *const want[] = { "send", "--to", "a b%",	 "x y",
					    "it's", "",	    "bufwriter", "%d" };
	struct config *cfg;
	struct order order;
	size_t i;

	gethostname(host, sizeof(host) - 1);
	order_of(&order, &cfg, "%H", "a b%%",
		 "send  --to %d \"x y\" it\\'s '' %i %%d", 0);
	ck_assert_uint_eq(order.argc, 8);
	for (i = 0; i < order.argc; i++)
		ck_assert_str_eq(order.argv[i], want[i]);
	ck_assert_ptr_null(order.argv[8]);
	order_free(&order);
	config_free(cfg);

	order_of(&order, &cfg, "%H", "", "send 'x", -EINVAL);
	ck_assert_ptr_nonnull(strstr(order.wrong, "quote"));
	order_free(&order);
	config_free(cfg);

	order_of(&order, &cfg, "%H", "", "send %x", -EINVAL);
	ck_assert_ptr_nonnull(strstr(order.wrong, "\"%x\" is unknown"));
	order_free(&order);
	config_free(cfg);

	order_of(&order, &cfg, "", "/in/%H/%y", "", -EINVAL);
	ck_assert_ptr_nonnull(strstr(order.wrong, "\"%y\" is unknown"));
	order_free(&order);
	config_free(cfg);
}
END_TEST

static bool has_word(const struct order *order, const char *word)
{
	size_t i;

	for (i = 0; i < order->argc; i++)
		if (!strncmp(order->argv[i], word, strlen(word)))
			return true;
	return false;
}

START_TEST(rsync_gets_the_options_that_fit_the_destination)
{
	struct config *cfg;
	struct order order;

	unsetenv("RSYNC_RSH");
	order_of(&order, &cfg, "%H", "rsync://c/m/in/x", "", 0);
	ck_assert(has_word(&order, "--contimeout=20"));
	ck_assert(has_word(&order, "--sockopts=TCP_NODELAY"));
	ck_assert(has_word(&order, "--compare-dest=/done/x"));
	ck_assert(has_word(&order, "--suffix=."));
	ck_assert(has_word(&order, "--modify-window=-1"));
	ck_assert(!has_word(&order, "--rsh="));
	order_free(&order);
	config_free(cfg);

	order_of(&order, &cfg, "%H", "c:/in/x", "", 0);
	ck_assert(!has_word(&order, "--contimeout"));
	ck_assert(!has_word(&order, "--sockopts"));
	ck_assert(has_word(&order, "--rsh=ssh -oBatchMode=yes"));
	ck_assert(has_word(&order, "--suffix=."));
	ck_assert(!has_word(&order, "--modify-window"));
	order_free(&order);
	config_free(cfg);

	setenv("RSYNC_RSH", "other", 1);
	order_of(&order, &cfg, "%H", "c:/x", "", 0);
	ck_assert(!has_word(&order, "--rsh="));
	ck_assert(!has_word(&order, "--compare-dest"));
	order_free(&order);
	config_free(cfg);
}
END_TEST

/* --- verdicts ------------------------------------------------------------ */

static const struct {
	const char *said;
	int status, signal, start_error;
	bool has_stalled;
	size_t left; /* of 10 */
	enum blame blame;
	const char *line; /* a part of it */
} ends[] = {
	{ "", 0, 0, 0, false, 0, BLAME_NOTHING, "" },
	{ "file has vanished", 24, 0, 0, false, 0, BLAME_NOTHING, "" },
	{ "", 0, 0, 0, false, 10, BLAME_FILES, "left 10 of 10 files" },
	{ "", 0, 0, -ENOENT, false, 10, BLAME_CENTRE,
	  "cannot start rsync: No such file" },
	{ "rsync: mkstemp failed: x\nrsync error: 23", 23, 0, 0, false, 1,
	  BLAME_FILES, "status 23: rsync: mkstemp failed: x; " },
	{ "rsync: write failed on \"x\": No space left on device (28)\n", 11, 0,
	  0, false, 10, BLAME_CENTRE, "No space left on device (28); " },
	{ "rsync: getaddrinfo: nohost 873: Name or service not known\n", 10, 0,
	  0, false, 10, BLAME_CENTRE, "check the host in ship.destination" },
	{ "ssh: Could not resolve hostname x: Name or service not known\n"
	  "rsync: connection unexpectedly closed (0 bytes received so far)\n",
	  12, 0, 0, false, 10, BLAME_CENTRE, "Could not resolve hostname x" },
	{ "@@@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\n"
	  "Host key verification failed.\r\n",
	  12, 0, 0, false, 10, BLAME_CENTRE,
	  "status 12: Host key verification failed.; put" },
	{ "u@c: Permission denied (publickey).\n", 12, 0, 0, false, 10,
	  BLAME_CENTRE, "does not accept the key" },
	{ "@ERROR: auth failed on module edge\n", 5, 0, 0, false, 10,
	  BLAME_CENTRE, "check user and password" },
	{ "@ERROR: Unknown module 'x'\n", 5, 0, 0, false, 10, BLAME_CENTRE,
	  "check the module" },
	{ "rsync: connection unexpectedly closed (311 bytes received so far)\n",
	  12, 0, 0, false, 10, BLAME_UNKNOWN, "the connection broke" },
	{ "rsync error: timeout in data send/receive\n", 30, 0, 0, false, 10,
	  BLAME_CENTRE, "did not answer in time" },
	{ "", 0, 9, 0, false, 10, BLAME_UNKNOWN,
	  "rsync was killed by SIGKILL" },
	{ "", 0, 15, 0, true, 10, BLAME_UNKNOWN, "moved nothing for 120 s" },
	{ "\x1b[31mred\x1b[0m\n", 1, 0, 0, false, 10, BLAME_CENTRE,
	  "status 1: ?[31mred?[0m; " },
	{ "odd\n", 99, 0, 0, false, 10, BLAME_UNKNOWN, "status 99: odd; " },
};

START_TEST(the_end_of_a_run_says_whose_fault_it_was)
{
	struct verdict v;
	unsigned i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const struct ending ending = {
			.program = "/usr/bin/rsync" +
				   (ends[i].start_error ? 9 : 0),
			.start_error = ends[i].start_error,
			.status = ends[i].status,
			.signal = ends[i].signal,
			.has_stalled = ends[i].has_stalled,
			.stall_s = 120,
			.files = 10,
			.left = ends[i].left,
			.said = ends[i].said,
		};

		verdict_make(&v, &ending);
		ck_assert_msg(v.blame == ends[i].blame, "%u: %s", i, v.line);
		ck_assert_msg(strstr(v.line, ends[i].line) != NULL, "%u: %s", i,
			      v.line);
		ck_assert_int_eq(v.has_failed, ends[i].blame != BLAME_NOTHING);
	}
}
END_TEST

START_TEST(another_command_has_statuses_of_its_own)
{
	struct ending ending = {
		.program = "send", .files = 1, .left = 1, .said = ""
	};
	struct verdict v;

	ending.status = 75;
	verdict_make(&v, &ending);
	ck_assert_int_eq(v.blame, BLAME_CENTRE);
	ending.status = 12;
	verdict_make(&v, &ending);
	ck_assert_int_eq(v.blame, BLAME_UNKNOWN);
}
END_TEST

/* --- the scan ------------------------------------------------------------ */

static void make_file(const char *name)
{
	file_write(core_path(name), "x", 1);
}

START_TEST(a_scan_keeps_the_oldest_and_counts_all)
{
	struct names known;
	struct scan scan = { .prefix = "", .known = &known, .room = 10 };
	char name[64];
	unsigned i;

	core_mkdir("d");
	for (i = 0; i < 100; i++) {
		/* in an order that is not that of the names */
		sprintf(name, "d/%u_1_%u.log", i % 7,
			1000000000 + i * 37 % 100);
		make_file(name);
	}
	make_file("d/.0_1_1000000000.log");
	make_file("d/foreign");
	core_mkdir("d/0_1_1000000001.log");
	ck_assert_int_eq(symlink("foreign", core_path("d/0_1_1000000002.log")),
			 0);
	ck_assert_int_eq(mkfifo(core_path("d/0_1_1000000003.log"), 0600), 0);
	scan.dir = open(core_path("d"), O_RDONLY | O_DIRECTORY);
	names_init(&known, 10);
	names_add(&known, "0_1_1000000000.log"); /* i = 0 */

	scan_run(&scan);
	ck_assert_int_eq(scan.err, 0);
	ck_assert_uint_eq(scan.n, 10);
	for (i = 0; i < 10; i++)
		ck_assert_uint_eq(scan.files[i]->time_ns, 1000000001 + i);
	ck_assert(scan.is_more);
	ck_assert_uint_eq(scan.total.files, 100);
	ck_assert_uint_eq(scan.total.bytes, 100);
	ck_assert_uint_eq(scan.total.oldest_ns, 1000000000);
	ck_assert_uint_eq(scan.odd[ODD_FOREIGN], 1);
	ck_assert_uint_eq(scan.odd[ODD_DIRECTORY], 1);
	ck_assert_uint_eq(scan.odd[ODD_LINK], 1);
	ck_assert_uint_eq(scan.odd[ODD_SPECIAL], 1);
	ck_assert_uint_eq(scan.odd_n, 4);
	scan_clear(&scan);

	scan.room = 0;
	scan_run(&scan);
	ck_assert_uint_eq(scan.n, 0);
	ck_assert(scan.is_more);
	scan_clear(&scan);

	scan.room = 1000;
	scan.prefix = "3_";
	scan_run(&scan);
	ck_assert_uint_eq(scan.n, 14);
	ck_assert(!scan.is_more);
	ck_assert_uint_eq(scan.odd[ODD_PREFIX], 86);
	scan_clear(&scan);

	scan.room = 10;
	scan.prefix = "";
	scan.is_quick = true;
	scan_run(&scan);
	ck_assert_int_eq(scan.err, 0);
	ck_assert_uint_eq(scan.n, 10);
	for (i = 0; i < 10; i++) {
		ck_assert_uint_eq(scan.files[i]->time_ns, 1000000001 + i);
		ck_assert_uint_eq(scan.files[i]->bytes, 1);
	}
	ck_assert(scan.is_more);
	ck_assert_uint_eq(scan.total.files, 99);
	ck_assert_uint_eq(scan.total.bytes, 99);
	ck_assert_uint_eq(scan.odd_n, 0);
	scan_clear(&scan);

	atomic_store(&scan.stop, true);
	scan_run(&scan);
	ck_assert_int_eq(scan.err, -ECANCELED);
	scan_clear(&scan);
	names_free(&known);
	close(scan.dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ship_parts");
	TCase *tc = core_case(suite, "parts");

	tcase_add_test(tc, a_pause_doubles_from_a_second_to_five_minutes);
	tcase_add_test(tc, pauses_of_many_hosts_differ);
	tcase_add_test(tc, an_interval_spreads_by_a_tenth);
	tcase_add_test(tc, a_name_of_the_daemon_has_a_time);
	tcase_add_test(tc, a_set_of_names_has_a_bound);
	tcase_add_test(tc, a_destination_is_what_rsync_takes_it_for);
	tcase_add_test(tc, hosts_are_told_apart_or_nothing_is_shipped);
	tcase_add_test(tc, a_command_has_words_quotes_and_percent_words);
	tcase_add_test(tc, rsync_gets_the_options_that_fit_the_destination);
	tcase_add_test(tc, the_end_of_a_run_says_whose_fault_it_was);
	tcase_add_test(tc, another_command_has_statuses_of_its_own);
	tcase_add_test(tc, a_scan_keeps_the_oldest_and_counts_all);
	return suite_run(suite, CK_FORK);
}
