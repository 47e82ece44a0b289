/*
 * kernel/trace/trace_events.h - events: named places in the kernel that leave a binary record when somebody
 * asked for it.
 *
 *	#define TRACE_SYSTEM vmscan
 *	TRACE_EVENT(mm_vmscan_kswapd_wake,		fields, then how they are printed; the entry is called REC
 *		TP_FIELDS((int, nid), (int, order)),
 *		"nid=%d order=%d", REC->nid, REC->order)
 *
 *	trace_mm_vmscan_kswapd_wake(0, order);		the place itself; any context, any lock
 *	if (trace_mm_vmscan_kswapd_wake_enabled())	around arguments that cost something
 *
 *	trace_NAME() ── byte is 0 ──> nothing		cmpb, jne: all there is while it is off
 *	     └── else ──> __trace_NAME ──> trace_event_write ──> this CPU's ring (ring_buffer.c)
 *	                                                             │ when somebody reads
 *	                                  print_NAME <── trace_output.c
 *
 * That declaration is all: it makes the structure of the record, the function, the description under
 * events/SYSTEM/NAME, and the formatter. It stands in a header that only .c files include; one of them says
 * "#define CREATE_TRACE_POINTS" first, and there the definitions are made (kernel/trace/trace_points.c,
 * mm/trace_mm.c).
 *
 * One to nine fields: integers, pointers and trace_comm. Linux: include/linux/tracepoint.h, include/trace/.
 */
#ifndef KERNEL_TRACE_TRACE_EVENTS_H
#define KERNEL_TRACE_TRACE_EVENTS_H

#include "kernel/lib/compiler.h"
#include "kernel/lib/types.h"

struct seq_file;

/* How every entry begins; the layout is Linux's (common_type and so on in the format files). */
struct trace_entry {
	u16 type;		/* the event's id */
	u8 flags;		/* TRACE_FLAG_* */
	u8 preempt_count;
	s32 pid;
};

/* A field that holds the name of a task. */
typedef struct { char text[16]; } trace_comm;
static inline trace_comm trace_comm_of(const char *comm)
{
	trace_comm c;

	__builtin_memcpy(c.text, comm, sizeof(c.text));
	return c;
}

struct trace_field { const char *type, *name; u8 size, align; bool is_signed; };

struct trace_event {
	const char *system, *name;
	const char *print_fmt;		/* as the format file shows it */
	const struct trace_field *fields;
	int nr_fields;
	u8 *on;				/* what the place in the code looks at */
	void (*print)(struct seq_file *m, const void *entry);
};
/*
 * Leave ENT, SIZE bytes, as a record of EV; type, flags and pid are filled in. Any context, any lock; never
 * sleeps.
 */
void trace_event_write(const struct trace_event *ev, struct trace_entry *ent, size_t size);

/* ---- What the macro is made of ---- */

/* M(type, name) for each of up to nine fields. */
#define __TP_1(M, f)		M f
#define __TP_2(M, f, ...)	M f __TP_1(M, __VA_ARGS__)
#define __TP_3(M, f, ...)	M f __TP_2(M, __VA_ARGS__)
#define __TP_4(M, f, ...)	M f __TP_3(M, __VA_ARGS__)
#define __TP_5(M, f, ...)	M f __TP_4(M, __VA_ARGS__)
#define __TP_6(M, f, ...)	M f __TP_5(M, __VA_ARGS__)
#define __TP_7(M, f, ...)	M f __TP_6(M, __VA_ARGS__)
#define __TP_8(M, f, ...)	M f __TP_7(M, __VA_ARGS__)
#define __TP_9(M, f, ...)	M f __TP_8(M, __VA_ARGS__)
/* The same with commas between them. */
#define __TPC_1(M, f)		M f
#define __TPC_2(M, f, ...)	M f, __TPC_1(M, __VA_ARGS__)
#define __TPC_3(M, f, ...)	M f, __TPC_2(M, __VA_ARGS__)
#define __TPC_4(M, f, ...)	M f, __TPC_3(M, __VA_ARGS__)
#define __TPC_5(M, f, ...)	M f, __TPC_4(M, __VA_ARGS__)
#define __TPC_6(M, f, ...)	M f, __TPC_5(M, __VA_ARGS__)
#define __TPC_7(M, f, ...)	M f, __TPC_6(M, __VA_ARGS__)
#define __TPC_8(M, f, ...)	M f, __TPC_7(M, __VA_ARGS__)
#define __TPC_9(M, f, ...)	M f, __TPC_8(M, __VA_ARGS__)
#define __TP_PICK(a, b, c, d, e, f, g, h, i, n, ...) n
#define __TP_MAP(M, ...) \
	__TP_PICK(__VA_ARGS__, __TP_9, __TP_8, __TP_7, __TP_6, __TP_5, __TP_4, __TP_3, __TP_2, __TP_1, )(M, __VA_ARGS__)
