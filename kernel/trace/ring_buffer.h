/*
 * kernel/trace/ring_buffer.h - one ring of trace records for each CPU. ring_buffer.c says how it works.
 */
#ifndef KERNEL_TRACE_RING_BUFFER_H
#define KERNEL_TRACE_RING_BUFFER_H

#include "kernel/sched/sched.h"
#include "kernel/trace/trace_events.h"

/* A record as it lies in the ring. */
struct ring_record {
	u32 len;			/* with this header, a multiple of 8 */
	u32 size;			/* of the entry; 0: no record, but the unused end of the ring */
	u64 seq;			/* counts this CPU's records: a gap is what was lost */
	u64 ts;				/* ktime_get() */
	char comm[TASK_COMM_LEN];
	struct trace_entry ent[];	/* and its fields */
};
#define RING_MAX_ENTRY	1024
#define RING_MAX_RECORD (sizeof(struct ring_record) + RING_MAX_ENTRY)
#define RING_DEFAULT_KB 1408

extern struct mutex ring_reader_lock;
/* A reader's place in the ring of one CPU. */
struct ring_cursor { u64 pos, seq; };

struct ring_stats {
	u64 entries;			/* can be read; whole, in bytes */
	u64 bytes;
	u64 overrun;			/* lost, since others were written over them before anybody read them */
	u64 dropped;			/* lost, since there was no room and overwriting is off */
	u64 read;			/* consumed */
	u64 written;			/* entries + overrun + read */
};

/*
 * Append an entry of SIZE bytes (at most RING_MAX_ENTRY) to this CPU's ring. Nothing happens while there is
 * no ring or recording is off; an NMI leaves nothing. => any context, any lock
 */
void ring_buffer_write(const struct trace_entry *ent, size_t size);
/*
 * Copy the first record of CPU at or behind C->pos that still exists to REC (RING_MAX_RECORD bytes); C->pos
 * becomes its place and *LOST the number of records between C->seq and it. False: there is none. Never torn:
 * see ring_buffer.c.
 * => ring_reader_lock, which keeps the ring's memory; may sleep
 */
bool ring_buffer_peek(int cpu, struct ring_cursor *c, struct ring_record *rec, u64 *lost);
/* C goes behind REC, which ring_buffer_peek found at C. */
void ring_cursor_advance(struct ring_cursor *c, const struct ring_record *rec);

/* ---- Reading for good. => ring_reader_lock for all of these ---- */

/* Where CPU has been read to, and the position where its last record ends. */
struct ring_cursor ring_buffer_unread(int cpu);
u64 ring_buffer_end(int cpu);
/* Everything up to C is read, NR records of it; LOST were missing. */
void ring_buffer_consume(int cpu, const struct ring_cursor *c, u64 nr, u64 lost);
/* Everything is gone, and all counts are 0. */
void ring_buffer_reset(int cpu);
struct ring_stats ring_buffer_stats(int cpu);
/* When the oldest record that can be read was written, ns; 0: there is none. => may sleep */
u64 ring_buffer_oldest_ts(int cpu);
/* Kibibytes of CPU's ring; 0: not yet allocated. */
unsigned long ring_buffer_size_kb(int cpu);
/* Give CPU's ring KB kibibytes, empty; 0, or -ENOMEM and all is as before. => may sleep */
int ring_buffer_resize(int cpu, unsigned long kb);

/*
 * A ring of the default size for each CPU that has none. 0 or -ENOMEM. => takes ring_reader_lock; may sleep
 */
int ring_buffer_alloc(void);
/* Something can be read in the rings of CPUS (a mask). Any context. */
bool ring_buffer_any(unsigned long cpus);

/* tracing_on, and options/overwrite: full rings lose the oldest records, or else the newest. */
extern bool ring_buffer_on, ring_buffer_overwrite;

#endif
