/*
 * arch-x86_64/pgtable.h - page-table entries: types, bits, walking. Intel SDM vol. 3, 4.5.
 *
 *	virtual address   47..39   38..30   29..21   20..12   11..0
 *	                  pgd      pud      pmd      pte      offset
 *
 * The four levels are Linux's (no p4d). Each level has its own struct type, so that the compiler catches
 * mix-ups. Entries are read with *_get() (one load) and written with set_*(); hardware sets A and D behind
 * our back, therefore a present user entry is changed only by xchg-like helpers (ptep_get_and_clear, ...).
 */
#ifndef ARCH_PGTABLE_H
#define ARCH_PGTABLE_H

#include "kernel/lib/types.h"

#define PAGE_SHIFT	12
#define PAGE_SIZE	4096UL
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x)	ALIGN((unsigned long)(x), PAGE_SIZE)
#define PMD_SHIFT	21
#define PMD_SIZE	(1UL << PMD_SHIFT)
#define PMD_MASK	(~(PMD_SIZE - 1))
#define PUD_SHIFT	30
#define PUD_SIZE	(1UL << PUD_SHIFT)
#define PUD_MASK	(~(PUD_SIZE - 1))
#define PGDIR_SHIFT	39
#define PGDIR_SIZE	(1UL << PGDIR_SHIFT)
#define PGDIR_MASK	(~(PGDIR_SIZE - 1))
#define PTRS_PER_TABLE	512
#define HPAGE_PMD_ORDER	9
#define HPAGE_PMD_NR	512

/* Linux's map of the kernel half. */
#define PAGE_OFFSET	0xffff888000000000UL	/* direct map of RAM */
#define VMALLOC_START	0xffffc90000000000UL
#define VMALLOC_END	0xffffe90000000000UL
#define VMEMMAP_START	0xffffea0000000000UL
#define KERNEL_BASE	0xffffffff80000000UL	/* the image, linked at KERNEL_BASE + 1 MiB */

typedef struct { u64 v; } pte_t;
typedef struct { u64 v; } pmd_t;
typedef struct { u64 v; } pud_t;
typedef struct { u64 v; } pgd_t;
typedef struct { u64 v; } pgprot_t;
typedef struct { u64 val; } swp_entry_t;

#define _PAGE_PRESENT	BIT(0)
#define _PAGE_RW	BIT(1)
#define _PAGE_USER	BIT(2)
#define _PAGE_PWT	BIT(3)
#define _PAGE_PCD	BIT(4)
#define _PAGE_ACCESSED	BIT(5)
#define _PAGE_DIRTY	BIT(6)
#define _PAGE_PSE	BIT(7)		/* PMD, PUD: a leaf */
#define _PAGE_GLOBAL	BIT(8)
#define _PAGE_PROTNONE	BIT(8)		/* only with P clear: present for us, not for the CPU (PROT_NONE) */
#define _PAGE_SPECIAL	BIT(9)		/* software: no struct page accounting (zero page) */
#define _PAGE_SWP_EXCLUSIVE BIT(2)	/* software, swap entries only (SWAP-5) */
#define _PAGE_NX	BIT(63)
#define PTE_PFN_MASK	0x000ffffffffff000UL
#define _PAGE_TABLE	(_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY)
#define _KERNPG_TABLE	(_PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY)

#define PAGE_KERNEL	((pgprot_t){ _PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_GLOBAL | _PAGE_NX })
#define PAGE_KERNEL_RO	((pgprot_t){ _PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_GLOBAL | _PAGE_NX })
#define PAGE_KERNEL_ROX	((pgprot_t){ _PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_GLOBAL })
#define PAGE_KERNEL_UC	((pgprot_t){ PAGE_KERNEL.v | _PAGE_PCD | _PAGE_PWT })

#define __pa(va)	((phys_addr_t)((unsigned long)(va) - PAGE_OFFSET))	/* of direct-map addresses only */
#define __va(pa)	((void *)((unsigned long)(pa) + PAGE_OFFSET))
#define __pa_symbol(s)	((phys_addr_t)((unsigned long)(s) - KERNEL_BASE))	/* of the kernel image */

#define pte_index(a)	(((a) >> PAGE_SHIFT) & 511)
#define pmd_index(a)	(((a) >> PMD_SHIFT) & 511)
#define pud_index(a)	(((a) >> PUD_SHIFT) & 511)
#define pgd_index(a)	(((a) >> PGDIR_SHIFT) & 511)

#define __pte(x) ((pte_t){ (x) })
#define __pmd(x) ((pmd_t){ (x) })
#define pte_val(p) ((p).v)
#define pmd_val(p) ((p).v)

