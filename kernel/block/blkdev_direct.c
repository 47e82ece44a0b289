/*
 * kernel/block/blkdev_direct.c - O_DIRECT on disks: the device reads and writes the user's own pages.
 *
 *	user pages ── pinned (PIN-1) ──> pieces, contiguous ones joined ──> requests of up to 256 KiB,
 *	                                 up to 16 at once ──> all done ──> dirty (reads), unpinned
 *
 * The pin is what makes this right: between the two ends the pages belong to the device, and neither fork nor
 * COW nor reclaim may give the process other ones (PIN-5, PIN-8, COW-22).
 *
 * Not here: asynchronous I/O. Linux: block/fops.c (__blkdev_direct_IO), block/bio.c.
 */
#include "kernel/block/internal.h"
#include "kernel/lib/err.h"
#include "kernel/locking/wait.h"
#include "kernel/sched/sched.h"
#include "mm/mm.h"
#include "mm/slab.h"

#define REQUEST_PAGES 64
#define MAX_REQUESTS  16

struct direct_io;

/* One request and the pages it pins. */
struct direct_request {
	struct bio bio;
	struct bio_vec vec[REQUEST_PAGES];
	struct page *pages[REQUEST_PAGES];
	int nr_pages;
	size_t bytes;
	struct direct_io *dio;
};

/* What was started together. */
struct direct_io {
	struct block_device *bdev;
	enum req_op op;
	atomic_t pending;		/* requests, and 1 for the submitter */
	struct completion done;
	struct direct_request *req[MAX_REQUESTS];
	int nr;
};

/* Every piece of IT begins and ends at a block of the disk. */
static bool aligned(const struct block_device *bdev, const struct iov_iter *it, loff_t pos)
{
	unsigned long bits = pos;
	size_t skip = it->iov_offset, left = it->count;

	for (unsigned int i = 0; i < it->nr_segs && left; i++, skip = 0) {
		size_t n = min(it->iov[i].iov_len - skip, left);

		bits |= n | ((unsigned long)it->iov[i].iov_base + skip);
		left -= n;
	}
	return !(bits & (bdev->bd_logical_block - 1));
}

/* The end of IT's first piece that has not been done: its address and length. */
static unsigned long next_piece(struct iov_iter *it, size_t *len)
{
	while (it->iov_offset == it->iov->iov_len) {
		it->iov++;
		it->nr_segs--;
		it->iov_offset = 0;
	}
	*len = min(it->iov->iov_len - it->iov_offset, it->count);
	return (unsigned long)it->iov->iov_base + it->iov_offset;
}

/* Fill in R's vector: R->bytes from OFFSET in its first page on. Frames in a row make one piece. */
static void map_pages(struct direct_request *r, unsigned int offset)
{
	size_t left = r->bytes;
	phys_addr_t end = 0;		/* of the last piece */

	for (int i = 0; i < r->nr_pages; i++, offset = 0) {
		unsigned int len = min_t(size_t, left, PAGE_SIZE - offset);
		phys_addr_t at = page_to_phys(r->pages[i]) + offset;

		if (i && at == end)
			r->vec[r->bio.bi_vcnt - 1].bv_len += len;
		else
			r->vec[r->bio.bi_vcnt++] = (struct bio_vec){ r->pages[i], offset, len };
		end = at + len;
		left -= len;
	}
}

static void direct_end_io(struct bio *bio)
{
	struct direct_request *r = bio->bi_private;

	if (atomic_dec_and_test(&r->dio->pending))
		complete(&r->dio->done);
}

/*
 * Pin what comes next of IT, at most one request's worth and at most LIMIT bytes, and advance IT.
 * ERR_PTR(-EFAULT): no such memory; -ENOMEM. => may sleep
 */
static struct direct_request *pin_request(struct direct_io *dio, struct iov_iter *it, size_t limit, loff_t pos)
{
	struct direct_request *r;
	size_t len;
	unsigned long addr = next_piece(it, &len);
	unsigned int offset = addr & (PAGE_SIZE - 1);
	long pinned;

