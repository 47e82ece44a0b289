/*
 * kernel/trace/trace_output.c - from the rings back to text: records of all CPUs in the order of time, one
 * line each.
 *
 *	            TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
 *	           fault-71      [001] .....    12.034567: page_fault_user: address=0x7f5e8d400000 ip=0x401a2b ...
 *
 * An iterator keeps a copy of the first unread record of each ring and hands out the oldest of them. It
 * stops where the rings ended when it started, so that a reader comes to an end although others write. A
 * record that came late, with the stamp of a moment that has been handed out already, comes late.
 *
 * Linux: kernel/trace/trace_output.c, trace.c.
 */
#include "arch-x86_64/smp.h"
#include "kernel/trace/trace_internal.h"
#include "mm/slab.h"

/* ---- Iterating ---- */

void trace_iterator_free(struct trace_iterator *it)
{
	int cpu;

	if (!it)
		return;
	for_each_online_cpu(cpu)
		kfree(it->of[cpu].next);
	kfree(it);
}

struct trace_iterator *trace_iterator_new(unsigned long cpus, bool consumes)
{
	struct trace_iterator *it = kzalloc(sizeof(*it), GFP_KERNEL);
	int cpu;

	if (!it)
		return NULL;
	it->cpus = cpus & cpu_online_mask;
	it->consumes = consumes;
	for_each_online_cpu(cpu) {
		if (!(it->cpus & BIT(cpu)))
			continue;
		it->of[cpu].next = kmalloc(RING_MAX_RECORD, GFP_KERNEL);
		if (!it->of[cpu].next) {
			trace_iterator_free(it);
			return NULL;
		}
	}
	return it;
}

void trace_iterator_rewind(struct trace_iterator *it)
{
	int cpu;

	it->nr = 0;
	it->current_record = NULL;
	it->annotate = false;
	for_each_online_cpu(cpu) {
		it->of[cpu].at = ring_buffer_unread(cpu);
		it->of[cpu].end = ring_buffer_end(cpu);
		it->of[cpu].have = false;
		it->of[cpu].first = 0;
		it->annotate |= !it->consumes && ring_buffer_stats(cpu).overrun;
	}
}

/* Have a copy of the next record of CPU. False: there is none. */
static bool have_next(struct trace_iterator *it, int cpu)
{
	if (!it->of[cpu].have)
		it->of[cpu].have = ring_buffer_peek(cpu, &it->of[cpu].at, it->of[cpu].next, &it->of[cpu].lost) &&
				   it->of[cpu].at.pos < it->of[cpu].end;
	return it->of[cpu].have;
}

const struct ring_record *trace_iterator_next(struct trace_iterator *it)
{
	int cpu, oldest = -1;

	if (it->current_record) {
		ring_cursor_advance(&it->of[it->cpu].at, it->current_record);
		it->of[it->cpu].have = false;
	}
	for_each_online_cpu(cpu)
		if ((it->cpus & BIT(cpu)) && have_next(it, cpu) &&
		    (oldest < 0 || it->of[cpu].next->ts < it->of[oldest].next->ts))
			oldest = cpu;
	it->current_record = oldest < 0 ? NULL : it->of[oldest].next;
	if (oldest < 0)
		return NULL;
	it->cpu = oldest;
	it->nr++;
	it->lost = it->of[oldest].first || it->consumes ? it->of[oldest].lost : 0;
	if (!it->of[oldest].first)
		it->of[oldest].first = it->nr;
	return it->current_record;
}

void trace_iterator_consume(struct trace_iterator *it)
{
	struct ring_cursor behind = it->of[it->cpu].at;

	ring_cursor_advance(&behind, it->current_record);
	ring_buffer_consume(it->cpu, &behind, 1, it->lost);
}

/* ---- Lines ---- */

void trace_print_time(struct seq_file *m, u64 ns)
{
	u64 us = ns / NSEC_PER_USEC;

	seq_printf(m, "%5llu.%06llu", (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000));
}

static void print_flags(struct seq_file *m, const struct trace_entry *e)
{
	seq_putc(m, e->flags & TRACE_FLAG_IRQS_OFF ? 'd' : '.');
	seq_putc(m, e->flags & TRACE_FLAG_NEED_RESCHED ? 'n' : '.');
	seq_putc(m, e->flags & TRACE_FLAG_HARDIRQ ? 'h' : '.');
	seq_putc(m, e->preempt_count ? "0123456789abcdef"[e->preempt_count & 0xf] : '.');
	seq_putc(m, '.');		/* migrate-disable: there is no such thing here */
}

void trace_print_record(struct seq_file *m, const struct trace_iterator *it, const struct ring_record *rec)
{
	const struct trace_entry *e = rec->ent;
	const struct trace_event *ev = trace_event_by_id(e->type);

	if (it->lost)
		seq_printf(m, "CPU:%d [LOST %llu EVENTS]\n", it->cpu, (unsigned long long)it->lost);
	if (it->annotate && it->of[it->cpu].first == it->nr && it->nr > 1)
		seq_printf(m, "##### CPU %d buffer started ####\n", it->cpu);
	seq_printf(m, "%16.16s-%-7d [%03d] ", e->pid ? rec->comm : "<idle>", e->pid, it->cpu);
	print_flags(m, e);
	seq_putc(m, ' ');
	trace_print_time(m, rec->ts);
	if (ev) {
		seq_printf(m, ": %s: ", ev->name);
		ev->print(m, e);
		seq_putc(m, '\n');
	} else {
		seq_printf(m, ": tracing_mark_write: %s", ((const struct trace_print_entry *)e)->text);
	}
}
