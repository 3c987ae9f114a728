# SPDX-License-Identifier: MIT
# slablab: see README.md. `make help` lists the targets.
#
#   CFG=release|debug|asan|tsan|coverage|fuzz   which build; release lands in build/, the rest in build/CFG/
#   CC=gcc|clang                           clang builds land in a folder of their own
#   V=1                                    show commands

CFG     ?= release
VERSION := 0.1.0
prefix  ?= /usr/local
bindir  ?= $(prefix)/bin
datadir ?= $(prefix)/share
mandir  ?= $(datadir)/man
completionsdir ?= $(datadir)/bash-completion/completions
libdir  ?= $(prefix)/lib

ifeq ($(origin CC),default)
CC := gcc
endif
compiler := $(if $(findstring clang,$(CC)),clang)
variant  := $(strip $(compiler)$(if $(compiler),$(if $(filter-out release,$(CFG)),-))$(filter-out release,$(CFG)))
BUILD    := build$(if $(variant),/$(variant))
VIRTUAL  := $(BUILD)/virtual

# ---- packages (the README's table says what each is for) ----
packages_build := gcc libc6-dev make pkg-config libnuma-dev libhwloc-dev liburcu-dev libzstd-dev \
                  libjansson-dev libarchive-dev libxxhash-dev libbsd-dev libtraceevent-dev \
                  libtracefs-dev libtracecmd-dev
packages_check := libcmocka-dev groff-base
packages_lint  := clang-tidy cppcheck
packages_numa  := qemu-system-x86 busybox-static
packages_demo  := gnuplot-nox libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4
modules        := numa hwloc liburcu libzstd jansson libarchive libxxhash libbsd libtraceevent libtracefs \
                  libtracecmd

# ---- flags ----
flags_release  := -O2 -g
flags_debug    := -O1 -g3 -DSLABLAB_CHECKED
flags_asan     := -O1 -g -DSLABLAB_CHECKED -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
flags_tsan     := -O1 -g -DSLABLAB_CHECKED -fsanitize=thread -fno-omit-frame-pointer
flags_coverage := -O0 -g -DSLABLAB_CHECKED --coverage
flags_fuzz     := -O1 -g -DSLABLAB_CHECKED -DSLABLAB_SMALL -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ifeq ($(flags_$(CFG)),)
$(error CFG is '$(CFG)'; it can be release, debug, asan, tsan, coverage or fuzz)
endif

module_cflags := $(shell pkg-config --cflags $(modules) 2>/dev/null)
module_libs   := $(shell pkg-config --libs $(modules) 2>/dev/null)
cmocka_cflags := $(shell pkg-config --cflags cmocka 2>/dev/null)
cmocka_libs   := $(shell pkg-config --libs cmocka 2>/dev/null)

CFLAGS  ?=
all_cflags := -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -pthread -I. -I$(BUILD) \
              $(flags_$(CFG)) $(module_cflags) $(CFLAGS)
# -rdynamic is not asked for: a malloc opened with RTLD_LOCAL must not find names of ours.
all_ldflags := -pthread $(flags_$(CFG)) $(LDFLAGS)
all_libs    := $(module_libs) -ldl -lm

ifeq ($(V),)
quiet = @printf '  %-7s %s\n' $(1) $(2);
endif

