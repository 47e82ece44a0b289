/*
 * mm/file_fault.c - the first touch of a page of a file mapping.
 *
 *	do_fault ─┬─ do_read_fault    map the cached page, and neighbours that cost nothing
 *	          ├─ do_cow_fault     private write: a copy of it
 *	          └─ do_shared_fault  shared write: the page itself
 *
 * The file brings the page (vm_ops->fault); here it is put into the table. Not here: shmem.c, the one file
 * type. Linux: mm/memory.c and mm/filemap.c; the functions bear its names.
 */
#include "mm/fault.h"
#include "kernel/fs/fs.h"
#include "mm/oom.h"

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

/* What VMA's process had written here was taken away: the file must not show through (RCL-33). => ptl held */
static bool private_of_victim(const struct vm_area_struct *vma)
{
	return !(vma->vm_flags & VM_SHARED) && check_stable_address_space(vma->vm_mm);
}

/*
 * Map vmf->cow_page (a private copy) or vmf->page. Consumes the reference of the page mapped; 0. Or with nothing
 * consumed NOPAGE: somebody else filled the PTE; or SIGBUS (RCL-33).
 */
static vm_fault_t finish_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	bool write = vmf->flags & FAULT_FLAG_WRITE;

	if (!vmf_lock_pte(vmf))
		return VM_FAULT_NOPAGE;
	if (unlikely(private_of_victim(vma))) {
		pte_unmap_unlock(vmf->pte, vmf->ptl);
		return VM_FAULT_SIGBUS;
	}
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
 * References on the folios of [START, END] that can be mapped at once,
 * each locked, into PAGES (by index - START).
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
	if (!vmf_lock_pte(vmf)) {
		ret = VM_FAULT_NOPAGE;
	} else if (unlikely(private_of_victim(vmf->vma))) {
		pte_unmap_unlock(vmf->pte, vmf->ptl);
		vmf->pte = NULL;
		ret = VM_FAULT_SIGBUS;
	}
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
	vm_fault_t ret, err;

	if (vmf->vma->vm_ops->map_pages) {
		ret = do_fault_around(vmf);
		if (ret)
			return ret & ~VM_FAULT_NOPAGE;
	}
	ret = __do_fault(vmf);
	if (unlikely(!(ret & VM_FAULT_LOCKED)))
		return ret;
	err = finish_fault(vmf);
	if (err)
		folio_put(page_folio(vmf->page));
	folio_unlock(page_folio(vmf->page));
	return (ret & ~VM_FAULT_LOCKED) | (err & VM_FAULT_ERROR);
}

/* A private mapping is written before it was read: the copy is made straight from the page cache. */
static vm_fault_t do_cow_fault(struct vm_fault *vmf)
{
	struct folio *copy;
	vm_fault_t ret, err;

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
	err = finish_fault(vmf);
	if (err)
		folio_put(copy);
	folio_unlock(page_folio(vmf->page));
	put_page(vmf->page);
	return (ret & ~VM_FAULT_LOCKED) | (err & VM_FAULT_ERROR);
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

__gdb_stop vm_fault_t do_fault(struct vm_fault *vmf)
{
	if (!vmf->vma->vm_ops->fault)
		return VM_FAULT_SIGBUS;
	if (!(vmf->flags & FAULT_FLAG_WRITE))
		return do_read_fault(vmf);
	if (!(vmf->vma->vm_flags & VM_SHARED))
		return do_cow_fault(vmf);
	return do_shared_fault(vmf);
}
