/*
 * kernel/block/blkdev_cache.c - the page cache of disks: what ordinary reads and writes of /dev/NAME go
 * through.
 *
 *	read  ── page there? ── no ──> up to 16 new pages, one request ──> uptodate ──> copy out
 *	write ── copy in ──> dirty ── fsync, last close, too many ──> one request for up to 16 in a row ──> clean
 *
 * One folio of order 0 for each 4 KiB, on the file lists (RCL-1). A folio is locked while it is read or
 * written, and leaves the cache only when nobody but the cache and the remover has a reference: so a
 * reference alone keeps a folio in its place. User memory is copied with no folio locked, since it may fault;
 * writes go through a page of their own for that.
 *
 * Dirty pages are few (dirty_limit): the writer who makes one too many writes them all, so reclaim need not.
 *
 * Locks: folio lock (one by waiting, more only by trylock) > tree_lock. Not here: read-ahead beyond what was
 * asked for, buffers smaller than a page, mmap. Linux: mm/filemap.c, fs/buffer.c, block/bdev.c.
 */
#include "kernel/block/internal.h"
#include "kernel/fs/internal.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "mm/lru.h"
#include "mm/vmstat.h"

#define RUN_PAGES 16
#define SCAN_BATCH 256
#define BDEVFS_MAGIC 0x62646576

/* Neighbouring pages, locked and referenced, and the request for them. */
struct page_run {
	struct bio bio;
	struct bio_vec vec[RUN_PAGES];
	struct folio *folio[RUN_PAGES];
	unsigned int nr;
};

static struct address_space *mapping_of(struct block_device *bdev)
{
	return &bdev->bd_inode->i_data;
}

/* ---- Set-up ---- */

static struct file_system_type bdev_type = { .name = "bdev", .nodev = true };

int blkdev_cache_init(struct block_device *bdev)
{
	static struct super_block *bdev_sb;

	if (!bdev_sb)	/* disks are found one after the other */
		bdev_sb = sb_alloc(&bdev_type, BDEVFS_MAGIC, NULL);
	bdev->bd_inode = bdev_sb ? new_inode(bdev_sb) : NULL;
	if (!bdev->bd_inode)
		return -ENOMEM;
	bdev->bd_inode->i_mode = S_IFBLK;
	bdev->bd_inode->i_rdev = bdev->bd_dev;
	bdev->bd_inode->i_size = bdev_size(bdev);
	bdev->bd_inode->i_private = bdev;
	return 0;
}

bool folio_is_blkdev(const struct folio *f)
{
	const struct address_space *mapping = READ_ONCE(f->mapping);

	return mapping && !folio_test_anon(f) && S_ISBLK(mapping->host->i_mode);
}

static struct block_device *folio_bdev(const struct folio *f)
{
	return f->mapping->host->i_private;
}

long nr_blockdev_pages(void)
{
	struct block_device *bdev;
	long n = 0;

	list_for_each_entry(bdev, &block_devices, bd_list)
		n += READ_ONCE(mapping_of(bdev)->nrpages);
	return n;
}

/* ---- The tree ---- */

/* The folio at INDEX, referenced, or NULL. */
static struct folio *find_get(struct address_space *mapping, pgoff_t index)
{
	struct folio *f;

	spin_lock(&mapping->tree_lock);
	f = xa_load(&mapping->i_pages, index);
	if (f)
		folio_get(f);
	spin_unlock(&mapping->tree_lock);
	return f;
}

/*
 * The first folio in [*INDEX, LAST] that is dirty (or any), referenced, and *INDEX its place; NULL: none.
 * => may sleep
 */
static struct folio *find_next(struct address_space *mapping, pgoff_t *index, pgoff_t last, bool dirty)
{
	struct folio *f;
	int batch;

	do {
		batch = SCAN_BATCH;
		spin_lock(&mapping->tree_lock);
		while ((f = xa_find(&mapping->i_pages, index, last)) && dirty && !folio_test_dirty(f) && --batch)
			++*index;
		if (f && batch)
			folio_get(f);
		spin_unlock(&mapping->tree_lock);
		cond_resched();
	} while (f && !batch);
	return f;
}

/*
 * A new page at INDEX, locked and referenced, its contents undefined. ERR_PTR: -EEXIST: there is one;
 * -ENOMEM.
 */
static struct folio *add_folio(struct address_space *mapping, pgoff_t index)
{
	struct folio *f = folio_alloc(GFP_HIGHUSER_MOVABLE, 0);
	int err = -EEXIST;

