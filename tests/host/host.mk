# Host unit tests: the pure parts of the kernel as ordinary programs under ASan and UBSan.
#
#	make host-tests			build and run all; HOST_SEED=n for other random numbers
#	build/host/test_rbtree		one of them by hand; under gdb as any program
#
# Each tests/host/test_NAME.c becomes a program that prints KTAP. HOST_SRC lists the kernel's files; they are
# compiled with -DQUIRE_HOST and headers in tests/host/shim stand in for those of mm. A file that needs other
# flags gets them by a target-specific HOST_CFLAGS_FILE.
O ?= build
HOSTCC ?= cc
HOST_CFLAGS := -std=gnu11 -g -O1 -DQUIRE_HOST -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -Itests/host/shim -I. -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare
ifeq ($(WERROR),1)
HOST_CFLAGS += -Werror
endif

HOST_SRC := $(addprefix kernel/lib/,string.c vsprintf.c rbtree.c interval_tree.c xarray.c cpio.c) \
	$(addprefix mm/,mm_id.c mm_id_v1.c thp_orders.c)
HOST_TESTS := $(patsubst tests/host/%.c,$(O)/host/%,$(wildcard tests/host/test_*.c))
HOST_OBJ := $(HOST_SRC:%.c=$(O)/host/obj/%.o) $(O)/host/obj/tests/host/harness.o

# The kernel's printf under other names, so that it can be held against the C library's.
$(O)/host/obj/kernel/lib/vsprintf.o: HOST_CFLAGS_FILE := -Dvsnprintf=quire_vsnprintf -Dsnprintf=quire_snprintf

# The kernel's memcpy and its kin, as the kernel builds them, every name with k_ in front.
ifneq ($(findstring x86_64,$(shell $(HOSTCC) -dumpmachine)),)
HOST_OBJ += $(O)/host/obj/string_kernel.o
$(O)/host/obj/string_kernel.o: kernel/lib/string.c kernel/lib/string.h
	@mkdir -p $(@D)
	$(HOSTCC) -std=gnu11 -O2 -ffreestanding -fno-stack-protector -I. -c -o $@.tmp $<
	objcopy --prefix-symbols=k_ $@.tmp $@
else
$(O)/host/obj/tests/host/test_string.o: HOST_CFLAGS_FILE := -DNO_KERNEL_STRING
endif

$(O)/host/obj/%.o: %.c
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_CFLAGS) $(HOST_CFLAGS_FILE) -MMD -MP -c -o $@ $<
$(HOST_TESTS): $(O)/host/%: $(O)/host/obj/tests/host/%.o $(HOST_OBJ)
	$(HOSTCC) -fsanitize=address,undefined -o $@ $^
-include $(HOST_OBJ:.o=.d) $(HOST_TESTS:$(O)/host/%=$(O)/host/obj/tests/host/%.d)

host-tests: $(HOST_TESTS)
	@failed=0; for t in $(HOST_TESTS); do echo "# $$t"; $$t || failed=1; done; exit $$failed

.PHONY: host-tests
.SECONDARY: $(HOST_TESTS:$(O)/host/%=$(O)/host/obj/tests/host/%.o)
