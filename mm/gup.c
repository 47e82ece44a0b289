/*
 * mm/gup.c - getting user pages: references on the frames behind user addresses.
 *
 *	get_user_pages_fast   own mm: lockless, interrupts off; what it does not get ──┐
 *	get_user_pages_remote any mm, mmap lock held ─────────────────────────────┴─> __get_user_pages:
 *	                                                                              follow_pages, or a fault
 *
 * Two kinds of holding on (PIN-1): GET raises the reference count and promises only that the frame stays
 * allocated; PIN can be told apart by others and promises that the frame stays the process's page, so it
 * wants an exclusive one (PIN-5) and makes fork copy early (COW-22).
 *
 *	               small folio           large folio, for each page       zero page, small or huge (PIN-3)
 *	GET            references + 1        references + 1                   references + 1
 *	PIN            references + 1024     references + 1, pin count + 1    references + 1
 *
 * The fast walk takes no lock. Interrupts off keep tables from being freed (LOCK-7). A racing unmap, fork or
 * collapse is noticed because the entry, and the PMD above it, is read again after the reference was taken
 * (PIN-7).
 *
 * Not here: device memory, file systems that must hear of each write, moving pages before they are pinned for
 * long. Linux: mm/gup.c.
 */
#include "arch-x86_64/irqflags.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/pause.h"
#include "mm/huge_memory.h"
#include "mm/lru.h"
#include "mm/rmap.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

/* ---- Taking and dropping ---- */

static bool is_any_zero_folio(struct folio *folio)
{
	return &folio->page == zero_page || is_huge_zero_folio(folio);
}

/* NR pages of FOLIO, of which the caller has NR references already, become pinned. */
static void references_to_pins(struct folio *folio, int nr)
{
	if (is_any_zero_folio(folio))
		return;
	if (folio_test_large(folio))
		atomic_add(nr, &folio->_pincount);
	else
		folio_ref_add(folio, nr * (GUP_PIN_COUNTING_BIAS - 1));
	mod_node_page_state(NR_FOLL_PIN_ACQUIRED, nr);
}

/* NR pages of FOLIO are held the way FLAGS say: no longer. */
static void ungrab_folio(struct folio *folio, int nr, unsigned int flags)
{
	int refs = nr;

	if ((flags & FOLL_PIN) && !is_any_zero_folio(folio)) {
		mod_node_page_state(NR_FOLL_PIN_RELEASED, nr);
		if (folio_test_large(folio))
			atomic_sub(nr, &folio->_pincount);
		else
			refs *= GUP_PIN_COUNTING_BIAS;
	}
	folio_put_refs(folio, refs);
}

/* How many of the NR PAGES, from the first on, lie in one folio. */
static int same_folio_run(struct page **pages, int nr)
{
	struct folio *folio = page_folio(pages[0]);
	int run = 1;

	while (run < nr && page_folio(pages[run]) == folio)
		run++;
	return run;
}

/* Hold NR PAGES of MM the way FLAGS say. Somebody's reference (an entry under its lock) keeps them so far. */
static void grab_pages(struct mm_struct *mm, struct page **pages, int nr, unsigned int flags)
{
	int run;

	if ((flags & FOLL_PIN) && !atomic_read(&mm->has_pinned))
		atomic_set(&mm->has_pinned, 1);
	for (; nr > 0; pages += run, nr -= run) {
		run = same_folio_run(pages, nr);
		folio_ref_add(page_folio(pages[0]), run);
		if (flags & FOLL_PIN)
			references_to_pins(page_folio(pages[0]), run);
	}
}

static void ungrab_pages(struct page **pages, int nr, unsigned int flags)
{
	int run;

	for (; nr > 0; pages += run, nr -= run) {
		run = same_folio_run(pages, nr);
		ungrab_folio(page_folio(pages[0]), run, flags);
	}
}

void unpin_user_page(struct page *page)
{
	ungrab_folio(page_folio(page), 1, FOLL_PIN);
}

void unpin_user_pages(struct page **pages, int nr)
{
	ungrab_pages(pages, nr, FOLL_PIN);
}

/*
 * PIN-5: a read-only pin of a page that is not exclusive must first get the process a page of its own. PAGE
 * is the head if a PMD maps it (COW-1). VMA is NULL in the fast walk, which then errs on the safe side.
 */
