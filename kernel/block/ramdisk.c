/*
 * kernel/block/ramdisk.c - /dev/ram0: a disk in memory that is taken at boot.
 *
 *	ramdisk=64M ──> pages[0 .. 16383], as large blocks as there are ──> memcpy
 *
 * A request is done when submit_bio returns, so what is measured with this disk does not depend on a device
 * or an interrupt. All its memory is taken at once and stays taken: swapping to it frees some, and can need
 * none.
 *
 * Not here: more than one. Linux: drivers/block/brd.c, which allocates a page when it is first written.
 */
#include "kernel/block/internal.h"
#include "kernel/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "mm/slab.h"

#define RAMDISK_MAJOR 1
#define CHUNK_ORDER 9

static unsigned long ramdisk_pages;	/* wanted */
static char **pages;			/* each page's address */

static struct block_device ram0 = {
	.bd_name = "ram0", .bd_dev = MKDEV(RAMDISK_MAJOR, 0), .bd_logical_block = SECTOR_SIZE,
	.bd_synchronous = true,
};

static int ramdisk_param(char *value)
{
	char *end;
	unsigned long long size = memparse(value, &end);

	if (*end || end == value)
		return -EINVAL;
	ramdisk_pages = size >> PAGE_SHIFT;
	return 0;
}
boot_param("ramdisk=", ramdisk_param);

/* Linux's word, in KiB. */
static int ramdisk_size_param(char *value)
{
	unsigned long kib;

	if (kstrtoul(value, 10, &kib))
		return -EINVAL;
	ramdisk_pages = kib >> (PAGE_SHIFT - 10);
	return 0;
}
boot_param("ramdisk_size=", ramdisk_size_param);

/* N bytes between MEM and the disk from POS on. */
static void copy(char *mem, u64 pos, unsigned int n, bool to_disk)
{
	/* Most requests. */
	if (likely(n == PAGE_SIZE && !(pos & (PAGE_SIZE - 1)))) {
		if (to_disk)
			copy_page(pages[pos >> PAGE_SHIFT], mem);
		else
			copy_page(mem, pages[pos >> PAGE_SHIFT]);
		return;
	}
	while (n) {
		unsigned int at = pos & (PAGE_SIZE - 1), part = min_t(unsigned int, n, PAGE_SIZE - at);
		char *disk = pages[pos >> PAGE_SHIFT] + at;

		memcpy(to_disk ? disk : mem, to_disk ? mem : disk, part);
		mem += part;
		pos += part;
		n -= part;
	}
}

static void ramdisk_submit(struct block_device *bdev, struct bio *bio)
{
	unsigned int n = bio->bi_op == REQ_OP_FLUSH ? 0 : bio->bi_vcnt;
	u64 pos = bio->bi_sector << SECTOR_SHIFT;

	for (const struct bio_vec *bv = bio->bi_io_vec; n; n--, bv++) {
		copy((char *)page_address(bv->bv_page) + bv->bv_offset, pos, bv->bv_len,
		     bio->bi_op == REQ_OP_WRITE);
		pos += bv->bv_len;
	}
	bio_endio(bio, 0);
}

/* Memory for pages FROM and following, the larger the better. How many there are now; 0: no memory. */
static unsigned long take_chunk(unsigned long from)
{
	unsigned int order = ramdisk_pages - from >= 1UL << CHUNK_ORDER ? CHUNK_ORDER : 0;
	struct page *p = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_NORETRY | __GFP_NOWARN, order);

	if (!p && order) {
		order = 0;
		p = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_NORETRY | __GFP_NOWARN, 0);
	}
	if (!p)
		return 0;
	for (unsigned long i = 0; i < 1UL << order; i++)
		pages[from + i] = page_address(p + i);
	return 1UL << order;
}

static int ramdisk_init(void)
{
	unsigned long n = 0, more;

	if (!ramdisk_pages)
		return 0;
	/* What is left must be able to boot: never more than three quarters. */
	if (ramdisk_pages > nr_free_pages() / 4 * 3) {
		pr_err("ramdisk: %lu MiB do not fit, no /dev/ram0\n", ramdisk_pages >> (20 - PAGE_SHIFT));
		return 0;
	}
	pages = kvmalloc(ramdisk_pages * sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	while (n < ramdisk_pages && (more = take_chunk(n)))
		n += more;
	ram0.bd_sectors = (u64)n << (PAGE_SHIFT - SECTOR_SHIFT);
	ram0.bd_submit = ramdisk_submit;
	return n ? add_disk(&ram0) : -ENOMEM;
}
device_initcall(ramdisk_init);
