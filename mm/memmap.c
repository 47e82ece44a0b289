/*
 * mm/memmap.c - the memmap and the zones: from the boot loader's list of RAM to the buddy allocator.
 *
 *	boot_info.ram  minus  boot_info.reserved (memblock.c gave it away)  ──>  the buddy's free lists
 *
 * The memmap is virtually contiguous (VMEMMAP_START + 64 * pfn) but backed only where there is RAM, rounded out
 * to the largest buddy block, so that looking at a block's buddy never faults. Descriptors of frames that are
 * not RAM, or that memblock gave away, are marked PG_reserved and hold one reference.
 *
 * Linux: mm/memblock.c, mm/mm_init.c, mm/sparse-vmemmap.c.
 */
#include "arch-x86_64/setup.h"
#include "kernel/lib/string.h"
#include "mm/gfp.h"
#include "mm/internal.h"
#include "mm/memblock.h"

#define MEMMAP_ROUND (1UL << MAX_PAGE_ORDER)	/* pages */

unsigned long max_pfn;
struct zone zones[MAX_NR_ZONES];

bool pfn_valid(unsigned long pfn)
{
	phys_addr_t pa = (phys_addr_t)pfn << PAGE_SHIFT;

	for (int i = 0; i < boot_info.nr_ram; i++)
		if (pa >= boot_info.ram[i].start && pa < boot_info.ram[i].end)
			return true;
	return false;
}

/* ---- The memmap's own page tables ---- */

static u64 boot_table(void)
{
	return memblock_alloc(PAGE_SIZE, PAGE_SIZE, ~0UL) | _KERNPG_TABLE;
}

static pmd_t *vmemmap_pmd(unsigned long va)
{
	pgd_t *pgd = init_top_pgt + pgd_index(va);
	pud_t *pud;

	if (pgd_none(*pgd))
		set_pgd(pgd, (pgd_t){ boot_table() });
	pud = pud_offset(pgd, va);
	if (pud_none(*pud))
		set_pud(pud, (pud_t){ boot_table() });
	return pmd_offset(pud, va);
}

/* Back [VA, END) of the memmap: whole 2 MiB by one entry, the rest page by page. */
static void vmemmap_populate(unsigned long va, unsigned long end)
{
	while (va < end) {
		pmd_t *pmd = vmemmap_pmd(va);
		pte_t *pte;

		if (pmd_none(*pmd) && IS_ALIGNED(va, PMD_SIZE) && end - va >= PMD_SIZE) {
			set_pmd(pmd, __pmd(memblock_alloc(PMD_SIZE, PMD_SIZE, ~0UL) | PAGE_KERNEL.v | _PAGE_PSE));
			va += PMD_SIZE;
			continue;
		}
		if (pmd_leaf(*pmd)) {
			va = (va & PMD_MASK) + PMD_SIZE;
			continue;
		}
		if (pmd_none(*pmd))
			set_pmd(pmd, __pmd(boot_table()));
		pte = pte_offset_kernel(*pmd, va);
		if (pte_none(*pte))
			set_pte(pte, __pte(memblock_alloc(PAGE_SIZE, PAGE_SIZE, ~0UL) | PAGE_KERNEL.v));
		va += PAGE_SIZE;
	}
}

static enum zone_type pfn_zone(unsigned long pfn)
{
	return pfn < (1UL << (32 - PAGE_SHIFT)) ? ZONE_DMA32 : ZONE_NORMAL;
}

/* Every descriptor starts as a reserved frame; freeing a frame to the buddy clears that. */
static void memmap_init_range(unsigned long pfn, unsigned long end)
{
	unsigned long zone = (unsigned long)pfn_zone(pfn) << PAGE_ZONE_SHIFT;

	for (struct page *p = pfn_to_page(pfn); pfn < end; pfn++, p++) {
		p->flags = zone | BIT(PG_reserved);
		atomic_set(&p->_mapcount, -1);
		atomic_set(&p->_refcount, 1);
	}
}

