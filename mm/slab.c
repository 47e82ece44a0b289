/*
 * mm/slab.c - object caches with per-CPU magazines, and kmalloc.
 *
 *	kmem_cache_alloc ──> this CPU's magazine (up to 24 objects, interrupts off, no lock)
 *	                       │ empty: refill half under the cache's lock
 *	                       └──> partial slabs: 2^order frames cut into objects, free ones chained through themselves
 *
 * In the default build each free object is filled with 0x6b and each object is followed by a red zone; both are
 * checked when it is allocated again or freed, and the panic names cache, object and byte. In a SAN=1 build free objects
 * and red zones are also closed to everybody but this file (mm/kasan.h).
 *
 * Linux: mm/slub.c with sheaves. Left out: merging of caches, debugging options at run time, NUMA.
 */
#include "mm/slab.h"
#include "arch-x86_64/irqflags.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/lib/xarray.h"
#include "mm/internal.h"
#include "mm/kasan.h"
#include "mm/memblock.h"
#include "mm/vmstat.h"

#define MAG_SIZE 24
#define SLAB_MAX_ORDER 3
#define POISON_FREE 0x6b6b6b6b6b6b6b6bUL
#define REDZONE 0xbb5afe5afe5afebbUL

struct magazine { unsigned int nr; void *obj[MAG_SIZE]; };

/* L: lock   c: constant */
struct kmem_cache {
	const char *name;		/* c */
	unsigned int size;		/* c: what the user asked for */
	unsigned int stride;		/* c: object to object, red zone included */
	unsigned int order, objects;	/* c: of one slab */
	unsigned int flags;		/* c: SLAB_* */
	spinlock_t lock;
	struct list_head partial;	/* L: slabs with free objects, by page->slab_list */
	unsigned long nr_slabs, nr_partial_empty;	/* L */
	struct list_head list;		/* caches_lock */
	struct magazine mags[NR_CPUS];
};

static struct kmem_cache cache_cache;	/* makes all others */
static LIST_HEAD(caches);
static DEFINE_SPINLOCK(caches_lock);

static const unsigned short kmalloc_sizes[] = { 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192 };
static const char *const kmalloc_names[] = {
	"kmalloc-16", "kmalloc-32", "kmalloc-64", "kmalloc-96", "kmalloc-128", "kmalloc-192", "kmalloc-256", "kmalloc-512",
	"kmalloc-1k", "kmalloc-2k", "kmalloc-4k", "kmalloc-8k",
};
static struct kmem_cache *kmalloc_caches[ARRAY_SIZE(kmalloc_sizes)];
#define KMALLOC_MAX_CACHE 8192

/* ---- Debugging aids: poison and red zone ---- */

#ifndef RELEASE
#define REDZONE_SIZE 8

static u64 *redzone_of(const struct kmem_cache *c, void *obj)
{
	return obj + c->stride - REDZONE_SIZE;
}

static void poison_object(struct kmem_cache *c, void *obj)
{
	/* The first word links free objects; the rest holds the pattern. */
	if (!(c->flags & SLAB_NO_POISON))
		for (u64 *w = obj + 8; (void *)(w + 1) <= obj + c->size; w++)
			*w = POISON_FREE;
}

static void check_poison(struct kmem_cache *c, void *obj)
{
	if (c->flags & SLAB_NO_POISON)
		return;
	for (u64 *w = obj + 8; (void *)(w + 1) <= obj + c->size; w++)
		if (*w != POISON_FREE)
			panic("BUG slab %s: free object %p was written at offset %ld: %#lx", c->name, obj,
			      (long)((char *)w - (char *)obj), (unsigned long)*w);
}

static void set_redzone(struct kmem_cache *c, void *obj) { *redzone_of(c, obj) = REDZONE; }

static void check_redzone(struct kmem_cache *c, void *obj)
{
	u64 z = *redzone_of(c, obj);

	if (z == ~REDZONE)
		panic("BUG slab %s: object %p freed twice", c->name, obj);
	if (z != REDZONE)
		panic("BUG slab %s: object %p was written behind its end: red zone %#lx", c->name, obj, (unsigned long)z);
	*redzone_of(c, obj) = ~REDZONE;		/* free now */
}
#else
#define REDZONE_SIZE 0
static inline void poison_object(struct kmem_cache *c, void *obj) { }
static inline void check_poison(struct kmem_cache *c, void *obj) { }
static inline void set_redzone(struct kmem_cache *c, void *obj) { }
static inline void check_redzone(struct kmem_cache *c, void *obj) { }
#endif

