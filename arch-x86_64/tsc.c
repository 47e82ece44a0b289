/*
 * arch-x86_64/tsc.c - the monotonic clock: the time-stamp counter, scaled to nanoseconds.
 *
 *	ns = (TSC + this CPU's offset - TSC at boot) * tsc_mult / 2^32
 *
 * At boot the TSC and the LAPIC timer are measured for 5 ms against a clock of known rate: HPET, else the
 * ACPI PM timer, else the PIT. Each reading is taken several times and the one that took the fewest cycles
 * counts, so that a pause of the (emulated) machine in the middle does no harm. CPUID's own statement wins
 * if there is one.
 *
 * Not here: clocks that change rate or stop (the TSC is taken as constant, which emulators and all CPUs of
 * the last fifteen years make it). Linux: arch/x86/kernel/tsc.c, tsc_sync.c.
 */
#include "arch-x86_64/apic.h"
#include "arch-x86_64/io.h"
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "kernel/lib/printk.h"
#include "kernel/sched/time.h"

#define CALIBRATE_HZ	200	/* 1 / 5 ms */
#define PIT_HZ		1193182
#define PM_TIMER_HZ	3579545
#define HPET_CAP_PERIOD	4	/* register: femtoseconds per tick */
#define HPET_CONFIG	0x10
#define HPET_COUNTER	0xf0

struct ref_clock {
	const char *name;
	u64 hz;
	u32 mask;		/* of the counter, which wraps */
	u32 (*read)(void);
};
struct sample { u64 tsc; u32 ref, lapic; };

static u64 tsc_base, tsc_mult;	/* tsc_mult: ns per cycle, 32 bits of fraction; 0: not yet known */
static DEFINE_PER_CPU(s64, tsc_offset);
static char *hpet;

u64 tsc_clock_ns(void)
{
	u64 cycles;
	int cpu;

	do {			/* counter and offset must be of the same CPU */
		cpu = smp_processor_id();
		cycles = rdtsc() + (u64)per_cpu(tsc_offset, cpu) - tsc_base;
	} while (cpu != smp_processor_id());
	return (u64)((unsigned __int128)cycles * tsc_mult >> 32);
}

void ndelay(u64 ns)
{
	u64 until = tsc_clock_ns() + ns;

	if (!tsc_mult) {		/* an access to port 0x80 takes about 1 us */
		for (u64 us = 0; us <= ns / 1000; us++)
			outb(0x80, 0);
		return;
	}
	while (tsc_clock_ns() < until)
		cpu_relax();
}

/* ------------------------------------------------------ reference clocks ---- */

static u32 hpet_read(void)	{ return readl(hpet + HPET_COUNTER); }
static u32 pm_timer_read(void)	{ return inl(acpi_pm_timer_port); }

static u32 pit_read(void)
{
	u8 low;

	outb(0x43, 0x80);		/* latch channel 2 */
	low = inb(0x42);
	return 0xffff - (low | inb(0x42) << 8);		/* it counts down */
}

static void pit_start(void)
{
	outb(0x61, (inb(0x61) & ~2) | 1);	/* speaker off, gate on */
	outb(0x43, 0xb0);			/* channel 2, two bytes, mode 0 */
	outb(0x42, 0xff);
	outb(0x42, 0xff);
}

static bool hpet_start(struct ref_clock *c)
{
	u32 period_fs;

	hpet = acpi_hpet_addr ? ioremap(acpi_hpet_addr, 1024) : NULL;
	if (!hpet)
		return false;
	period_fs = readl(hpet + HPET_CAP_PERIOD);
	if (period_fs == 0 || period_fs > 100000000)	/* the specification's limit */
		return false;
	writel(readl(hpet + HPET_CONFIG) | 1, hpet + HPET_CONFIG);
	*c = (struct ref_clock){ "HPET", 1000000000000000UL / period_fs, ~0u, hpet_read };
	return true;
}

static void choose_ref_clock(struct ref_clock *c)
{
	if (hpet_start(c))
		return;
	if (acpi_pm_timer_port) {
		*c = (struct ref_clock){ "PM timer", PM_TIMER_HZ, 0xffffff, pm_timer_read };
		return;
	}
	pit_start();
	*c = (struct ref_clock){ "PIT", PIT_HZ, 0xffff, pit_read };
}

