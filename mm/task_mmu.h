/*
 * mm/task_mmu.h - the memory lines of /proc/PID/status.
 */
#ifndef MM_TASK_MMU_H
#define MM_TASK_MMU_H

struct mm_struct;
struct seq_file;

/* VmPeak to THP_enabled of MM. => no lock held */
void task_mem_status(struct seq_file *m, struct mm_struct *mm);

#endif
