/*
 * kernel/block/virtio_pci.c - finding a virtio device's registers, agreeing on features, and the ring of one
 * queue.
 *
 *	capabilities ──> BARs mapped ──> reset, ACKNOWLEDGE, DRIVER ──> features, FEATURES_OK ──┐
 *	                                                                 DRIVER_OK <── queue 0 <┘
 *
 * Only the modern interface, which transitional devices offer as well. MSI-X if there is a table, else the
 * driver polls: the old interrupt lines would need the firmware's routing tables. Linux:
 * drivers/virtio/virtio_pci_modern.c, virtio_ring.c.
 */
#include "kernel/block/virtio.h"
#include "arch-x86_64/apic.h"
#include "arch-x86_64/io.h"
#include "arch-x86_64/processor.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/bug.h"
#include "mm/gfp.h"

/* 4.1.4: the kinds of register blocks. */
enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4 };

/* 4.1.4.3: the common configuration. */
enum {
	DEVICE_FEATURE_SELECT = 0, DEVICE_FEATURE = 4, DRIVER_FEATURE_SELECT = 8, DRIVER_FEATURE = 12,
	MSIX_CONFIG = 16, DEVICE_STATUS = 20, QUEUE_SELECT = 22, QUEUE_SIZE = 24, QUEUE_MSIX_VECTOR = 26,
	QUEUE_ENABLE = 28, QUEUE_NOTIFY_OFF = 30, QUEUE_DESC = 32, QUEUE_DRIVER = 40, QUEUE_DEVICE = 48,
};
#define NO_VECTOR 0xffff

/* 2.1: bits of the device status. */
enum { S_ACKNOWLEDGE = 1, S_DRIVER = 2, S_DRIVER_OK = 4, S_FEATURES_OK = 8, S_FAILED = 128 };

/* ---- Registers ---- */

/*
 * The first capability of kind TYPE (4.1.4), its registers mapped; *CAP its place in configuration space.
 * NULL: none.
 */
static char *map_block(const struct pci_dev *d, u8 type, u8 *cap)
{
	for (*cap = 0; (*cap = pci_find_cap(d, PCI_CAP_ID_VENDOR, *cap)) != 0; ) {
		u8 bar = pci_read8(d, *cap + 4);
		u32 offset = pci_read32(d, *cap + 8), length = pci_read32(d, *cap + 12);
		phys_addr_t addr;
		u64 size;

		if (pci_read8(d, *cap + 3) != type || bar > 5)
			continue;
		addr = pci_bar(d, bar, &size);
		if (addr && (u64)offset + length <= size)
			return ioremap(addr + offset, length);
	}
	return NULL;
}

static void add_status(struct virtio_device *v, u8 bits)
{
	writeb(readb(v->common + DEVICE_STATUS) | bits, v->common + DEVICE_STATUS);
}

int virtio_pci_start(struct virtio_device *v, const struct pci_dev *d)
{
	u8 cap, notify_cap;

	v->pci = *d;
	pci_enable(d);
	v->common = map_block(d, CAP_COMMON, &cap);
	v->config = map_block(d, CAP_DEVICE, &cap);
	v->notify = map_block(d, CAP_NOTIFY, &notify_cap);
	if (!v->common || !v->config || !v->notify)
		return -ENODEV;
	v->notify_multiplier = pci_read32(d, notify_cap + 16);
	/* 3.1.1: the firmware may have used it. It is reset when it says so (4.1.4.3.2). */
	writeb(0, v->common + DEVICE_STATUS);
	while (readb(v->common + DEVICE_STATUS))
		cpu_relax();
	add_status(v, S_ACKNOWLEDGE);
	add_status(v, S_DRIVER);
	return 0;
}

int virtio_negotiate(struct virtio_device *v, u64 wanted, u64 required)
{
	u64 offered = 0;

	required |= 1UL << VIRTIO_F_VERSION_1;
	for (u32 half = 0; half < 2; half++) {
		writel(half, v->common + DEVICE_FEATURE_SELECT);
		offered |= (u64)readl(v->common + DEVICE_FEATURE) << 32 * half;
	}
	v->features = offered & (wanted | required);
	if ((v->features & required) != required)
		return -ENODEV;
	for (u32 half = 0; half < 2; half++) {
		writel(half, v->common + DRIVER_FEATURE_SELECT);
		writel((u32)(v->features >> 32 * half), v->common + DRIVER_FEATURE);
	}
	add_status(v, S_FEATURES_OK);
	return readb(v->common + DEVICE_STATUS) & S_FEATURES_OK ? 0 : -ENODEV;
}

