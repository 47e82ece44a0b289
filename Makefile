# Quire: build, run and test. `make help` lists the targets and variables; `make run` is the place to start.
#
# One directory, O (default build), takes everything that is made:
#	quire.elf  quire.iso  initrd.cpio	what boots
#	obj/  user/  image/			kernel objects, user programs with symbols, the same stripped
#	flags					the compiler flags of the last build: objects depend on it

# --- What to build -------------------------------------------------------------------------------------------
O ?= build
SMP ?= 2
MEM ?= 1G
APPEND ?=
DISK ?=
TEST ?=
SEED ?= 1
PYTHON ?= python3
# An initramfs of one's own instead of build/initrd.cpio.
INITRD ?= $(O)/initrd.cpio

# --- Compilers -----------------------------------------------------------------------------------------------
# The kernel needs a gcc for x86-64. Unless CROSS_COMPILE says which: the first of these that works.
ifeq ($(origin CROSS_COMPILE),undefined)
CROSS_COMPILE := $(shell for p in x86_64-linux-gnu- '' x86_64-elf-; do \
	case "$$($${p}gcc -dumpmachine 2>/dev/null)" in (x86_64-*) echo "$$p"; exit;; esac; done)
export CROSS_COMPILE
endif
CC := $(CROSS_COMPILE)gcc
LD := $(CROSS_COMPILE)ld
NM := $(CROSS_COMPILE)nm
OBJCOPY := $(CROSS_COMPILE)objcopy
STRIP := $(CROSS_COMPILE)strip

# Host unit tests run here, whatever processor this is: the first compiler that answers.
HOSTCC ?= $(firstword $(foreach c,gcc cc clang $(CC),$(if $(shell $(c) -dumpmachine 2>/dev/null),$(c))))

# User programs: musl, through its specs file or, where there is none, its wrapper.
MUSL_SPECS := $(firstword $(wildcard /usr/lib/x86_64-linux-musl/musl-gcc.specs /usr/lib/musl/lib/musl-gcc.specs \
	/usr/x86_64-linux-musl/lib/musl-gcc.specs))
MUSL_LIB := $(firstword $(wildcard /usr/lib/x86_64-linux-musl /usr/lib/musl/lib /usr/x86_64-linux-musl/lib))
# A bare-metal gcc (x86_64-elf-) cannot link programs: then the specs go to a gcc that can, if there is one.
USERGCC := $(if $(findstring elf,$(CROSS_COMPILE)),x86_64-linux-gnu-gcc,$(CC))
USERCC ?= $(if $(MUSL_SPECS),$(USERGCC) -specs $(MUSL_SPECS),musl-gcc)

STRICT := -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wmissing-prototypes -Wstrict-prototypes -Wundef -Wvla
CFLAGS := -std=gnu11 -O2 -g3 -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -fno-omit-frame-pointer \
	-fno-strict-aliasing -fno-common -I. $(STRICT)
USERCFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -fno-stack-protector -fcf-protection=none -fno-omit-frame-pointer -I. \
	-Wall -Wextra -Wno-unused-parameter -Wno-sign-compare
ifeq ($(WERROR),1)
CFLAGS += -Werror
USERCFLAGS += -Werror
endif
ifeq ($(RELEASE),1)
CFLAGS += -DRELEASE
endif
# 1: a mapcount for each page of a large folio, as in Linux's default build (FOL-10). 0: only for the whole.
PAGE_MAPCOUNT ?= 1
CFLAGS += -DCONFIG_PAGE_MAPCOUNT=$(PAGE_MAPCOUNT)

# SAN=1: every access to memory is checked (mm/kasan.c), and undefined behaviour is reported (kernel/lib/ubsan.c). Pointers
# to nothing are left to the CPU, sizes of objects to KASAN, alignment is free; and their tables would not fit below 8 MiB.
UBSAN_FLAGS := -fsanitize=undefined -fno-sanitize=null,alignment,object-size
KASAN_FLAGS := -fsanitize=kernel-address -fasan-shadow-offset=0xdffffc0000000000 --param asan-stack=1 \
	--param asan-globals=1 --param asan-instrumentation-with-call-threshold=0
