/*
 * arch-x86_64/apic.h - interrupt controllers, vectors, and the ACPI facts they are built from.
 *
 *	ISA line ──> IOAPIC ──┐
 *	PCI device ── MSI ────┼──> LAPIC of a CPU ──> vector ──> do_irq()
 *	other CPU ── IPI ─────┘
 *
 * Interrupt numbers: 0..15 are the ISA lines, 24..63 are MSIs in the order of allocation. Number n arrives at
 * vector IRQ_VECTOR(n).
 */
#ifndef ARCH_APIC_H
#define ARCH_APIC_H

#include "arch-x86_64/percpu.h"
#include "kernel/lib/types.h"

#define IRQ_VECTOR(irq)		(0x30 + (irq))
#define NR_ISA_IRQS		16
#define FIRST_MSI_IRQ		24
#define NR_IRQS			64
/* Linux's numbers for what is not a device. */
#define LOCAL_TIMER_VECTOR	0xec
#define CALL_FUNCTION_VECTOR	0xfb
#define RESCHEDULE_VECTOR	0xfd
#define SPURIOUS_APIC_VECTOR	0xff

/* acpi.c: what the MADT says. Constant after acpi_init(). Without ACPI: the boot CPU alone, no IOAPIC. */
#define MAX_IOAPICS 8
struct acpi_madt_info {
	phys_addr_t lapic_addr;
	int nr_cpus;			/* enabled ones, at most NR_CPUS; entry 0 need not be the boot CPU */
	u32 apic_id[NR_CPUS];
	int nr_cpus_found;		/* enabled ones in the table, even beyond NR_CPUS */
	int nr_ioapics;
	struct { phys_addr_t addr; u32 gsi_base; } ioapic[MAX_IOAPICS];
	struct { u32 gsi; bool active_low, level; } isa[NR_ISA_IRQS];	/* where an ISA line really arrives */
};
extern struct acpi_madt_info acpi_madt;
/* Clocks to calibrate against: port of the PM timer (0: none), physical address of the HPET (0: none). */
extern u16 acpi_pm_timer_port;
extern bool acpi_pm_timer_32bit;
extern phys_addr_t acpi_hpet_addr;

/* apic.c. All callable from any context once apic_init() has run. */
void lapic_init_cpu(void);		/* this CPU's LAPIC: on, timer vector set, all else masked */
void lapic_eoi(void);
u32 lapic_id(void);
void lapic_send_ipi(int cpu, u8 vector);
void lapic_send_nmi(int cpu);
void lapic_send_init(u32 apic_id);
void lapic_send_startup(u32 apic_id, u8 page);	/* the AP starts in real mode at page << 12 */
extern u32 cpu_apic_id[NR_CPUS];	/* CPU number -> APIC id */
/* Route ISA line IRQ to IRQ_VECTOR(irq) on CPU 0. 0, or -ENODEV: there is no IOAPIC that has it. */
int ioapic_enable_irq(int irq);
/* The count-down timer, for its calibration: start from the top without an interrupt; what is left. */
void lapic_timer_start_raw(void);
u32 lapic_timer_count(void);
extern u32 lapic_timer_hz;

/*
 * irq.c: a vector for one more MSI source; HANDLER(ARG) runs in interrupt context, interrupts off. Returns
 * the vector or -ENOSPC. The message to program is MSI_ADDRESS(0) with the vector as data (it goes to CPU 0).
 */
int msi_alloc_vector(void (*handler)(void *), void *arg, const char *name);
#define MSI_ADDRESS(apic_id) (0xfee00000UL | (u64)(apic_id) << 12)
/* For /proc/interrupts: the name of a number in use, else NULL; how often VECTOR came on CPU. */
const char *irq_name(int irq);
u64 vector_count(int vector, int cpu);
/* All CPUs but this one execute cli; hlt when their next NMI arrives (smp_stop_others). */
extern bool nmi_stop_requested;
/* CPUs (bits) that shall print a backtrace when an NMI reaches them; each clears its bit when done. */
extern unsigned long nmi_backtrace_mask;
/* CPUs that stopped. */
extern unsigned long cpus_stopped_mask;

/*
 * tsc.c, called in pairs while an AP starts (smp.c): the AP compares its TSC with the boot CPU's and
 * adjusts.
 */
void tsc_sync_serve(void);	/* boot CPU, once in each round of its waiting loop */
void tsc_sync_ap(void);		/* AP, interrupts off */

#endif
