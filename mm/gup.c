/*
 * mm/gup.c - getting user pages: references on the frames behind user addresses.
 *
 *	get_user_pages_fast   own mm: lockless, interrupts off; what it does not get ──┐
 *	get_user_pages_remote any mm, mmap lock held ─────────────────────────────┴─> __get_user_pages:
 *	                                                                              follow_page, or a fault
 *
 * Two kinds of holding on (PIN-1): GET raises the reference count and promises only that the frame stays
 * allocated; PIN can be told apart by others and promises that the frame stays the process's page, so it
 * wants an exclusive one (PIN-5) and makes fork copy early (COW-22).
 *
 * The fast walk takes no lock. Interrupts off keep tables from being freed (LOCK-7). A racing unmap or fork
 * is noticed because the entry is read again after the reference was taken (PIN-7). Linux: mm/gup.c.
 */
#include "arch-x86_64/irqflags.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "mm/lru.h"
#include "mm/rmap.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

/* ---- Taking and dropping ---- */

/* Count PAGE as held the way FLAGS say. Somebody's reference (a PTE under its lock) keeps it meanwhile. */
static void grab_page(struct mm_struct *mm, struct page *page, unsigned int flags)
{
	struct folio *folio = page_folio(page);

	if (!(flags & FOLL_PIN) || page == zero_page) {		/* PIN-3 */
		folio_get(folio);
		return;
	}
	if (!atomic_read(&mm->has_pinned))
		atomic_set(&mm->has_pinned, 1);
	if (folio_test_large(folio)) {
		folio_get(folio);
		atomic_inc(&folio->_pincount);
	} else {
		folio_ref_add(folio, GUP_PIN_COUNTING_BIAS);
	}
	mod_node_page_state(NR_FOLL_PIN_ACQUIRED, 1);
}

void unpin_user_page(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (page == zero_page) {
		folio_put(folio);
		return;
	}
	mod_node_page_state(NR_FOLL_PIN_RELEASED, 1);
	if (folio_test_large(folio)) {
		atomic_dec(&folio->_pincount);
		folio_put(folio);
	} else {
		folio_put_refs(folio, GUP_PIN_COUNTING_BIAS);
	}
}

static void ungrab_page(struct page *page, unsigned int flags)
{
	if (flags & FOLL_PIN)
		unpin_user_page(page);
	else
		put_page(page);
}

/*
 * PIN-5: a read-only pin of a page that is not exclusive must first get the process a page of its own. VMA
 * is NULL in the fast walk, which then errs on the safe side.
 */
static bool gup_must_unshare(struct vm_area_struct *vma, unsigned int flags, struct page *page)
{
	if ((flags & (FOLL_WRITE | FOLL_PIN)) != FOLL_PIN)
		return false;
	if (page == zero_page || !folio_test_anon(page_folio(page)))
		return (flags & FOLL_LONGTERM) && (!vma || is_cow_mapping(vma->vm_flags));
	return !PageAnonExclusive(page);
}

/* ---- Slow: under the mmap lock ---- */

/* A forced write may use a read-only PTE only if the page is this process's own copy. */
static bool can_follow_write(pte_t pte, struct page *page, struct vm_area_struct *vma, unsigned int flags)
{
	if (pte_write(pte))
		return true;
	if (!(flags & FOLL_FORCE) || (vma->vm_flags & (VM_WRITE | VM_SHARED | VM_MAYSHARE)))
		return false;
	return page && folio_test_anon(page_folio(page)) && PageAnonExclusive(page);
}

/* Decide about one present PTE: its page, grabbed, NULL: fault first, -EMLINK: unshare first. => ptl held */
static struct page *follow_present_pte(struct vm_area_struct *vma, unsigned long addr, pte_t pte,
				       unsigned int flags)
{
	struct page *page = vm_normal_page(vma, addr, pte);

	if ((flags & FOLL_WRITE) && !can_follow_write(pte, page, vma, flags))
		return NULL;
	if (!page) {
		if (!is_zero_pfn(pte_pfn(pte)))
			return ERR_PTR(-EFAULT);
		page = zero_page;
	}
	if (gup_must_unshare(vma, flags, page))
		return ERR_PTR(-EMLINK);
	KASSERT((flags & (FOLL_PIN | FOLL_WRITE)) != (FOLL_PIN | FOLL_WRITE) ||
		!folio_test_anon(page_folio(page)) ||
		PageAnonExclusive(page), "PIN-5");
	if (flags & (FOLL_GET | FOLL_PIN))
		grab_page(vma->vm_mm, page, flags);
	return page;
}

