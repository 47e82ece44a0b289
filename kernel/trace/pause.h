/*
 * kernel/trace/pause.h - named pause points: a test parks a thread inside a window where a lock was dropped, does
 * something else meanwhile, and lets it go (/sys/kernel/debug/quire/pause).
 *
 *	pause_point("wp_copy_allocated");	sleeps there while armed; no spinlock held, interrupts on
 *	pause_spin("gup_fast_b1");		spins with interrupts as they are, bounded; needs a second CPU
 *	DEFINE_PAUSE_HOLD(p, "disk_read", let_go);	no thread is parked but a thing, by its owner
 *
 * Each use defines a static object in section .pause_points, so the file lists all of them. Disarmed it costs one
 * load and a branch. RELEASE: nothing. A killed thread leaves a sleeping pause point; one
 * that already exits stays.
 */
#ifndef KERNEL_TRACE_PAUSE_H
#define KERNEL_TRACE_PAUSE_H

#include "kernel/lib/compiler.h"
#include "kernel/lib/types.h"

#ifndef RELEASE
struct pause_point {
	const char *name;
	bool spin;
	void (*let_go)(struct pause_point *p);	/* only of holds: whatever is parked goes on */
	bool armed;		/* a: like all that follows; there is no lock, so that it works under any */
	bool once;		/* the next thread that comes disarms it for the others */
	int pid;		/* only this thread group (or this one thread of it), 0: any */
	int parked;		/* threads waiting here */
	unsigned int generation;	/* counts releases */
	long hits;		/* threads that were parked here since boot */
};
void __pause_here(struct pause_point *p);
#define __PAUSE(n, s) do {									\
	static struct pause_point __pp __section(".pause_points") __used __aligned(8) = { .name = (n), .spin = (s) };	\
	if (unlikely(READ_ONCE(__pp.armed)))							\
		__pause_here(&__pp);								\
} while (0)
#define DEFINE_PAUSE_HOLD(var, n, fn) \
	static struct pause_point var __section(".pause_points") __used __aligned(8) =	\
		{ .name = (n), .let_go = (fn) }
/*
 * Something has come to P: true, it is to be kept until LET_GO is called, which says how many it was. A
 * process given when P was armed is not looked at.
 * => the lock under which LET_GO empties the list; any context
 */
bool pause_hold(struct pause_point *p);
void pause_hold_gone(struct pause_point *p, int nr);
#define pause_point(name)	__PAUSE(name, false)
#define pause_spin(name)	__PAUSE(name, true)
/* Some spinning pause point is occupied: `check` answers EBUSY. */
bool pause_spinning(void);
#else
#define pause_point(name)	do { } while (0)
#define pause_spin(name)	do { } while (0)
#endif

#endif
