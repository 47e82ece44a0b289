/*
 * mm/shmem.c - the one kind of file: pages in memory, found by index.
 *
 *	inode->i_data.i_pages:  index -> folio (one reference)      no entry: a hole, reads as zeroes
 *	                              -> swap entry                 the page is on a disk (shmem_swap.c)
 *	                                   ^
 *	read: copy out    write: copy in   |   fault: hand the locked folio to memory.c
 *
 * A page is filled before it enters the tree, so whoever finds one finds it uptodate. User memory is copied
 * with no folio locked: a write from a mapping of the very page it writes to would wait for itself. What keeps
 * the page in the file meanwhile is i_rwsem (truncation needs it for write) and the reference (reclaim gives
 * up).
 *
 * Truncation against faults: i_size goes down first; a fault looks at i_size again with its folio locked, and
 * truncation removes each folio, and its mappings, with the folio locked: one of them sees the other.
 *
 * Locks: i_rwsem > mmap lock > folio lock > tree_lock.
 * A page that was never written is clean: reclaim may drop it, it reads as zeroes anyway.
 *
 * Not here: swapping (shmem_swap.c), large folios (order 0 only: Linux's shmem_enabled=never). Linux: mm/shmem.c.
 */
#include "mm/shmem.h"
#include "kernel/fs/internal.h"
#include "kernel/fs/pipe.h"
#include "kernel/fs/tmpfs.h"
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "kernel/task/signal.h"
#include "kernel/trace/pause.h"
#include "mm/lru.h"
#include "mm/memory.h"
#include "mm/mm.h"
#include "mm/rmap.h"
#include "mm/vmstat.h"

#define BLOCKS_PER_PAGE (PAGE_SIZE / 512)
#define SHMEM_MAX_BYTES 0x7ffffffffffff000LL

static struct mount *shm_mnt;

/* ---- Promises and limits ---- */

/* Promise PAGES of memory for pages that are allocated one by one. 0 or -ENOMEM. */
static int acct_pages(long pages)
{
	if (current->mm)
		return security_vm_enough_memory(current->mm, pages);
	atomic_long_add(pages, &vm_committed_as);	/* the kernel itself, unpacking the initramfs */
	return 0;
}

/* Shared anonymous mappings are promised as a whole: i_private is their size in pages. */
static bool prepaid(const struct inode *inode)
{
	return inode->i_private != NULL;
}

/* Room for PAGES more in INODE's file system. 0 or -ENOSPC. */
static int charge(struct inode *inode, long pages)
{
	struct shmem_sb_info *si = inode->i_sb->s_fs_info;
	long used = atomic_long_add_return(pages, &si->used_blocks);

	if (si->max_blocks && used > (long)si->max_blocks)
		goto full;
	if (!prepaid(inode) && acct_pages(pages))
		goto full;
	spin_lock(&inode->i_lock);
	inode->i_blocks += pages * BLOCKS_PER_PAGE;
	spin_unlock(&inode->i_lock);
	return 0;
full:
	atomic_long_sub(pages, &si->used_blocks);
	return -ENOSPC;
}

void shmem_uncharge(struct inode *inode, long pages)
{
	struct shmem_sb_info *si = inode->i_sb->s_fs_info;

	atomic_long_sub(pages, &si->used_blocks);
	if (!prepaid(inode))
		vm_unacct_memory(pages);
	spin_lock(&inode->i_lock);
	inode->i_blocks -= pages * BLOCKS_PER_PAGE;
	spin_unlock(&inode->i_lock);
}

/* ---- The page cache ---- */

/* What is at INDEX: a folio, referenced, not locked; a value: swapped out; NULL: a hole. */
static void *find_get_entry(struct address_space *mapping, pgoff_t index)
{
	void *entry;

	spin_lock(&mapping->tree_lock);
	entry = xa_load(&mapping->i_pages, index);
	if (entry && !xa_is_value(entry))
		folio_get(entry);	/* the tree's reference makes it safe while the lock is held */
	spin_unlock(&mapping->tree_lock);
	return entry;
}

/* The folio at INDEX, from the disk if need be, referenced, not locked; NULL: a hole. ERR_PTR(-EIO), -ENOMEM. May sleep. */
static struct folio *read_folio(struct inode *inode, pgoff_t index)
{
	void *entry = find_get_entry(&inode->i_data, index);
	struct folio *f;
	int err;

	if (likely(!xa_is_value(entry)))
		return entry;
	err = shmem_get_folio(inode, index, &f, SGP_READ);
	if (err)
		return ERR_PTR(err);
	if (f)
		folio_unlock(f);
	return f;
}