#define __TP_MAPC(M, ...) \
	__TP_PICK(__VA_ARGS__, __TPC_9, __TPC_8, __TPC_7, __TPC_6, __TPC_5, __TPC_4, __TPC_3, __TPC_2, __TPC_1, ) \
	(M, __VA_ARGS__)

#define __TP_MEMBER(t, n)	t n;
#define __TP_ARG(t, n)		t n
#define __TP_NAME(t, n)		n
#define __TP_ASSIGN(t, n)	__rec.n = n;
#define __TP_SIGNED(t) \
	_Generic((t *)0, char *: true, s8 *: true, s16 *: true, s32 *: true, s64 *: true, long long *: true, default: false)
#define __TP_DESC(t, n)		{ #t, #n, sizeof(t), __alignof__(t), __TP_SIGNED(t) }
#define __TP_MEMBERS(...)	__TP_MAP(__TP_MEMBER, __VA_ARGS__)
#define __TP_ARGS(...)		__TP_MAPC(__TP_ARG, __VA_ARGS__)
#define __TP_NAMES(...)		__TP_MAPC(__TP_NAME, __VA_ARGS__)
#define __TP_ASSIGNS(...)	__TP_MAP(__TP_ASSIGN, __VA_ARGS__)
#define __TP_DESCS(...)		__TP_MAPC(__TP_DESC, __VA_ARGS__)

/* Go to LABEL if the byte is not 0. These two instructions are the whole cost of an event that is off. */
#define __TRACE_IF_ON(byte, label) __asm__ goto("cmpb $0, %0; jne %l[" #label "]" : : "m"(byte) : "cc" : label)

#define TP_FIELDS(...)		(__VA_ARGS__)

#define __TRACE_DECLARE(name, fields)							\
	struct trace_rec_##name { struct trace_entry ent; __TP_MEMBERS fields };	\
	extern u8 trace_on_##name;							\
	void __trace_##name(__TP_ARGS fields) __attribute__((cold));			\
	static __always_inline bool trace_##name##_enabled(void)			\
	{										\
		__TRACE_IF_ON(trace_on_##name, on);					\
		return false;								\
	on:										\
		return true;								\
	}										\
	static __always_inline void trace_##name(__TP_ARGS fields)			\
	{										\
		if (trace_##name##_enabled())						\
			__trace_##name(__TP_NAMES fields);				\
	}

#ifndef CREATE_TRACE_POINTS
#define TRACE_EVENT(name, fields, ...) __TRACE_DECLARE(name, fields)
#else
#define TRACE_EVENT(name_, fields_, fmt, ...)						\
	__TRACE_DECLARE(name_, fields_)							\
	u8 trace_on_##name_ __section(".data..trace_on");				\
	static void print_##name_(struct seq_file *m, const void *entry)		\
	{										\
		const struct trace_rec_##name_ *REC = entry;				\
		seq_printf(m, fmt, __VA_ARGS__);					\
	}										\
	static const struct trace_field trace_fields_##name_[] = { __TP_DESCS fields_ };	\
	static const struct trace_event trace_event_##name_				\
		__section(".trace_events") __used __aligned(8) = {			\
		.system = __stringify(TRACE_SYSTEM),					\
		.name = #name_,								\
		.print_fmt = #fmt ", " #__VA_ARGS__,					\
		.fields = trace_fields_##name_,						\
		.nr_fields = ARRAY_SIZE(trace_fields_##name_),				\
		.on = &trace_on_##name_,						\
		.print = print_##name_,							\
	};										\
	void __trace_##name_(__TP_ARGS fields_)						\
	{										\
		struct trace_rec_##name_ __rec = { };					\
		__TP_ASSIGNS fields_							\
		trace_event_write(&trace_event_##name_, &__rec.ent, sizeof(__rec));	\
	}
#include "kernel/fs/seq_file.h"
#endif

#endif