static struct page *follow_page(struct vm_area_struct *vma, unsigned long addr, unsigned int flags)
{
	pmd_t *pmd = mm_find_pmd(vma->vm_mm, addr);
	struct page *page = NULL;
	spinlock_t *ptl;
	pte_t *ptep, pte;

	if (!pmd || pmd_none(pmdp_get(pmd)))
		return NULL;
	ptep = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	if (!ptep)
		return NULL;
	pte = ptep_get(ptep);
	if (pte_present(pte))
		page = follow_present_pte(vma, addr, pte, flags);
	pte_unmap_unlock(ptep, ptl);
	return page;
}

/* 0: look again. -EAGAIN: the lock was dropped (*LOCKED = 0). Other errors are the caller's result. */
static int faultin_page(struct vm_area_struct *vma, unsigned long addr, unsigned int flags, bool unshare,
			int *locked)
{
	unsigned int fault_flags = FAULT_FLAG_REMOTE;
	vm_fault_t ret;

	fault_flags |= flags & FOLL_WRITE ? FAULT_FLAG_WRITE : 0;
	fault_flags |= unshare ? FAULT_FLAG_UNSHARE : 0;
	fault_flags |= locked ? FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE : 0;
	ret = handle_mm_fault(vma, addr, fault_flags, NULL);
	if (ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)) {
		*locked = 0;
		return -EAGAIN;
	}
	if (ret & VM_FAULT_OOM)
		return -ENOMEM;
	return ret & VM_FAULT_ERROR ? -EFAULT : 0;
}

static int check_vma_flags(struct vm_area_struct *vma, unsigned int flags)
{
	if (vma->vm_flags & (VM_IO | VM_PFNMAP))
		return -EFAULT;
	if (flags & FOLL_WRITE) {
		if (!(vma->vm_flags & VM_WRITE) && !((flags & FOLL_FORCE) && is_cow_mapping(vma->vm_flags)))
			return -EFAULT;
	} else if (!(vma->vm_flags & VM_READ)) {
		if (!(flags & FOLL_FORCE) || !(vma->vm_flags & VM_MAYREAD))
			return -EFAULT;
	}
	return 0;
}

/* One page, by as many faults as it takes. ERR_PTR(-EAGAIN): the lock was dropped. */
static struct page *get_one_page(struct vm_area_struct *vma, unsigned long addr, unsigned int flags,
				 int *locked)
{
	struct page *page;
	int err;

	for (;;) {
		if (fatal_signal_pending(current))
			return ERR_PTR(-EINTR);
		page = follow_page(vma, addr, flags);
		if (page && PTR_ERR(page) != -EMLINK)
			return page;
		err = faultin_page(vma, addr, flags, page != NULL, locked);
		if (err)
			return ERR_PTR(err);
		cond_resched();
	}
}

/*
 * Pages from START on, until NR, an error, or a dropped lock (*LOCKED = 0; LOCKED NULL: it may not be
 * dropped). Returns how many, or -errno (-EAGAIN: dropped) if not one. PAGES may be NULL: fault in only.
 */
static long __get_user_pages(struct mm_struct *mm, unsigned long start, unsigned long nr, unsigned int flags,
			     struct page **pages, int *locked)
{
	struct vm_area_struct *vma = NULL;
	struct page *page;
	long i;
	int err;

	for (i = 0; i < (long)nr; i++, start += PAGE_SIZE) {
		if (!vma || start >= vma->vm_end) {
			vma = vma_lookup(mm, start);
			err = vma ? check_vma_flags(vma, flags) : -EFAULT;
			if (err)
				return i ? i : err;
		}
		page = get_one_page(vma, start, flags, locked);
		if (IS_ERR(page))
			return i ? i : PTR_ERR(page);
		if (pages)
			pages[i] = page;
	}
	return i;
}

/* The same, taking the lock again where it was dropped. *LOCKED is 1 at the end unless a signal came. */
static long gup_retry(struct mm_struct *mm, unsigned long start, unsigned long nr, unsigned int flags,
		      struct page **pages, int *locked)
{
	unsigned long done = 0;
	long got;

	for (;;) {
		got = __get_user_pages(mm, start + (done << PAGE_SHIFT), nr - done, flags,
				       pages ? pages + done : NULL,
				       locked);
		if (got > 0)
			done += (unsigned long)got;
		if (done == nr || (*locked && got <= 0))
			break;
		if (!*locked) {
			got = mmap_read_lock_killable(mm);
			if (got)
				break;
			*locked = 1;
		}
	}
	return done ? (long)done : got;
}

