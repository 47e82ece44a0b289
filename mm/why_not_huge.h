/*
 * mm/why_not_huge.h - for each 2 MiB range, who refused last to make it huge, why, and where:
 * /sys/kernel/debug/quire/why_not_huge. why_not_huge.c.
 *
 *	fault        at the range's first touch, or when a shared huge page was written to
 *	scan         khugepaged or MADV_COLLAPSE: the words of ABI-20
 *	compaction   while one of them was waiting for a free block of 2 MiB
 *
 * Whoever refuses, notes it. A range that becomes huge is forgotten. RELEASE: nothing.
 */
#ifndef MM_WHY_NOT_HUGE_H
#define MM_WHY_NOT_HUGE_H

#include "mm/khugepaged.h"

#ifndef RELEASE
/*
 * The fault at ADDR in MM did not make a huge page because of WHY, a constant word; NULL: it did. If it was
 * for lack of memory, what compaction said last to this task is noted, too. => no spinlock held
 */
void note_fault_refusal(struct mm_struct *mm, unsigned long addr, const char *why);
/* The fault at ADDR in VMA was not allowed to, by policy. => mmap lock held */
void note_fault_policy(struct vm_area_struct *vma, unsigned long addr);
/* What came of the range at START, and the address where that was found, or 0. => no spinlock held */
void note_scan_result(struct mm_struct *mm, unsigned long start, enum scan_result result, unsigned long addr);
/*
 * Direct compaction for a block of ORDER, run by this task, gave up because of WHY, a constant word, met at
 * PFN (0: at no certain one); NULL: it made one. Kept in the task until a fault or a scan has failed or not.
 * => any context
 */
void note_compact_refusal(unsigned int order, const char *why, unsigned long pfn);
#else
static inline void note_fault_refusal(struct mm_struct *mm, unsigned long addr, const char *why) { }
static inline void note_fault_policy(struct vm_area_struct *vma, unsigned long addr) { }
static inline void note_scan_result(struct mm_struct *mm, unsigned long start, enum scan_result result,
				    unsigned long addr) { }
static inline void note_compact_refusal(unsigned int order, const char *why, unsigned long pfn) { }
#endif

#endif