# ---- what is built ----
virtual_only := $(addprefix sim/virtual/,virtual.c work.c lock.c access.c) $(wildcard sim/explore/*.c)
room_sources := $(filter-out $(virtual_only),$(wildcard sim/*.c sim/virtual/*.c allocators/*.c traces/*.c traces/*/*.c))
tool_sources := $(wildcard tools/*.c)
test_sources := $(wildcard tests/test_*.c)
test_support := $(filter-out $(test_sources),$(wildcard tests/*.c))

room_objects := $(room_sources:%.c=$(BUILD)/%.o)
tool_objects := $(tool_sources:%.c=$(BUILD)/%.o)
main_object  := $(BUILD)/tools/main.o
support_objects := $(test_support:%.c=$(BUILD)/%.o)
tests        := $(test_sources:tests/%.c=$(BUILD)/tests/%)
# Of the virtual machine itself, and scenarios that must come out on it as they do natively.
virtual_tests  := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/virtual/test_*.c))
virtual_scenes := $(foreach scene,conformance magazine bufctl spl x15 x15_slab helenos slabifier \
                  slabifier_rare general,$(BUILD)/tests/virtual/test_$(scene))

.PHONY: all
all: $(BUILD)/slablab $(BUILD)/slablab-malloc.so

$(BUILD)/slablab: $(tool_objects) $(room_objects) $(VIRTUAL)/machine.o
	$(call quiet,LINK,$@)$(CC) $(all_ldflags) -o $@ $^ $(all_libs)

# What fuzzing runs, for which there is libFuzzer's program and a test of the corpus: tests/fuzz/README.md.
fuzzer_objects := $(BUILD)/tests/fuzz/trier.o $(BUILD)/tests/fuzz/fuzzer.o
fuzz_objects := $(filter-out $(fuzzer_objects),$(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/fuzz/*.c)))
$(BUILD)/tests/test_fuzz: $(fuzz_objects)
# In this order: trier.c tells by it whose fault a fault is.
$(BUILD)/tests/fuzz/fuzzer: $(fuzzer_objects) $(fuzz_objects) $(BUILD)/tests/kernel_fixture.o $(filter-out $(main_object),$(tool_objects)) $(room_objects) $(VIRTUAL)/machine.o
	$(call quiet,LINK,$@)$(CC) $(all_ldflags) -fsanitize=fuzzer -Wl,--wrap=survives -o $@ $^ $(all_libs)

$(BUILD)/tests/test_%: $(BUILD)/tests/test_%.o $(support_objects) $(filter-out $(main_object),$(tool_objects)) $(room_objects) $(VIRTUAL)/machine.o
	$(call quiet,LINK,$@)$(CC) $(all_ldflags) -o $@ $^ $(all_libs) $(cmocka_libs)

# Tests that run in a guest with several nodes: tests/guest/README.md.
guest_tests := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/guest/test_*.c))
guest_parts := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/guest/guest.c tests/guest/machine.c))

$(guest_tests): %: %.o $(guest_parts) $(support_objects) $(filter-out $(main_object),$(tool_objects)) $(room_objects) $(VIRTUAL)/machine.o
	$(call quiet,LINK,$@)$(CC) $(all_ldflags) -o $@ $^ $(all_libs) $(cmocka_libs)

$(BUILD)/tests/guest/leave: $(BUILD)/tests/guest/leave.o
	$(call quiet,LINK,$@)$(CC) $(all_ldflags) -o $@ $^

# ---- the virtual machine: allocators, pages and replay once more ----
# Designs and the page layer with the instrumentation of every access; the driver as it stands; all in one object
# that shows no name but its entrance, so that it lives beside the native machine. One set of flags whatever the
# configuration: what an event costs hangs on the code the compiler makes. See sim/README.md.
virtual_watched := $(filter-out allocators/malloc.c,$(wildcard allocators/*.c)) \
                   $(filter-out sim/page_arena.c,$(wildcard sim/page*.c))
virtual_plain   := $(virtual_only) $(wildcard sim/replay*.c) sim/account.c sim/ledger.c sim/lock.c sim/page_arena.c sim/run.c \
                   sim/verify.c sim/work.c
virtual_cflags  := -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -pthread -I. -O2 -g -fno-lto $(module_cflags)
# clang leaves a load out that a store to the same place follows: it is asked for. So both see nearly the same accesses.
watched_cflags  := -fsanitize=thread -fno-builtin-memcpy -fno-builtin-memmove -fno-builtin-memset
ifeq ($(compiler),clang)
watched_cflags  += -mllvm -tsan-instrument-func-entry-exit=0 -mllvm -tsan-instrument-read-before-write
else
watched_cflags  += --param tsan-instrument-func-entry-exit=0 -fno-tree-loop-distribute-patterns
endif
OBJCOPY ?= objcopy

# link_machine TO, OBJECTS; link_watched TO, OBJECTS
link_machine = $(LD) -r -o $(1).all $(2) && \
	$(OBJCOPY) --redefine-sym run_execute=virtual_run_execute --keep-global-symbol=virtual_run_execute \
	    --keep-global-symbol=virtual_config_of --keep-global-symbol=virtual_explore \
	    --keep-global-symbol=virtual_explore_scenario $(1).all $(1)
link_watched = $(LD) -r -o $(1).all $(2) && \
	$(OBJCOPY) --redefine-sym memcpy=virtual_memcpy --redefine-sym memmove=virtual_memmove \
	    --redefine-sym memset=virtual_memset --rename-section slablab_allocators=slablab_virtual_allocators \
	    --redefine-sym __start_slablab_allocators=__start_slablab_virtual_allocators \
	    --redefine-sym __stop_slablab_allocators=__stop_slablab_virtual_allocators $(1).all $(1)

plain_objects   := $(virtual_plain:%.c=$(VIRTUAL)/%.o)
watched_objects := $(virtual_watched:%.c=$(VIRTUAL)/%.o)
$(VIRTUAL)/machine.o: $(VIRTUAL)/watched.o $(plain_objects)
	$(call quiet,LINK,$@)$(call link_machine,$@,$^)
$(VIRTUAL)/watched.o: $(watched_objects)
	$(call quiet,LINK,$@)$(call link_watched,$@,$^)

# Programs with one planted bug each, in a machine of its own: see tests/mutants/README.md.
mutants     := $(patsubst tests/mutants/%.mutant,$(BUILD)/mutants/%,$(wildcard tests/mutants/*.mutant))
mutants_few := $(addprefix $(BUILD)/mutants/,slab-free-unlocked depot-trylock-unchecked slabifier-no-grace \
               spl-count-unlocked helenos-brutal-unlocked x15-drain-unlocked range-free-too-early)
$(BUILD)/mutants/%: tests/mutants/%.mutant tests/mutants/apply $(watched_objects) $(plain_objects) $(tool_objects) $(room_objects)
	@mkdir -p $@.parts
	$(call quiet,MUTANT,$*)file=$$(sed -n 's/^file: //p' $<); \
	tests/mutants/apply $< > $@.parts/$$(basename $$file) && \
	$(CC) $(virtual_cflags) $(watched_cflags) -I$$(dirname $$file) -c -o $@.parts/mutant.o $@.parts/$$(basename $$file) && \
	$(call link_watched,$@.parts/watched.o,$@.parts/mutant.o \
	    $$(printf '%s\n' $(watched_objects) | grep -vxF $(VIRTUAL)/$${file%.c}.o)) && \
	$(call link_machine,$@.parts/machine.o,$@.parts/watched.o $(plain_objects)) && \
	$(CC) $(all_ldflags) -o $@ $(tool_objects) $(room_objects) $@.parts/machine.o $(all_libs) && rm -r $@.parts

# For tests of the machine itself: its names can be seen, but for the sanitizer's, in place of the native machine's.
virtual_shared       := $(filter-out $(virtual_watched) $(virtual_plain) sim/native% sim/clock.c,$(room_sources))
virtual_test_objects := $(virtual_shared:%.c=$(BUILD)/%.o) $(BUILD)/tests/virtual/fixture.o \
                        $(filter-out %/machine_fixture_native.o %/toy.o,$(support_objects))

$(VIRTUAL)/open.o: $(VIRTUAL)/machine.o Makefile
	$(call quiet,LINK,$@)$(OBJCOPY) --wildcard --localize-symbol='__tsan_*' $<.all $@

$(virtual_tests): %: %.o
$(virtual_scenes): $(BUILD)/tests/virtual/%: $(BUILD)/tests/%.o
$(virtual_tests) $(virtual_scenes): $(virtual_test_objects) $(VIRTUAL)/open.o
	$(call quiet,LINK,$@)$(CC) $(all_ldflags) -o $@ $^ $(all_libs) $(cmocka_libs)

$(virtual_watched:%.c=$(VIRTUAL)/%.o): flags_of_its_own := $(watched_cflags)
$(VIRTUAL)/%.o: %.c $(VIRTUAL)/flags
	@mkdir -p $(@D)
	$(call quiet,CC,$<)$(CC) $(virtual_cflags) $(flags_of_its_own) -MMD -MP -c -o $@ $<

$(VIRTUAL)/flags: FORCE
	@mkdir -p $(VIRTUAL)
	@echo '$(CC) $(virtual_cflags) $(watched_cflags)' | cmp -s - $@ || echo '$(CC) $(virtual_cflags) $(watched_cflags)' > $@

# ---- the library that `record malloc` has loaded into other programs ----
# Without sanitizers, coverage or the libraries of ours: it may call nothing that allocates or that a program may not have.
recorder_cflags := -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -pthread -I. -O2 -g -fPIC -fvisibility=hidden -fno-builtin

$(BUILD)/slablab-malloc.so: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/recorder/*.c))
	$(call quiet,LINK,$@)$(CC) -shared -pthread -Wl,-z,defs -o $@ $^ -ldl

$(BUILD)/tools/recorder/%.o: tools/recorder/%.c Makefile
	@mkdir -p $(@D)
	$(call quiet,CC,$<)$(CC) $(recorder_cflags) -MMD -MP -c -o $@ $<

# What tests record: built as plainly, and every call of malloc is made.
recorded_programs := $(BUILD)/tests/recorded/program $(BUILD)/tests/recorded/pairs
recorded_plugins  := $(BUILD)/tests/recorded/plugin.so $(BUILD)/tests/recorded/bump.so

$(recorded_programs): $(BUILD)/%: %.c Makefile
	@mkdir -p $(@D)
	$(call quiet,LINK,$@)$(CC) $(recorder_cflags) -o $@ $< -ldl

$(recorded_plugins): $(BUILD)/%.so: %.c Makefile
	@mkdir -p $(@D)
	$(call quiet,LINK,$@)$(CC) $(recorder_cflags) -fvisibility=default -shared -o $@ $<

# What measures reading and plans in process, for tools/bench.
rates := $(BUILD)/tests/bench/rates
$(rates): $(rates).o $(patsubst %.c,$(BUILD)/%.o,sim/error.c $(wildcard sim/plan*.c traces/*.c))
	$(call quiet,LINK,$@)$(CC) $(all_ldflags) -o $@ $^ $(all_libs)

# What puts faults into the program: the library loaded into it, what runs and judges it, what it records.
faults := $(addprefix $(BUILD)/tests/faults/,inject.so sweep program careless)
faults_objects := $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/inject.c %/program.c %/careless.c,$(wildcard tests/faults/*.c)))

$(BUILD)/tests/faults/inject.so: tests/faults/inject.c tests/faults/shared.h Makefile
	@mkdir -p $(@D)
	$(call quiet,LINK,$@)$(CC) $(recorder_cflags) -fvisibility=default -shared -o $@ $< -ldl

$(BUILD)/tests/faults/sweep: $(faults_objects)
	$(call quiet,LINK,$@)$(CC) $(all_ldflags) -o $@ $^

$(BUILD)/tests/faults/program $(BUILD)/tests/faults/careless: $(BUILD)/%: %.c Makefile
	@mkdir -p $(@D)
	$(call quiet,LINK,$@)$(CC) $(recorder_cflags) -o $@ $<

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC,$<)$(CC) $(all_cflags) $(if $(filter tests/%,$<),$(cmocka_cflags)) -MMD -MP -c -o $@ $<

# Rewritten only when the command line changes, so that a change of flags rebuilds what it must.
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@echo '$(CC) $(all_cflags) $(all_ldflags)' | cmp -s - $@ || echo '$(CC) $(all_cflags) $(all_ldflags)' > $@

$(BUILD)/version.h: FORCE
	@mkdir -p $(BUILD)
	@{ echo '#define SLABLAB_VERSION "$(VERSION)"'; \
	   echo '#define SLABLAB_COMMIT "'"$$(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)"'"'; \
	   echo '#define SLABLAB_BUILD "$(CFG), '"$$($(CC) --version 2>/dev/null | head -n 1)"'"'; \
	   echo '#define SLABLAB_COMPILER "'"$$($(CC) --version 2>/dev/null | head -n 1)"'"'; \
	   echo '#define SLABLAB_LIBDIR "$(libdir)/slablab"'; \
	   echo '#define SLABLAB_DATADIR "$(datadir)/slablab"'; } > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(patsubst %.c,$(BUILD)/%.o,$(shell grep -l '^#include "version.h"' $(room_sources) $(tool_sources))): | $(BUILD)/version.h

# The virtual machine's machines, each a text that is compiled in: see sim/MACHINES.md.
$(BUILD)/machines.inc: FORCE
	@mkdir -p $(BUILD)
	@for file in $(sort $(wildcard sim/machines/*.machine)); do \
	   echo "{\"$$file\","; sed 's/["\\]/\\&/g; s/.*/"&\\n"/' $$file; echo '},'; done > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(BUILD)/sim/virtual/cost_table.o: $(BUILD)/machines.inc

