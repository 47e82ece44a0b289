/*
 * mm/oom.h - what the OOM killer (oom_kill.c) and the rest of mm know of each other. out_of_memory() itself
 * is declared in gfp.h, for the allocator below.
 */
#ifndef MM_OOM_H
#define MM_OOM_H

#include "mm/mm_types.h"

/*
 * The current process does something that costs memory and may be given up: swapoff. It is the first to go
 * (RCL-30).
 */
void set_current_oom_origin(void);
void clear_current_oom_origin(void);

/*
 * RCL-33: private pages of a victim's mm that were taken away must not come back as zeroes, or as the file's
 * contents. Asked before a page is put where nothing is mapped: 0, or VM_FAULT_SIGBUS. => page-table lock
 * held: either the reaper has not been by here and takes the new page, too, or this sees its mark
 */
static inline vm_fault_t check_stable_address_space(const struct mm_struct *mm)
{
	return unlikely(test_bit(MMF_OOM_REAPED, &mm->flags)) ? VM_FAULT_SIGBUS : 0;
}

#endif
