/*
 * mm/memory.c - the page-fault handler, and fork's copy of the page tables.
 *
 *	handle_mm_fault
 *	  __handle_mm_fault            make the tables down to the PMD
 *	    handle_pte_fault           look at the PTE
 *	      none, anonymous ───────> do_anonymous_page      zero page, or a zeroed page of its own
 *	      none, file ────────────> do_fault ─┬─ do_read_fault    map the cached page
 *	                                         ├─ do_cow_fault     private write: a copy of it
 *	                                         └─ do_shared_fault  shared write: the page itself
 *	      present, write ────────> do_wp_page ─┬─ wp_page_reuse  exclusive, or nobody else has it
 *	                                           └─ wp_page_copy   the C of COW
 *
 * Every handler decides with nothing locked, takes the table's lock, looks again (FLT-3) and only then
 * installs. Where the second look differs it returns 0 without having done anything: the CPU runs the
 * instruction again and faults again if need be (FLT-1). The mmap lock, held for reading, keeps the VMA;
 * two CPUs fault in parallel.
 *
 * Not here: swap entries, huge PMDs. Linux: mm/memory.c; the functions bear its names.
 */
#include "mm/memory.h"
#include "arch-x86_64/tlbflush.h"
#include "kernel/fs/fs.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/concurrency.h"
#include "mm/lru.h"
#include "mm/rmap.h"
#include "mm/vmstat.h"

/* ---- Page protection ---- */

#define PROT_COMMON	(_PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED)
#define PROT_NOTHING	(_PAGE_PROTNONE | _PAGE_ACCESSED)

/*
 * By VM_READ 1, VM_WRITE 2, VM_EXEC 4, VM_SHARED 8. Private writable pages start read-only: COW decides
 * (COW-1).
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

/* ---- Small helpers of the handlers ---- */

static inline bool vmf_pte_changed(struct vm_fault *vmf)
{
	return !pte_same(ptep_get(vmf->pte), vmf->orig_pte);
}

static inline struct folio *folio_prealloc(bool zero)
{
	return folio_alloc(GFP_HIGHUSER_MOVABLE | (zero ? __GFP_ZERO : 0), 0);
}

/* Take the lock of the fault's table; false: no table (any more), the access simply faults again (FLT-4). */
static inline bool vmf_lock_pte(struct vm_fault *vmf)
{
	vmf->pte = pte_offset_map_lock(vmf->vma->vm_mm, vmf->pmd, vmf->address, &vmf->ptl);
	return likely(vmf->pte != NULL);
}

/* A new page of VMA's own goes in; consumes the reference. => ptl held, PTE clear and flushed */
static void set_new_anon_pte(struct vm_fault *vmf, struct folio *folio, pte_t entry)
{
	folio_add_new_anon_rmap(folio, vmf->vma, vmf->address, RMAP_EXCLUSIVE);
	lru_cache_add(folio);
	set_pte(vmf->pte, entry);
}

/* ---- Anonymous memory, first touch ---- */

/* FLT-9: reading memory that was never written maps the one page of zeroes. */
static vm_fault_t do_zero_page(struct vm_fault *vmf)
{
	pte_t entry = pte_mkspecial(pfn_pte(page_to_pfn(zero_page), vmf->vma->vm_page_prot));

	if (!vmf_lock_pte(vmf))
		return 0;
	if (pte_none(ptep_get(vmf->pte)))
		set_pte(vmf->pte, entry);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return 0;
}

/* COW-14, T-COW-14: the folio for one first write, zeroed before anybody can see it (MTHP-9). */
static struct folio *alloc_anon_folio(struct vm_fault *vmf)
{
	return folio_prealloc(true);
}

static __gdb_stop vm_fault_t do_anonymous_page(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct folio *folio;
	pte_t entry;

	if (vma->vm_flags & VM_SHARED)
		return VM_FAULT_SIGBUS;		/* a shared mapping whose driver gave it no way to fault */
	/* FLT-6: now, so that a missing table below means "changed", not "no memory". */
	if (pte_alloc(vma->vm_mm, vmf->pmd))
		return VM_FAULT_OOM;
	if (!(vmf->flags & FAULT_FLAG_WRITE))
		return do_zero_page(vmf);
	if (unlikely(anon_vma_prepare(vma)))
		return VM_FAULT_OOM;
	folio = alloc_anon_folio(vmf);
	if (unlikely(!folio))
		return VM_FAULT_OOM;
	entry = maybe_mkwrite(pte_mkdirty(pfn_pte(folio_pfn(folio), vma->vm_page_prot)), vma);
	if (!vmf_lock_pte(vmf))
		goto out_folio;
	if (unlikely(!pte_none(ptep_get(vmf->pte)))) {
		pte_unmap_unlock(vmf->pte, vmf->ptl);
		goto out_folio;
	}
	add_mm_counter(vma->vm_mm, MM_ANONPAGES, 1);
	set_new_anon_pte(vmf, folio, entry);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return 0;

out_folio:
	folio_put(folio);
	return 0;
}

