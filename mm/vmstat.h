/*
 * mm/vmstat.h - event counters and page-state gauges, as /proc/vmstat shows them (ABI-1).
 *
 * Both are per CPU and cheap; count_vm_event from any context. Sums are exact when the machine is at rest.
 */
#ifndef MM_VMSTAT_H
#define MM_VMSTAT_H

#include "arch-x86_64/percpu.h"
#include "kernel/lib/atomic.h"

/* Order and names of /proc/vmstat: X(enumerator, "text"). */
#define NODE_STAT_LIST(X)							\
	X(NR_FREE_PAGES, nr_free_pages) X(NR_MLOCK, nr_mlock)			\
	X(NR_INACTIVE_ANON, nr_inactive_anon) X(NR_ACTIVE_ANON, nr_active_anon)	\
	X(NR_INACTIVE_FILE, nr_inactive_file) X(NR_ACTIVE_FILE, nr_active_file)	\
	X(NR_UNEVICTABLE, nr_unevictable)					\
	X(NR_SLAB_RECLAIMABLE, nr_slab_reclaimable) X(NR_SLAB_UNRECLAIMABLE, nr_slab_unreclaimable) \
	X(NR_ISOLATED_ANON, nr_isolated_anon) X(NR_ISOLATED_FILE, nr_isolated_file) \
	X(NR_ANON_MAPPED, nr_anon_pages) X(NR_FILE_MAPPED, nr_mapped)		\
	X(WORKINGSET_REFAULT_ANON, workingset_refault_anon) X(WORKINGSET_REFAULT_FILE, workingset_refault_file) \
	X(WORKINGSET_ACTIVATE_ANON, workingset_activate_anon) X(WORKINGSET_ACTIVATE_FILE, workingset_activate_file) \
	X(WORKINGSET_RESTORE_ANON, workingset_restore_anon) X(WORKINGSET_RESTORE_FILE, workingset_restore_file) \
	X(NR_FILE_PAGES, nr_file_pages) X(NR_FILE_DIRTY, nr_dirty) X(NR_WRITEBACK, nr_writeback) \
	X(NR_SHMEM, nr_shmem)							\
	X(NR_SHMEM_THPS, nr_shmem_hugepages) X(NR_SHMEM_PMDMAPPED, nr_shmem_pmdmapped) \
	X(NR_FILE_THPS, nr_file_hugepages) X(NR_FILE_PMDMAPPED, nr_file_pmdmapped) \
	X(NR_ANON_THPS, nr_anon_transparent_hugepages)				\
	X(NR_VMSCAN_WRITE, nr_vmscan_write) X(NR_VMSCAN_IMMEDIATE, nr_vmscan_immediate_reclaim) \
	X(NR_THROTTLED_WRITTEN, nr_throttled_written)				\
	X(NR_FOLL_PIN_ACQUIRED, nr_foll_pin_acquired) X(NR_FOLL_PIN_RELEASED, nr_foll_pin_released) \
	X(NR_KERNEL_STACK_KB, nr_kernel_stack) X(NR_PAGETABLE, nr_page_table_pages) \
	X(NR_SWAPCACHE, nr_swapcached)
