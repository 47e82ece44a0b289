/*
 * arch-x86_64/tlb.c - which page tables each CPU has loaded, and throwing away what it cached of them.
 *
 *	changer                                 CPU n
 *	changes the entry                       sets its bit in mm->cpu_bitmap
 *	full barrier                            full barrier (the locked instruction that sets the bit)
 *	reads mm->cpu_bitmap, IPIs              loads CR3: walks see the tables from now on
 *
 * Either the changer sees the bit, or CPU n's walks see the change: no stale entry survives flush_tlb_*().
 * A CPU clears its bit only after other tables are loaded. On a bit set in vain the IPI finds nothing to do.
 *
 * A kernel thread keeps the tables of the task before it (lazy). Such a CPU keeps its bit; the first flush
 * makes it load the kernel's own tables, and further ones spare it.
 * Not here: PCIDs (no emulated CPU has them), when a flush may be put off (mmu_gather.c, try_to_unmap.c).
 * Linux: arch/x86/mm/tlb.c. Ours needs no tlb_gen: a mask that is exact and flushes that are synchronous.
 */
#include "arch-x86_64/tlbflush.h"
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/smp.h"
#include "kernel/lib/bug.h"
#include "kernel/sched/preempt.h"
#include "mm/mm_types.h"
#include "mm/vmstat.h"

#define CR4_PGE BIT(7)
/* Up to so many pages are flushed one by one; Linux's tlb_single_page_flush_ceiling. */
#define SINGLE_PAGE_CEILING 33

/* NULL: init_mm, whose bitmap nobody reads. Valid while this CPU's bit is set in its mm. */
static DEFINE_PER_CPU(struct mm_struct *, loaded_mm);
static DEFINE_PER_CPU(int, tlb_is_lazy);

struct flush_info { struct mm_struct *mm; unsigned long start, end; };

/* ------------------------------------------------------------- this CPU ---- */

void flush_tlb_one_local(unsigned long addr)
{
	__asm__ volatile("invlpg (%0)" : : "r"(addr) : "memory");
}

/* Global entries survive a load of CR3, but not a change of CR4.PGE. */
void flush_tlb_local(void)
{
	unsigned long flags = arch_irq_save();
	u64 cr4 = read_cr4();

	write_cr4(cr4 & ~CR4_PGE);
	write_cr4(cr4);
	arch_irq_restore(flags);
}

static bool one_by_one(unsigned long start, unsigned long end)
{
	return end != TLB_FLUSH_ALL && (end - start) >> PAGE_SHIFT <= SINGLE_PAGE_CEILING;
}

static void flush_user_local(unsigned long start, unsigned long end)
{
	if (!one_by_one(start, end)) {
		count_vm_event(NR_TLB_LOCAL_FLUSH_ALL);
		write_cr3(read_cr3());
		return;
	}
	for (unsigned long a = start & PAGE_MASK; a < end; a += PAGE_SIZE) {
		count_vm_event(NR_TLB_LOCAL_FLUSH_ONE);
		flush_tlb_one_local(a);
	}
}

/* ------------------------------------------------------------ switching ---- */

/*
 * => interrupts off
 */
static void load_mm(struct mm_struct *next)
{
	unsigned int cpu = (unsigned int)smp_processor_id();
	struct mm_struct *prev = this_cpu_read(loaded_mm);

	if (next == &init_mm)
		next = NULL;
	if (prev == next)
		return;
	if (next)
		set_bit(cpu, &next->cpu_bitmap);	/* a full barrier: see above */
	this_cpu_write(loaded_mm, next);
	write_cr3(next ? __pa(next->pgd) : __pa_symbol(init_top_pgt));
	if (prev)
		clear_bit(cpu, &prev->cpu_bitmap);
}

void switch_mm(struct mm_struct *prev, struct mm_struct *next)
{
	if (!next) {
		this_cpu_write(tlb_is_lazy, 1);
		return;
	}
	this_cpu_write(tlb_is_lazy, 0);
	load_mm(next);
}

static void leave_mm(void *mm)
{
	if (this_cpu_read(loaded_mm) == mm)
		load_mm(&init_mm);
}

void leave_mm_everywhere(struct mm_struct *mm)
{
	smp_call_function_mask(READ_ONCE(mm->cpu_bitmap), leave_mm, mm);
	KASSERT_EQ(READ_ONCE(mm->cpu_bitmap), 0, "LOCK-7");
}

/* ------------------------------------------------------------- flushing ---- */

/* On every CPU that may have the mm loaded, interrupts off. */
static void flush_user(void *arg)
{
	const struct flush_info *f = arg;

	if (this_cpu_read(loaded_mm) != f->mm)
		return;
	if (this_cpu_read(tlb_is_lazy))
		load_mm(&init_mm);
	else
		flush_user_local(f->start, f->end);
}

static void flush_user_remote(void *arg)
{
	count_vm_event(NR_TLB_REMOTE_FLUSH_RECEIVED);
	flush_user(arg);
}

void flush_tlb_mm_range(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct flush_info f = { mm, start, end };
	unsigned long others, flags;

	smp_mb();		/* the change of the tables before the reading of the mask */
	preempt_disable();
	others = READ_ONCE(mm->cpu_bitmap) & ~BIT(smp_processor_id());
	flags = arch_irq_save();
	flush_user(&f);
	arch_irq_restore(flags);
	if (others) {
		count_vm_event(NR_TLB_REMOTE_FLUSH);
		smp_call_function_mask(others, flush_user_remote, &f);
	}
	preempt_enable();
}

void flush_tlb_mm(struct mm_struct *mm)
{
	flush_tlb_mm_range(mm, 0, TLB_FLUSH_ALL);
}

/* All of the user's, interrupts off. */
static void flush_all_user(void *arg)
{
	if (this_cpu_read(tlb_is_lazy))
		load_mm(&init_mm);
	else
		flush_user_local(0, TLB_FLUSH_ALL);
}

void flush_tlb_cpus(unsigned long cpus)
{
	smp_mb();
	count_vm_event(NR_TLB_REMOTE_FLUSH);
	smp_call_function_mask(cpus, flush_all_user, NULL);
}

void flush_tlb_page(struct vm_area_struct *vma, unsigned long addr)
{
	flush_tlb_mm_range(vma->vm_mm, addr & PAGE_MASK, (addr & PAGE_MASK) + PAGE_SIZE);
}

void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	flush_tlb_mm_range(vma->vm_mm, start, end);
}

static void flush_kernel(void *arg)
{
	const struct flush_info *f = arg;

	if (!one_by_one(f->start, f->end)) {
		flush_tlb_local();
		return;
	}
	for (unsigned long a = f->start & PAGE_MASK; a < f->end; a += PAGE_SIZE)
		flush_tlb_one_local(a);
}

void flush_tlb_kernel_range(unsigned long start, unsigned long end)
{
	struct flush_info f = { NULL, start, end };

	smp_mb();
	smp_call_function_mask(READ_ONCE(cpu_online_mask), flush_kernel, &f);
}

static void nothing(void *arg)
{
}

/* A CPU that takes the IPI has interrupts on at that moment: it is not inside a lockless walk. */
void tlb_remove_table_sync(void)
{
	smp_mb();
	smp_call_function_mask(READ_ONCE(cpu_online_mask) & ~BIT(smp_processor_id()), nothing, NULL);
}
