/*
 * kernel/trace/trace_internal.h - what the files of tracing share: the list of events, iterating over the
 * rings.
 */
#ifndef KERNEL_TRACE_INTERNAL_H
#define KERNEL_TRACE_INTERNAL_H

#include "kernel/fs/seq_file.h"
#include "kernel/trace/ring_buffer.h"

/* ---- trace_events.c: which events there are, and which are on ---- */

extern const struct trace_event _trace_events_start[], _trace_events_end[];
#define for_each_trace_event(ev) for ((ev) = _trace_events_start; (ev) < _trace_events_end; (ev)++)
/* Ids: the marker's is Linux's, those of events follow. */
#define TRACE_ID_PRINT	5
#define TRACE_ID_FIRST	20
static inline int trace_event_id(const struct trace_event *ev) { return TRACE_ID_FIRST + (ev - _trace_events_start); }
/* NULL: there is none. */
const struct trace_event *trace_event_by_id(int id);
/*
 * Switch on or off all events of SYSTEM (NULL: any) called NAME (NULL: any). 0, -EINVAL if there is none,
 * -ENOMEM for want of a ring. => may sleep
 */
int trace_events_set(const char *system, const char *name, bool on);
/*
 * The words of set_event: "sys:name", "name", "!sys:*"... WORD is changed. 0 or an error as above. => may
 * sleep
 */
int trace_events_command(char *word);
/* 0: all are off, 1: all are on, 2: some. For events of SYSTEM, NULL: any. */
int trace_events_state(const char *system);

/* The entry of a marker: a text written to trace_marker. */
struct trace_print_entry {
	struct trace_entry ent;
	unsigned long ip;
	char text[];
};
/*
 * Leave TEXT, LEN bytes, as a marker; a newline is added where there is none. 0, -ENOMEM, -EBADF: off. =>
 * may sleep
 */
int trace_marker_write(const char *text, size_t len);

/* TRACE_FLAG_*, of struct trace_entry: Linux's. */
#define TRACE_FLAG_IRQS_OFF	0x01
#define TRACE_FLAG_NEED_RESCHED	0x04
#define TRACE_FLAG_HARDIRQ	0x08

/* The pids that set_event_pid names; nobody else's events are recorded. None: everybody's. */
#define TRACE_MAX_PIDS 64
int trace_pids_add(char *words);	/* 0, -EINVAL, -ENOSPC */
void trace_pids_clear(void);
void trace_pids_show(struct seq_file *m);

/* ---- trace_output.c: reading the rings in the order of time ---- */

struct trace_iterator {
	unsigned long cpus;		/* whose rings */
	bool consumes;			/* trace_pipe; else what was lost before the first record is not worth a line */
	bool annotate;			/* there were overruns: say where the records of each CPU begin */
	const struct ring_record *current_record;	/* what trace_iterator_next returned last */
	int cpu;			/* whose that is */
	u64 lost;			/* how many before it were overwritten unread */
	u64 nr;				/* how many records were current so far */
	struct {
		struct ring_cursor at;
		struct ring_record *next;	/* a copy of the first at or behind AT, if HAVE; LOST before it */
		u64 lost, end;			/* END: the position where this ends */
		u64 first;			/* the value of NR when its first record was current; 0: not yet */
		bool have;
	} of[NR_CPUS];
};
/*
 * For the rings of CPUS, at what is not consumed yet; NULL: no memory. Free with trace_iterator_free. =>
 * may sleep
 */
struct trace_iterator *trace_iterator_new(unsigned long cpus, bool consumes);
void trace_iterator_free(struct trace_iterator *it);
/* Back to what is not consumed yet. => ring_reader_lock */
void trace_iterator_rewind(struct trace_iterator *it);
/*
 * The oldest record that was not current yet; NULL: none. It stays until the next call. => ring_reader_lock
 */
const struct ring_record *trace_iterator_next(struct trace_iterator *it);
/* The current record of IT is consumed, and what was lost before it is accounted for. => ring_reader_lock */
void trace_iterator_consume(struct trace_iterator *it);
/* The lines of the current record REC. */
void trace_print_record(struct seq_file *m, const struct trace_iterator *it, const struct ring_record *rec);
/* Seconds with six digits, as everywhere in these files. */
void trace_print_time(struct seq_file *m, u64 ns);

/* ---- The directory ---- */

struct pseudo_node;
/* The files below events/, set_event and available_events. => boot */
void trace_create_event_files(struct pseudo_node *tracing);

#endif
