/*
 * arch-x86_64/paging.c - the kernel's own page tables.
 *
 *	ffff888000000000  direct map	RAM and the first MiB, nothing between; 1 GiB, 2 MiB, 4 KiB pages, NX
 *	ffffc90000000000  vmalloc	filled by kernel_map_range()
 *	ffffea0000000000  memmap	likewise, before the buddy allocator runs
 *	ffffffff80000000  image		text R-X, rodata R--, data and bss RW-, 4 KiB pages
 *
 * All four are global. The PGD entries that these ranges need are filled here, once, and never change: each
 * user PGD copies entries 256..511 and sees every later kernel mapping, as those change lower tables only.
 * In the direct map, the image's text and rodata are read-only too: no page is writable here and
 * executable there. Nothing of the user half is mapped in init_top_pgt.
 *
 * Not here: user page tables (mm/), 1:1 mappings after boot (only the AP trampoline's own PML4 has one).
 * Linux: arch/x86/mm/init_64.c.
 */
#include "arch-x86_64/internal.h"
#include "arch-x86_64/io.h"
#include "arch-x86_64/pgtable.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "arch-x86_64/tlbflush.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/string.h"
#include "mm/gfp.h"
#include "mm/kasan.h"
#include "mm/memblock.h"

#define LOW_MEMORY_END	0x100000UL	/* BIOS area: ACPI's RSDP and the EBDA are read there */

pgd_t init_top_pgt[PTRS_PER_TABLE] __aligned(PAGE_SIZE);
phys_addr_t trampoline_pgt;
static DEFINE_SPINLOCK(kernel_map_lock);	/* creation of tables below a shared PGD entry */

/* A zeroed page for a table, or NULL. Sleeps when the buddy allocator is there. */
static void *alloc_table(void)
{
	if (!after_bootmem)
		return __va(memblock_alloc(PAGE_SIZE, PAGE_SIZE, early_mapped_limit));
	return get_zeroed_page(GFP_KERNEL);
}

/*
 * The next lower table under ENTRY, made if there is none; NULL without memory. Two CPUs may want the same
 * one: the second finds under the lock that it came too late, and frees its own.
 */
static void *get_table(u64 *entry)
{
	u64 e = READ_ONCE(*entry);
	void *table;

	if (e & _PAGE_PRESENT) {
		KASSERT(!(e & _PAGE_PSE), "MAP");
		return __va(e & PTE_PFN_MASK);
	}
	table = alloc_table();
	if (!table)
		return NULL;
	spin_lock(&kernel_map_lock);
	e = *entry;
	if (!(e & _PAGE_PRESENT))
		WRITE_ONCE(*entry, __pa(table) | _KERNPG_TABLE);
	spin_unlock(&kernel_map_lock);
	if (e & _PAGE_PRESENT) {
		free_page(table);
		return __va(e & PTE_PFN_MASK);
	}
	return table;
}

/* Entry for VA at the level whose entries span 1 << SHIFT bytes (39 PGD ... 12 PTE), in init_top_pgt. */
static u64 *walk_create(unsigned long va, int shift)
{
	u64 *table = (u64 *)init_top_pgt;

	for (int s = PGDIR_SHIFT; ; s -= 9) {
		u64 *entry = table + ((va >> s) & 511);

		if (s == shift)
			return entry;
		table = get_table(entry);
		if (!table)
			return NULL;
	}
}

/* Largest page that fits at VA and PA, within SIZE, of at most 1 << MAX_SHIFT bytes. */
static int best_shift(unsigned long va, phys_addr_t pa, size_t size, int max_shift)
{
	int shift = max_shift;

	while (shift > PAGE_SHIFT && (((va | pa) & (BIT(shift) - 1)) || size < BIT(shift)))
		shift -= 9;
	return shift;
}

static int map_range(unsigned long va, phys_addr_t pa, size_t size, pgprot_t prot, int max_shift)
{
	while (size) {
		int shift = best_shift(va, pa, size, max_shift);
		u64 *entry = walk_create(va, shift);

		if (!entry)
			return -ENOMEM;
		KASSERT_EQ(*entry, 0, "MAP");
		WRITE_ONCE(*entry, pa | prot.v | (shift > PAGE_SHIFT ? _PAGE_PSE : 0));
		va += BIT(shift);
		pa += BIT(shift);
		size -= BIT(shift);
	}
	return 0;
}

