/*
 * arch-x86_64/setup.h - what the boot loader told us, in one form for Multiboot2 and PVH (bootinfo.c).
 */
#ifndef ARCH_SETUP_H
#define ARCH_SETUP_H

#include "kernel/lib/types.h"

#define BOOT_MAX_REGIONS 128
#define BOOT_CMDLINE_SIZE 2048

struct boot_region { phys_addr_t start, end; };	/* bytes, [start, end) */

struct boot_info {
	const char *loader;			/* "PVH" or "Multiboot2", for the log */
	char cmdline[BOOT_CMDLINE_SIZE];
	/* Type-1 RAM, sorted, disjoint, page aligned inwards, mem= applied. */
	struct boot_region ram[BOOT_MAX_REGIONS];
	int nr_ram;
	/* Image, initrd, low 64 KiB (AP trampoline), what memblock gave out; sorted, disjoint. */
	struct boot_region reserved[BOOT_MAX_REGIONS];
	int nr_reserved;
	phys_addr_t initrd_start, initrd_end;	/* 0, 0: none */
	phys_addr_t rsdp;			/* 0: look for it in the BIOS area */
	u8 rsdp_copy[36];			/* Multiboot2 passes a copy instead */
	bool have_rsdp_copy;
};
extern struct boot_info boot_info;

/* Symbols of linker.ld. */
extern char _text_start[], _text_end[], _rodata_start[], _rodata_end[], _data_start[], _data_end[];
extern char _bss_start[], _bss_end[], _image_end[];

/* Per-CPU section: CPU 0's variables, and the template (all zero) of the other CPUs' copies. */
extern char _percpu_start[], _percpu_end[];
/* CPU 0's first stack, THREAD_SIZE bytes; the page below it (boot_stack_guard) is not mapped. */
extern char boot_stack_guard[], boot_stack[];

/* Add [START, END) to boot_info.reserved (kept sorted and merged). Boot only, CPU 0. */
void boot_reserve(phys_addr_t start, phys_addr_t end);

/* In the order in which start_kernel calls them; each says in its file what it needs and offers. */
void early_serial_init(void);
void boot_info_init(void);	/* parses what boot.S saved */
void boot_info_print(void);	/* command line and memory map into the log */
void cpu_init_boot(void);	/* features (or one clear line and exit), GDT, TSS, IDT, MSRs of CPU 0 */
void paging_init(void);		/* direct map of all RAM, W^X for the image; needs memblock */
/*
 * Descriptor tables, control registers, system call MSRs and GS base of the running CPU. An AP calls it on
 * init_top_pgt, first thing, when per_cpu_offset[CPU] points to its zeroed copy of the per-CPU section; with
 * it this_cpu_off and cpu_number become valid. Loads the IDT: traps work afterwards. Interrupts stay off.
 */
void cpu_init(int cpu);
/*
 * Physical address of a PML4 below 4 GiB for the AP trampoline: the low 2 MiB mapped 1:1 and the kernel
 * half. Set by paging_init().
 */
extern phys_addr_t trampoline_pgt;
void acpi_init(void);		/* MADT: CPUs; FADT: power-off and reset */
void apic_init(void);		/* LAPIC of CPU 0, IOAPIC */
void tsc_init(void);		/* calibrates the TSC and the LAPIC timer, starts the clock */
void fpu_init_cpu(void);

/* Ways to end the machine (1.1). All disable interrupts first and never return. */
void machine_power_off(void) __noreturn;
void machine_restart(void) __noreturn;
/* Exit QEMU through isa-debug-exit with status (code << 1 | 1); returns if that device is not there. */
void debug_exit(u32 code);
#define EXIT_SUCCESS_CODE 0x10	/* QEMU ends with 33 */
#define EXIT_FAILED_CODE  0x11	/* 35: tests failed */
#define EXIT_PANIC_CODE	  0x12	/* 37 */
#define EXIT_NO_INIT_CODE 0x13	/* 39 */

/* Serial console. serial_putc polls (works in panic); input arrives by interrupt through serial_rx_hook. */
void serial_putc(char c);
void serial_write(const char *s, size_t n);
extern void (*serial_rx_hook)(char c);	/* called in interrupt context; NULL: dropped */
void serial_enable_irq(void);

/* Interrupts of devices: legacy ISA line -> handler(arg), called with interrupts off. 0 or -EBUSY. */
int request_irq(int irq, void (*handler)(void *), void *arg, const char *name);
u64 irq_count(int irq, int cpu);	/* for /proc/interrupts; names and IPIs: irq_name(), vector_count() in apic.h */

/* Wall clock at boot, seconds since 1970 (CMOS). */
u64 rtc_read_seconds(void);

/* Backtrace of the caller, or from frame pointer BP with the code at IP; symbolised through kallsyms. */
void dump_stack(void);
void show_trace(unsigned long ip, unsigned long bp);
/* Name of the function around ADDR, *OFFSET inside it; NULL if it is not kernel text. */
const char *kallsyms_lookup(unsigned long addr, unsigned long *offset);

#endif
