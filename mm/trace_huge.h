/*
 * mm/trace_huge.h - the events of making and moving large memory: khugepaged and collapse (ABI-15..19),
 * compaction, migration. Only .c files include this.
 *
 * Words (status of a compaction, mode, reason) are passed as strings that stay for ever. Linux:
 * include/trace/events/huge_memory.h, compaction.h, migrate.h.
 */
#ifndef MM_TRACE_HUGE_H
#define MM_TRACE_HUGE_H

#include "kernel/trace/trace_events.h"

struct mm_struct;

#define TRACE_SYSTEM huge_memory

/*
 * One range was looked at. SCAN_PFN: of the folio that decided, TRACE_NO_PFN if none was reached. STATUS:
 * enum scan_result.
 */
#define TRACE_NO_PFN (~0UL)
TRACE_EVENT(mm_khugepaged_scan_pmd,
	TP_FIELDS((const struct mm_struct *, mm), (unsigned long, scan_pfn), (int, referenced), (int, none_or_zero),
		  (int, status), (int, unmapped)),
	"mm=%p, scan_pfn=0x%lx, referenced=%d, none_or_zero=%d, status=%s, unmapped=%d",
	REC->mm, REC->scan_pfn, REC->referenced, REC->none_or_zero, scan_result_word(REC->status), REC->unmapped)

TRACE_EVENT(mm_collapse_huge_page,
	TP_FIELDS((const struct mm_struct *, mm), (int, isolated), (int, status)),
	"mm=%p, isolated=%d, status=%s", REC->mm, REC->isolated, scan_result_word(REC->status))

TRACE_EVENT(mm_collapse_huge_page_isolate,
	TP_FIELDS((unsigned long, scan_pfn), (int, none_or_zero), (int, referenced), (int, status)),
	"scan_pfn=0x%lx, none_or_zero=%d, referenced=%d, status=%s",
	REC->scan_pfn, REC->none_or_zero, REC->referenced, scan_result_word(REC->status))

/* RET: an enum scan_result, printed as a number. */
TRACE_EVENT(mm_collapse_huge_page_swapin,
	TP_FIELDS((const struct mm_struct *, mm), (int, swapped_in), (int, referenced), (int, ret)),
	"mm=%p, swapped_in=%d, referenced=%d, ret=%d", REC->mm, REC->swapped_in, REC->referenced, REC->ret)

TRACE_EVENT(mm_khugepaged_scan,
	TP_FIELDS((const struct mm_struct *, mm), (unsigned int, progress), (bool, full_scan_finished)),
	"mm=%p, progress=%u, full_scan_finished=%d", REC->mm, REC->progress, REC->full_scan_finished)

#undef TRACE_SYSTEM
#define TRACE_SYSTEM compaction

TRACE_EVENT(mm_compaction_begin,
	TP_FIELDS((unsigned long, zone_start), (unsigned long, migrate_pfn), (unsigned long, free_pfn),
		  (unsigned long, zone_end), (bool, sync)),
	"zone_start=0x%lx migrate_pfn=0x%lx free_pfn=0x%lx zone_end=0x%lx, mode=%s",
	REC->zone_start, REC->migrate_pfn, REC->free_pfn, REC->zone_end, REC->sync ? "sync" : "async")

/*
 * Linux's words of status: not_suitable_zone, skipped, deferred, no_suitable_page, continue, complete, partial_skipped,
 * contended, success.
 */
TRACE_EVENT(mm_compaction_end,
	TP_FIELDS((unsigned long, zone_start), (unsigned long, migrate_pfn), (unsigned long, free_pfn),
		  (unsigned long, zone_end), (bool, sync), (const char *, status)),
	"zone_start=0x%lx migrate_pfn=0x%lx free_pfn=0x%lx zone_end=0x%lx, mode=%s status=%s",
	REC->zone_start, REC->migrate_pfn, REC->free_pfn, REC->zone_end, REC->sync ? "sync" : "async", REC->status)

#undef TRACE_SYSTEM
#define TRACE_SYSTEM migrate

/*
 * Pages and folios of one list. MODE: MIGRATE_ASYNC and so on; REASON: compaction, memory_hotplug,
 * syscall_or_cpuset, ...
 */
TRACE_EVENT(mm_migrate_pages,
	TP_FIELDS((unsigned long, succeeded), (unsigned long, failed), (unsigned long, thp_succeeded),
		  (unsigned long, thp_failed), (unsigned long, thp_split), (unsigned long, large_folio_split),
		  (const char *, mode), (const char *, reason)),
	"nr_succeeded=%lu nr_failed=%lu nr_thp_succeeded=%lu nr_thp_failed=%lu nr_thp_split=%lu nr_split=%lu mode=%s reason=%s",
	REC->succeeded, REC->failed, REC->thp_succeeded, REC->thp_failed, REC->thp_split, REC->large_folio_split,
	REC->mode, REC->reason)

#undef TRACE_SYSTEM
#endif