.PHONY: FORCE
FORCE:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.SECONDARY: # objects are kept, those of tests too

.PHONY: tests
tests: all $(tests) $(virtual_tests) $(virtual_scenes) $(mutants_few) $(recorded_programs) $(recorded_plugins) $(rates) $(faults)

# ---- packages ----
# Installs what is missing on Debian and Ubuntu; elsewhere says what is wanted.
.PHONY: deps
deps:
	@tools/install-packages $(packages_build) $(packages_check) $(packages_demo)

.PHONY: deps-build deps-check deps-demo
deps-build:
	@tools/install-packages --if-missing $(packages_build)
deps-check:
	@tools/install-packages --if-missing $(packages_build) $(packages_check) $(packages_demo)
deps-demo:
	@tools/install-packages --if-missing $(packages_build) $(packages_demo)

# ---- tests ----
# Under five minutes on two cores. A second make, since pkg-config may have come only just now.
.PHONY: check
check: deps-check
	@$(MAKE) --no-print-directory CFG=debug check-run

.PHONY: check-run
check-run: tests
	@tests/run $(BUILD) $(tests) $(virtual_tests) $(virtual_scenes)

# All of it, step after step, a failing one not in the way of the others; the steps are listed in tests/check-all. STEPS
# names some. Hours on two cores, the most of them `fuzz` with a million executions a target: FUZZ_RUNS=10000 shortens it.
STEPS ?=
.PHONY: check-all
check-all: deps-check
	@tools/install-packages --if-missing $(packages_lint) $(packages_numa) clang valgrind libclang-rt-14-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
	@MAKE='$(MAKE)' tests/check-all $(STEPS)

