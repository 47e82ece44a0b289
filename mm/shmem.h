/*
 * mm/shmem.h - memory-backed files: the contents of tmpfs, the initramfs, memfds and shared anonymous
 * mappings.
 *
 * The directories around them are in kernel/fs/tmpfs.c. A regular inode of this kind has its pages in
 * inode->i_data.i_pages, each folio with one reference held by the tree.
 */
#ifndef MM_SHMEM_H
#define MM_SHMEM_H

#include "kernel/fs/fs.h"
#include "mm/swapops.h"

struct vm_area_struct;
struct vm_operations_struct;

/* Limits of one superblock; 0: none. Its s_fs_info. */
struct shmem_sb_info {
	u64 max_blocks, max_inodes;		/* pages; inodes */
	atomic_long_t used_blocks, used_inodes;
	umode_t mode;				/* of the root directory */
	uid_t uid;
	gid_t gid;
};

extern const struct file_operations shmem_file_operations;
extern const struct vm_operations_struct shmem_vm_ops;

static inline bool shmem_file(struct file *f) { return f->f_op == &shmem_file_operations; }

enum sgp_type {
	SGP_READ,	/* a hole stays a hole: *FOLIO = NULL */
	SGP_CACHE,	/* a hole below the end of the file gets a page of zeroes; beyond: -EINVAL */
	SGP_FALLOC,	/* the same, also beyond the end */
};
/*
 * The folio of page INDEX, locked and referenced, uptodate. 0, -ENOMEM, -ENOSPC (limit of the file system),
 * -EINVAL.
 * => no folio lock held; may sleep
 */
int shmem_get_folio(struct inode *inode, pgoff_t index, struct folio **foliop, enum sgp_type sgp);
/* Free the pages of bytes [START, END], END inclusive; parts of pages are zeroed. => i_rwsem for write, or
 * nobody uses it */
void shmem_truncate_range(struct inode *inode, loff_t start, loff_t end);
/* ftruncate. 0, or -EPERM by a seal, -EFBIG. => i_rwsem for write */
int shmem_set_size(struct inode *inode, loff_t size);
/* The last reference goes: give everything back. */
void shmem_evict_inode(struct inode *inode);

/* A mapping with MAP_SHARED | MAP_ANONYMOUS: give VMA a file "/dev/zero (deleted)". 0 or -errno. => mmap
 * write */
int shmem_zero_setup(struct vm_area_struct *vma);
/*
 * An unlinked file of SIZE bytes shown as "/NAME (deleted)". RESERVE: promise all of its memory now
 * (overcommit), else page by page. ERR_PTR. May sleep.
 */
struct file *shmem_kernel_file_setup(const char *name, loff_t size, bool reserve);

/* ---- Swapped-out pages (shmem_swap.c) ---- */

/*
 * Upward entries for reclaim. F, dirty: into the swap cache, its entry into the file; then swap_writeout. 0, -ENOMEM: no
 * slot; -EAGAIN: somebody uses it. F, clean: out of the file, frozen at no references; false: it stays.
 * => F locked, not mapped, in the page cache, one reference of the caller's besides
 */
int shmem_move_to_swap(struct folio *f);
bool shmem_drop_clean(struct folio *f);
/*
 * The folio that VALUE at INDEX stands for, in the file again, locked and referenced. 0; -EEXIST: look again; -ENOMEM; -EIO:
 * it could not be read. May sleep.
 */
int shmem_swapin(struct address_space *mapping, pgoff_t index, void *value, struct folio **foliop);
/* Truncation: VALUE goes with its slot; false: it is not there any more. */
bool shmem_free_swap(struct address_space *mapping, pgoff_t index, void *value);
/* No entry is left, and none can come. */
void shmem_leave_swaplist(struct address_space *mapping);
/* Start reading what is swapped out of pages [FIRST, LAST]. May sleep. */
void shmem_willneed(struct inode *inode, pgoff_t first, pgoff_t last);
/* swapoff: bring back everything on area TYPE. 0, -ENOMEM, -EINTR. May sleep. */
int shmem_unuse(unsigned int type);
/* Pages of [FIRST, LAST] that are swapped out. */
unsigned long shmem_swap_usage(struct inode *inode, pgoff_t first, pgoff_t last);
/* For mm_check.c, with the machine stopped. */
void shmem_for_each_swap_entry(void (*fn)(void *arg, swp_entry_t e), void *arg);
/* PAGES of INODE are no more, neither in memory nor swapped out: give the promise and the room back (shmem.c). */
void shmem_uncharge(struct inode *inode, long pages);

#define F_SEAL_SEAL	1u
#define F_SEAL_SHRINK	2u
#define F_SEAL_GROW	4u
#define F_SEAL_WRITE	8u
#define F_SEAL_FUTURE_WRITE 16u
#define F_SEAL_EXEC	32u

#endif
