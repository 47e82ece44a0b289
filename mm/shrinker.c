/*
 * mm/shrinker.c - caches that can give memory back (RCL-23): large folios to split, the huge zero page, slabs.
 *
 * Reclaim asks each for a share of what it has, as it does with the LRU lists: size >> priority. What is too little to be
 * asked for now is remembered and asked for when it has added up. Linux: mm/shrinker.c.
 */
#include "kernel/sched/sched.h"
#include "mm/internal.h"
#include "mm/vmstat.h"

static LIST_HEAD(shrinkers);
static DEFINE_SPINLOCK(shrinker_lock);

/* Asked for at once; less waits until there is as much. */
#define SHRINK_BATCH 128

void register_shrinker(struct shrinker *s)
{
	spin_lock(&shrinker_lock);
	list_add_tail(&s->list, &shrinkers);
	spin_unlock(&shrinker_lock);
}

/* Objects to ask S for. What it is too early for stays in deferred. */
static unsigned long share_of(struct shrinker *s, unsigned long count, int priority)
{
	long share = (long)(count >> priority) * 2 + atomic_long_xchg(&s->deferred, 0);

	if (priority && share < SHRINK_BATCH && (unsigned long)share < count) {
		atomic_long_add(share, &s->deferred);
		return 0;
	}
	return min((unsigned long)share, count);
}

unsigned long shrink_slab(int priority)
{
	unsigned long freed = 0;
	struct shrinker *s;

	/* Registered at boot, never removed: walking without the lock is safe. */
	list_for_each_entry(s, &shrinkers, list) {
		unsigned long count = s->count(), nr = count ? share_of(s, count, priority) : 0;

		if (!nr)
			continue;
		count_vm_events(SLABS_SCANNED, (long)nr);
		freed += s->scan(nr);
		cond_resched();
	}
	return freed;
}