	if (!f)
		return ERR_PTR(-ENOMEM);
	/* Nobody knows it: a trylock succeeds, and several new ones may be held at once (LOCK-3). */
	(void)folio_trylock(f);
	f->mapping = mapping;
	f->index = index;
	spin_lock(&mapping->tree_lock);
	if (!xa_load(&mapping->i_pages, index))
		err = xa_store(&mapping->i_pages, index, f);
	if (!err) {
		folio_get(f);
		mapping->nrpages++;
	}
	spin_unlock(&mapping->tree_lock);
	if (err) {
		f->mapping = NULL;
		folio_unlock(f);
		folio_put(f);
		return ERR_PTR(err);
	}
	mod_node_page_state(NR_FILE_PAGES, 1);
	lru_cache_add(f);
	return f;
}

bool blkdev_release_folio(struct folio *f)
{
	struct address_space *mapping = f->mapping;
	bool gone = false;

	spin_lock(&mapping->tree_lock);
	/* First frozen, then looked at: whoever could make it dirty has a reference. */
	if (folio_ref_freeze(f, 2)) {
		gone = !folio_test_dirty(f);
		if (gone) {
			xa_erase(&mapping->i_pages, f->index);
			f->mapping = NULL;
			mapping->nrpages--;
		}
		folio_ref_unfreeze(f, gone ? 1 : 2);
	}
	spin_unlock(&mapping->tree_lock);
	if (gone)
		mod_node_page_state(NR_FILE_PAGES, -1);
	return gone;
}

/* => F locked */
static void mark_dirty(struct folio *f)
{
	if (folio_test_set_dirty(f))
		return;
	mod_node_page_state(NR_FILE_DIRTY, 1);
	atomic_inc(&folio_bdev(f)->bd_dirty);
}

/* F is about to be written. True: it has to be. => F locked */
static bool clear_dirty_for_io(struct folio *f)
{
	if (!folio_test_clear_dirty(f))
		return false;
	folio_clear_reclaim(f);		/* reclaim found it dirty, and will find it clean */
	mod_node_page_state(NR_FILE_DIRTY, -1);
	atomic_dec(&folio_bdev(f)->bd_dirty);
	return true;
}

/* ---- Requests ---- */

static void run_add(struct page_run *r, struct folio *f)
{
	r->folio[r->nr] = f;
	r->vec[r->nr] = (struct bio_vec){ .bv_page = &f->page, .bv_len = PAGE_SIZE };
	r->nr++;
}

/* Read or write R's pages; the disk may end within the last one. 0 or -EIO. => may sleep */
static int run_io(struct block_device *bdev, struct page_run *r, enum req_op op)
{
	loff_t pos = (loff_t)r->folio[0]->index << PAGE_SHIFT, end = pos + r->nr * PAGE_SIZE;
	loff_t size = bdev_size(bdev);

	if (end > size) {
		struct bio_vec *bv = &r->vec[r->nr - 1];

		bv->bv_len -= end - size;
		if (op == REQ_OP_READ)
			memset((char *)page_address(bv->bv_page) + bv->bv_len, 0, end - size);
	}
	r->bio = (struct bio){
		.bi_bdev = bdev, .bi_op = op, .bi_sector = pos >> SECTOR_SHIFT,
		.bi_io_vec = r->vec, .bi_vcnt = r->nr };
	return submit_bio_wait(&r->bio);
}

static void run_end(struct page_run *r)
{
	for (unsigned int i = 0; i < r->nr; i++) {
		folio_unlock(r->folio[i]);
		folio_put(r->folio[i]);
	}
}

/*
 * Bring what is missing from INDEX on, up to LAST, with one request. An error shows in pages that are not
 * uptodate. 0 or -ENOMEM. => may sleep
 */
static int read_run(struct block_device *bdev, pgoff_t index, pgoff_t last)
{
	struct page_run r = { .nr = 0 };
	struct folio *f = NULL;

	while (r.nr < RUN_PAGES && index <= last) {
		f = add_folio(mapping_of(bdev), index++);
		if (IS_ERR(f))
			break;
		run_add(&r, f);
	}
	if (!r.nr)
		return PTR_ERR(f) == -EEXIST ? 0 : PTR_ERR(f);
	if (!run_io(bdev, &r, REQ_OP_READ))
		for (unsigned int i = 0; i < r.nr; i++)
			folio_set_uptodate(r.folio[i]);
	run_end(&r);
	return 0;
}

