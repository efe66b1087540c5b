# SPDX-License-Identifier: MIT
#
# Included by the Makefile: bufwriter-nats, which carries files through NATS
# JetStream.  It is built where pkg-config knows libnats (Debian: libnats-dev),
# and nothing else needs that library.

nats_libs := $(shell pkg-config --libs libnats 2>/dev/null)

ifneq ($(nats_libs),)
programs += $(BUILD)/bufwriter-nats
man += client/nats/bufwriter-nats.1

nats_objects := $(patsubst %,$(BUILD)/obj/client/nats/%.o,bufwriter-nats file)

$(BUILD)/bufwriter-nats: $(nats_objects)
	$(say) LD $@
	$(Q)$(link) -o $@ $^ $(nats_libs)

-include $(nats_objects:.o=.d)
endif

.PHONY: check-centre
check-centre: all
	@BW_BUILD='$(abspath $(BUILD))' tests/centre/run.sh
