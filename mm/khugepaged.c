/*
 * mm/khugepaged.c - the daemon that looks, a little at a time, for ranges that are worth a huge page
 * (KHP-1..8).
 *
 *	fault, MADV_HUGEPAGE, merge, fork ──khugepaged_enter──> the list of mms
 *
 *	                  cursor.mm
 *	                      v
 *	head ──> mm ──> mm ──> mm ──> mm	behind the last one: full_scans +1, back to the head
 *	                       │
 *	                       └ cursor.address: the next 2 MiB to look at (collapse_scan_pmd)
 *
 * One pass uses up pages_to_scan units, or goes round once, and then sleeps scan_sleep_millisecs. The daemon
 * waits for no mmap lock (KHP-4), and while it sleeps it holds nothing: between two visits the cursor is all
 * there is.
 *
 * An mm on the list holds an mm_count, not a user: it may lose its last user at any time. Who exits takes it
 * off the list, unless it is the cursor's; then the daemon may be in the middle of its tables, and exit waits
 * for it (KHP-8):
 *
 *	khugepaged				exit
 *	  mmap lock, reading			  mm_users becomes 0
 *	  mm_users 0? leave it alone		  mmap lock, writing: the daemon is out, and will see 0
 *	  look at page tables			  take the page tables down
 *
 * Linux: mm/khugepaged.c. There the list is of slots found by a hash table, ours is a field of mm_struct; and
 * there the first pass, after a time without any mm, begins at once; ours sleeps before each pass: what has
 * just been registered is about to change.
 */
#include "mm/khugepaged.h"
#include "kernel/init.h"
#include "kernel/locking/mutex.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/pause.h"
#include "mm/internal.h"
#include "mm/lru.h"
#include "mm/trace_huge.h"

/* The mms to scan and the cursor. A leaf (LOCK-1). */
static DEFINE_SPINLOCK(khugepaged_mm_lock);
static LIST_HEAD(mm_head);
/* L: khugepaged_mm_lock. The address is the daemon's alone; it belongs to the mm. */
static struct {
	struct mm_struct *mm;	/* L: NULL: the next visit starts at the head */
	unsigned long address;
} cursor;

static DECLARE_WAIT_QUEUE_HEAD(khugepaged_wait);
static bool sleep_cancelled;	/* a sleep time changed: whoever sleeps for that long has slept enough */
static struct task_struct *khugepaged_thread;	/* khugepaged_mutex */
static DEFINE_MUTEX(khugepaged_mutex);

static bool mm_is_gone(const struct mm_struct *mm)
{
	return !atomic_read(&mm->mm_users);
}

/* Nothing to do in MM, for ever or for now. */
static bool mm_is_out(const struct mm_struct *mm)
{
	return mm_is_gone(mm) || test_bit(MMF_DISABLE_THP, &mm->flags);
}

/* ---- Registration (KHP-1, KHP-2) ---- */

static void khugepaged_enter(struct mm_struct *mm)
{
	bool first;

	if (test_and_set_bit(MMF_VM_HUGEPAGE, &mm->flags))
		return;
	mmgrab(mm);
	spin_lock(&khugepaged_mm_lock);
	first = list_empty(&mm_head);
	/* Last in the traversal under way: what was just begun has time to settle. */
	list_add_tail(&mm->khugepaged_node, &mm_head);
	spin_unlock(&khugepaged_mm_lock);
	if (first)
		wake_up_all(&khugepaged_wait);
}

void khugepaged_enter_vma(struct vm_area_struct *vma, vm_flags_t vm_flags)
{
	if (test_bit(MMF_VM_HUGEPAGE, &vma->vm_mm->flags) || !hugepage_pmd_enabled())
		return;
	if (thp_vma_allowable_orders(vma, vm_flags, TVA_KHUGEPAGED, BIT(HPAGE_PMD_ORDER)))
		khugepaged_enter(vma->vm_mm);
}

void khugepaged_fork(struct mm_struct *mm, struct mm_struct *oldmm)
{
	if (test_bit(MMF_VM_HUGEPAGE, &oldmm->flags))
		khugepaged_enter(mm);
}

/* => khugepaged_mm_lock; the caller drops the list's mm_count afterwards */
static void khugepaged_unlist_locked(struct mm_struct *mm)
{
	list_del_init(&mm->khugepaged_node);
	clear_bit(MMF_VM_HUGEPAGE, &mm->flags);
}

