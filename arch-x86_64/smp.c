/*
 * arch-x86_64/smp.c - starting the other CPUs, and calling functions on them.
 *
 *	CPU 0                                          AP
 *	per-CPU copy, idle task, trampoline data
 *	INIT, SIPI ─────────────────────────────────>  trampoline.S ─> start_secondary()
 *	answers its questions about the TSC  <─────>   tables, FPU, LAPIC, clock
 *	goes on with the next  <── cpu_online_mask ──  interrupts on, idle loop
 *
 * A cross-call is synchronous: the caller queues one request on each target, interrupts those whose queue
 * was empty, and waits with interrupts on. As the waiter still serves its own queue from the interrupt, two
 * CPUs that call each other both make progress. Not here: CPU hot-unplug, asynchronous calls.
 * Linux: arch/x86/kernel/smpboot.c, kernel/smp.c.
 */
#include "arch-x86_64/smp.h"
#include "arch-x86_64/apic.h"
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "kernel/init.h"
#include "kernel/lib/bitmap.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "mm/gfp.h"

#define TRAMPOLINE_PA	0x8000UL
extern char trampoline_start[], trampoline_end[];
extern char trampoline_pgt_addr[], trampoline_stack[], trampoline_gs_base[];

unsigned long cpu_online_mask = 1;
int nr_cpu_ids = 1;
static int max_cpus = NR_CPUS;

static int set_maxcpus(char *value)
{
	int err = kstrtoint(value, 0, &max_cpus);

	if (err || max_cpus < 0) {
		max_cpus = NR_CPUS;
		return -EINVAL;
	}
	return 0;
}
early_param("maxcpus=", set_maxcpus);

static int set_nosmp(char *value)
{
	max_cpus = 0;
	return 0;
}
early_param("nosmp", set_nosmp);

/* --------------------------------------------------------------- starting ---- */

static unsigned int percpu_order(void)
{
	unsigned int order = 0;

	while ((PAGE_SIZE << order) < (size_t)(_percpu_end - _percpu_start))
		order++;
	return order;
}

/*
 * CPU's copy of the per-CPU variables, zero but for those that must be right before its first instruction,
 * and its idle task. 0 or -ENOMEM.
 */
static int prepare_cpu(int cpu, u32 apic_id)
{
	unsigned long area = __get_free_pages(GFP_KERNEL | __GFP_ZERO, percpu_order());
	struct task_struct *idle;

	if (!area)
		return -ENOMEM;
	per_cpu_offset[cpu] = area - (unsigned long)_percpu_start;
	cpu_apic_id[cpu] = apic_id;
	per_cpu(this_cpu_off, cpu) = per_cpu_offset[cpu];
	per_cpu(cpu_number, cpu) = cpu;
	idle = idle_task_create(cpu);
	if (!idle) {
		per_cpu_offset[cpu] = 0;
		free_pages(area, percpu_order());
		return -ENOMEM;
	}
	per_cpu(current_task, cpu) = idle;
	return 0;
}

static void set_trampoline_word(const char *symbol, u64 value)
{
	memcpy(__va(TRAMPOLINE_PA + (symbol - trampoline_start)), &value, sizeof(value));
}

static void write_trampoline(int cpu)
{
	char *stack = per_cpu(current_task, cpu)->stack;

	memcpy(__va(TRAMPOLINE_PA), trampoline_start, trampoline_end - trampoline_start);
	set_trampoline_word(trampoline_pgt_addr, trampoline_pgt);
	set_trampoline_word(trampoline_stack, (u64)(stack + THREAD_SIZE));
	set_trampoline_word(trampoline_gs_base, per_cpu_offset[cpu]);
	smp_mb();
}

/* Wait for CPU's bit in the online mask for NS nanoseconds, answering its questions meanwhile. */
static bool wait_online(int cpu, u64 ns)
{
	u64 until = tsc_clock_ns() + ns;

	while (!test_bit(cpu, &cpu_online_mask)) {
		tsc_sync_serve();
		if (tsc_clock_ns() > until)
			return false;
		cpu_relax();
	}
	return true;
}

/* One AP. False: no memory (after which there is no point in going on). */
static bool boot_cpu(int cpu, u32 apic_id)
{
	if (prepare_cpu(cpu, apic_id) != 0) {
		pr_warn("SMP: no memory for CPU %d and further ones\n", cpu);
		return false;
	}
	write_trampoline(cpu);
	nr_cpu_ids = cpu + 1;
	lapic_send_init(apic_id);
	ndelay(10 * NSEC_PER_USEC);
	lapic_send_startup(apic_id, TRAMPOLINE_PA >> 12);
	if (wait_online(cpu, 10 * NSEC_PER_MSEC))
		return true;
	/* The Intel SDM recommends a second SIPI; an AP that is under way ignores it. */
	lapic_send_startup(apic_id, TRAMPOLINE_PA >> 12);
	/* Long: QEMU's thread of the AP may have to wait for a processor of a busy host. */
	if (wait_online(cpu, 20 * NSEC_PER_SEC))
		return true;
	lapic_send_init(apic_id);	/* must not wake up later, when the trampoline serves another */
	pr_warn("SMP: CPU with APIC id %u does not answer: left out\n", apic_id);
	return true;
}

/*
 * => called once, interrupts on; may sleep
 */
