/* SPDX-License-Identifier: MIT */
/*
 * A program of another project that finds the library with CMake, as if the
 * build directory were the directory of installed libraries.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/lib/bed.h"
#include "tests/lib/examples.h"

static const char *build_dir(void)
{
	const char *build = getenv("BW_BUILD");

	return build ? build : "build";
}

/* What `make install` makes of the template. */
static void install(const char *name)
{
	const char *const values[][2] = {
		{ "@LIBDIR@", build_dir() },
		{ "@INCLUDEDIR@", source_path("client/library") },
		{ "@VERSION@", "0.3.4" },
	};
	char *text = source_fill(bed_text("client/library/%s.in", name), values,
				 sizeof(values) / sizeof(values[0]));

	script_write(bed_text("%s/cmake/%s", bed.root, name), text, 0644);
	free(text);
}

static void make_project(const char *version)
{
	ck_assert_int_eq(mkdir(bed_text("%s/cmake", bed.root), 0755), 0);
	install("bufwriter-config.cmake");
	install("bufwriter-config-version.cmake");
	script_write(bed_text("%s/CMakeLists.txt", bed.root),
		     bed_text("cmake_minimum_required(VERSION 3.18)\n"
			      "project(example C)\n"
			      "find_package(bufwriter %s REQUIRED)\n"
			      "add_executable(example example.c)\n"
			      "target_link_libraries(example "
			      "PRIVATE bufwriter::bufwriter)\n",
			      version),
		     0644);
	script_write(bed_text("%s/example.c", bed.root),
		     "#include <stdio.h>\n"
		     "#include <bufwriter.h>\n"
		     "int main(void)\n"
		     "{\n"
		     "\tputs(bw_strerror(BW_TIMEOUT));\n"
		     "\treturn 0;\n"
		     "}\n",
		     0644);
}

static int build(void)
{
	return script_run(bed.root,
			  bed_text("cmake -B out -Dbufwriter_DIR=%s/cmake "
				   "-DCMAKE_BUILD_RPATH=%s && "
				   "cmake --build out && out/example",
				   bed.root, build_dir()));
}

static bool can_build(void)
{
	if (suite_sanitized())
		suite_skip("the program has no sanitizer, as the library has");
	else if (!script_has("cmake"))
		suite_skip("cmake is not installed");
	else
		return true;
	return false;
}

/* The version that a project asks for, and whether 0.3.4 is good enough. */
static const struct {
	const char *version;
	bool fits;
} versions[] = {
	{ "", true },	    { "0.3", true },  { "0.3.4", true },
	{ "0.3.5", false }, { "0.2", false }, { "0.4", false },
	{ "1.0", false },
};

START_TEST(a_project_finds_the_library_with_cmake)
{
	if (!can_build())
		return;
	make_project(versions[_i].version);
	ck_assert_int_eq(!build(), versions[_i].fits);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cmake");
	TCase *t = bed_case(suite, "cmake");

	tcase_add_loop_test(t, a_project_finds_the_library_with_cmake, 0,
			    sizeof(versions) / sizeof(versions[0]));
	return suite_run(suite, CK_NOFORK);
}
