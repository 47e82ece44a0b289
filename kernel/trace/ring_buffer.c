/*
 * kernel/trace/ring_buffer.c - the rings that trace records go to: one for each CPU, written without a lock.
 *
 *	            tail                    head
 *	  ..........|rec|rec|  rec  |rec|rec|..........		positions only grow; a byte lies at position % size
 *	                  ^ pos of some reader
 *
 * Only the CPU itself writes to its ring, with interrupts off, so there is one writer at a time and it is
 * never interrupted half way. It (1) moves tail past the old records that the new one will overwrite, then
 * (2) writes the record, then (3) moves head past it. A reader on any CPU copies the record at its position,
 * then looks at tail.
 *
 * Why no copy that is used is torn: a byte of the record at P changes only in a step (2) that came after a
 * step (1) which made tail greater than P. x86 keeps stores in order and loads in order. So a reader that
 * saw such a byte sees a tail greater than P when it looks afterwards, throws the copy away and goes on at
 * tail. And what lies below head was complete before head said so.
 *
 * Records carry numbers, so the reader knows exactly how many it has missed. There is no count of lost
 * records anywhere that two CPUs would have to keep: overruns are derived from the numbers when somebody
 * asks. What was read for good (trace_pipe) is remembered by the readers, under their mutex; the writer
 * looks at it only if it may not overwrite.
 *
 * Resizing gives the ring other memory on the CPU itself, in an interrupt: so no writer is in the old one.
 * Positions and numbers go on where they were.
 *
 * Linux: kernel/trace/ring_buffer.c, which has pages that the reader takes out of the ring, records of 4 to
 * 8 bytes less, and takes records within records (from interrupts).
 */
#include "kernel/trace/ring_buffer.h"
#include "arch-x86_64/smp.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/string.h"
#include "kernel/locking/mutex.h"
#include "kernel/trace/pause.h"
#include "mm/page.h"
#include "mm/show_mem.h"
#include "mm/slab.h"

/* w: written by the CPU it belongs to, interrupts off; r: ring_reader_lock */
struct ring {
	u64 size;		/* w and r; 0: no memory yet */
	u8 *data;		/* w and r; the bytes: w */
	u64 tail, tail_seq;	/* w: first record that is still whole, and its number */
	u64 head, head_seq;	/* w: where the next record goes, and its number */
	u32 writing;		/* w: odd while the four above are being changed */
	u64 dropped;		/* w */
	struct ring_cursor read;	/* r: everything before it has been consumed; read by the writer */
	u64 nr_read, nr_lost;	/* r: consumed; found missing meanwhile */
	u64 first_seq, first_dropped;	/* r: head_seq and dropped at the last reset */
};
static DEFINE_PER_CPU(struct ring, trace_ring);
#define ring_of(cpu) (&per_cpu(trace_ring, cpu))
DEFINE_MUTEX(ring_reader_lock);
bool ring_buffer_on = true, ring_buffer_overwrite = true;

static struct ring_record *record_at(const struct ring *r, u64 pos)
{
	return (struct ring_record *)(r->data + pos % r->size);
}

/* ---- Writing ---- */

/*
 * Step 1: NEED bytes from head on are free afterwards. False: they are not to be had without overwriting.
 * => interrupts off
 */
static bool make_room(struct ring *r, u64 need)
{
	u64 tail = r->tail, seq = r->tail_seq;

	if (!READ_ONCE(ring_buffer_overwrite) && r->head + need > max(tail, READ_ONCE(r->read.pos)) + r->size)
		return false;
	while (r->head + need > tail + r->size) {
		const struct ring_record *old = record_at(r, tail);

		seq += old->size != 0;
		tail += old->len;
	}
	WRITE_ONCE(r->tail_seq, seq);
	WRITE_ONCE(r->tail, tail);
	smp_wmb();
	return true;
}

/*
 * A record of LEN bytes with SIZE bytes of entry would not fit before the end: fill that. => interrupts
 * off, room made
 */
