/*
 * mm/watermark.c - how much of each zone is to stay free, and for whom (RCL-8, RCL-9).
 *
 *	free pages of a zone	  kswapd sleeps
 *	───────────── high ─────  kswapd stops here
 *	                          ordinary allocations
 *	───────────── low  ─────  kswapd is woken
 *	                          ordinary allocations
 *	───────────── min  ─────  direct reclaim begins
 *	                          GFP_ATOMIC to 3/8 of min, victims of the OOM killer to 1/2
 *	                          PF_MEMALLOC: who makes memory free may need some for it
 *	                0
 *
 * Linux: mm/page_alloc.c; set_recommended_min_free_kbytes() in mm/khugepaged.c. Left out: boosting.
 */
#include "kernel/init.h"
#include "kernel/locking/mutex.h"
#include "mm/internal.h"
#include "mm/thp_policy.h"

int min_free_kbytes, watermark_scale_factor = 10;
static DEFINE_MUTEX(watermark_mutex);

unsigned long int_sqrt(unsigned long x)
{
	unsigned long r = 0;

	for (unsigned long bit = 1UL << 31; bit; bit >>= 1)
		if ((r + bit) * (r + bit) <= x)
			r += bit;
	return r;
}

void setup_zone_watermarks(void)
{
	unsigned long total = totalram_pages();
	struct zone *z;

	for_each_populated_zone(z) {
		unsigned long wmin = (unsigned long)min_free_kbytes / 4 * z->managed_pages / max(total, 1UL);
		unsigned long step = max(wmin / 4, z->managed_pages * (unsigned long)watermark_scale_factor / 10000);

		z->watermark[WMARK_MIN] = wmin;
		z->watermark[WMARK_LOW] = wmin + step;
		z->watermark[WMARK_HIGH] = wmin + 2 * step;
	}
}

void setup_watermarks(void)
{
	min_free_kbytes = (int)clamp(int_sqrt(16 * totalram_pages() * 4), 128UL, 262144UL);
	setup_zone_watermarks();
}

/*
 * With huge pages wanted, so much stays free that each zone has whole pageblocks of each mobility type in reserve, and
 * no type is forced into another's blocks: 2 for each zone, and types x types for the fallbacks.
 */
static int recommended_min_free_kbytes(void)
{
	unsigned long pages = 0;
	struct zone *z;

	for_each_populated_zone(z)
		pages += PAGEBLOCK_NR_PAGES * (2 + MIGRATE_TYPES * MIGRATE_TYPES);
	return (int)(min(pages, totalram_pages() / 20) * 4);
}

void set_recommended_min_free_kbytes(void)
{
	mutex_lock(&watermark_mutex);
	if (!hugepage_pmd_enabled())
		setup_watermarks();
	else if (recommended_min_free_kbytes() > min_free_kbytes)
		min_free_kbytes = recommended_min_free_kbytes();
	setup_zone_watermarks();
	mutex_unlock(&watermark_mutex);
}

static int thp_watermarks_init(void)
{
	set_recommended_min_free_kbytes();
	return 0;
}
late_initcall(thp_watermarks_init);

/* Requests that Normal could serve leave this much of DMA32 to those that need it. */
static unsigned long lowmem_reserve(const struct zone *z, enum zone_type highest)
{
	return z == &zones[ZONE_DMA32] && highest == ZONE_NORMAL ? zones[ZONE_NORMAL].managed_pages / 256 : 0;
}

bool zone_watermark_ok(struct zone *z, unsigned int order, unsigned long mark, enum zone_type highest, long more)
{
	long free = atomic_long_read(&z->free_pages) + more - ((1L << order) - 1);

	return free > (long)(mark + lowmem_reserve(z, highest));
}

static bool zone_has_block(const struct zone *z, unsigned int order)
{
	while (order < NR_PAGE_ORDERS)
		if (READ_ONCE(z->free_area[order++].nr_free))
			return true;
	return false;
}

bool zone_can_give(struct zone *z, unsigned int order, unsigned long mark, enum zone_type highest)
{
	return zone_watermark_ok(z, order, mark, highest, 0) && zone_has_block(z, order);
}

bool zones_at_high(gfp_t gfp, unsigned int order)
{
	enum zone_type highest = gfp_zone(gfp);
	struct zone *z;

	for_each_populated_zone(z)
		if (z <= &zones[highest] && zone_can_give(z, order, z->watermark[WMARK_HIGH], highest))
			return true;
	return false;
}

unsigned long reserve_mark(const struct zone *z, enum alloc_reserve r)
{
	switch (r) {
	case RESERVE_LOW:    return z->watermark[WMARK_LOW];
	case RESERVE_MIN:    return z->watermark[WMARK_MIN];
	case RESERVE_ATOMIC: return z->watermark[WMARK_MIN] * 3 / 8;
	case RESERVE_OOM:    return z->watermark[WMARK_MIN] / 2;
	default:	     return 0;
	}
}
