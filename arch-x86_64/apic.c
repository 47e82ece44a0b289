/*
 * arch-x86_64/apic.c - local APICs (one per CPU) and IOAPICs, in xAPIC mode by memory-mapped registers.
 *
 * Each LAPIC takes interrupts for its CPU, sends IPIs, and has the count-down timer that drives that CPU's
 * clock. IOAPICs turn the ISA lines into messages to CPU 0's LAPIC. The old 8259s are masked for good.
 * Not here: x2APIC (switched back to xAPIC if the firmware left it on: at most 16 CPUs), interrupt balancing,
 * PCI INTx lines (devices use MSI-X). Linux: arch/x86/kernel/apic/. Intel SDM vol. 3, ch. 10.
 */
#include "arch-x86_64/apic.h"
#include "arch-x86_64/io.h"
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/pgtable.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "kernel/lib/bug.h"
#include "kernel/locking/spinlock.h"
#include "kernel/sched/time.h"

/* Byte offsets of LAPIC registers. */
#define LAPIC_ID	0x20
#define LAPIC_TPR	0x80
#define LAPIC_EOI	0xb0
#define LAPIC_SVR	0xf0
#define LAPIC_ESR	0x280
#define LAPIC_ICR_LOW	0x300
#define LAPIC_ICR_HIGH	0x310
#define LAPIC_LVT_TIMER	0x320
#define LAPIC_LVT_LINT0	0x350
#define LAPIC_LVT_LINT1	0x360
#define LAPIC_LVT_ERROR	0x370
#define LAPIC_TIMER_INIT 0x380
#define LAPIC_TIMER_CUR	0x390
#define LAPIC_TIMER_DIV	0x3e0

#define LVT_MASKED	BIT(16)
#define LVT_NMI		0x400
#define SVR_ENABLE	BIT(8)
#define TIMER_DIV_1	0xb
#define ICR_BUSY	BIT(12)
#define ICR_NMI		0x00400
#define ICR_INIT	0x00500
#define ICR_STARTUP	0x00600
#define ICR_ASSERT	0x04000

#define MSR_APIC_BASE	0x1b
#define APIC_BASE_EXTD	BIT(10)
#define APIC_BASE_EN	BIT(11)

/* IOAPIC: an index register and a data window. */
#define IOAPIC_REGSEL	0x00
#define IOAPIC_WINDOW	0x10
#define IOAPIC_VER	0x01
#define IOAPIC_REDIR(n)	(0x10 + 2 * (n))

static char *lapic;
static struct ioapic { char *base; u32 gsi_base, nr; } ioapics[MAX_IOAPICS];
DEFINE_SPINLOCK(ioapic_lock);	/* index and window are used in pairs; at boot and in request_irq only */

u32 cpu_apic_id[NR_CPUS];
u32 lapic_timer_hz;

static u32 lapic_read(u32 reg)		{ return readl(lapic + reg); }
static void lapic_write(u32 reg, u32 v)	{ writel(v, lapic + reg); }

void lapic_eoi(void)	{ lapic_write(LAPIC_EOI, 0); }
u32 lapic_id(void)	{ return lapic_read(LAPIC_ID) >> 24; }

/* ------------------------------------------------------------------ IPIs ---- */

/*
 * Write the two halves of the command register. An interrupt handler between the halves could send an IPI of
 * its own and change the destination, therefore interrupts are off; an NMI does not send any.
 */
static void icr_write(u32 apic_id, u32 command)
{
	unsigned long flags = arch_irq_save();

	while (lapic_read(LAPIC_ICR_LOW) & ICR_BUSY)
		cpu_relax();
	lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
	lapic_write(LAPIC_ICR_LOW, command);
	arch_irq_restore(flags);
}

void lapic_send_ipi(int cpu, u8 vector)		{ icr_write(cpu_apic_id[cpu], ICR_ASSERT | vector); }
void lapic_send_nmi(int cpu)			{ icr_write(cpu_apic_id[cpu], ICR_ASSERT | ICR_NMI); }
void lapic_send_init(u32 apic_id)		{ icr_write(apic_id, ICR_ASSERT | ICR_INIT); }
void lapic_send_startup(u32 apic_id, u8 page)	{ icr_write(apic_id, ICR_ASSERT | ICR_STARTUP | page); }

/* ----------------------------------------------------------------- timer ---- */

void lapic_timer_start_raw(void)
{
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | LOCAL_TIMER_VECTOR);
	lapic_write(LAPIC_TIMER_INIT, ~0u);
}

u32 lapic_timer_count(void)
{
	return lapic_read(LAPIC_TIMER_CUR);
}

/*
 * A time farther away than the counter reaches (4 s at 1 GHz) makes one interrupt too early; whoever is
 * called then sees that nothing is due and programs the rest.
 */
