/*
 * kernel/fs/readdir.c - getdents64: the entries of a directory, as many as fit.
 *
 * The file's position is the offset of the next entry (d_off), as lseek and the d_off field of the records
 * show it. Linux: fs/readdir.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/syscall.h"

struct dirent64 {
	u64 d_ino;
	s64 d_off;
	u16 d_reclen;
	u8 d_type;
	char d_name[];
};
#define DIRENT_HEAD offsetof(struct dirent64, d_name)

struct getdents_buf {
	struct dir_context ctx;
	char __user *to;
	size_t left;
	int error;		/* why the first entry did not go out */
};

static bool fill_dirent(struct dir_context *ctx, const char *name, int len, loff_t next, u64 ino,
			unsigned int type)
{
	struct getdents_buf *b = container_of(ctx, struct getdents_buf, ctx);
	size_t reclen = ALIGN(DIRENT_HEAD + len + 1, 8);
	union { struct dirent64 d; char bytes[DIRENT_HEAD + NAME_MAX + 8]; } rec;

	b->error = -EINVAL;
	if (reclen > b->left || len > NAME_MAX)
		return false;
	rec.d.d_ino = ino;
	rec.d.d_off = next;
	rec.d.d_reclen = reclen;
	rec.d.d_type = type;
	memcpy(rec.d.d_name, name, len);
	memset(rec.d.d_name + len, 0, reclen - DIRENT_HEAD - len);
	b->error = -EFAULT;
	if (copy_to_user(b->to, &rec, reclen))
		return false;
	b->to += reclen;
	b->left -= reclen;
	return true;
}

/* => f_pos_lock */
static long getdents_locked(struct file *f, struct getdents_buf *b)
{
	struct inode *inode = f->f_inode;
	size_t size = b->left;
	int err;

	b->ctx.pos = f->f_pos;
	down_read(&inode->i_rwsem);
	err = f->f_path.dentry->d_flags & DCACHE_UNLINKED ? -ENOENT : f->f_op->iterate(f, &b->ctx);
	up_read(&inode->i_rwsem);
	f->f_pos = b->ctx.pos;
	if (b->left < size)
		return size - b->left;
	return err ? err : b->error;
}

SYSCALL_DEFINE3(getdents64, unsigned int, fd, void __user *, buf, unsigned int, size)
{
	struct getdents_buf b = { .ctx.actor = fill_dirent, .to = buf, .left = size };
	struct file *f = fget(fd);
	long ret;

	if (!f)
		return -EBADF;
	if (!f->f_op->iterate) {
		ret = -ENOTDIR;
	} else {
		mutex_lock(&f->f_pos_lock);
		ret = getdents_locked(f, &b);
		mutex_unlock(&f->f_pos_lock);
	}
	fput(f);
	return ret;
}
