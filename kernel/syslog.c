/*
 * kernel/syslog.c - syslog(2): what dmesg reads the log with.
 *
 * The call's TYPE is a small command language of its own (man 2 syslog). A blocking read looks at the log
 * every few milliseconds, since printk() may run with any lock held and therefore wakes nobody. Linux:
 * kernel/printk/printk.c, do_syslog().
 */
#include "arch-x86_64/uaccess.h"
#include "kernel/lib/bug.h"
#include "kernel/locking/mutex.h"
#include "kernel/sched/sched.h"
#include "kernel/task/cred.h"
#include "kernel/task/syscall.h"
#include "mm/slab.h"

enum {
	CLOSE, OPEN, READ, READ_ALL, READ_CLEAR, CLEAR, CONSOLE_OFF, CONSOLE_ON, CONSOLE_LEVEL, SIZE_UNREAD,
	SIZE_BUFFER
};

#define LOG_BYTES	65536		/* what SIZE_BUFFER answers */
#define LINE_BYTES	1100		/* the longest record with its prefix */
#define POLL_NS		(20 * NSEC_PER_MSEC)
#define LOUDEST		1		/* console level of CONSOLE_OFF */

static DEFINE_MUTEX(syslog_lock);	/* the three below, and one reader at a time */
static u64 read_seq, clear_seq;		/* next record for READ; first one after the last CLEAR */
static int saved_level = -1;		/* before CONSOLE_OFF */

/* Next record at *SEQ or later, formatted into BUF (LINE_BYTES). Its length, or -EAGAIN. */
static long next_line(u64 *seq, char *buf, char *text)
{
	struct log_info info;
	long len = log_read(seq, &info, text, LINE_BYTES - 64);

	return len < 0 ? len : log_format_line(buf, LINE_BYTES, &info, text, len, true);
}

/* Bytes of all formatted records from SEQ on. => BUF and TEXT are scratch */
static long bytes_from(u64 seq, char *buf, char *text)
{
	long n, sum = 0;

	while ((n = next_line(&seq, buf, text)) >= 0)
		sum += n;
	return sum;
}

/* Copy whole records from *SEQ on while they fit. Bytes, or -EFAULT if not even one could be copied. */
static long copy_lines(u64 *seq, char __user *to, long size, char *buf, char *text)
{
	long done = 0, n;

	for (;;) {
		u64 next = *seq;

		n = next_line(&next, buf, text);
		if (n < 0 || done + n > size)
			return done;
		if (copy_to_user(to + done, buf, n))
			return done ? done : -EFAULT;
		done += n;
		*seq = next;
	}
}

static long read_blocking(char __user *to, long size, char *buf, char *text)
{
	long n;

	while ((n = copy_lines(&read_seq, to, size, buf, text)) == 0 && log_next_seq() <= read_seq) {
		mutex_unlock(&syslog_lock);
		set_current_state(TASK_INTERRUPTIBLE);
		schedule_timeout_ns(POLL_NS);
		mutex_lock(&syslog_lock);
		if (signal_pending(current))
			return -ERESTARTSYS;
	}
	return n;
}

/* The newest records that fit into SIZE bytes, since the last CLEAR. */
static long read_all(char __user *to, long size, char *buf, char *text)
{
	u64 seq = clear_seq;
	long sum = bytes_from(seq, buf, text);

	while (sum > size) {
		long n = next_line(&seq, buf, text);

		if (n < 0)
			break;
		sum -= n;
	}
	return copy_lines(&seq, to, size, buf, text);
}

static long console_command(int type, int level)
{
	switch (type) {
	case CONSOLE_OFF:
		if (saved_level < 0)
			saved_level = console_loglevel;
		console_loglevel = LOUDEST;
		return 0;
	case CONSOLE_ON:
		if (saved_level >= 0)
			console_loglevel = saved_level;
		saved_level = -1;
		return 0;
	}
	if (level < 1 || level > 8)
		return -EINVAL;
	console_loglevel = level;
	saved_level = -1;
	return 0;
}

static long do_syslog(int type, char __user *to, int size, char *buf, char *text)
{
	long n;

	switch (type) {
	case READ:
		return read_blocking(to, size, buf, text);
	case READ_ALL:
	case READ_CLEAR:
		n = read_all(to, size, buf, text);
		if (type == READ_CLEAR && n >= 0)
			clear_seq = log_next_seq();
		return n;
	case CLEAR:
		clear_seq = log_next_seq();
		return 0;
	case SIZE_UNREAD:
		return bytes_from(read_seq, buf, text);
	}
	return console_command(type, size);
}

SYSCALL_DEFINE3(syslog, int, type, char __user *, to, int, size)
{
	bool reads = type == READ || type == READ_ALL || type == READ_CLEAR;
	char *buf;
	long ret;

	if (type != READ_ALL && type != SIZE_BUFFER && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (type < CLOSE || type > SIZE_BUFFER || (reads && (!to || size < 0)))
		return -EINVAL;
	if (reads && size == 0)
		return 0;
	if (type == SIZE_BUFFER)
		return LOG_BYTES;
	if (type == CLOSE || type == OPEN)
		return 0;
	buf = kmalloc(2 * LINE_BYTES, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	mutex_lock(&syslog_lock);
	ret = do_syslog(type, to, size, buf, buf + LINE_BYTES);
	mutex_unlock(&syslog_lock);
	kfree(buf);
	return ret;
}
