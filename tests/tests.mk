# SPDX-License-Identifier: GPL-2.0-or-later
# Tests. Each unit program links only what it tests: unit_NAME lists the sources besides tests/unit/NAME.c.

TEST_PKGS := cmocka $(RECONCILER_PKGS) $(AGENT_PKGS)
UNITS :=

# One line per unit program; edit only your own.
UNITS += test_common
unit_test_common := $(COMMON)
UNITS += test_common_mem test_common_file test_common_cli
unit_test_common_mem := $(COMMON)
unit_test_common_file := $(COMMON)
unit_test_common_cli := $(COMMON)
UNITS += test_compile
unit_test_compile := $(COMMON) $(PUBLICATION) $(SCHEMA) $(COMPILE) tests/unit/text_network.c
# Programs that make the n-th allocation fail (tests/unit/fail_alloc.h).
WRAP_ALLOC := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
$(BUILD)/tests/test_common_mem: OUR_LDFLAGS += $(WRAP_ALLOC)
UNITS += test_publication test_expand
unit_test_publication := $(COMMON) $(PUBLICATION) publication/sign.c
unit_test_expand := $(COMMON) $(PUBLICATION)
UNITS += test_pin test_pin_set
unit_test_pin := $(COMMON) $(SCHEMA)
unit_test_pin_set := $(COMMON) $(PUBLICATION) $(SCHEMA) $(COMPILE) reconciler/pin.c
UNITS += test_machines
unit_test_machines := $(COMMON) $(PUBLICATION) $(SCHEMA) $(COMPILE) reconciler/machines.c reconciler/machines_links.c
$(BUILD)/tests/test_pin_set: OUR_LDFLAGS += $(WRAP_ALLOC)
UNITS += test_reference
unit_test_reference := $(COMMON) $(SCHEMA)
$(BUILD)/tests/test_expand: OUR_LDFLAGS += $(WRAP_ALLOC)
UNITS += test_plan
unit_test_plan := $(COMMON) $(PUBLICATION) $(SCHEMA) $(PLAN) reconciler/client_config.c
$(BUILD)/tests/test_plan: OUR_LDFLAGS += $(WRAP_ALLOC)
UNITS += test_clients
unit_test_clients := $(COMMON) $(PUBLICATION) $(SCHEMA) $(COMPILE) $(PLAN) reconciler/render.c reconciler/render_client.c reconciler/render_json.c \
	tests/ref/client.c tests/ref/reference.c tests/unit/some_network.c
$(BUILD)/tests/test_clients: OUR_LDFLAGS += $(WRAP_ALLOC)
UNITS += test_plan_links
unit_test_plan_links := $(COMMON) $(PUBLICATION) $(SCHEMA) $(COMPILE) $(PLAN) tests/unit/text_network.c
UNITS += test_render
unit_test_render := $(COMMON) $(PUBLICATION) reconciler/render.c reconciler/render_json.c
UNITS += test_allpairs
unit_test_allpairs := $(COMMON) $(PUBLICATION) $(SCHEMA) $(COMPILE) \
	tests/ref/hops.c tests/ref/reference.c tests/unit/check_config.c
UNITS += test_links
unit_test_links := $(COMMON) $(PUBLICATION) $(SCHEMA) $(COMPILE) tests/unit/text_network.c
UNITS += test_relay
unit_test_relay := $(COMMON) $(PUBLICATION) $(SCHEMA) $(COMPILE)
$(BUILD)/tests/test_relay: OUR_LDFLAGS += $(WRAP_ALLOC)
UNITS += test_policy
unit_test_policy := $(COMMON) $(PUBLICATION) $(SCHEMA) $(COMPILE) tests/ref/admit.c tests/ref/reference.c tests/unit/some_network.c
$(BUILD)/tests/test_policy: OUR_LDFLAGS += $(WRAP_ALLOC)
UNITS += test_reach
unit_test_reach := $(COMMON) $(PUBLICATION) $(SCHEMA) $(COMPILE) $(PLAN) \
	tests/ref/admit.c tests/ref/hops.c tests/ref/reference.c tests/unit/check_config.c tests/unit/some_network.c
