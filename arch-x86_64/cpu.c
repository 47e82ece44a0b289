/*
 * arch-x86_64/cpu.c - one CPU made ready: features, control registers, GDT, TSS, IDT, system call MSRs.
 *
 *	TSS.rsp0  -> the running task's kernel stack (set at each switch)
 *	TSS.ist1  -> double fault   \
 *	TSS.ist2  -> NMI             > stacks of their own, in the per-CPU section
 *	TSS.ist3  -> machine check  /
 *
 * The three IST entries may hit anywhere, also in the few instructions where GS base is still the user's.
 * As users may write GS base themselves (FSGSBASE), its value proves nothing: the CPU's per-CPU offset
 * therefore lies at the top of each IST stack, where entry.S fetches it.
 *
 * Linux: arch/x86/kernel/cpu/common.c, idt.c; cpu_entry_area.
 */
#include "arch-x86_64/internal.h"
#include "arch-x86_64/io.h"
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/pgtable.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/ptrace.h"
#include "arch-x86_64/setup.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/string.h"

#define CR0_PE	BIT(0)
#define CR0_MP	BIT(1)
#define CR0_ET	BIT(4)
#define CR0_NE	BIT(5)
#define CR0_WP	BIT(16)
#define CR0_AM	BIT(18)
#define CR0_PG	BIT(31)

#define CR4_PAE		BIT(5)
#define CR4_MCE		BIT(6)
#define CR4_PGE		BIT(7)
#define CR4_OSFXSR	BIT(9)
#define CR4_OSXMMEXCPT	BIT(10)
#define CR4_UMIP	BIT(11)
#define CR4_FSGSBASE	BIT(16)
#define CR4_SMEP	BIT(20)
#define CR4_SMAP	BIT(21)

#define EFER_SCE	BIT(0)
#define EFER_NXE	BIT(11)

/* Flags that SYSCALL clears: AC, NT, IF, DF, TF, and the arithmetic ones for a clean start. */
#define SYSCALL_MASK	0x47fd5UL

#define GDT_ENTRIES	(GDT_ENTRY_TSS + 2)
#ifndef CONFIG_KASAN
#define IST_STACK_SIZE	8192
#else
#define IST_STACK_SIZE	16384
#endif
#define HWCAP2_FSGSBASE	BIT(1)

struct gate { u16 offset_low, selector; u8 ist, type; u16 offset_mid; u32 offset_high, zero; } __packed;
struct table_ptr { u16 limit; u64 base; } __packed;

/* The last 16 bytes of each stack are not stack: per_cpu_offset, see above. */
struct ist_stack { u8 space[IST_STACK_SIZE - 16]; unsigned long cpu_offset, unused; };

__section(".data..percpu.page_aligned") __aligned(PAGE_SIZE) struct ist_stack ist_stacks[NR_IST];
DEFINE_PER_CPU(struct tss, cpu_tss);
DEFINE_PER_CPU(unsigned int, relax_count);
static DEFINE_PER_CPU(u64, cpu_gdt[GDT_ENTRIES]);

unsigned long per_cpu_offset[NR_CPUS];
unsigned long this_cpu_off __section(".data..percpu");
int cpu_number __section(".data..percpu");

struct cpu_features cpu_features;
bool cpu_has_smap;
static struct gate idt[256] __aligned(PAGE_SIZE);

static void detect_vendor(void)
{
	u32 a, b, c, d;
	char *name;

	cpuid(0, 0, &a, &b, &c, &d);
	memcpy(cpu_features.vendor, &b, 4);
	memcpy(cpu_features.vendor + 4, &d, 4);
	memcpy(cpu_features.vendor + 8, &c, 4);
	cpuid(0x80000000, 0, &a, &b, &c, &d);
	if (a < 0x80000004)
		return;
	for (u32 i = 0; i < 3; i++) {
		u32 r[4];

		cpuid(0x80000002 + i, 0, &r[0], &r[1], &r[2], &r[3]);
		memcpy(cpu_features.model_name + 16 * i, r, 16);
	}
	name = strim(cpu_features.model_name);
	memmove(cpu_features.model_name, name, strlen(name) + 1);
}

static void detect_features(void)
{
	struct cpu_features *f = &cpu_features;
	u32 max_leaf, a, b, c, d;

	detect_vendor();
	cpuid(1, 0, &a, &b, &c, &d);
	f->hwcap = d;
	f->xsave = c & BIT(26);
	f->avx = c & BIT(28);
	f->rdrand = c & BIT(30);
	cpuid(0x80000001, 0, &a, &b, &c, &d);
	f->pdpe1gb = d & BIT(26);
	f->rdtscp = d & BIT(27);
	cpuid(0, 0, &max_leaf, &b, &c, &d);
	if (max_leaf >= 7) {
		cpuid(7, 0, &a, &b, &c, &d);
		f->fsgsbase = b & BIT(0);
		f->smep = b & BIT(7);
		f->erms = b & BIT(9);
		f->smap = b & BIT(20);
		f->umip = c & BIT(2);
	}
	if (f->fsgsbase)
		f->hwcap2 |= HWCAP2_FSGSBASE;
	cpu_has_smap = f->smap;
}

