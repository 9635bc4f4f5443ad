# svd: GNU make. Everything made goes to $(B), nothing else is written.
#
#	make            build/svd and build/svctl
#	make help       the other targets

VERSION = 0.1.0

B      = build
CC     = gcc
AR     = ar
PYTHON = /usr/bin/python3
PREFIX = /usr/local

sbindir = $(PREFIX)/sbin
bindir  = $(PREFIX)/bin
libexec = $(PREFIX)/libexec/svd
libdir  = $(PREFIX)/lib
incdir  = $(PREFIX)/include/svd
mandir  = $(PREFIX)/share/man
unitdir = $(PREFIX)/lib/systemd/system
docdir  = $(PREFIX)/share/doc/svd
bashdir = $(PREFIX)/share/bash-completion/completions
zshdir  = $(PREFIX)/share/zsh/site-functions
fishdir = $(PREFIX)/share/fish/vendor_completions.d

# libev, inih and jansson are linked statically, so that svd can execute a
# newer self, as PID 1, without a library going missing in between. SHARED=1
# links them dynamically, for packagers who must.
ifdef SHARED
LIBEV      = -lev
LIBINIH    = -linih
LIBJANSSON = -ljansson
else
LIBEV      = -l:libev.a
LIBINIH    = -l:libinih.a
LIBJANSSON = -l:libjansson.a
endif
# As Debian's libcheck wants it; elsewhere: CHECK_LIBS=-lcheck
CHECK_LIBS = -lcheck_pic -lsubunit -lrt -lm -pthread

WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wformat=2 $(if $(WERROR),-Werror)
# Fedora keeps ev.h in a folder of its own.
CPPFLAGS = -D_GNU_SOURCE -DSVD_VERSION='"$(VERSION)"' -Isrc \
	$(if $(wildcard /usr/include/libev),-isystem /usr/include/libev)
CFLAGS   = -std=gnu11 -O2 -g -fPIE $(WARNINGS) -fstack-protector-strong \
	-ffunction-sections -fdata-sections
LDFLAGS  = -pie -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--gc-sections
ifdef SANITIZE
CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
else
CPPFLAGS += -D_FORTIFY_SOURCE=2
endif
# What somebody adds on the command line adds to the above.
override CFLAGS  += $(EXTRA_CFLAGS)
override LDFLAGS += $(EXTRA_LDFLAGS)

src_c   := $(wildcard src/*.c src/*/*.c)
objs    := $(src_c:%.c=$(B)/%.o)
lib     := $(B)/libsvd.a

