/*
 * kernel/trace/trace_points.c - the events of trace_kernel.h are made here; those of mm: mm/trace_mm.c.
 */
#include "kernel/sched/sched.h"

/* Called by formatters, one at a time: ring_reader_lock. */
static const char *lcb_word(unsigned int flags)
{
	switch (flags & 0x2f) {
	case 0x01: return "SPIN";
	case 0x02: return "READ";
	case 0x04: return "WRITE";
	case 0x20: return "MUTEX";
	default: return "?";
	}
}

static const char *state_word(long state)
{
	if (state & 0x100000L)
		return "R+";
	if (state & TASK_DEAD)
		return "X";
	if (state & TASK_STOPPED)
		return "T";
	if (state & TASK_NOLOAD)
		return "I";
	return state & TASK_UNINTERRUPTIBLE ? "D" : state & TASK_INTERRUPTIBLE ? "S" : "R";
}

#define CREATE_TRACE_POINTS
#include "kernel/trace/trace_kernel.h"