/*
 * Put the new, filled FOLIO at INDEX. 0: the tree has taken a reference; -EEXIST: somebody was faster;
 * -ENOMEM. DIRTY: it is more than a hole, there is no copy anywhere else.
 *
 * => FOLIO locked
 */
static int add_folio(struct address_space *mapping, struct folio *f, pgoff_t index, bool dirty)
{
	int err = -EEXIST;

	f->mapping = mapping;
	f->index = index;
	folio_set_swapbacked(f);
	folio_set_uptodate(f);
	if (dirty)
		folio_set_dirty(f);
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
		folio_clear_swapbacked(f);
		folio_clear_dirty(f);
		return err;
	}
	mod_node_page_state(NR_FILE_PAGES, 1);
	mod_node_page_state(NR_SHMEM, 1);
	lru_cache_add(f);
	return 0;
}

/* Take FOLIO out of the file. => FOLIO locked, referenced by the caller, not mapped */
static void delete_folio(struct address_space *mapping, struct folio *f)
{
	KASSERT_EQ(folio_mapcount(f), 0, "LOCK-3");
	spin_lock(&mapping->tree_lock);
	xa_erase(&mapping->i_pages, f->index);
	f->mapping = NULL;
	mapping->nrpages--;
	spin_unlock(&mapping->tree_lock);
	folio_clear_dirty(f);
	mod_node_page_state(NR_FILE_PAGES, -1);
	mod_node_page_state(NR_SHMEM, -1);
	shmem_uncharge(mapping->host, 1);
	folio_put(f);
}

static bool beyond_end(struct inode *inode, pgoff_t index)
{
	return index >= (pgoff_t)DIV_ROUND_UP(READ_ONCE(inode->i_size), PAGE_SIZE);
}

/*
 * A page of zeroes at INDEX, which was a hole; RESERVED: for fallocate, not to be taken back. 0: *FOLIOP locked and
 * referenced. -EEXIST: look again.
 */
static int add_zero_folio(struct inode *inode, pgoff_t index, struct folio **foliop, bool reserved)
{
	struct folio *f;
	int err = charge(inode, 1);

	if (err)
		return err;
	f = folio_alloc(GFP_HIGHUSER_MOVABLE, 0);
	if (!f) {
		shmem_uncharge(inode, 1);
		return -ENOMEM;
	}
	clear_page(folio_address(f));
	folio_lock(f);
	err = add_folio(&inode->i_data, f, index, reserved);
	if (!err) {
		*foliop = f;
		return 0;
	}
	folio_unlock(f);
	folio_put(f);
	shmem_uncharge(inode, 1);
	return err;
}

int shmem_get_folio(struct inode *inode, pgoff_t index, struct folio **foliop, enum sgp_type sgp)
{
	struct address_space *mapping = &inode->i_data;
	bool is_new = false;
	struct folio *f;
	void *entry;
	int err;

	*foliop = NULL;
	for (;;) {
		if (sgp == SGP_CACHE && beyond_end(inode, index))
			return -EINVAL;
		entry = find_get_entry(mapping, index);
		if (xa_is_value(entry)) {
			err = shmem_swapin(mapping, index, entry, &f);
			if (!err)
				break;
			if (err != -EEXIST)
				return err;
			cond_resched();
			continue;
		}
		f = entry;
		if (f) {
			folio_lock(f);
			if (f->mapping == mapping)
				break;
			folio_unlock(f);	/* truncated while we waited for it */
			folio_put(f);
			continue;
		}
		if (sgp == SGP_READ)
			return 0;
		err = add_zero_folio(inode, index, &f, sgp == SGP_FALLOC);
		is_new = true;
		if (!err)
			break;
		if (err != -EEXIST)
			return err;
	}
	/*
	 * A truncation that began after the first look has lowered i_size, and waits for this folio's lock.
	 */
	if (sgp == SGP_CACHE && beyond_end(inode, index)) {
		if (is_new && !folio_mapped(f))
			delete_folio(mapping, f);
		folio_unlock(f);
		folio_put(f);
		return -EINVAL;
	}
	*foliop = f;
	return 0;
}

/* ---- Truncation ---- */

/* Zero bytes [FROM, TO) of page INDEX, if there is one. */
static void zero_part(struct inode *inode, pgoff_t index, unsigned int from, unsigned int to)
{
	struct folio *f;

	if (from >= to || shmem_get_folio(inode, index, &f, SGP_READ) || !f)
		return;
	memset((char *)folio_address(f) + from, 0, to - from);
	folio_unlock(f);
	folio_put(f);
}