long get_user_pages_remote(struct mm_struct *mm, unsigned long start, unsigned long nr,
			   unsigned int gup_flags, struct page **pages, int *locked)
{
	int local = 1;
	long got;

	if (pages && !(gup_flags & (FOLL_GET | FOLL_PIN)))
		gup_flags |= FOLL_GET;
	got = gup_retry(mm, start & PAGE_MASK, nr, gup_flags, pages, locked ? locked : &local);
	if (!locked && !local)
		mmap_read_lock(mm);
	return got;
}

/* ---- Fast: no lock at all ---- */

/* A reference if the folio is alive and PAGE still part of it. PIN-7 B3. */
static struct folio *try_grab_folio(struct page *page, unsigned int flags)
{
	struct folio *folio = page_folio(page);
	int refs = (flags & FOLL_PIN) && !folio_test_large(folio) ? GUP_PIN_COUNTING_BIAS : 1;

	if (!atomic_add_unless(&folio->_refcount, refs, 0))
		return NULL;
	if (unlikely(page_folio(page) != folio)) {
		folio_put_refs(folio, refs);
		return NULL;
	}
	if (flags & FOLL_PIN) {
		if (folio_test_large(folio))
			atomic_inc(&folio->_pincount);
		mod_node_page_state(NR_FOLL_PIN_ACQUIRED, 1);
	}
	return folio;
}

/* One PTE of the table that *PMDP named as PMD. NULL: leave it to the slow path. => interrupts off */
static struct page *gup_fast_pte(pmd_t *pmdp, pmd_t pmd, pte_t *ptep, unsigned int flags)
{
	pte_t pte = ptep_get(ptep);			/* B1 */
	struct page *page;

	/* B2 */
	if (!(pte.v & _PAGE_PRESENT) || pte_special(pte) || ((flags & FOLL_WRITE) && !pte_write(pte)))
		return NULL;
	page = pfn_to_page(pte_pfn(pte));
	if (!try_grab_folio(page, flags))		/* B3 */
		return NULL;
	/* B4: what we read may have been on its way out; B5: and read-only pins want exclusive pages. */
	if (pmdp_get(pmdp).v == pmd.v && pte_same(ptep_get(ptep), pte) &&
	    (pte_write(pte) || !gup_must_unshare(NULL, flags, page)))
		return page;
	ungrab_page(page, flags);
	return NULL;
}

/* => interrupts off, own mm. Returns how many pages from START on were got. */
static int gup_fast_walk(unsigned long start, int nr, unsigned int flags, struct page **pages)
{
	struct mm_struct *mm = current->mm;
	pmd_t *pmdp = NULL, pmd = { 0 };
	int i;

	for (i = 0; i < nr; i++, start += PAGE_SIZE) {
		if (!pmdp || !(start & ~PMD_MASK)) {
			pmdp = mm_find_pmd(mm, start);
			if (!pmdp)
				break;
			pmd = pmdp_get(pmdp);
			if (!pmd_table(pmd))
				break;
		}
		pages[i] = gup_fast_pte(pmdp, pmd, pte_offset_kernel(pmd, start), flags);
		if (!pages[i])
			break;
	}
	return i;
}

static int gup_fast(unsigned long start, int nr, unsigned int flags, struct page **pages)
{
	struct mm_struct *mm = current->mm;
	unsigned int seq = raw_read_seqcount(&mm->write_protect_seq);
	unsigned long irq;
	int got;

	if (flags & FOLL_PIN) {
		/* COW-25: a fork is taking exclusivity away right now. */
		if (seq & 1)
			return 0;
		if (!atomic_read(&mm->has_pinned))
			atomic_set(&mm->has_pinned, 1);
	}
	local_irq_save(irq);
	got = gup_fast_walk(start, nr, flags, pages);
	local_irq_restore(irq);
	if ((flags & FOLL_PIN) && read_seqcount_retry(&mm->write_protect_seq, seq)) {
		while (got)
			ungrab_page(pages[--got], flags);
	}
	return got;
}

