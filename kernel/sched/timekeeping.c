/*
 * kernel/sched/timekeeping.c - what time is it?
 *
 * The monotonic clock is the TSC's (arch-x86_64/tsc.c). The wall clock is that plus an offset, which starts
 * as what the CMOS clock says and is changed by clock_settime(2). No slewing, no NTP, no leap seconds.
 *
 * Linux: kernel/time/timekeeping.c.
 */
#include "arch-x86_64/setup.h"
#include "kernel/sched/internal.h"

static u64 wall_offset;		/* a: ns from 1970 to boot */

u64 ktime_get(void)
{
	return tsc_clock_ns();
}

u64 ktime_get_real(void)
{
	return tsc_clock_ns() + READ_ONCE(wall_offset);
}

void timekeeping_set_real(u64 ns)
{
	WRITE_ONCE(wall_offset, ns - tsc_clock_ns());
}

void time_init(void)
{
	timekeeping_set_real(rtc_read_seconds() * NSEC_PER_SEC);
}