/* F's contents as they are on the disk, unless they are there already. 0 or -EIO. => F locked; may sleep */
static int make_uptodate(struct block_device *bdev, struct folio *f)
{
	struct page_run r = { .nr = 0 };
	int err;

	if (folio_test_uptodate(f))
		return 0;
	run_add(&r, f);
	err = run_io(bdev, &r, REQ_OP_READ);
	if (!err)
		folio_set_uptodate(f);
	return err;
}

/* Page INDEX with its contents, referenced; the pages up to LAST will be wanted too. ERR_PTR. => may sleep */
static struct folio *read_folio(struct block_device *bdev, pgoff_t index, pgoff_t last)
{
	struct folio *f;
	int err;

	while (!(f = find_get(mapping_of(bdev), index))) {
		err = read_run(bdev, index, last);
		if (err)
			return ERR_PTR(err);
	}
	if (folio_test_uptodate(f))
		return f;
	folio_lock(f);
	err = make_uptodate(bdev, f);
	folio_unlock(f);
	if (!err)
		return f;
	folio_put(f);
	return ERR_PTR(err);
}

/* ---- Writing back ---- */

/* F is dirty, locked and referenced: write it together with its dirty neighbours behind. => may sleep */
static void write_run(struct block_device *bdev, struct folio *f, pgoff_t last)
{
	struct page_run r = { .nr = 0 };
	pgoff_t index = f->index;

	do {
		(void)clear_dirty_for_io(f);
		run_add(&r, f);
		if (r.nr == RUN_PAGES || ++index > last)
			break;
		f = find_get(mapping_of(bdev), index);
		if (f && (!folio_test_dirty(f) || !folio_trylock(f))) {
			folio_put(f);
			f = NULL;
		}
	} while (f);
	if (run_io(bdev, &r, REQ_OP_WRITE))
		WRITE_ONCE(bdev->bd_write_error, true);
	run_end(&r);
}

/* Write the dirty pages of [INDEX, LAST]; those that somebody is writing are waited for. => may sleep */
static void write_pages(struct block_device *bdev, pgoff_t index, pgoff_t last)
{
	struct address_space *mapping = mapping_of(bdev);
	struct folio *f;

	while ((f = find_next(mapping, &index, last, true))) {
		folio_lock(f);
		if (folio_test_dirty(f)) {
			write_run(bdev, f, last);
		} else {
			folio_unlock(f);
			folio_put(f);
		}
	}
}

/* As many dirty pages as a disk may have before a writer must write them. */
static int dirty_limit(void)
{
	return min_t(int, 4096, totalram_pages() / 32);
}

int blkdev_write_range(struct block_device *bdev, loff_t pos, size_t n)
{
	if (atomic_read(&bdev->bd_dirty))
		write_pages(bdev, pos >> PAGE_SHIFT, (pos + n - 1) >> PAGE_SHIFT);
	return READ_ONCE(bdev->bd_write_error) ? -EIO : 0;
}

int sync_blockdev(struct block_device *bdev)
{
	pgoff_t index = 0;
	struct folio *f;

	write_pages(bdev, 0, ~0UL);
	/* What another task took to write first is clean by now, but not on the disk before it unlocks. */
	while ((f = find_next(mapping_of(bdev), &index, ~0UL, false))) {
		if (test_bit(PG_locked, &f->flags)) {
			folio_lock(f);
			folio_unlock(f);
		}
		folio_put(f);
		index++;
	}
	return xchg(&bdev->bd_write_error, false) ? -EIO : 0;
}

void sync_bdevs(void)
{
	struct block_device *bdev;

	list_for_each_entry(bdev, &block_devices, bd_list)
		if (atomic_read(&bdev->bd_dirty))
			(void)blkdev_flush(bdev);
}

int blkdev_flush(struct block_device *bdev)
{
	struct bio flush = { .bi_bdev = bdev, .bi_op = REQ_OP_FLUSH };
	int err = sync_blockdev(bdev), flush_err = submit_bio_wait(&flush);

	return err ? err : flush_err;
}

/* ---- Dropping ---- */

/*
 * Drop the clean pages of [INDEX, LAST]. STALE: the disk has changed under them, so those that somebody uses
 * at the moment must be read anew. => may sleep
 */
