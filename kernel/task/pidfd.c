/*
 * kernel/task/pidfd.c - a process as a file descriptor.
 *
 * A pidfd holds a struct pid, not the number: after the process is gone it means nobody, however often the
 * number was given out again. poll() says readable when the process has ended: test harnesses watch their
 * children so.
 *
 * Not here: pidfd_getfd, ioctls, threads as pidfds. Linux: fs/pidfs.c, kernel/pid.c.
 */
#include "kernel/fs/fs.h"
#include "kernel/lib/err.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"

#define PIDFD_SELF_THREAD		-10000
#define PIDFD_SELF_THREAD_GROUP		-10001
#define PIDFD_NONBLOCK			O_NONBLOCK

static unsigned int pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct pid *pid = f->private_data;
	bool exited;

	poll_wait(f, &pid->wait_pidfd, pt);
	spin_lock(&tasklist_lock);
	exited = pid_has_exited(pid);
	spin_unlock(&tasklist_lock);
	return exited ? EPOLLIN | EPOLLRDNORM : 0;
}

static void pidfd_release(struct inode *inode, struct file *f)
{
	put_pid(f->private_data);
}

static void pidfd_show_fdinfo(struct file *f, char *buf, size_t size)
{
	struct pid *pid = f->private_data;
	pid_t nr;

	spin_lock(&tasklist_lock);
	nr = pid_task(pid, PIDTYPE_PID) ? pid->nr : -1;
	spin_unlock(&tasklist_lock);
	snprintf(buf, size, "Pid:\t%d\nNSpid:\t%d\n", nr, nr);
}

static const struct file_operations pidfd_fops = {
	.poll = pidfd_poll,
	.release = pidfd_release,
	.show_fdinfo = pidfd_show_fdinfo,
};

int pidfd_prepare(struct pid *pid, unsigned int flags, struct file **file)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	*file = anon_inode_getfile("[pidfd]", &pidfd_fops, get_pid(pid), flags);
	if (!IS_ERR(*file))
		return fd;
	put_pid(pid);
	put_unused_fd(fd);
	return PTR_ERR(*file);
}

struct pid *pidfd_get_pid_flags(int fd, unsigned int *flags)
{
	struct pid *pid = ERR_PTR(-EBADF);
	struct file *f;

	*flags = 0;
	if (fd == PIDFD_SELF_THREAD || fd == PIDFD_SELF_THREAD_GROUP) {
		spin_lock(&tasklist_lock);
		pid = fd == PIDFD_SELF_THREAD ? current->thread_pid : current->signal->pids[PIDTYPE_TGID];
		get_pid(pid);
		spin_unlock(&tasklist_lock);
		return pid;
	}
	f = fget(fd);
	if (!f)
		return pid;
	if (f->f_op == &pidfd_fops) {
		pid = get_pid(f->private_data);
		*flags = f->f_flags;
	}
	fput(f);
	return pid;
}

struct pid *pidfd_get_pid(int fd)
{
	unsigned int flags;

	return pidfd_get_pid_flags(fd, &flags);
}

SYSCALL_DEFINE2(pidfd_open, pid_t, nr, unsigned int, flags)
{
	struct file *file;
	struct pid *pid;
	bool leader;
	int fd;

	if ((flags & ~PIDFD_NONBLOCK) || nr <= 0)
		return -EINVAL;
	pid = find_get_pid(nr);
	if (!pid)
		return -ESRCH;
	spin_lock(&tasklist_lock);
	leader = pid_task(pid, PIDTYPE_TGID);
	fd = pid_task(pid, PIDTYPE_PID) ? -EINVAL : -ESRCH;
	spin_unlock(&tasklist_lock);
	if (leader)
		fd = pidfd_prepare(pid, O_RDWR | flags, &file);
	if (fd >= 0)
		fd_install(fd, file);
	put_pid(pid);
	return fd;
}
