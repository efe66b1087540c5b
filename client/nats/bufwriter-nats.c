/* SPDX-License-Identifier: MIT */
/*
 * bufwriter-nats carries complete files through NATS JetStream, as another
 * transport than rsync.  One file is one message.  HOST/NAME/HASH is the
 * message's `Nats-Msg-Id`, so the stream keeps a file that is sent twice once.
 * The hash is that of the content: two hosts may have one name, and then their
 * files may have one, too.
 *
 *	bufwriter-nats create URL STREAM REPLICAS	makes the stream
 *	bufwriter-nats put URL STREAM HOST		at the edge
 *	bufwriter-nats get URL STREAM DIR [DONE]	at the centre
 *
 * `put` is a command for bufwriter-ship: it reads the paths from standard
 * input, each ended by a NUL.  It removes a file when the stream has
 * acknowledged it, which a stream of three replicas does when two have it.
 *
 * `get` writes each message to DIR/HOST/NAME by a temporary file and a rename,
 * and acknowledges it after that.  A message that arrives again, because `get`
 * was killed in between, finds its file in DIR/HOST or in DONE/HOST.  Servers
 * that do not answer and a disk that is full do not end it: it tries again.
 *
 * The program is built only where the client library of NATS is installed
 * (Debian: libnats-dev).  Each command runs in one thread.
 */
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <nats/nats.h>

#include "client/nats/file.h"

/*
 * How long the stream recognises a message that it has: longer than a host may
 * be cut off between the send and the removal of its file.
 */
#define DUPLICATES_NS (INT64_C(30) * 24 * 3600 * 1000000000)
/* Tries of one message while the stream changes its leader, a second each. */
#define TRIES 30
#define BATCH 64
#define FETCH_MS 1000
/* Seconds that `get` waits after a file that it could not write. */
#define FULL_S 10
/* Fetches in a row that failed until `get` subscribes anew. */
#define FETCH_TRIES 10
#define SERVERS 16
#define HOST_MAX 100
/* HOST/NAME/HASH */
#define ID_ROOM (HOST_MAX + NAME_MAX + 32)

static volatile sig_atomic_t stopped; /* set by the handler of signals */

static void on_signal(int signum)
{
	(void)signum;
	stopped = 1;
}

static int fail(const char *what, natsStatus s, jsErrCode code)
{
	fprintf(stderr, "bufwriter-nats: %s: %s", what, natsStatus_GetText(s));
	if (code)
		fprintf(stderr, " (JetStream error %d)", (int)code);
	fputs("\n", stderr);
	return EX_TEMPFAIL;
}

/* No later try can have another result. */
static bool is_final(natsStatus s)
{
	return s == NATS_INVALID_ARG || s == NATS_CONNECTION_AUTH_FAILED ||
	       s == NATS_CONNECTION_CLOSED || s == NATS_NOT_PERMITTED;
}

/* For `get`: names the first of several failures, then waits for a second. */
static void try_again(const char *what, natsStatus s, jsErrCode code,
		      bool *is_told)
{
	if (!*is_told) {
		(void)fail(what, s, code);
		fputs("bufwriter-nats: tries again each second\n", stderr);
	}
	*is_told = true;
	nats_Sleep(1000);
}

/* A part of a subject: NATS gives a meaning to dots, blanks, `*` and `>`. */
static bool is_token(const char *text)
{
	return file_is_name(text) && !strpbrk(text, ".*> \t\r\n");
}

/* -- put ----------------------------------------------------------------- */

/* Publishes until the stream has acknowledged it.  0, or an exit status. */
static int publish(jsCtx *js, const char *subject, const char *name,
		   const char *data, size_t len)
{
	const char *host = strrchr(subject, '.') + 1;
	char id[ID_ROOM];
	jsPubOptions options;
	jsErrCode code = 0;
	natsStatus s = NATS_ERR;
	unsigned i;

	snprintf(id, sizeof(id), "%s/%s/%016" PRIx64, host, name,
		 file_hash(data, len));
	jsPubOptions_Init(&options);
	options.MsgId = id;
	/* A second try is the same message for the stream. */
	for (i = 0; i < TRIES && !stopped; i++) {
		s = js_Publish(NULL, js, subject, data, (int)len, &options,
			       &code);
		if (s == NATS_OK)
			return 0;
		nats_Sleep(1000);
	}
	return stopped ? EX_TEMPFAIL : fail(subject, s, code);
}