/* The first entry in [*INDEX, LAST], a folio referenced, *INDEX its place; NULL: none. */
static void *find_next_entry(struct address_space *mapping, pgoff_t *index, pgoff_t last)
{
	void *entry;

	spin_lock(&mapping->tree_lock);
	entry = xa_find(&mapping->i_pages, index, last);
	if (entry && !xa_is_value(entry))
		folio_get(entry);
	spin_unlock(&mapping->tree_lock);
	return entry;
}

/* F, referenced, was found at INDEX: out of the file, unless it has left it meanwhile. */
static void drop_folio(struct address_space *mapping, struct folio *f, pgoff_t index)
{
	bool ours;

	folio_lock(f);
	ours = f->mapping == mapping;
	if (ours && folio_mapped(f))
		unmap_mapping_pages(mapping, index, 1, false);
	if (ours)
		delete_folio(mapping, f);
	folio_unlock(f);
	folio_put(f);
}

static void drop_pages(struct inode *inode, pgoff_t first, pgoff_t last)
{
	struct address_space *mapping = &inode->i_data;
	void *entry;

	if (first > last)
		return;
	/* Whatever was found is looked for again, until it is gone: a page may move to the swap cache and back. */
	for (pgoff_t i = first; (entry = find_next_entry(mapping, &i, last));) {
		if (!xa_is_value(entry))
			drop_folio(mapping, entry, i);
		else if (shmem_free_swap(mapping, i, entry))
			shmem_uncharge(inode, 1);
		cond_resched();
	}
}

void shmem_truncate_range(struct inode *inode, loff_t start, loff_t end)
{
	pgoff_t first = DIV_ROUND_UP((u64)start, PAGE_SIZE), stop = ((u64)end + 1) >> PAGE_SHIFT;
	unsigned int head = start & (PAGE_SIZE - 1), tail = (end + 1) & (PAGE_SIZE - 1);

	if (end < start)
		return;
	if (head && first > stop) {		/* all in one page */
		zero_part(inode, start >> PAGE_SHIFT, head, tail);
		return;
	}
	if (head)
		zero_part(inode, start >> PAGE_SHIFT, head, PAGE_SIZE);
	if (stop > first)
		drop_pages(inode, first, stop - 1);
	zero_part(inode, stop, 0, tail);
}

int shmem_set_size(struct inode *inode, loff_t size)
{
	loff_t old = inode->i_size;

	if (size > SHMEM_MAX_BYTES)
		return -EFBIG;
	if ((size < old && (inode->i_seals & F_SEAL_SHRINK)) ||
	    (size > old && (inode->i_seals & F_SEAL_GROW)))
		return -EPERM;
	if (size == old)
		return 0;
	WRITE_ONCE(inode->i_size, size);
	inode_set_mtime(inode);
	if (size < old) {
		pgoff_t hole = DIV_ROUND_UP(size, PAGE_SIZE);

		/* All at once first, since one by one is slow; private copies go as well. */
		unmap_mapping_pages(&inode->i_data, hole, ~0UL - hole, true);
		shmem_truncate_range(inode, size, SHMEM_MAX_BYTES + PAGE_SIZE - 1);
		/* A fault may have copied a page between the two. */
		unmap_mapping_pages(&inode->i_data, hole, ~0UL - hole, true);
	}
	return 0;
}

void shmem_evict_inode(struct inode *inode)
{
	struct shmem_sb_info *si = inode->i_sb->s_fs_info;

	if (S_ISREG(inode->i_mode)) {
		drop_pages(inode, 0, ~0UL);
		shmem_leave_swaplist(&inode->i_data);
		KASSERT_EQ(inode->i_data.nrpages + inode->i_data.nrswapped, 0, "FOL-2");
		xa_destroy(&inode->i_data.i_pages);
		if (prepaid(inode))
			vm_unacct_memory((long)inode->i_private);
	}
	atomic_long_dec(&si->used_inodes);
}

/* ---- read ---- */

/* As relatime does: the first read after a change is noted. */
static void touch_atime(struct inode *inode)
{
	if (inode->i_atime.tv_sec <= inode->i_mtime.tv_sec)
		inode->i_atime = current_time();
}

