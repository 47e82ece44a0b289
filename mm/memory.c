/*
 * mm/memory.c - the page-fault handler, and the first touch of anonymous memory.
 *
 *	handle_mm_fault
 *	  __handle_mm_fault            make the tables down to the PMD, look at the PMD
 *	    none, may be huge ───────> do_huge_pmd_anonymous_page   (huge_memory.c)
 *	    huge, write ─────────────> do_huge_pmd_wp_page          (huge_memory.c)
 *	    handle_pte_fault           look at the PTE
 *	      none, anonymous ───────> do_anonymous_page      zero page, or zeroed pages of its own
 *	      none, file ────────────> do_fault               (file_fault.c)
 *	      swapped out ───────────> do_swap_page           (swap_fault.c)
 *	      being moved ───────────> wait                   (migrate.c)
 *	      present, write ────────> do_wp_page             (cow.c)
 *
 * Every handler decides with nothing locked, takes the table's lock, looks again (FLT-3) and only then
 * installs. Where the second look differs it returns 0 without having done anything: the CPU runs the
 * instruction again and faults again if need be (FLT-1). The mmap lock, held for reading, keeps the VMA;
 * two CPUs fault in parallel.
 *
 * A first write may bring a whole block of pages, one large folio (MTHP-1..12):
 *
 *	sizes policy allows ─> blocks inside the VMA ─> blocks still empty ─> the largest there is memory for
 *
 * Not here: huge PMDs (huge_memory.c). Linux: mm/memory.c; the functions bear its names.
 */
#include "mm/fault.h"
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/concurrency.h"
#include "kernel/trace/control.h"
#include "kernel/trace/fail.h"
#include "kernel/trace/pause.h"
#include "mm/huge_memory.h"
#include "mm/migrate.h"
#include "mm/oom.h"
#include "mm/swap.h"
#include "mm/trace_mm.h"
#include "mm/vma.h"
#include "mm/vmstat.h"
#include "mm/why_not_huge.h"

/* ---- Page protection ---- */

#define PROT_COMMON	(_PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED)
#define PROT_NOTHING	(_PAGE_PROTNONE | _PAGE_ACCESSED)

/*
 * By VM_READ 1, VM_WRITE 2, VM_EXEC 4, VM_SHARED 8.
 * Private writable pages start read-only: COW decides (COW-1).
 */
static const u64 protection_map[16] = {
	[0] = PROT_NOTHING,
	[1 ... 3] = PROT_COMMON | _PAGE_NX,
	[4 ... 7] = PROT_COMMON,
	[8] = PROT_NOTHING,
	[9] = PROT_COMMON | _PAGE_NX,
	[10 ... 11] = PROT_COMMON | _PAGE_RW | _PAGE_NX,
	[12 ... 13] = PROT_COMMON,
	[14 ... 15] = PROT_COMMON | _PAGE_RW,
};

pgprot_t vm_get_page_prot(vm_flags_t flags)
{
	return (pgprot_t){ protection_map[flags & (VM_READ | VM_WRITE | VM_EXEC | VM_SHARED)] };
}

void vma_set_page_prot(struct vm_area_struct *vma)
{
	vm_flags_t flags = vma->vm_flags;

	/* A file that wants to hear of the first write of each page. */
	if (vma->vm_ops && vma->vm_ops->page_mkwrite)
		flags &= ~VM_SHARED;
	vma->vm_page_prot = vm_get_page_prot(flags);
}

/* ---- Anonymous memory, first touch ---- */

/* FLT-9: reading memory that was never written maps the one page of zeroes. */
static vm_fault_t do_zero_page(struct vm_fault *vmf)
{
	pte_t entry = pte_mkspecial(pfn_pte(page_to_pfn(zero_page), vmf->vma->vm_page_prot));

	vm_fault_t ret;

	if (!vmf_lock_pte(vmf))
		return 0;
	ret = check_stable_address_space(vmf->vma->vm_mm);
	if (!ret && pte_none(ptep_get(vmf->pte)))
		set_pte(vmf->pte, entry);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return ret;
}

