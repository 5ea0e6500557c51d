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
	kernels/blas/*.c tokenizer/*.c))
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

PRODUCTS := build/libremora.a build/libremora.so build/remora
ifeq ($(WITH_SQLITE),yes)
PRODUCTS += build/remora.so
endif
ifeq ($(WITH_NGINX),yes)
PRODUCTS += build/ngx_http_remora_module.so
endif

# The archive is made anew when a source came or went.
ifneq ($(WITH_SQLITE),)
$(shell mkdir -p build; echo '$(CORE_SRC)' | cmp -s - build/core.list || \
	echo '$(CORE_SRC)' >build/core.list)
endif

# -------------------------------------------------------------------- flags

WARN := -Wall -Wextra -Werror
BASE_CFLAGS := -std=c11 -D_GNU_SOURCE $(WARN) -fvisibility=hidden -fPIC \
	-ffunction-sections -fdata-sections -pthread -MMD -MP
SAN_CFLAGS := -O1 -g -fno-omit-frame-pointer $(SANITIZE) \
	-fno-sanitize-recover=all
DEP_CFLAGS := $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS) $(UTF8PROC_CFLAGS) \
	$(BLAS_CFLAGS)
DEP_LIBS := $(JANSSON_LIBS) $(CRYPTO_LIBS) $(UTF8PROC_LIBS) $(BLAS_LIBS) \
	-pthread -lm
LINK_FLAGS := $(HARDEN_LDFLAGS) -Wl,--gc-sections
# A module hides every library it holds and stays loaded: it has threads.
MODULE_FLAGS := -shared $(LINK_FLAGS) -Wl,--exclude-libs,ALL -Wl,-z,defs

# The core and its tests see the tree; the hosts see remora.h.
INCLUDES := -Ibuild -I. $(DEP_CFLAGS)
build/obj/common/cli/%.o: INCLUDES := -Icommon -Icommon/cli \
	$(JANSSON_CFLAGS)
build/obj/sqlite-ext/%.o: INCLUDES := -Icommon -Isqlite-ext $(SQLITE_CFLAGS)
build/obj/tests/%.o build/asan/obj/tests/%.o: INCLUDES := -Ibuild -I. \
	-Icommon -Itests/unit $(DEP_CFLAGS)

# -------------------------------------------------------------------- build

.PHONY: all
all: $(PRODUCTS)

build/obj/%.o: %.c build/config.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE_CFLAGS) $(HARDEN_CFLAGS) $(CPPFLAGS) $(CFLAGS) \
		$(INCLUDES) -c $< -o $@

build/asan/obj/%.o: %.c build/config.mk
	@mkdir -p $(@D)
	$(call say,ASAN,$<)
	$(Q)$(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(SAN_CFLAGS) \
		$(INCLUDES) -c $< -o $@

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
	$(Q)NGINX_SRC='$(NGINX_SRC)' CC='$(CC)' LIBS='$(DEP_LIBS)' \
		CFLAGS='$(HARDEN_CFLAGS) $(CFLAGS)' \
		LDFLAGS='$(LINK_FLAGS) $(LDFLAGS)' \
		bash nginx-module/build.sh

# ------------------------------------------------------------ test programs

$(TESTS): build/tests/%: build/libremora.a $(SUPPORT_OBJ)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(LINK_FLAGS) \
		$(filter %/$*.o,$^) $(SUPPORT_OBJ) build/libremora.a \
		$(CMOCKA_LIBS) $(DEP_LIBS) -o $@

build/asan/libremora.a: $(ASAN_CORE_OBJ) build/core.list
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcsD $@ $(ASAN_CORE_OBJ)

$(ASAN_TESTS): build/asan/tests/%: build/asan/libremora.a \
		$(ASAN_SUPPORT_OBJ)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(SAN_CFLAGS) $(LDFLAGS) \
		$(filter %/$*.o,$^) $(ASAN_SUPPORT_OBJ) build/asan/libremora.a \
		$(CMOCKA_LIBS) $(DEP_LIBS) -o $@

# Each program also depends on its own object.
$(foreach s,$(UNIT_SRC) $(FAULT_SRC),$(eval \
	$(call programs,tests,$(s)): $(call objects,obj,$(s))))
$(foreach s,$(UNIT_SRC) $(FAULT_SRC),$(eval \
	$(call programs,asan/tests,$(s)): $(call objects,asan/obj,$(s))))

.SECONDARY:
ALL_OBJ := $(CORE_OBJ) $(CLI_OBJ) $(SQLITE_OBJ) $(SUPPORT_OBJ) \
	$(ASAN_CORE_OBJ) $(ASAN_SUPPORT_OBJ) \
	$(call objects,obj,$(UNIT_SRC) $(FAULT_SRC)) \
	$(call objects,asan/obj,$(UNIT_SRC) $(FAULT_SRC))
-include $(ALL_OBJ:.o=.d)

.PHONY: clean
clean:
	rm -rf build/obj build/asan build/tests build/core.list build/libremora.* \
		build/remora build/*.so
