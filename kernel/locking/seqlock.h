/*
 * kernel/locking/seqlock.h - sequence counter: readers that never write, and retry if a writer was there.
 *
 * Writers exclude each other by a lock of their own and run with preemption off.
 */
#ifndef KERNEL_LOCKING_SEQLOCK_H
#define KERNEL_LOCKING_SEQLOCK_H

#include "arch-x86_64/processor.h"
#include "kernel/sched/preempt.h"

typedef struct { unsigned int sequence; } seqcount_t;

static inline void seqcount_init(seqcount_t *s) { s->sequence = 0; }
static inline unsigned int raw_read_seqcount(const seqcount_t *s) { return smp_load_acquire(&s->sequence); }
static inline unsigned int read_seqcount_begin(const seqcount_t *s)
{
	unsigned int v;
	while ((v = raw_read_seqcount(s)) & 1)
		cpu_relax();
	return v;
}
static inline bool read_seqcount_retry(const seqcount_t *s, unsigned int start)
{
	smp_rmb();
	return READ_ONCE(s->sequence) != start;
}
static inline void write_seqcount_begin(seqcount_t *s) { preempt_disable(); WRITE_ONCE(s->sequence, s->sequence + 1); smp_wmb(); }
static inline void write_seqcount_end(seqcount_t *s)   { smp_wmb(); WRITE_ONCE(s->sequence, s->sequence + 1); preempt_enable(); }
/* For writers that sleep (fork, COW-25): the mmap write lock excludes others; readers back off, they never spin. */
static inline void raw_write_seqcount_begin(seqcount_t *s) { WRITE_ONCE(s->sequence, s->sequence + 1); smp_mb(); }
static inline void raw_write_seqcount_end(seqcount_t *s)   { smp_mb(); WRITE_ONCE(s->sequence, s->sequence + 1); }

#endif