# What a shell is told of the command lines: templates filled by build/fill.
completions := $(patsubst contrib/completions/%,$(B)/completions/%,\
	$(wildcard contrib/completions/*))

unit_c  := $(wildcard tests/unit/test_*.c)
units   := $(unit_c:tests/unit/%.c=$(B)/tests/%)
help_c  := $(wildcard tests/it/*.c tests/it/workers/*.c)
help_so := $(B)/tests/act.so $(B)/tests/odd.so $(B)/tests/witness.so
bench_c := $(wildcard tests/bench/*.c)
helpers := $(addprefix $(B)/tests/,$(filter-out odd,$(notdir $(help_c:.c=)))) \
	$(help_so)
benches := $(addprefix $(B)/tests/,$(notdir $(bench_c:.c=)))

, := ,

# The floor runtime in Python, and the module svd for workers: as they are.
python_src := $(wildcard $(addprefix src/lib/python/,*.py svdfloor/*.py \
	python/svd/*))
python  := $(python_src:src/lib/python/%=$(B)/libexec/%)

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all demo check check-unit check-it check-asan check-steps check-valgrind \
	check-varlink fuzz \
	chaos bench bench-peers bench-floors bench-channel bench-storm lint install uninstall clean dist deps \
	deps-build deps-check help

all: $(B)/svd $(B)/svctl $(B)/libexec/libsvdfloor.so $(B)/libsvdworker.a \
	$(B)/libsvdworker.so $(python) $(completions)

# --- how things are made ------------------------------------------------------

# V=1 shows whole commands.
Q   = $(if $(V),,@)
say = @$(if $(V),:,printf '  %s %s\n')

# The flags are a prerequisite too: other flags, other objects.
flags := $(filter-out -Werror,$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(LIBEV))
ifneq ($(file <$(B)/flags),$(flags))
$(shell mkdir -p $(B))
$(file >$(B)/flags,$(flags))
endif

$(B)/src/%.o: src/%.c $(B)/flags | deps-build
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# A child on a stack of its own, in its parent's memory, is more than ASan can
# follow: what runs there is left out. Its vfork() loses the way back where one
# is called within another.
ifdef SANITIZE
$(B)/src/supervisor/child.o $(B)/src/supervisor/spawn.o $(B)/src/lib/set_up.o: \
	override CFLAGS += -fno-sanitize=all
$(B)/src/supervisor/spawn.o $(B)/src/lib/floor_fork.o: \
	override CPPFLAGS += -Dvfork=fork
endif

# The names of the system calls, by their numbers on this architecture.
$(B)/syscalls.inc: $(B)/flags | deps-build
	$(say) NAMES $@
	$(Q)echo '#include <sys/syscall.h>' | $(CC) $(CPPFLAGS) -E -dM - | \
		sed -n -e '/__NR_\(arch_specific_syscall\|syscalls\) /d' \
		-e 's/^.define \(__NR_\([a-z][a-z0-9_]*\)\) .*/[\1] = "\2",/p' >$@
$(B)/src/supervisor/dump_syscall.o: $(B)/syscalls.inc
$(B)/src/supervisor/dump_syscall.o: override CPPFLAGS += -I$(B)

# All but main.c. Both programs and every unit suite take from it only what
# they call; svctl takes its main() too. Thin, so that files of one name in two
# layers do not replace each other.
$(lib): $(filter-out $(B)/src/main.o $(B)/src/completions.o,$(objs))
	@rm -f $@
	$(say) AR $@
	$(Q)$(AR) rcsT $@ $^

# What a library on a native floor may call of svd itself.
svd_exports = $(addprefix -Wl$(,)--export-dynamic-symbol=,svd_floor_data \
	svd_floor_exception svd_floor_late)
$(B)/svd: $(B)/src/main.o $(lib)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(svd_exports) -o $@ $^ \
		$(LIBEV) $(LIBINIH) $(LIBJANSSON) -ldl

# What is loaded into other people's programs: of position-independent code, in
# which nothing is to be seen but what a public header declares, and never
# sanitized, as those programs are not.
pic_flags = $(filter-out -fPIE -fsanitize% -fno-sanitize% -fno-omit-frame-pointer,\
	$(CFLAGS)) -fPIC -fvisibility=hidden
$(B)/pic/%.o: src/%.c $(B)/flags | deps-build
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) $(CPPFLAGS) $(pic_flags) -MMD -MP -c -o $@ $<

floor_c := $(wildcard src/lib/floor*.c) src/lib/dispositions.c src/lib/set_up.c \
	src/ipc/chan.c src/ipc/proto_floor.c src/core/fleet.c src/base/buf.c \
	src/base/err.c src/base/fd.c src/base/sys.c src/base/terminal.c
floor_o := $(floor_c:src/%.c=$(B)/pic/%.o)
so_flags = $(filter-out -pie -fsanitize%,$(LDFLAGS)) -shared -Wl,--no-undefined

$(B)/libexec/libsvdfloor.so: $(floor_o)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(pic_flags) $(so_flags) -Wl,-soname,$(@F) -o $@ $^

# What a worker may call.
worker_o := $(B)/pic/lib/worker.o $(B)/pic/lib/serve.o

$(B)/libsvdworker.a: $(worker_o)
	@rm -f $@
	$(say) AR $@
	$(Q)$(AR) rcs $@ $^

$(B)/libsvdworker.so.0: $(worker_o)
	$(say) LD $@
	$(Q)$(CC) $(pic_flags) $(so_flags) -Wl,-soname,$(@F) -o $@ $^

$(B)/libsvdworker.so: $(B)/libsvdworker.so.0
	$(Q)ln -sf $(<F) $@

$(B)/svctl: $(lib)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBJANSSON)

$(B)/fill: $(B)/src/completions.o $(lib)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBJANSSON)

$(completions): $(B)/completions/%: contrib/completions/% $(B)/fill
	@mkdir -p $(@D)
	$(say) FILL $@
	$(Q)$(B)/fill <$< >$@

$(python): $(B)/libexec/%: src/lib/python/%
	@mkdir -p $(@D)
	$(say) COPY $@
	$(Q)cp $< $@

