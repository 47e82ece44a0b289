/*
 * kernel/block/block.h - disks as the rest of the kernel sees them: requests on runs of 512-byte sectors.
 *
 *	swap, the buffered and direct I/O of /dev/vda ── submit_bio ──> driver (virtio_blk.c, ramdisk.c)
 *	        bio->end_io  <── interrupt, or at once ──────────────────┘
 *
 * Linux: include/linux/blk_types.h, blkdev.h.
 */
#ifndef KERNEL_BLOCK_BLOCK_H
#define KERNEL_BLOCK_BLOCK_H

#include "kernel/lib/atomic.h"
#include "kernel/lib/list.h"
#include "kernel/lib/types.h"

#define SECTOR_SHIFT	9
#define SECTOR_SIZE	512u

struct block_device;
struct folio;
struct inode;
struct page;

/* A physically contiguous piece of memory: LEN bytes from OFFSET on in PAGE and the frames after it. */
struct bio_vec { struct page *bv_page; unsigned int bv_offset, bv_len; };

enum req_op { REQ_OP_READ, REQ_OP_WRITE, REQ_OP_FLUSH };

/*
 * One request. Filled in by the caller, who owns it again when END_IO is called. Everything it needs is in
 * it: nothing is allocated on the way to the disk (RCL-26).
 */
struct bio {
	struct block_device *bi_bdev;
	enum req_op bi_op;
	u64 bi_sector;				/* of the disk, 512 bytes each; logical blocks as a whole */
	struct bio_vec *bi_io_vec;		/* whole logical blocks; each piece aligned to 512 */
	unsigned int bi_vcnt;
	int bi_status;				/* out: 0 or -EIO, ... */
	void (*bi_end_io)(struct bio *bio);	/* in an interrupt, or inside submit_bio: may not sleep */
	void *bi_private;			/* the caller's */
	unsigned int bi_idx;			/* the driver's: pieces done */
	struct list_head bi_list;		/* the block layer's: waiting for room in the ring */
};

/*
 * Start BIO. Never fails and never sleeps: what is wrong with it is told to END_IO (beyond the end of the
 * disk, misaligned, no such disk any more: -EIO). If the disk's ring is full it waits in a list.
 * => no spinlock held that END_IO takes
 */
void submit_bio(struct bio *bio);
/*
 * For drivers: BIO is done with STATUS (0 or -errno). Calls END_IO, or keeps BIO back for a test. Any context
 * but NMI.
 */
void bio_endio(struct bio *bio, int status);
/*
 * Start BIO, whose bi_end_io and bi_private this call uses, and wait. Its status. => may sleep (not killable)
 */
int submit_bio_wait(struct bio *bio);

/* One disk. Lives for ever once it was registered (nothing can be unplugged). */
struct block_device {
	char bd_name[16];			/* "vda", "ram0" */
	dev_t bd_dev;
	u64 bd_sectors;				/* 512 bytes each */
	unsigned int bd_logical_block;		/* bytes: 512 or 4096 */
	bool bd_read_only;
	bool bd_synchronous;			/* end_io comes before submit_bio returns (SWAP-9, SWAP-14) */
	bool bd_stable_writes;			/* pages must not change while they are written (SWAP-12) */
	bool bd_rotational;			/* /sys/block/NAME/queue/rotational, writable (SWAP-18) */
	const void *bd_holder;			/* who uses it alone (swapon); block_lock */
	int bd_openers;				/* block_lock */
	atomic_t bd_in_flight;			/* requests at the driver now */
	atomic_long_t bd_ios[2], bd_sectors_done[2];	/* reads and writes that were started; their sectors */
	int bd_max_in_flight;			/* the most at once; /sys/block/NAME/, 0 written: from now on */
	struct inode *bd_inode;			/* what is cached of its blocks hangs on it (blkdev_cache.c) */
	atomic_t bd_dirty;			/* cached pages that are not on the disk yet */
	bool bd_write_error;			/* since the last fsync a cached page could not be written */
	void (*bd_submit)(struct block_device *bdev, struct bio *bio);	/* the driver's part of submit_bio */
	void *bd_driver;			/* the driver's */
	struct list_head bd_list;
};

/* The disk with this number, or NULL. */
struct block_device *blkdev_get(dev_t dev);
/*
 * HOLDER (any address) becomes the only user; -EBUSY: there is another holder. Buffered and direct I/O stay
 * possible.
 */
int bd_claim(struct block_device *bdev, const void *holder);
void bd_release(struct block_device *bdev);
/*
 * Drivers: fill in all from bd_name to bd_rotational, bd_submit and bd_driver (the rest 0), then this makes
 * /dev/NAME and /sys/block/NAME. 0 or -errno.
 */
int add_disk(struct block_device *bdev);

/* ---- What is cached of the blocks (blkdev_cache.c): order-0 folios on the file lists (RCL-1) ---- */

/*
 * Write what is cached and not on the disk yet; -EIO: some of it could not be (it is lost, as in Linux). May
 * sleep.
 */
int sync_blockdev(struct block_device *bdev);
/*
 * The same, then drop what is cached: what is read next comes from the disk (swapon: the header). May sleep.
 */
void invalidate_bdev(struct block_device *bdev);
/*
 * sync(2): all disks. drop_caches 1 (RCL-22): what is clean, of all disks. Pages cached, of all disks
 * ("Buffers").
 */
void sync_bdevs(void);
void drop_bdev_caches(void);
long nr_blockdev_pages(void);
/* F, which is neither anonymous nor shmem, is a block of a disk. */
bool folio_is_blkdev(const struct folio *f);
/*
 * RCL-15, step 10: F leaves the cache if it is clean and only the cache and the caller have a reference.
 * True: the caller's reference is the last one. => F locked, a block of a disk
 */
bool blkdev_release_folio(struct folio *f);

#endif
