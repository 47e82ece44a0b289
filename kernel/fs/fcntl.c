/*
 * kernel/fs/fcntl.c - fcntl(2): flags of open files and of their numbers.
 *
 * Record locks are in locks.c, pipe sizes in pipe.c, seals in memfd.c. Linux: fs/fcntl.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/signal.h"
#include "kernel/task/syscall.h"

enum {
	F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_SETOWN, F_GETOWN, F_SETSIG,
	F_GETSIG
};
#define F_DUPFD_CLOEXEC	1030
#define F_SETPIPE_SZ	1031
#define F_GETPIPE_SZ	1032
#define F_ADD_SEALS	1033
#define F_GET_SEALS	1034
#define FD_CLOEXEC	1
#define O_NOATIME	01000000
#define O_ASYNC		020000
#define SETFL_MASK	(O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | O_ASYNC)

static long set_flags(struct file *f, unsigned long arg)
{
	unsigned int old;

	do {
		old = READ_ONCE(f->f_flags);
	} while (cmpxchg(&f->f_flags, old, (old & ~SETFL_MASK) | (arg & SETFL_MASK)) != old);
	return 0;
}

static long dup_fd_from(struct file *f, unsigned long from, unsigned int flags)
{
	if (from >= rlimit(RLIMIT_NOFILE))
		return -EINVAL;
	return fd_dup_from(f, from, flags);
}

static long do_fcntl(int fd, struct file *f, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case F_DUPFD:
		return dup_fd_from(f, arg, 0);
	case F_DUPFD_CLOEXEC:
		return dup_fd_from(f, arg, O_CLOEXEC);
	case F_GETFD:
		return fd_get_cloexec(fd) ? FD_CLOEXEC : 0;
	case F_SETFD:
		fd_set_cloexec(fd, arg & FD_CLOEXEC);
		return 0;
	case F_GETFL:
		return f->f_flags;
	}
	if (f->f_mode & FMODE_PATH)
		return -EBADF;
	switch (cmd) {
	case F_SETFL:
		return set_flags(f, arg);
	case F_GETLK:
		return fcntl_getlk(f, (void __user *)arg);
	case F_SETLK:
	case F_SETLKW:
		return fcntl_setlk(f, cmd, (void __user *)arg);
	case F_SETOWN:
	case F_GETOWN:
	case F_SETSIG:
	case F_GETSIG:
		return 0;	/* nothing here sends SIGIO */
	case F_SETPIPE_SZ:
	case F_GETPIPE_SZ:
		return pipe_fcntl(f, cmd, arg);
	case F_ADD_SEALS:
	case F_GET_SEALS:
		return memfd_fcntl(f, cmd, arg);
	}
	return -EINVAL;
}

SYSCALL_DEFINE3(fcntl, int, fd, unsigned int, cmd, unsigned long, arg)
{
	struct file *f = fget_raw(fd);
	long ret;

	if (!f)
		return -EBADF;
	ret = do_fcntl(fd, f, cmd, arg);
	fput(f);
	return ret;
}