void folio_zero_user(struct folio *folio, unsigned long addr)
{
	unsigned long nr = folio_nr_pages(folio), last = (addr >> PAGE_SHIFT) & (nr - 1);
	char *va = folio_address(folio);

	clear_pages(va, last);
	clear_pages(va + (last + 1) * PAGE_SIZE, nr - last - 1);
	clear_page(va + last * PAGE_SIZE);
}

static bool pte_range_none(const pte_t *pte, unsigned int nr)
{
	u64 seen = 0;

	for (unsigned int i = 0; i < nr; i++)
		seen |= pte_val(ptep_get(pte + i));
	return !seen;
}

/* The naturally aligned block of 2^ORDER pages around ADDR. */
static unsigned long block_start(unsigned long addr, unsigned int order)
{
	return ALIGN_DOWN(addr, PAGE_SIZE << order);
}

/*
 * MTHP-7: ORDERS cut down to those whose block around ADDR, in the table that starts with PTE, is empty
 * now. A look without the lock: it is repeated under the lock before anything is installed (MTHP-10).
 */
static unsigned long empty_orders(const pte_t *pte, unsigned long addr, unsigned long orders)
{
	while (orders) {
		int order = highest_order(orders);

		if (pte_range_none(pte + pte_index(block_start(addr, order)), 1U << order))
			break;
		next_order(&orders, order);
	}
	return orders;
}

/* MTHP-8: the largest of ORDERS there is memory for, zeroed. NULL: none, each is counted. May sleep. */
static struct folio *alloc_large_anon_folio(struct vm_fault *vmf, unsigned long orders)
{
	gfp_t gfp = vma_thp_gfp_mask(vmf->vma);

	while (orders) {
		int order = highest_order(orders);
		struct folio *folio = fail_here("anon_folio", order) ? NULL : folio_alloc(gfp, order);

		if (folio) {
			folio_zero_user(folio, vmf->address);
			return folio;
		}
		count_mthp_stat(order, MTHP_STAT_ANON_FAULT_FALLBACK);
		next_order(&orders, order);
	}
	return NULL;
}

/*
 * The folio for a first write, as large as policy, VMA, neighbours and memory allow (MTHP-1), zeroed before
 * anybody can see it. NULL: no memory; -EAGAIN: no table any more (FLT-4). May sleep.
 */
static struct folio *alloc_anon_folio(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long orders = 0;
	struct folio *folio;
	pte_t *pte;

	if (likely(!(vma->vm_flags & VM_PAGE_TRACKING)))
		orders = thp_vma_allowable_orders(vma, vma->vm_flags, TVA_PAGEFAULT,
						  THP_ORDERS_ALL_ANON & ~BIT(HPAGE_PMD_ORDER));
	if (orders)
		orders = thp_vma_suitable_orders(vma, vmf->address, orders);
	if (orders) {
		pte = pte_offset_map(vmf->pmd, vmf->address & PMD_MASK);
		if (unlikely(!pte))
			return ERR_PTR(-EAGAIN);
		orders = empty_orders(pte, vmf->address, orders);
	}
	if (orders) {
		folio = alloc_large_anon_folio(vmf, orders);
		if (folio)
			return folio;
	}
	return folio_prealloc(true);
}

/*
 * MTHP-10, 11: FOLIO goes in if its block is still empty; its reference becomes that of its first page's mapping, or
 * is dropped.
 */
