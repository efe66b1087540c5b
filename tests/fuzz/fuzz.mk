# SPDX-License-Identifier: MIT
#
# make fuzz, a part of the Makefile.
#
# The targets are a build of their own: clang, the sanitizers, and the fuzzer's
# counters in every function.  FUZZ_SECONDS and T go to tests/fuzz/run.sh.

fuzz_src := $(wildcard tests/fuzz/fuzz_*.c)
fuzz_obj := $(call objects,obj,$(wildcard tests/fuzz/*.c))
fuzz_bin := $(patsubst %.c,$(BUILD)/%,$(fuzz_src))

.PHONY: fuzz fuzz-targets

fuzz:
	@$(deps) fuzz
	+@$(MAKE) $(jobs) CC=clang SAN=address,undefined,float-cast-overflow \
		CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' \
		BUILD='$(BUILD)/fuzz' fuzz-targets
	@BW_BUILD='$(abspath $(BUILD)/fuzz)' tests/fuzz/run.sh $(T)

fuzz-targets: $(fuzz_bin)

$(BUILD)/fuzz.a: $(filter-out %/main.o,$(daemon_obj) $(command_obj)) $(lib_obj)
	$(say) AR $@
	$(archive)

$(fuzz_bin): $(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o \
		$(BUILD)/obj/tests/fuzz/fuzz.o $(BUILD)/fuzz.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(link) -fsanitize=fuzzer $(fuzz_link) -o $@ $(filter %.o,$^) \
		$(filter %.a,$^) $(dep_libs)

$(BUILD)/tests/fuzz/fuzz_recovery: $(call objects,obj,$(wildcard \
		tests/fuzz/recovery_*.c))

$(BUILD)/tests/fuzz/fuzz_strip: $(call objects,obj,tests/lib/headers.c)

# Here no name of an input reaches the system, and no wait begins.
$(BUILD)/tests/fuzz/fuzz_command_line: fuzz_link := $(addprefix -Wl$(comma)--wrap=, \
	open connect send sendmsg recv syscall fork freopen)

# A target has to follow the code also where clang's fuzzer is not installed.
tests: $(fuzz_obj)

-include $(fuzz_obj:.o=.d)
