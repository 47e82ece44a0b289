/*
 * kernel/block/virtio.h - a virtio device on PCI with one queue, as version 1.2 of the specification
 * describes it (virtio_pci.c). Section numbers in the sources are its.
 *
 *	driver: buffers ──> desc[i] ──> avail ring, idx++ ──> notify
 *	device: ... done ──> used ring, idx++ ──> interrupt
 *
 * All memory is little-endian, as this machine is.
 */
#ifndef KERNEL_BLOCK_VIRTIO_H
#define KERNEL_BLOCK_VIRTIO_H

#include "arch-x86_64/pci.h"
#include "kernel/lib/types.h"

#define PCI_VENDOR_VIRTIO	0x1af4
#define PCI_DEVICE_VIRTIO_BLK	0x1042
#define PCI_DEVICE_VIRTIO_BLK_TRANSITIONAL 0x1001

/* Feature bits of every device (6). */
#define VIRTIO_F_INDIRECT_DESC	28
#define VIRTIO_F_VERSION_1	32

/* 2.7.5: one buffer. Of INDIRECT, the buffer is a table of such. */
struct virtq_desc { u64 addr; u32 len; u16 flags, next; };
#define VIRTQ_DESC_F_NEXT	1
#define VIRTQ_DESC_F_WRITE	2	/* the device writes it */
#define VIRTQ_DESC_F_INDIRECT	4
/* 2.7.6 and 2.7.8. */
struct virtq_avail { u16 flags, idx, ring[]; };
struct virtq_used { u16 flags, idx; struct { u32 id, len; } ring[]; };
#define VIRTQ_USED_F_NO_NOTIFY	1

#define VIRTQ_MAX_SIZE 256		/* entries; each of the three parts fits in a page */

struct virtqueue {
	unsigned int size;		/* c: a power of two */
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	u16 avail_idx, last_used;	/* the driver's lock: how many were offered; how many it took back */
	u16 told;			/* the driver's lock: how many the device was surely told of */
	void *notify;			/* c: register to write to */
	bool polled;			/* c: no interrupt comes */
};

struct virtio_device {
	struct pci_dev pci;
	char *common, *config, *notify;	/* registers, mapped */
	u32 notify_multiplier;
	u64 features;			/* agreed upon */
};

/*
 * Find D's registers and reset it. 0; -ENODEV: not a device of version 1; -ENOMEM. May sleep.
 */
int virtio_pci_start(struct virtio_device *v, const struct pci_dev *d);
/* Agree on those of the features WANTED that the device has. 0; -ENODEV: it lacks one of REQUIRED. */
int virtio_negotiate(struct virtio_device *v, u64 wanted, u64 required);
static inline bool virtio_has_feature(const struct virtio_device *v, unsigned int bit)
{
	return v->features >> bit & 1;
}
/*
 * Make Q queue 0 of V. HANDLER(ARG) will be called in interrupt context, or Q->polled says that nobody calls.
 * 0; -ENODEV; -ENOMEM. May sleep.
 */
int virtio_setup_queue(struct virtio_device *v, struct virtqueue *q, void (*handler)(void *), void *arg,
		       const char *name);
/* From now on the device works; or never (FAILED). */
void virtio_driver_ok(struct virtio_device *v);
void virtio_failed(struct virtio_device *v);

/* Offer descriptor ID; tell the device of all that it was not told of, also after taking back. => the driver's lock */
void virtqueue_offer(struct virtqueue *q, unsigned int id);
void virtqueue_notify(struct virtqueue *q);
/* The next descriptor that the device is done with, or -1. => the driver's lock */
int virtqueue_next_used(struct virtqueue *q);

#endif