static vm_fault_t map_anon_folio_ptes(struct vm_fault *vmf, struct folio *folio)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned int order = folio_order(folio), nr = 1U << order;
	unsigned long addr = block_start(vmf->address, order);
	pte_t entry = maybe_mkwrite(pte_mkdirty(pfn_pte(folio_pfn(folio), vma->vm_page_prot)), vma);
	vm_fault_t ret;

	/* FLT-7: vmf->address stays what it was. */
	vmf->pte = pte_offset_map_lock(vma->vm_mm, vmf->pmd, addr, &vmf->ptl);
	if (unlikely(!vmf->pte)) {
		folio_put(folio);
		return 0;
	}
	ret = check_stable_address_space(vma->vm_mm);
	if (unlikely(ret || !pte_range_none(vmf->pte, nr))) {
		pte_unmap_unlock(vmf->pte, vmf->ptl);
		folio_put(folio);
		return ret;
	}
	if (order)
		folio_ref_add(folio, (int)nr - 1);
	add_mm_counter(vma->vm_mm, MM_ANONPAGES, nr);
	folio_add_new_anon_rmap(folio, vma, addr, RMAP_EXCLUSIVE);
	lru_cache_add(folio);
	for (unsigned int i = 0; i < nr; i++)
		set_pte(vmf->pte + i, __pte(pte_val(entry) + i * PAGE_SIZE));
	trace_anon_fault(vma->vm_mm, addr, folio_pfn(folio), order);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	if (order)
		count_mthp_stat(order, MTHP_STAT_ANON_FAULT_ALLOC);
	return 0;
}

static __gdb_stop vm_fault_t do_anonymous_page(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct folio *folio;

	if (vma->vm_flags & VM_SHARED)
		return VM_FAULT_SIGBUS;		/* a shared mapping whose driver gave it no way to fault */
	pause_point("anon_fault_pte_level");
	/* FLT-6: now, so that a missing table below means "changed", not "no memory". */
	if (pte_alloc(vma->vm_mm, vmf->pmd))
		return VM_FAULT_OOM;
	if (!(vmf->flags & FAULT_FLAG_WRITE))
		return do_zero_page(vmf);
	if (unlikely(anon_vma_prepare(vma)))
		return VM_FAULT_OOM;
	folio = alloc_anon_folio(vmf);
	if (IS_ERR(folio))
		return 0;
	if (unlikely(!folio))
		return VM_FAULT_OOM;
	pause_point("anon_fault_alloc");
	return map_anon_folio_ptes(vmf, folio);
}

/* MTHP-6: one who watches single pages (in Linux: userfaultfd) gets single pages. */
static int track_pages(struct mm_struct *mm, unsigned long start, unsigned long end, char *args,
		       struct seq_file *out)
{
	int err = 0;

	mmap_write_lock(mm);
	while (start < end && !err) {
		struct vm_area_struct *vma = vma_lookup(mm, start);
		unsigned long stop = vma ? min(end, vma->vm_end) : end;

		if (!vma)
			err = -ENOMEM;
		else if (IS_ERR(vma_modify_flags(vma, start, stop, vma->vm_flags | VM_PAGE_TRACKING)))
			err = -ENOMEM;
		start = stop;
	}
	mmap_write_unlock(mm);
	return err;
}
FORCE_WORD("track", "", track_pages);

/* ---- The way down ---- */

/*
 * The PTE is present and allows the access: another thread was faster, or the CPU wants A or D set.
 * => ptl held
 */
static vm_fault_t pte_access_flags(struct vm_fault *vmf)
{
	u64 bits = _PAGE_ACCESSED | (vmf->flags & FAULT_FLAG_WRITE ? _PAGE_DIRTY : 0);

	if ((pte_val(vmf->orig_pte) & bits) != bits)
		__atomic_fetch_or(&vmf->pte->v, bits, __ATOMIC_SEQ_CST);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return 0;
}

/* Neither none nor present. */
static vm_fault_t do_non_present_pte(struct vm_fault *vmf)
{
	if (likely(!is_pte_migration_entry(vmf->orig_pte)))
		return do_swap_page(vmf);
	migration_entry_wait(vmf->vma->vm_mm, vmf->pmd, vmf->address);
	return 0;
}

