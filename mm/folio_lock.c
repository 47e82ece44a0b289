/*
 * mm/folio_lock.c - the folio lock and "under writeback": bits in the flags, sleepers on a hashed wait queue.
 *
 * PG_waiters says that somebody may sleep, so that unlocking an uncontended folio touches no queue. Many folios
 * share a queue; every sleeper on it is woken and looks again. Linux: mm/filemap.c (folio_wait_table).
 */
#include "kernel/init.h"
#include "kernel/lib/hash.h"
#include "kernel/locking/lockdep.h"
#include "kernel/sched/sched.h"
#include "mm/fault.h"
#include "mm/page.h"
#include "mm/vmstat.h"

#define FOLIO_WAIT_BITS 8
static wait_queue_head_t folio_wait_table[1 << FOLIO_WAIT_BITS];
static struct lock_class folio_lock_class = { .name = "folio_lock", .kind = LOCK_OTHER };

static int folio_wait_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(folio_wait_table); i++)
		init_waitqueue_head(&folio_wait_table[i]);
	return 0;
}
core_initcall(folio_wait_init);

static wait_queue_head_t *folio_waitqueue(struct folio *f)
{
	return &folio_wait_table[hash_64((u64)f, FOLIO_WAIT_BITS)];
}

bool folio_trylock(struct folio *f)
{
	if (folio_test_set_locked(f))
		return false;
	lock_acquire(&folio_lock_class, f, 0, false, true, (unsigned long)__builtin_return_address(0));
	return true;
}

/* Sleep until the bit could be set. 0, or -EINTR for a fatal signal in state KILLABLE. */
static noinline int folio_lock_slow(struct folio *f, int state)
{
	wait_queue_head_t *wq = folio_waitqueue(f);
	struct wait_queue_entry w;
	int err = 0;

	init_wait(&w);
	for (;;) {
		prepare_to_wait(wq, &w, state);
		folio_set_waiters(f);
		smp_mb();	/* against folio_unlock: one of us sees the other's bit */
		if (!folio_test_set_locked(f))
			break;
		if (signal_pending_state(state, current)) {
			err = -EINTR;
			break;
		}
		schedule();
	}
	finish_wait(wq, &w);
	return err;
}

static int folio_lock_state(struct folio *f, int state, unsigned long ip)
{
	int err = 0;

	might_sleep();
	if (folio_test_set_locked(f))
		err = folio_lock_slow(f, state);
	if (!err)
		lock_acquire(&folio_lock_class, f, 0, false, false, ip);
	return err;
}

void folio_lock(struct folio *f)
{
	folio_lock_state(f, TASK_UNINTERRUPTIBLE, (unsigned long)__builtin_return_address(0));
}

int folio_lock_killable(struct folio *f)
{
	return folio_lock_state(f, TASK_KILLABLE, (unsigned long)__builtin_return_address(0));
}

/* Sleep until nobody holds the lock of F, once, or a fatal signal comes. => the caller has a reference */
static void folio_wait_locked_killable(struct folio *f)
{
	wait_queue_head_t *wq = folio_waitqueue(f);
	struct wait_queue_entry w;

	init_wait(&w);
	for (;;) {
		prepare_to_wait(wq, &w, TASK_KILLABLE);
		folio_set_waiters(f);
		smp_mb();	/* against unlock_bit, as above */
		if (!folio_test_locked(f) || signal_pending_state(TASK_KILLABLE, current))
			break;
		schedule();
	}
	finish_wait(wq, &w);
}

void migration_entry_wait_on_locked(struct folio *f, spinlock_t *ptl)
{
	wait_queue_head_t *wq = folio_waitqueue(f);
	struct wait_queue_entry w;

	init_wait(&w);
	/* Until PTL is dropped the entry stands, so F is locked and stays what it is; afterwards F is only a hash key. */
	prepare_to_wait(wq, &w, TASK_UNINTERRUPTIBLE);
	folio_set_waiters(f);
	smp_mb();	/* against unlock_bit, as above */
	if (folio_test_locked(f)) {
		spin_unlock(ptl);
		schedule();
	} else {
		spin_unlock(ptl);
	}
	finish_wait(wq, &w);
}

void folio_lock_transfer(struct folio *from, struct folio *to)
{
	lock_release(&folio_lock_class, from);
	lock_acquire(&folio_lock_class, to, 0, false, true, (unsigned long)__builtin_return_address(0));
}

static void unlock_bit(struct folio *f)
{
	KASSERT(folio_test_locked(f), "LOCK-3");
	folio_clear_locked(f);
	if (folio_test_waiters(f)) {
		folio_clear_waiters(f);
		wake_up_all(folio_waitqueue(f));
	}
}

void folio_unlock(struct folio *f)
{
	lock_release(&folio_lock_class, f);
	unlock_bit(f);
}

void folio_unlock_piece(struct folio *f)
{
	unlock_bit(f);
}

void folio_lock_handoff(struct folio *f)
{
	lock_release(&folio_lock_class, f);
}

void folio_lock_takeover(struct folio *f)
{
	KASSERT(folio_test_locked(f), "LOCK-3");
	lock_acquire(&folio_lock_class, f, 0, false, true, (unsigned long)__builtin_return_address(0));
}

void folio_end_read(struct folio *f, bool success)
{
	if (likely(success))
		folio_set_uptodate(f);
	unlock_bit(f);
}

/* ---- Writeback ---- */

void folio_start_writeback(struct folio *f)
{
	KASSERT(folio_test_locked(f) && !folio_test_writeback(f), "SWAP-14");
	mod_node_page_state(NR_WRITEBACK, (long)folio_nr_pages(f));
	folio_set_writeback(f);
}

void folio_end_writeback(struct folio *f)
{
	/* From here on anybody may free F. */
	mod_node_page_state(NR_WRITEBACK, -(long)folio_nr_pages(f));
	folio_clear_writeback(f);
	if (folio_test_waiters(f)) {
		folio_clear_waiters(f);
		wake_up_all(folio_waitqueue(f));
	}
}

void folio_wait_writeback(struct folio *f)
{
	wait_queue_head_t *wq = folio_waitqueue(f);
	struct wait_queue_entry w;

	might_sleep();
	if (!folio_test_writeback(f))
		return;
	init_wait(&w);
	for (;;) {
		prepare_to_wait(wq, &w, TASK_UNINTERRUPTIBLE);
		folio_set_waiters(f);
		smp_mb();	/* against folio_end_writeback: one of us sees the other's bit */
		if (!folio_test_writeback(f))
			break;
		schedule();
	}
	finish_wait(wq, &w);
}

/* ---- A lock that must not be waited for with the mmap lock held ---- */

vm_fault_t folio_lock_or_retry(struct folio *f, struct vm_fault *vmf)
{
	struct mm_struct *mm = vmf->vma->vm_mm;

	if (folio_trylock(f))
		return 0;
	if ((vmf->flags & (FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_TRIED)) == FAULT_FLAG_ALLOW_RETRY) {
		mmap_read_unlock(mm);
		folio_wait_locked_killable(f);
		return VM_FAULT_RETRY;
	}
	if (!(vmf->flags & FAULT_FLAG_KILLABLE)) {
		folio_lock(f);
		return 0;
	}
	if (!folio_lock_killable(f))
		return 0;
	mmap_read_unlock(mm);
	return VM_FAULT_RETRY;
}
