/*
 * mm/mlock.c - mlock, mlock2, munlock, mlockall, munlockall, and the marks on folios (part 8b of the rules,
 * MLK-*).
 *
 *	mlock ──> VM_LOCKED, mmap lock for writing ──> walk: mark what is mapped ──> fault in the rest
 *	                                                  │                            └─ rmap.c marks it
 *	                                                  v
 *	folio: mlock_count 0 ──> 1: PG_mlocked, nr_mlock ──batch──> the unevictable list
 *	                   1 ──> 0: a VMA fewer ──batch──> no VMA any more? mark off, to an inactive list
 *
 * The promise is VM_LOCKED itself; marks only keep folios out of reclaim's way. mlock_count says for how many
 * VMAs a folio is marked. It changes at once, under the page-table lock of the mapping it is about. What
 * follows from it is judged when the batch of the CPU is drained, by the count as it is then: so it does not
 * matter in which order batches are drained.
 *
 * A large folio is marked only where one VMA maps it wholly (MLK-8); any part that goes takes the mark away.
 * So the count may be too low, which reclaim repairs, but not too high: every mapping that was counted ends
 * by munlock_folio.
 *
 * Linux: mm/mlock.c. Its count overlays the list links of folios that are then on no list; ours has a word of
 * its own, and the list is real.
 */
#include "mm/mlock.h"
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "kernel/task/cred.h"
#include "kernel/task/signal.h"
#include "kernel/task/syscall.h"
#include "kernel/trace/pause.h"
#include "mm/huge_memory.h"
#include "mm/lru.h"
#include "mm/rmap.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

#define MLOCK_ONFAULT 1
#define MCL_CURRENT 1
#define MCL_FUTURE 2
#define MCL_ONFAULT 4
#define VM_LOCKED_MASK (VM_LOCKED | VM_LOCKONFAULT)
#define VM_SPECIAL (VM_IO | VM_DONTEXPAND | VM_PFNMAP)

/* ---- Marks ---- */

#define MLOCK_BATCH 31

/* Folios whose count changed, each with a reference. */
struct mlock_batch { unsigned int nr; struct folio *folios[MLOCK_BATCH]; };
static DEFINE_PER_CPU(struct mlock_batch, mlock_batch);

static void set_mark(struct folio *f)
{
	long nr = (long)folio_nr_pages(f);

	if (folio_test_set_mlocked(f))
		return;
	mod_node_page_state(NR_MLOCK, nr);
	count_vm_events(UNEVICTABLE_PGMLOCKED, nr);
}

static void clear_mark(struct folio *f, enum vm_event_item why)
{
	long nr = (long)folio_nr_pages(f);

	if (!folio_test_clear_mlocked(f))
		return;
	mod_node_page_state(NR_MLOCK, -nr);
	count_vm_events(why, nr);
}

/* F gets the mark and the list that its count asks for. => lru_lock held */
static void judge(struct folio *f)
{
	bool stranded = folio_test_unevictable(f) && !folio_test_lru(f);

	if (!atomic_read(&f->mlock_count))
		clear_mark(f, stranded ? UNEVICTABLE_PGSTRANDED : UNEVICTABLE_PGMUNLOCKED);
	/* mlock_folio may have counted in between, and found the mark still there. */
	smp_mb();
	if (atomic_read(&f->mlock_count))
		set_mark(f);
	lru_judge_mlocked(f);
}

static void flush_batch(struct mlock_batch *b)
{
	unsigned long flags;

	if (!b->nr)
		return;
	spin_lock_irqsave(&lru_lock, flags);
	for (unsigned int i = 0; i < b->nr; i++)
		judge(b->folios[i]);
	spin_unlock_irqrestore(&lru_lock, flags);
	for (unsigned int i = 0; i < b->nr; i++)
		folio_put(b->folios[i]);
	b->nr = 0;
}

void mlock_drain_local(void)
{
	unsigned long flags;

	/* Interrupts off: the batch is also drained by a cross-call. */
	local_irq_save(flags);
	flush_batch(this_cpu_ptr(&mlock_batch));
	local_irq_restore(flags);
}

/* F is judged soon; a large one now, as its references are looked at before it is split (SPLIT-4). */
static void queue(struct folio *f)
{
	unsigned long flags;
	struct mlock_batch *b;

	folio_get(f);
	local_irq_save(flags);
	b = this_cpu_ptr(&mlock_batch);
	b->folios[b->nr++] = f;
	if (b->nr == MLOCK_BATCH || folio_test_large(f))
		flush_batch(b);
	local_irq_restore(flags);
}

void mlock_folio(struct folio *f)
{
	atomic_inc(&f->mlock_count);
	set_mark(f);
	queue(f);
}

void mlock_new_folio(struct folio *f)
{
	atomic_set(&f->mlock_count, 1);
	set_mark(f);
}