/* Clear what is mapped in the range; the tables stay for the next user. No flush. */
static void clear_range(unsigned long va, size_t size)
{
	for (unsigned long end = va + size; va < end; va += PAGE_SIZE) {
		u64 *table = (u64 *)init_top_pgt, *entry = NULL;

		for (int s = PGDIR_SHIFT; s >= PAGE_SHIFT && table; s -= 9) {
			entry = table + ((va >> s) & 511);
			table = (*entry & _PAGE_PRESENT) ? __va(*entry & PTE_PFN_MASK) : NULL;
		}
		if (table)
			WRITE_ONCE(*entry, 0);
	}
}

int kernel_map_range(unsigned long va, phys_addr_t pa, size_t size, pgprot_t prot)
{
	/* What is mapped at boot (the memmap) stays for good, so that large pages do no harm. */
	int err = map_range(va, pa, size, prot, after_bootmem ? PAGE_SHIFT : PMD_SHIFT);

	if (err)
		clear_range(va, size);	/* never used: nothing to flush */
	return err;
}

void kernel_unmap_range(unsigned long va, size_t size)
{
	clear_range(va, size);
	flush_tlb_kernel_range(va, va + size);
}

/* [START, END) of physical memory into the direct map; nothing if END <= START. */
static void map_direct(phys_addr_t start, phys_addr_t end, pgprot_t prot)
{
	int max_shift = cpu_features.pdpe1gb ? PUD_SHIFT : PMD_SHIFT;

	if (start < end)
		map_range((unsigned long)__va(start), start, end - start, prot, max_shift);
}

/* A range of RAM, with the read-only part of the image cut out of it. */
static void map_ram(phys_addr_t start, phys_addr_t end)
{
	phys_addr_t ro_start = __pa_symbol(_text_start), ro_end = __pa_symbol(_rodata_end);

	map_direct(start, min(end, ro_start), PAGE_KERNEL);
	map_direct(max(start, ro_start), min(end, ro_end), PAGE_KERNEL_RO);
	map_direct(max(start, ro_end), end, PAGE_KERNEL);
}

static void map_image_part(char *start, char *end, pgprot_t prot)
{
	map_range((unsigned long)start, __pa_symbol(start), end - start, prot, PAGE_SHIFT);
}

static void map_image(void)
{
	map_image_part(_text_start, _text_end, PAGE_KERNEL_ROX);
	map_image_part(_rodata_start, _rodata_end, PAGE_KERNEL_RO);
	map_image_part(_data_start, boot_stack_guard, PAGE_KERNEL);
	map_image_part(boot_stack_guard + PAGE_SIZE, _image_end, PAGE_KERNEL);
}

/* PUD tables for all that will ever be mapped in the kernel half. The direct map has its own by now. */
static void fill_kernel_pgd(void)
{
	walk_create(VMALLOC_START, PUD_SHIFT);
	for (unsigned long va = VMEMMAP_START, i = 0; i <= memblock_end_of_ram() >> (PAGE_SHIFT + 33); i++)
		walk_create(va + i * PGDIR_SIZE, PUD_SHIFT);
	kasan_map_zero_shadow((u64 *)init_top_pgt);
}

static void make_trampoline_pgt(void)
{
	pgd_t *pgd;
	u64 *pud, *pmd;

	trampoline_pgt = memblock_alloc(PAGE_SIZE, PAGE_SIZE, 1UL << 32);
	pgd = __va(trampoline_pgt);
	memcpy(pgd, init_top_pgt, sizeof(init_top_pgt));
	pud = alloc_table();
	pmd = alloc_table();
	pmd[0] = PAGE_KERNEL_ROX.v | _PAGE_RW | _PAGE_PSE;
	pmd[0] &= ~_PAGE_GLOBAL;	/* must not outlive the switch to init_top_pgt */
	pud[0] = __pa(pmd) | _KERNPG_TABLE;
	pgd[0].v = __pa(pud) | _KERNPG_TABLE;
}

void paging_init(void)
{
	phys_addr_t mapped = LOW_MEMORY_END;

	map_ram(0, LOW_MEMORY_END);
	for (int i = 0; i < boot_info.nr_ram; i++) {
		struct boot_region r = boot_info.ram[i];

		map_ram(max(r.start, mapped), r.end);
		mapped = max(mapped, r.end);
	}
	map_image();
	fill_kernel_pgd();
	make_trampoline_pgt();
	write_cr3(__pa_symbol(init_top_pgt));
	early_mapped_limit = ~0UL;
	kasan_init();
}