void lapic_timer_program(u64 ns)
{
	u64 now = tsc_clock_ns();
	u64 delta = ns > now ? min_t(u64, ns - now, 4 * NSEC_PER_SEC) : 0;
	u64 count = delta * (lapic_timer_hz / 1000) / 1000000 + 1;

	lapic_write(LAPIC_TIMER_INIT, (u32)min_t(u64, count, ~0u));
}

/* ---------------------------------------------------------------- set-up ---- */

/* Leave x2APIC mode if the firmware set it: only through "off" may one get back to xAPIC. */
static void xapic_mode(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	if (base & APIC_BASE_EXTD) {
		wrmsr(MSR_APIC_BASE, base & ~(APIC_BASE_EXTD | APIC_BASE_EN));
		base &= ~APIC_BASE_EXTD;
	}
	wrmsr(MSR_APIC_BASE, base | APIC_BASE_EN);
}

void lapic_init_cpu(void)
{
	xapic_mode();
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_SVR, SVR_ENABLE | SPURIOUS_APIC_VECTOR);
	lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT1, LVT_NMI);		/* the NMI button; QEMU's "nmi" command */
	lapic_write(LAPIC_LVT_ERROR, LVT_MASKED);
	lapic_write(LAPIC_ESR, 0);
	lapic_write(LAPIC_TIMER_DIV, TIMER_DIV_1);
	lapic_write(LAPIC_TIMER_INIT, 0);
	lapic_write(LAPIC_LVT_TIMER, LOCAL_TIMER_VECTOR);	/* one-shot */
	lapic_eoi();
}

/*
 * The 8259s: move their vectors away from the exceptions, in case of a spurious one, and mask every line.
 */
static void pic_disable(void)
{
	outb(0x20, 0x11); outb(0xa0, 0x11);
	outb(0x21, 0x20); outb(0xa1, 0x28);
	outb(0x21, 0x04); outb(0xa1, 0x02);
	outb(0x21, 0x01); outb(0xa1, 0x01);
	outb(0x21, 0xff); outb(0xa1, 0xff);
}

static u32 ioapic_read(struct ioapic *io, u32 reg)
{
	writel(reg, io->base + IOAPIC_REGSEL);
	return readl(io->base + IOAPIC_WINDOW);
}

static void ioapic_write(struct ioapic *io, u32 reg, u32 v)
{
	writel(reg, io->base + IOAPIC_REGSEL);
	writel(v, io->base + IOAPIC_WINDOW);
}

static void ioapic_init(struct ioapic *io, phys_addr_t addr, u32 gsi_base)
{
	u32 ver;

	io->base = ioremap(addr, PAGE_SIZE);
	if (!io->base)
		return;
	io->gsi_base = gsi_base;
	ver = ioapic_read(io, IOAPIC_VER);
	if (ver == ~0u)			/* nobody there */
		return;
	io->nr = (ver >> 16 & 0xff) + 1;
	for (u32 i = 0; i < io->nr; i++)
		ioapic_write(io, IOAPIC_REDIR(i), LVT_MASKED);
}

int ioapic_enable_irq(int irq)
{
	u32 gsi = acpi_madt.isa[irq].gsi;
	u32 mode = acpi_madt.isa[irq].active_low << 13 | acpi_madt.isa[irq].level << 15;
	unsigned long flags;
	int err = -ENODEV;

	spin_lock_irqsave(&ioapic_lock, flags);
	for (int i = 0; i < acpi_madt.nr_ioapics; i++) {
		struct ioapic *io = &ioapics[i];

		if (gsi < io->gsi_base || gsi >= io->gsi_base + io->nr)
			continue;
		ioapic_write(io, IOAPIC_REDIR(gsi - io->gsi_base) + 1, cpu_apic_id[0] << 24);
		ioapic_write(io, IOAPIC_REDIR(gsi - io->gsi_base), mode | IRQ_VECTOR(irq));
		err = 0;
	}
	spin_unlock_irqrestore(&ioapic_lock, flags);
	return err;
}

/*
 * => called once, on CPU 0, interrupts off, after acpi_init()
 */
void apic_init(void)
{
	u32 a, b, c, d;

	cpuid(1, 0, &a, &b, &c, &d);
	if (!(d & BIT(9)))
		panic("no local APIC: this kernel cannot run on this machine");
	pic_disable();
	lapic = ioremap(acpi_madt.lapic_addr, PAGE_SIZE);
	if (!lapic)
		panic("no memory to map the local APIC");
	lapic_init_cpu();
	cpu_apic_id[0] = lapic_id();
	for (int i = 0; i < acpi_madt.nr_ioapics; i++)
		ioapic_init(&ioapics[i], acpi_madt.ioapic[i].addr, acpi_madt.ioapic[i].gsi_base);
}
