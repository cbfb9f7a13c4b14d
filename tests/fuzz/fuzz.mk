# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzz targets. fuzz_NAME lists the sources besides tests/fuzz/NAME.c; each target is built twice:
#   build/fuzz/NAME     with clang, libFuzzer and sanitizers, for `make fuzz TIME=60 [FUZZ=NAME]`
#   build/replay/NAME   with the flags of everything else, which runs tests/fuzz/corpus/NAME once: part of `make check`
# What `make fuzz` finds stays in build/fuzz/: corpus/NAME grows there, and crash-* files go into tests/fuzz/corpus/NAME
# together with the fix.

FUZZ_TARGETS :=

# One line per target; edit only your own.
FUZZ_TARGETS += fuzz_manifest fuzz_document
fuzz_fuzz_manifest := $(COMMON) $(PUBLICATION)
fuzz_fuzz_document := $(COMMON) $(PUBLICATION)
FUZZ_TARGETS += fuzz_yaml
fuzz_fuzz_yaml := $(COMMON) $(SCHEMA)
FUZZ_TARGETS += fuzz_netlink fuzz_uapi
fuzz_fuzz_netlink := agent/diff.c agent/kern_rt.c agent/kern_rt_parse.c agent/kern_rt_read.c agent/kern_rule.c agent/kern_wg.c agent/nl.c $(COMMON) $(PUBLICATION)
fuzz_fuzz_uapi := agent/diff.c agent/kern_wg.c agent/uapi.c $(COMMON) $(PUBLICATION)
FUZZ_TARGETS += fuzz_agent_config fuzz_store
fuzz_fuzz_agent_config := agent/config.c $(COMMON)
fuzz_fuzz_store := agent/host.c agent/host_plan.c agent/names.c agent/shared.c agent/store.c $(COMMON) $(PUBLICATION)

FUZZ_TARGETS += fuzz_hosts
fuzz_fuzz_hosts := agent/hosts_block.c $(COMMON)

TIME ?= 60
FUZZ ?= $(FUZZ_TARGETS)
FUZZ_CC ?= clang
FUZZ_CFLAGS := -g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_PKGS := $(RECONCILER_PKGS) $(AGENT_PKGS)

build/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  FUZZCC $<"
	$(Q)$(FUZZ_CC) -std=c11 -D_GNU_SOURCE -I. -include common/banned.h $(FUZZ_CFLAGS) -MMD -MP \
		$(PKG_CFLAGS) -c -o $@ $<

$(BUILD)/replay/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/replay.o
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(OUR_LDFLAGS) $(LDFLAGS) -o $@ $^ $(call lib,$(FUZZ_PKGS)) -lpthread

build/fuzz/%: build/fuzz/obj/tests/fuzz/%.o
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(call lib,$(FUZZ_PKGS)) -lpthread

define fuzz_rule
$(BUILD)/replay/$(1): $(call objs,$(fuzz_$(1)))
build/fuzz/$(1): $(patsubst %.c,build/fuzz/obj/%.o,$(fuzz_$(1)))
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_rule,$(t))))

replays: $(addprefix $(BUILD)/replay/,$(FUZZ_TARGETS))

# Every target over its own corpus, once.
check-replay: replays
	$(Q)for t in $(FUZZ_TARGETS); do \
		printf '  REPLAY %s: ' "$$t" && $(BUILD)/replay/$$t tests/fuzz/corpus/$$t || exit 1; \
	done

run-fuzz: $(addprefix build/fuzz/,$(FUZZ))
	$(Q)for t in $(FUZZ); do \
		mkdir -p build/fuzz/corpus/$$t && echo "  FUZZ  $$t ($(TIME) s)" && \
		build/fuzz/$$t -max_total_time=$(TIME) -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
			-verbosity=0 -artifact_prefix=build/fuzz/$$t. build/fuzz/corpus/$$t tests/fuzz/corpus/$$t || exit 1; \
	done

.PHONY: replays check-replay
-include $(shell find build/fuzz/obj -name '*.d' 2>/dev/null)