	r = kzalloc(sizeof(*r), GFP_KERNEL);
	if (!r)
		return ERR_PTR(-ENOMEM);
	len = min(min(len, limit), (size_t)REQUEST_PAGES * PAGE_SIZE - offset);
	pinned = get_user_pages_fast(addr - offset, DIV_ROUND_UP(offset + len, PAGE_SIZE),
				     FOLL_PIN | (dio->op == REQ_OP_READ ? FOLL_WRITE : 0), r->pages);
	if (pinned <= 0) {
		kfree(r);
		return ERR_PTR(pinned ? pinned : -EFAULT);
	}
	r->nr_pages = (int)pinned;
	r->bytes = min_t(size_t, len, pinned * PAGE_SIZE - offset);
	r->dio = dio;
	r->bio = (struct bio){
		.bi_bdev = dio->bdev, .bi_op = dio->op, .bi_sector = pos >> SECTOR_SHIFT, .bi_io_vec = r->vec,
		.bi_end_io = direct_end_io, .bi_private = r };
	map_pages(r, offset);
	it->iov_offset += r->bytes;
	it->count -= r->bytes;
	return r;
}

/* The device is done with R's pages. */
static void unpin_request(struct direct_request *r)
{
	/* The device wrote past the page tables: their dirty bits do not know. */
	if (r->dio->op == REQ_OP_READ)
		for (int i = 0; i < r->nr_pages; i++)
			folio_set_dirty(page_folio(r->pages[i]));
	unpin_user_pages(r->pages, r->nr_pages);
	kfree(r);
}

/*
 * Start up to MAX_REQUESTS requests for the next LEFT bytes of IT and wait for all. Bytes done before the
 * first error, or that error. => may sleep
 */
static ssize_t one_round(struct direct_io *dio, struct iov_iter *it, size_t left, loff_t pos)
{
	ssize_t done = 0, err = 0;

	atomic_set(&dio->pending, 1);
	init_completion(&dio->done);
	for (dio->nr = 0; left && dio->nr < MAX_REQUESTS; dio->nr++) {
		struct direct_request *r = pin_request(dio, it, left, pos);

		if (IS_ERR(r)) {
			err = PTR_ERR(r);
			break;
		}
		dio->req[dio->nr] = r;
		left -= r->bytes;
		pos += r->bytes;
		atomic_inc(&dio->pending);
		submit_bio(&r->bio);
	}
	if (!atomic_dec_and_test(&dio->pending))
		wait_for_completion_io(&dio->done);
	for (int i = 0, failed = 0; i < dio->nr; i++) {
		struct direct_request *r = dio->req[i];

		if (r->bio.bi_status && !failed) {
			failed = 1;
			err = r->bio.bi_status;
		}
		if (!failed)
			done += r->bytes;
		unpin_request(r);
	}
	/* What was done counts; whoever asks for the rest hears of the error. */
	return done ? done : err;
}

/*
 * What is cached of the range: on the disk before, gone afterwards if the disk changes. 0 or -EIO.
 */
static int settle_cache(struct block_device *bdev, enum req_op op, loff_t pos, size_t n)
{
	int err = blkdev_write_range(bdev, pos, n);

	if (op == REQ_OP_WRITE)
		blkdev_drop_range(bdev, pos, n);
	return err;
}

ssize_t blkdev_direct_io(struct block_device *bdev, enum req_op op, struct iov_iter *it, loff_t *pos)
{
	struct direct_io dio = { .bdev = bdev, .op = op };
	size_t total = min_t(u64, it->count, bdev_size(bdev) - *pos), left = total;
	loff_t start = *pos;
	ssize_t n;

	if (!aligned(bdev, it, *pos))
		return -EINVAL;
	n = settle_cache(bdev, op, start, total);
	while (!n && left) {
		size_t before = it->count;

		n = one_round(&dio, it, left, *pos);
		if (n <= 0)
			break;
		left -= n;
		*pos += n;
		/* Less than was started: an error. Memory that could not be pinned fails again, now first. */
		if ((size_t)n != before - it->count || fatal_signal_pending(current))
			break;
		n = 0;
	}
	if (op == REQ_OP_WRITE)
		blkdev_drop_range(bdev, start, total);
	return total - left ? (ssize_t)(total - left) : n;
}