static u64 skip_to_start(struct ring *r, u64 at, u32 to_end)
{
	struct ring_record *pad = record_at(r, at);

	pad->len = to_end;
	pad->size = 0;
	return at + to_end;
}

static void write_record(struct ring *r, const struct trace_entry *ent, u32 size)
{
	u32 len = ALIGN(sizeof(struct ring_record) + size, 8), to_end = r->size - r->head % r->size;
	struct ring_record *rec;
	u64 at = r->head;

	if (!make_room(r, len > to_end ? to_end + len : len)) {
		r->dropped++;
		return;
	}
	if (len > to_end)
		at = skip_to_start(r, at, to_end);
	rec = record_at(r, at);
	rec->len = len;
	rec->size = size;
	rec->seq = r->head_seq;
	rec->ts = ktime_get();
	memcpy(rec->comm, current->comm, TASK_COMM_LEN);
	memcpy(rec->ent, ent, size);
	WRITE_ONCE(r->head_seq, r->head_seq + 1);
	smp_store_release(&r->head, at + len);
}

void ring_buffer_write(const struct trace_entry *ent, size_t size)
{
	unsigned long flags;
	struct ring *r;

	if (!READ_ONCE(ring_buffer_on))
		return;
	local_irq_save(flags);
	r = this_cpu_ptr(&trace_ring);
	if (r->data && !(preempt_count() & NMI_MASK)) {
		WRITE_ONCE(r->writing, r->writing + 1);
		smp_wmb();
		write_record(r, ent, size);
		smp_wmb();
		WRITE_ONCE(r->writing, r->writing + 1);
	}
	local_irq_restore(flags);
}

/* ---- Reading ---- */

/*
 * Copy the record at POS, which lies below head. False: the writer has been there meanwhile, and OUT is
 * rubbish.
 */
static bool copy_record(const struct ring *r, u64 pos, struct ring_record *out)
{
	const struct ring_record *rec = record_at(r, pos);
	u64 len;

	pause_point("ring_copy");
	/* Until tail has been looked at, the length may be anything. */
	len = min_t(u64, READ_ONCE(rec->len), min_t(u64, RING_MAX_RECORD, r->size - pos % r->size));
	memcpy(out, rec, len);
	smp_rmb();
	return READ_ONCE(r->tail) <= pos;
}

bool ring_buffer_peek(int cpu, struct ring_cursor *c, struct ring_record *rec, u64 *lost)
{
	const struct ring *r = ring_of(cpu);
	u64 pos, head;

	for (;;) {
		pos = max(c->pos, READ_ONCE(r->tail));
		head = smp_load_acquire(&r->head);
		if (pos >= head)
			return false;
		if (!copy_record(r, pos, rec))
			continue;
		c->pos = pos;
		if (rec->size)
			break;
		c->pos += rec->len;
	}
	*lost = rec->seq - c->seq;
	return true;
}

void ring_cursor_advance(struct ring_cursor *c, const struct ring_record *rec)
{
	c->pos += rec->len;
	c->seq = rec->seq + 1;
}

/* The writer's positions and counts, all of one moment. */
struct ring_state { u64 tail, tail_seq, head, head_seq, dropped; };
static struct ring_state ring_state(const struct ring *r)
{
	struct ring_state s;
	u32 before;

	do {
		before = READ_ONCE(r->writing) & ~1u;
		smp_rmb();
		s = (struct ring_state){ READ_ONCE(r->tail), READ_ONCE(r->tail_seq), READ_ONCE(r->head),
					 READ_ONCE(r->head_seq), READ_ONCE(r->dropped) };
		smp_rmb();
	} while (READ_ONCE(r->writing) != before);
	return s;
}

struct ring_cursor ring_buffer_unread(int cpu)
{
	return ring_of(cpu)->read;
}

u64 ring_buffer_end(int cpu)
{
	return smp_load_acquire(&ring_of(cpu)->head);
}

