/*
 * mm/internal.h - what files of mm/ say to each other and to nobody else.
 */
#ifndef MM_INTERNAL_H
#define MM_INTERNAL_H

#include "mm/gfp.h"

/* Boot: give frames [PFN, END) to the buddy for the first time (they are PG_reserved until now). page_alloc.c */
void free_boot_range(unsigned long pfn, unsigned long end);
/* min_free_kbytes by the size of RAM, and from it (or a written value) min, low and high of all zones (RCL-8). page_alloc.c */
void setup_watermarks(void);
void setup_zone_watermarks(void);
extern int min_free_kbytes, watermark_scale_factor;
/* Allocate the zero page from memblock. page_alloc.c */
void zero_page_init(void);
/* Make the frames from P on a folio: head, tails, counts. Frozen, nobody looks at them. page_alloc.c */
void prep_compound(struct page *p, unsigned int order);
/* Run all shrinkers; pages freed. slab.c registers its own. page_alloc.c */
unsigned long shrink_slab(unsigned long nr);

/* Buddy arithmetic (pure; tested on the host). */
static inline unsigned long find_buddy_pfn(unsigned long pfn, unsigned int order) { return pfn ^ (1UL << order); }

#endif
