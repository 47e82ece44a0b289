/*
 * mm/swapon.c - swapon(2) and /proc/swaps.
 *
 *	swapon ──> open, claim the disk ──> header as mkswap wrote it ──> memory for its slots ──> slots are given
 *
 * An area is a whole block device. Files of our one kind of file system are memory themselves: EINVAL, as in
 * Linux. Not here: discard (accepted, without effect). Linux: mm/swapfile.c.
 */
#include "kernel/fs/internal.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/err.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/task/cred.h"
#include "kernel/task/syscall.h"
#include "mm/swapfile.h"

#define SWAP_FLAG_PREFER	0x8000u
#define SWAP_FLAG_PRIO_MASK	0x7fffu
#define SWAP_FLAG_DISCARDS	0x70000u
#define DEF_SWAP_PRIO		(-1)

/* The first page of an area. */
struct swap_header {
	char boot[1024];
	u32 version, last_page, nr_badpages;
	u8 uuid[16], label[16];
	u32 padding[117];
	u32 badpages[637];
	u16 fill;
	char magic[10];
} __packed;
static_assert(sizeof(struct swap_header) == PAGE_SIZE, "magic at the end of the page");

/* swapon and swapoff one at a time; /proc/swaps. */
DEFINE_MUTEX(swapon_mutex);

/* ---- Structures ---- */

/* One that nobody uses; NULL: there are 28 areas. */
static struct swap_info_struct *alloc_swap_info(void)
{
	struct swap_info_struct *si = NULL;

	spin_lock(&swap_lock);
	for (unsigned int i = 0; i < MAX_SWAPFILES && !si; i++) {
		if (!swap_info[i].used) {
			si = &swap_info[i];
			si->used = true;
			si->type = i;
		}
	}
	spin_unlock(&swap_lock);
	return si;
}

void free_swap_info(struct swap_info_struct *si)
{
	swap_free_area(si);
	if (si->rotational)
		atomic_dec(&nr_rotate_swap);
	if (si->bdev)
		bd_release(si->bdev);
	if (si->file)
		fput(si->file);
	si->bdev = NULL;
	si->file = NULL;
	si->rotational = false;
	spin_lock(&swap_lock);
	si->used = false;
	spin_unlock(&swap_lock);
}

/* ---- The header ---- */

static int read_page(struct block_device *bdev, struct page *page)
{
	struct bio_vec vec = { .bv_page = page, .bv_len = PAGE_SIZE };
	struct bio bio = { .bi_bdev = bdev, .bi_op = REQ_OP_READ, .bi_io_vec = &vec, .bi_vcnt = 1 };

	/* What the device node has cached may not be on the disk yet, or not be what is there now. */
	invalidate_bdev(bdev);
	return submit_bio_wait(&bio);
}

/* How many slots H promises on DISK_PAGES pages, the header's included; 0: it is none (logged). */
static unsigned long header_slots(const struct swap_header *h, unsigned long disk_pages)
{
	const char *why = NULL;

	if (memcmp(h->magic, "SWAPSPACE2", 10))
		why = "Unable to find swap-space signature";
	else if (h->version != 1)
		why = "Unable to handle swap header version";
	else if (!h->last_page)
		why = "Empty swap-file";
	else if (h->last_page >= disk_pages)
		why = "Swap area shorter than signature indicates";
	else if (h->nr_badpages > ARRAY_SIZE(h->badpages))
		why = "Too many bad pages in swap header";
	if (!why)
		return h->last_page + 1UL;
	pr_err("swap: %s\n", why);
	return 0;
}

/* Memory for SI's slots, as H says. 0, -EINVAL, -ENOMEM. */
static int setup_slots(struct swap_info_struct *si, const struct swap_header *h)
{
	int err;

	si->max = header_slots(h, si->bdev->bd_sectors / (PAGE_SIZE / SECTOR_SIZE));
	if (!si->max)
		return -EINVAL;
	for (u32 i = 0; i < h->nr_badpages; i++)
		if (!h->badpages[i] || h->badpages[i] >= si->max)
			return -EINVAL;
	err = swap_alloc_area(si);
	if (err)
		return err;
	for (u32 i = 0; i < h->nr_badpages; i++)
		swap_mark_bad(si, h->badpages[i]);
	if (si->pages)
		return 0;
	pr_err("swap: Empty swap-file\n");
	return -EINVAL;
}

static int setup_area(struct swap_info_struct *si)
{
	struct page *page = alloc_pages(GFP_KERNEL, 0);
	int err;

	if (!page)
		return -ENOMEM;
	err = read_page(si->bdev, page);
	if (!err)
		err = setup_slots(si, page_address(page));
	__free_pages(page, 0);
	return err;
}