/* ---- File mappings, first touch ---- */

/* Ask the file for the page: referenced and locked in vmf->page, or an error. */
static vm_fault_t __do_fault(struct vm_fault *vmf)
{
	vm_fault_t ret;

	/* The table first: no allocation with the page locked. */
	if (pte_alloc(vmf->vma->vm_mm, vmf->pmd))
		return VM_FAULT_OOM;
	ret = vmf->vma->vm_ops->fault(vmf);
	if (ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY))
		return ret;
	if (!(ret & VM_FAULT_LOCKED))
		folio_lock(page_folio(vmf->page));
	return ret | VM_FAULT_LOCKED;
}

/* Install PAGE at ADDR. WRITE: it will be written now. => ptl held; consumes a reference */
static void set_file_pte(struct vm_fault *vmf, struct page *page, pte_t *pte, unsigned long addr, bool write)
{
	struct vm_area_struct *vma = vmf->vma;
	struct folio *folio = page_folio(page);
	pte_t entry = pfn_pte(page_to_pfn(page), vma->vm_page_prot);

	if (write)
		entry = maybe_mkwrite(pte_mkdirty(entry), vma);
	add_mm_counter(vma->vm_mm, mm_counter_file(folio), 1);
	folio_add_file_rmap_ptes(folio, page, 1, vma);
	set_pte(pte, entry);
}

/*
 * Map vmf->cow_page (a private copy) or vmf->page. Consumes the reference of the page mapped; 0, or NOPAGE
 * with nothing consumed: somebody else filled the PTE.
 */
static vm_fault_t finish_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	bool write = vmf->flags & FAULT_FLAG_WRITE;

	if (!vmf_lock_pte(vmf))
		return VM_FAULT_NOPAGE;
	if (unlikely(!pte_none(ptep_get(vmf->pte)))) {
		pte_unmap_unlock(vmf->pte, vmf->ptl);
		return VM_FAULT_NOPAGE;
	}
	if (vmf->cow_page) {
		pte_t entry = pfn_pte(page_to_pfn(vmf->cow_page), vma->vm_page_prot);

		add_mm_counter(vma->vm_mm, MM_ANONPAGES, 1);
		set_new_anon_pte(vmf, page_folio(vmf->cow_page), maybe_mkwrite(pte_mkdirty(entry), vma));
	} else {
		set_file_pte(vmf, vmf->page, vmf->pte, vmf->address, write);
	}
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return 0;
}

#define FAULT_AROUND_PAGES 16

/*
 * References on the folios of [START, END] that can be mapped at once, each locked, into PAGES (by index -
 * START).
 */
static void grab_cached_pages(struct address_space *mapping, pgoff_t start, pgoff_t end, struct page **pages)
{
	unsigned long index;
	void *entry;

	spin_lock(&mapping->tree_lock);
	xa_for_each_range(&mapping->i_pages, index, entry, start, end) {
		struct folio *folio = entry;

		if (xa_is_value(entry) || folio_test_large(folio) || !folio_try_get(folio))
			continue;
		/* Trylock (LOCK-3); a page being filled or truncated is locked and left out. */
		if (!folio_trylock(folio)) {
			folio_put(folio);
			continue;
		}
		pages[index - start] = &folio->page;
	}
	spin_unlock(&mapping->tree_lock);
}