# A suite tests/unit/test_NAME.c replaces a module of svd by defining all that
# the module's header declares: the linker then leaves the real one in the
# archive. So fakes need no list anywhere. (Check's macros do not survive
# -Wconversion.)
$(B)/tests/unit/%.o: tests/unit/%.c $(B)/flags | deps-check
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(filter-out -Wconversion,$(CFLAGS)) -MMD -MP -c -o $@ $<

$(units): $(B)/tests/%: $(B)/tests/unit/%.o $(lib)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ \
		$(LIBEV) $(LIBINIH) $(LIBJANSSON) $(CHECK_LIBS)

# A next svd for the tests of upgrades: what two svds may differ in is one more.
next_c := $(addprefix src/,main.c core/record.c supervisor/state.c \
	supervisor/verbs_show.c supervisor/verbs_upgrade.c ipc/link.c \
	keeper/handover.c keeper/role.c keeper/upgrade.c)
next_o := $(next_c:src/%.c=$(B)/next/%.o)
next_flags := -USVD_VERSION -DSVD_VERSION='"next"' -DHANDOVER_MAJOR=2 \
	-DKEEPER_PROTO_VERSION=2 -DRECORD_SCHEMA=2
$(B)/next/%.o: src/%.c $(B)/flags
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) $(CPPFLAGS) $(next_flags) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/tests/svd-next: $(next_o) $(lib)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(svd_exports) -o $@ $^ \
		$(LIBEV) $(LIBINIH) $(LIBJANSSON) -ldl

# A fuzz target without a fuzzer: its corpus is replayed.
fuzz_c  := $(wildcard tests/fuzz/fuzz_*.c)
replays := $(fuzz_c:tests/fuzz/fuzz_%.c=$(B)/tests/replay_%)
$(replays): $(B)/tests/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(lib)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ \
		$(LIBINIH) $(LIBJANSSON)

