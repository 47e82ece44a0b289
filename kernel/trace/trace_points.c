/*
 * kernel/trace/trace_points.c - the events of trace_kernel.h are made here; those of mm: mm/trace_mm.c.
 */
#include "kernel/sched/sched.h"

/* For the formatters. */
static const char *lcb_word(unsigned int flags);
static const char *state_word(long state);

#define CREATE_TRACE_POINTS
#include "kernel/trace/trace_kernel.h"

static const char *lcb_word(unsigned int flags)
{
	switch (flags) {
	case LCB_F_SPIN: return "SPIN";
	case LCB_F_READ: return "READ";
	case LCB_F_WRITE: return "WRITE";
	case LCB_F_MUTEX: return "MUTEX";
	default: return "?";
	}
}

static const char *state_word(long state)
{
	if (state & SWITCH_PREEMPTED)
		return "R+";
	if (state & TASK_DEAD)
		return "X";
	if (state & TASK_STOPPED)
		return "T";
	if (state & TASK_NOLOAD)
		return "I";
	return state & TASK_UNINTERRUPTIBLE ? "D" : state & TASK_INTERRUPTIBLE ? "S" : "R";
}