void munlock_folio(struct folio *f)
{
	int old = atomic_read(&f->mlock_count);

	while (old) {
		int seen = atomic_cmpxchg(&f->mlock_count, old, old - 1);

		if (seen == old)
			break;
		old = seen;
	}
	if (old == 1)
		queue(f);
}

void munlock_unmapped_folio(struct folio *f)
{
	atomic_set(&f->mlock_count, 0);
	queue(f);
}

void mlock_freed_folio(struct folio *f)
{
	atomic_set(&f->mlock_count, 0);
	clear_mark(f, UNEVICTABLE_PGCLEARED);
}

/*
 * Not counted again if it is counted already: then the mark was on its way. The flags of VMA are looked at
 * with the lock of the last PTE held: had munlock been by there, they would say so.
 */
bool mlock_if_wholly_mapped(struct folio *f, struct vm_area_struct *vma)
{
	struct page_vma_mapped_walk pvmw = {
		.folio = f, .vma = vma,
		.address = vma->vm_start + ((max(f->index, vma->vm_pgoff) - vma->vm_pgoff) << PAGE_SHIFT),
	};
	unsigned long seen = 0, nr = folio_nr_pages(f);

	while (seen < nr && page_vma_mapped_walk(&pvmw)) {
		seen += pvmw.pte ? 1 : nr;
		if (seen < nr)
			continue;
		if (vma_marks_folios(vma)) {
			atomic_cmpxchg(&f->mlock_count, 0, 1);
			set_mark(f);
			queue(f);
		} else {
			seen = 0;
		}
		page_vma_mapped_walk_done(&pvmw);
		return seen;
	}
	return false;
}

/* ---- The walk ---- */

static void mark_folio(struct folio *f, bool lock)
{
	if (lock)
		mlock_folio(f);
	else
		munlock_folio(f);
}

static void mark_ptes(pte_t *pte, unsigned long addr, unsigned long end, struct mm_walk *walk, bool lock)
{
	unsigned int nr;

	for (; addr < end; pte += nr, addr += nr * PAGE_SIZE) {
		pte_t val = ptep_get(pte);
		struct page *page = pte_present(val) ? vm_normal_page(walk->vma, addr, val) : NULL;
		struct folio *f = page ? page_folio(page) : NULL;

		nr = 1;
		if (!f)
			continue;
		if (folio_test_large(f))
			nr = folio_pte_batch(f, pte, val, (unsigned int)((end - addr) >> PAGE_SHIFT));
		/* MLK-8: a part is no reason to mark the whole, but one not to. */
		if (!lock || nr == folio_nr_pages(f))
			mark_folio(f, lock);
	}
}

static int mark_pmd_range(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	bool lock = *(const bool *)walk->private;
	spinlock_t *ptl = pmd_trans_huge_lock(pmd, walk->vma);
	pte_t *pte;

	if (ptl) {
		struct page *page = vm_normal_page_pmd(walk->vma, addr, pmdp_get(pmd));

		if (page)
			mark_folio(page_folio(page), lock);
		spin_unlock(ptl);
		return 0;
	}
	pte = pte_offset_map_lock(walk->mm, pmd, addr, &ptl);
	if (pte) {
		mark_ptes(pte, addr, end, walk, lock);
		pte_unmap_unlock(pte, ptl);
	}
	cond_resched();
	return 0;
}

/* What [START, END) maps gets the mark of VMA, or loses it. => VM_IO set (vma_marks_folios) */
static void mark_range(struct vm_area_struct *vma, unsigned long start, unsigned long end, bool lock)
{
	struct mm_walk walk = { .pmd_entry = mark_pmd_range, .vma = vma, .private = &lock };

	lru_add_drain();
	walk_page_range(vma->vm_mm, start, end, &walk);
	lru_add_drain();
}

/* ---- VMAs ---- */

/*
 * [START, END) within VMA is locked as LOCK says (0: unlocked). 0 or -ENOMEM.
 *
 * While the pages are counted, reclaim and migration unmap some and map others. So that none is counted
 * twice, or stays counted, VM_LOCKED and VM_IO together mean: what is mapped now is not counted, what is
 * unmapped is counted off.
 */
static int mlock_fixup(struct vm_area_struct *vma, unsigned long start, unsigned long end, vm_flags_t lock)
{
	vm_flags_t old = vma->vm_flags, flags = (old & ~VM_LOCKED_MASK) | lock;
	bool marks = (flags ^ old) & VM_LOCKED;
	struct mm_struct *mm = vma->vm_mm;
	unsigned long pages = (end - start) >> PAGE_SHIFT;

	if (flags == old || (old & VM_SPECIAL))
		return 0;
	vma = vma_modify_flags(vma, start, end, marks ? flags | VM_LOCKED | VM_IO : flags);
	if (IS_ERR(vma))
		return (int)PTR_ERR(vma);
	if (!marks)
		return 0;
	mark_range(vma, start, end, lock);
	vma_modify_flags(vma, start, end, flags);	/* all of VMA: cannot fail */
	mm->locked_vm += lock ? pages : -pages;
	return 0;
}

