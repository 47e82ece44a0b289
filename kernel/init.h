/*
 * kernel/init.h - the order of start-up, initcalls, and command-line words.
 *
 * start_kernel() (kernel/main.c) calls the core in a fixed order that it spells out; everything else
 * registers itself with an initcall and runs, in this order of levels, in the first kernel thread: all
 * services work.
 */
#ifndef KERNEL_INIT_H
#define KERNEL_INIT_H

#include "kernel/lib/types.h"

typedef int (*initcall_t)(void);
/* A failing initcall logs its name and error; boot goes on. */
#define __initcall(fn, level) \
	static const initcall_t __initcall_##fn __used __aligned(8) __section(".initcall" #level) = fn
#define core_initcall(fn)	__initcall(fn, 1)	/* caches and tables of a subsystem; file system types */
#define fs_initcall(fn)		__initcall(fn, 2)	/* proc, sysfs, debugfs entries; devices */
#define device_initcall(fn)	__initcall(fn, 3)	/* drivers that need the above */
#define late_initcall(fn)	__initcall(fn, 4)	/* kernel threads, self-tests */
void do_initcalls(void);

/*
 * One word of the command line: "name=" matches name=value, "name" the bare word. FN gets the value ("" for
 * a bare word) and returns 0, or -EINVAL: one clear line is logged ("name=value: not understood") and boot
 * goes on. early_param words are handled before memory is set up (no allocation); others before initcalls.
 * What nobody claims goes to init (argv, or the environment for NAME=value), as in Linux.
 */
struct kernel_param { const char *name; int (*fn)(char *value); };
#define early_param(str, f) \
	static const struct kernel_param __param_##f __used __aligned(8) __section(".early_param") = { str, f }
#define boot_param(str, f) \
	static const struct kernel_param __param_##f __used __aligned(8) __section(".boot_param") = { str, f }
/* Boot: hand the words of the command line to those who asked for them, in the two rounds above. */
void parse_early_params(void);
void parse_params(void);
/* What is left for init: NULL-terminated, argv[0] is filled in by the caller. */
extern char *argv_init[33], *envp_init[33];

void start_kernel(void) __noreturn;	/* from boot.S, on CPU 0's boot stack, long mode, early tables */
void start_secondary(void) __noreturn;	/* from the AP trampoline (smp.c) */

#endif