vm_fault_t filemap_map_pages(struct vm_fault *vmf, pgoff_t start, pgoff_t end)
{
	struct inode *inode = vmf->vma->vm_file->f_inode;
	struct page *pages[FAULT_AROUND_PAGES] = { NULL };
	pgoff_t size = DIV_ROUND_UP((u64)READ_ONCE(inode->i_size), PAGE_SIZE);
	unsigned long addr = vmf->address - ((vmf->pgoff - start) << PAGE_SHIFT);
	vm_fault_t ret = 0;

	if (!size || start >= size)
		return 0;
	end = min(end, min(size - 1, start + FAULT_AROUND_PAGES - 1));
	grab_cached_pages(inode->i_mapping, start, end, pages);
	if (!vmf_lock_pte(vmf))
		ret = VM_FAULT_NOPAGE;
	for (pgoff_t i = 0; i <= end - start; i++) {
		struct folio *folio = pages[i] ? page_folio(pages[i]) : NULL;
		pte_t *pte = vmf->pte + (long)(start + i - vmf->pgoff);

		if (!folio)
			continue;
		if (vmf->pte && folio_test_uptodate(folio) && folio->mapping == inode->i_mapping &&
		    pte_none(ptep_get(pte))) {
			set_file_pte(vmf, pages[i], pte, addr + (i << PAGE_SHIFT), false);
			if (start + i == vmf->pgoff)
				ret = VM_FAULT_NOPAGE;
			pages[i] = NULL;	/* the reference is the mapping's now */
		}
		folio_unlock(folio);
	}
	if (vmf->pte)
		pte_unmap_unlock(vmf->pte, vmf->ptl);
	for (pgoff_t i = 0; i <= end - start; i++)
		if (pages[i])
			put_page(pages[i]);
	return ret;
}

/* Map neighbours in the same 64 KiB, VMA and table too, if the file offers to. */
static vm_fault_t do_fault_around(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	pgoff_t pte_off = pte_index(vmf->address);
	pgoff_t vma_off = (vmf->address - vma->vm_start) >> PAGE_SHIFT;
	pgoff_t from = max(ALIGN_DOWN(pte_off, FAULT_AROUND_PAGES), pte_off - min(pte_off, vma_off));
	pgoff_t room = min((pgoff_t)PTRS_PER_TABLE, pte_off + vma_pages(vma) - vma_off);
	pgoff_t to = min(from + FAULT_AROUND_PAGES, room) - 1;

	if (pte_alloc(vma->vm_mm, vmf->pmd))
		return VM_FAULT_OOM;
	return vma->vm_ops->map_pages(vmf, vmf->pgoff + from - pte_off, vmf->pgoff + to - pte_off);
}

static vm_fault_t do_read_fault(struct vm_fault *vmf)
{
	vm_fault_t ret;

	if (vmf->vma->vm_ops->map_pages) {
		ret = do_fault_around(vmf);
		if (ret)
			return ret & ~VM_FAULT_NOPAGE;
	}
	ret = __do_fault(vmf);
	if (unlikely(!(ret & VM_FAULT_LOCKED)))
		return ret;
	if (finish_fault(vmf))
		folio_put(page_folio(vmf->page));
	folio_unlock(page_folio(vmf->page));
	return ret & ~VM_FAULT_LOCKED;
}

/* A private mapping is written before it was read: the copy is made straight from the page cache. */
static vm_fault_t do_cow_fault(struct vm_fault *vmf)
{
	struct folio *copy;
	vm_fault_t ret;

	if (unlikely(anon_vma_prepare(vmf->vma)))
		return VM_FAULT_OOM;
	copy = folio_prealloc(false);
	if (!copy)
		return VM_FAULT_OOM;
	ret = __do_fault(vmf);
	if (unlikely(!(ret & VM_FAULT_LOCKED))) {
		folio_put(copy);
		return ret;
	}
	copy_page(folio_address(copy), page_address(vmf->page));
	vmf->cow_page = &copy->page;
	if (finish_fault(vmf))
		folio_put(copy);
	folio_unlock(page_folio(vmf->page));
	put_page(vmf->page);
	return ret & ~VM_FAULT_LOCKED;
}

static vm_fault_t do_shared_fault(struct vm_fault *vmf)
{
	vm_fault_t ret = __do_fault(vmf), err;
	struct folio *folio;

	if (unlikely(!(ret & VM_FAULT_LOCKED)))
		return ret;
	folio = page_folio(vmf->page);
	if (vmf->vma->vm_ops->page_mkwrite) {
		folio_unlock(folio);
		err = vmf->vma->vm_ops->page_mkwrite(vmf);
		if (unlikely(err & (VM_FAULT_ERROR | VM_FAULT_NOPAGE))) {
			folio_put(folio);
			return err;
		}
	}
	folio_set_dirty(folio);
	if (finish_fault(vmf)) {
		folio_unlock(folio);
		folio_put(folio);
	} else {
		folio_unlock(folio);
	}
	return ret & ~VM_FAULT_LOCKED;
}

