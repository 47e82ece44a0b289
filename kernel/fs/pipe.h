/*
 * kernel/fs/pipe.h - pipes: a ring of page references, so that splice, tee and vmsplice move pages.
 */
#ifndef KERNEL_FS_PIPE_H
#define KERNEL_FS_PIPE_H

#include "kernel/fs/fs.h"

#define PIPE_DEF_BUFFERS 16		/* 64 KiB */
struct pipe_buffer {
	struct page *page;		/* one reference */
	unsigned int offset, len;
	unsigned int flags;
};
#define PIPE_BUF_CAN_MERGE 1u		/* our own page: a later write may append */
#define PIPE_BUF_PACKET	   2u

struct pipe_inode_info {
	struct mutex mutex;
	wait_queue_head_t rd_wait, wr_wait;
	unsigned int head, tail;	/* free running; ring_size is a power of two */
	unsigned int ring_size;
	unsigned int readers, writers, r_counter, w_counter, files;
	struct pipe_buffer *bufs;
	struct page *tmp_page;		/* one spare page kept */
	struct list_head all;		/* in pipe_list */
};
/* All pipes: who wants to know what references they hold (mm_check.c). */
extern struct list_head pipe_list;
extern spinlock_t pipe_list_lock;
struct pipe_inode_info *get_pipe_info(struct file *f);	/* NULL: not a pipe */
/*
 * Append LEN bytes at OFFSET of PAGE. A full pipe is waited for if WAIT, else it is -EAGAIN. 0: the caller's
 * reference to PAGE is the pipe's now. -EPIPE (and SIGPIPE): no reader; -ERESTARTSYS.
 *
 * => pipe->mutex not held; may sleep
 */
int pipe_push_page(struct pipe_inode_info *pipe, struct page *page, unsigned int offset, unsigned int len,
		   bool wait);
/*
 * The same in two steps. pipe_lock_room: 0 with the mutex held, a reader there and a buffer free; or an error
 * as above, not held. pipe_add_page_locked: => mutex, not full; the caller wakes rd_wait after unlocking.
 */
int pipe_lock_room(struct pipe_inode_info *pipe, bool wait);
void pipe_add_page_locked(struct pipe_inode_info *pipe, struct page *page, unsigned int offset,
			  unsigned int len);

/* Exact with the mutex held, a hint without. */
static inline bool pipe_empty(const struct pipe_inode_info *p)
{
	return READ_ONCE(p->head) == READ_ONCE(p->tail);
}
static inline bool pipe_full(const struct pipe_inode_info *p)
{
	return READ_ONCE(p->head) - READ_ONCE(p->tail) >= READ_ONCE(p->ring_size);
}
/* Buffer number I (free running). => mutex */
static inline struct pipe_buffer *pipe_buf(struct pipe_inode_info *p, unsigned int i)
{
	return &p->bufs[i & (p->ring_size - 1)];
}

#endif