static bool gup_must_unshare(struct vm_area_struct *vma, unsigned int flags, struct page *page)
{
	struct folio *folio = page_folio(page);

	if ((flags & (FOLL_WRITE | FOLL_PIN)) != FOLL_PIN)
		return false;
	if (is_any_zero_folio(folio) || !folio_test_anon(folio))
		return (flags & FOLL_LONGTERM) && (!vma || is_cow_mapping(vma->vm_flags));
	return !PageAnonExclusive(page);
}

/* ---- Slow: under the mmap lock ---- */

/*
 * May an entry that maps PAGE (the head, for a PMD; NULL: the zero page) be followed to write? A forced write
 * may use a read-only one only if the page is this process's own copy.
 */
static bool can_follow_write(bool writable, struct page *page, struct vm_area_struct *vma, unsigned int flags)
{
	if (writable)
		return true;
	if (!(flags & FOLL_FORCE) || (vma->vm_flags & (VM_WRITE | VM_SHARED | VM_MAYSHARE)))
		return false;
	return page && folio_test_anon(page_folio(page)) && PageAnonExclusive(page);
}

/*
 * The rules for one present entry that maps PAGE, WRITABLE or not: 0: take it; -EAGAIN: fault first; -EMLINK:
 * unshare first. => the entry's lock held
 */
static int may_follow(struct vm_area_struct *vma, struct page *page, bool writable, unsigned int flags)
{
	struct folio *folio = page_folio(page);
	bool zero = is_any_zero_folio(folio);

	if ((flags & FOLL_WRITE) && !can_follow_write(writable, zero ? NULL : page, vma, flags))
		return -EAGAIN;
	if (!writable && gup_must_unshare(vma, flags, page))
		return -EMLINK;
	KASSERT(!(flags & FOLL_PIN) || zero || !folio_test_anon(folio) || PageAnonExclusive(page), "PIN-5");
	return 0;
}

/* What is written through the page no CPU notes in the entry. */
static void note_write(struct page *page, bool dirty, unsigned int flags)
{
	struct folio *folio = page_folio(page);

	if ((flags & FOLL_WRITE) && !dirty && !folio_test_dirty(folio))
		folio_set_dirty(folio);
}

/*
 * Up to NR pages of the huge PMD from ADDR on; *LOOK_AGAIN: it is none any more. As follow_ptes.
 */
static long follow_huge_pmd(struct vm_area_struct *vma, unsigned long addr, pmd_t *pmdp, int nr,
			    unsigned int flags, struct page **pages, bool *look_again)
{
	spinlock_t *ptl = pmd_trans_huge_lock(pmdp, vma);
	struct page *head;
	pmd_t pmd;
	int err;

	*look_again = !ptl;
	if (!ptl)
		return 0;
	pmd = pmdp_get(pmdp);
	head = pfn_to_page(pmd_pfn(pmd));
	err = may_follow(vma, head, pmd_write(pmd), flags);
	if (!err) {
		nr = min(nr, HPAGE_PMD_NR - (int)pte_index(addr));
		note_write(head, pmd_dirty(pmd), flags);
		for (int i = 0; pages && i < nr; i++)
			pages[i] = head + pte_index(addr) + i;
		if (pages)
			grab_pages(vma->vm_mm, pages, nr, flags);
	}
	spin_unlock(ptl);
	return err ? err : nr;
}

/* The page of one PTE, or NULL: fault first; -EMLINK: unshare first; -EFAULT. => ptl held */
static struct page *follow_pte(struct vm_area_struct *vma, unsigned long addr, pte_t pte, unsigned int flags)
{
	struct page *page;
	int err;

	/* A migration entry: the fault waits until it is gone (MIG-5). */
	if (!pte_present(pte))
		return NULL;
	page = vm_normal_page(vma, addr, pte);
	if (!page && !is_zero_pfn(pte_pfn(pte)))
		return ERR_PTR(-EFAULT);
	if (!page)
		page = zero_page;
	err = may_follow(vma, page, pte_write(pte), flags);
	if (err)
		return err == -EAGAIN ? NULL : ERR_PTR(err);
	note_write(page, pte_dirty(pte), flags);
	return page;
}

/*
 * Up to NR pages from ADDR on, of one table, grabbed (with PAGES NULL: only looked at). How many; none:
 * -EAGAIN: fault first, -EMLINK: unshare first, -EFAULT.
 */
