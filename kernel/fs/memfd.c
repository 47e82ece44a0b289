/*
 * kernel/fs/memfd.c - memfd_create(2), and the seals that such files can get.
 *
 * A seal forbids for good: to shrink, to grow, to write, or to add seals. F_SEAL_WRITE is refused while a
 * writable shared mapping exists. Linux: mm/memfd.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/syscall.h"
#include "mm/shmem.h"

#define MFD_CLOEXEC		1u
#define MFD_ALLOW_SEALING	2u
#define MFD_NOEXEC_SEAL		8u
#define MFD_EXEC		16u
#define F_ADD_SEALS		1033
#define ALL_SEALS		63u
#define MEMFD_NAME_MAX		249	/* NAME_MAX less the prefix */

static long add_seals(struct file *f, unsigned int seals)
{
	struct inode *inode = f->f_inode;
	long err = 0;

	if (!(f->f_mode & FMODE_WRITE))
		return -EPERM;
	if (seals & ~ALL_SEALS)
		return -EINVAL;
	down_write(&inode->i_rwsem);
	/* What is executable and shall stay so must not change under its users. */
	if ((seals & F_SEAL_EXEC) && (inode->i_mode & 0111))
		seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
	if (inode->i_seals & F_SEAL_SEAL)
		err = -EPERM;
	else if ((seals & F_SEAL_WRITE) && atomic_cmpxchg(&inode->i_data.i_mmap_writable, 0, -1) > 0)
		err = -EBUSY;
	else
		inode->i_seals |= seals;
	up_write(&inode->i_rwsem);
	return err;
}

long memfd_fcntl(struct file *f, unsigned int cmd, unsigned long arg)
{
	if (!shmem_file(f))
		return -EINVAL;
	if (cmd == F_ADD_SEALS)
		return arg > ~0u ? -EINVAL : add_seals(f, arg);
	return READ_ONCE(f->f_inode->i_seals);
}

SYSCALL_DEFINE2(memfd_create, const char __user *, uname, unsigned int, flags)
{
	char name[6 + MEMFD_NAME_MAX + 1] = "memfd:";
	struct file *f;
	long n;
	int fd;

	/* Huge pages of hugetlbfs do not exist here. */
	if (flags & 4)
		return -ENOSYS;
	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC))
		return -EINVAL;
	if ((flags & MFD_EXEC) && (flags & MFD_NOEXEC_SEAL))
		return -EINVAL;
	n = strncpy_from_user(name + 6, uname, MEMFD_NAME_MAX + 1);
	if (n < 0)
		return n;
	if (n > MEMFD_NAME_MAX)
		return -EINVAL;
	fd = get_unused_fd_flags(flags & MFD_CLOEXEC ? O_CLOEXEC : 0);
	if (fd < 0)
		return fd;
	f = shmem_kernel_file_setup(name, 0, false);
	if (IS_ERR(f)) {
		put_unused_fd(fd);
		return PTR_ERR(f);
	}
	f->f_flags |= O_LARGEFILE;
	if (flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL))
		f->f_inode->i_seals = 0;
	if (flags & MFD_NOEXEC_SEAL) {
		f->f_inode->i_mode &= ~0111;
		f->f_inode->i_seals = F_SEAL_EXEC;
	}
	fd_install(fd, f);
	return fd;
}
