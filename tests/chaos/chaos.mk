# SPDX-License-Identifier: MIT
#
# make chaos, a part of the Makefile.
#
# CHAOS_SECONDS, CHAOS_SEED and CHAOS_ROUNDS go to tests/chaos/run.sh.

chaos_src := $(wildcard tests/chaos/*.c)
chaos_obj := $(call objects,obj,$(chaos_src))
chaos_bin := $(BUILD)/tests/chaos/chaos
chaos_clock := $(BUILD)/tests/chaos/clock.so
chaos_points := $(BUILD)/tests/chaos/points.def

.PHONY: chaos chaos-run

chaos:
	@$(deps) auto check
	+@$(MAKE) $(jobs) chaos-run

chaos-run: $(chaos_bin) $(chaos_clock) $(BUILD)/failpoints/bufwriterd
	@BW_BUILD='$(abspath $(BUILD))' tests/chaos/run.sh

# Every failpoint of the source, and those whose answer is the error of a step
# of a file's way.
$(chaos_points): $(daemon_src)
	$(say) GEN $@
	$(Q)mkdir -p $(@D)
	$(Q){ echo '#ifdef POINT'; \
		grep -rhoE --include='*.c' 'FAILPOINT\("[a-z._]+"\)' daemon | LC_ALL=C sort -u | \
			sed 's/FAIL//'; \
		echo '#endif'; echo '#ifdef POINT_FAILS'; \
		grep -rhoE --include='*.c' '[^)]FAILPOINT\("flush[a-z._]+"\)' daemon | \
			LC_ALL=C sort -u | sed 's/.*FAILPOINT/POINT_FAILS/'; \
		echo '#endif'; } | sed 's/)$$/),/; s/),/)/' >$@

$(BUILD)/obj/tests/chaos/plan.o: $(chaos_points)
$(BUILD)/obj/tests/chaos/plan.o: private cppflags += -I$(BUILD)/tests/chaos

$(chaos_bin): $(chaos_obj) $(test_libs)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(link) -o $@ $^ $(dep_libs) $(check_libs)

# Without a sanitizer, which would have to come first.
$(chaos_clock): tests/chaos/preload/clock.c $(BUILD)/flags
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(cppflags) $(CFLAGS) -fPIC -shared -o $@ $<

-include $(chaos_obj:.o=.d)
