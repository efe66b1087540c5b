/* SPDX-License-Identifier: MIT */
/* The texts of the control socket, and the reader of the other side. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/command/json.h"
#include "daemon/control/text.h"
#include "tests/lib/suite.h"

static char memory[64];
static struct text t;

START_TEST(a_piece_that_does_not_fit_is_left_out_whole)
{
	text_open(&t, memory, 8);
	text_add(&t, "%s", "1234567");
	ck_assert_uint_eq(t.len, 7);
	ck_assert(!t.cut);
	text_add(&t, "8");
	ck_assert(t.cut);
	ck_assert_str_eq(memory, "1234567");
	text_clear(&t);
	text_add(&t, "12");
	text_json(&t, "34567");
	ck_assert(t.cut);
	ck_assert_str_eq(memory, "12");
	/* To the last byte. */
	text_clear(&t);
	text_json(&t, "12345");
	ck_assert(!t.cut);
	ck_assert_str_eq(memory, "\"12345\"");
}
END_TEST

/* In, and as a JSON string; what comes back is `in` unless `back` is set. */
static const struct {
	const char *in, *json, *back;
} strings[] = {
	{ "", "\"\"", NULL },
	{ "plain /path", "\"plain /path\"", NULL },
	{ "a\"b\\c", "\"a\\\"b\\\\c\"", NULL },
	{ "a\nb\tc", "\"a\\nb\\u0009c\"", NULL },
	{ "\x01\x7f", "\"\\u0001\\u007f\"", NULL },
	{ "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"", NULL },
	{ "\xe2\x82\xac", "\"\xe2\x82\xac\"", NULL },
	{ "\xf0\x9f\x92\xa9", "\"\xf0\x9f\x92\xa9\"", NULL },
	/* cut short, a lone continuation, overlong, a surrogate, too large */
	{ "\xc3", "\"\xef\xbf\xbd\"", "\xef\xbf\xbd" },
	{ "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"",
	  "\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\x80", "\"\xef\xbf\xbd\"", "\xef\xbf\xbd" },
	{ "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"",
	  "\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"",
	  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\xff", "\"\xef\xbf\xbd\"", "\xef\xbf\xbd" },
};

START_TEST(strings_go_there_and_back)
{
	const char *back = strings[_i].back;
	char out[64];

	text_open(&t, memory, sizeof(memory));
	text_json(&t, strings[_i].in);
	ck_assert_str_eq(memory, strings[_i].json);
	ck_assert(json_valid(memory));
	json_string(memory, out, sizeof(out));
	ck_assert_str_eq(out, back ? back : strings[_i].in);
}
END_TEST

START_TEST(a_missing_string_becomes_null)
{
	text_open(&t, memory, sizeof(memory));
	text_json(&t, NULL);
	ck_assert_str_eq(memory, "null");
}
END_TEST

START_TEST(seconds_are_exact)
{
	text_open(&t, memory, sizeof(memory));
	text_seconds(&t, 18446744073709551615ULL);
	ck_assert_str_eq(memory, "18446744073.709551615");
	text_clear(&t);
	text_seconds(&t, 7);
	ck_assert_str_eq(memory, "0.000000007");
}
END_TEST

static const struct {
	const char *text;
	bool valid;
} texts[] = {
	{ "{}", true },
	{ " [1, -2.5e+3, true,false , null, \"x\"] ", true },
	{ "{\"a\":{\"b\":[{}]},\"c\":0}", true },
	{ "", false },
	{ "{", false },
	{ "{} x", false },
	{ "{\"a\"}", false },
	{ "{\"a\":}", false },
	{ "{\"a\":1,}", false },
	{ "[1,]", false },
	{ "[1 2]", false },
	{ "01", false },
	{ "1.", false },
	{ "-", false },
	{ "\"\n\"", false },
	{ "\"\\x\"", false },
	{ "\"\\u12g4\"", false },
	{ "\"", false },
	{ "nul", false },
	{ "{a:1}", false },
};

START_TEST(json_is_told_from_other_text)
{
	ck_assert_msg(json_valid(texts[_i].text) == texts[_i].valid, "%s",
		      texts[_i].text);
}
END_TEST

START_TEST(json_that_is_too_deep_is_refused)
{
	static char deep[200001];

	memset(deep, '[', 100000);
	memset(deep + 100000, ']', 100000);
	ck_assert(!json_valid(deep));
}
END_TEST

START_TEST(values_are_found_by_their_path)
{
	static const char s[] = "{\"ab\":{\"c\":[1,{\"d\":\"x\\\"y\"}],"
				"\"cc\":null},\"a\":2.5,\"n\":-3}";
	char out[4];

	ck_assert(json_valid(s));
	ck_assert_double_eq(json_number(json_at(s, "a")), 2.5);
	ck_assert_double_eq(json_number(json_at(s, "n")), -3);
	ck_assert_uint_eq(json_count(json_at(s, "n")), 0);
	ck_assert_double_eq(json_number(json_item(json_at(s, "ab.c"), 0)), 1);
	ck_assert_ptr_null(json_item(json_at(s, "ab.c"), 2));
	ck_assert_ptr_null(json_at(s, "ab.cc"));
	ck_assert_ptr_null(json_at(s, "ab.x"));
	ck_assert_ptr_null(json_at(s, "a.x"));
	ck_assert_ptr_null(json_at(NULL, "a"));
	ck_assert_ptr_null(json_item(NULL, 0));
	/* Cut, with its NUL, and with the length that it would have. */
	ck_assert_uint_eq(
		json_string(json_at(json_item(json_at(s, "ab.c"), 1), "d"), out,
			    3),
		3);
	ck_assert_str_eq(out, "x\"");
	ck_assert_uint_eq(json_string(json_at(s, "a"), out, 4), 0);
	ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(a_string_is_cut_between_two_characters)
{
	char out[4] = "???";

	ck_assert_uint_eq(json_string("\"x\\u20ac\"", out, sizeof(out)), 4);
	ck_assert_str_eq(out, "x");
}
END_TEST

START_TEST(large_counts_keep_all_their_digits)
{
	ck_assert_uint_eq(json_count("18446744073709551615"), UINT64_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control text");
	TCase *tcase = suite_case(suite, "text", NULL, NULL);

	tcase_add_test(tcase, a_piece_that_does_not_fit_is_left_out_whole);
	tcase_add_loop_test(tcase, strings_go_there_and_back, 0,
			    sizeof(strings) / sizeof(strings[0]));
	tcase_add_test(tcase, a_missing_string_becomes_null);
	tcase_add_test(tcase, seconds_are_exact);
	tcase_add_loop_test(tcase, json_is_told_from_other_text, 0,
			    sizeof(texts) / sizeof(texts[0]));
	tcase_add_test(tcase, json_that_is_too_deep_is_refused);
	tcase_add_test(tcase, values_are_found_by_their_path);
	tcase_add_test(tcase, a_string_is_cut_between_two_characters);
	tcase_add_test(tcase, large_counts_keep_all_their_digits);
	return suite_run(suite, CK_FORK);
}
