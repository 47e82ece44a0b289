/*
 * kernel/lib/cpio.h - reading a newc cpio archive that lies in memory (the initramfs).
 *
 *	struct cpio_iter it;
 *	struct cpio_entry e;
 *
 *	cpio_start(&it, image, size);
 *	while ((got = cpio_next(&it, &e)) == 1)
 *		...
 *	if (got < 0)
 *		pr_err("initramfs: %s at offset %zu\n", it.error, it.error_offset);
 *
 * Nothing is copied: names and contents point into the archive, which must stay. Every field is checked
 * before it is used, so any sequence of bytes is safe input. Archives may follow one another, with zeros
 * between them. Compressed archives are recognised by name only. Takes no locks, never sleeps.
 */
#ifndef KERNEL_LIB_CPIO_H
#define KERNEL_LIB_CPIO_H

#include "kernel/lib/types.h"

#define CPIO_NAME_MAX	4096	/* bytes of a name with its NUL, and of a symbolic link's target */

struct cpio_entry {
	const char *name;	/* NUL-terminated; as stored: may begin with "/" or "./" */
	const void *data;	/* contents; of a symbolic link its target, without a NUL */
	size_t size;		/* bytes of data */
	umode_t mode;		/* type and permissions, not validated */
	u32 uid, gid, nlink, mtime;
	u32 ino, dev_major, dev_minor;	/* together the identity of a hard-linked file */
	u32 rdev_major, rdev_minor;
	size_t offset;		/* of the header in the image: where it was found */
};

struct cpio_iter {
	const u8 *image;
	size_t size;		/* of the image */
	size_t next;		/* offset of what comes next */
	size_t segment;		/* offset at which the present archive starts */
	bool between;		/* before an archive: zeros and compressed ones may stand here */
	const char *error;	/* why cpio_next returned -EINVAL, or NULL */
	size_t error_offset;
	const char *compressed;	/* "gzip", ... if that was the reason */
	u32 memo_key[3];	/* the hard link looked up last, and what it led to */
	size_t memo_offset, memo_segment;
};

/* Begin at the first entry. IMAGE is read in place and must stay. */
void cpio_start(struct cpio_iter *it, const void *image, size_t size);
/*
 * Read the next entry into *E: 1. At the end of the image: 0. Damage: -EINVAL with IT->error set, and every
 * later call says the same. The trailers are not handed out. The image may end without one, between entries.
 */
int cpio_next(struct cpio_iter *it, struct cpio_entry *e);
/*
 * Hard links are entries of one archive with the same ino and device; usually only the last of them has the
 * contents. If an earlier entry than E in E's archive is the same file, fill *FIRST with the first one
 * and return true. E is the entry that cpio_next returned last. False for directories and nlink < 2.
 */
bool cpio_first_link(struct cpio_iter *it, const struct cpio_entry *e, struct cpio_entry *first);
/* Name of the compression whose magic number P starts with, or NULL. */
const char *cpio_compression(const void *p, size_t size);

#endif