void smp_boot_cpus(void)
{
	int cpu = 1, limit = clamp(max_cpus, 1, NR_CPUS);

	for (int i = 0; i < acpi_madt.nr_cpus && cpu < limit; i++) {
		if (acpi_madt.apic_id[i] == cpu_apic_id[0])
			continue;
		if (!boot_cpu(cpu, acpi_madt.apic_id[i]))
			break;
		cpu++;
	}
	pr_info("SMP: %u of %d CPUs\n", hweight64(cpu_online_mask), max(acpi_madt.nr_cpus_found, 1));
}

/*
 * => on the AP, on its idle task's stack and init_top_pgt, interrupts off
 */
void start_secondary(void)
{
	unsigned int cpu = (unsigned int)smp_processor_id();

	cpu_init((int)cpu);
	fpu_init_cpu();
	lapic_init_cpu();
	tsc_sync_ap();
	time_init_cpu();
	set_bit(cpu, &cpu_online_mask);
	cpu_idle_loop();	/* turns interrupts on */
}

/* ------------------------------------------------------------- cross-calls ---- */

/*
 * One request. Every CPU has one for each target, in use from queueing until DONE; as callers do not sleep
 * or nest (preemption off, and interrupt handlers may not call), one each is enough.
 */
struct call_request {
	struct call_request *next;	/* in the target's queue */
	void (*fn)(void *);
	void *arg;
	int done;
};
static DEFINE_PER_CPU(struct call_request, call_requests[NR_CPUS]);
static DEFINE_PER_CPU(struct call_request *, call_queue);

/* Put R on CPU's queue. True if the queue was empty: the CPU has to be told. */
static bool call_enqueue(int cpu, struct call_request *r)
{
	struct call_request **queue = per_cpu_ptr(&call_queue, cpu), *first;

	do {
		first = READ_ONCE(*queue);
		r->next = first;
	} while (cmpxchg(queue, first, r) != first);
	return first == NULL;
}

/*
 * => interrupt context, interrupts off
 */
void smp_call_function_interrupt(void)
{
	struct call_request *r = xchg(this_cpu_ptr(&call_queue), (struct call_request *)NULL);

	while (r) {
		struct call_request *next = r->next;	/* after DONE the request is its owner's again */

		r->fn(r->arg);
		smp_store_release(&r->done, 1);
		r = next;
	}
}

static void call_self(void (*fn)(void *), void *arg)
{
	unsigned long flags = arch_irq_save();

	fn(arg);
	arch_irq_restore(flags);
}

void smp_call_function_mask(unsigned long mask, void (*fn)(void *), void *arg)
{
	struct call_request *requests;
	int cpu, self;

	preempt_disable();
	self = smp_processor_id();
	requests = this_cpu_ptr(&call_requests[0]);
	mask &= READ_ONCE(cpu_online_mask);
	if (mask & ~BIT(self))
		KASSERT(!irqs_disabled() && !in_irq(), "SCOPE-5");
	for_each_online_cpu(cpu) {
		if (!(mask & BIT(cpu)) || cpu == self)
			continue;
		requests[cpu].fn = fn;
		requests[cpu].arg = arg;
		requests[cpu].done = 0;
		if (call_enqueue(cpu, &requests[cpu]))
			lapic_send_ipi(cpu, CALL_FUNCTION_VECTOR);
	}
	if (mask & BIT(self))
		call_self(fn, arg);
	for_each_online_cpu(cpu) {
		if (!(mask & BIT(cpu)) || cpu == self)
			continue;
		while (!smp_load_acquire(&requests[cpu].done))
			cpu_relax();
	}
	preempt_enable();
}

void smp_call_function_single(int cpu, void (*fn)(void *), void *arg)
{
	smp_call_function_mask(BIT(cpu), fn, arg);
}

void smp_send_reschedule(int cpu)
{
	lapic_send_ipi(cpu, RESCHEDULE_VECTOR);
}

/* -------------------------------------------------------------------- NMIs ---- */

static unsigned long other_cpus(void)
{
	return READ_ONCE(cpu_online_mask) & ~BIT(smp_processor_id());
}

static void send_nmi_mask(unsigned long mask)
{
	int cpu;

	for_each_online_cpu(cpu)
		if (mask & BIT(cpu))
			lapic_send_nmi(cpu);
}

/* If two CPUs want to stop the others, the second one is among those stopped. */
void smp_stop_others(void)
{
	static int stopper = -1;
	int self, first;
	u64 until;

	local_irq_disable();
	self = smp_processor_id();
	first = cmpxchg(&stopper, -1, self);
	if (first == self)
		return;			/* done already: a panic on the way down */
	while (first != -1)
		__asm__ volatile("hlt");	/* the NMI comes */
	if (!other_cpus())
		return;
	WRITE_ONCE(nmi_stop_requested, true);
	smp_mb();
	send_nmi_mask(other_cpus());
	until = tsc_clock_ns() + 200 * NSEC_PER_MSEC;
	while ((READ_ONCE(cpus_stopped_mask) & other_cpus()) != other_cpus() && tsc_clock_ns() < until)
		cpu_relax();
}

void trigger_all_cpu_backtrace(void)
{
	unsigned long mask;
	u64 until;

	preempt_disable();
	mask = other_cpus();
	pr_emerg("Backtrace of CPU %d, which asks for those of all:\n", smp_processor_id());
	dump_stack();
	lockdep_print_held(current);
	__atomic_fetch_or(&nmi_backtrace_mask, mask, __ATOMIC_SEQ_CST);
	send_nmi_mask(mask);
	until = tsc_clock_ns() + 5 * NSEC_PER_SEC;
	while ((READ_ONCE(nmi_backtrace_mask) & mask) && tsc_clock_ns() < until)
		cpu_relax();
	preempt_enable();
}
