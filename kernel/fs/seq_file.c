/*
 * kernel/fs/seq_file.c - texts made on the fly, read in pieces of any size.
 *
 *	iterator:  start(index) -> show -> next -> show -> ... -> stop    index: where the next piece resumes
 *	buffer:    [ ... from |<- count: made but not yet read ->| free ]
 *
 * A read first hands out what is left in the buffer, then lets the iterator fill it with whole records, at
 * least one. A record that does not fit is made again in a larger buffer (its show method may run twice) or
 * in the next read. So each record is consistent in itself, and none is lost or doubled, however small the reads
 * and whatever changes in between: the iterator alone says what "the next one" is. Linux: fs/seq_file.c.
 */
#include "kernel/fs/internal.h"
#include "kernel/fs/seq_file.h"

#define SEQ_MAX_BUF (4u << 20)

static bool overflowed(const struct seq_file *m)
{
	return m->count == m->size;
}

/* The buffer is full in the middle of a record: mark it so. */
static void set_overflow(struct seq_file *m)
{
	m->count = m->size;
}

int seq_open(struct file *f, const struct seq_operations *op)
{
	struct seq_file *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m)
		return -ENOMEM;
	mutex_init(&m->lock);
	m->op = op;
	m->file = f;
	f->private_data = m;
	return 0;
}

static void *single_start(struct seq_file *m, loff_t *pos)
{
	return *pos == 0 ? m : NULL;
}

static void *single_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return NULL;
}

static void single_stop(struct seq_file *m, void *v)
{
}

static int single_show(struct seq_file *m, void *v)
{
	return m->single_show(m, m->private);
}

static const struct seq_operations single_ops = {
	.start = single_start, .next = single_next, .stop = single_stop, .show = single_show,
};

int single_open(struct file *f, int (*show)(struct seq_file *m, void *v), void *data)
{
	int err = seq_open(f, &single_ops);

	if (!err) {
		struct seq_file *m = f->private_data;

		m->single_show = show;
		m->private = data;
	}
	return err;
}

void seq_release(struct inode *inode, struct file *f)
{
	struct seq_file *m = f->private_data;

	if (!m)
		return;
	kvfree(m->buf);
	kfree(m);
}

static int new_buffer(struct seq_file *m, size_t size)
{
	kvfree(m->buf);
	m->buf = size <= SEQ_MAX_BUF ? kvmalloc(size, GFP_KERNEL) : NULL;
	m->size = m->buf ? size : 0;
	m->count = m->from = 0;
	return m->buf ? 0 : -ENOMEM;
}

/*
 * Fill the empty buffer with whole records from m->index on: at least one that is not empty (growing the
 * buffer for it), then more while less than WANT bytes are there. 0 with count 0: the end. -errno: nothing
 * was made.
 *
 * => m->lock; may sleep
 */
static int fill(struct seq_file *m, size_t want)
{
	void *v;
	int err = 0;

	m->count = m->from = 0;
	if (!m->buf) {
		err = new_buffer(m, PAGE_SIZE);
		if (err)
			return err;
	}
	v = m->op->start(m, &m->index);
	while (v && !IS_ERR(v)) {
		size_t before = m->count;

		err = m->op->show(m, v);
		if (err < 0) {
			m->count = before;
			break;
		}
		if (err > 0) {			/* "leave this one out" */
			err = 0;
			m->count = before;
		}
		if (overflowed(m)) {
			m->count = before;
			if (before)
				break;		/* the records before it go out first */
			m->op->stop(m, v);
			err = new_buffer(m, m->size * 2);
			if (err)
				return err;
			v = m->op->start(m, &m->index);
			continue;
		}
		v = m->op->next(m, v, &m->index);
		if (m->count >= want)
			break;
	}
	if (IS_ERR(v))
		err = PTR_ERR(v);
	m->op->stop(m, IS_ERR(v) ? NULL : v);
	return m->count ? 0 : err;
}

/* Move to byte position POS by making everything before it again. => m->lock */
static int seek_to(struct seq_file *m, loff_t pos)
{
	loff_t at = 0;
	int err;

	m->index = 0;
	m->count = m->from = 0;
	while (at < pos) {
		err = fill(m, PAGE_SIZE);
		if (err)
			return err;
		if (!m->count)
			break;
		if (at + (loff_t)m->count > pos) {
			m->from = pos - at;
			m->count -= m->from;
			at = pos;
			break;
		}
		at += m->count;
		m->count = 0;
	}
	m->read_pos = pos;
	return 0;
}

static ssize_t read_locked(struct seq_file *m, struct iov_iter *to, loff_t *pos)
{
	ssize_t done = 0;
	int err = 0;

	if (*pos == 0) {	/* from the start: anew */
		m->index = 0;
		m->count = m->read_pos = 0;
	}
	if (*pos != m->read_pos) {
		err = seek_to(m, *pos);
		if (err) {
			m->read_pos = -1;
			return err;
		}
	}
	while (to->count) {
		size_t n, got;

		if (!m->count) {
			if (done)
				break;		/* one filling a call, as Linux: the reader comes again */
			err = fill(m, to->count);
			if (err || !m->count)
				break;
		}
		n = min(m->count, to->count);
		got = copy_to_iter(m->buf + m->from, n, to);
		m->from += got;
		m->count -= got;
		done += got;
		if (got < n) {
			err = -EFAULT;
			break;
		}
	}
	*pos += done;
	m->read_pos = *pos;
	return done ? done : err;
}

ssize_t seq_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	struct seq_file *m = f->private_data;
	ssize_t n;

	mutex_lock(&m->lock);
	n = read_locked(m, to, pos);
	mutex_unlock(&m->lock);
	return n;
}

loff_t seq_lseek(struct file *f, loff_t off, int whence)
{
	if (whence == 1)
		off += f->f_pos;
	else if (whence != 0)
		return -EINVAL;
	if (off < 0)
		return -EINVAL;
	f->f_pos = off;
	return off;
}

/* ---- For show methods ---- */

void seq_write(struct seq_file *m, const void *p, size_t n)
{
	if (m->count + n < m->size) {
		memcpy(m->buf + m->count, p, n);
		m->count += n;
	} else {
		set_overflow(m);
	}
}

void seq_puts(struct seq_file *m, const char *s)
{
	seq_write(m, s, strlen(s));
}

void seq_putc(struct seq_file *m, char c)
{
	seq_write(m, &c, 1);
}

void seq_printf(struct seq_file *m, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (overflowed(m))
		return;
	va_start(ap, fmt);
	n = vsnprintf(m->buf + m->count, m->size - m->count, fmt, ap);
	va_end(ap);
	if (m->count + n < m->size)
		m->count += n;
	else
		set_overflow(m);
}

void seq_pad_to(struct seq_file *m, size_t line_start, size_t width)
{
	while (!overflowed(m) && m->count - line_start < width)
		seq_putc(m, ' ');
}

void seq_path_escaped(struct seq_file *m, const char *path, const char *esc)
{
	for (; *path; path++) {
		if (strchr(esc, *path))
			seq_printf(m, "\\%03o", (unsigned char)*path);
		else
			seq_putc(m, *path);
	}
}
