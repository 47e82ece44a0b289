/*
 * kernel/block/block.c - the list of disks, and the way of a request to one of them and back.
 *
 *	submit_bio ──> possible? made to fail? ── no ──> bd_submit ~~~ interrupt ~~~> bio_endio ──> bi_end_io
 *	                          └── -EIO ───────────────────────────────────────────^
 *
 * Tests make requests fail (quire/fail: disk_read, disk_write, disk_flush), and keep them back before the
 * driver has them or before their owner hears of the end (quire/pause: disk_read, disk_read_done, ...).
 *
 * Nothing on this way sleeps or allocates (RCL-26): swap goes along here when there is no memory left.
 *
 * Not here: merging and sorting of requests, partitions, time-outs, removal of a disk. Linux:
 * block/blk-core.c, block/bdev.c.
 */
#include "arch-x86_64/irqflags.h"
#include "kernel/block/internal.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/trace/fail.h"
#include "kernel/trace/pause.h"
#include "mm/page.h"
#include "mm/vmstat.h"

LIST_HEAD(block_devices);
DEFINE_SPINLOCK(block_lock);

/* ---- The list ---- */

struct block_device *blkdev_get(dev_t dev)
{
	struct block_device *bdev, *found = NULL;

	spin_lock(&block_lock);
	list_for_each_entry(bdev, &block_devices, bd_list)
		if (bdev->bd_dev == dev)
			found = bdev;
	spin_unlock(&block_lock);
	return found;
}

int bd_claim(struct block_device *bdev, const void *holder)
{
	int err = 0;

	spin_lock(&block_lock);
	if (bdev->bd_holder)
		err = -EBUSY;
	else
		bdev->bd_holder = holder;
	spin_unlock(&block_lock);
	return err;
}

void bd_release(struct block_device *bdev)
{
	spin_lock(&block_lock);
	bdev->bd_holder = NULL;
	spin_unlock(&block_lock);
}

int add_disk(struct block_device *bdev)
{
	int err = blkdev_cache_init(bdev);

	if (!err)
		err = register_blkdev(MAJOR(bdev->bd_dev), MINOR(bdev->bd_dev), 1, &blkdev_fops, bdev);
	if (err)
		return err;
	spin_lock(&block_lock);
	list_add_tail(&bdev->bd_list, &block_devices);
	spin_unlock(&block_lock);
	blkdev_add_sysfs(bdev);
	err = devtmpfs_create(bdev->bd_name, S_IFBLK | 0660, bdev->bd_dev);
	pr_info("%s: %llu 512-byte sectors (%llu MiB)%s\n", bdev->bd_name, (unsigned long long)bdev->bd_sectors,
		(unsigned long long)bdev->bd_sectors >> 11, bdev->bd_read_only ? ", read-only" : "");
	return err;
}

/* ---- Requests ---- */

/* Bytes of all pieces; 0 if one of them is not aligned. */
static u64 bio_bytes(const struct bio *bio)
{
	u64 bytes = 0;

	for (unsigned int i = 0; i < bio->bi_vcnt; i++) {
		const struct bio_vec *bv = &bio->bi_io_vec[i];

		if ((bv->bv_len | bv->bv_offset) & (SECTOR_SIZE - 1))
			return 0;
		bytes += bv->bv_len;
	}
	return bytes;
}

/* The disk can do what BIO, of BYTES, asks for. */
static bool bio_possible(const struct block_device *bdev, const struct bio *bio, u64 bytes)
{
	u64 mask = bdev->bd_logical_block - 1;

	if (bio->bi_op == REQ_OP_FLUSH)
		return true;
	if (!bytes || (bytes | bio->bi_sector << SECTOR_SHIFT) & mask)
		return false;
	if (bio->bi_op == REQ_OP_WRITE && bdev->bd_read_only)
		return false;
	return bio->bi_sector <= bdev->bd_sectors && bytes >> SECTOR_SHIFT <= bdev->bd_sectors - bio->bi_sector;
}

/* The order of the smallest block of pages that holds BIO's first piece: a test picks large folios by it. */
static int fail_order(const struct bio *bio)
{
	int order = 0;

	while ((PAGE_SIZE << order) < bio->bi_io_vec[0].bv_len)
		order++;
	return order;
}

static bool fail_request(const struct bio *bio)
{
	switch (bio->bi_op) {
	case REQ_OP_READ:
		return fail_here("disk_read", fail_order(bio));
	case REQ_OP_WRITE:
		return fail_here("disk_write", fail_order(bio));
	default:
		return fail_here("disk_flush", 0);
	}
}

