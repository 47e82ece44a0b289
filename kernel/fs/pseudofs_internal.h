/*
 * kernel/fs/pseudofs_internal.h - what pseudofs.c and proc_base.c share.
 */
#ifndef KERNEL_FS_PSEUDOFS_INTERNAL_H
#define KERNEL_FS_PSEUDOFS_INTERNAL_H

#include "kernel/fs/internal.h"
#include "kernel/fs/pseudofs.h"

/* Hangs at inode->i_private of every inode of these file systems, and goes with it. */
struct pseudo_node {
	struct dentry *dentry;		/* of what lives for ever (all but /proc/PID); NULL */
	const struct pseudo_ops *ops;	/* files */
	void *data;
	struct task_struct *task;	/* below /proc/PID: referenced */
	int (*get_path)(struct task_struct *t, struct path *res);	/* links of /proc/PID */
	int fd;				/* /proc/PID/fd/N */
};

static inline struct pseudo_node *pseudo_node(const struct inode *inode) { return inode->i_private; }
/* A new inode with its node; NULL: no memory. MODE with its type. */
struct inode *pseudo_new_inode(struct super_block *sb, umode_t mode, const struct pseudo_ops *ops,
			       void *data);
extern const struct inode_operations pseudo_dir_iops;
extern const struct file_operations pseudo_dir_fops;
int pseudo_setattr(struct dentry *d, struct kstat *st, unsigned int valid);
/* The task still exists (its directory in /proc does not go away under a reader). */
bool proc_task_alive(struct task_struct *t);

#endif