static ssize_t shmem_read(struct file *file, struct iov_iter *to, loff_t *ppos)
{
	struct inode *inode = file->f_inode;
	loff_t pos = *ppos;
	ssize_t done = 0;

	while (to->count) {
		loff_t size = READ_ONCE(inode->i_size);
		unsigned int offset = pos & (PAGE_SIZE - 1);
		size_t n, got;
		struct folio *f;

		if (pos >= size)
			break;
		n = min_t(u64, min_t(u64, size - pos, PAGE_SIZE - offset), to->count);
		f = read_folio(inode, pos >> PAGE_SHIFT);
		if (IS_ERR(f)) {
			done = done ? done : PTR_ERR(f);
			break;
		}
		if (f) {
			got = copy_to_iter((char *)folio_address(f) + offset, n, to);
			if (!offset)	/* a page read in pieces is used once */
				folio_mark_accessed(f);
			folio_put(f);
		} else {
			got = clear_iter(n, to);
		}
		pos += got;
		done += got;
		if (got < n) {
			done = done ? done : -EFAULT;
			break;
		}
		cond_resched();
	}
	*ppos = pos;
	touch_atime(inode);
	return done;
}

/* ---- write ---- */

/*
 * A hole at INDEX gets a page that is filled from FROM first and can be found only then. Bytes or -errno;
 * -EEXIST: a fault has filled the hole, nothing was consumed.
 */
static ssize_t write_hole(struct inode *inode, pgoff_t index, unsigned int offset, size_t n,
			  struct iov_iter *from)
{
	struct iov_iter back = *from;
	struct folio *f;
	ssize_t got;
	char *va;
	int err = charge(inode, 1);

	if (err)
		return err;
	err = -ENOMEM;
	f = folio_alloc(GFP_HIGHUSER_MOVABLE, 0);
	if (!f)
		goto out_charge;
	va = folio_address(f);
	got = copy_from_iter(va + offset, n, from);
	err = -EFAULT;
	if (!got)
		goto out_folio;
	memset(va, 0, offset);
	memset(va + offset + got, 0, PAGE_SIZE - offset - got);
	folio_lock(f);
	err = add_folio(&inode->i_data, f, index, true);
	folio_unlock(f);
	if (!err) {
		folio_put(f);
		return got;
	}
	*from = back;
out_folio:
	folio_put(f);
out_charge:
	shmem_uncharge(inode, 1);
	return err;
}

/* Up to N bytes into one page. Bytes or -errno. => i_rwsem for write */
static ssize_t write_page(struct inode *inode, loff_t pos, struct iov_iter *from)
{
	unsigned int offset = pos & (PAGE_SIZE - 1);
	size_t n = min_t(size_t, from->count, PAGE_SIZE - offset);
	pgoff_t index = pos >> PAGE_SHIFT;
	struct folio *f;
	ssize_t got;

	do {
		f = read_folio(inode, index);
		if (IS_ERR(f))
			return PTR_ERR(f);
		if (f) {
			got = copy_from_iter((char *)folio_address(f) + offset, n, from);
			folio_set_dirty(f);
			if (!offset)
				folio_mark_accessed(f);
			folio_put(f);
			return got ? got : -EFAULT;
		}
		got = write_hole(inode, index, offset, n, from);
	} while (got == -EEXIST);
	return got;
}