static inline pte_t ptep_get(const pte_t *p) { return __pte(READ_ONCE(p->v)); }
static inline pmd_t pmdp_get(const pmd_t *p) { return __pmd(READ_ONCE(p->v)); }
static inline pud_t pudp_get(const pud_t *p) { return (pud_t){ READ_ONCE(p->v) }; }
static inline pgd_t pgdp_get(const pgd_t *p) { return (pgd_t){ READ_ONCE(p->v) }; }
static inline void set_pte(pte_t *p, pte_t e) { WRITE_ONCE(p->v, e.v); }
static inline void set_pmd(pmd_t *p, pmd_t e) { WRITE_ONCE(p->v, e.v); }
static inline void set_pud(pud_t *p, pud_t e) { WRITE_ONCE(p->v, e.v); }
static inline void set_pgd(pgd_t *p, pgd_t e) { WRITE_ONCE(p->v, e.v); }

static inline bool pte_none(pte_t p)	{ return p.v == 0; }
/* PROT_NONE mappings are "present" to the kernel although the CPU faults on them. */
static inline bool pte_present(pte_t p)	{ return p.v & (_PAGE_PRESENT | _PAGE_PROTNONE); }
static inline bool pte_write(pte_t p)	{ return p.v & _PAGE_RW; }
static inline bool pte_dirty(pte_t p)	{ return p.v & _PAGE_DIRTY; }
static inline bool pte_young(pte_t p)	{ return p.v & _PAGE_ACCESSED; }
static inline bool pte_special(pte_t p)	{ return p.v & _PAGE_SPECIAL; }
static inline bool pte_exec(pte_t p)	{ return !(p.v & _PAGE_NX); }
static inline bool pte_same(pte_t a, pte_t b) { return a.v == b.v; }
static inline unsigned long pte_pfn(pte_t p)  { return (p.v & PTE_PFN_MASK) >> PAGE_SHIFT; }
static inline pte_t pte_mkwrite(pte_t p)	{ return __pte(p.v | _PAGE_RW); }
static inline pte_t pte_wrprotect(pte_t p)	{ return __pte(p.v & ~_PAGE_RW); }
static inline pte_t pte_mkdirty(pte_t p)	{ return __pte(p.v | _PAGE_DIRTY); }
static inline pte_t pte_mkclean(pte_t p)	{ return __pte(p.v & ~_PAGE_DIRTY); }
static inline pte_t pte_mkyoung(pte_t p)	{ return __pte(p.v | _PAGE_ACCESSED); }
static inline pte_t pte_mkold(pte_t p)		{ return __pte(p.v & ~_PAGE_ACCESSED); }
static inline pte_t pte_mkspecial(pte_t p)	{ return __pte(p.v | _PAGE_SPECIAL); }
static inline pte_t pfn_pte(unsigned long pfn, pgprot_t prot) { return __pte(((u64)pfn << PAGE_SHIFT) | prot.v); }
/* Change only the protection: frame, A, D and software bits stay. */
static inline pte_t pte_modify(pte_t p, pgprot_t prot)
{
	u64 keep = PTE_PFN_MASK | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_SPECIAL;
	return __pte((p.v & keep) | (prot.v & ~(PTE_PFN_MASK | _PAGE_ACCESSED | _PAGE_DIRTY)));
}
/* Take the entry out in one step; the A and D bits that the CPU set until then are in the result. */
static inline pte_t ptep_get_and_clear(pte_t *p) { return __pte(xchg(&p->v, 0UL)); }
static inline void ptep_set_wrprotect(pte_t *p)	{ __atomic_fetch_and(&p->v, ~(u64)_PAGE_RW, __ATOMIC_SEQ_CST); }
static inline bool ptep_test_and_clear_young(pte_t *p)
{
	return __atomic_fetch_and(&p->v, ~(u64)_PAGE_ACCESSED, __ATOMIC_SEQ_CST) & _PAGE_ACCESSED;
}

static inline bool pmd_none(pmd_t p)	{ return p.v == 0; }
static inline bool pmd_present(pmd_t p)	{ return p.v & (_PAGE_PRESENT | _PAGE_PROTNONE | _PAGE_PSE); }
static inline bool pmd_leaf(pmd_t p)	{ return p.v & _PAGE_PSE; }
/* Points to a table of PTEs. */
static inline bool pmd_table(pmd_t p)	{ return (p.v & (_PAGE_PRESENT | _PAGE_PSE)) == _PAGE_PRESENT; }
static inline unsigned long pmd_pfn(pmd_t p) { return (p.v & PTE_PFN_MASK) >> PAGE_SHIFT; }
static inline bool pud_none(pud_t p)	{ return p.v == 0; }
static inline bool pud_present(pud_t p)	{ return p.v & _PAGE_PRESENT; }
static inline bool pud_leaf(pud_t p)	{ return (p.v & (_PAGE_PRESENT | _PAGE_PSE)) == (_PAGE_PRESENT | _PAGE_PSE); }
static inline bool pgd_none(pgd_t p)	{ return p.v == 0; }
static inline bool pgd_present(pgd_t p)	{ return p.v & _PAGE_PRESENT; }

/*
 * Huge: maps 2 MiB. PSE stays set while a split has made the entry not present (SPLIT-3), so that it is told from
 * migration entries, which have it clear.
 */
