/*
 * mm/show_mem.h - figures of /proc/meminfo that others show too (sysinfo(2), free).
 */
#ifndef MM_SHOW_MEM_H
#define MM_SHOW_MEM_H

/* Pages that a new program could have without disturbing others: MemAvailable. */
unsigned long si_mem_available(void);

#endif