void khugepaged_exit(struct mm_struct *mm)
{
	bool ours = false;

	if (!test_bit(MMF_VM_HUGEPAGE, &mm->flags))
		return;
	pause_point("khugepaged_exit");
	spin_lock(&khugepaged_mm_lock);
	if (cursor.mm != mm && !list_empty(&mm->khugepaged_node)) {
		khugepaged_unlist_locked(mm);
		ours = true;
	}
	spin_unlock(&khugepaged_mm_lock);
	if (ours) {
		mmdrop(mm);
		return;
	}
	/* KHP-8: the daemon was there, and takes the mm off the list itself. */
	mmap_write_lock(mm);
	mmap_write_unlock(mm);
}

/* ---- One visit ---- */

/*
 * Look at the ranges of VMA from the cursor on (KHP-5). False: enough for this visit; then *LOCK_DROPPED says
 * whether the mmap lock is gone, and VMA with it. *RESULT: of the last range.
 * => mmap lock held for reading
 */
static bool khugepaged_scan_vma(struct vm_area_struct *vma, unsigned int limit, struct collapse_control *cc,
				enum scan_result *result, bool *lock_dropped)
{
	struct mm_struct *mm = vma->vm_mm;
	unsigned long start = ALIGN(vma->vm_start, PMD_SIZE), end = ALIGN_DOWN(vma->vm_end, PMD_SIZE);

	if (!thp_vma_allowable_orders(vma, vma->vm_flags, TVA_KHUGEPAGED, BIT(HPAGE_PMD_ORDER)) ||
	    cursor.address >= end) {
		cc->progress++;
		return true;
	}
	cursor.address = max(cursor.address, start);
	while (cursor.address < end) {
		unsigned long addr = cursor.address;

		cond_resched();
		if (mm_is_out(mm))
			return true;
		pause_point("khugepaged_scan");
		*result = collapse_scan_pmd(mm, vma, addr, lock_dropped, cc);
		cursor.address = addr + PMD_SIZE;
		if (*result == SCAN_SUCCEED)
			WRITE_ONCE(khugepaged_pages_collapsed, khugepaged_pages_collapsed + 1);
		if (*lock_dropped || cc->progress >= limit)
			return false;
	}
	return true;
}

/*
 * One visit to the cursor's MM, from the cursor's address on. *FINISHED: on to the next mm; else the rest
 * waits for another visit. What came of the last range.
 * => no lock held; the list's mm_count keeps MM
 */
static enum scan_result khugepaged_scan_mm(struct mm_struct *mm, unsigned int limit,
					   struct collapse_control *cc, bool *finished)
{
	enum scan_result result = SCAN_FAIL;
	struct vm_area_struct *vma;
	bool lock_dropped = false;

	*finished = true;
	/* KHP-4: whoever writes to this mm's mappings may take long. */
	if (!mmap_read_trylock(mm))
		return result;
	cc->progress++;
	for (vma = find_vma(mm, cursor.address); vma && !mm_is_out(mm); vma = vma_next(vma)) {
		cond_resched();
		if (!khugepaged_scan_vma(vma, limit, cc, &result, &lock_dropped)) {
			*finished = false;
			break;
		}
	}
	if (!lock_dropped)
		mmap_read_unlock(mm);
	return result;
}

/* The mm to visit, the cursor's; NULL: the list is empty, or was begun twice (KHP-6). */
static struct mm_struct *khugepaged_next_mm(unsigned int *begun)
{
	struct mm_struct *mm;

	spin_lock(&khugepaged_mm_lock);
	if (!cursor.mm && !list_empty(&mm_head) && ++*begun < 2) {
		cursor.mm = list_first_entry(&mm_head, struct mm_struct, khugepaged_node);
		cursor.address = 0;
	}
	mm = cursor.mm;
	spin_unlock(&khugepaged_mm_lock);
	return mm;
}

/*
 * The visit to MM, of PROGRESS units, is over: the cursor goes on if nothing is left there, and a dead MM
 * goes off the list.
 */
