/*
 * kernel/main.c - start_kernel(): the order in which the kernel comes to life.
 *
 *	boot.S --> start_kernel()   one CPU, interrupts off, early page tables; ends as CPU 0's idle task
 *	               |
 *	               +--> kernel_init()   PID 1: the other CPUs, initcalls, initramfs, then /init
 *
 * Each step needs the ones before it; the comment beside it says what it brings. What can wait registers
 * itself as an initcall (kernel/init.h). Linux: init/main.c.
 */
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "arch-x86_64/smp.h"
#include "kernel/fs/fs.h"
#include "kernel/init.h"
#include "kernel/lib/bitmap.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "kernel/task/exec.h"
#include "kernel/task/fork.h"
#include "kernel/task/syscall.h"
#include "mm/gfp.h"
#include "mm/memblock.h"

extern const initcall_t _initcall_start[], _initcall_end[];

static u64 entry_tsc;		/* when start_kernel began: how long a boot takes is worth watching */
static const char *rdinit = "/init";

static int rdinit_param(char *value)
{
	rdinit = value;
	return *value == '/' ? 0 : -EINVAL;
}
boot_param("rdinit=", rdinit_param);

static const char *init_path;	/* init=: only looked at if there is no /init */

static int init_param(char *value)
{
	init_path = value;
	return *value == '/' ? 0 : -EINVAL;
}
boot_param("init=", init_param);

void do_initcalls(void)
{
	for (const initcall_t *fn = _initcall_start; fn < _initcall_end; fn++) {
		unsigned long offset;
		int err = (*fn)();
		const char *name = err ? kallsyms_lookup((unsigned long)*fn, &offset) : NULL;

		if (err)
			pr_err("initcall %s failed: error %d\n", name ? name : "?", err);
	}
}

/* No program to start: say what was looked for, and end. */
static void __noreturn no_init(int err)
{
	if (!boot_info.initrd_end)
		pr_emerg("No initramfs was given: use -initrd FILE.cpio (QEMU) or module2 FILE (GRUB).\n");
	else
		pr_emerg("No init: error %d. Looked for %s%s%s in the initramfs; "
			 "rdinit=PATH names another.\n", err, rdinit, init_path ? " and " : "", init_path ? init_path : "");
	debug_exit(EXIT_NO_INIT_CODE);
	panic("No working init found");
}

static int run_init(const char *path)
{
	argv_init[0] = (char *)path;
	pr_info("Run %s as init process, %llu TSC ticks after entry\n", path, (unsigned long long)(rdtsc() - entry_tsc));
	return kernel_execve(path, (const char *const *)argv_init, (const char *const *)envp_init);
}

/* PID 1, still a kernel thread. Returns when it has become the program. */
static int kernel_init(void *unused)
{
	int err;

	smp_boot_cpus();
	parse_params();
	do_initcalls();
	unpack_initramfs();	/* says itself what went wrong; there may be an init all the same */
	if (console_on_rootfs())
		pr_warn("There is no /dev/console: init starts without standard input and output\n");
	pr_info("Memory: %luK/%luK available, %u CPU(s)\n", nr_free_pages() * 4,
		(unsigned long)(memblock_total_ram() >> 10), hweight64(cpu_online_mask));
	err = run_init(rdinit);
	if (err && init_path)
		err = run_init(init_path);
	if (err)
		no_init(err);
	return 0;
}

void start_kernel(void)
{
	entry_tsc = rdtsc();
	this_cpu_write(current_task, &init_task);
	early_serial_init();
	boot_info_init();
	parse_early_params();	/* the console's level among them: first words come after it */
	pr_notice("Linux version 7.1.0-quire (gcc " __VERSION__ ") #1 SMP PREEMPT\n");
	boot_info_print();
	cpu_init_boot();	/* traps are reported from here on */
	paging_init();		/* the final page tables; all of RAM can be touched */
	mem_init();		/* frames */
	after_bootmem = true;
	kmem_cache_init();	/* kmalloc; vmalloc, ioremap and stacks need no more than this */
	acpi_init();
	apic_init();
	tsc_init();		/* time stamps */
	fpu_init_cpu();
	sched_init();
	fork_init();
	vfs_init();
	syscall_table_init();
	time_init();
	time_init_cpu();	/* the tick, once interrupts are on */
	start_init_thread(kernel_init, NULL);
	local_irq_enable();
	cpu_idle_loop();
}