static void memmap_init(void)
{
	unsigned long done = 0;

	for (int i = 0; i < boot_info.nr_ram; i++) {
		unsigned long start = ALIGN_DOWN(boot_info.ram[i].start >> PAGE_SHIFT, MEMMAP_ROUND);
		unsigned long end = ALIGN(boot_info.ram[i].end >> PAGE_SHIFT, MEMMAP_ROUND);

		start = max(start, done);
		if (start >= end)
			continue;
		vmemmap_populate((unsigned long)pfn_to_page(start) & PAGE_MASK, (unsigned long)pfn_to_page(end));
		for (unsigned long pfn = start; pfn < end; pfn += MEMMAP_ROUND)
			memmap_init_range(pfn, pfn + MEMMAP_ROUND);
		done = end;
	}
	max_pfn = memblock_end_of_ram() >> PAGE_SHIFT;
}

/* ---- Zones ---- */

static void zone_span(struct zone *z, enum zone_type type)
{
	unsigned long lo = ~0UL, hi = 0;

	for (int i = 0; i < boot_info.nr_ram; i++) {
		unsigned long start = boot_info.ram[i].start >> PAGE_SHIFT, end = boot_info.ram[i].end >> PAGE_SHIFT;
		unsigned long limit = 1UL << (32 - PAGE_SHIFT);

		if (type == ZONE_DMA32)
			end = min(end, limit);
		else
			start = max(start, limit);
		if (start >= end)
			continue;
		lo = min(lo, start);
		hi = max(hi, end);
		z->present_pages += end - start;
	}
	if (!hi)
		return;
	z->start_pfn = ALIGN_DOWN(lo, MEMMAP_ROUND);
	z->spanned_pages = hi - z->start_pfn;
}

static void zones_init(void)
{
	static const char *const names[MAX_NR_ZONES] = { "DMA32", "Normal" };

	for (int t = 0; t < MAX_NR_ZONES; t++) {
		struct zone *z = &zones[t];

		spin_lock_init(&z->lock);
		z->name = names[t];
		for (int o = 0; o < NR_PAGE_ORDERS; o++)
			for (int m = 0; m < MIGRATE_TYPES; m++)
				INIT_LIST_HEAD(&z->free_area[o].free_list[m]);
		zone_span(z, t);
		if (!z->present_pages)
			continue;
		/* Movable at boot (MIG-8). */
		z->pageblock_types = __va(memblock_alloc(DIV_ROUND_UP(z->spanned_pages, PAGEBLOCK_NR_PAGES), 1, ~0UL));
		memset(z->pageblock_types, MIGRATE_MOVABLE, DIV_ROUND_UP(z->spanned_pages, PAGEBLOCK_NR_PAGES));
	}
}

/* End of a reserved region that covers the frame at PA, or 0. */
static phys_addr_t reserved_until(phys_addr_t pa)
{
	for (int i = 0; i < boot_info.nr_reserved; i++)
		if (pa + PAGE_SIZE > boot_info.reserved[i].start && pa < boot_info.reserved[i].end)
			return PAGE_ALIGN(boot_info.reserved[i].end);
	return 0;
}

static phys_addr_t next_reserved(phys_addr_t pa, phys_addr_t end)
{
	for (int i = 0; i < boot_info.nr_reserved; i++)
		if (boot_info.reserved[i].start >= pa)
			end = min(end, boot_info.reserved[i].start & PAGE_MASK);
	return end;
}

static void free_ram_to_buddy(void)
{
	for (int i = 0; i < boot_info.nr_ram; i++) {
		phys_addr_t pa = boot_info.ram[i].start, end = boot_info.ram[i].end;

		while (pa < end) {
			phys_addr_t skip = reserved_until(pa), stop;

			if (skip) {
				pa = skip;
				continue;
			}
			stop = next_reserved(pa, end);
			free_boot_range(pa >> PAGE_SHIFT, stop >> PAGE_SHIFT);
			pa = stop;
		}
	}
}

void mem_init(void)
{
	memmap_init();
	zones_init();
	zero_page_init();
	free_ram_to_buddy();
	setup_watermarks();
	pr_info("Memory: %luK/%lluK available\n", nr_free_pages() * 4, (unsigned long long)memblock_total_ram() >> 10);
}

void free_initrd_mem(phys_addr_t start, phys_addr_t end)
{
	start = PAGE_ALIGN(start);
	end &= PAGE_MASK;
	if (start >= end)
		return;
	free_boot_range(start >> PAGE_SHIFT, end >> PAGE_SHIFT);
	setup_watermarks();
	set_recommended_min_free_kbytes();
	pr_info("Freeing initrd memory: %lluK\n", (unsigned long long)(end - start) >> 10);
}