static void khugepaged_advance(struct mm_struct *mm, bool finished, unsigned int progress)
{
	bool dead = false, round = false;

	pause_point("khugepaged_advance");
	spin_lock(&khugepaged_mm_lock);
	if (finished || mm_is_out(mm)) {
		if (mm == list_last_entry(&mm_head, struct mm_struct, khugepaged_node)) {
			cursor.mm = NULL;
			round = true;
			WRITE_ONCE(khugepaged_full_scans, khugepaged_full_scans + 1);
		} else {
			cursor.mm = list_next_entry(mm, khugepaged_node);
		}
		cursor.address = 0;
		dead = mm_is_gone(mm);
		if (dead)
			khugepaged_unlist_locked(mm);
	}
	spin_unlock(&khugepaged_mm_lock);
	trace_mm_khugepaged_scan(mm, progress, round);
	if (dead)
		mmdrop(mm);
}

/* ---- Sleeping ---- */

static bool khugepaged_has_work(void)
{
	return !list_empty(&mm_head) && hugepage_pmd_enabled();
}

/* Wait until *MILLISECS have passed, a sleep time changes, or the daemon is to end. */
static void khugepaged_sleep(const unsigned int *millisecs)
{
	unsigned int ms = READ_ONCE(*millisecs);

	if (ms)
		wait_event_interruptible_timeout(khugepaged_wait,
						 READ_ONCE(sleep_cancelled) || kthread_should_stop(),
						 (s64)ms * NSEC_PER_MSEC);
	WRITE_ONCE(sleep_cancelled, false);
}

void khugepaged_wake(void)
{
	WRITE_ONCE(sleep_cancelled, true);
	wake_up_all(&khugepaged_wait);
}

/* ---- The daemon ---- */

/* One pass (KHP-3, KHP-7). */
static void khugepaged_do_scan(void)
{
	const unsigned int limit = READ_ONCE(khugepaged_pages_to_scan);
	struct collapse_control cc = { .is_khugepaged = true };
	unsigned int begun = 0;
	bool may_wait = true;

	lru_add_drain_all();
	while (cc.progress < limit && hugepage_pmd_enabled() && !kthread_should_stop()) {
		struct mm_struct *mm = khugepaged_next_mm(&begun);
		unsigned int before = cc.progress;
		enum scan_result result;
		bool finished;

		cond_resched();
		if (!mm)
			break;
		result = khugepaged_scan_mm(mm, limit, &cc, &finished);
		khugepaged_advance(mm, finished, cc.progress - before);
		if (result != SCAN_ALLOC_HUGE_PAGE_FAIL || cc.progress >= limit)
			continue;
		if (!may_wait)
			break;
		may_wait = false;
		khugepaged_sleep(&khugepaged_alloc_sleep_millisecs);
	}
}

static int khugepaged(void *unused)
{
	struct mm_struct *mm;

	set_user_nice(current, 19);
	while (!kthread_should_stop()) {
		bool cancelled;

		wait_event_interruptible(khugepaged_wait, khugepaged_has_work() ||
					 READ_ONCE(sleep_cancelled) || kthread_should_stop());
		/*
		 * A sleep that is cancelled while there is no work was none; once there is work, it is the
		 * next one.
		 */
		cancelled = xchg(&sleep_cancelled, false);
		if (!khugepaged_has_work())
			continue;
		if (!cancelled)
			khugepaged_sleep(&khugepaged_scan_sleep_millisecs);
		khugepaged_do_scan();
	}
	/* The next one starts at the head; until then an exit finds no cursor on its mm. */
	spin_lock(&khugepaged_mm_lock);
	mm = cursor.mm && mm_is_gone(cursor.mm) ? cursor.mm : NULL;
	cursor.mm = NULL;
	if (mm)
		khugepaged_unlist_locked(mm);
	spin_unlock(&khugepaged_mm_lock);
	if (mm)
		mmdrop(mm);
	return 0;
}

int khugepaged_start_stop(void)
{
	int err = 0;

	mutex_lock(&khugepaged_mutex);
	if (!hugepage_pmd_enabled() && khugepaged_thread) {
		kthread_stop(khugepaged_thread);
		khugepaged_thread = NULL;
	} else if (hugepage_pmd_enabled() && !khugepaged_thread) {
		khugepaged_thread = kthread_run(khugepaged, NULL, "khugepaged");
		if (!khugepaged_thread)
			err = -ENOMEM;
	}
	/* It may have gone to sleep because it was forbidden for a moment. */
	wake_up_all(&khugepaged_wait);
	set_recommended_min_free_kbytes();
	mutex_unlock(&khugepaged_mutex);
	return err;
}

static int khugepaged_init(void)
{
	return khugepaged_start_stop();
}
late_initcall(khugepaged_init);
