/*
 * kernel/fs/ioctl.c - ioctl(2): the commands that every file knows, then the file's own method.
 *
 * Linux: fs/ioctl.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/syscall.h"

#define FIGETBSZ	2
#define FIONREAD	0x541B
#define FIONBIO		0x5421
#define FIONCLEX	0x5450
#define FIOCLEX		0x5451
#define FIOASYNC	0x5452

static long set_nonblock(struct file *f, int __user *arg)
{
	unsigned int old;
	int on;

	if (get_user(on, arg))
		return -EFAULT;
	do {
		old = READ_ONCE(f->f_flags);
	} while (cmpxchg(&f->f_flags, old, on ? old | O_NONBLOCK : old & ~O_NONBLOCK) != old);
	return 0;
}

static long do_ioctl(struct file *f, unsigned int fd, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case FIOCLEX:
	case FIONCLEX:
		fd_set_cloexec(fd, cmd == FIOCLEX);
		return 0;
	case FIONBIO:
		return set_nonblock(f, (int __user *)arg);
	case FIOASYNC:
		return -ENOTTY;
	case FIGETBSZ:
		return put_user((int)PAGE_SIZE, (int __user *)arg);
	case FIONREAD:
		if (S_ISREG(f->f_inode->i_mode))
			return put_user((int)(f->f_inode->i_size - f->f_pos), (int __user *)arg);
		break;
	}
	return f->f_op->ioctl ? f->f_op->ioctl(f, cmd, arg) : -ENOTTY;
}

SYSCALL_DEFINE3(ioctl, unsigned int, fd, unsigned int, cmd, unsigned long, arg)
{
	struct file *f = fget(fd);
	long ret;

	if (!f)
		return -EBADF;
	ret = do_ioctl(f, fd, cmd, arg);
	fput(f);
	return ret;
}
