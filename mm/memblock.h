/*
 * mm/memblock.h - the boot-time allocator: before the buddy allocator knows the frames (memblock.c).
 *
 * Works on boot_info.ram minus boot_info.reserved. Hands out zeroed, physically contiguous memory from the
 * top of RAM below LIMIT downwards; nothing is ever freed by it. mem_init() gives all that is left to the
 * buddy.
 */
#ifndef MM_MEMBLOCK_H
#define MM_MEMBLOCK_H

#include "kernel/lib/types.h"

/* SIZE and ALIGN in bytes. Panics with a clear line if there is no room: too little memory to boot. */
phys_addr_t memblock_alloc(size_t size, size_t align, phys_addr_t limit);
/* Highest RAM address + 1, and bytes of RAM in all. */
phys_addr_t memblock_end_of_ram(void);
u64 memblock_total_ram(void);
/* Until paging_init() has made the direct map, only RAM below this (bytes) can be touched through __va. */
extern phys_addr_t early_mapped_limit;

/* The buddy allocator owns all memory: no more memblock_alloc(). Set when mem_init() has returned. */
extern bool after_bootmem;

/*
 * After paging_init(): make the memmap (struct page for every frame of RAM, holes skipped), zones, and give
 * free memory to the buddy allocator; then the slab caches.
 */
void mem_init(void);
void kmem_cache_init(void);
/* The initramfs has been unpacked: give its frames to the buddy. */
void free_initrd_mem(phys_addr_t start, phys_addr_t end);

#endif