/* ---- Slabs. => c->lock held, except while a new one is being made ---- */

static void account_slab(struct kmem_cache *c, long sign)
{
	mod_node_page_state((c->flags & SLAB_RECLAIM_ACCOUNT) ? NR_SLAB_RECLAIMABLE : NR_SLAB_UNRECLAIMABLE,
			    sign * (1L << c->order));
}

static struct page *new_slab(struct kmem_cache *c, gfp_t gfp)
{
	gfp_t flags = (gfp & ~(__GFP_ZERO | __GFP_MOVABLE)) | ((c->flags & SLAB_RECLAIM_ACCOUNT) ? __GFP_RECLAIMABLE : 0);
	struct page *p = alloc_pages(flags, c->order);
	void *base;

	if (!p)
		return NULL;
	base = page_address(p);
	for (unsigned long i = 0; i < (1UL << c->order); i++) {
		p[i].page_type = (unsigned)PGTY_slab << 24;
		if (i)
			p[i].compound_head = (unsigned long)p | 1;
	}
	p->slab_cache = c;
	p->inuse = 0;
	p->objects = c->objects;
	p->freelist = NULL;
	kasan_poison(base, PAGE_SIZE << c->order, KASAN_SLAB_REDZONE);
	for (int i = c->objects - 1; i >= 0; i--) {
		void *obj = base + (unsigned long)i * c->stride;

		poison_object(c, obj);
		kasan_poison(obj, c->size, KASAN_SLAB_FREE);
		*(void **)obj = p->freelist;
		p->freelist = obj;
	}
	account_slab(c, 1);
	return p;
}

static void free_slab(struct kmem_cache *c, struct page *p)
{
	account_slab(c, -1);
	for (unsigned long i = 0; i < (1UL << c->order); i++) {
		atomic_set(&p[i]._mapcount, -1);
		if (i)
			p[i].compound_head = 0;
	}
	p->slab_cache = NULL;
	p->freelist = NULL;
	p->inuse = p->objects = 0;
	__free_pages(p, c->order);
}

static void *slab_take(struct kmem_cache *c, struct page *p)
{
	void *obj = p->freelist;

	p->freelist = *(void **)obj;
	if (!p->inuse++)
		c->nr_partial_empty--;
	if (!p->freelist)
		list_del_init(&p->slab_list);
	return obj;
}

/* Put OBJ back into its slab. Returns the slab if it is empty now and should be freed by the caller. */
static struct page *slab_give(struct kmem_cache *c, void *obj)
{
	struct page *p = compound_head(virt_to_page(obj));

	KASSERT(p->slab_cache == c, "slab");
	if (!p->freelist)
		list_add(&p->slab_list, &c->partial);
	*(void **)obj = p->freelist;
	p->freelist = obj;
	if (--p->inuse)
		return NULL;
	if (c->nr_partial_empty) {
		list_del_init(&p->slab_list);
		c->nr_slabs--;
		return p;
	}
	c->nr_partial_empty++;
	return NULL;
}

/* ---- Magazines. => interrupts off ---- */

static bool refill(struct kmem_cache *c, struct magazine *m)
{
	spin_lock(&c->lock);
	while (m->nr < MAG_SIZE / 2 && !list_empty(&c->partial))
		m->obj[m->nr++] = slab_take(c, list_first_entry(&c->partial, struct page, slab_list));
	spin_unlock(&c->lock);
	return m->nr > 0;
}

static void flush_magazine(struct kmem_cache *c, struct magazine *m, unsigned int keep)
{
	struct page *empty[MAG_SIZE];
	unsigned int nr_empty = 0, from = m->nr - keep;

	spin_lock(&c->lock);
	/* The oldest objects lie at the bottom: they go, the warm ones stay. */
	for (unsigned int i = 0; i < from; i++) {
		struct page *p = slab_give(c, m->obj[i]);

		if (p)
			empty[nr_empty++] = p;
	}
	spin_unlock(&c->lock);
	memmove(m->obj, m->obj + from, keep * sizeof(void *));
	m->nr = keep;
	for (unsigned int i = 0; i < nr_empty; i++)
		free_slab(c, empty[i]);
}

