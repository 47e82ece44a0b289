/*
 * mm/gfp.h - allocating frames: the buddy allocator (page_alloc.c). Orders 0..10, zones DMA32 and Normal.
 */
#ifndef MM_GFP_H
#define MM_GFP_H

#include "mm/page.h"

/* What the allocator may do (RCL-11). */
#define __GFP_DMA32		0x0004u		/* below 4 GiB only */
#define __GFP_MOVABLE		0x0008u		/* user memory, page cache: pageblock type Movable (MIG-8) */
#define __GFP_RECLAIMABLE	0x0010u
#define __GFP_HIGH		0x0020u		/* may dip into the reserves */
#define __GFP_IO		0x0040u
#define __GFP_ZERO		0x0100u
#define __GFP_DIRECT_RECLAIM	0x0400u		/* may sleep and reclaim */
#define __GFP_KSWAPD_RECLAIM	0x0800u
#define __GFP_NOWARN		0x2000u
#define __GFP_RETRY_MAYFAIL	0x4000u
#define __GFP_NOFAIL		0x8000u
#define __GFP_NORETRY		0x10000u
#define __GFP_COMP		0x40000u	/* make a folio: head and tails */
#define __GFP_NOMEMALLOC	0x80000u
#define GFP_ATOMIC	(__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define GFP_NOWAIT	(__GFP_KSWAPD_RECLAIM | __GFP_NOWARN)
#define GFP_NOIO	(__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)
#define GFP_KERNEL	(GFP_NOIO | __GFP_IO)
#define GFP_USER	GFP_KERNEL
#define GFP_HIGHUSER_MOVABLE (GFP_USER | __GFP_MOVABLE)
/* A large folio that one can do without: take what is there, or reclaim and compact for it. */
#define GFP_TRANSHUGE_LIGHT ((GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOMEMALLOC | __GFP_NOWARN) & \
			     ~(__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM))
#define GFP_TRANSHUGE (GFP_TRANSHUGE_LIGHT | __GFP_DIRECT_RECLAIM)

#define MAX_PAGE_ORDER	10
#define NR_PAGE_ORDERS	11
#define COSTLY_ORDER	3	/* a block above that may be refused (RCL-14) */
#define PAGEBLOCK_ORDER	9
#define PAGEBLOCK_NR_PAGES 512
/* The first frame of the pageblock of PFN, and the one after its last. */
static inline unsigned long pageblock_start(unsigned long pfn) { return pfn & ~(PAGEBLOCK_NR_PAGES - 1UL); }
static inline unsigned long pageblock_end(unsigned long pfn) { return pageblock_start(pfn) + PAGEBLOCK_NR_PAGES; }

enum migratetype { MIGRATE_UNMOVABLE, MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_TYPES };
extern const char *const migratetype_names[MIGRATE_TYPES];	/* as /proc/pagetypeinfo has them */
enum zone_type { ZONE_DMA32, ZONE_NORMAL, MAX_NR_ZONES };

struct free_area { struct list_head free_list[MIGRATE_TYPES]; unsigned long nr_free; };
struct zone {
	spinlock_t lock;		/* free lists, pageblock types; irqsave */
	const char *name;		/* "DMA32", "Normal" as /proc/zoneinfo */
	unsigned long start_pfn, spanned_pages, present_pages, managed_pages;
	struct free_area free_area[NR_PAGE_ORDERS];
	atomic_long_t free_pages;	/* in the lists, per-CPU lists not counted (as NR_FREE_PAGES: counted when in the lists) */
	unsigned long watermark[3];	/* min, low, high in pages (RCL-8) */
	u8 *pageblock_types;		/* indexed by (pfn - aligned start) >> PAGEBLOCK_ORDER */
};
enum { WMARK_MIN, WMARK_LOW, WMARK_HIGH };
extern struct zone zones[MAX_NR_ZONES];
#define for_each_populated_zone(z) for ((z) = zones; (z) < zones + MAX_NR_ZONES; (z)++) if ((z)->present_pages)
/* The highest zone that a request may use. */
static inline enum zone_type gfp_zone(gfp_t gfp) { return gfp & __GFP_DMA32 ? ZONE_DMA32 : ZONE_NORMAL; }
static inline enum migratetype gfp_migratetype(gfp_t gfp)
{
	return (gfp & __GFP_MOVABLE) ? MIGRATE_MOVABLE : (gfp & __GFP_RECLAIMABLE) ? MIGRATE_RECLAIMABLE : MIGRATE_UNMOVABLE;
}
/* The zone of a frame; the mobility type of its pageblock (a hint without the zone lock). */
struct zone *page_zone(const struct page *p);
enum migratetype get_pageblock_migratetype(const struct page *p);