void ring_buffer_consume(int cpu, const struct ring_cursor *c, u64 nr, u64 lost)
{
	struct ring *r = ring_of(cpu);

	r->read.seq = c->seq;
	WRITE_ONCE(r->read.pos, c->pos);
	r->nr_read += nr;
	r->nr_lost += lost;
}

void ring_buffer_reset(int cpu)
{
	struct ring *r = ring_of(cpu);
	struct ring_state s = ring_state(r);

	r->read.seq = r->first_seq = s.head_seq;
	WRITE_ONCE(r->read.pos, s.head);
	r->first_dropped = s.dropped;
	r->nr_read = r->nr_lost = 0;
}

u64 ring_buffer_oldest_ts(int cpu)
{
	struct ring_record *rec = kmalloc(RING_MAX_RECORD, GFP_KERNEL);
	struct ring_cursor c = ring_buffer_unread(cpu);
	u64 lost, ts = 0;

	if (rec && ring_buffer_peek(cpu, &c, rec, &lost))
		ts = rec->ts;
	kfree(rec);
	return ts;
}

struct ring_stats ring_buffer_stats(int cpu)
{
	const struct ring *r = ring_of(cpu);
	struct ring_state s = ring_state(r);
	u64 first = max(s.tail_seq, r->read.seq);
	struct ring_stats st;

	st.entries = s.head_seq - first;
	st.bytes = s.head - max(s.tail, r->read.pos);
	st.overrun = r->nr_lost + first - r->read.seq;
	st.dropped = s.dropped - r->first_dropped;
	st.read = r->nr_read;
	st.written = s.head_seq - r->first_seq;
	return st;
}

bool ring_buffer_any(unsigned long cpus)
{
	int cpu;

	for_each_online_cpu(cpu) {
		const struct ring *r = ring_of(cpu);

		if ((cpus & BIT(cpu)) && READ_ONCE(r->head) > READ_ONCE(r->read.pos))
			return true;
	}
	return false;
}

/* ---- Memory ---- */

unsigned long ring_buffer_size_kb(int cpu)
{
	return ring_of(cpu)->size >> 10;
}

struct ring_memory { u8 *data; u64 size; };

/* On the CPU the ring belongs to: NEW takes the place of its memory, and is what it was afterwards. */
static void swap_memory(void *arg)
{
	struct ring *r = this_cpu_ptr(&trace_ring);
	struct ring_memory *new = arg;

	swap(r->data, new->data);
	swap(r->size, new->size);
	r->tail = r->head;
	r->tail_seq = r->head_seq;
}

int ring_buffer_resize(int cpu, unsigned long kb)
{
	struct ring_memory m = { .size = kb << 10 };

	/* Memory that others would have to be killed for is not there. */
	if (kb >> (PAGE_SHIFT - 10) > si_mem_available() / 2)
		return -ENOMEM;
	m.data = vmalloc(m.size);
	if (!m.data)
		return -ENOMEM;
	smp_call_function_single(cpu, swap_memory, &m);
	vfree(m.data);
	ring_buffer_reset(cpu);
	return 0;
}

/* On a small machine with many CPUs all rings together are to take at most an eighth of what is left. */
static unsigned long default_kb(void)
{
	unsigned long share = si_mem_available() / 8 / nr_cpu_ids;

	return clamp(share << (PAGE_SHIFT - 10), 2 * PAGE_SIZE >> 10, (unsigned long)RING_DEFAULT_KB);
}

int ring_buffer_alloc(void)
{
	static bool done;		/* memory that is there once never goes */
	int cpu, err = 0;

	if (READ_ONCE(done))
		return 0;
	mutex_lock(&ring_reader_lock);
	for_each_online_cpu(cpu)
		if (!err && !ring_buffer_size_kb(cpu))
			err = ring_buffer_resize(cpu, default_kb());
	if (!err)
		WRITE_ONCE(done, true);
	mutex_unlock(&ring_reader_lock);
	return err;
}