/* BIO, of BYTES, goes to the driver: the counters of /proc/vmstat and /proc/diskstats. */
static void count_bio(struct block_device *bdev, const struct bio *bio, u64 bytes)
{
	bool write = bio->bi_op == REQ_OP_WRITE;

	if (bio->bi_op == REQ_OP_FLUSH)
		return;
	atomic_long_inc(&bdev->bd_ios[write]);
	atomic_long_add((long)(bytes >> SECTOR_SHIFT), &bdev->bd_sectors_done[write]);
	count_vm_events(write ? PGPGOUT : PGPGIN, (long)(bytes >> 10));	/* KiB, as they are shown */
}

static void count_start(struct block_device *bdev)
{
	int now = atomic_inc_return(&bdev->bd_in_flight), max;

	do
		max = READ_ONCE(bdev->bd_max_in_flight);
	while (now > max && cmpxchg(&bdev->bd_max_in_flight, max, now) != max);
}

/* BIO goes to its disk, or back at once. */
static void start_bio(struct bio *bio)
{
	struct block_device *bdev = bio->bi_bdev;
	u64 bytes = bio_bytes(bio);

	count_start(bdev);
	if (!bio_possible(bdev, bio, bytes) || fail_request(bio)) {
		bio_endio(bio, -EIO);
		return;
	}
	count_bio(bdev, bio, bytes);
	bdev->bd_submit(bdev, bio);
}

static void tell_owner(struct bio *bio)
{
	atomic_dec(&bio->bi_bdev->bd_in_flight);
	bio->bi_end_io(bio);	/* BIO may be gone now */
}

/* ---- Requests kept back before they start, or when they are done, until a test lets them go ---- */

#ifndef RELEASE
static void let_start(struct pause_point *p);
static void let_end(struct pause_point *p);
DEFINE_PAUSE_HOLD(hold_read, "disk_read", let_start);
DEFINE_PAUSE_HOLD(hold_write, "disk_write", let_start);
DEFINE_PAUSE_HOLD(hold_read_done, "disk_read_done", let_end);
DEFINE_PAUSE_HOLD(hold_write_done, "disk_write_done", let_end);
static LIST_HEAD(held_start);		/* held_lock */
static LIST_HEAD(held_end);		/* held_lock */
static DEFINE_SPINLOCK(held_lock);

static struct pause_point *hold_of(const struct bio *bio, bool done)
{
	if (bio->bi_op == REQ_OP_READ)
		return done ? &hold_read_done : &hold_read;
	return done ? &hold_write_done : &hold_write;
}

/* Those of HELD that were kept at P go on with FN. Interrupts are off, as for a device's. */
static void let_go(struct pause_point *p, struct list_head *held, bool done, void (*fn)(struct bio *bio))
{
	struct bio *bio, *next;
	unsigned long flags;
	LIST_HEAD(go);

	spin_lock_irqsave(&held_lock, flags);
	list_for_each_entry_safe(bio, next, held, bi_list) {
		if (hold_of(bio, done) != p)
			continue;
		list_del(&bio->bi_list);
		list_add_tail(&bio->bi_list, &go);
		pause_hold_gone(p, 1);
	}
	spin_unlock_irqrestore(&held_lock, flags);
	local_irq_save(flags);
	list_for_each_entry_safe(bio, next, &go, bi_list)
		fn(bio);
	local_irq_restore(flags);
}

static void let_start(struct pause_point *p) { let_go(p, &held_start, false, start_bio); }
static void let_end(struct pause_point *p)   { let_go(p, &held_end, true, tell_owner); }

/* A test keeps BIO. Not of a synchronous disk, whose users rely on the answer; nor a flush. */
static bool keep_back(struct bio *bio, bool done)
{
	struct pause_point *p = hold_of(bio, done);
	unsigned long flags;
	bool keep;

	if (likely(!READ_ONCE(p->armed)) || bio->bi_bdev->bd_synchronous || bio->bi_op == REQ_OP_FLUSH)
		return false;
	spin_lock_irqsave(&held_lock, flags);
	keep = pause_hold(p);
	if (keep)
		list_add_tail(&bio->bi_list, done ? &held_end : &held_start);
	spin_unlock_irqrestore(&held_lock, flags);
	return keep;
}
#else
static bool keep_back(struct bio *bio, bool done)
{
	return false;
}
#endif

void submit_bio(struct bio *bio)
{
	bio->bi_idx = 0;
	if (!keep_back(bio, false))
		start_bio(bio);
}

void bio_endio(struct bio *bio, int status)
{
	bio->bi_status = status;
	if (!keep_back(bio, true))
		tell_owner(bio);
}

static void complete_bio(struct bio *bio)
{
	complete(bio->bi_private);
}

int submit_bio_wait(struct bio *bio)
{
	struct completion done;

	init_completion(&done);
	bio->bi_end_io = complete_bio;
	bio->bi_private = &done;
	submit_bio(bio);
	wait_for_completion_io(&done);
	return bio->bi_status;
}