/* => mmap lock held for write. -ENOMEM at a gap; what lies before it is done (MLK-3). */
static int apply_vma_lock_flags(struct mm_struct *mm, unsigned long start, unsigned long len, vm_flags_t lock)
{
	unsigned long end = start + len;

	if (end < start)
		return -EINVAL;
	while (start < end) {
		struct vm_area_struct *vma = vma_lookup(mm, start);
		unsigned long stop;
		int err;

		if (!vma)
			return -ENOMEM;
		stop = min(vma->vm_end, end);
		err = mlock_fixup(vma, start, stop, lock);
		if (err)
			return err;
		start = stop;
	}
	return 0;
}

/* Pages of the range that count against the limit already. */
static unsigned long count_locked_pages(struct mm_struct *mm, unsigned long start, unsigned long len)
{
	unsigned long n = 0, end = start + len < start ? ~0UL : start + len;
	struct vm_area_struct *vma;

	for (vma = find_vma(mm, start); vma && vma->vm_start < end; vma = vma_next(vma))
		if (vma->vm_flags & VM_LOCKED)
			n += (min(end, vma->vm_end) - max(start, vma->vm_start)) >> PAGE_SHIFT;
	return n;
}

static bool within_limit(struct mm_struct *mm, unsigned long start, unsigned long len)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	unsigned long want = mm->locked_vm + (len >> PAGE_SHIFT);

	if (want <= limit || capable(CAP_IPC_LOCK))
		return true;
	return want - count_locked_pages(mm, start, len) <= limit;
}

static int do_mlock(unsigned long start, size_t len, vm_flags_t lock)
{
	struct mm_struct *mm = current->mm;
	int err = -ENOMEM;

	if (!can_do_mlock())
		return -EPERM;
	len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
	start &= PAGE_MASK;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	if (within_limit(mm, start, len))
		err = apply_vma_lock_flags(mm, start, len, lock);
	mmap_write_unlock(mm);
	if (err)
		return err;
	pause_point("mlock_populate");
	err = __mm_populate(start, len, false);
	/* What the standard wants to hear. */
	return err == -EFAULT ? -ENOMEM : err == -ENOMEM ? -EAGAIN : err;
}

SYSCALL_DEFINE2(mlock, unsigned long, start, size_t, len)
{
	return do_mlock(start, len, VM_LOCKED);
}

SYSCALL_DEFINE3(mlock2, unsigned long, start, size_t, len, int, flags)
{
	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	return do_mlock(start, len, VM_LOCKED | (flags & MLOCK_ONFAULT ? VM_LOCKONFAULT : 0));
}

SYSCALL_DEFINE2(munlock, unsigned long, start, size_t, len)
{
	struct mm_struct *mm = current->mm;
	int err;

	len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
	start &= PAGE_MASK;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	err = apply_vma_lock_flags(mm, start, len, 0);
	mmap_write_unlock(mm);
	return err;
}

/* => mmap lock held for write. FLAGS 0: munlockall. */
static void apply_mlockall_flags(struct mm_struct *mm, int flags)
{
	vm_flags_t lock = VM_LOCKED | (flags & MCL_ONFAULT ? VM_LOCKONFAULT : 0);
	struct vm_area_struct *vma;

	mm->def_flags = (mm->def_flags & ~VM_LOCKED_MASK) | (flags & MCL_FUTURE ? lock : 0);
	if ((flags & MCL_FUTURE) && !(flags & MCL_CURRENT))
		return;
	if (!(flags & MCL_CURRENT))
		lock = 0;
	for (unsigned long addr = 0; (vma = find_vma(mm, addr)) != NULL; ) {
		addr = vma->vm_end;	/* the VMA may be merged away */
		mlock_fixup(vma, vma->vm_start, vma->vm_end, lock);
		cond_resched();
	}
}

SYSCALL_DEFINE1(mlockall, int, flags)
{
	struct mm_struct *mm = current->mm;
	int err = -ENOMEM;

	if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return -EINVAL;
	if (!can_do_mlock())
		return -EPERM;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	if (!(flags & MCL_CURRENT) || capable(CAP_IPC_LOCK) ||
	    mm->total_vm <= rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT) {
		apply_mlockall_flags(mm, flags);
		err = 0;
	}
	mmap_write_unlock(mm);
	if (!err && (flags & MCL_CURRENT))
		mm_populate(0, TASK_SIZE_MAX);
	return err;
}

SYSCALL_DEFINE0(munlockall)
{
	struct mm_struct *mm = current->mm;

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	apply_mlockall_flags(mm, 0);
	mmap_write_unlock(mm);
	return 0;
}