/* How much of COUNT bytes at POS may be written: > 0, or -errno. => i_rwsem */
static ssize_t write_allowed(struct inode *inode, loff_t pos, size_t count)
{
	u64 limit = min_t(u64, rlimit(RLIMIT_FSIZE), SHMEM_MAX_BYTES);

	if (inode->i_seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	if ((inode->i_seals & F_SEAL_GROW) && pos + (loff_t)count > inode->i_size)
		return -EPERM;
	if ((u64)pos >= limit) {
		if (limit < SHMEM_MAX_BYTES)
			send_sig(SIGXFSZ, current, 0);
		return -EFBIG;
	}
	return min_t(u64, count, limit - pos);
}

/* A program's set-user-id must not survive a change of its contents by someone else. */
static void remove_privs(struct inode *inode)
{
	if ((inode->i_mode & (S_ISUID | S_ISGID)) && current_cred()->fsuid) {
		inode->i_mode &= ~S_ISUID;
		if (inode->i_mode & 0010)
			inode->i_mode &= ~S_ISGID;
	}
}

static ssize_t shmem_write(struct file *file, struct iov_iter *from, loff_t *ppos)
{
	struct inode *inode = file->f_inode;
	ssize_t done = 0, n;
	loff_t pos;

	if (!from->count)
		return 0;
	down_write(&inode->i_rwsem);
	pos = file->f_flags & O_APPEND ? inode->i_size : *ppos;
	n = write_allowed(inode, pos, from->count);
	if (n > 0) {
		size_t cut = from->count - n;

		pause_spin("shmem_write");
		from->count = n;
		remove_privs(inode);
		while (from->count) {
			n = write_page(inode, pos, from);
			if (n <= 0)
				break;
			pos += n;
			done += n;
			if (pos > inode->i_size)
				WRITE_ONCE(inode->i_size, pos);
			if (fatal_signal_pending(current)) {
				n = -EINTR;
				break;
			}
			cond_resched();
		}
		from->count += cut;
		inode_set_mtime(inode);
	}
	up_write(&inode->i_rwsem);
	*ppos = pos;
	return done ? done : n;
}

/* ---- lseek, with SEEK_DATA 3 and SEEK_HOLE 4 ---- */

/* Start of the next data (or hole) at or after OFF < SIZE; SIZE if there is none. */
static loff_t seek_data_hole(struct inode *inode, loff_t off, loff_t size, bool data)
{
	struct address_space *mapping = &inode->i_data;
	pgoff_t i = off >> PAGE_SHIFT, next, last = (size - 1) >> PAGE_SHIFT;

	for (; i <= last; i++) {
		struct folio *f;

		next = i;
		spin_lock(&mapping->tree_lock);
		f = xa_find(&mapping->i_pages, &next, last);
		spin_unlock(&mapping->tree_lock);
		if (data && !f)
			return size;
		if (data)
			i = next;
		if (data || !f || next != i)
			return min_t(loff_t, max_t(loff_t, off, (loff_t)i << PAGE_SHIFT), size);
		cond_resched();
	}
	return size;
}

static loff_t shmem_llseek(struct file *file, loff_t off, int whence)
{
	struct inode *inode = file->f_inode;
	loff_t size;

	if (whence != 3 && whence != 4)
		return generic_file_llseek(file, off, whence);
	size = READ_ONCE(inode->i_size);
	if (off < 0 || off >= size)
		return -ENXIO;
	off = seek_data_hole(inode, off, size, whence == 3);
	if (whence == 3 && off >= size)
		return -ENXIO;
	file->f_pos = off;
	return off;
}

/* ---- fallocate ---- */

static long punch_hole(struct inode *inode, loff_t off, loff_t len)
{
	pgoff_t first = DIV_ROUND_UP(off, PAGE_SIZE), stop = (off + len) >> PAGE_SHIFT;

	if (inode->i_seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	if (stop > first)
		unmap_mapping_pages(&inode->i_data, first, stop - first, false);
	shmem_truncate_range(inode, off, off + len - 1);
	inode_set_mtime(inode);
	return 0;
}

/* May the file become SIZE bytes long? Beyond RLIMIT_FSIZE: SIGXFSZ and -EFBIG. => i_rwsem */
static int newsize_allowed(struct inode *inode, loff_t size)
{
	if (size <= inode->i_size || (u64)size <= rlimit(RLIMIT_FSIZE))
		return 0;
	send_sig(SIGXFSZ, current, 0);
	return -EFBIG;
}

static long shmem_fallocate(struct file *file, int mode, loff_t off, loff_t len)
{
	struct inode *inode = file->f_inode;
	struct shmem_sb_info *si = inode->i_sb->s_fs_info;
	pgoff_t first = off >> PAGE_SHIFT, stop = DIV_ROUND_UP(off + len, PAGE_SIZE);
	long err = 0;

	down_write(&inode->i_rwsem);
	if (mode & 2) {
		err = punch_hole(inode, off, len);
		goto out;
	}
	err = newsize_allowed(inode, off + len);
	if (!err && off + len > inode->i_size && !(mode & 1) && (inode->i_seals & F_SEAL_GROW))
		err = -EPERM;
	else if (!err && si->max_blocks && stop - first > si->max_blocks)
		err = -ENOSPC;
	for (pgoff_t i = first; i < stop && !err; i++) {
		struct folio *f;

		err = shmem_get_folio(inode, i, &f, SGP_FALLOC);
		if (!err) {
			folio_unlock(f);
			folio_put(f);
			if (signal_pending(current) && i + 1 < stop)
				err = -EINTR;
		}
		cond_resched();
	}
	if (!err && !(mode & 1) && off + len > inode->i_size)
		WRITE_ONCE(inode->i_size, off + len);
	if (!err)
		inode_set_mtime(inode);
out:
	up_write(&inode->i_rwsem);
	return err;
}

/* ---- splice: the pipe gets references to the file's pages ---- */

static ssize_t shmem_splice_read(struct file *file, loff_t *ppos, struct pipe_inode_info *pipe, size_t len,
				 unsigned int flags)
{
	struct inode *inode = file->f_inode;
	ssize_t done = 0;
	int err = 0;

	while (len && *ppos < READ_ONCE(inode->i_size)) {
		unsigned int offset = *ppos & (PAGE_SIZE - 1);
		size_t n = min_t(u64, min_t(u64, READ_ONCE(inode->i_size) - *ppos, PAGE_SIZE - offset), len);
		struct folio *f = read_folio(inode, *ppos >> PAGE_SHIFT);
		struct page *page;

		if (IS_ERR(f)) {
			err = (int)PTR_ERR(f);
			break;
		}
		page = f ? &f->page : alloc_pages(GFP_KERNEL | __GFP_ZERO, 0);
		if (!page) {
			err = -ENOMEM;
			break;
		}
		err = pipe_push_page(pipe, page, offset, n, !done && !(flags & 2 /* SPLICE_F_NONBLOCK */));
		if (err) {
			put_page(page);
			break;
		}
		*ppos += n;
		done += n;
		len -= n;
	}
	return done ? done : err;
}

/* ---- Mappings ---- */

static vm_fault_t shmem_fault(struct vm_fault *vmf)
{
	struct inode *inode = vmf->vma->vm_file->f_inode;
	struct folio *f;
	int err = shmem_get_folio(inode, vmf->pgoff, &f, SGP_CACHE);

	if (err)
		return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	vmf->page = &f->page;
	return VM_FAULT_LOCKED;
}

const struct vm_operations_struct shmem_vm_ops = {
	.fault = shmem_fault,
	.map_pages = filemap_map_pages,
};

static int shmem_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct inode *inode = file->f_inode;

	if ((vma->vm_flags & VM_SHARED) && (inode->i_seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))) {
		if (vma->vm_flags & VM_WRITE)
			return -EPERM;
		vma->vm_flags &= ~VM_MAYWRITE;
	}
	touch_atime(inode);
	vma->vm_ops = &shmem_vm_ops;
	return 0;
}

