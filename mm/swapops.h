/*
 * mm/swapops.h - what a PTE says that is neither none nor present: swap entries and migration entries.
 *
 *	PTE	63..59 type	58..9 offset		8 0  7 0  2 EXCLUSIVE (SWAP-5)  0 0
 *
 * A type below MAX_SWAPFILES is a swap device and the offset its slot. One marks what was lost. Three types at the top mark migration entries
 * (RMAP-12): the page is being moved or its folio split; the offset holds the pfn, young and dirty. They hold no
 * reference and no mapcount, but RSS counts the page.
 */
#ifndef MM_SWAPOPS_H
#define MM_SWAPOPS_H

#include "mm/page.h"

#define MAX_SWAPFILES		28
#define SWP_POISON		28u		/* its content could not be read when the area went (SWAP-19) */
#define SWP_MIGRATION_WRITE	29u
#define SWP_MIGRATION_READ_EXCLUSIVE 30u
#define SWP_MIGRATION_READ	31u
#define SWP_TYPE_SHIFT		58		/* in swp_entry_t: type 58.., offset below */
#define SWP_OFFSET_MASK		(BIT(50) - 1)
#define SWP_MIG_YOUNG		BIT(48)		/* in the offset of a migration entry */
#define SWP_MIG_DIRTY		BIT(49)

static inline swp_entry_t swp_entry(unsigned int type, unsigned long offset)
{
	return (swp_entry_t){ (u64)type << SWP_TYPE_SHIFT | (offset & SWP_OFFSET_MASK) };
}
static inline unsigned int swp_type(swp_entry_t e) { return (unsigned int)(e.val >> SWP_TYPE_SHIFT); }
static inline unsigned long swp_offset(swp_entry_t e) { return e.val & SWP_OFFSET_MASK; }
static inline pte_t swp_entry_to_pte(swp_entry_t e) { return __pte((u64)swp_type(e) << 59 | swp_offset(e) << 9); }
static inline swp_entry_t pte_to_swp_entry(pte_t p) { return swp_entry((unsigned int)(p.v >> 59), (p.v >> 9) & SWP_OFFSET_MASK); }
static inline bool is_swap_pte(pte_t p)		{ return !pte_none(p) && !pte_present(p); }
static inline pte_t pte_swp_mkexclusive(pte_t p)	{ return __pte(p.v | _PAGE_SWP_EXCLUSIVE); }
static inline pte_t pte_swp_clear_exclusive(pte_t p)	{ return __pte(p.v & ~_PAGE_SWP_EXCLUSIVE); }
static inline bool pte_swp_exclusive(pte_t p)		{ return p.v & _PAGE_SWP_EXCLUSIVE; }

/* A swap entry proper. */
static inline bool non_swap_entry(swp_entry_t e)	{ return swp_type(e) >= MAX_SWAPFILES; }
static inline bool is_poison_entry(swp_entry_t e)	{ return swp_type(e) == SWP_POISON; }
static inline bool is_migration_entry(swp_entry_t e)	{ return swp_type(e) >= SWP_MIGRATION_WRITE; }
static inline bool is_writable_migration_entry(swp_entry_t e) { return swp_type(e) == SWP_MIGRATION_WRITE; }
static inline bool is_readable_exclusive_migration_entry(swp_entry_t e) { return swp_type(e) == SWP_MIGRATION_READ_EXCLUSIVE; }
static inline bool is_readable_migration_entry(swp_entry_t e) { return swp_type(e) == SWP_MIGRATION_READ; }
static inline swp_entry_t make_migration_entry(unsigned int type, unsigned long pfn, bool young, bool dirty)
{
	return swp_entry(type, pfn | (young ? SWP_MIG_YOUNG : 0) | (dirty ? SWP_MIG_DIRTY : 0));
}
/* The same page, young and dirty; other rights. */
static inline swp_entry_t make_readable_migration_entry(swp_entry_t e) { return swp_entry(SWP_MIGRATION_READ, swp_offset(e)); }
static inline swp_entry_t make_readable_exclusive_migration_entry(swp_entry_t e) { return swp_entry(SWP_MIGRATION_READ_EXCLUSIVE, swp_offset(e)); }
static inline bool is_migration_entry_young(swp_entry_t e) { return swp_offset(e) & SWP_MIG_YOUNG; }
static inline bool is_migration_entry_dirty(swp_entry_t e) { return swp_offset(e) & SWP_MIG_DIRTY; }
static inline unsigned long migration_entry_pfn(swp_entry_t e) { return swp_offset(e) & ~(SWP_MIG_YOUNG | SWP_MIG_DIRTY); }
static inline struct page *migration_entry_to_page(swp_entry_t e) { return pfn_to_page(migration_entry_pfn(e)); }
/* Names a slot of an area: counts there, and as MM_SWAPENTS. */
static inline bool is_pte_swap_entry(pte_t p) { return is_swap_pte(p) && !non_swap_entry(pte_to_swp_entry(p)); }
static inline bool is_pte_migration_entry(pte_t p) { return is_swap_pte(p) && is_migration_entry(pte_to_swp_entry(p)); }
/* The same for a huge PMD: one entry, which names the head. Never a swap entry. */
static inline pmd_t swp_entry_to_pmd(swp_entry_t e)	{ return __pmd(pte_val(swp_entry_to_pte(e))); }
static inline swp_entry_t pmd_to_swp_entry(pmd_t p)	{ return pte_to_swp_entry(__pte(p.v)); }
static inline bool is_pmd_migration_entry(pmd_t p)	{ return !pmd_none(p) && !pmd_present(p); }

#endif