SAN_SRC := kernel/lib/ubsan.c mm/kasan.c mm/kasan_report.c mm/san_test.c arch-x86_64/kasan_init.c
# Not checked: what makes the shadow and the report, what walks any stack, and what writes to free objects.
NO_KASAN := $(filter-out mm/san_test.c,$(SAN_SRC)) arch-x86_64/dump.c arch-x86_64/kallsyms.c mm/slab.c
ifeq ($(SAN),1)
ifeq ($(RELEASE),1)
$(error SAN=1 is for the build with asserts: not together with RELEASE=1)
endif
# gcc warns of things that its own checks make it think possible.
CFLAGS += -DCONFIG_KASAN -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds
SAN_FLAGS = $(UBSAN_FLAGS) $(KASAN_FLAGS)
endif

KSRC := $(wildcard arch-x86_64/*.c kernel/*.c kernel/*/*.c mm/*.c)
ifneq ($(SAN),1)
KSRC := $(filter-out $(SAN_SRC),$(KSRC))
endif
KASM := $(wildcard arch-x86_64/*.S)
OBJ := $(KSRC:%.c=$(O)/obj/%.o) $(KASM:%.S=$(O)/obj/%.S.o)

ifeq ($(SAN),1)
$(NO_KASAN:%.c=$(O)/obj/%.o): SAN_FLAGS = $(UBSAN_FLAGS)
$(O)/obj/kernel/lib/ubsan.o: SAN_FLAGS =
endif

all: $(O)/quire.elf $(O)/initrd.cpio

# --- The kernel ----------------------------------------------------------------------------------------------
$(O)/obj/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	@echo '  CC  $<'
	@$(CC) $(CFLAGS) $(SAN_FLAGS) -MMD -MP -c -o $@ $<
$(O)/obj/%.S.o: %.S $(O)/flags
	@mkdir -p $(@D)
	@echo '  AS  $<'
	@$(CC) $(CFLAGS) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<
-include $(OBJ:.o=.d)

# Linked twice: the first link gives the addresses for the table of function names in the second.
LINK := $(LD) -nostdlib -static -z max-page-size=0x1000 --build-id=none --no-warn-rwx-segments -T linker.ld
$(O)/quire.elf: $(OBJ) linker.ld tools/kallsyms.py
	@echo '  LD  $@'
	@$(LINK) -S -o $(O)/quire.nosyms $(OBJ)
	@$(NM) -n $(O)/quire.nosyms | $(PYTHON) tools/kallsyms.py > $(O)/kallsyms.S
	@$(CC) -c -o $(O)/kallsyms.o $(O)/kallsyms.S
	@$(LINK) -o $@ $(OBJ) $(O)/kallsyms.o

# Rewritten only when the flags or the list of sources differ from last time.
FLAGS_NOW := $(CC) $(CFLAGS) $(SAN_FLAGS) | $(USERCC) $(USERCFLAGS)
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@

# --- User programs and the initramfs ----------------------------------------------------------------------
TESTS := $(patsubst tests/user/%.c,%,$(wildcard tests/user/*.c))
DEMOS := $(filter-out init,$(patsubst user/%.c,%,$(wildcard user/*.c)))
# Programs that the tests execute: each is built its own way below.
HELPERS := static_pie gdb_victim $(if $(wildcard $(MUSL_LIB)/libc.so),dynamic)
# A program linked with static glibc, where that library is on this machine.
ifneq ($(shell $(USERGCC) -print-file-name=libc.a 2>/dev/null),libc.a)
HELPERS += glibc_threads
endif
PROGRAMS := $(TESTS:%=tests/%) $(DEMOS:%=bin/%) $(HELPERS:%=tests/helper/%) init
STRIPPED := $(PROGRAMS:%=$(O)/image/%)
BUSYBOX ?= $(firstword $(wildcard /bin/busybox /usr/bin/busybox))

# Tests pass bad pointers on purpose; and their cases run in the order in which they are written.
TESTCFLAGS := -fno-toplevel-reorder -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-nonnull \
	-Wno-format-truncation
LINK_USER = @mkdir -p $(@D); echo '  USER $@'
$(O)/user/init: user/init.c $(O)/flags
	$(LINK_USER)
	@$(USERCC) $(USERCFLAGS) -static -MMD -MP -o $@ $<
$(O)/user/bin/%: user/%.c $(O)/flags
	$(LINK_USER)
	@$(USERCC) $(USERCFLAGS) -static -MMD -MP -o $@ $<
$(O)/user/tests/%: tests/user/%.c $(O)/flags
	$(LINK_USER)
	@$(USERCC) $(USERCFLAGS) $(TESTCFLAGS) -static -pthread -MMD -MP -o $@ $<
$(O)/user/tests/helper/static_pie: tests/user/helper/static_pie.c $(O)/flags
	$(LINK_USER)
	@$(USERGCC) $(USERCFLAGS) -fpie -nostdlib -static -pie -Wl,--no-dynamic-linker,-z,text -MMD -MP -o $@ $<
$(O)/user/tests/helper/gdb_victim: tests/user/helper/gdb_victim.c $(O)/flags
	$(LINK_USER)
	@$(USERCC) $(USERCFLAGS) -static -MMD -MP -o $@ $<
$(O)/user/tests/helper/dynamic: tests/user/helper/dynamic.c $(O)/flags
	$(LINK_USER)
	@$(USERCC) $(USERCFLAGS) -MMD -MP -o $@ $<
$(O)/user/tests/helper/glibc_threads: tests/user/helper/glibc_threads.c $(O)/flags
	$(LINK_USER)
	@$(USERGCC) $(USERCFLAGS) -static -pthread -MMD -MP -o $@ $<
-include $(PROGRAMS:%=$(O)/user/%.d)

$(O)/image/%: $(O)/user/%
	@mkdir -p $(@D)
	@$(STRIP) -s -o $@ $<

$(O)/initrd.cpio: $(STRIPPED) tools/mkinitramfs.py $(wildcard user/root/* user/root/*/*) $(O)/programs
	@echo 'initramfs $@'
	@$(PYTHON) tools/mkinitramfs.py --busybox '$(BUSYBOX)' $(if $(filter dynamic,$(HELPERS)),--musl $(MUSL_LIB)/libc.so) \
		--tree user/root $(foreach p,$(PROGRAMS),--file $(p)=$(O)/image/$(p)) -o $@