static long follow_ptes(struct vm_area_struct *vma, unsigned long addr, pmd_t *pmd, int nr,
			unsigned int flags, struct page **pages)
{
	struct page *page = NULL;
	spinlock_t *ptl;
	pte_t *ptep = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	int i;

	if (!ptep)
		return -EAGAIN;
	nr = min(nr, PTRS_PER_TABLE - (int)pte_index(addr));
	for (i = 0; i < nr; i++) {
		page = follow_pte(vma, addr + ((unsigned long)i << PAGE_SHIFT), ptep_get(ptep + i), flags);
		if (IS_ERR_OR_NULL(page))
			break;
		if (pages)
			pages[i] = page;
	}
	if (pages)
		grab_pages(vma->vm_mm, pages, i, flags);
	pte_unmap_unlock(ptep, ptl);
	if (i)
		return i;
	return page ? PTR_ERR(page) : -EAGAIN;
}

/* The same below one PMD, whatever it is. */
static long follow_pages(struct vm_area_struct *vma, unsigned long addr, int nr, unsigned int flags,
			 struct page **pages)
{
	pmd_t *pmdp = mm_find_pmd(vma->vm_mm, addr);
	bool look_again;
	long got;

	if (!pmdp || pmd_none(pmdp_get(pmdp)))
		return -EAGAIN;
	if (pmd_trans_huge(pmdp_get(pmdp))) {
		got = follow_huge_pmd(vma, addr, pmdp, nr, flags, pages, &look_again);
		if (!look_again)
			return got;
	}
	return follow_ptes(vma, addr, pmdp, nr, flags, pages);
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

/*
 * One page or more of VMA from ADDR on, at most NR, by as many faults as the first one takes. -EAGAIN: the
 * lock was dropped.
 */
static long get_some_pages(struct vm_area_struct *vma, unsigned long addr, unsigned long nr,
			   unsigned int flags, struct page **pages, int *locked)
{
	long got;
	int err;

	nr = min(nr, (vma->vm_end - addr) >> PAGE_SHIFT);
	nr = min_t(unsigned long, nr, HPAGE_PMD_NR);
	for (;;) {
		if (fatal_signal_pending(current))
			return -EINTR;
		got = follow_pages(vma, addr, (int)nr, flags, pages);
		if (got != -EAGAIN && got != -EMLINK)
			return got;
		err = faultin_page(vma, addr, flags, got == -EMLINK, locked);
		if (err)
			return err;
		pause_point("gup_faulted");
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
	unsigned long done = 0;
	long got;

	while (done < nr) {
		unsigned long addr = start + (done << PAGE_SHIFT);

		if (!vma || addr >= vma->vm_end) {
			vma = vma_lookup(mm, addr);
			got = vma ? check_vma_flags(vma, flags) : -EFAULT;
			if (got)
				return done ? (long)done : got;
		}
		got = get_some_pages(vma, addr, nr - done, flags, pages ? pages + done : NULL, locked);
		if (got < 0)
			return done ? (long)done : got;
		done += (unsigned long)got;
	}
	return (long)done;
}

/* The same, taking the lock again where it was dropped. *LOCKED is 1 at the end unless a signal came. */
static long gup_retry(struct mm_struct *mm, unsigned long start, unsigned long nr, unsigned int flags,
		      struct page **pages, int *locked)
{
	unsigned long done = 0;
	long got;

	for (;;) {
		got = __get_user_pages(mm, start + (done << PAGE_SHIFT), nr - done, flags,
				       pages ? pages + done : NULL, locked);
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

/*
 * NR references (or pins) of the folio of PAGE, or NULL: it is free, or PAGE is not part of it any more. With
 * a reference the folio can neither go nor be split. PIN-7 B3.
 */
static struct folio *try_grab_folio(struct page *page, int nr, unsigned int flags)
{
	struct folio *folio = page_folio(page);

	if (!atomic_add_unless(&folio->_refcount, nr, 0))
		return NULL;
	if (unlikely(page_folio(page) != folio)) {
		folio_put_refs(folio, nr);
		return NULL;
	}
	if (flags & FOLL_PIN)
		references_to_pins(folio, nr);
	return folio;
}

/* PIN-7, between B1 and B3. */
static inline void after_b1(void)
{
	pause_spin("gup_fast_b1");
}

/* One PTE of the table that *PMDP named as PMD. NULL: leave it to the slow path. => interrupts off */
static struct page *gup_fast_pte(pmd_t *pmdp, pmd_t pmd, pte_t *ptep, unsigned int flags)
{
	pte_t pte = ptep_get(ptep);			/* B1 */
	struct folio *folio;
	struct page *page;

	/* B2 */
	if (!(pte.v & _PAGE_PRESENT) || pte_special(pte) || ((flags & FOLL_WRITE) && !pte_write(pte)))
		return NULL;
	after_b1();
	page = pfn_to_page(pte_pfn(pte));
	folio = try_grab_folio(page, 1, flags);	/* B3 */
	if (!folio)
		return NULL;
	/* B4: what we read may have been on its way out; B5: and read-only pins want exclusive pages. */
	if (pmd_same(pmdp_get(pmdp), pmd) && pte_same(ptep_get(ptep), pte) &&
	    (pte_write(pte) || !gup_must_unshare(NULL, flags, page)))
		return page;
	ungrab_folio(folio, 1, flags);
	return NULL;
}

/* Up to NR pages from START on of the table that *PMDP named as PMD. => interrupts off */
static int gup_fast_ptes(pmd_t *pmdp, pmd_t pmd, unsigned long start, int nr, unsigned int flags,
			 struct page **pages)
{
	pte_t *ptep = pte_offset_kernel(pmd, start);
	int i;

	for (i = 0; i < nr; i++) {
		pages[i] = gup_fast_pte(pmdp, pmd, ptep + i, flags);
		if (!pages[i])
			break;
	}
	return i;
}

/* Up to NR pages from START on of the huge PMD that *PMDP was; all or none. => interrupts off */
static int gup_fast_huge_pmd(pmd_t *pmdp, pmd_t pmd, unsigned long start, int nr, unsigned int flags,
			     struct page **pages)
{
	struct page *head = pfn_to_page(pmd_pfn(pmd));
	struct folio *folio;

	/* B2. Not present: it is being split. The slow path knows the rules of the zero page. */
	if (!(pmd.v & _PAGE_PRESENT) || is_huge_zero_pmd(pmd) || ((flags & FOLL_WRITE) && !pmd_write(pmd)))
		return 0;
	after_b1();
	folio = try_grab_folio(head, nr, flags);	/* B3 */
	if (!folio)
		return 0;
	if (!pmd_same(pmdp_get(pmdp), pmd) ||		/* B4, B5 */
	    (!pmd_write(pmd) && gup_must_unshare(NULL, flags, head))) {
		ungrab_folio(folio, nr, flags);
		return 0;
	}
	for (int i = 0; i < nr; i++)
		pages[i] = head + pte_index(start) + i;
	return nr;
}

/* => interrupts off, own mm. Returns how many pages from START on were got. */
static int gup_fast_walk(unsigned long start, int nr, unsigned int flags, struct page **pages)
{
	struct mm_struct *mm = current->mm;
	int done = 0, part, got;

	while (done < nr) {
		pmd_t *pmdp = mm_find_pmd(mm, start), pmd;

		if (!pmdp)
			break;
		pmd = pmdp_get(pmdp);
		part = min(nr - done, PTRS_PER_TABLE - (int)pte_index(start));
		if (pmd_trans_huge(pmd))
			got = gup_fast_huge_pmd(pmdp, pmd, start, part, flags, pages + done);
		else if (pmd_table(pmd))
			got = gup_fast_ptes(pmdp, pmd, start, part, flags, pages + done);
		else
			got = 0;
		done += got;
		if (got < part)
			break;
		start += (unsigned long)part << PAGE_SHIFT;
	}
	return done;
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
		ungrab_pages(pages, got, flags);
		got = 0;
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
static unsigned int populate_flags(const struct vm_area_struct *vma)
{
	unsigned int flags = 0;

	if ((vma->vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE)
		flags |= FOLL_WRITE;
	if (vma->vm_flags & VM_ACCESS_FLAGS)
		flags |= FOLL_FORCE;
	return flags;
}

static int populate_vma(struct vm_area_struct *vma, unsigned long start, unsigned long end, int *locked)
{
	int err;

	if (vma->vm_flags & VM_LOCKONFAULT)
		return 0;
	err = faultin_page_range(vma, start, end, populate_flags(vma), locked);
	return err == -EINVAL ? -EFAULT : err;
}

void populate_locked_range(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	if (!(vma->vm_flags & VM_LOCKONFAULT))
		__get_user_pages(vma->vm_mm, start, (end - start) >> PAGE_SHIFT, populate_flags(vma), NULL, NULL);
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