/* ---- The call ---- */

/* The file of a user's path, open for reading and writing; ERR_PTR. */
struct file *swap_open(const char __user *uname)
{
	char *name = getname(uname, 0);
	struct file *f;

	if (IS_ERR(name))
		return ERR_PTR(PTR_ERR(name));
	f = do_filp_open(AT_FDCWD, name, O_RDWR | O_LARGEFILE, 0);
	putname(name);
	return f;
}

/* Open and claim. SI keeps what it got, also after an error. */
static int claim_device(struct swap_info_struct *si, const char __user *uname)
{
	struct file *f = swap_open(uname);
	struct block_device *bdev;
	int err;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	si->file = f;
	bdev = S_ISBLK(f->f_inode->i_mode) ? blkdev_get(f->f_inode->i_rdev) : NULL;
	if (!bdev)
		return -EINVAL;
	err = bdev->bd_read_only ? -EACCES : bd_claim(bdev, si);
	if (!err)
		si->bdev = bdev;
	return err;
}

static const char *area_name(const struct swap_info_struct *si, char *buf)
{
	char *path = d_path(&si->file->f_path, buf, PAGE_SIZE);

	return IS_ERR(path) ? si->bdev->bd_name : path;
}

static void start_area(struct swap_info_struct *si, unsigned int flags)
{
	const struct block_device *bdev = si->bdev;
	char *buf = (char *)__get_free_pages(GFP_KERNEL, 0);

	si->synchronous = bdev->bd_synchronous;
	si->stable_writes = bdev->bd_stable_writes;
	si->rotational = bdev->bd_rotational;
	if (si->rotational)
		atomic_inc(&nr_rotate_swap);
	atomic_long_set(&si->inuse, 0);
	atomic_long_set(&si->idle, 0);
	mutex_lock(&swapon_mutex);
	si->prio = flags & SWAP_FLAG_PREFER ? (int)(flags & SWAP_FLAG_PRIO_MASK) : DEF_SWAP_PRIO;
	atomic_set(&si->users, 1);
	swap_enable_area(si);
	pr_info("Adding %luk swap on %s.  Priority:%d extents:1 across:%luk %s\n", si->pages * 4,
		buf ? area_name(si, buf) : bdev->bd_name, si->prio, si->pages * 4,
		si->rotational ? "" : "SS");
	mutex_unlock(&swapon_mutex);
	if (buf)
		free_page(buf);
}

SYSCALL_DEFINE2(swapon, const char __user *, specialfile, int, swap_flags)
{
	unsigned int flags = (unsigned int)swap_flags;
	struct swap_info_struct *si;
	int err;

	if (flags & ~(SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK | SWAP_FLAG_DISCARDS))
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	si = alloc_swap_info();
	if (!si)
		return -EPERM;
	err = claim_device(si, specialfile);
	if (!err)
		err = setup_area(si);
	if (err)
		free_swap_info(si);
	else
		start_area(si, flags);
	return err;
}

/* ---- /proc/swaps ---- */

static void show_area(struct seq_file *m, const struct swap_info_struct *si, char *buf)
{
	unsigned long size = si->pages * 4, used = (unsigned long)atomic_long_read(&si->inuse) * 4;
	size_t start = m->count, len;

	seq_path_escaped(m, area_name(si, buf), " \t\n\\");
	len = m->count - start;
	seq_printf(m, "%*s%s\t%lu\t%s%lu\t%s%d\n", len < 40 ? (int)(40 - len) : 1, " ", "partition", size,
		   size < 10000000 ? "\t" : "", used, used < 10000000 ? "\t" : "", si->prio);
}

static int swaps_show(struct seq_file *m, void *data)
{
	char *buf = (char *)__get_free_pages(GFP_KERNEL, 0);

	if (!buf)
		return -ENOMEM;
	seq_puts(m, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	mutex_lock(&swapon_mutex);
	for (int i = 0; i < MAX_SWAPFILES; i++)
		if (atomic_read(&swap_info[i].users) && swap_info[i].file)
			show_area(m, &swap_info[i], buf);
	mutex_unlock(&swapon_mutex);
	free_page(buf);
	return 0;
}

static const struct pseudo_ops swaps_ops = { .show = swaps_show };

static int swaps_init(void)
{
	pseudo_create(proc_root, "swaps", 0444, &swaps_ops, NULL);
	return 0;
}
fs_initcall(swaps_init);
