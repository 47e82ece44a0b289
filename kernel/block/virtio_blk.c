/*
 * kernel/block/virtio_blk.c - disks of a virtual machine: /dev/vda, vdb, ...
 *
 *	submit_bio ── a free slot? ── yes ──> header, pieces, status in one indirect table ──> ring
 *	                  └── no ──> waiting list ──────────────────────────────^
 *	interrupt (or the polling thread) ──> used ring ──> slots free, waiting ones started ──> bio_endio
 *
 * A slot has all that a request needs and was allocated when the disk was found, so the way to the disk needs
 * no memory (RCL-26). Slot N is descriptor N of the ring. A bio with more pieces than a slot has room for
 * goes in several parts, one after the other.
 *
 * Not here: several queues, devices without indirect descriptors, discard, resizing. Section numbers: virtio
 * 1.2. Linux: drivers/block/virtio_blk.c.
 */
#include "arch-x86_64/io.h"
#include "kernel/block/internal.h"
#include "kernel/block/virtio.h"
#include "kernel/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "mm/gfp.h"
#include "mm/slab.h"

#define VIRTIO_BLK_MAJOR 254
#define MINORS		 16		/* a disk: room for partitions, as in Linux */
#define MAX_DISKS	 26

/* 5.2.3: feature bits. */
enum { BLK_F_SEG_MAX = 2, BLK_F_RO = 5, BLK_F_BLK_SIZE = 6, BLK_F_FLUSH = 9 };
/* 5.2.4: the configuration. */
enum { CONFIG_CAPACITY = 0, CONFIG_SEG_MAX = 12, CONFIG_BLK_SIZE = 20 };
/* 5.2.6: requests. */
enum { BLK_T_IN = 0, BLK_T_OUT = 1, BLK_T_FLUSH = 4 };
enum { BLK_S_OK = 0, BLK_S_IOERR = 1, BLK_S_UNSUPP = 2 };

#define SLOT_BYTES  2048
#define SLOT_PIECES 124
#define SLOTS_ORDER 5			/* pages for the slots of one disk: 64 of them */
#define MAX_SLOTS   ((PAGE_SIZE << SLOTS_ORDER) / SLOT_BYTES)

/* One request at the device. The table: header, pieces, status. */
struct slot {
	struct virtq_desc table[SLOT_PIECES + 2];
	struct { u32 type, reserved; u64 sector; } header;
	struct bio *bio;		/* NULL: free */
	u8 status;
};
static_assert(sizeof(struct slot) <= SLOT_BYTES, "a slot must not cross the end of the memory");

struct virtio_blk {
	struct block_device bdev;
	struct virtio_device v;
	struct virtqueue q;		/* vblk_lock, but for what is constant */
	spinlock_t vblk_lock;
	char *slots;			/* their contents: vblk_lock */
	unsigned int nr_slots;		/* c */
	unsigned int max_pieces;	/* c: that one request may have */
	unsigned int free[MAX_SLOTS], nr_free;	/* vblk_lock: a stack of free ones */
	struct list_head waiting;	/* vblk_lock: bios for which there was no slot */
	wait_queue_head_t poll_wait;	/* only if the queue is polled */
};

static int nr_disks;

static struct slot *slot_of(struct virtio_blk *vb, unsigned int n)
{
	return (struct slot *)(vb->slots + (size_t)n * SLOT_BYTES);
}

/* ---- Starting ---- */