static int put_file(natsConnection *nc, jsCtx *js, const char *subject,
		    const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t len = 0;
	char *data;
	int status;

	if (!file_is_name(name)) {
		fprintf(stderr, "bufwriter-nats: %s is no name of a file\n",
			path);
		return EX_DATAERR;
	}
	status = file_read(path, &data, &len);
	if (status)
		return status;
	if ((int64_t)len > natsConnection_GetMaxPayload(nc)) {
		fprintf(stderr,
			"bufwriter-nats: %s has %zu bytes, and the server "
			"accepts %" PRId64 "; raise max_payload there\n",
			path, len, natsConnection_GetMaxPayload(nc));
		status = EX_DATAERR;
	} else {
		status = publish(js, subject, name, data, len);
	}
	free(data);
	if (!status && unlink(path))
		return file_fail("remove", path);
	return status;
}

/* A file that cannot be sent does not hold up the others. */
static int put(natsConnection *nc, jsCtx *js, const char *subject)
{
	int status = 0, err;
	char *path = NULL;
	size_t room = 0;

	while (!stopped && getdelim(&path, &room, 0, stdin) > 0) {
		err = put_file(nc, js, subject, path);
		if (err)
			status = err;
		if (err == EX_TEMPFAIL)
			break;
	}
	free(path);
	return stopped ? EX_TEMPFAIL : status;
}

/* -- get ----------------------------------------------------------------- */

/* The name in HOST/NAME/HASH, or NULL; the text is replaced. */
static char *name_in(char *id, const char *host)
{
	size_t len = strlen(host);
	char *end = strrchr(id, '/');

	if (strncmp(id, host, len) || id[len] != '/' || end == id + len)
		return NULL;
	*end = '\0';
	return file_is_name(id + len + 1) ? id + len + 1 : NULL;
}

/* The subject is STREAM.HOST.  0, or an exit status. */
static int get_message(natsMsg *msg, const char *dir, const char *done)
{
	const char *subject = natsMsg_GetSubject(msg);
	const char *host = strrchr(subject, '.');
	const char *id = NULL;
	char text[ID_ROOM], *name;
	int status;

	(void)natsMsgHeader_Get(msg, "Nats-Msg-Id", &id);
	snprintf(text, sizeof(text), "%s", id ? id : "");
	host = host ? host + 1 : "";
	name = is_token(host) ? name_in(text, host) : NULL;
	if (!name) {
		/* Not ours.  Without this it would come again for ever. */
		fprintf(stderr,
			"bufwriter-nats: a message on %s has no Nats-Msg-Id "
			"with a file's name; left out\n",
			subject);
		(void)natsMsg_Term(msg, NULL);
		return 0;
	}
	status = file_store_once(dir, done, host, name, natsMsg_GetData(msg),
				 (size_t)natsMsg_GetDataLength(msg));
	/* Without this acknowledgement the message comes again. */
	if (!status)
		(void)natsMsg_Ack(msg, NULL);
	return status;
}

/* Until it is there; 0, or an exit status. */
static int subscribe(jsCtx *js, const char *stream, natsSubscription **sub)
{
	jsSubOptions options;
	jsErrCode code;
	char subject[256];
	bool is_told = false;
	natsStatus s;

	snprintf(subject, sizeof(subject), "%s.*", stream);
	while (!stopped) {
		jsSubOptions_Init(&options);
		options.Stream = stream;
		code = 0;
		s = js_PullSubscribe(sub, js, subject, "centre", NULL, &options,
				     &code);
		if (s == NATS_OK)
			return 0;
		if (is_final(s))
			return fail(stream, s, code);
		/* A cluster without a leader answers nothing, or this. */
		try_again(stream, s, code, &is_told);
	}
	return 0;
}

static void get_list(natsMsgList *list, const char *dir, const char *done)
{
	unsigned wait = 0;
	int i;

	for (i = 0; i < list->Count && !stopped; i++) {
		if (!wait && get_message(list->Msgs[i], dir, done))
			wait = FULL_S;
		/* It comes again. */
		if (wait)
			(void)natsMsg_Nak(list->Msgs[i], NULL);
	}
	natsMsgList_Destroy(list);
	while (wait-- && !stopped)
		nats_Sleep(1000);
}

/*
 * Fetches until a signal, or until nothing can be fetched any more: the library
 * connects again, but the stream may have lost who subscribed.
 */
static natsStatus fetch(natsSubscription *sub, const char *dir,
			const char *done)
{
	natsMsgList list = { 0 };
	jsErrCode code = 0;
	unsigned failed = 0;
	natsStatus s = NATS_OK;

	while (!stopped && failed < FETCH_TRIES) {
		s = natsSubscription_Fetch(&list, sub, BATCH, FETCH_MS, &code);
		if (s == NATS_OK) {
			get_list(&list, dir, done);
		} else if (s == NATS_CONNECTION_CLOSED) {
			break;
		} else if (s != NATS_TIMEOUT) {
			failed++;
			nats_Sleep(FETCH_MS);
			continue;
		}
		failed = 0;
	}
	return s;
}

