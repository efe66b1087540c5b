/* SPDX-License-Identifier: MIT */
/*
 * The rules of tests/layers.sh: the tree keeps them, and a copy of the tree
 * with one include more breaks them.
 */
#define _GNU_SOURCE
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/bed.h"
#include "tests/lib/examples.h"

/* Copies the programs' sources to bed.root. */
static void copy_tree(void)
{
	ck_assert_int_eq(script_run(bed.root,
				    bed_text("cp -R %s/conf %s/daemon "
					     "%s/client .",
					     source_path(""), source_path(""),
					     source_path(""))),
			 0);
}

static int layers(const char *tree)
{
	return script_run(bed.root,
			  bed_text("sh %s %s", source_path("tests/layers.sh"),
				   tree));
}

static void append(const char *file, const char *text)
{
	FILE *to = fopen(bed_text("%s/%s", bed.root, file), "a");

	ck_assert_msg(to != NULL, "%s", file);
	fputs(text, to);
	ck_assert_int_eq(fclose(to), 0);
}

static void require_output(const char *text)
{
	static char output[16384];
	FILE *from = fopen(bed_text("%s/output", bed.root), "r");
	size_t n;

	ck_assert_ptr_nonnull(from);
	n = fread(output, 1, sizeof(output) - 1, from);
	fclose(from);
	output[n] = '\0';
	ck_assert_msg(strstr(output, text) != NULL, "no \"%s\" in\n%s", text,
		      output);
}

START_TEST(the_tree_keeps_the_layers)
{
	int status = layers(source_path(""));

	if (status)
		script_dump(bed.root);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_copy_of_the_tree_keeps_them_too)
{
	copy_tree();
	append("daemon/control/server.c", "#include \"daemon/reload.h\"\n"
					  "#include <stdio.h>\n");
	ck_assert_int_eq(layers("."), 0);
}
END_TEST

static const struct {
	const char *file, *name, *output;
} wrong[] = {
	{ "daemon/region/ring.c", "daemon/filing/flush.h",
	  "daemon/region is below daemon/filing, but includes "
	  "daemon/filing/flush.h\n" },
	{ "conf/setting.h", "daemon/base/log.h",
	  "conf is below daemon/base, but includes" },
	{ "daemon/control/server.c", "daemon/arguments.h",
	  "daemon/control is below daemon, but includes" },
	{ "client/library/libbufwriter.c", "client/command/cmd.h",
	  "client/library is below client/command, but includes" },
	{ "client/command/send.c", "daemon/base/clock.h",
	  "client/command and daemon/base share nothing, but includes" },
	{ "daemon/base/log.c", "client/library/bufwriter.h",
	  "daemon/base and client/library share nothing, but includes" },
	/* a circle of headers, and one that only the sources make */
	{ "daemon/filing/flush.h", "daemon/filing/transfer.h",
	  "a circle: daemon/filing/flush -> daemon/filing/transfer -> "
	  "daemon/filing/flush\n" },
	{ "conf/problem.c", "conf/config.h", "a circle: conf/" },
	/* a path that is not from the top */
	{ "daemon/region/ring.c", "ring.h",
	  "ring.h is no path from the top to a file of these folders" },
	{ "daemon/region/ring.c", "region/ring.h", "is no path from the top" },
	{ "daemon/main.c", "tests/lib/bed.h", "is no path from the top" },
	/* a folder that nobody gave a place */
	{ "client/new.c", "client/library/bufwriter.h",
	  "client/new.c: its folder is in no layer" },
};

START_TEST(one_include_more_breaks_them_and_is_named)
{
	copy_tree();
	append(wrong[_i].file, bed_text("\n#include \"%s\"\n", wrong[_i].name));
	ck_assert_int_eq(layers("."), 1);
	require_output(wrong[_i].output);
	if (strncmp(wrong[_i].output, "a circle", 8))
		require_output(bed_text("%s:", wrong[_i].file));
}
END_TEST

START_TEST(a_tree_without_sources_is_no_proof)
{
	ck_assert_int_ne(layers("."), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("layers");
	TCase *layers = bed_case(suite, "layers");

	tcase_add_test(layers, the_tree_keeps_the_layers);
	tcase_add_test(layers, a_copy_of_the_tree_keeps_them_too);
	tcase_add_loop_test(layers, one_include_more_breaks_them_and_is_named,
			    0, (int)(sizeof(wrong) / sizeof(wrong[0])));
	tcase_add_test(layers, a_tree_without_sources_is_no_proof);
	return suite_run(suite, CK_NOFORK);
}