/* Interrupt gates only: every entry starts with interrupts off. DPL 3: what user code may raise by INT n. */
static void set_gate(int vector, unsigned long handler, int ist, int dpl)
{
	idt[vector] = (struct gate){
		.offset_low = handler, .offset_mid = handler >> 16, .offset_high = handler >> 32,
		.selector = __KERNEL_CS, .ist = ist, .type = 0x8e | dpl << 5,
	};
}

static void make_idt(void)
{
	for (int i = 0; i < 256; i++) {
		bool user = i == X86_TRAP_BP || i == X86_TRAP_OF;

		set_gate(i, (unsigned long)vector_stubs + VECTOR_STUB_SIZE * i, 0, user ? 3 : 0);
	}
	set_gate(X86_TRAP_DF, (unsigned long)entry_double_fault, IST_DF + 1, 0);
	set_gate(X86_TRAP_NMI, (unsigned long)entry_nmi, IST_NMI + 1, 0);
	set_gate(X86_TRAP_MC, (unsigned long)entry_machine_check, IST_MC + 1, 0);
}

static void load_tss(int cpu)
{
	struct tss *tss = per_cpu_ptr(&cpu_tss, cpu);
	u64 *gdt = per_cpu_ptr(&cpu_gdt[0], cpu);
	u64 base = (u64)tss, limit = sizeof(*tss) - 1;

	for (int i = 0; i < NR_IST; i++) {
		struct ist_stack *s = per_cpu_ptr(&ist_stacks[i], cpu);

		s->cpu_offset = per_cpu_offset[cpu];
		tss->ist[i] = (u64)&s->cpu_offset;
	}
	tss->iomap_base = sizeof(*tss);		/* beyond the limit: no port for ring 3 */
	gdt[GDT_ENTRY_TSS] = limit | (base & 0xffffff) << 16 | 0x89UL << 40 | (base >> 24 & 0xff) << 56;
	gdt[GDT_ENTRY_TSS + 1] = base >> 32;
	__asm__ volatile("ltr %w0" : : "r"(GDT_ENTRY_TSS * 8));
}

static void load_gdt(int cpu)
{
	u64 *gdt = per_cpu_ptr(&cpu_gdt[0], cpu);
	struct table_ptr ptr = { GDT_ENTRIES * 8 - 1, (u64)gdt };

	gdt[__KERNEL_CS / 8] = 0x00af9b000000ffff;
	gdt[__KERNEL_DS / 8] = 0x00cf93000000ffff;
	gdt[__USER32_CS / 8] = 0x00cffb000000ffff;
	gdt[__USER_DS / 8] = 0x00cff3000000ffff;
	gdt[__USER_CS / 8] = 0x00affb000000ffff;
	__asm__ volatile("lgdt %0" : : "m"(ptr));
	/* A far return reloads CS; loading GS zeroes its base, so that the base is set after this. */
	__asm__ volatile(
		"pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:\n\t"
		"movl %1, %%eax; movl %%eax, %%ss\n\t"
		"xorl %%eax, %%eax; movl %%eax, %%ds; movl %%eax, %%es; movl %%eax, %%fs; movl %%eax, %%gs"
		: : "i"(__KERNEL_CS), "i"(__KERNEL_DS) : "rax", "memory");
}

static void set_control_registers(void)
{
	const struct cpu_features *f = &cpu_features;
	u64 cr4 = CR4_PAE | CR4_MCE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	cr4 |= f->umip ? CR4_UMIP : 0;
	cr4 |= f->fsgsbase ? CR4_FSGSBASE : 0;
	cr4 |= f->smep ? CR4_SMEP : 0;
	cr4 |= f->smap ? CR4_SMAP : 0;
	write_cr4(cr4);
	write_cr0(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | EFER_NXE);
}

static void set_syscall_msrs(void)
{
	wrmsr(MSR_STAR, (u64)__USER32_CS << 48 | (u64)__KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (u64)entry_syscall);
	wrmsr(MSR_SFMASK, SYSCALL_MASK);
}

void cpu_init(int cpu)
{
	struct table_ptr ptr = { sizeof(idt) - 1, (u64)idt };

	load_gdt(cpu);
	wrmsr(MSR_GS_BASE, per_cpu_offset[cpu]);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	this_cpu_write(this_cpu_off, per_cpu_offset[cpu]);
	this_cpu_write(cpu_number, cpu);
	load_tss(cpu);
	__asm__ volatile("lidt %0" : : "m"(ptr));
	set_control_registers();
	set_syscall_msrs();
}

void cpu_init_boot(void)
{
	detect_features();
	make_idt();
	cpu_init(0);
	pr_info("CPU: %s%s%s%s%s%s\n", cpu_features.model_name, cpu_features.smep ? " smep" : "",
		cpu_features.smap ? " smap" : "", cpu_features.umip ? " umip" : "",
		cpu_features.fsgsbase ? " fsgsbase" : "", cpu_features.pdpe1gb ? " pdpe1gb" : "");
}

void debug_exit(u32 code)
{
	local_irq_disable();
	outl(0xf4, code);	/* isa-debug-exit at iobase 0xf4: QEMU ends here */
}
