/*
 * mm/trace_mm.c - the memory manager's events are made here (trace_mm.h, trace_huge.h declare them), with
 * the words that their lines need.
 *
 * Formatters run one at a time (ring_reader_lock), so a text may be put together in a static buffer.
 */
#include "mm/gfp.h"
#include "mm/khugepaged.h"
#include "mm/page.h"

/* "GFP_KERNEL|__GFP_ZERO": the largest names first, what has none as a number. */
static const char *gfp_words(unsigned int gfp)
{
	static const struct { unsigned int bits; const char *name; } words[] = {
		{ GFP_HIGHUSER_MOVABLE, "GFP_HIGHUSER_MOVABLE" }, { GFP_KERNEL, "GFP_KERNEL" }, { GFP_NOIO, "GFP_NOIO" },
		{ GFP_ATOMIC, "GFP_ATOMIC" }, { GFP_NOWAIT, "GFP_NOWAIT" }, { __GFP_DMA32, "GFP_DMA32" },
		{ __GFP_MOVABLE, "__GFP_MOVABLE" }, { __GFP_RECLAIMABLE, "__GFP_RECLAIMABLE" }, { __GFP_HIGH, "__GFP_HIGH" },
		{ __GFP_IO, "__GFP_IO" }, { __GFP_ZERO, "__GFP_ZERO" }, { __GFP_DIRECT_RECLAIM, "__GFP_DIRECT_RECLAIM" },
		{ __GFP_KSWAPD_RECLAIM, "__GFP_KSWAPD_RECLAIM" }, { __GFP_NOWARN, "__GFP_NOWARN" },
		{ __GFP_RETRY_MAYFAIL, "__GFP_RETRY_MAYFAIL" }, { __GFP_NOFAIL, "__GFP_NOFAIL" },
		{ __GFP_NORETRY, "__GFP_NORETRY" }, { __GFP_COMP, "__GFP_COMP" }, { __GFP_NOMEMALLOC, "__GFP_NOMEMALLOC" },
	};
	static char text[300];
	int n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if ((gfp & words[i].bits) != words[i].bits)
			continue;
		n += scnprintf(text + n, sizeof(text) - n, "%s%s", n ? "|" : "", words[i].name);
		gfp &= ~words[i].bits;
	}
	if (gfp || !n)
		scnprintf(text + n, sizeof(text) - n, "%s0x%x", n ? "|" : "", gfp);
	return text;
}

static const char *access_word(unsigned int flags)
{
	if (flags & FAULT_FLAG_UNSHARE)
		return "unshare";
	return flags & FAULT_FLAG_WRITE ? "write" : flags & FAULT_FLAG_INSTRUCTION ? "exec" : "read";
}

#define CREATE_TRACE_POINTS
#include "mm/trace_huge.h"
#include "mm/trace_mm.h"