/* No object anywhere: a new slab, made with interrupts as the caller had them. */
static noinline bool grow(struct kmem_cache *c, gfp_t gfp)
{
	struct page *p = new_slab(c, gfp);
	unsigned long flags;

	if (!p)
		return false;
	spin_lock_irqsave(&c->lock, flags);
	list_add(&p->slab_list, &c->partial);
	c->nr_slabs++;
	c->nr_partial_empty++;
	spin_unlock_irqrestore(&c->lock, flags);
	return true;
}

void *kmem_cache_alloc(struct kmem_cache *c, gfp_t gfp)
{
	unsigned long flags;
	void *obj = NULL;

	might_alloc(gfp);
	for (;;) {
		struct magazine *m;

		local_irq_save(flags);
		m = &c->mags[smp_processor_id()];
		if (likely(m->nr) || refill(c, m))
			obj = m->obj[--m->nr];
		local_irq_restore(flags);
		if (obj || !grow(c, gfp))
			break;
	}
	if (unlikely(!obj))
		return NULL;
	kasan_unpoison(obj, c->size);
	check_poison(c, obj);
	set_redzone(c, obj);
	if (gfp & __GFP_ZERO)
		memset(obj, 0, c->size);
	return obj;
}

void *kmem_cache_zalloc(struct kmem_cache *c, gfp_t gfp)
{
	return kmem_cache_alloc(c, gfp | __GFP_ZERO);
}

void kmem_cache_free(struct kmem_cache *c, void *obj)
{
	unsigned long flags;
	struct magazine *m;

	check_redzone(c, obj);
	poison_object(c, obj);
	kasan_poison(obj, c->size, KASAN_SLAB_FREE);
	local_irq_save(flags);
	m = &c->mags[smp_processor_id()];
	if (unlikely(m->nr == MAG_SIZE))
		flush_magazine(c, m, MAG_SIZE / 2);
	m->obj[m->nr++] = obj;
	local_irq_restore(flags);
}

/* ---- Making caches ---- */

static void cache_setup(struct kmem_cache *c, const char *name, size_t size, size_t align, unsigned int flags)
{
	align = max_t(size_t, align, 8);
	c->name = name;
	c->size = max_t(size_t, size, 8);
	c->stride = ALIGN(ALIGN(c->size, 8) + REDZONE_SIZE, align);
	c->flags = flags;
	while (c->order < SLAB_MAX_ORDER && (PAGE_SIZE << c->order) / c->stride < 8)
		c->order++;
	c->objects = (PAGE_SIZE << c->order) / c->stride;
	BUG_ON(!c->objects);
	spin_lock_init(&c->lock);
	INIT_LIST_HEAD(&c->partial);
	spin_lock(&caches_lock);
	list_add_tail(&c->list, &caches);
	spin_unlock(&caches_lock);
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align, unsigned int flags)
{
	struct kmem_cache *c = kmem_cache_zalloc(&cache_cache, GFP_KERNEL);

	if (!c)
		panic("slab: no memory for cache %s", name);
	cache_setup(c, name, size, align, flags);
	return c;
}

static unsigned long shrink_caches(unsigned long nr)
{
	unsigned long freed = 0, flags;
	struct kmem_cache *c;

	/* This CPU's magazines and every cache's spare empty slab. Caches are never removed. */
	list_for_each_entry(c, &caches, list) {
		struct page *p, *n;
		LIST_HEAD(empty);

		local_irq_save(flags);
		flush_magazine(c, &c->mags[smp_processor_id()], 0);
		spin_lock(&c->lock);
		list_for_each_entry_safe(p, n, &c->partial, slab_list) {
			if (p->inuse)
				continue;
			list_move(&p->slab_list, &empty);
			c->nr_slabs--;
			c->nr_partial_empty--;
		}
		spin_unlock(&c->lock);
		local_irq_restore(flags);
		list_for_each_entry_safe(p, n, &empty, slab_list) {
			freed += 1UL << c->order;
			free_slab(c, p);
		}
	}
	return freed;
}

/* Free objects in this CPU's magazines, and slabs without any in use. */
static unsigned long count_caches(void)
{
	struct kmem_cache *c;
	unsigned long n = 0;

	list_for_each_entry(c, &caches, list)
		n += READ_ONCE(c->mags[smp_processor_id()].nr) + READ_ONCE(c->nr_partial_empty);
	return n;
}
static struct shrinker slab_shrinker = { .name = "slab", .count = count_caches, .scan = shrink_caches };