void virtio_driver_ok(struct virtio_device *v)
{
	add_status(v, S_DRIVER_OK);
}

void virtio_failed(struct virtio_device *v)
{
	if (v->common)
		add_status(v, S_FAILED);
}

/* ---- The queue ---- */

static int alloc_rings(struct virtqueue *q)
{
	static_assert(VIRTQ_MAX_SIZE * sizeof(struct virtq_desc) <= PAGE_SIZE, "2.7.5");

	q->desc = get_zeroed_page(GFP_KERNEL);
	q->avail = get_zeroed_page(GFP_KERNEL);
	q->used = get_zeroed_page(GFP_KERNEL);
	if (q->desc && q->avail && q->used)
		return 0;
	for (int i = 0; i < 3; i++) {
		void *part = i == 0 ? (void *)q->desc : i == 1 ? (void *)q->avail : (void *)q->used;

		if (part)
			free_page(part);
	}
	return -ENOMEM;
}

/* Entry 0 of the table for the queue. False: the device has no MSI-X, or no vector to spare. */
static bool use_msix(struct virtio_device *v, void (*handler)(void *), void *arg, const char *name)
{
	int vector;

	if (!pci_find_cap(&v->pci, PCI_CAP_ID_MSIX, 0))
		return false;
	vector = msi_alloc_vector(handler, arg, name);
	if (vector < 0 || pci_msix_enable(&v->pci, 0, (u8)vector))
		return false;
	writew(NO_VECTOR, v->common + MSIX_CONFIG);
	writew(0, v->common + QUEUE_MSIX_VECTOR);
	return readw(v->common + QUEUE_MSIX_VECTOR) == 0;
}

int virtio_setup_queue(struct virtio_device *v, struct virtqueue *q, void (*handler)(void *), void *arg,
		       const char *name)
{
	int err;

	writew(0, v->common + QUEUE_SELECT);
	q->size = readw(v->common + QUEUE_SIZE);
	if (!q->size)
		return -ENODEV;
	/* 4.1.5.1.3: the driver may ask for a smaller one. */
	if (q->size > VIRTQ_MAX_SIZE) {
		q->size = VIRTQ_MAX_SIZE;
		writew((u16)q->size, v->common + QUEUE_SIZE);
	}
	err = alloc_rings(q);
	if (err)
		return err;
	q->polled = !use_msix(v, handler, arg, name);
	writeq(__pa(q->desc), v->common + QUEUE_DESC);
	writeq(__pa(q->avail), v->common + QUEUE_DRIVER);
	writeq(__pa(q->used), v->common + QUEUE_DEVICE);
	q->notify = v->notify + readw(v->common + QUEUE_NOTIFY_OFF) * v->notify_multiplier;
	writew(1, v->common + QUEUE_ENABLE);
	return 0;
}

void virtqueue_offer(struct virtqueue *q, unsigned int id)
{
	q->avail->ring[q->avail_idx++ & (q->size - 1)] = (u16)id;
	/* 2.7.13.3: the entry before the index that makes it valid. */
	smp_store_release(&q->avail->idx, q->avail_idx);
}

void virtqueue_notify(struct virtqueue *q)
{
	if (q->told == q->avail_idx)
		return;
	/* 2.7.13.4.1: the index before the look at the flags, else both sides may wait for the other. */
	smp_mb();
	/*
	 * An emulated machine with one CPU does not execute the barrier: QEMU knows of no other CPU, but looks at the
	 * ring in another thread. So what the device says is believed only while it has requests that it knows of:
	 * when the next of them is done, we are here again.
	 */
	if ((READ_ONCE(q->used->flags) & VIRTQ_USED_F_NO_NOTIFY) && (s16)(q->told - q->last_used) > 0)
		return;
	q->told = q->avail_idx;
	writew(0, q->notify);
}

int virtqueue_next_used(struct virtqueue *q)
{
	if (smp_load_acquire(&q->used->idx) == q->last_used)
		return -1;
	return (int)q->used->ring[q->last_used++ & (q->size - 1)].id;
}