export TEST_WRAPPER

# The switch between coroutines that is written for aarch64, under an emulator.
foreign_cc   := aarch64-linux-gnu-gcc
foreign_test := build/aarch64/tests/test_coroutine
.PHONY: check-aarch64
check-aarch64:
	@if ! command -v $(foreign_cc) >/dev/null || ! command -v qemu-aarch64 >/dev/null; then \
	    echo 'check-aarch64: skipped: $(foreign_cc) or qemu-aarch64 is missing'; exit 0; fi; \
	mkdir -p $(dir $(foreign_test)) && \
	$(foreign_cc) -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -O2 -g -static -Itests/foreign -I. -o $(foreign_test) \
	    tests/test_coroutine.c sim/virtual/coroutine.c && \
	TEST_WRAPPER=qemu-aarch64 tests/run build/aarch64 $(foreign_test)

# Every allocation, page and system call of every command fails: see tests/faults/README.md. About 37,000 runs.
.PHONY: check-faults
check-faults:
	@$(MAKE) --no-print-directory CFG=release check-faults-run

.PHONY: check-faults-run
check-faults-run: all $(faults)
	@tests/faults/run $(BUILD)

# Placement on several nodes, in guests that have them: tests/guest/README.md.
.PHONY: check-numa
check-numa: deps-check
	@tools/install-packages --if-missing $(packages_numa)
	@$(MAKE) --no-print-directory CFG=debug check-numa-run

