/*
 * arch-x86_64/kasan_init.c - page tables of KASAN's shadow (mm/kasan.h). SAN=1 builds only.
 *
 *	                   PML4 472..503        at first               after kasan_init()
 *	shadow of          direct map           one page, for all      memory of its own, RAM / 8
 *	                   kernel stacks                               memory of its own
 *	                   the image                                   memory of its own
 *	                   anything else                               the one page, zero, read-only
 *
 * The 16 TiB of shadow of the kernel's half need no memory where nothing is ever poisoned: one page of zeroes stands
 * for "all open", through one PTE table, one PMD table and one PUD table whose 512 entries are all the same. Code
 * that gcc instrumented writes shadow from the first instruction of start_kernel() on, hence the early mapping; what
 * it reads there before kasan_init() is rubbish, and reports are held back.
 *
 * This file is not instrumented. Linux: arch/x86/mm/kasan_init_64.c.
 */
#include "mm/kasan.h"
#include "arch-x86_64/internal.h"
#include "arch-x86_64/pgtable.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "kernel/lib/bug.h"
#include "mm/memblock.h"

#define KERNEL_HALF	0xffff800000000000UL
#define SHADOW_START	((unsigned long)kasan_shadow(KERNEL_HALF))
#define SHADOW_END	((unsigned long)kasan_shadow(~0UL) + 1)
#define ZERO_PAGE_RW	(_KERNPG_TABLE | _PAGE_NX)	/* not global: replaced later */
#define ZERO_PAGE_RO	(_PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_NX)
/* One part in so many of the address space that RAM could fill is for kernel stacks. */
#define STACK_SHARE	4

extern u64 early_top_pgt[PTRS_PER_TABLE];
void kasan_early_init(void);			/* called by boot.S */

static u64 zero_pud[PTRS_PER_TABLE] __aligned(PAGE_SIZE);
static u64 zero_pmd[PTRS_PER_TABLE] __aligned(PAGE_SIZE);
static u64 zero_pte[PTRS_PER_TABLE] __aligned(PAGE_SIZE);
static u64 zero_shadow[PTRS_PER_TABLE] __aligned(PAGE_SIZE);
unsigned long kasan_stack_area;

static void fill_table(u64 *table, u64 entry)
{
	for (int i = 0; i < PTRS_PER_TABLE; i++)
		WRITE_ONCE(table[i], entry);
}

void kasan_map_zero_shadow(u64 *top)
{
	for (unsigned long i = pgd_index(SHADOW_START); i <= pgd_index(SHADOW_END - 1); i++)
		top[i] = __pa_symbol(zero_pud) | _KERNPG_TABLE;
}

void kasan_early_init(void)
{
	fill_table(zero_pud, __pa_symbol(zero_pmd) | _KERNPG_TABLE);
	fill_table(zero_pmd, __pa_symbol(zero_pte) | _KERNPG_TABLE);
	fill_table(zero_pte, __pa_symbol(zero_shadow) | ZERO_PAGE_RW);
	kasan_map_zero_shadow(early_top_pgt);
}

/* The table under ENTRY; a copy of its own is made first if that is still SHARED. */
static u64 *own_table(u64 *entry, u64 *shared)
{
	phys_addr_t pa = *entry & PTE_PFN_MASK;

	if (pa == __pa_symbol(shared)) {
		pa = memblock_alloc(PAGE_SIZE, PAGE_SIZE, ~0UL);
		fill_table(__va(pa), shared[0]);
		WRITE_ONCE(*entry, pa | _KERNPG_TABLE);
	}
	return __va(pa);
}

/* Memory for the shadow page at VA, or for 2 MiB of shadow if it begins there and [VA, END) is that long. Returns its end. */
static unsigned long back_shadow(unsigned long va, unsigned long end)
{
	u64 *pud = own_table((u64 *)&init_top_pgt[pgd_index(va)], zero_pud) + pud_index(va);
	u64 *pmd = own_table(pud, zero_pmd) + pmd_index(va), *pte;

	if (*pmd & _PAGE_PSE)
		return (va & PMD_MASK) + PMD_SIZE;
	if ((*pmd & PTE_PFN_MASK) == __pa_symbol(zero_pte) && IS_ALIGNED(va, PMD_SIZE) && end - va >= PMD_SIZE) {
		WRITE_ONCE(*pmd, memblock_alloc(PMD_SIZE, PMD_SIZE, ~0UL) | PAGE_KERNEL.v | _PAGE_PSE);
		return va + PMD_SIZE;
	}
	pte = own_table(pmd, zero_pte) + pte_index(va);
	if ((*pte & PTE_PFN_MASK) == __pa_symbol(zero_shadow))
		WRITE_ONCE(*pte, memblock_alloc(PAGE_SIZE, PAGE_SIZE, ~0UL) | PAGE_KERNEL.v);
	return va + PAGE_SIZE;
}

/* Real shadow for the addresses [START, END). */
static void populate(unsigned long start, unsigned long end)
{
	unsigned long va = (unsigned long)kasan_shadow(start) & PAGE_MASK;
	unsigned long shadow_end = PAGE_ALIGN(kasan_shadow(end - 1) + 1);

	while (va < shadow_end)
		va = back_shadow(va, shadow_end);
}

/* Globals get their red zones: gcc made one constructor for each source file. */
static void run_constructors(void)
{
	extern void (*const _ctors_start[])(void), (*const _ctors_end[])(void);

	for (void (*const *fn)(void) = _ctors_start; fn < _ctors_end; fn++)
		(*fn)();
}

/*
 * => on init_top_pgt, which has all of RAM; before anything is freed to the buddy allocator
 */
void kasan_init(void)
{
	unsigned long stacks = PAGE_ALIGN(memblock_total_ram() / STACK_SHARE);

	for (int i = 0; i < boot_info.nr_ram; i++)
		populate((unsigned long)__va(boot_info.ram[i].start), (unsigned long)__va(boot_info.ram[i].end));
	populate(VMALLOC_START, VMALLOC_START + stacks);
	populate((unsigned long)_text_start, (unsigned long)_image_end);

	/* From here on the boot stack has its own shadow, and nothing else writes to the shared page. */
	write_cr3(read_cr3());
	fill_table(zero_shadow, 0);
	fill_table(zero_pte, __pa_symbol(zero_shadow) | ZERO_PAGE_RO);
	write_cr3(read_cr3());
	run_constructors();
	kasan_stack_area = stacks;
	pr_info("KASAN: on, %lu MiB of shadow\n", (unsigned long)memblock_total_ram() / KASAN_GRANULE >> 20);
}
