/*
 * mm/trace_mm.h - the events of everyday memory management: pages allocated and freed, reclaim, the OOM
 * killer; and, as system "quire", what Linux has no events for but a student wants to see: what a fault
 * does, swap, splits. The rest: trace_huge.h. Only .c files include this.
 *
 * Where a line has fewer fields than Linux's, there is nothing here that the others would count. Linux:
 * include/trace/events/kmem.h, vmscan.h, oom.h.
 */
#ifndef MM_TRACE_MM_H
#define MM_TRACE_MM_H

#include "kernel/trace/trace_events.h"

struct mm_struct;

#define TRACE_SYSTEM kmem

/* PFN: all ones if there was none to be had. */
TRACE_EVENT(mm_page_alloc,
	TP_FIELDS((unsigned long, pfn), (unsigned int, order), (unsigned int, gfp_flags), (int, migratetype)),
	"page=%p pfn=0x%lx order=%d migratetype=%d gfp_flags=%s",
	REC->pfn != ~0UL ? pfn_to_page(REC->pfn) : NULL, REC->pfn != ~0UL ? REC->pfn : 0, REC->order, REC->migratetype,
	gfp_words(REC->gfp_flags))

TRACE_EVENT(mm_page_free,
	TP_FIELDS((unsigned long, pfn), (unsigned int, order)),
	"page=%p pfn=0x%lx order=%d", pfn_to_page(REC->pfn), REC->pfn, REC->order)

#undef TRACE_SYSTEM
#define TRACE_SYSTEM vmscan

TRACE_EVENT(mm_vmscan_kswapd_sleep,
	TP_FIELDS((int, nid)),
	"nid=%d", REC->nid)

TRACE_EVENT(mm_vmscan_kswapd_wake,
	TP_FIELDS((int, nid), (int, zid), (int, order)),
	"nid=%d order=%d", REC->nid, REC->order)

TRACE_EVENT(mm_vmscan_wakeup_kswapd,
	TP_FIELDS((int, nid), (int, zid), (int, order), (unsigned int, gfp_flags)),
	"nid=%d order=%d gfp_flags=%s", REC->nid, REC->order, gfp_words(REC->gfp_flags))

TRACE_EVENT(mm_vmscan_direct_reclaim_begin,
	TP_FIELDS((unsigned int, gfp_flags), (int, order)),
	"order=%d gfp_flags=%s", REC->order, gfp_words(REC->gfp_flags))

TRACE_EVENT(mm_vmscan_direct_reclaim_end,
	TP_FIELDS((unsigned long, nr_reclaimed)),
	"nr_reclaimed=%lu", REC->nr_reclaimed)

TRACE_EVENT(mm_vmscan_lru_shrink_inactive,
	TP_FIELDS((int, nid), (unsigned long, nr_scanned), (unsigned long, nr_reclaimed), (unsigned long, nr_writeback),
		  (unsigned long, nr_immediate), (int, priority), (bool, file)),
	"nid=%d nr_scanned=%ld nr_reclaimed=%ld nr_writeback=%ld nr_immediate=%ld priority=%d flags=%s",
	REC->nid, REC->nr_scanned, REC->nr_reclaimed, REC->nr_writeback, REC->nr_immediate, REC->priority,
	REC->file ? "RECLAIM_WB_FILE|RECLAIM_WB_ASYNC" : "RECLAIM_WB_ANON|RECLAIM_WB_ASYNC")

#undef TRACE_SYSTEM
#define TRACE_SYSTEM oom

TRACE_EVENT(oom_score_adj_update,
	TP_FIELDS((int, pid), (trace_comm, comm), (short, oom_score_adj)),
	"pid=%d comm=%s oom_score_adj=%hd", REC->pid, REC->comm.text, REC->oom_score_adj)

/* Sizes in KiB. */
TRACE_EVENT(mark_victim,
	TP_FIELDS((int, pid), (trace_comm, comm), (unsigned long, total_vm), (unsigned long, anon_rss),
		  (unsigned long, file_rss), (unsigned long, shmem_rss), (unsigned int, uid), (unsigned long, pgtables),
		  (short, oom_score_adj)),
	"pid=%d comm=%s total-vm=%lukB anon-rss=%lukB file-rss:%lukB shmem-rss:%lukB uid=%u pgtables=%lukB oom_score_adj=%hd",
	REC->pid, REC->comm.text, REC->total_vm, REC->anon_rss, REC->file_rss, REC->shmem_rss, REC->uid, REC->pgtables,
	REC->oom_score_adj)

#undef TRACE_SYSTEM
#define TRACE_SYSTEM quire

/* A fault is over. FLAGS: FAULT_FLAG_*; RESULT: VM_FAULT_*. */
TRACE_EVENT(fault,
	TP_FIELDS((const struct mm_struct *, mm), (unsigned long, address), (unsigned int, flags), (unsigned int, result)),
	"mm=%p, address=0x%lx, access=%s, result=0x%x", REC->mm, REC->address, access_word(REC->flags), REC->result)

/* What it found and did. First touch: a new folio for the block at ADDRESS. */
TRACE_EVENT(anon_fault,
	TP_FIELDS((const struct mm_struct *, mm), (unsigned long, address), (unsigned long, pfn), (unsigned int, order)),
	"mm=%p, address=0x%lx, pfn=0x%lx, order=%u", REC->mm, REC->address, REC->pfn, REC->order)

/* A write to a read-only page: it was ours alone, */
TRACE_EVENT(wp_page_reuse,
	TP_FIELDS((const struct mm_struct *, mm), (unsigned long, address), (unsigned long, pfn), (unsigned int, order)),
	"mm=%p, address=0x%lx, pfn=0x%lx, order=%u", REC->mm, REC->address, REC->pfn, REC->order)

/* or it was not. OLD_PFN: all ones for the zero page. */
TRACE_EVENT(wp_page_copy,
	TP_FIELDS((const struct mm_struct *, mm), (unsigned long, address), (unsigned long, old_pfn), (unsigned long, pfn)),
	"mm=%p, address=0x%lx, old_pfn=0x%lx, pfn=0x%lx", REC->mm, REC->address, REC->old_pfn, REC->pfn)

/* A folio goes to an area of swap, or comes back. OFFSET: its first slot. */
TRACE_EVENT(swap_out,
	TP_FIELDS((unsigned long, pfn), (unsigned int, nr_pages), (unsigned int, type), (unsigned long, offset)),
	"pfn=0x%lx, nr_pages=%u, type=%u, offset=%lu", REC->pfn, REC->nr_pages, REC->type, REC->offset)

TRACE_EVENT(swap_in,
	TP_FIELDS((unsigned long, pfn), (unsigned int, nr_pages), (unsigned int, type), (unsigned long, offset)),
	"pfn=0x%lx, nr_pages=%u, type=%u, offset=%lu", REC->pfn, REC->nr_pages, REC->type, REC->offset)

/* A folio was cut, or (RET < 0) could not be. */
TRACE_EVENT(split_folio,
	TP_FIELDS((unsigned long, pfn), (unsigned int, order), (unsigned int, new_order), (int, ret)),
	"pfn=0x%lx, order=%u, new_order=%u, ret=%d", REC->pfn, REC->order, REC->new_order, REC->ret)

/* A huge PMD became a table. */
TRACE_EVENT(split_pmd,
	TP_FIELDS((const struct mm_struct *, mm), (unsigned long, address), (unsigned long, pfn)),
	"mm=%p, address=0x%lx, pfn=0x%lx", REC->mm, REC->address, REC->pfn)

#undef TRACE_SYSTEM
#endif