.PHONY: check-numa-run
check-numa-run: all $(guest_tests) $(BUILD)/tests/guest/leave $(addprefix $(BUILD)/tests/test_,topology page replay_nodes machine)
	@tests/guest/run $(BUILD)

# Every reader, importer and parser of options under libFuzzer, FUZZ_RUNS executions each; FUZZ_TARGETS names
# some, JOBS how many at a time (as many as CPUs). A million take hours; see tests/fuzz/README.md.
FUZZ_RUNS    ?= 1000000
FUZZ_TARGETS ?=
.PHONY: fuzz
fuzz:
	@tools/install-packages --if-missing $(packages_build) clang libclang-rt-14-dev
	@$(MAKE) --no-print-directory CFG=fuzz CC=clang fuzz-run

.PHONY: fuzz-run
fuzz-run: $(BUILD)/tests/fuzz/fuzzer
	@tests/fuzz/run $< $(FUZZ_RUNS) $(FUZZ_TARGETS)

# Every planted bug, for test_explore_mutants to find; without it there are those of a handful.
.PHONY: mutants
mutants: $(mutants)

# 50,000 schedules of each design and scenario, a quarter of an hour on one core.
.PHONY: explore-run
explore-run: $(BUILD)/slablab
	@$(BUILD)/slablab explore --schedules 50000