static void drop_pages(struct block_device *bdev, pgoff_t index, pgoff_t last, bool stale)
{
	struct address_space *mapping = mapping_of(bdev);
	struct folio *f;

	while ((f = find_next(mapping, &index, last, false))) {
		index++;
		if (stale)
			folio_lock(f);
		else if (!folio_trylock(f)) {
			folio_put(f);
			continue;
		}
		if (!folio_test_dirty(f) && !blkdev_release_folio(f) && stale && !folio_test_dirty(f))
			folio_clear_uptodate(f);
		folio_unlock(f);
		folio_put(f);
	}
}

void blkdev_drop_range(struct block_device *bdev, loff_t pos, size_t n)
{
	if (!READ_ONCE(mapping_of(bdev)->nrpages))
		return;
	lru_add_drain_all();
	drop_pages(bdev, pos >> PAGE_SHIFT, (pos + n - 1) >> PAGE_SHIFT, true);
}

void invalidate_bdev(struct block_device *bdev)
{
	bool failed;

	if (!READ_ONCE(mapping_of(bdev)->nrpages))
		return;
	failed = sync_blockdev(bdev);
	WRITE_ONCE(bdev->bd_write_error, failed);	/* for the next fsync */
	lru_add_drain_all();
	drop_pages(bdev, 0, ~0UL, false);
}

void drop_bdev_caches(void)
{
	struct block_device *bdev;

	list_for_each_entry(bdev, &block_devices, bd_list)
		drop_pages(bdev, 0, ~0UL, false);
}

/* ---- Reading and writing ---- */

ssize_t blkdev_cached_read(struct block_device *bdev, struct iov_iter *to, loff_t *pos)
{
	size_t left = min_t(u64, to->count, bdev_size(bdev) - *pos);
	pgoff_t last = (*pos + left - 1) >> PAGE_SHIFT;
	ssize_t done = 0, err = 0;

	while (left && !err) {
		unsigned int at = *pos & (PAGE_SIZE - 1);
		size_t part = min(left, PAGE_SIZE - at), n;
		struct folio *f = read_folio(bdev, *pos >> PAGE_SHIFT, last);

		if (IS_ERR(f)) {
			err = PTR_ERR(f);
			break;
		}
		n = copy_to_iter((char *)folio_address(f) + at, part, to);
		if (!at)	/* a page read in pieces is used once */
			folio_mark_accessed(f);
		folio_put(f);
		done += n;
		*pos += n;
		left -= n;
		if (n < part)
			err = -EFAULT;
		else if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return done ? done : err;
}

/* N bytes of FROM become bytes AT.. of page INDEX. 0 or -errno. => may sleep */
static int write_part(struct block_device *bdev, pgoff_t index, unsigned int at, const char *from, size_t n)
{
	struct address_space *mapping = mapping_of(bdev);
	struct folio *f;
	int err = 0;

	while (!(f = find_get(mapping, index))) {
		f = add_folio(mapping, index);
		if (!IS_ERR(f))
			goto locked;
		if (PTR_ERR(f) != -EEXIST)
			return PTR_ERR(f);
	}
	folio_lock(f);
locked:
	if (n < PAGE_SIZE)
		err = make_uptodate(bdev, f);
	if (!err) {
		memcpy((char *)folio_address(f) + at, from, n);
		folio_set_uptodate(f);
		mark_dirty(f);
	}
	folio_unlock(f);
	if (!at)
		folio_mark_accessed(f);
	folio_put(f);
	return err;
}

ssize_t blkdev_cached_write(struct block_device *bdev, struct iov_iter *from, loff_t *pos)
{
	size_t left = min_t(u64, from->count, bdev_size(bdev) - *pos);
	char *copy = (char *)__get_free_pages(GFP_KERNEL, 0);
	ssize_t done = 0, err = 0;

	if (!copy)
		return -ENOMEM;
	while (left && !err) {
		unsigned int at = *pos & (PAGE_SIZE - 1);
		size_t part = min(left, PAGE_SIZE - at), n = copy_from_iter(copy, part, from);

		err = n ? write_part(bdev, *pos >> PAGE_SHIFT, at, copy, n) : -EFAULT;
		if (err)
			break;
		done += n;
		*pos += n;
		left -= n;
		if (n < part)
			err = -EFAULT;
		else if (fatal_signal_pending(current))
			err = -EINTR;
		if (atomic_read(&bdev->bd_dirty) > dirty_limit())
			write_pages(bdev, 0, ~0UL);
	}
	free_page(copy);
	return done ? done : err;
}