static int get(jsCtx *js, const char *stream, const char *dir, const char *done)
{
	natsSubscription *sub;
	natsStatus s;
	int status = 0;

	while (!stopped && !status) {
		sub = NULL;
		status = subscribe(js, stream, &sub);
		if (!sub)
			break;
		s = fetch(sub, dir, done);
		natsSubscription_Destroy(sub);
		if (!stopped && is_final(s))
			status = fail(stream, s, 0);
	}
	return status;
}

/* -- create -------------------------------------------------------------- */

static int create(jsCtx *js, const char *stream, const char *replicas)
{
	char subject[256], *end;
	const char *subjects[] = { subject };
	long n = strtol(replicas, &end, 10);
	jsStreamConfig config;
	jsErrCode code = 0;
	natsStatus s;

	if (*end || n < 1 || n > 5) {
		fprintf(stderr,
			"bufwriter-nats: REPLICAS is a number from 1 to 5, "
			"not '%s'\n",
			replicas);
		return EX_USAGE;
	}
	snprintf(subject, sizeof(subject), "%s.*", stream);
	jsStreamConfig_Init(&config);
	config.Name = stream;
	config.Subjects = subjects;
	config.SubjectsLen = 1;
	config.Storage = js_FileStorage;
	config.Replicas = n;
	config.Duplicates = DUPLICATES_NS;
	/* A message goes when the centre has acknowledged it. */
	config.Retention = js_WorkQueuePolicy;
	s = js_AddStream(NULL, js, &config, NULL, &code);
	return s == NATS_OK ? 0 : fail(stream, s, code);
}

/* -- all ----------------------------------------------------------------- */

static int usage(void)
{
	fputs("Usage: bufwriter-nats create URL STREAM REPLICAS\n"
	      "       bufwriter-nats put URL STREAM HOST\n"
	      "       bufwriter-nats get URL STREAM DIR [DONE]\n"
	      "Carries bufwriter's files through NATS JetStream.  URL may list "
	      "several servers,\nseparated by commas.  See "
	      "bufwriter-nats(1).\n",
	      stderr);
	return EX_USAGE;
}

static int run(int argc, char **argv, natsConnection *nc, jsCtx *js)
{
	const char *stream = argv[3];
	char subject[256];

	if (!strcmp(argv[1], "create"))
		return create(js, stream, argv[4]);
	if (!strcmp(argv[1], "get"))
		return get(js, stream, argv[4], argc > 5 ? argv[5] : NULL);
	snprintf(subject, sizeof(subject), "%s.%s", stream, argv[4]);
	return put(nc, js, subject);
}

static bool is_usage_right(int argc, char **argv)
{
	if (argc < 5 || !is_token(argv[3]) || strlen(argv[3]) > 100)
		return false;
	if (!strcmp(argv[1], "get"))
		return argc <= 6;
	if (!strcmp(argv[1], "put"))
		return argc == 5 && is_token(argv[4]) &&
		       strlen(argv[4]) <= HOST_MAX;
	return !strcmp(argv[1], "create") && argc == 5;
}

/* `urls` is a list, separated by commas; its commas are replaced. */
static natsStatus set_servers(natsOptions *options, char *urls)
{
	const char *servers[SERVERS];
	char *url, *rest = urls;
	int n = 0;

	while (n < SERVERS && (url = strtok_r(rest, ",", &rest)))
		servers[n++] = url;
	return natsOptions_SetServers(options, servers, n);
}

/* `get` is a service: it waits for servers that are not there yet. */
static natsStatus connect_to(natsConnection **nc, natsOptions *options,
			     bool waits)
{
	natsStatus s = natsConnection_Connect(nc, options);
	bool is_told = false;

	while (waits && s != NATS_OK && !stopped && !is_final(s)) {
		try_again("connect", s, 0, &is_told);
		s = natsConnection_Connect(nc, options);
	}
	return s;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	natsConnection *nc = NULL;
	natsOptions *options = NULL;
	jsCtx *js = NULL;
	natsStatus s;
	int status;

	if (!is_usage_right(argc, argv))
		return usage();
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	s = natsOptions_Create(&options);
	if (s == NATS_OK)
		s = set_servers(options, argv[2]);
	/* Without a limit: a lost server is an ordinary day. */
	if (s == NATS_OK)
		s = natsOptions_SetMaxReconnect(options, -1);
	if (s == NATS_OK)
		s = connect_to(&nc, options, !strcmp(argv[1], "get"));
	if (s == NATS_OK)
		s = natsConnection_JetStream(&js, nc, NULL);
	if (s == NATS_OK)
		status = run(argc, argv, nc, js);
	else if (stopped)
		status = strcmp(argv[1], "get") ? EX_TEMPFAIL : 0;
	else
		status = fail(argv[2], s, 0);
	jsCtx_Destroy(js);
	natsConnection_Destroy(nc);
	natsOptions_Destroy(options);
	nats_Close();
	return status;
}