static vm_fault_t handle_pte_fault(struct vm_fault *vmf)
{
	pmd_t pmd = pmdp_get(vmf->pmd);

	vmf->pte = pmd_table(pmd) ? pte_offset_kernel(pmd, vmf->address) : NULL;
	vmf->orig_pte = vmf->pte ? ptep_get(vmf->pte) : __pte(0);
	if (pte_none(vmf->orig_pte)) {
		vmf->pte = NULL;
		return vma_is_anonymous(vmf->vma) ? do_anonymous_page(vmf) : do_fault(vmf);
	}
	if (unlikely(!pte_present(vmf->orig_pte)))
		return do_non_present_pte(vmf);
	if (!vmf_lock_pte(vmf))
		return 0;
	if (unlikely(vmf_pte_changed(vmf))) {
		pte_unmap_unlock(vmf->pte, vmf->ptl);
		return 0;
	}
	if ((vmf->flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) && !pte_write(vmf->orig_pte))
		return do_wp_page(vmf);
	return pte_access_flags(vmf);
}

/* An empty PMD of anonymous memory: MTHP-5. FALLBACK: go on with PTEs. */
static vm_fault_t create_huge_pmd(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;

	if (!vma_is_anonymous(vma) || (vma->vm_flags & VM_PAGE_TRACKING) ||
	    !thp_vma_allowable_orders(vma, vma->vm_flags, TVA_PAGEFAULT, BIT(HPAGE_PMD_ORDER))) {
		note_fault_policy(vma, vmf->address);
		return VM_FAULT_FALLBACK;
	}
	return do_huge_pmd_anonymous_page(vmf);
}

/* A huge PMD. FALLBACK: it is a table now, go on with PTEs. */
static vm_fault_t handle_huge_pmd(struct vm_fault *vmf)
{
	if ((vmf->flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) && !pmd_write(vmf->orig_pmd))
		return do_huge_pmd_wp_page(vmf);
	huge_pmd_set_accessed(vmf);
	return 0;
}

static vm_fault_t __handle_mm_fault(struct vm_area_struct *vma, unsigned long address, unsigned int flags)
{
	struct vm_fault vmf = {
		.vma = vma,
		.address = address & PAGE_MASK,
		.real_address = address,
		.flags = flags,
		.pgoff = linear_page_index(vma, address),
		.gfp = GFP_HIGHUSER_MOVABLE,
	};
	vm_fault_t ret = VM_FAULT_FALLBACK;

	vmf.pmd = walk_to_pmd_alloc(vma->vm_mm, address);
	if (unlikely(!vmf.pmd))
		return VM_FAULT_OOM;
	vmf.orig_pmd = pmdp_get(vmf.pmd);
	if (unlikely(pmd_none(vmf.orig_pmd)))
		ret = create_huge_pmd(&vmf);
	else if (unlikely(pmd_trans_huge(vmf.orig_pmd)))
		ret = handle_huge_pmd(&vmf);
	else if (unlikely(is_pmd_migration_entry(vmf.orig_pmd)))
		ret = pmd_migration_entry_wait(vmf.pmd);
	return ret & VM_FAULT_FALLBACK ? handle_pte_fault(&vmf) : ret;
}

/* FLT-2. */
static inline void mm_account_fault(unsigned int flags, vm_fault_t ret)
{
	if (unlikely(ret & VM_FAULT_RETRY))
		return;
	count_vm_event(PGFAULT);
	if (unlikely(ret & VM_FAULT_ERROR))
		return;
	if (unlikely((ret & VM_FAULT_MAJOR) || (flags & FAULT_FLAG_TRIED)))
		current->maj_flt++;
	else
		current->min_flt++;
}

__gdb_stop vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long address, unsigned int flags,
				      struct pt_regs *regs)
{
	struct mm_struct *mm = vma->vm_mm;
	vm_fault_t ret;

	concurrency_enter(IN_FAULT, mm);
	ret = __handle_mm_fault(vma, address, flags);
	concurrency_exit(IN_FAULT);
	trace_fault(mm, address, flags, ret);
	mm_account_fault(flags, ret);
	return ret;
}

/* RCL-34: a user-mode fault found no memory. It is repeated; meanwhile somebody else may give some back. */
void pagefault_out_of_memory(void)
{
	if (fatal_signal_pending(current))
		return;
	set_current_state(TASK_KILLABLE);
	schedule_timeout_ns(TICK_NSEC);
}
