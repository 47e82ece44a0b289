/*
 * mm/page_io.c - between the pages of a folio and its slots on the disk (SWAP-6, SWAP-20).
 *
 *	swap_writeout:    locked, dirty ──> under writeback, unlocked ──disk──> end_swap_write: clean, or dirty again
 *	swap_read_folio:  locked        ──────────────────────────────disk──> end_swap_read: unlocked, uptodate or not
 *
 * A folio is one piece of memory and its slots are one piece of the disk, so that any folio is one request.
 * On a synchronous device the second half has run when the first returns; there is no other difference.
 *
 * The requests come from a reserve that only this file uses, and each goes back when it is done: whoever has
 * to wait for one waits for the disk and not for memory (RCL-26). Linux: mm/page_io.c, with a mempool.
 */
#include "kernel/init.h"
#include "kernel/lib/printk.h"
#include "kernel/sched/sched.h"
#include "mm/swapfile.h"
#include "mm/thp_policy.h"
#include "mm/trace_mm.h"
#include "mm/vmscan.h"
#include "mm/vmstat.h"

#define NR_SWAP_BIOS 256
#define NR_READ_BIOS 64		/* of these: writes that do not end must not keep anybody from reading */
#define SECTORS_PER_PAGE (PAGE_SIZE / SECTOR_SIZE)

struct swap_bio {
	struct bio bio;
	struct bio_vec vec;
	struct folio *folio;
	bool reserved;			/* of the reserve; else on the stack of a synchronous caller */
	struct list_head list;		/* swap_bio_lock: while it is free */
};

static struct swap_bio swap_bios[NR_SWAP_BIOS];
static LIST_HEAD(free_swap_bios);	/* swap_bio_lock */
static int nr_free_swap_bios = NR_SWAP_BIOS;	/* swap_bio_lock */
static DEFINE_SPINLOCK(swap_bio_lock);	/* irqsave */
static DECLARE_WAIT_QUEUE_HEAD(swap_bio_wait);

static int swap_bio_init(void)
{
	for (int i = 0; i < NR_SWAP_BIOS; i++)
		list_add_tail(&swap_bios[i].list, &free_swap_bios);
	return 0;
}
core_initcall(swap_bio_init);

static struct swap_bio *try_swap_bio(enum req_op op)
{
	int keep = op == REQ_OP_READ ? 0 : NR_READ_BIOS;
	struct swap_bio *b = NULL;
	unsigned long flags;

	spin_lock_irqsave(&swap_bio_lock, flags);
	if (nr_free_swap_bios > keep) {
		nr_free_swap_bios--;
		b = list_first_entry(&free_swap_bios, struct swap_bio, list);
		list_del(&b->list);
	}
	spin_unlock_irqrestore(&swap_bio_lock, flags);
	return b;
}

/*
 * A request for all of F: OWN, the caller's, if the device is done with it at once. May sleep, but needs no
 * memory.
 */
static struct swap_bio *swap_bio_for(struct folio *f, enum req_op op, void (*end_io)(struct bio *bio),
				     struct swap_bio *own)
{
	struct swap_info_struct *si = swp_swap_info(f->swap);
	struct swap_bio *b = si->synchronous ? own : try_swap_bio(op);

	if (unlikely(!b))
		wait_event(swap_bio_wait, (b = try_swap_bio(op)) != NULL);
	b->folio = f;
	b->reserved = b != own;
	b->vec = (struct bio_vec){
		.bv_page = &f->page, .bv_len = (unsigned int)(folio_nr_pages(f) << PAGE_SHIFT),
	};
	b->bio = (struct bio){
		.bi_bdev = si->bdev, .bi_op = op, .bi_io_vec = &b->vec, .bi_vcnt = 1,
		.bi_sector = swp_offset(f->swap) * SECTORS_PER_PAGE, .bi_end_io = end_io, .bi_private = b,
	};
	return b;
}

static void put_swap_bio(struct swap_bio *b)
{
	unsigned long flags;

	if (!b->reserved)
		return;
	spin_lock_irqsave(&swap_bio_lock, flags);
	list_add(&b->list, &free_swap_bios);
	nr_free_swap_bios++;
	spin_unlock_irqrestore(&swap_bio_lock, flags);
	if (waitqueue_active(&swap_bio_wait))
		wake_up(&swap_bio_wait);
}

/* SWAP-20: a line for each, as long as they are few. */
static void log_error(const char *what, const struct bio *bio)
{
	static u64 since;
	static atomic_t lines;
	u64 now = ktime_get();

	if (now - READ_ONCE(since) > 5 * NSEC_PER_SEC) {
		WRITE_ONCE(since, now);
		atomic_set(&lines, 0);
	}
	if (atomic_inc_return(&lines) <= 10)
		pr_err("%s-error on swap-device %s, sector %llu: %d\n", what, bio->bi_bdev->bd_name,
		       (unsigned long long)bio->bi_sector, bio->bi_status);
}

static void end_swap_write(struct bio *bio)
{
	struct swap_bio *b = bio->bi_private;
	struct folio *f = b->folio;

	if (unlikely(bio->bi_status)) {
		log_error("Write", bio);
		/* The only copy is the one in memory: it stays, and is tried again some time. */
		folio_set_dirty(f);
	}
	put_swap_bio(b);
	if (folio_test_clear_reclaim(f))
		folio_rotate_reclaimable(f);
	folio_end_writeback(f);
}

void swap_writeout(struct folio *f)
{
	long nr = (long)folio_nr_pages(f);
	struct swap_bio own, *b;

	KASSERT(folio_test_locked(f) && folio_test_swapcache(f) && !folio_test_writeback(f), "SWAP-4");
	/* Who named the slots is gone: there is nothing to keep. */
	if (folio_free_swap(f)) {
		folio_unlock(f);
		return;
	}
	b = swap_bio_for(f, REQ_OP_WRITE, end_swap_write, &own);
	folio_clear_dirty(f);
	folio_start_writeback(f);
	trace_swap_out(folio_pfn(f), nr, swp_type(f->swap), swp_offset(f->swap));
	count_vm_events(PSWPOUT, nr);
	count_mthp_stat(folio_order(f), MTHP_STAT_SWPOUT);
	if (folio_test_pmd_mappable(f))
		count_vm_event(THP_SWPOUT);
	folio_unlock(f);
	submit_bio(&b->bio);
}

static void end_swap_read(struct bio *bio)
{
	struct swap_bio *b = bio->bi_private;
	struct folio *f = b->folio;
	bool ok = !bio->bi_status;

	if (unlikely(!ok))
		log_error("Read", bio);
	put_swap_bio(b);
	folio_end_read(f, ok);
}

void swap_read_folio(struct folio *f)
{
	struct swap_bio own, *b;

	KASSERT(folio_test_locked(f) && folio_test_swapcache(f) && !folio_test_uptodate(f), "SWAP-8");
	b = swap_bio_for(f, REQ_OP_READ, end_swap_read, &own);
	trace_swap_in(folio_pfn(f), folio_nr_pages(f), swp_type(f->swap), swp_offset(f->swap));
	count_vm_events(PSWPIN, (long)folio_nr_pages(f));
	count_mthp_stat(folio_order(f), MTHP_STAT_SWPIN);
	folio_lock_handoff(f);
	submit_bio(&b->bio);
}