/* ABI-3: thp_* count folios of PMD size only. pgmigrate_*: base pages (MIG-6). */
#define VM_EVENT_LIST(X)							\
	X(PGPGIN, pgpgin) X(PGPGOUT, pgpgout) X(PSWPIN, pswpin) X(PSWPOUT, pswpout)	\
	X(PGALLOC_DMA, pgalloc_dma) X(PGALLOC_DMA32, pgalloc_dma32)		\
	X(PGALLOC_NORMAL, pgalloc_normal) X(PGALLOC_MOVABLE, pgalloc_movable)	\
	X(ALLOCSTALL_DMA, allocstall_dma) X(ALLOCSTALL_DMA32, allocstall_dma32)	\
	X(ALLOCSTALL_NORMAL, allocstall_normal) X(ALLOCSTALL_MOVABLE, allocstall_movable) \
	X(PGSKIP_DMA, pgskip_dma) X(PGSKIP_DMA32, pgskip_dma32) X(PGSKIP_NORMAL, pgskip_normal) \
	X(PGSKIP_MOVABLE, pgskip_movable)					\
	X(PGFREE, pgfree) X(PGACTIVATE, pgactivate) X(PGDEACTIVATE, pgdeactivate) X(PGLAZYFREE, pglazyfree) \
	X(PGFAULT, pgfault) X(PGMAJFAULT, pgmajfault) X(PGLAZYFREED, pglazyfreed) \
	X(PGREFILL, pgrefill) X(PGREUSE, pgreuse)				\
	X(PGSTEAL_KSWAPD, pgsteal_kswapd) X(PGSTEAL_DIRECT, pgsteal_direct)	\
	X(PGSTEAL_KHUGEPAGED, pgsteal_khugepaged) X(PGSTEAL_PROACTIVE, pgsteal_proactive) \
	X(PGSCAN_KSWAPD, pgscan_kswapd) X(PGSCAN_DIRECT, pgscan_direct)		\
	X(PGSCAN_KHUGEPAGED, pgscan_khugepaged) X(PGSCAN_PROACTIVE, pgscan_proactive) \
	X(PGSCAN_DIRECT_THROTTLE, pgscan_direct_throttle)			\
	X(PGSCAN_ANON, pgscan_anon) X(PGSCAN_FILE, pgscan_file)			\
	X(PGSTEAL_ANON, pgsteal_anon) X(PGSTEAL_FILE, pgsteal_file)		\
	X(SLABS_SCANNED, slabs_scanned)						\
	X(KSWAPD_LOW_WMARK_HIT_QUICKLY, kswapd_low_wmark_hit_quickly)		\
	X(KSWAPD_HIGH_WMARK_HIT_QUICKLY, kswapd_high_wmark_hit_quickly)		\
	X(PAGEOUTRUN, pageoutrun) X(PGROTATED, pgrotated)			\
	X(DROP_PAGECACHE, drop_pagecache) X(DROP_SLAB, drop_slab) X(OOM_KILL, oom_kill)	\
	X(PGMIGRATE_SUCCESS, pgmigrate_success) X(PGMIGRATE_FAIL, pgmigrate_fail) \
	X(THP_MIGRATION_SUCCESS, thp_migration_success) X(THP_MIGRATION_FAIL, thp_migration_fail) \
	X(THP_MIGRATION_SPLIT, thp_migration_split)				\
	X(COMPACTMIGRATE_SCANNED, compact_migrate_scanned) X(COMPACTFREE_SCANNED, compact_free_scanned) \
	X(COMPACTISOLATED, compact_isolated) X(COMPACTSTALL, compact_stall)	\
	X(COMPACTFAIL, compact_fail) X(COMPACTSUCCESS, compact_success)		\
	X(KCOMPACTD_WAKE, compact_daemon_wake)					\
	X(KCOMPACTD_MIGRATE_SCANNED, compact_daemon_migrate_scanned)		\
	X(KCOMPACTD_FREE_SCANNED, compact_daemon_free_scanned)			\
	X(UNEVICTABLE_PGCULLED, unevictable_pgs_culled) X(UNEVICTABLE_PGSCANNED, unevictable_pgs_scanned) \
	X(UNEVICTABLE_PGRESCUED, unevictable_pgs_rescued)			\
	X(UNEVICTABLE_PGMLOCKED, unevictable_pgs_mlocked)			\
	X(UNEVICTABLE_PGMUNLOCKED, unevictable_pgs_munlocked)			\
	X(UNEVICTABLE_PGCLEARED, unevictable_pgs_cleared)			\
	X(UNEVICTABLE_PGSTRANDED, unevictable_pgs_stranded)			\
	X(THP_FAULT_ALLOC, thp_fault_alloc) X(THP_FAULT_FALLBACK, thp_fault_fallback) \
	X(THP_FAULT_FALLBACK_CHARGE, thp_fault_fallback_charge)			\
	X(THP_COLLAPSE_ALLOC, thp_collapse_alloc) X(THP_COLLAPSE_ALLOC_FAILED, thp_collapse_alloc_failed) \
	X(THP_SPLIT_PAGE, thp_split_page) X(THP_SPLIT_PAGE_FAILED, thp_split_page_failed) \
	X(THP_DEFERRED_SPLIT_PAGE, thp_deferred_split_page)			\
	X(THP_UNDERUSED_SPLIT_PAGE, thp_underused_split_page) X(THP_SPLIT_PMD, thp_split_pmd) \
	X(THP_SCAN_EXCEED_NONE_PTE, thp_scan_exceed_none_pte)			\
	X(THP_SCAN_EXCEED_SWAP_PTE, thp_scan_exceed_swap_pte)			\
	X(THP_SCAN_EXCEED_SHARED_PTE, thp_scan_exceed_share_pte) /* sic */	\
	X(THP_ZERO_PAGE_ALLOC, thp_zero_page_alloc)				\
	X(THP_ZERO_PAGE_ALLOC_FAILED, thp_zero_page_alloc_failed)		\
	X(THP_SWPOUT, thp_swpout) X(THP_SWPOUT_FALLBACK, thp_swpout_fallback)	\
	X(NR_TLB_REMOTE_FLUSH, nr_tlb_remote_flush)				\
	X(NR_TLB_REMOTE_FLUSH_RECEIVED, nr_tlb_remote_flush_received)		\
	X(NR_TLB_LOCAL_FLUSH_ALL, nr_tlb_local_flush_all)			\
	X(NR_TLB_LOCAL_FLUSH_ONE, nr_tlb_local_flush_one)			\
	X(SWAP_RA, swap_ra) X(SWAP_RA_HIT, swap_ra_hit) X(SWPIN_ZERO, swpin_zero) X(SWPOUT_ZERO, swpout_zero)

#define __ENUM(e, t) e,
enum node_stat_item { NODE_STAT_LIST(__ENUM) NR_NODE_STAT_ITEMS };
enum vm_event_item { VM_EVENT_LIST(__ENUM) NR_VM_EVENT_ITEMS };
#undef __ENUM

struct vm_event_state { unsigned long event[NR_VM_EVENT_ITEMS]; };
DECLARE_PER_CPU(struct vm_event_state, vm_event_states);
static inline void count_vm_events(enum vm_event_item i, long n)
{
	__asm__ volatile("addq %1, %%gs:%0" : "+m"(vm_event_states.event[i]) : "r"(n) : "memory", "cc");
}
static inline void count_vm_event(enum vm_event_item i) { count_vm_events(i, 1); }
unsigned long vm_event_sum(enum vm_event_item i);

/*
 * Gauges: one global atomic each is enough for our CPU counts (NR_FREE_PAGES is computed when read). All
 * count base pages but NR_KERNEL_STACK_KB; /proc/vmstat shows the *_THPS and *_PMDMAPPED ones in units of 2
 * MiB, as Linux does.
 */
extern atomic_long_t vm_node_stat[NR_NODE_STAT_ITEMS];
static inline void mod_node_page_state(enum node_stat_item i, long n) { atomic_long_add(n, &vm_node_stat[i]); }
unsigned long node_page_state(enum node_stat_item i);

#endif