static void set_desc(struct virtq_desc *d, phys_addr_t addr, u32 len, u16 flags, u16 next)
{
	*d = (struct virtq_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

/* The sector at which the pieces that are left of BIO begin. */
static u64 next_sector(const struct bio *bio)
{
	u64 bytes = 0;

	for (unsigned int i = 0; i < bio->bi_idx; i++)
		bytes += bio->bi_io_vec[i].bv_len;
	return bio->bi_sector + (bytes >> SECTOR_SHIFT);
}

/* The table for the next pieces of BIO, at most MAX, which are counted as done. Entries. */
static unsigned int fill_table(struct slot *s, struct bio *bio, unsigned int max)
{
	static const u32 types[] = {
		[REQ_OP_READ] = BLK_T_IN, [REQ_OP_WRITE] = BLK_T_OUT, [REQ_OP_FLUSH] = BLK_T_FLUSH };
	u16 write = bio->bi_op == REQ_OP_READ ? VIRTQ_DESC_F_WRITE : 0;
	unsigned int n = 0;

	s->header.type = types[bio->bi_op];
	s->header.reserved = 0;
	s->header.sector = bio->bi_op == REQ_OP_FLUSH ? 0 : next_sector(bio);
	set_desc(&s->table[n], __pa(&s->header), sizeof(s->header), VIRTQ_DESC_F_NEXT, 1);
	n++;
	for (; bio->bi_idx < bio->bi_vcnt && n <= max; bio->bi_idx++, n++) {
		const struct bio_vec *bv = &bio->bi_io_vec[bio->bi_idx];

		set_desc(&s->table[n], page_to_phys(bv->bv_page) + bv->bv_offset, bv->bv_len,
			 write | VIRTQ_DESC_F_NEXT, (u16)(n + 1));
	}
	s->status = BLK_S_IOERR;
	set_desc(&s->table[n], __pa(&s->status), 1, VIRTQ_DESC_F_WRITE, 0);
	return n + 1;
}

/* => vblk_lock, a slot is free; notify the device later */
static void start(struct virtio_blk *vb, struct bio *bio)
{
	unsigned int id = vb->free[--vb->nr_free], entries;
	struct slot *s = slot_of(vb, id);

	s->bio = bio;
	entries = fill_table(s, bio, vb->max_pieces);
	set_desc(&vb->q.desc[id], __pa(s->table), (u32)(entries * sizeof(s->table[0])),
		 VIRTQ_DESC_F_INDIRECT, 0);
	virtqueue_offer(&vb->q, id);
}

static void virtio_blk_submit(struct block_device *bdev, struct bio *bio)
{
	struct virtio_blk *vb = bdev->bd_driver;
	unsigned long flags;

	if (bio->bi_op == REQ_OP_FLUSH && !virtio_has_feature(&vb->v, BLK_F_FLUSH)) {
		bio_endio(bio, 0);	/* 5.2.5.1: it keeps nothing back */
		return;
	}
	spin_lock_irqsave(&vb->vblk_lock, flags);
	if (vb->nr_free && list_empty(&vb->waiting)) {
		start(vb, bio);
		virtqueue_notify(&vb->q);
	} else {
		list_add_tail(&bio->bi_list, &vb->waiting);
	}
	spin_unlock_irqrestore(&vb->vblk_lock, flags);
	if (vb->q.polled)
		wake_up(&vb->poll_wait);
}

/* ---- Ending ---- */

/* The device is done with slot ID: onto DONE, or back to WAITING if only a part was done. => vblk_lock */
static void end_slot(struct virtio_blk *vb, unsigned int id, struct list_head *done)
{
	struct slot *s = slot_of(vb, id);
	struct bio *bio = s->bio;

	s->bio = NULL;
	vb->free[vb->nr_free++] = id;
	bio->bi_status = READ_ONCE(s->status) == BLK_S_OK ? 0 : s->status == BLK_S_UNSUPP ? -EOPNOTSUPP : -EIO;
	if (!bio->bi_status && bio->bi_idx < bio->bi_vcnt)
		list_add(&bio->bi_list, &vb->waiting);
	else
		list_add_tail(&bio->bi_list, done);
}

/* Take back what the device has done, start what waited. */
static void reap(struct virtio_blk *vb)
{
	struct bio *bio, *next;
	unsigned long flags;
	LIST_HEAD(done);
	int id;

	spin_lock_irqsave(&vb->vblk_lock, flags);
	while ((id = virtqueue_next_used(&vb->q)) >= 0) {
		if ((unsigned int)id < vb->nr_slots && slot_of(vb, (unsigned int)id)->bio)
			end_slot(vb, (unsigned int)id, &done);
		else
			pr_err("%s: the device returned request %d, which it does not have\n",
			       vb->bdev.bd_name, id);
	}
	while (vb->nr_free && !list_empty(&vb->waiting)) {
		bio = list_first_entry(&vb->waiting, struct bio, bi_list);
		list_del(&bio->bi_list);
		start(vb, bio);
	}
	virtqueue_notify(&vb->q);
	spin_unlock_irqrestore(&vb->vblk_lock, flags);
	list_for_each_entry_safe(bio, next, &done, bi_list)
		bio_endio(bio, bio->bi_status);
}

static void virtio_blk_interrupt(void *arg)
{
	reap(arg);
}

static bool busy(struct virtio_blk *vb)
{
	return READ_ONCE(vb->nr_free) < vb->nr_slots;
}

/*
 * In place of the interrupt: look as long as there is something to wait for, without a pause at first (most
 * requests take less than a tick), later once a tick.
 */
static int poll_thread(void *arg)
{
	struct virtio_blk *vb = arg;

	for (;;) {
		u64 patience;

		wait_event_interruptible(vb->poll_wait, busy(vb));
		patience = ktime_get() + 2 * NSEC_PER_MSEC;
		for (reap(vb); busy(vb); reap(vb)) {
			if (ktime_get() < patience) {
				yield();
			} else {
				set_current_state(TASK_UNINTERRUPTIBLE);
				schedule_timeout_ns(NSEC_PER_MSEC);
			}
		}
	}
	return 0;
}

/* ---- Finding them ---- */

static int alloc_slots(struct virtio_blk *vb)
{
	struct page *p = alloc_pages(GFP_KERNEL | __GFP_ZERO, SLOTS_ORDER);

	if (!p)
		return -ENOMEM;
	vb->slots = page_address(p);
	vb->nr_slots = min_t(unsigned int, MAX_SLOTS, vb->q.size);
	for (unsigned int i = 0; i < vb->nr_slots; i++)
		vb->free[vb->nr_free++] = i;
	/* 2.7.5.3.1: a chain is never longer than the queue; header and status are part of it. */
	vb->max_pieces = min_t(unsigned int, SLOT_PIECES, vb->q.size - 2);
	if (virtio_has_feature(&vb->v, BLK_F_SEG_MAX))
		vb->max_pieces = min(vb->max_pieces, readl(vb->v.config + CONFIG_SEG_MAX));
	return vb->q.size > 2 && vb->max_pieces ? 0 : -EINVAL;
}

/* What the device says of itself (5.2.4). 0 or -EINVAL. */
static int read_config(struct virtio_blk *vb)
{
	struct block_device *bdev = &vb->bdev;
	u64 low = readl(vb->v.config + CONFIG_CAPACITY), high = readl(vb->v.config + CONFIG_CAPACITY + 4);

	bdev->bd_sectors = high << 32 | low;
	bdev->bd_logical_block = SECTOR_SIZE;
	if (virtio_has_feature(&vb->v, BLK_F_BLK_SIZE))
		bdev->bd_logical_block = readl(vb->v.config + CONFIG_BLK_SIZE);
	bdev->bd_read_only = virtio_has_feature(&vb->v, BLK_F_RO);
	/* Nobody knows better; Linux says so too, which decides how swap reads ahead (SWAP-18). */
	bdev->bd_rotational = true;
	return bdev->bd_logical_block == 512 || bdev->bd_logical_block == 4096 ? 0 : -EINVAL;
}

static int virtio_blk_setup(struct virtio_blk *vb, const struct pci_dev *d)
{
	struct block_device *bdev = &vb->bdev;
	int err = virtio_pci_start(&vb->v, d);

	scnprintf(bdev->bd_name, sizeof(bdev->bd_name), "vd%c", 'a' + nr_disks);
	bdev->bd_dev = MKDEV(VIRTIO_BLK_MAJOR, nr_disks * MINORS);
	bdev->bd_submit = virtio_blk_submit;
	bdev->bd_driver = vb;
	if (!err)
		err = virtio_negotiate(&vb->v, BIT(BLK_F_SEG_MAX) | BIT(BLK_F_RO) | BIT(BLK_F_BLK_SIZE) |
				       BIT(BLK_F_FLUSH), BIT(VIRTIO_F_INDIRECT_DESC));
	if (!err)
		err = read_config(vb);
	if (!err)
		err = virtio_setup_queue(&vb->v, &vb->q, virtio_blk_interrupt, vb, bdev->bd_name);
	if (!err)
		err = alloc_slots(vb);
	if (!err && vb->q.polled && !kthread_run(poll_thread, vb, "%s-poll", bdev->bd_name))
		err = -ENOMEM;
	return err;
}

/* Called for each PCI device; false: go on. */
static bool probe(const struct pci_dev *d, void *arg)
{
	struct virtio_blk *vb;
	int err = -ENOMEM;

	if (d->vendor != PCI_VENDOR_VIRTIO || nr_disks == MAX_DISKS ||
	    (d->device != PCI_DEVICE_VIRTIO_BLK && d->device != PCI_DEVICE_VIRTIO_BLK_TRANSITIONAL))
		return false;
	vb = kzalloc(sizeof(*vb), GFP_KERNEL);
	if (vb) {
		spin_lock_init(&vb->vblk_lock);
		INIT_LIST_HEAD(&vb->waiting);
		init_waitqueue_head(&vb->poll_wait);
		err = virtio_blk_setup(vb, d);
	}
	if (err) {
		/* Its memory stays with it: the device may know some of it already. */
		pr_err("virtio_blk %02x:%02x.%d: cannot be used, error %d\n", d->bus, d->dev, d->fn, err);
		if (vb)
			virtio_failed(&vb->v);
		return false;
	}
	nr_disks++;
	virtio_driver_ok(&vb->v);
	if (vb->q.polled)
		pr_info("%s: no MSI-X, polling\n", vb->bdev.bd_name);
	err = add_disk(&vb->bdev);
	if (err)
		pr_err("%s: error %d\n", vb->bdev.bd_name, err);
	return false;
}

static int virtio_blk_init(void)
{
	pci_for_each(probe, NULL, NULL);
	return 0;
}
device_initcall(virtio_blk_init);