# The archive must be made anew when a program disappears.
$(O)/programs: FORCE
	@mkdir -p $(@D)
	@echo '$(PROGRAMS) $(BUSYBOX)' | cmp -s - $@ || echo '$(PROGRAMS) $(BUSYBOX)' > $@

# --- The ISO: GRUB for BIOS and UEFI ---------------------------------------------------------------------------
comma := ,
space := $() $()
# What `make run` boots with: init runs a quick selection of the tests, then a shell.
RUN_ARGS := console=ttyS0 quiet $(APPEND) -- quick seed=$(SEED) $(subst $(comma),$(space),$(TEST))
$(O)/quire.iso: $(O)/quire.elf $(INITRD) tools/mkiso.sh $(O)/isoargs
	tools/mkiso.sh $(O)/quire.elf $(INITRD) $@ '$(RUN_ARGS)'
$(O)/isoargs: FORCE
	@mkdir -p $(@D)
	@echo '$(INITRD) $(RUN_ARGS)' | cmp -s - $@ || echo '$(INITRD) $(RUN_ARGS)' > $@

# --- Run, debug, test ------------------------------------------------------------------------------------------
# $(call setup,run): name what is missing for that purpose, install it where we can, stop if it stays missing.
setup = @tools/setup $(1)
MACHINE := --smp $(SMP) --mem $(MEM) $(if $(DISK),--disk $(DISK))

run:
	$(call setup,run)
	@$(MAKE) --no-print-directory $(O)/quire.iso
	@$(PYTHON) tools/qemu.py run --out $(O) --iso $(O)/quire.iso $(MACHINE)

gdb:
	$(call setup,gdb)
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tools/qemu.py gdb --out $(O) --kernel $(O)/quire.elf --initrd $(INITRD) $(MACHINE) \
		--append 'console=ttyS0 panic=0 $(APPEND)'

RUNNER = $(PYTHON) tools/runner.py --out $(O) --make '$(MAKE)' --seed $(SEED) $(if $(TEST),--test '$(TEST)') \
	$(if $(filter file,$(origin SMP)),,--smp $(SMP)) $(if $(filter file,$(origin MEM)),,--mem $(MEM)) \
	$(if $(APPEND),--append '$(APPEND)')
check:
	$(call setup,check)
	@$(RUNNER) check