static void *xa_node_alloc_slab(size_t size) { return kzalloc(size, GFP_ATOMIC); }
static void xa_node_free_slab(void *node) { kfree(node); }

void kmem_cache_init(void)
{
	cache_setup(&cache_cache, "kmem_cache", sizeof(struct kmem_cache), 64, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(kmalloc_sizes); i++)
		kmalloc_caches[i] = kmem_cache_create(kmalloc_names[i], kmalloc_sizes[i], kmalloc_sizes[i] >= 64 ? 64 : 16, 0);
	register_shrinker(&slab_shrinker);
	xa_node_alloc = xa_node_alloc_slab;
	xa_node_free = xa_node_free_slab;
}

/* ---- kmalloc ---- */

static inline struct kmem_cache *kmalloc_cache(size_t size)
{
	unsigned int i = 0;

	if (size > 1024)
		i = 9;
	else if (size > 128)
		i = 5;
	while (kmalloc_sizes[i] < size)
		i++;
	return kmalloc_caches[i];
}

void *kmalloc(size_t size, gfp_t gfp)
{
	struct page *p;
	unsigned int order = 0;

	if (likely(size <= KMALLOC_MAX_CACHE)) {
		struct kmem_cache *c = kmalloc_cache(size);
		void *obj = kmem_cache_alloc(c, gfp);

		kasan_kmalloc(obj, size, c->size, KASAN_SLAB_REDZONE);
		return obj;
	}
	if (size > (PAGE_SIZE << MAX_PAGE_ORDER))
		return NULL;
	while ((PAGE_SIZE << order) < size)
		order++;
	p = alloc_pages((gfp & ~__GFP_MOVABLE) | __GFP_COMP, order);
	if (!p)
		return NULL;
	kasan_kmalloc(page_address(p), size, PAGE_SIZE << order, KASAN_PAGE_REDZONE);
	return page_address(p);
}

void *kzalloc(size_t size, gfp_t gfp)
{
	return kmalloc(size, gfp | __GFP_ZERO);
}

void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return kzalloc(bytes, gfp);
}

size_t ksize(const void *p)
{
	struct page *page = compound_head(virt_to_page(p));

	if (page_is_type(page, PGTY_slab))
		return page->slab_cache->size;
	return PAGE_SIZE << folio_order(page_folio(page));
}

void kfree(const void *p)
{
	struct page *page;

	if (!p)
		return;
	page = compound_head(virt_to_page(p));
	if (page_is_type(page, PGTY_slab))
		kmem_cache_free(page->slab_cache, (void *)p);
	else
		__free_pages(page, folio_order(page_folio(page)));
}

void *krealloc(void *p, size_t size, gfp_t gfp)
{
	void *n;

	if (p)
		kasan_unpoison(p, ksize(p));
	if (p && ksize(p) >= size) {
		kasan_kmalloc(p, size, ksize(p), KASAN_SLAB_REDZONE);
		return p;
	}
	n = kmalloc(size, gfp);
	if (n && p) {
		memcpy(n, p, ksize(p));
		kfree(p);
	}
	return n;
}

char *kstrndup(const char *s, size_t max, gfp_t gfp)
{
	size_t n = strnlen(s, max);
	char *d = kmalloc(n + 1, gfp);

	if (d) {
		memcpy(d, s, n);
		d[n] = 0;
	}
	return d;
}

char *kstrdup(const char *s, gfp_t gfp)
{
	return kstrndup(s, ~0UL, gfp);
}

char *kasprintf(gfp_t gfp, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	s = kmalloc(n + 1, gfp);
	if (!s)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(s, n + 1, fmt, ap);
	va_end(ap);
	return s;
}

#ifdef CONFIG_KASAN
bool kasan_describe_slab(unsigned long addr, struct kasan_object *o)
{
	struct page *p;

	if (addr < PAGE_OFFSET || addr >= VMALLOC_START || !pfn_valid(__pa(addr) >> PAGE_SHIFT))
		return false;
	p = compound_head(virt_to_page(addr));
	if (!page_is_type(p, PGTY_slab))
		return false;
	o->cache = p->slab_cache->name;
	o->size = p->slab_cache->size;
	o->start = addr - (addr - (unsigned long)page_address(p)) % p->slab_cache->stride;
	return true;
}
#endif