$(BUILD)/tests/test_reach: OUR_LDFLAGS += $(WRAP_ALLOC)
UNITS += test_hidden
unit_test_hidden := $(COMMON) $(PUBLICATION) $(SCHEMA) $(COMPILE) $(PLAN) reconciler/hidden.c tests/ref/hops.c tests/ref/reference.c tests/unit/some_network.c
$(BUILD)/tests/test_hidden: OUR_LDFLAGS += $(WRAP_ALLOC)
UNITS += test_yaml
unit_test_yaml := $(COMMON) $(filter schema/yaml%,$(SCHEMA))
UNITS += test_schema
unit_test_schema := $(COMMON) $(SCHEMA)
$(BUILD)/tests/test_schema: OUR_LDFLAGS += $(WRAP_ALLOC)
UNITS += test_repo test_publish test_spawn
unit_test_spawn := $(COMMON) reconciler/spawn.c
unit_test_repo := $(COMMON) reconciler/repo.c reconciler/repo_files.c reconciler/publish_git.c reconciler/spawn.c
unit_test_publish := $(COMMON) $(PUBLICATION) publication/sign.c reconciler/names_files.c reconciler/publish.c reconciler/publish_dir.c reconciler/repo.c reconciler/repo_files.c
# The back ends without the rest of the agent.
KERN := agent/apply.c agent/diff.c agent/lifeline.c agent/exit_route.c agent/kern_kernel.c agent/kern_rt.c agent/kern_rt_parse.c agent/kern_rt_read.c agent/kern_rule.c agent/kern_userspace.c agent/kern_wg.c agent/nl.c agent/uapi.c
UNITS += test_diff
unit_test_diff := tests/unit/fake_kern.c agent/apply.c agent/diff.c agent/lifeline.c $(COMMON) $(PUBLICATION)
UNITS += test_lifeline
unit_test_lifeline := tests/unit/fake_kern.c agent/apply.c agent/diff.c agent/lifeline.c $(COMMON) $(PUBLICATION)
UNITS += test_wg_messages
unit_test_wg_messages := tests/unit/fake_kern.c tests/unit/fake_nl.c $(KERN) $(COMMON) $(PUBLICATION)
$(BUILD)/tests/test_wg_messages: OUR_LDFLAGS += $(WRAP_ALLOC)
UNITS += test_exit
unit_test_exit := tests/unit/fake_kern.c tests/unit/fake_nl.c $(KERN) $(COMMON) $(PUBLICATION)
UNITS += test_uapi
unit_test_uapi := tests/unit/fake_kern.c agent/diff.c agent/lifeline.c agent/kern_wg.c agent/uapi.c $(COMMON) $(PUBLICATION)
# The agent without its commands and back ends; pubkit makes publications, pubkit_tool does so for shell tests.
PUBKIT := tests/unit/pubkit.c publication/sign.c
AGENT_STATE := agent/accept.c agent/fetch.c agent/host_plan.c agent/names.c agent/shared.c agent/snapshot.c agent/store.c
UNITS += test_agent_config test_store test_accept test_fetch
unit_test_agent_config := $(COMMON) agent/config.c
unit_test_store := $(COMMON) $(PUBLICATION) agent/host_plan.c agent/names.c agent/store.c
unit_test_accept := $(COMMON) $(PUBLICATION) $(PUBKIT) $(AGENT_STATE)
unit_test_fetch := $(COMMON) $(PUBLICATION) agent/fetch.c
UNITS += test_agent_links
unit_test_agent_links := tests/unit/fake_kern.c agent/apply.c agent/diff.c agent/lifeline.c agent/links.c $(COMMON) $(PUBLICATION)
UNITS += test_host
unit_test_host := $(COMMON) $(PUBLICATION) agent/host.c agent/host_plan.c tests/unit/fake_host.c
$(BUILD)/tests/test_host: OUR_LDFLAGS += $(WRAP_ALLOC)
UNITS += test_keys
unit_test_keys := $(COMMON) $(SCHEMA) tests/unit/repositories.c
UNITS += test_mutations
unit_test_mutations := $(COMMON) $(PUBLICATION) $(SCHEMA) $(COMPILE) $(PLAN) reconciler/assert.c tests/unit/repositories.c
UNITS += test_shared
unit_test_shared := $(COMMON) $(PUBLICATION) agent/host.c agent/host_plan.c agent/shared.c tests/unit/fake_host.c
$(BUILD)/tests/test_shared: OUR_LDFLAGS += $(WRAP_ALLOC)
UNITS += test_names test_names_host test_amend
unit_test_names := $(COMMON) $(PUBLICATION) agent/hosts_block.c
unit_test_names_host := $(COMMON) agent/hosts_block.c agent/names.c
$(BUILD)/tests/test_names_host: OUR_LDFLAGS += $(WRAP_ALLOC)
unit_test_amend := $(COMMON)
$(BUILD)/tests/test_amend: OUR_LDFLAGS += $(WRAP_ALLOC)
# The cycle: agent.h.
CYCLE := agent/agent.c $(filter agent/agent_%.c,$(AGENT))
UNITS += test_agent
unit_test_agent := $(COMMON) $(PUBLICATION) $(PUBKIT) $(AGENT_STATE) $(KERN) $(CYCLE) agent/links.c agent/reduce.c agent/resolve.c \
	agent/host.c agent/host_nft.c agent/host_system.c agent/hosts_block.c \
	tests/unit/fake_host.c tests/unit/fake_kern.c