check-all:
	$(call setup,check)
	@tools/get-linux.sh $(O)/linux
	@$(RUNNER) check-all

# The same programs on Debian's kernel: what they say there is right. Skipped where that package cannot be had.
check-linux:
	$(call setup,check)
	@$(MAKE) --no-print-directory $(O)/initrd.cpio
	@tools/get-linux.sh $(O)/linux || exit 0; test ! -e $(O)/linux/vmlinuz || $(RUNNER) linux

# Wrong kernels that the tests must reject: tests/mutants/*.patch. TEST=name,name chooses some.
mutants:
	$(call setup,check)
	@$(PYTHON) tools/mutants.py --out $(O) --only '$(TEST)'

# Instructions of memory operations here and on Linux: LINUX=bzImage, or Debian's of check-linux.
LINUX ?= $(O)/linux/vmlinuz
# bench-swap: nanoseconds of swapping, in turns; ONLY=virtio,ramdisk.
bench bench-swap:
	$(call setup,check)
	@$(MAKE) --no-print-directory RELEASE=1 O=$(O)/release $(O)/release/quire.elf $(O)/release/bench.cpio
	@test -e $(LINUX) || tools/get-linux.sh $(O)/linux
	@$(PYTHON) tools/bench.py --quire $(O)/release/quire.elf --initrd $(O)/release/bench.cpio \
		$(if $(filter bench-swap,$@),--swap 5 --smp $(SMP) --only '$(ONLY)') \
		$$(test ! -e $(LINUX) || echo --linux $(LINUX))
$(O)/bench.cpio: tests/bench/bench.c tests/bench/swap_rate.c $(O)/flags
	$(LINK_USER)
	@mkdir -p $(O)/bench
	@for p in bench swap_rate; do \
		$(USERCC) $(USERCFLAGS) -static -s -o $(O)/bench/$$p tests/bench/$$p.c || exit 1; done
	@$(PYTHON) tools/mkinitramfs.py --busybox '$(BUSYBOX)' --file bench=$(O)/bench/bench \
		--file swap_rate=$(O)/bench/swap_rate -o $@

-include tests/host/host.mk

iso: $(O)/quire.iso
initrd: $(O)/initrd.cpio

doctor:
	@tools/setup --doctor
clean:
	rm -rf $(O)

help:
	@echo 'make run          build, boot through GRUB, run the quick tests, give a shell (leave it with Ctrl-A X)'
	@echo 'make check        all tests, about 20 minutes on two cores; TEST=name[,name] runs only these programs'
	@echo 'make check-all    the same on all builds, with the whole matrix of boots and the oracle'
	@echo 'make check-linux  the user tests on an unpacked Debian kernel: what they say there is right'
	@echo 'make mutants      wrong kernels (tests/mutants): each must fail the test that it names'
	@echo 'make bench        instructions of memory operations, here and on Linux (LINUX=bzImage)'
	@echo 'make bench-swap   nanoseconds of swapping, here and on Linux in turns (ONLY=virtio,ramdisk SMP=2)'
	@echo 'make host-tests   unit tests of the pure parts, on this machine, under ASAN and UBSAN'
	@echo 'make gdb          boot under gdb in this terminal; it stops at a panic'
	@echo 'make all iso initrd   build quire.elf and initrd.cpio, or one of them'
	@echo 'make doctor       what is missing or too old on this host, and what to do'
	@echo 'make clean        remove $(O)/'
	@echo
	@echo 'Variables: SMP=$(SMP) MEM=$(MEM) INITRD=file.cpio APPEND="words for the kernel" DISK=file TEST=name SEED=n'
	@echo '           DISK=new:256M makes an image, $(O)/disk.img'
	@echo '           RELEASE=1 (no asserts, no lockdep)  SAN=1 (KASAN, UBSAN)  PAGE_MAPCOUNT=0 (FOL-10)  WERROR=1 (warnings are errors)  O=$(O)  CROSS_COMPILE=prefix-'

.PHONY: all run check check-all check-linux bench bench-swap mutants gdb doctor clean help iso initrd FORCE
.DELETE_ON_ERROR:
# Keep the programs with symbols: gdb reads them.
.PRECIOUS: $(O)/user/% $(O)/user/tests/% $(O)/user/bin/% $(O)/image/%
