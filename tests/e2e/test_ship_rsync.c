/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter ship` with the real rsync: to a daemon and over ssh on loopback,
 * with a centre that moves what has arrived, and with everything killed at any
 * moment.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/examples.h"
#include "tests/lib/port.h"
#include "tests/lib/process.h"
#include "tests/lib/random.h"
#include "tests/lib/ship.h"

static int server, mover; /* groups, or 0 */
static char host[256];
static char in[512], done[512];

/* --- the centre ---------------------------------------------------------- */

/* The directories of a host at the centre. */
static void make_centre(void)
{
	gethostname(host, sizeof(host) - 1);
	snprintf(in, sizeof(in), "%s/in/%s", ship.to, host);
	snprintf(done, sizeof(done), "%s/done/%s", ship.to, host);
	ck_assert_int_eq(
		script_run(bed.root, bed_text("mkdir -p %s %s", in, done)), 0);
}

/* An rsync daemon that comes back when it is killed. */
static void serve(int port)
{
	const char *conf = bed_text("%s/rsyncd.conf", bed.root);

	script_write(
		conf,
		bed_text("use chroot = no\nlog file = /dev/null\n"
			 "socket options = TCP_NODELAY\n[edge]\npath = %s\n"
			 "read only = no\nuid = %u\ngid = %u\n",
			 ship.to, getuid(), getgid()),
		0644);
	server = script_start(bed.root,
			      bed_text("while :; do rsync --daemon --no-detach "
				       "--address=127.0.0.1 --port=%d "
				       "--config=%s; done",
				       port, conf));
	UNTIL(port_answers(port));
}

static void end_group(int *group)
{
	if (!*group)
		return;
	kill(-*group, SIGKILL);
	waitpid(*group, NULL, 0);
	*group = 0;
}

static void centre_close(void)
{
	end_group(&mover);
	end_group(&server);
	ship_close();
}

/* The names of this directory are those of files 0 to n, but for dots. */
static unsigned count_and_check(const char *dir)
{
	unsigned i, n = files_count(dir);
	unsigned found = 0;

	for (i = 0; found < n && i < 100000; i++) {
		char want[32];
		const char *path = bed_text("%s/%s", dir, ship_name(i));
		char *text;

		if (!file_exists(path))
			continue;
		text = file_read(path, NULL);
		snprintf(want, sizeof(want), "%05u\n", i);
		ck_assert_str_eq(text, want);
		free(text);
		found++;
	}
	ck_assert_uint_eq(found, n);
	return n;
}

/* --- an rsync daemon ------------------------------------------------------ */

START_TEST(files_go_to_an_rsync_daemon)
{
	int port = port_free();

	make_centre();
	serve(port);
	ship_files(0, 50);
	ck_assert_int_eq(ship_once(bed_text("ship.destination=rsync://127.0.0.1"
					    ":%d/edge/in/%s/",
					    port, host),
				   "ship.batch_files=20"),
			 0);
	ck_assert_uint_eq(files_count(bed.files), 0);
	ck_assert_uint_eq(count_and_check(in), 50);
	ck_assert_uint_eq(ship_number("runs_total", "passed"), 3);
}
END_TEST

START_TEST(a_centre_that_has_moved_a_file_does_not_get_it_again)
{
	const char *name = ship_name(1);
	int port = port_free();

	make_centre();
	serve(port);
	ship_files(0, 3);
	/* killed between the arrival and the removal; then it was moved */
	ck_assert_int_eq(script_run(bed.root,
				    bed_text("mkdir -p %s/done/%s && cp -p "
					     "%s/%s %s/done/%s/",
					     ship.to, host, bed.files, name,
					     ship.to, host)),
			 0);
	ck_assert_int_eq(ship_once(bed_text("ship.destination=rsync://127.0.0.1"
					    ":%d/edge/in/%%H/",
					    port)),
			 0);
	ck_assert_uint_eq(files_count(bed.files), 0);
	ck_assert_uint_eq(files_count(in), 2);
}
END_TEST

static const struct {
	const char *destination;
	const char *line;
} wrong[] = {
	{ "rsync://nohost.invalid/edge/in/%H/",
	  "; check the host in ship.destination" },
	{ "rsync://127.0.0.1:PORT/nomodule/in/%H/",
	  "Unknown module 'nomodule'; check the module in ship.destination" },
	{ "rsync://127.0.0.1:1/edge/in/%H/",
	  "; nothing listens there; is the centre's service running?" },
};

START_TEST(a_wrong_destination_is_told_in_one_line)
{
	const char *text = wrong[_i].destination;
	const char *at = strstr(text, "PORT");
	int port = port_free();

	make_centre();
	serve(port);
	ship_files(0, 3);
	if (at)
		text = bed_text("%.*s%d%s", (int)(at - text), text, port,
				at + 4);
	ck_assert_int_eq(ship_once(bed_text("ship.destination=%s", text)), 75);
	ck_assert_uint_eq(ship_said(wrong[_i].line), 1);
	/* the start, the failure, the end */
	ck_assert_uint_eq(ship_said("\n"), 3);
	ck_assert_uint_eq(files_count(bed.files), 3);
}
END_TEST

START_TEST(rsync_that_is_not_installed_is_told)
{
	char *path = strdup(getenv("PATH"));

	ship_files(0, 3);
	setenv("PATH", "/nowhere", 1);
	ck_assert_int_eq(ship_once("ship.destination=rsync://c/edge/%H"), 69);
	setenv("PATH", path, 1);
	free(path);
	ck_assert_uint_eq(ship_said("cannot start rsync: No such file or "
				    "directory; install it"),
			  1);
}
END_TEST

/* A server that says who it is and then nothing. */
static void serve_silence(int port)
{
	server = script_start(bed.root,
			      bed_text("python3 -c 'import socket,time\n"
				       "s=socket.socket()\n"
				       "s.setsockopt(socket.SOL_SOCKET,"
				       "socket.SO_REUSEADDR,1)\n"
				       "s.bind((\"127.0.0.1\",%d))\n"
				       "s.listen()\n"
				       "k=[]\n"
				       "while 1:\n"
				       " c=s.accept()[0]\n"
				       " c.sendall(b\"@RSYNCD: 31.0\\n\")\n"
				       " k.append(c)\n'",
				       port));
	UNTIL(port_answers(port));
}

START_TEST(rsync_that_hangs_after_the_handshake_is_ended)
{
	int port = port_free();

	if (!script_has("python3")) {
		suite_skip("python3 plays the server");
		return;
	}
	serve_silence(port);
	ship_files(0, 3);
	ship_start(bed_text("ship.destination=rsync://127.0.0.1:%d/edge/in/%%H",
			    port),
		   "ship.stall=1s");
	UNTIL(ship_said("rsync moved nothing for 1 s and was ended") == 1);
	UNTIL(ship_number("runs_total", "stalled") >= 1);
	ck_assert_int_eq(ship_stop(), 0);
	ck_assert_uint_eq(files_count(bed.files), 3);
}
END_TEST

/* --- ssh ----------------------------------------------------------------- */

static void start_sshd(int port)
{
	script_write(
		bed_text("%s/sshd_config", bed.root),
		bed_text("ListenAddress 127.0.0.1\nPort %d\nHostKey %s/host\n"
			 "AuthorizedKeysFile %s/authorized\nUsePAM no\n"
			 "StrictModes no\nPidFile none\n",
			 port, bed.root, bed.root),
		0600);
	ck_assert_int_eq(
		script_run(bed.root,
			   bed_text("mkdir -p /run/sshd; "
				    "for k in host key other; do ssh-keygen -q "
				    "-t ed25519 -N '' -f $k || exit; done; "
				    "echo \"command=\\\"rrsync -wo %s\\\","
				    "restrict $(cat key.pub)\" >authorized; "
				    "echo \"[127.0.0.1]:%d $(cat host.pub)\" "
				    ">known_hosts",
				    ship.to, port)),
		0);
	server = script_start(bed.root, bed_text("exec /usr/sbin/sshd -D -e -f "
						 "%s/sshd_config",
						 bed.root));
	UNTIL(port_answers(port));
}

static void use_key(int port, const char *key, const char *hosts)
{
	setenv("RSYNC_RSH",
	       bed_text("ssh -F none -p %d -i %s/%s -oBatchMode=yes "
			"-oIdentitiesOnly=yes -oUserKnownHostsFile=%s",
			port, bed.root, key, hosts),
	       1);
}

START_TEST(files_go_over_ssh_to_a_directory_of_their_own)
{
	int port = port_free();
	const char *to = bed_text("ship.destination=127.0.0.1:/in/%%H/");

	if (getuid() || access("/usr/sbin/sshd", X_OK) ||
	    !script_has("rrsync")) {
		suite_skip("ssh needs root, sshd and rrsync here");
		return;
	}
	make_centre();
	start_sshd(port);
	ship_files(0, 30);

	use_key(port, "other", bed_text("%s/known_hosts", bed.root));
	ck_assert_int_eq(ship_once(to), 75);
	ck_assert_uint_eq(ship_said("the centre does not accept the key"), 1);
	ck_assert_uint_eq(files_count(bed.files), 30);

	unlink(ship.said);
	use_key(port, "key", "/dev/null");
	ck_assert_int_eq(ship_once(to), 75);
	ck_assert_uint_eq(ship_said("Host key verification failed.; put the "
				    "centre's host key into known_hosts"),
			  1);

	use_key(port, "key", bed_text("%s/known_hosts", bed.root));
	ck_assert_int_eq(ship_once(to), 0);
	unsetenv("RSYNC_RSH");
	ck_assert_uint_eq(files_count(bed.files), 0);
	ck_assert_uint_eq(count_and_check(in), 30);
}
END_TEST

/* --- everything dies ------------------------------------------------------ */

static void start_mover(void)
{
	mover = script_start(
		bed.root,
		bed_text("cd %s && while :; do for f in in/%s/*; do "
			 "[ ! -e \"$f\" ] || mv -n \"$f\" done/%s/; done; "
			 "sleep 0.02; done",
			 ship.to, host, host));
}

START_TEST(each_file_is_there_once_whoever_is_killed)
{
	unsigned kills = (unsigned)suite_scale(24), files = 0, i;
	int port = port_free();
	char to[128];

	random_seed = suite_number("BW_SEED", (uint64_t)getpid());
	printf("BW_SEED=%llu\n", (unsigned long long)random_seed);
	snprintf(to, sizeof(to),
		 "ship.destination=rsync://127.0.0.1:%d/edge/in/%%H/", port);
	make_centre();
	serve(port);
	start_mover();
	/*
	 * The default command, but for the time: half of a server that was
	 * killed says nothing, and an rsync whose shipper was killed waits.
	 */
	ship.command = "rsync -a --whole-file --fsync --timeout=2 "
		       "--remove-source-files --contimeout=20 "
		       "--sockopts=TCP_NODELAY --compare-dest=/done/%H "
		       "--from0 --files-from=- ./ %d";
	ship_start(to, "ship.interval=100ms", "ship.batch_files=10");
	for (i = 0; i < kills; i++) {
		ship_files(files, files + 25);
		files += 25;
		suite_sleep_ms((unsigned)random_below(300));
		switch (random_below(4)) {
		case 0:
			process_kill_one(ship.pid, -1, 0);
			break;
		case 1:
			process_kill_one(-1, server, server);
			break;
		case 2:
			end_group(&mover);
			start_mover();
			break;
		default:
			ck_assert_int_eq(kill(ship.pid, SIGKILL), 0);
			ck_assert_int_eq(waitpid(ship.pid, NULL, 0), ship.pid);
			ship_start(to, "ship.interval=100ms",
				   "ship.batch_files=10");
			break;
		}
	}
	UNTIL(files_count(bed.files) == 0);
	UNTIL(files_count(in) == 0);
	ck_assert_int_eq(ship_stop(), 0);
	ck_assert_uint_eq(count_and_check(done), files);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ship_rsync");
	TCase *tc = suite_case(suite, "rsync", ship_open, centre_close);

	if (system("command -v rsync >/dev/null 2>&1")) {
		suite_skip("rsync is not installed");
		return 0;
	}
	tcase_add_test(tc, files_go_to_an_rsync_daemon);
	tcase_add_test(tc,
		       a_centre_that_has_moved_a_file_does_not_get_it_again);
	tcase_add_loop_test(tc, a_wrong_destination_is_told_in_one_line, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(tc, rsync_that_is_not_installed_is_told);
	tcase_add_test(tc, rsync_that_hangs_after_the_handshake_is_ended);
	tcase_add_test(tc, files_go_over_ssh_to_a_directory_of_their_own);
	tcase_add_test(tc, each_file_is_there_once_whoever_is_killed);
	return suite_run(suite, CK_NOFORK);
}
