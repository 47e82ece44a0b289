/*
 * kernel/panic.c - the end, told as completely as possible; and warnings, after which life goes on.
 *
 *	panic() ----> panic_begin() --> message, backtrace --> panic_end(): held locks, QEMU exit 37 or halt
 *	die() (a trap in the kernel) --> its own report ------^
 *
 * A second CPU that panics meanwhile just stops. A fault within the report (this CPU again) prints one line
 * without the log and leaves at once. panic=0 halts, for gdb; otherwise isa-debug-exit ends QEMU, and on a
 * machine without it panic=N restarts after N seconds.
 *
 * Linux: kernel/panic.c. Ours ends the machine on every oops: there is nothing worth saving.
 */
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "arch-x86_64/smp.h"
#include "kernel/init.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/string.h"
#include "kernel/locking/lockdep.h"
#include "kernel/sched/sched.h"

#define PANIC_UNSET	(-0x7fffffff)

static int panic_timeout = PANIC_UNSET;		/* panic=: 0 halt, N > 0 seconds, N < 0 at once */
static int panic_cpu = -1;			/* who is reporting */
unsigned long warn_count;

static int panic_param(char *value)
{
	return kstrtoint(value, 0, &panic_timeout);
}
early_param("panic=", panic_param);

static void __noreturn halt_forever(void)
{
	local_irq_disable();
	for (;;)
		__asm__ volatile("hlt");
}

/* The last function of a panic that does not exit; gdb's place to stop. */
static void __gdb_stop __noreturn panic_halt(void)
{
	halt_forever();
}

static void __noreturn leave(void)
{
	if (panic_timeout == 0)
		panic_halt();
	debug_exit(EXIT_PANIC_CODE);
	/* No such device. */
	if (panic_timeout == PANIC_UNSET)
		panic_halt();
	if (panic_timeout > 0)
		ndelay(panic_timeout * NSEC_PER_SEC);
	machine_restart();
}

void panic_begin(void)
{
	int cpu = smp_processor_id(), owner;

	local_irq_disable();
	owner = cmpxchg(&panic_cpu, -1, cpu);
	if (owner == cpu) {
		static const char msg[] = "\r\nQuire: a fault while reporting a fault; giving up\r\n";

		serial_write(msg, sizeof(msg) - 1);
		leave();
	}
	if (owner != -1)
		halt_forever();
	log_enter_panic();
	smp_stop_others();
}

static void __noreturn __printf(1, 0) panic_vend(const char *fmt, va_list ap)
{
	char text[256];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (current)
		lockdep_print_held(current);
	pr_emerg("---[ end Kernel panic - not syncing: %s ]---\n", text);
	leave();
}

void panic_end(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	panic_vend(fmt, ap);
}

void panic(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	panic_begin();
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pr_emerg("Kernel panic - not syncing: %s\n", text);
	if (current)
		pr_emerg("CPU: %d PID: %d Comm: %.16s\n", smp_processor_id(), current->pid, current->comm);
	dump_stack();
	panic_end("%s", text);
}

void warn_report(const char *file, int line, const char *what)
{
	__atomic_fetch_add(&warn_count, 1, __ATOMIC_RELAXED);
	pr_warn("------------[ cut here ]------------\n");
	pr_warn("WARNING: CPU: %d PID: %d at %s:%d: %s\n", smp_processor_id(), current ? current->pid : 0,
		file, line, what);
	dump_stack();
	pr_warn("---[ end trace ]---\n");
}

void assert_failed(const char *rule, const char *file, int line, const char *a, const char *op, const char *b,
		   long va, long vb)
{
	panic("BUG %s %s:%d: %s=%ld (%#lx) %s %s=%ld (%#lx)", rule, file, line, a, va, va, op, b, vb, vb);
}