static inline bool pmd_trans_huge(pmd_t p)	{ return p.v & _PAGE_PSE; }
static inline bool pmd_write(pmd_t p)	{ return p.v & _PAGE_RW; }
static inline bool pmd_dirty(pmd_t p)	{ return p.v & _PAGE_DIRTY; }
static inline bool pmd_young(pmd_t p)	{ return p.v & _PAGE_ACCESSED; }
static inline bool pmd_same(pmd_t a, pmd_t b) { return a.v == b.v; }
static inline pmd_t pmd_mkwrite(pmd_t p)	{ return __pmd(p.v | _PAGE_RW); }
static inline pmd_t pmd_wrprotect(pmd_t p)	{ return __pmd(p.v & ~_PAGE_RW); }
static inline pmd_t pmd_mkdirty(pmd_t p)	{ return __pmd(p.v | _PAGE_DIRTY); }
static inline pmd_t pmd_mkclean(pmd_t p)	{ return __pmd(p.v & ~_PAGE_DIRTY); }
static inline pmd_t pmd_mkyoung(pmd_t p)	{ return __pmd(p.v | _PAGE_ACCESSED); }
static inline pmd_t pmd_mkold(pmd_t p)		{ return __pmd(p.v & ~_PAGE_ACCESSED); }
/* Not present for the CPU, but still huge (SPLIT-3). */
static inline pmd_t pmd_mkinvalid(pmd_t p)	{ return __pmd(p.v & ~(u64)(_PAGE_PRESENT | _PAGE_PROTNONE)); }
/* A huge entry; PROT is that of a PTE (Intel SDM vol. 3, table 4-18: bit 7 PS, bit 8 G). */
static inline pmd_t pfn_pmd(unsigned long pfn, pgprot_t prot) { return __pmd(((u64)pfn << PAGE_SHIFT) | prot.v | _PAGE_PSE); }
static inline pmd_t pmd_modify(pmd_t p, pgprot_t prot)
{
	u64 keep = PTE_PFN_MASK | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_SPECIAL | _PAGE_PSE;
	return __pmd((p.v & keep) | (prot.v & ~(PTE_PFN_MASK | _PAGE_ACCESSED | _PAGE_DIRTY)));
}
static inline pmd_t pmdp_huge_get_and_clear(pmd_t *p) { return __pmd(xchg(&p->v, 0UL)); }
static inline void pmdp_set_wrprotect(pmd_t *p)	{ __atomic_fetch_and(&p->v, ~(u64)_PAGE_RW, __ATOMIC_SEQ_CST); }
static inline bool pmdp_test_and_clear_young(pmd_t *p)
{
	return __atomic_fetch_and(&p->v, ~(u64)_PAGE_ACCESSED, __ATOMIC_SEQ_CST) & _PAGE_ACCESSED;
}

static inline pud_t *pgd_table_va(pgd_t p) { return (pud_t *)__va(p.v & PTE_PFN_MASK); }
static inline pmd_t *pud_table_va(pud_t p) { return (pmd_t *)__va(p.v & PTE_PFN_MASK); }
static inline pte_t *pmd_table_va(pmd_t p) { return (pte_t *)__va(p.v & PTE_PFN_MASK); }
static inline pgd_t *pgd_offset_pgd(pgd_t *pgd, unsigned long a) { return pgd + pgd_index(a); }
static inline pud_t *pud_offset(pgd_t *pgd, unsigned long a) { return pgd_table_va(*pgd) + pud_index(a); }
static inline pmd_t *pmd_offset(pud_t *pud, unsigned long a) { return pud_table_va(*pud) + pmd_index(a); }
/* PTE of A in the table that the value PMD points to. The caller knows that it is a table. */
static inline pte_t *pte_offset_kernel(pmd_t pmd, unsigned long a) { return pmd_table_va(pmd) + pte_index(a); }

#define pgd_addr_end(a, end) ({ unsigned long __b = ((a) + PGDIR_SIZE) & PGDIR_MASK; __b - 1 < (end) - 1 ? __b : (end); })
#define pud_addr_end(a, end) ({ unsigned long __b = ((a) + PUD_SIZE) & PUD_MASK; __b - 1 < (end) - 1 ? __b : (end); })
#define pmd_addr_end(a, end) ({ unsigned long __b = ((a) + PMD_SIZE) & PMD_MASK; __b - 1 < (end) - 1 ? __b : (end); })

/* The kernel's own tables (paging.c). Every user pgd shares entries 256..511, filled once at boot. */
extern pgd_t init_top_pgt[PTRS_PER_TABLE];

/*
 * Map or unmap [VA, VA+SIZE) of the kernel half to physical PA with 4 KiB entries. Tables are made on
 * demand (GFP_KERNEL; may sleep once the buddy allocator is up). 0 or -ENOMEM with nothing mapped.
 * kernel_unmap_range clears the entries, returns nothing and flushes every CPU's TLB before it returns.
 */
int kernel_map_range(unsigned long va, phys_addr_t pa, size_t size, pgprot_t prot);
void kernel_unmap_range(unsigned long va, size_t size);

#endif
