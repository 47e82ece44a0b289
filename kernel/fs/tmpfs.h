/*
 * kernel/fs/tmpfs.h - what mm/shmem.c and the boot code ask of tmpfs.c, and the other way round.
 */
#ifndef KERNEL_FS_TMPFS_H
#define KERNEL_FS_TMPFS_H

#include "kernel/fs/fs.h"

/* A new inode of type and permissions MODE for a directory DIR (NULL: none) of SB. NULL: no memory, or the
 * limit. */
struct inode *tmpfs_get_inode(struct super_block *sb, struct inode *dir, umode_t mode, dev_t dev);
/* A superblock without limits, its root directory with permissions MODE. ERR_PTR. */
struct super_block *tmpfs_new_super(struct file_system_type *t, u64 magic, umode_t mode);
/* Register the types; then the nameless files of mm/shmem.c work. Called by vfs_init(). */
void tmpfs_init(void);
void shmem_init(void);

#endif
