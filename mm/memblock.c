/*
 * mm/memblock.c - the boot-time allocator: RAM minus what is reserved, from the top down, for good.
 *
 *	ram       |#########|     |################################|
 *	reserved  |rr r     |     |rrr                      raaaaaa|
 *	                                             next <--^ allocations, merged into one range
 *
 * Serves the page tables of the direct map and the memmap, before the buddy allocator can. What it gave out
 * is in boot_info.reserved like everything else that mem_init() must not hand over. Linux: mm/memblock.c.
 */
#include "mm/memblock.h"
#include "arch-x86_64/pgtable.h"
#include "arch-x86_64/setup.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/string.h"

phys_addr_t early_mapped_limit = 1UL << 32;	/* what boot.S maps */
bool after_bootmem;

phys_addr_t memblock_end_of_ram(void)
{
	return boot_info.nr_ram ? boot_info.ram[boot_info.nr_ram - 1].end : 0;
}

u64 memblock_total_ram(void)
{
	u64 sum = 0;

	for (int i = 0; i < boot_info.nr_ram; i++)
		sum += boot_info.ram[i].end - boot_info.ram[i].start;
	return sum;
}

/* Highest aligned place for SIZE bytes in [START, END) that touches no reserved range; 0 if there is none. */
static phys_addr_t find_below(phys_addr_t start, phys_addr_t end, size_t size, size_t align)
{
	for (int i = boot_info.nr_reserved - 1; end > start && end - start >= size; i--) {
		phys_addr_t at = ALIGN_DOWN(end - size, align);

		/* Skip the reserved ranges that lie wholly above. */
		while (i >= 0 && boot_info.reserved[i].start >= end)
			i--;
		if (at < start)
			return 0;
		if (i < 0 || boot_info.reserved[i].end <= at)
			return at;
		end = boot_info.reserved[i].start;
	}
	return 0;
}

phys_addr_t memblock_alloc(size_t size, size_t align, phys_addr_t limit)
{
	KASSERT(!after_bootmem, "BOOT");
	size = ALIGN(size, PAGE_SIZE);
	align = max(align, (size_t)PAGE_SIZE);
	limit = min(limit, early_mapped_limit);
	for (int i = boot_info.nr_ram - 1; i >= 0; i--) {
		phys_addr_t end = min(boot_info.ram[i].end, limit), at;

		if (end <= boot_info.ram[i].start)
			continue;
		at = find_below(boot_info.ram[i].start, end, size, align);
		if (at) {
			boot_reserve(at, at + size);
			memset(__va(at), 0, size);
			return at;
		}
	}
	panic("Quire: too little memory: no room for %lu KiB at boot", (unsigned long)size >> 10);
}
