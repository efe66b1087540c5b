/* SPDX-License-Identifier: MIT */
/* See sender_show.h. */
#include "daemon/control/sender_show.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

/* -- the status ----------------------------------------------------------- */

static void add_sums(struct text *t, const struct sender_sums *sums)
{
	text_add(t,
		 "\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64
		 ",\"dropped\":%" PRIu64,
		 sums->messages, sums->bytes, sums->dropped);
}

static void add_row(struct text *t, const struct senders *s,
		    const struct sender *row, uint64_t now_ns)
{
	struct sender_speed speed = sender_speed(row, now_ns);

	text_add(t, "{\"pid\":%" PRIu32 ",\"uid\":%" PRIu32 ",\"command\":",
		 row->id.pid, row->id.uid);
	text_json(t, *row->command ? row->command : NULL);
	text_add(t, ",\"unit\":");
	text_json(t, senders_unit(s, row));
	text_add(t, ",\"messages_per_second\":%.3f,\"bytes_per_second\":%.0f,",
		 speed.messages, speed.bytes);
	add_sums(t, &row->sums);
	text_add(t, "}");
}

static void add_rows(struct text *t, const struct senders *s, uint64_t now_ns)
{
	const struct sender *row[SENDER_ROWS_TOLD];
	unsigned i, n = senders_busiest(s, row, SENDER_ROWS_TOLD, now_ns);

	text_add(t, ",\"busiest\":[");
	for (i = 0; i < n; i++) {
		text_add(t, i ? "," : "");
		add_row(t, s, row[i], now_ns);
	}
	text_add(t, "]");
}

static void add_units(struct text *t, const struct senders *s)
{
	const struct sender_sums pending = senders_pending(s);
	const char *comma = "";
	unsigned i;

	text_add(t, ",\"units\":[");
	for (i = 0; i < SENDER_UNITS; i++) {
		if (!sender_units_has(&s->units, i))
			continue;
		text_add(t, "%s{\"unit\":", comma);
		text_json(t, s->units.at[i].name);
		text_add(t, ",");
		add_sums(t, &s->units.at[i].sums);
		text_add(t, "}");
		comma = ",";
	}
	text_add(t, "],\"pending\":{");
	add_sums(t, &pending);
	text_add(t, "}");
}

void sender_show_status(struct text *t, struct senders *senders,
			uint64_t now_ns)
{
	if (!senders) {
		text_add(t, "{\"identify\":false}");
		return;
	}
	senders_credit(senders);
	text_add(t,
		 "{\"identify\":true,\"hidden\":%s,\"processes\":%u"
		 ",\"gave_way\":%" PRIu64 ",\"rate\":%" PRIu64
		 ",\"burst\":%" PRIu64 ",\"by\":\"%s\",\"total\":{",
		 senders->hidden ? "true" : "false", senders->rows,
		 senders->evicted, senders->limit.rate, senders->limit.burst,
		 senders->by_unit ? "unit" : "uid");
	add_sums(t, &senders->total);
	text_add(t, "}");
	add_rows(t, senders, now_ns);
	add_units(t, senders);
	text_add(t, "}");
}

/* -- the metrics ---------------------------------------------------------- */

const struct sender_family sender_families[SENDER_FAMILIES] = {
	{ "sender_messages",
	  "Datagrams received, by the systemd unit of their sender.",
	  offsetof(struct sender_sums, messages) },
	{ "sender_bytes", "Bytes of these datagrams.",
	  offsetof(struct sender_sums, bytes) },
	{ "sender_dropped",
	  "Of these datagrams, those that were dropped, for any reason.",
	  offsetof(struct sender_sums, dropped) },
};

/* A backslash is the only character of a unit's name that needs it. */
static void escape_unit(char *out, const char *name)
{
	for (; *name; name++) {
		if (*name == '\\')
			*out++ = '\\';
		*out++ = *name;
	}
	*out = 0;
}

void sender_show_samples(struct text *t, const struct senders *senders,
			 const struct sender_family *family, const char *stream)
{
	char unit[2 * SENDER_UNIT_NAME];
	uint64_t value;
	unsigned i;

	for (i = 0; i < SENDER_UNITS; i++) {
		if (!sender_units_has(&senders->units, i))
			continue;
		memcpy(&value,
		       (const char *)&senders->units.at[i].sums +
			       family->offset,
		       sizeof(value));
		escape_unit(unit, senders->units.at[i].name);
		text_add(t,
			 "bufwriter_%s_total{stream=\"%s\",unit=\"%s\"} "
			 "%" PRIu64 "\n",
			 family->name, stream, unit, value);
	}
}