const struct file_operations shmem_file_operations = {
	.read = shmem_read,
	.write = shmem_write,
	.llseek = shmem_llseek,
	.mmap = shmem_mmap,
	.fsync = noop_fsync,
	.fallocate = shmem_fallocate,
	.splice_read = shmem_splice_read,
};

/* ---- Files without a name ---- */

struct file *shmem_kernel_file_setup(const char *name, loff_t size, bool reserve)
{
	long pages = DIV_ROUND_UP(size, PAGE_SIZE);
	struct inode *inode;
	struct dentry *d;
	struct file *f;

	if (size < 0 || size > SHMEM_MAX_BYTES)
		return ERR_PTR(-EINVAL);
	if (reserve && acct_pages(pages))
		return ERR_PTR(-ENOMEM);
	inode = tmpfs_get_inode(shm_mnt->mnt_sb, NULL, S_IFREG | 0777, 0);
	if (!inode) {
		if (reserve)
			vm_unacct_memory(pages);
		return ERR_PTR(-ENOSPC);
	}
	if (reserve)
		inode->i_private = (void *)pages;	/* evict gives the promise back */
	inode->i_nlink = 0;
	inode->i_size = size;
	inode->i_seals = F_SEAL_SEAL;
	d = d_alloc_detached(shm_mnt->mnt_sb, name, inode, DCACHE_UNLINKED);
	if (!d) {
		iput(inode);
		return ERR_PTR(-ENOMEM);
	}
	f = alloc_file_pseudo(shm_mnt, d, O_RDWR, &shmem_file_operations);
	if (IS_ERR(f))
		dput(d);
	return f;
}

int shmem_zero_setup(struct vm_area_struct *vma)
{
	loff_t size = vma->vm_end - vma->vm_start;
	struct file *f = shmem_kernel_file_setup("dev/zero", size, !(vma->vm_flags & VM_NORESERVE));

	if (IS_ERR(f))
		return PTR_ERR(f);
	vma->vm_file = f;
	vma->vm_ops = &shmem_vm_ops;
	return 0;
}

/* Boot: the file system, mounted nowhere, that nameless files belong to. */
void shmem_init(void)
{
	shm_mnt = kern_mount(&rootfs_type);
}
