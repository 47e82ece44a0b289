/*
 * kernel/fs/seq_file.h - text files made on the fly, line by line or in one piece.
 *
 * An iterator (start, next, stop, show) can be read in pieces of any size while the data changes: each piece
 * resumes from a position that the iterator itself defines. single_open is for short texts.
 */
#ifndef KERNEL_FS_SEQ_FILE_H
#define KERNEL_FS_SEQ_FILE_H

#include "kernel/fs/fs.h"

struct seq_operations;
struct task_struct;

struct seq_file {
	char *buf;
	size_t size, count, from;	/* capacity; bytes in it; where the unread part starts */
	loff_t index;			/* iterator position */
	loff_t read_pos;		/* byte position of the next read */
	struct mutex lock;
	const struct seq_operations *op;
	void *private;			/* the file's: data given at creation, or what open put there */
	struct file *file;
	struct task_struct *task;	/* /proc/PID files: referenced; else NULL */
	struct mm_struct *mm;		/* /proc/PID files opened by proc mem helpers; else NULL */
	int (*single_show)(struct seq_file *m, void *data);	/* single_open: called once with M->private */
};
struct seq_operations {
	void *(*start)(struct seq_file *m, loff_t *pos);	/* NULL: end; ERR_PTR: error for the reader */
	void *(*next)(struct seq_file *m, void *v, loff_t *pos);
	void (*stop)(struct seq_file *m, void *v);
	int (*show)(struct seq_file *m, void *v);
};
/* The methods of such a file: open for lines or for one piece, then read, seek and release. 0 or -errno. */
int seq_open(struct file *f, const struct seq_operations *op);
int single_open(struct file *f, int (*show)(struct seq_file *m, void *v), void *data);
ssize_t seq_read(struct file *f, struct iov_iter *to, loff_t *pos);
loff_t seq_lseek(struct file *f, loff_t off, int whence);
void seq_release(struct inode *inode, struct file *f);
void seq_printf(struct seq_file *m, const char *fmt, ...) __printf(2, 3);
void seq_puts(struct seq_file *m, const char *s);
void seq_putc(struct seq_file *m, char c);
void seq_write(struct seq_file *m, const void *p, size_t n);
/* Pad with blanks until the current line has WIDTH columns. */
void seq_pad_to(struct seq_file *m, size_t line_start, size_t width);
/* A path with blanks and control characters escaped as octal, as /proc/PID/maps and mounts do. */
void seq_path_escaped(struct seq_file *m, const char *path, const char *esc);

#endif