# Line coverage of each room, which may not fall below its floor, in percent, and which lines are not reached.
coverage_floors := allocators:93 sim:95 traces:92 tools:87
.PHONY: coverage
coverage: deps-check
	@find build/coverage -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory CFG=coverage check-run
	@tests/coverage build/coverage $(coverage_floors)

# ---- what is found by reading the sources ----
# One after the other, since both make what is generated. Both go on after a finding, and end with status 2 if there was
# any. A file is read again when it changed, or what it includes: the whole takes about 6 minutes on two quiet cores, of
# which cppcheck half a minute.
.PHONY: lint
lint:
	@status=0; for reader in clang-tidy cppcheck; do $(MAKE) --no-print-directory $$reader || status=$$?; done; exit $$status

# Which checks, and why not the others: .clang-tidy. Sources as a checked build has them, each after it compiled.
linted       := $(sort $(room_sources) $(virtual_only) $(tool_sources) \
                $(wildcard tools/recorder/*.c tests/*.c tests/*/*.c))
# Not of what looks at no result on purpose, and of the sweep, whose mapping, it thinks, may be at address 0.
tidied       := $(filter-out tests/faults/careless.c tests/faults/sweep.c,$(linted))
tidy_stamps  := $(tidied:%.c=$(BUILD)/lint/%.tidy)
LINT_JOBS    ?= $(shell nproc)

.PHONY: clang-tidy
clang-tidy: deps-check
	@tools/install-packages --if-missing $(packages_lint)
	@$(MAKE) --no-print-directory -k -j$(LINT_JOBS) CFG=debug clang-tidy-run

.PHONY: clang-tidy-run
clang-tidy-run: $(tidy_stamps)

$(BUILD)/lint/%.tidy: $(BUILD)/%.o %.c .clang-tidy
	@mkdir -p $(@D)
	$(call quiet,TIDY,$*.c)clang-tidy --quiet $*.c -- $(all_cflags) $(cmocka_cflags) 2>$@.said || { cat $@.said; exit 1; }
	@touch $@

# What is false in it, and why: tests/cppcheck.supp. Macros that are loops it has to know, other headers it reads without.
headers_of        = $(addprefix --include=$(shell pkg-config --variable=includedir $(1))/,$(2))
cppcheck_headers  = $(call headers_of,liburcu,urcu/list.h urcu/hlist.h) $(call headers_of,libbsd,bsd/sys/tree.h) \
                    $(call headers_of,jansson,jansson.h)
.PHONY: cppcheck
cppcheck: deps-check
	@tools/install-packages --if-missing $(packages_lint)
	@$(MAKE) --no-print-directory CFG=debug cppcheck-run

