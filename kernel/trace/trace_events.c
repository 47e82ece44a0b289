/*
 * kernel/trace/trace_events.c - from a place in the code to a record in the ring, and the switches in
 * between.
 *
 *	trace_on_NAME		one byte for each event: all that the place itself looks at
 *	tracing_on		the rings take records at all
 *	set_event_pid		only of these tasks
 *
 * Linux: kernel/trace/trace_events.c; filters and triggers are not here.
 */
#include "kernel/trace/trace_internal.h"
#include "kernel/lib/string.h"
#include "kernel/locking/mutex.h"
#include "kernel/trace/words.h"
#include "mm/slab.h"

static DEFINE_MUTEX(event_mutex);		/* the switches */
static int trace_pids[TRACE_MAX_PIDS], nr_trace_pids;	/* event_mutex to change */

static bool pid_wanted(int pid)
{
	int nr = READ_ONCE(nr_trace_pids);

	for (int i = 0; i < nr; i++)
		if (READ_ONCE(trace_pids[i]) == pid)
			return true;
	return nr == 0;
}

static void record(int type, struct trace_entry *ent, size_t size)
{
	int count = preempt_count();

	ent->type = type;
	ent->flags = (irqs_disabled() ? TRACE_FLAG_IRQS_OFF : 0) | (need_resched() ? TRACE_FLAG_NEED_RESCHED : 0) |
		     (count & HARDIRQ_MASK ? TRACE_FLAG_HARDIRQ : 0);
	ent->preempt_count = min(count & PREEMPT_MASK, 0xf);
	ent->pid = current->pid;
	ring_buffer_write(ent, size);
}

void trace_event_write(const struct trace_event *ev, struct trace_entry *ent, size_t size)
{
	if (pid_wanted(current->pid))
		record(trace_event_id(ev), ent, size);
}

int trace_marker_write(const char *text, size_t len)
{
	bool newline = !len || text[len - 1] != '\n';
	struct trace_print_entry *e;
	size_t size = sizeof(*e) + len + newline + 1;
	int err = READ_ONCE(ring_buffer_on) ? ring_buffer_alloc() : -EBADF;

	if (err)
		return err;
	e = kzalloc(size, GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	e->ip = (unsigned long)__builtin_return_address(0);
	memcpy(e->text, text, len);
	if (newline)
		e->text[len] = '\n';
	record(TRACE_ID_PRINT, &e->ent, size);
	kfree(e);
	return 0;
}

/* ---- Switches ---- */

const struct trace_event *trace_event_by_id(int id)
{
	const struct trace_event *ev = _trace_events_start + (id - TRACE_ID_FIRST);

	return id >= TRACE_ID_FIRST && ev < _trace_events_end ? ev : NULL;
}

/* EV is one of those that MATCH (system or name), SYSTEM and NAME mean; NULL means all. */
static bool is_meant(const struct trace_event *ev, const char *match, const char *system, const char *name)
{
	return (!match || !strcmp(match, ev->name) || !strcmp(match, ev->system)) &&
	       (!system || !strcmp(system, ev->system)) && (!name || !strcmp(name, ev->name));
}

static int set_meant(const char *match, const char *system, const char *name, bool on)
{
	const struct trace_event *ev;
	int err = on ? ring_buffer_alloc() : 0;
	bool found = false;

	if (err)
		return err;
	mutex_lock(&event_mutex);
	for_each_trace_event(ev) {
		if (is_meant(ev, match, system, name)) {
			found = true;
			WRITE_ONCE(*ev->on, on);
		}
	}
	mutex_unlock(&event_mutex);
	return found ? 0 : -EINVAL;
}

int trace_events_set(const char *system, const char *name, bool on)
{
	return set_meant(NULL, system, name, on);
}

int trace_events_command(char *word)
{
	bool on = *word != '!';
	char *name = word + !on, *system;

	if (!strchr(name, ':'))
		return set_meant(name, NULL, NULL, on);
	system = kstrsep(&name, ":");
	return set_meant(NULL, *system && strcmp(system, "*") ? system : NULL,
			 *name && strcmp(name, "*") ? name : NULL, on);
}

int trace_events_state(const char *system)
{
	const struct trace_event *ev;
	bool any[2] = { false, false };

	for_each_trace_event(ev)
		if (is_meant(ev, NULL, system, NULL))
			any[READ_ONCE(*ev->on) != 0] = true;
	return any[1] ? 1 + any[0] : 0;
}

/* ---- set_event_pid ---- */

int trace_pids_add(char *text)
{
	char *words[TRACE_MAX_PIDS];
	int n = split_words(text, words, TRACE_MAX_PIDS), pid, err = n > TRACE_MAX_PIDS ? -ENOSPC : 0;

	mutex_lock(&event_mutex);
	for (int i = 0; i < n && !err; i++) {
		err = kstrtoint(words[i], 10, &pid) || pid < 0 ? -EINVAL : 0;
		if (!err && nr_trace_pids == TRACE_MAX_PIDS)
			err = -ENOSPC;
		if (err)
			break;
		WRITE_ONCE(trace_pids[nr_trace_pids], pid);
		smp_wmb();
		WRITE_ONCE(nr_trace_pids, nr_trace_pids + 1);
	}
	mutex_unlock(&event_mutex);
	return err;
}

void trace_pids_clear(void)
{
	mutex_lock(&event_mutex);
	WRITE_ONCE(nr_trace_pids, 0);
	mutex_unlock(&event_mutex);
}

void trace_pids_show(struct seq_file *m)
{
	mutex_lock(&event_mutex);
	for (int i = 0; i < nr_trace_pids; i++)
		seq_printf(m, "%d\n", trace_pids[i]);
	mutex_unlock(&event_mutex);
}