# make fuzz FUZZ=varlink FUZZ_SECONDS=600; what it finds goes to $(B)/found-NAME.
FUZZ         ?= varlink
FUZZ_SECONDS ?= 60
fuzz_src = $(wildcard src/base/*.c src/core/*.c src/conf/*.c src/ipc/*.c) \
	src/supervisor/idl.c
fuzz:
	@contrib/deps build fuzz
	@mkdir -p $(B)/found-$(FUZZ)
	clang -g -O1 -fsanitize=fuzzer,address,undefined $(CPPFLAGS) \
		-U_FORTIFY_SOURCE -o $(B)/fuzz_$(FUZZ) \
		tests/fuzz/fuzz_$(FUZZ).c $(fuzz_src) $(LIBINIH) $(LIBJANSSON)
	$(B)/fuzz_$(FUZZ) -max_len=8192 -max_total_time=$(FUZZ_SECONDS) \
		$(B)/found-$(FUZZ) tests/fuzz/corpus-$(FUZZ)

$(B)/tests/keys: tests/docs/keys.c $(lib)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^

# What the integration tests run as workers: static, so that a birth is
# cheap, and never sanitized, as they stand for other people's programs.
helper_flags = -std=gnu11 -O2 -Wall -Wextra -D_GNU_SOURCE -static
define helper_rule
$(B)/tests/$(notdir $(1:.c=)): $(1) | deps-build
	@mkdir -p $$(@D)
	$$(say) CC $$<
	$$(Q)$(CC) $(helper_flags) -o $$@ $$<
endef
# What native floors load in the tests.
$(help_so): $(B)/tests/%.so: tests/it/workers/%.c | deps-build
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(filter-out -static,$(helper_flags)) -fPIC -shared \
		-Dmain=act_main -o $@ $<

$(foreach c,$(filter-out tests/it/workers/odd.c,$(help_c)) $(bench_c),$(eval $(call helper_rule,$(c))))

# What they preload on native floors.
floor_app = $(B)/tests/libapp.so $(B)/tests/libexample.so \
	$(B)/tests/floor-client $(B)/tests/served $(B)/tests/libserved.so $(B)/tests/counter
$(B)/tests/libexample.so: contrib/examples/worker.c $(B)/libsvdworker.a
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) -std=c99 -Wall -Wextra -Werror -fPIC -shared -Isrc/lib -o $@ $^

$(B)/tests/counter: contrib/examples/counter.c $(B)/libsvdworker.a
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) -std=c99 -Wall -Wextra -Werror -Isrc/lib -o $@ $^

$(B)/tests/floor-client: tests/it/floor/client.c $(B)/libexec/libsvdfloor.so
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(filter-out -static,$(helper_flags)) -Isrc/lib \
		-Wl,-rpath,'$$ORIGIN/../libexec' -o $@ $^ -ldl

$(B)/tests/served: tests/it/channel/served.c $(B)/libsvdworker.a
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(helper_flags) -Isrc/lib -o $@ $^

$(B)/tests/libserved.so: tests/it/channel/served.c $(B)/libsvdworker.a
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(filter-out -static,$(helper_flags)) -Isrc/lib -fPIC -shared \
		-Dmain=served -o $@ $^

$(B)/tests/libapp.so: tests/it/floor/app.c $(B)/libsvdworker.a
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(filter-out -static,$(helper_flags)) -Isrc/lib -fPIC -shared \
		-o $@ $^ -pthread

# An svd that dies at a step of one's choice: the calls that tests/steps/steps.c
# names go through it.
step_calls := $(shell sed -n 's/^WRAP.\([a-z_]*\),.*/\1/p' tests/steps/steps.c)
$(B)/tests/svd-steps: tests/steps/steps.c $(B)/src/main.o $(lib)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(CPPFLAGS) $(filter-out -Wmissing-prototypes,$(CFLAGS)) \
		$(LDFLAGS) $(svd_exports) $(step_calls:%=-Wl$(,)--wrap=%) \
		-o $@ $^ $(LIBEV) $(LIBINIH) $(LIBJANSSON) -ldl

# An svd that measures what the journal costs it.
$(B)/tests/svd-timed: tests/steps/timed.c $(B)/src/main.o $(lib)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(svd_exports) \
		$(addprefix -Wl$(,)--wrap=state_,put reserve maintain) \
		-o $@ $^ $(LIBEV) $(LIBINIH) $(LIBJANSSON) -ldl

-include $(objs:.o=.d) $(next_o:.o=.d) $(floor_o:.o=.d) $(worker_o:.o=.d) \
	$(unit_c:%.c=$(B)/%.d)

# --- tests --------------------------------------------------------------------

# Rounds of the random kills, in all fleets together.
SVD_TEST_ROUNDS ?= 500
# What the tests are told. /usr/bin/python3 as the distribution's pytest
# belongs to that one, whatever comes first in PATH.
test_env = SVD_BUILD='$(abspath $(B))' SVD_TEST_ROUNDS='$(SVD_TEST_ROUNDS)' \
	PYTHONDONTWRITEBYTECODE=1
# Eight at a time, as what takes long is waiting.
pytest = $(test_env) $(PYTHON) -m pytest -p no:cacheprovider -q -rs -n 8

# One after the other, also under -j: the unit suites have time limits that are
# meant for a machine of their own.
check: check-unit
	@$(MAKE) check-it

check-unit: $(units) $(replays) | deps-check
	@tests/unit/run $(B)/tests/log $(units)
	@set -e; for r in $(replays); do \
		$$r tests/fuzz/corpus-$${r##*replay_}/*; done

check-it: all $(B)/tests/svd-next $(B)/tests/svd-steps $(helpers) $(floor_app) \
	$(B)/tests/keys | deps-check
	@# What pytest makes of the tests, once and not by each of its processes.
	@$(pytest) -q --collect-only tests/it tests/docs >/dev/null || :
	$(pytest) tests/it tests/docs $(PYTEST_ARGS)

# svd killed at each of its steps, one after the other: minutes. The check takes
# some of them.
check-steps: all $(helpers) $(B)/tests/svd-steps | deps-check
	SVD_TEST_STEPS=all $(pytest) tests/it/test_steps.py $(PYTEST_ARGS)

# The same suites against a build that checks itself. Its processes write what
# they find to files, as their standard error is often not ours to see; some are
# another user's.
asan = $(abspath build-asan)
check-asan:
	rm -rf $(asan)/reports && mkdir -p $(asan)/reports
	chmod 1777 $(asan)/reports
	ASAN_OPTIONS=log_path=$(asan)/reports/asan \
	UBSAN_OPTIONS=log_path=$(asan)/reports/ubsan:print_stacktrace=1 \
	$(MAKE) B=build-asan SANITIZE=1 SVD_TEST_ROUNDS=60 check
	@tests/lint/no-reports $(asan)/reports

# An independent client of the control socket: the Varlink project's Go library
# as the distribution has it, built offline.
$(B)/tests/varlink-client: tests/varlink/client.go
	@contrib/deps varlink
	@mkdir -p $(@D)
	$(say) GO $<
	$(Q)GO111MODULE=off GOFLAGS= GOPATH=/usr/share/gocode \
		GOCACHE=$(abspath $(B))/go go build -o $@ $<

check-varlink: all $(helpers) $(B)/tests/varlink-client | deps-check
	$(pytest) tests/varlink $(PYTEST_ARGS)

# Unit suites, and those integration tests that are marked so. Valgrind 3.19
# has no pidfd and crashes on clone() with a stack of its own: svd's fallbacks.
valgrind_log = $(abspath $(B))/valgrind
check-valgrind: SVD_TEST_ROUNDS = 4
check-valgrind: all $(units) $(helpers) | deps-check
	@contrib/deps valgrind
	rm -rf $(valgrind_log) && mkdir -p $(valgrind_log)
	CK_FORK=no SVD_VALGRIND=$(valgrind_log) \
		tests/unit/run $(B)/tests/log $(units)
	SVD_VALGRIND=$(valgrind_log) SVD_SPAWN=vfork \
		$(pytest) -m valgrind tests/it $(PYTEST_ARGS)
	@tests/lint/no-reports $(valgrind_log)

# Kills at random, for SVD_CHAOS_MINUTES; SVD_CHAOS_SEED repeats them, with
# SVD_CHAOS_COLD=1 the keeper is among the killed. Of other builds, too:
# make chaos SANITIZE=1 B=build-asan.
chaos: all $(helpers)
	@$(test_env) $(PYTHON) tests/chaos/chaos.py

# What svd costs, beside a bare loop: tests/bench/README.
bench: all $(benches) $(B)/tests/svd-timed
	@$(test_env) $(PYTHON) tests/bench/bench.py

bench-peers: all $(benches)
	@contrib/deps peers
	@$(test_env) $(PYTHON) tests/bench/peers.py

bench-floors: all $(B)/tests/stamp $(B)/tests/bare
	@contrib/deps floors
	@$(test_env) $(PYTHON) tests/bench/floors.py

bench-channel: all $(B)/tests/channel $(B)/tests/served
	@$(test_env) $(PYTHON) tests/bench/channels.py

bench-storm: all $(B)/tests/stamp $(B)/tests/storm
	@$(test_env) $(PYTHON) tests/bench/storm.py

lint: all
	@contrib/deps lint
	@B=$(B) PYTHON=$(PYTHON) tests/lint/run

# --- the rest -----------------------------------------------------------------

demo: all
	@B=$(B) contrib/demo

deps:
	@contrib/deps build check lint
deps-build:
	@contrib/deps build
deps-check:
	@contrib/deps build check

# Of the one unit, where its programs are, and the same for any fleet.
unit_paths    = s,=/usr/local/,=$(PREFIX)/,
unit_template = 1,/^\[Unit/{/^\#/d}; s,svd/fleet,svd/%i,; s,fleet\.ini,%i.ini,

install: all
	install -d $(DESTDIR)$(sbindir) $(DESTDIR)$(bindir) $(DESTDIR)$(docdir)
	install -m 755 $(B)/svd $(DESTDIR)$(sbindir)/svd
	install -m 755 $(B)/svctl $(DESTDIR)$(bindir)/svctl
	install -d $(DESTDIR)$(libexec)
	install -m 755 $(B)/libexec/libsvdfloor.so $(DESTDIR)$(libexec)
	set -e; for file in $(python:$(B)/libexec/%=%); do \
		install -D -m 644 $(B)/libexec/$$file \
			$(DESTDIR)$(libexec)/$$file; \
	done
	install -d $(DESTDIR)$(libdir) $(DESTDIR)$(incdir)
	install -m 755 $(B)/libsvdworker.so.0 $(DESTDIR)$(libdir)
	ln -sf libsvdworker.so.0 $(DESTDIR)$(libdir)/libsvdworker.so
	install -m 644 $(B)/libsvdworker.a $(DESTDIR)$(libdir)
	install -m 644 src/lib/svd/*.h $(DESTDIR)$(incdir)
	set -e; for file in $$(find contrib/examples contrib/floors \
	    -name __pycache__ -prune -o -type f -print); do \
		install -D -m 644 $$file $(DESTDIR)$(docdir)/$${file#contrib/}; \
	done
	install -m 644 README COPYING etc/fleet.ini etc/demo.ini $(DESTDIR)$(docdir)
	install -d $(DESTDIR)$(unitdir)
	sed '$(unit_paths)' contrib/systemd/svd.service \
		>$(DESTDIR)$(unitdir)/svd.service
	sed '$(unit_paths); $(unit_template)' contrib/systemd/svd.service \
		>$(DESTDIR)$(unitdir)/svd@.service
	install -d $(DESTDIR)$(docdir)/systemd
	sed '$(unit_paths)' contrib/systemd/survive.conf \
		>$(DESTDIR)$(docdir)/systemd/survive.conf
	install -d $(DESTDIR)$(bashdir) $(DESTDIR)$(zshdir) $(DESTDIR)$(fishdir)
	install -m 644 $(B)/completions/svctl.bash $(DESTDIR)$(bashdir)/svctl
	install -m 644 $(B)/completions/svd.bash $(DESTDIR)$(bashdir)/svd
	install -m 644 $(B)/completions/_* $(DESTDIR)$(zshdir)
	install -m 644 $(B)/completions/*.fish $(DESTDIR)$(fishdir)
	set -e; for page in man/*.[1-8]; do \
		dir=$(DESTDIR)$(mandir)/man$${page##*.}; \
		install -d $$dir; install -m 644 $$page $$dir; \
	done

uninstall:
	rm -f $(DESTDIR)$(sbindir)/svd $(DESTDIR)$(bindir)/svctl
	rm -rf $(DESTDIR)$(docdir) $(DESTDIR)$(libexec) $(DESTDIR)$(incdir)
	rm -f $(DESTDIR)$(libdir)/libsvdworker.*
	rm -f $(DESTDIR)$(unitdir)/svd.service $(DESTDIR)$(unitdir)/svd@.service
	rm -f $(DESTDIR)$(bashdir)/svd $(DESTDIR)$(bashdir)/svctl
	rm -f $(DESTDIR)$(zshdir)/_svd $(DESTDIR)$(zshdir)/_svctl
	rm -f $(DESTDIR)$(fishdir)/svd.fish $(DESTDIR)$(fishdir)/svctl.fish
	for page in man/*.[1-8]; do \
		rm -f $(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}; \
	done

dist:
	git archive --prefix=svd-$(VERSION)/ -o svd-$(VERSION).tar.gz HEAD

clean:
	rm -rf build build-asan svd-*.tar.gz

help:
	@echo 'all             build/svd and build/svctl'
	@echo 'demo            run etc/demo.ini, and a floor, and show what svctl says of them'
	@echo 'check           unit suites, integration tests, checks of the documents'
	@echo 'check-asan      the same under AddressSanitizer and UBSan'
	@echo 'check-steps     svd killed at each step that it makes, one after the other'
	@echo 'check-valgrind  unit suites and a few fleets under valgrind'
	@echo 'bench           times and sizes, beside a bare loop of vfork and exec'
	@echo 'chaos           kills at random for SVD_CHAOS_MINUTES=5, and says what was lost'
	@echo 'check-varlink   the control socket with an independent client, in Go'
	@echo 'fuzz            FUZZ=varlink, conf, state or channel, for FUZZ_SECONDS=60, with clang'
	@echo 'bench-peers     the same of runit, s6 and supervisor, which it installs'
	@echo 'bench-floors    Python floors, beside forkserver, gunicorn and others'
	@echo 'bench-channel   requests to workers, beside a bare relay and a bare pipe'
	@echo 'bench-storm     kills while 1000 workers crash, others flood, and 100 clients ask'
	@echo 'lint            layering, analysers, format, man pages, scripts'
	@echo 'install         to $$(DESTDIR)$$(PREFIX), by default $(PREFIX); uninstall'
	@echo 'deps            install what the targets above need (root or sudo)'
	@echo 'dist            svd-$(VERSION).tar.gz;  clean'
	@echo 'variables       V=1 WERROR=1 SHARED=1 SANITIZE=1 EXTRA_CFLAGS PYTEST_ARGS'
