/* SPDX-License-Identifier: MIT */
/*
 * Noise: regions with random damage.  The daemon starts whatever it finds,
 * and no damage to a record makes a message that was never sent.
 */
#include "tests/lib/lives.h"

#define ROUNDS (suite_sanitized() ? 50 : 250)

static const struct variant variants[] = {
	{ FRAMING_LENGTH,
	  { "buffer.workers=2", "buffer.size=3K", "buffer.queue_size=16" },
	  { "files.sync=none", "files.sync=none", "files.sync=none" },
	  "" },
	{ FRAMING_NEWLINE,
	  { "buffer.workers=2", "buffer.size=4K", "buffer.queue_size=16" },
	  { "files.sync=none", "files.sync=none", "files.sync=none" },
	  "" },
};

static uint8_t *region;
static size_t region_len;

/* Where no byte of a message is: what damage there does must be noticed. */
static bool *is_record;

static void mark_records(const struct config *cfg)
{
	struct failure error;
	struct region s;
	uint8_t *base;
	uint64_t i;

	ck_assert_int_eq(
		region_open_old(&s, cfg->state_path, FRAMING_NONE, &error), 0);
	base = (uint8_t *)s.header;
	memset(is_record, 1, s.ring.layout.slots - base);
	for (i = 0; i < s.header->workers; i++)
		memset(is_record + (s.arenas[i].data - base) -
			       sizeof(struct arena_region),
		       1, sizeof(struct arena_region));
	region_close(&s);
}

static size_t a_place(bool records)
{
	size_t at;

	do {
		at = random_below(region_len);
	} while (records && !is_record[at]);
	return at;
}

static void damage(uint8_t *copy, bool records)
{
	unsigned times = 1 + random_below(4), i;

	while (times--) {
		size_t at = a_place(records);
		size_t len = 1 + random_below(random_below(3) ? 8 : 200);
		int kind = random_below(4);

		for (i = 0; i < len && at + i < region_len; i++)
			if (!records || is_record[at + i])
				copy[at + i] = kind == 0 ?
						       0 :
					       kind == 1 ?
						       0xff :
					       kind == 2 ?
						       random_below(256) :
						       region[a_place(false)];
	}
}

START_TEST(no_damage_stops_a_start_or_makes_a_message)
{
	static const char *const moments[] = {
		"publish.metas=kill@12", "commit.after=kill@9",
		"release.mid=kill@30",	 "flush.marked=kill@3",
		"flush.write=kill@4",	 "recv.after=kill@14",
	};
	const struct variant *v = &variants[_i % 2];
	struct life l = lives_plan(v, 0, true);
	bool records = _i < 4, aside, both[2] = { false };
	struct config *cfg;
	struct failure error;
	struct recovered out;
	struct region s;
	uint8_t *copy;
	unsigned round;

	lives_begin();
	lives_one(v, 0, moments[_i]);
	cfg = core_settings(l.options);
	region = (uint8_t *)file_read(cfg->state_path, &region_len);
	copy = malloc(region_len);
	is_record = calloc(1, region_len);
	mark_records(cfg);
	log_set_level(0);
	random_seed = _i;
	for (round = 0; round < ROUNDS; round++) {
		memcpy(copy, region, region_len);
		damage(copy, records);
		file_write(cfg->state_path, copy, region_len);
		ck_assert_msg(!recover_region(&s, cfg, NULL, NULL, &out,
					      &error),
			      "%s", error.text);
		aside = out.aside[0];
		both[aside] = true;
		ck_assert(core_put(&s.ring, "works", 5));
		region_close(&s);
		if (aside)
			unlink(out.aside);
		/* message bytes are not protected, their records are */
		if (records)
			lives_ship(core_path("files"), v->framing);
		dir_remove(core_path("files"));
		core_mkdir("files");
	}
	ck_assert(ROUNDS < 100 || (both[0] && both[1]));
	free(is_record);
	free(copy);
	free(region);
	config_free(cfg);
	lives_end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recover_noise");
	TCase *tc = core_case(suite, "noise");

	tcase_add_loop_test(tc, no_damage_stops_a_start_or_makes_a_message, 0,
			    6);
	return suite_run(suite, CK_FORK);
}