.PHONY: cppcheck-run
cppcheck-run: $(BUILD)/version.h $(BUILD)/machines.inc
	@mkdir -p $(BUILD)/lint/cppcheck
	$(call quiet,READ,sources)cppcheck -q -j$(LINT_JOBS) --cppcheck-build-dir=$(BUILD)/lint/cppcheck \
	    --enable=warning,performance,portability --error-exitcode=1 --inline-suppr --suppressions-list=tests/cppcheck.supp \
	    --std=c11 --library=posix,gnu,bsd -D_GNU_SOURCE -DSLABLAB_CHECKED -I. -I$(BUILD) $(cppcheck_headers) $(linted)

# ---- the demonstration ----
.PHONY: demo
demo: deps-demo
	@$(MAKE) --no-print-directory CFG=release demo-run

.PHONY: demo-run
demo-run: all
	@tools/demo $(BUILD)/slablab demo

# ---- speed: measured side by side in one run ----
# BENCH=replay,size runs only these accounts, REPEATS=9 rounds of each; `tools/bench/page` makes tables of BENCH_OUT.
BENCH_OUT ?= $(BUILD)/bench.jsonl
.PHONY: bench
bench: deps-demo
	@$(MAKE) --no-print-directory CFG=release bench-run

.PHONY: bench-run
bench-run: all $(BUILD)/tests/recorded/pairs $(rates)
	@tools/bench/run -o $(BENCH_OUT) $(BUILD)/slablab

# ---- the rest ----
# Manual pages, of what the program itself says with --help; which ones there are it says too.
.PHONY: man
man: $(BUILD)/man/slablab.1

$(BUILD)/man/slablab.1: $(BUILD)/slablab tools/man-pages tools/man-page.awk
	$(call quiet,MAN,$(@D))tools/man-pages $< $(@D) $(libdir) $(datadir)

.PHONY: install
install: all man
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(libdir)/slablab $(DESTDIR)$(datadir)/slablab/plots $(DESTDIR)$(datadir)/slablab/samples
	install -m 755 $(BUILD)/slablab $(DESTDIR)$(bindir)/slablab
	install -m 755 $(BUILD)/slablab-malloc.so $(DESTDIR)$(libdir)/slablab/slablab-malloc.so
	install -m 644 tools/plots/* $(DESTDIR)$(datadir)/slablab/plots
	install -m 644 traces/samples/* $(DESTDIR)$(datadir)/slablab/samples
	install -d $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(completionsdir)
	install -m 644 $(BUILD)/man/*.1 $(DESTDIR)$(mandir)/man1
	install -m 644 tools/completion.bash $(DESTDIR)$(completionsdir)/slablab

.PHONY: format
format:
	@clang-format -i $(wildcard */*.c */*.h */*/*.c */*/*.h)

.PHONY: clean
clean:
	rm -rf build demo

.PHONY: help
help:
	@echo 'make            build $(BUILD)/slablab'
	@echo 'make demo       install what is missing, build, replay the samples, sweep, plot, say where'
	@echo 'make check      install what is missing, build, run the tests (under 5 minutes)'
	@echo 'make check-all  lint; the tests under sanitizers, valgrind, gcc and clang; coverage; schedules; faults; fuzz (hours;'
	@echo '                STEPS="asan tsan" runs some of it: tests/check-all lists the steps)'
	@echo 'make lint       clang-tidy and cppcheck over all sources (6 minutes, later less: what changed is read again)'
	@echo 'make check-faults  every call that the program makes fails, one after another (37,000 runs, 10 minutes)'
	@echo 'make check-numa guests of 2, of 8 and of uneven nodes under emulation (about 6 minutes)'
	@echo 'make fuzz       every reader and parser of options, FUZZ_RUNS=1000000 inputs each (hours)'
	@echo 'make coverage   the tests, and how many lines of each room they reach: at least $(coverage_floors), in percent'
	@echo 'make bench      speed, measured side by side, against limits and peers (about 20 minutes; BENCH=replay,size for parts)'
	@echo 'make deps       install the packages that are missing (Debian, Ubuntu)'
	@echo 'make man        manual pages, in $(BUILD)/man'
	@echo 'make install    into $$(DESTDIR)$$(prefix), default /usr/local'
	@echo 'make format     clang-format over all C'
	@echo 'make clean      remove build/ and demo/'
	@echo 'CFG=release|debug|asan|tsan|coverage and CC=gcc|clang choose the build'