$(BUILD)/tests/test_agent: OUR_LDFLAGS += $(WRAP_ALLOC),--wrap=host_system_new,--wrap=names_system_new
units: $(BUILD)/tests/pubkit_tool $(BUILD)/tests/fake_resolved

$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(OUR_LDFLAGS) $(LDFLAGS) -o $@ $^ $(call lib,$(TEST_PKGS)) -linotifytools -lpthread
define unit_rule
$(BUILD)/tests/$(1): $(call objs,$(unit_$(1)))
endef
$(foreach u,$(UNITS),$(eval $(call unit_rule,$(u))))

# Drives the back ends on real interfaces; for tests/vm and tests/net.
$(BUILD)/kern_tool: $(call objs,tests/vm/kern_tool.c $(KERN) $(COMMON) $(PUBLICATION))
	@echo "  LD    $@"
	$(Q)$(CC) $(OUR_LDFLAGS) $(LDFLAGS) -o $@ $^ $(call lib,$(AGENT_PKGS)) -lpthread
units: $(BUILD)/kern_tool

$(BUILD)/tests/fake_resolved: $(call objs,$(COMMON))
$(BUILD)/tests/pubkit_tool: $(call objs,$(COMMON) $(PUBLICATION) $(PUBKIT))

units: $(addprefix $(BUILD)/tests/,$(UNITS))

# Objects of tests are kept between runs.
.SECONDARY:

# make check: unit programs, the fuzz targets over their corpora, and every *.t script. RUN_JOBS at a time.
RUN_JOBS ?= 2
# The gates look at the source and at plain objects: once is enough.
SHELL_TESTS = $(sort $(filter-out $(if $(SAN),tests/lint/%),$(wildcard tests/*/*.t)))
run-check: all units replays
	@BUILD=$(BUILD) SAN='$(SAN)' tests/run -j $(RUN_JOBS) $(addprefix $(BUILD)/tests/,$(UNITS)) $(SHELL_TESTS)
run-lint: all
	@for gate in tests/lint/*.sh; do BUILD=$(BUILD) "$$gate" || exit 1; done

# Writes the expected files of the golden tests anew, to be reviewed as a diff.
golden-update: all
	@for t in tests/golden/*.t; do GOLDEN_UPDATE=1 BUILD=$(BUILD) "$$t" || exit 1; done
.PHONY: golden-update