static __gdb_stop vm_fault_t do_fault(struct vm_fault *vmf)
{
	if (!vmf->vma->vm_ops->fault)
		return VM_FAULT_SIGBUS;
	if (!(vmf->flags & FAULT_FLAG_WRITE))
		return do_read_fault(vmf);
	if (!(vmf->vma->vm_flags & VM_SHARED))
		return do_cow_fault(vmf);
	return do_shared_fault(vmf);
}

/* ---- Write to a present, read-only PTE ---- */

/* COW-11: the page is ours, make it writable. Unlocks. */
static vm_fault_t wp_page_reuse(struct vm_fault *vmf)
{
	pte_t entry = maybe_mkwrite(pte_mkyoung(pte_mkdirty(vmf->orig_pte)), vmf->vma);

	/* No flush: a CPU that faults on a stale read-only entry drops it by itself. */
	set_pte(vmf->pte, entry);
	count_vm_event(PGREUSE);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return 0;
}

/*
 * COW-8: a small folio that is not marked exclusive is taken over if this PTE is all that refers to it. =>
 * ptl held
 */
static bool wp_can_reuse_anon_folio(struct folio *folio, struct vm_area_struct *vma)
{
	if (folio_test_large(folio))
		return false;		/* other pages of it may be shared (COW-13) */
	if (folio_ref_count(folio) > 3)
		return false;
	if (!folio_test_lru(folio))
		lru_add_drain();	/* this CPU's batch may hold the extra reference (PIT-16) */
	if (folio_ref_count(folio) > 1)
		return false;
	if (!folio_trylock(folio))
		return false;
	/* Under the lock nobody can have found it through a list and be about to map it. */
	if (folio_ref_count(folio) != 1) {
		folio_unlock(folio);
		return false;
	}
	folio_move_anon_rmap(folio, vma);
	folio_unlock(folio);
	return true;
}

/*
 * Put COPY in the place of OLD (NULL: the zero page). True if done: COPY's reference is the mapping's, and
 * OLD has lost that of its mapping. False: the PTE changed meanwhile (COW-15).
 */
static bool wp_install_copy(struct vm_fault *vmf, struct folio *old, struct folio *copy)
{
	struct vm_area_struct *vma = vmf->vma;
	pte_t entry = pfn_pte(folio_pfn(copy), vma->vm_page_prot);

	if (!vmf_lock_pte(vmf))
		return false;
	if (unlikely(vmf_pte_changed(vmf))) {
		pte_unmap_unlock(vmf->pte, vmf->ptl);
		return false;
	}
	if (!old || !folio_test_anon(old)) {
		if (old)
			add_mm_counter(vma->vm_mm, mm_counter_file(old), -1);
		add_mm_counter(vma->vm_mm, MM_ANONPAGES, 1);
	}
	/* COW-12: an unshare fault leaves the copy read-only, as the original was. */
	if (!(vmf->flags & FAULT_FLAG_UNSHARE))
		entry = maybe_mkwrite(pte_mkdirty(entry), vma);
	/* COW-14: no CPU may read the old page once one can write the new. */
	ptep_get_and_clear(vmf->pte);
	flush_tlb_page(vma, vmf->address);
	set_new_anon_pte(vmf, copy, entry);
	/* And only now the old page: earlier, its other owner could take it over while we still map it. */
	if (old)
		folio_remove_rmap_ptes(old, vmf->page, 1, vma);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return true;
}

/* => the caller took a reference on vmf->page's folio (if there is one); ptl not held */
static vm_fault_t wp_page_copy(struct vm_fault *vmf)
{
	struct folio *old = vmf->page ? page_folio(vmf->page) : NULL;
	struct folio *copy;

	if (unlikely(anon_vma_prepare(vmf->vma)))
		goto out_oom;
	copy = folio_prealloc(!old);
	if (unlikely(!copy))
		goto out_oom;
	if (old)
		copy_page(folio_address(copy), page_address(vmf->page));
	if (!wp_install_copy(vmf, old, copy))
		folio_put(copy);
	else if (old)
		folio_put(old);
	if (old)
		folio_put(old);
	return 0;

out_oom:
	if (old)
		folio_put(old);
	return VM_FAULT_OOM;
}