long get_user_pages_fast(unsigned long start, int nr, unsigned int gup_flags, struct page **pages)
{
	struct mm_struct *mm = current->mm;
	int done, locked = 1;
	long got;

	start &= PAGE_MASK;
	if (nr <= 0)
		return 0;
	if (start > TASK_SIZE_MAX || (unsigned long)nr > (TASK_SIZE_MAX - start) >> PAGE_SHIFT)
		return -EFAULT;
	if (!(gup_flags & FOLL_PIN))
		gup_flags |= FOLL_GET;
	done = gup_fast(start, nr, gup_flags, pages);
	if (done == nr)
		return done;
	mmap_read_lock(mm);
	got = gup_retry(mm, start + ((unsigned long)done << PAGE_SHIFT), (unsigned long)(nr - done),
			gup_flags, pages + done, &locked);
	if (locked)
		mmap_read_unlock(mm);
	if (got < 0)
		return done ? done : got;
	return done + got;
}

/* ---- Copying to and from another address space ---- */

/* At most the rest of one page. Bytes done, 0: not mapped. => mmap lock held for read */
static int access_one_page(struct mm_struct *mm, unsigned long addr, void *buf, int len, unsigned int flags)
{
	unsigned int off = addr & ~PAGE_MASK;
	int bytes = min(len, (int)(PAGE_SIZE - off));
	struct page *page;
	char *va;

	/* Like a fault from user code: an address below a stack makes it grow. */
	if (!vma_lookup(mm, addr) && !expand_stack(mm, addr))
		return 0;
	if (get_user_pages_remote(mm, addr, 1, flags | FOLL_GET, &page, NULL) != 1)
		return 0;
	va = page_address(page);
	if (flags & FOLL_WRITE) {
		memcpy(va + off, buf, (size_t)bytes);
		folio_set_dirty(page_folio(page));
	} else {
		memcpy(buf, va + off, (size_t)bytes);
	}
	put_page(page);
	return bytes;
}

int access_remote_vm(struct mm_struct *mm, unsigned long addr, void *buf, int len, unsigned int gup_flags)
{
	int done = 0, n;

	if (mmap_read_lock_killable(mm))
		return 0;
	while (done < len) {
		n = access_one_page(mm, addr + (unsigned long)done, (char *)buf + done, len - done,
				    gup_flags);
		if (!n)
			break;
		done += n;
	}
	mmap_read_unlock(mm);
	return done;
}

/* ---- Faulting in ---- */

/* => mmap lock held for read; *LOCKED = 0 if a signal came while it was dropped */
int faultin_page_range(struct vm_area_struct *vma, unsigned long start, unsigned long end, unsigned int flags,
		       int *locked)
{
	struct mm_struct *mm = vma->vm_mm;	/* VMA may be gone once the lock was dropped */
	long got, nr = (long)((end - start) >> PAGE_SHIFT);

	if (check_vma_flags(vma, flags))
		return -EINVAL;
	got = gup_retry(mm, start, (unsigned long)nr, flags, NULL, locked);
	if (got < 0)
		return (int)got;
	if (got == nr)
		return 0;
	/* It stopped in the middle: ask the page where it did for the reason. */
	if (!*locked)
		return -EINTR;
	got = gup_retry(mm, start + ((unsigned long)got << PAGE_SHIFT), 1, flags, NULL, locked);
	return got < 0 ? (int)got : 0;
}

/* How mlock and MAP_POPULATE want a VMA's pages: COW broken where it is writable (MLK-2). */
static int populate_vma(struct vm_area_struct *vma, unsigned long start, unsigned long end, int *locked)
{
	unsigned int flags = 0;
	int err;

	if (vma->vm_flags & VM_LOCKONFAULT)
		return 0;
	if ((vma->vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE)
		flags |= FOLL_WRITE;
	if (vma->vm_flags & VM_ACCESS_FLAGS)
		flags |= FOLL_FORCE;
	err = faultin_page_range(vma, start, end, flags, locked);
	return err == -EINVAL ? -EFAULT : err;
}

int __mm_populate(unsigned long start, unsigned long len, bool ignore_errors)
{
	struct mm_struct *mm = current->mm;
	unsigned long end = start + PAGE_ALIGN(len), stop;
	int err = 0, locked = 0;

	while (start < end && !err) {
		struct vm_area_struct *vma;

		if (!locked) {
			mmap_read_lock(mm);
			locked = 1;
		}
		vma = find_vma_intersection(mm, start, end);
		if (!vma)
			break;
		start = max(start, vma->vm_start);
		stop = min(end, vma->vm_end);
		if (!(vma->vm_flags & (VM_IO | VM_PFNMAP)))
			err = populate_vma(vma, start, stop, &locked);
		if (ignore_errors && err != -EINTR)
			err = 0;
		start = stop;
	}
	if (locked)
		mmap_read_unlock(mm);
	return err;
}

int mm_populate(unsigned long start, unsigned long len)
{
	return __mm_populate(start, len, true);
}