/*
 * 2^ORDER contiguous, naturally aligned frames with one reference on the first, or NULL. May sleep iff GFP has
 * __GFP_DIRECT_RECLAIM; then, for orders <= 3, it reclaims, and finally lets the OOM killer make room, before it
 * gives up (RCL-14, RCL-27). Contents are undefined without __GFP_ZERO. Interrupts may be off without it.
 */
struct page *alloc_pages(gfp_t gfp, unsigned int order);
/* The same as a folio (order > 0: compound, owner slots and counts initialised). */
struct folio *folio_alloc(gfp_t gfp, unsigned int order);
/* Frames by kernel address in the direct map; 0 if there is none. */
unsigned long __get_free_pages(gfp_t gfp, unsigned int order);
static inline void *get_zeroed_page(gfp_t gfp) { return (void *)__get_free_pages(gfp | __GFP_ZERO, 0); }
/* Drop the reference that alloc_pages gave; frees. ORDER as at allocation. */
void __free_pages(struct page *p, unsigned int order);
void free_pages(unsigned long va, unsigned int order);
static inline void free_page(void *va) { free_pages((unsigned long)va, 0); }
/* Free frames whose count is zero already: one folio; a batch of order-0 folios linked through lru. */
void free_frozen_pages(struct page *p, unsigned int order);
void free_unref_list(struct list_head *list);
/* Give back every CPU's per-CPU lists (before statements about free memory must be exact). */
void drain_all_pages(void);
/* The same for this CPU alone. => interrupts off */
void drain_this_cpu_pages(void);
unsigned long nr_free_pages(void);	/* buddy + per-CPU lists */
unsigned long totalram_pages(void);	/* managed */
unsigned long nr_free_buffer_pages(void);
void clear_pages(void *va, unsigned long nr);	/* NR times 4096 bytes, at the machine's best rate */
static inline void clear_page(void *va) { clear_pages(va, 1); }
void copy_page(void *to, const void *from);
static inline void clear_highpage(struct page *p) { clear_page(page_address(p)); }

/*
 * RCL-12: lockdep's class fs_reclaim is held during reclaim, and taken for a moment by each allocation that may reclaim;
 * so lockdep knows of every lock that reclaim might wait for while an allocator holds it. might_alloc: what
 * alloc_pages asserts, for caches in front of it.
 */
#ifndef RELEASE
void fs_reclaim_acquire(gfp_t gfp);
void fs_reclaim_release(gfp_t gfp);
#else
static inline void fs_reclaim_acquire(gfp_t gfp) { }
static inline void fs_reclaim_release(gfp_t gfp) { }
#endif
void might_alloc(gfp_t gfp);

/*
 * Upward entry (oom_kill.c): no memory for an order <= 3 allocation that may not fail lightly. Kills the
 * largest process (RCL-30); true if the caller should try again.
 */
bool out_of_memory(gfp_t gfp, unsigned int order);
/* Some zone has its high watermark and a block of ORDER: the last look before a kill (RCL-29). */
bool zones_at_high(gfp_t gfp, unsigned int order);
/*
 * A cache that can give memory back: how many objects it has that might go; look at up to NR of them, pages freed.
 * => process context; count does not sleep
 */
struct shrinker {
	const char *name;
	unsigned long (*count)(void);
	unsigned long (*scan)(unsigned long nr);
	atomic_long_t deferred;		/* shrinker.c: to be asked for later */
	struct list_head list;
};
void register_shrinker(struct shrinker *s);

#endif