/* A page of a shared mapping whose file wants to hear of the first write. => ptl held, dropped */
static vm_fault_t wp_page_shared(struct vm_fault *vmf)
{
	const struct vm_operations_struct *ops = vmf->vma->vm_ops;
	struct folio *folio = page_folio(vmf->page);
	vm_fault_t ret;

	if (!ops || !ops->page_mkwrite) {
		folio_set_dirty(folio);
		return wp_page_reuse(vmf);
	}
	folio_get(folio);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	ret = ops->page_mkwrite(vmf);
	if (!(ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE))) {
		folio_set_dirty(folio);
		if (vmf_lock_pte(vmf)) {
			if (!vmf_pte_changed(vmf))
				wp_page_reuse(vmf);
			else
				pte_unmap_unlock(vmf->pte, vmf->ptl);
		}
		folio_unlock(folio);
		ret = 0;
	}
	folio_put(folio);
	return ret;
}

/*
 * A write (or an unshare request, COW-12) to a present read-only PTE.
 * => ptl held on entry, dropped
 */
static __gdb_stop vm_fault_t do_wp_page(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct page *page = vm_normal_page(vma, vmf->address, vmf->orig_pte);
	struct folio *folio = page ? page_folio(page) : NULL;

	vmf->page = page;
	if (vma->vm_flags & (VM_SHARED | VM_MAYSHARE))
		return folio ? wp_page_shared(vmf) : wp_page_reuse(vmf);
	/* COW-7: first the flag, then the references; else copy. */
	if (folio && folio_test_anon(folio) &&
	    (PageAnonExclusive(page) || wp_can_reuse_anon_folio(folio, vma))) {
		if (!PageAnonExclusive(page))
			SetPageAnonExclusive(page);
		if (unlikely(vmf->flags & FAULT_FLAG_UNSHARE)) {
			pte_unmap_unlock(vmf->pte, vmf->ptl);
			return 0;
		}
		return wp_page_reuse(vmf);
	}
	if (folio)
		folio_get(folio);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return wp_page_copy(vmf);
}

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

static vm_fault_t handle_pte_fault(struct vm_fault *vmf)
{
	pmd_t pmd = pmdp_get(vmf->pmd);

	vmf->pte = pmd_table(pmd) ? pte_offset_kernel(pmd, vmf->address) : NULL;
	vmf->orig_pte = vmf->pte ? ptep_get(vmf->pte) : __pte(0);
	if (pte_none(vmf->orig_pte)) {
		vmf->pte = NULL;
		return vma_is_anonymous(vmf->vma) ? do_anonymous_page(vmf) : do_fault(vmf);
	}
	KASSERT(pte_present(vmf->orig_pte), "FLT-3");
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

	vmf.pmd = walk_to_pmd_alloc(vma->vm_mm, address);
	if (unlikely(!vmf.pmd))
		return VM_FAULT_OOM;
	return handle_pte_fault(&vmf);
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

/* Work for an OOM victim that the reaper has been through must not see zeroes where its data was (RCL-33). */
static inline bool mm_was_reaped(struct mm_struct *mm)
{
	return unlikely(test_bit(MMF_OOM_REAPED, &mm->flags));
}

__gdb_stop vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long address, unsigned int flags,
				      struct pt_regs *regs)
{
	struct mm_struct *mm = vma->vm_mm;
	vm_fault_t ret;