/* ------------------------------------------------------------ calibration ---- */

static void take_sample(const struct ref_clock *c, struct sample *s)
{
	u64 best = ~0UL;

	for (int i = 0; i < 5; i++) {
		u64 before = rdtsc();
		u32 ref = c->read();
		u32 lapic = lapic_timer_count();
		u64 took = rdtsc() - before;

		if (took >= best)
			continue;
		best = took;
		*s = (struct sample){ before + took / 2, ref, lapic };
	}
}

/* What the CPU or the hypervisor says about the rate of the TSC; 0: nothing. */
static u64 tsc_hz_from_cpuid(void)
{
	u32 a, b, c, d, max;

	cpuid(1, 0, &a, &b, &c, &d);
	if (c & BIT(31)) {
		cpuid(0x40000000, 0, &max, &b, &c, &d);
		if (max >= 0x40000010 && max < 0x40000100) {
			cpuid(0x40000010, 0, &a, &b, &c, &d);
			if (a)
				return a * 1000UL;
		}
	}
	cpuid(0, 0, &max, &b, &c, &d);
	if (max < 0x15)
		return 0;
	cpuid(0x15, 0, &a, &b, &c, &d);
	return a ? (u64)c * b / a : 0;
}

/*
 * => once, on CPU 0, interrupts off, after apic_init()
 */
void tsc_init(void)
{
	struct ref_clock clock;
	struct sample start, end;
	u64 ref_ticks, tsc_hz;

	choose_ref_clock(&clock);
	lapic_timer_start_raw();
	take_sample(&clock, &start);
	do {
		cpu_relax();
		take_sample(&clock, &end);
		ref_ticks = (end.ref - start.ref) & clock.mask;
	} while (ref_ticks < clock.hz / CALIBRATE_HZ);

	tsc_hz = (end.tsc - start.tsc) * clock.hz / ref_ticks;
	lapic_timer_hz = (u32)((u64)(start.lapic - end.lapic) * clock.hz / ref_ticks);
	if (tsc_hz_from_cpuid())
		tsc_hz = tsc_hz_from_cpuid();
	tsc_base = rdtsc();
	tsc_mult = (NSEC_PER_SEC << 32) / tsc_hz;
	lapic_init_cpu();		/* the timer stops counting for us */
	pr_info("TSC: %llu kHz, LAPIC timer %u kHz (by %s)\n", (unsigned long long)tsc_hz / 1000,
		lapic_timer_hz / 1000, clock.name);
}

/* ---------------------------------------------------- CPUs against CPU 0 ---- */

/*
 * The AP asks, the CPU that boots it answers with its own time. If the answer lies between the AP's times
 * before and after, the two agree as far as anyone can see; else the AP is set right by the exchange that
 * took least time.
 */
enum { SYNC_IDLE, SYNC_ASKED, SYNC_ANSWERED };
static int sync_state;
static u64 sync_answer;

void tsc_sync_serve(void)
{
	if (smp_load_acquire(&sync_state) != SYNC_ASKED)
		return;
	sync_answer = rdtsc() + (u64)this_cpu_read(tsc_offset);
	smp_store_release(&sync_state, SYNC_ANSWERED);
}

void tsc_sync_ap(void)
{
	u64 best = ~0UL;
	s64 offset = 0;
	bool wrong = false;

	for (int round = 0; round < 3; round++) {
		u64 before = rdtsc(), after, answer;

		smp_store_release(&sync_state, SYNC_ASKED);
		while (smp_load_acquire(&sync_state) != SYNC_ANSWERED)
			cpu_relax();
		answer = sync_answer;
		after = rdtsc();
		WRITE_ONCE(sync_state, SYNC_IDLE);
		if (answer < before || answer > after)
			wrong = true;
		if (after - before < best) {
			best = after - before;
			offset = (s64)(answer - (before + best / 2));
		}
	}
	if (!wrong)
		return;
	this_cpu_write(tsc_offset, offset);
	pr_warn("TSC: CPU %d is off by %lld cycles: corrected\n", smp_processor_id(), (long long)offset);
}
