/*
 * arch-x86_64/tlbflush.h - TLB invalidation, on this CPU and on every CPU that may cache an mm (tlb.c).
 *
 * Each mm has a mask of the CPUs that have it loaded (mm->cpu_bitmap). All flushes below are complete on
 * every CPU when they return: the callers wait for the others' acknowledgement. Must be called with
 * interrupts enabled (or before other CPUs run); spinlocks may be held. Kernel threads run on the last
 * user mm's tables (lazy TLB); such a CPU switches to init_mm's tables instead of flushing.
 */
#ifndef ARCH_TLBFLUSH_H
#define ARCH_TLBFLUSH_H

#include "arch-x86_64/pgtable.h"

struct mm_struct;
struct vm_area_struct;
struct task_struct;

#define TLB_FLUSH_ALL (~0UL)

/* Drop the translations of [START, END) of MM; END = TLB_FLUSH_ALL: all of them. */
void flush_tlb_mm_range(struct mm_struct *mm, unsigned long start, unsigned long end);
void flush_tlb_mm(struct mm_struct *mm);
void flush_tlb_page(struct vm_area_struct *vma, unsigned long addr);
void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
/* All user translations of the CPUs in the mask CPUS, whatever they have loaded: for flushes of many mms at once. */
void flush_tlb_cpus(unsigned long cpus);
/* Kernel translations, on all CPUs. */
void flush_tlb_kernel_range(unsigned long start, unsigned long end);
/* This CPU only: one page; everything. */
void flush_tlb_one_local(unsigned long addr);
void flush_tlb_local(void);

/*
 * Load NEXT's page tables (interrupts off, called by the scheduler and by exec). NEXT == NULL: a kernel
 * thread, keep what is loaded (lazy). Keeps the CPU masks.
 */
void switch_mm(struct mm_struct *prev, struct mm_struct *next);
/* After the last user of MM went: no CPU may keep its tables loaded lazily when this returns. */
void leave_mm_everywhere(struct mm_struct *mm);

/*
 * Wait until every CPU has been seen with interrupts on: who read a page table with interrupts off is
 * done with it (LOCK-7). May be called wherever flush_tlb_mm_range may.
 */
void tlb_remove_table_sync(void);

#endif