	concurrency_enter(IN_FAULT, mm);
	ret = __handle_mm_fault(vma, address, flags);
	concurrency_exit(IN_FAULT);
	if (mm_was_reaped(mm) && !(ret & (VM_FAULT_RETRY | VM_FAULT_ERROR)))
		ret = VM_FAULT_SIGBUS;
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

/* ---- fork: copying page tables ---- */

/* State of one copy; walk->private. */
struct copy {
	struct vm_area_struct *dst, *src;
	struct folio *prealloc;		/* for one early copy of a pinned page */
	long rss[NR_MM_COUNTERS];
};

/* COW-22: the child gets its own copy now. -EAGAIN: no page for it at hand. => both ptls held */
static int copy_present_page(struct copy *c, pte_t *dst_pte, struct page *page, unsigned long addr)
{
	struct folio *copy = c->prealloc;
	pte_t entry;

	if (!copy)
		return -EAGAIN;
	c->prealloc = NULL;
	copy_page(folio_address(copy), page_address(page));
	folio_add_new_anon_rmap(copy, c->dst, addr, RMAP_EXCLUSIVE);
	lru_cache_add(copy);
	c->rss[MM_ANONPAGES]++;
	entry = pfn_pte(folio_pfn(copy), c->dst->vm_page_prot);
	set_pte(dst_pte, maybe_mkwrite(pte_mkdirty(entry), c->dst));
	return 0;
}

/*
 * One PTE: count the second mapping, take the write permission from both, age the child's (COW-21).
 * => both ptls held
 */
static int copy_present_pte(struct copy *c, pte_t *dst_pte, pte_t *src_pte, pte_t pte, unsigned long addr)
{
	struct page *page = vm_normal_page(c->src, addr, pte);

	if (page) {
		struct folio *folio = page_folio(page);

		folio_get(folio);
		if (!folio_test_anon(folio)) {
			folio_dup_file_rmap_pte(folio, page, c->dst);
			c->rss[mm_counter_file(folio)]++;
		} else if (unlikely(folio_try_dup_anon_rmap_pte(folio, page, c->dst, c->src))) {
			folio_put(folio);
			return copy_present_page(c, dst_pte, page, addr);
		} else {
			c->rss[MM_ANONPAGES]++;
		}
	}
	if (is_cow_mapping(c->src->vm_flags) && pte_write(pte)) {
		ptep_set_wrprotect(src_pte);
		pte = pte_wrprotect(pte);
	}
	if (c->src->vm_flags & VM_SHARED)
		pte = pte_mkclean(pte);
	set_pte(dst_pte, pte_mkold(pte));
	return 0;
}

/*
 * Copy PTEs from *ADDR on until END, or until somebody wants the CPU; *ADDR says how far. -EAGAIN: needs
 * c->prealloc.
 */
static int copy_some_ptes(struct copy *c, pmd_t *dst_pmd, pmd_t *src_pmd, unsigned long *addr,
			  unsigned long end)
{
	pte_t *dst_pte, *src_pte, *dst_first, *src_first;
	spinlock_t *dst_ptl, *src_ptl;
	int err = 0;

	/* LOCK-12: the child's table, then the parent's. Nobody else knows the child yet. */
	dst_first = dst_pte = pte_offset_map_lock(c->dst->vm_mm, dst_pmd, *addr, &dst_ptl);
	if (!dst_pte)
		return -ENOMEM;
	src_first = src_pte = pte_offset_map_lock_nested(src_pmd, *addr, &src_ptl);
	if (!src_pte) {
		pte_unmap_unlock(dst_first, dst_ptl);
		*addr = end;
		return 0;
	}
	for (; *addr < end; dst_pte++, src_pte++, *addr += PAGE_SIZE) {
		pte_t pte = ptep_get(src_pte);

		if (pte_none(pte))
			continue;
		if (unlikely(need_resched()))
			break;
		err = copy_present_pte(c, dst_pte, src_pte, pte, *addr);
		if (unlikely(err))
			break;
	}
	for (int i = 0; i < NR_MM_COUNTERS; i++) {
		if (c->rss[i])
			add_mm_counter(c->dst->vm_mm, i, c->rss[i]);
		c->rss[i] = 0;
	}
	pte_unmap_unlock(src_first, src_ptl);
	pte_unmap_unlock(dst_first, dst_ptl);
	return err;
}

static int copy_pte_range(pmd_t *src_pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct copy *c = walk->private;
	struct mm_struct *mm = c->dst->vm_mm;
	pmd_t *dst_pmd = walk_to_pmd_alloc(mm, addr);
	int err;

	if (!dst_pmd || pte_alloc(mm, dst_pmd))
		return -ENOMEM;
	while (addr < end) {
		err = copy_some_ptes(c, dst_pmd, src_pmd, &addr, end);
		if (err == -EAGAIN) {
			c->prealloc = folio_prealloc(false);
			err = c->prealloc ? 0 : -ENOMEM;
		}
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

__gdb_stop int copy_page_range(struct vm_area_struct *dst, struct vm_area_struct *src)
{
	struct copy c = { .dst = dst, .src = src };
	struct mm_walk walk = { .pmd_entry = copy_pte_range, .vma = src, .private = &c };
	int err;

	/* COW-25: what faults can bring back is not copied. */
	if (!src->anon_vma)
		return 0;
	raw_write_seqcount_begin(&src->vm_mm->write_protect_seq);
	err = walk_page_range(src->vm_mm, src->vm_start, src->vm_end, &walk);
	raw_write_seqcount_end(&src->vm_mm->write_protect_seq);
	if (c.prealloc)
		folio_put(c.prealloc);
	return err;
}
