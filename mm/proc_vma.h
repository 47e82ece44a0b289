/*
 * mm/proc_vma.h - the seq_file iterator over the VMAs of a task, for maps (task_mmu.c) and smaps (smaps.c).
 *
 * Between start and stop m->mm is the task's mm, referenced, its mmap lock held for read. The position is an address.
 */
#ifndef MM_PROC_VMA_H
#define MM_PROC_VMA_H

#include "kernel/fs/seq_file.h"

struct vm_area_struct;

/* start takes the mm and its mmap lock for reading, stop gives both back. */
void *proc_vma_start(struct seq_file *m, loff_t *pos);
void *proc_vma_next(struct seq_file *m, void *v, loff_t *pos);
void proc_vma_stop(struct seq_file *m, void *v);
/* The line of maps for VMA, with its newline. */
void proc_vma_header(struct seq_file *m, struct vm_area_struct *vma);

#endif
