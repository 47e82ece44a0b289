/*
 * mm/slab.h - object caches and kmalloc (slab.c).
 *
 * Any allocation follows its GFP flags (mm/gfp.h): may sleep with GFP_KERNEL, returns NULL when there is no
 * memory. Freeing never sleeps and works in any context but NMI. In the default build free objects are
 * poisoned and red zones are checked at free (a panic names cache, object and byte).
 */
#ifndef MM_SLAB_H
#define MM_SLAB_H

#include "mm/gfp.h"

struct kmem_cache;

/* ALIGN 0: 8 bytes. NAME stays the caller's. RECLAIMABLE caches count as SReclaimable. Panics if out of memory at boot. */
struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align, unsigned int flags);
#define SLAB_RECLAIM_ACCOUNT 1u
#define SLAB_NO_POISON 2u	/* contents survive free and alloc: for objects initialised once */
void *kmem_cache_alloc(struct kmem_cache *c, gfp_t gfp);
void *kmem_cache_zalloc(struct kmem_cache *c, gfp_t gfp);
void kmem_cache_free(struct kmem_cache *c, void *obj);
#define KMEM_CACHE(type) kmem_cache_create(#type, sizeof(struct type), _Alignof(struct type), 0)

/* Up to 4 MiB; aligned to 16 bytes, sizes of 64 and more to 64 bytes. */
void *kmalloc(size_t size, gfp_t gfp);
void *kzalloc(size_t size, gfp_t gfp);
void *kcalloc(size_t n, size_t size, gfp_t gfp);	/* overflow: NULL */
void *krealloc(void *p, size_t size, gfp_t gfp);
char *kstrdup(const char *s, gfp_t gfp);
char *kstrndup(const char *s, size_t max, gfp_t gfp);
char *kasprintf(gfp_t gfp, const char *fmt, ...) __printf(2, 3);
void kfree(const void *p);				/* NULL is fine */
size_t ksize(const void *p);

/* Virtually contiguous kernel memory with an unmapped guard page on either side (vmalloc.c). May sleep. */
void *vmalloc(size_t size);
void *vzalloc(size_t size);
void vfree(const void *p);
/* kmalloc, or vmalloc when that is too large. kvfree frees either. */
void *kvmalloc(size_t size, gfp_t gfp);
void kvfree(const void *p);
/* Kernel stacks: THREAD_SIZE bytes, guard page below; recently freed ones are kept mapped per CPU. */
void *alloc_thread_stack(void);
void free_thread_stack(void *stack);
/* True if ADDR lies in a guard page of the vmalloc area (stack overflow). */
bool vmalloc_is_guard(unsigned long addr);

#endif
