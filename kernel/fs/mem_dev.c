/*
 * kernel/fs/mem_dev.c - the devices without hardware: null, zero, full, random, urandom, kmsg.
 *
 * A private mapping of /dev/zero is anonymous memory; a shared one is a memory-backed object of its own, like any
 * MAP_SHARED | MAP_ANONYMOUS. Linux: drivers/char/mem.c, kernel/printk.
 */
#include "arch-x86_64/uaccess.h"
#include "kernel/fs/fs.h"
#include "kernel/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "kernel/task/random.h"
#include "mm/mm_types.h"
#include "mm/shmem.h"
#include "mm/slab.h"

enum { DEV_NULL = 3, DEV_ZERO = 5, DEV_FULL = 7, DEV_RANDOM = 8, DEV_URANDOM = 9, DEV_KMSG = 11 };

static ssize_t read_null(struct file *f, struct iov_iter *to, loff_t *pos)
{
	return 0;
}

static ssize_t write_null(struct file *f, struct iov_iter *from, loff_t *pos)
{
	ssize_t n = from->count;

	from->count = 0;
	return n;
}

static ssize_t read_zero(struct file *f, struct iov_iter *to, loff_t *pos)
{
	size_t done = 0;

	while (to->count) {
		size_t part = min_t(size_t, to->count, 64 * 1024), n = clear_iter(part, to);

		done += n;
		if (n < part)
			return done ? (ssize_t)done : -EFAULT;
		if (signal_pending(current))
			break;
		cond_resched();
	}
	return done;
}

static ssize_t write_full(struct file *f, struct iov_iter *from, loff_t *pos)
{
	return -ENOSPC;
}

static ssize_t read_random(struct file *f, struct iov_iter *to, loff_t *pos)
{
	u8 chunk[256];
	size_t done = 0;

	while (to->count) {
		size_t part = min(to->count, sizeof(chunk)), n;

		get_random_bytes(chunk, part);
		n = copy_to_iter(chunk, part, to);
		done += n;
		if (n < part)
			return done ? (ssize_t)done : -EFAULT;
		if (signal_pending(current))
			break;
		cond_resched();
	}
	return done;
}

static ssize_t write_random(struct file *f, struct iov_iter *from, loff_t *pos)
{
	u8 chunk[256];
	size_t done = 0;

	while (from->count) {
		size_t n = copy_from_iter(chunk, min(from->count, sizeof(chunk)), from);

		if (!n)
			return done ? (ssize_t)done : -EFAULT;
		add_random_bytes(chunk, n);
		done += n;
	}
	return done;
}

static int mmap_zero(struct file *f, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_SHARED)
		return shmem_zero_setup(vma);
	vma->vm_ops = NULL;	/* anonymous; the mapping's name stays /dev/zero */
	return 0;
}

/* ---- /dev/kmsg: one record a read, "level,number,microseconds,-;text" ---- */

struct kmsg_reader { struct mutex lock; u64 seq; };

static int kmsg_open(struct inode *inode, struct file *f)
{
	struct kmsg_reader *r = kzalloc(sizeof(*r), GFP_KERNEL);

	if (!r)
		return -ENOMEM;
	mutex_init(&r->lock);
	f->private_data = r;
	return 0;
}

static void kmsg_release(struct inode *inode, struct file *f)
{
	kfree(f->private_data);
}

/* The log wakes nobody (it is written with any lock held), so a blocking reader looks again after a while. */
static long kmsg_wait(struct file *f, struct kmsg_reader *r)
{
	while (log_next_seq() <= r->seq) {
		if (f->f_flags & O_NONBLOCK)
			return -EAGAIN;
		set_current_state(TASK_INTERRUPTIBLE);
		schedule_timeout_ns(100 * NSEC_PER_MSEC);
		if (signal_pending(current))
			return -ERESTARTSYS;
	}
	return 0;
}

static ssize_t kmsg_read_one(struct file *f, struct kmsg_reader *r, struct iov_iter *to)
{
	char text[512], line[600];
	struct log_info info;
	u64 asked = r->seq;
	long n = kmsg_wait(f, r);
	int len;

	if (n)
		return n;
	n = log_read(&r->seq, &info, text, sizeof(text));
	if (n < 0)
		return n;
	if (info.seq > asked) {
		r->seq = info.seq;
		return -EPIPE;
	}
	len = scnprintf(line, sizeof(line), "%d,%llu,%llu,-;%.*s\n", info.level, (unsigned long long)info.seq,
			(unsigned long long)info.ts_ns / 1000, (int)n, text);
	if ((size_t)len > to->count)
		return -EINVAL;
	return copy_to_iter(line, len, to) == (size_t)len ? len : -EFAULT;
}

static ssize_t kmsg_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	struct kmsg_reader *r = f->private_data;
	ssize_t n = mutex_lock_interruptible(&r->lock);

	if (n)
		return n;
	n = kmsg_read_one(f, r, to);
	mutex_unlock(&r->lock);
	return n;
}

static ssize_t kmsg_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
	char text[512];
	size_t n = from->count, got = copy_from_iter(text, min(n, sizeof(text) - 1), from);

	if (!got)
		return n ? -EFAULT : 0;
	text[got] = 0;
	if (text[got - 1] == '\n')
		text[got - 1] = 0;
	printk(KERN_NOTICE "%s\n", text);
	from->count = 0;
	return n;
}

static loff_t kmsg_llseek(struct file *f, loff_t off, int whence)
{
	struct kmsg_reader *r = f->private_data;

	if (off)
		return -ESPIPE;
	if (whence == 2)
		r->seq = log_next_seq();
	else if (whence == 0 || whence == 3)	/* from the start; from the last clear */
		r->seq = 0;
	else
		return -EINVAL;
	return 0;
}

static unsigned int kmsg_poll(struct file *f, struct poll_table *pt)
{
	struct kmsg_reader *r = f->private_data;

	return EPOLLOUT | (log_next_seq() > r->seq ? EPOLLIN | EPOLLRDNORM : 0);
}

static const struct file_operations kmsg_fops = {
	.read = kmsg_read, .write = kmsg_write, .llseek = kmsg_llseek, .poll = kmsg_poll, .open = kmsg_open, .release = kmsg_release,
};
static const struct file_operations null_fops = { .read = read_null, .write = write_null, .llseek = noop_llseek };
static const struct file_operations zero_fops = { .read = read_zero, .write = write_null, .llseek = noop_llseek, .mmap = mmap_zero };
static const struct file_operations full_fops = { .read = read_zero, .write = write_full, .llseek = noop_llseek };
static const struct file_operations random_fops = { .read = read_random, .write = write_random, .llseek = noop_llseek };

static const struct { const char *name; unsigned int minor; const struct file_operations *fops; } mem_devices[] = {
	{ "null", DEV_NULL, &null_fops }, { "zero", DEV_ZERO, &zero_fops }, { "full", DEV_FULL, &full_fops },
	{ "random", DEV_RANDOM, &random_fops }, { "urandom", DEV_URANDOM, &random_fops }, { "kmsg", DEV_KMSG, &kmsg_fops },
};

static int mem_dev_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(mem_devices); i++) {
		register_chrdev(1, mem_devices[i].minor, 1, mem_devices[i].fops, NULL);
		/* Everybody may use them, but only root writes to the log. */
		devtmpfs_create(mem_devices[i].name, S_IFCHR | (mem_devices[i].minor == DEV_KMSG ? 0644 : 0666),
				MKDEV(1, mem_devices[i].minor));
	}
	return 0;
}
fs_initcall(mem_dev_init);
