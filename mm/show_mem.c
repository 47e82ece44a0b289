/*
 * mm/show_mem.c - memory as a whole: /proc/meminfo, buddyinfo, pagetypeinfo, zoneinfo, and the sysctls of page_alloc.c.
 *
 * Every figure is read where it is kept; none is stored for show. Linux: fs/proc/meminfo.c, mm/vmstat.c.
 */
#include "kernel/block/block.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "mm/internal.h"
#include "mm/lru.h"
#include "mm/mm.h"
#include "mm/show_mem.h"
#include "mm/slab.h"
#include "mm/swap.h"
#include "mm/vmstat.h"

unsigned long si_mem_available(void)
{
	long avail = nr_free_pages();
	struct zone *z;

	/* What allocations must leave free is not available; shmem cannot be dropped; half of the slab may be in use. */
	for_each_populated_zone(z)
		avail -= z->watermark[WMARK_HIGH];
	avail += node_page_state(NR_SLAB_RECLAIMABLE) / 2 + nr_blockdev_pages() / 2;
	return avail < 0 ? 0 : avail;
}

static void show_pages(struct seq_file *m, const char *name, unsigned long pages)
{
	seq_printf(m, "%-16s%8lu kB\n", name, pages * (PAGE_SIZE / 1024));
}

static void show_lists(struct seq_file *m)
{
	unsigned long aa = node_page_state(NR_ACTIVE_ANON), ia = node_page_state(NR_INACTIVE_ANON);
	unsigned long af = node_page_state(NR_ACTIVE_FILE), inf = node_page_state(NR_INACTIVE_FILE);

	show_pages(m, "Active:", aa + af);
	show_pages(m, "Inactive:", ia + inf);
	show_pages(m, "Active(anon):", aa);
	show_pages(m, "Inactive(anon):", ia);
	show_pages(m, "Active(file):", af);
	show_pages(m, "Inactive(file):", inf);
	show_pages(m, "Unevictable:", node_page_state(NR_UNEVICTABLE));
	show_pages(m, "Mlocked:", node_page_state(NR_MLOCK));
}

static void show_kernel(struct seq_file *m)
{
	unsigned long recl = node_page_state(NR_SLAB_RECLAIMABLE), unrecl = node_page_state(NR_SLAB_UNRECLAIMABLE);

	show_pages(m, "KReclaimable:", recl);
	show_pages(m, "Slab:", recl + unrecl);
	show_pages(m, "SReclaimable:", recl);
	show_pages(m, "SUnreclaim:", unrecl);
	seq_printf(m, "%-16s%8lu kB\n", "KernelStack:", node_page_state(NR_KERNEL_STACK_KB));
	show_pages(m, "PageTables:", node_page_state(NR_PAGETABLE));
	show_pages(m, "SecPageTables:", 0);
	show_pages(m, "Bounce:", 0);
	show_pages(m, "WritebackTmp:", 0);
	show_pages(m, "CommitLimit:", vm_commit_limit());
	show_pages(m, "Committed_AS:", atomic_long_read(&vm_committed_as));
	show_pages(m, "VmallocTotal:", (VMALLOC_END - VMALLOC_START) >> PAGE_SHIFT);
	show_pages(m, "VmallocUsed:", node_page_state(NR_KERNEL_STACK_KB) / 4);
	show_pages(m, "VmallocChunk:", 0);
	show_pages(m, "Percpu:", 0);
}

static int meminfo_show(struct seq_file *m, void *data)
{
	show_pages(m, "MemTotal:", totalram_pages());
	show_pages(m, "MemFree:", nr_free_pages());
	show_pages(m, "MemAvailable:", si_mem_available());
	show_pages(m, "Buffers:", nr_blockdev_pages());
	show_pages(m, "Cached:", node_page_state(NR_FILE_PAGES) - nr_blockdev_pages() - node_page_state(NR_SWAPCACHE));
	show_pages(m, "SwapCached:", node_page_state(NR_SWAPCACHE));
	show_lists(m);
	show_pages(m, "SwapTotal:", (unsigned long)total_swap_pages());
	show_pages(m, "SwapFree:", (unsigned long)get_nr_swap_pages());
	show_pages(m, "Dirty:", node_page_state(NR_FILE_DIRTY));
	show_pages(m, "Writeback:", node_page_state(NR_WRITEBACK));
	show_pages(m, "AnonPages:", node_page_state(NR_ANON_MAPPED));
	show_pages(m, "Mapped:", node_page_state(NR_FILE_MAPPED));
	show_pages(m, "Shmem:", node_page_state(NR_SHMEM));
	show_kernel(m);
	show_pages(m, "AnonHugePages:", node_page_state(NR_ANON_THPS));
	show_pages(m, "ShmemHugePages:", node_page_state(NR_SHMEM_THPS));
	show_pages(m, "ShmemPmdMapped:", node_page_state(NR_SHMEM_PMDMAPPED));
	show_pages(m, "FileHugePages:", node_page_state(NR_FILE_THPS));
	show_pages(m, "FilePmdMapped:", node_page_state(NR_FILE_PMDMAPPED));
	return 0;
}

/* ---- Zones ---- */

static int buddyinfo_show(struct seq_file *m, void *data)
{
	struct zone *z;

	for_each_populated_zone(z) {
		unsigned long flags, nr[NR_PAGE_ORDERS];

		spin_lock_irqsave(&z->lock, flags);
		for (int o = 0; o < NR_PAGE_ORDERS; o++)
			nr[o] = z->free_area[o].nr_free;
		spin_unlock_irqrestore(&z->lock, flags);
		seq_printf(m, "Node 0, zone %8s ", z->name);
		for (int o = 0; o < NR_PAGE_ORDERS; o++)
			seq_printf(m, "%6lu ", nr[o]);
		seq_putc(m, '\n');
	}
	return 0;
}

const char *const migratetype_names[MIGRATE_TYPES] = { "Unmovable", "Movable", "Reclaimable" };

static unsigned long count_free_blocks(struct zone *z, int order, int mt)
{
	unsigned long n = 0, flags;
	struct list_head *pos;

	spin_lock_irqsave(&z->lock, flags);
	list_for_each(pos, &z->free_area[order].free_list[mt])
		n++;
	spin_unlock_irqrestore(&z->lock, flags);
	return n;
}

static void show_block_types(struct seq_file *m, struct zone *z)
{
	unsigned long n[MIGRATE_TYPES] = { 0 };

	for (unsigned long b = 0; b < DIV_ROUND_UP(z->spanned_pages, PAGEBLOCK_NR_PAGES); b++)
		if (pfn_valid(z->start_pfn + b * PAGEBLOCK_NR_PAGES))
			n[z->pageblock_types[b]]++;
	seq_printf(m, "Node 0, zone %8s ", z->name);
	for (int mt = 0; mt < MIGRATE_TYPES; mt++)
		seq_printf(m, "%12lu ", n[mt]);
	seq_putc(m, '\n');
}

static int pagetypeinfo_show(struct seq_file *m, void *data)
{
	struct zone *z;

	seq_printf(m, "Page block order: %d\nPages per block:  %d\n\n", PAGEBLOCK_ORDER, PAGEBLOCK_NR_PAGES);
	seq_printf(m, "%-43s ", "Free pages count per migrate type at order");
	for (int o = 0; o < NR_PAGE_ORDERS; o++)
		seq_printf(m, "%6d ", o);
	seq_putc(m, '\n');
	for_each_populated_zone(z)
		for (int mt = 0; mt < MIGRATE_TYPES; mt++) {
			seq_printf(m, "Node %4d, zone %8s, type %12s ", 0, z->name, migratetype_names[mt]);
			for (int o = 0; o < NR_PAGE_ORDERS; o++)
				seq_printf(m, "%6lu ", count_free_blocks(z, o, mt));
			seq_putc(m, '\n');
		}
	seq_printf(m, "\n%-23s", "Number of blocks type ");
	for (int mt = 0; mt < MIGRATE_TYPES; mt++)
		seq_printf(m, "%12s ", migratetype_names[mt]);
	seq_putc(m, '\n');
	for_each_populated_zone(z)
		show_block_types(m, z);
	return 0;
}

static int zoneinfo_show(struct seq_file *m, void *data)
{
	struct zone *z;

	for_each_populated_zone(z) {
		unsigned long lowmem = z == &zones[ZONE_DMA32] ? zones[ZONE_NORMAL].managed_pages / 256 : 0;

		seq_printf(m, "Node 0, zone %8s\n", z->name);
		seq_printf(m, "  pages free     %ld\n        boost    0\n", atomic_long_read(&z->free_pages));
		seq_printf(m, "        min      %lu\n        low      %lu\n        high     %lu\n", z->watermark[WMARK_MIN],
			   z->watermark[WMARK_LOW], z->watermark[WMARK_HIGH]);
		seq_printf(m, "        spanned  %lu\n        present  %lu\n        managed  %lu\n        cma      0\n",
			   z->spanned_pages, z->present_pages, z->managed_pages);
		seq_printf(m, "        protection: (0, %lu)\n", lowmem);
		seq_printf(m, "      nr_free_pages %ld\n", atomic_long_read(&z->free_pages));
		seq_printf(m, "  start_pfn:           %lu\n", z->start_pfn);
	}
	return 0;
}

/* ---- The allocator's own knobs: a written value takes effect at once (RCL-8) ---- */

static int min_free_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%d\n", *(int *)data);
	return 0;
}

static ssize_t min_free_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	int v, err = kstrtoint(buf, 10, &v);

	if (err)
		return err;
	if (v < 0 || (unsigned long)v > totalram_pages() * 4 / 2)
		return -EINVAL;
	min_free_kbytes = v;
	setup_zone_watermarks();
	return len;
}

static ssize_t scale_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	int v, err = kstrtoint(buf, 10, &v);

	if (err)
		return err;
	if (v < 1 || v > 3000)
		return -EINVAL;
	watermark_scale_factor = v;
	setup_zone_watermarks();
	return len;
}

/*
 * drop_caches: 1 clean page cache (blocks of disks), 2 shrinkers, 3 both, 4 be silent
 * (RCL-22). All CPUs' batches are drained first.
 */
static ssize_t drop_caches_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	static bool silent;
	int v, err = kstrtoint(buf, 10, &v);

	if (err)
		return err;
	if (v < 1 || v > 4)
		return -EINVAL;
	if (v & 1) {
		lru_add_drain_all();
		drop_bdev_caches();
		count_vm_event(DROP_PAGECACHE);
	}
	if (v & 2) {
		for (int rounds = 0; rounds < 16 && shrink_slab(0) > 10; rounds++)
			cond_resched();
		count_vm_event(DROP_SLAB);
	}
	if (!silent)
		pr_info("%s (%d): drop_caches: %d\n", current->comm, current->pid, v);
	silent |= v & 4;
	return len;
}

static const struct pseudo_ops meminfo_ops = { .show = meminfo_show };
static const struct pseudo_ops buddyinfo_ops = { .show = buddyinfo_show };
static const struct pseudo_ops pagetypeinfo_ops = { .show = pagetypeinfo_show };
static const struct pseudo_ops zoneinfo_ops = { .show = zoneinfo_show };
static const struct pseudo_ops min_free_ops = { .show = min_free_show, .write = min_free_write };
static const struct pseudo_ops scale_ops = { .show = min_free_show, .write = scale_write };
static const struct pseudo_ops drop_caches_ops = { .write = drop_caches_write };

static int show_mem_init(void)
{
	struct pseudo_node *vm = pseudo_mkpath(proc_root, "sys/vm");

	pseudo_create(proc_root, "meminfo", 0444, &meminfo_ops, NULL);
	pseudo_create(proc_root, "buddyinfo", 0444, &buddyinfo_ops, NULL);
	pseudo_create(proc_root, "pagetypeinfo", 0400, &pagetypeinfo_ops, NULL);
	pseudo_create(proc_root, "zoneinfo", 0444, &zoneinfo_ops, NULL);
	pseudo_create(vm, "min_free_kbytes", 0644, &min_free_ops, &min_free_kbytes);
	pseudo_create(vm, "watermark_scale_factor", 0644, &scale_ops, &watermark_scale_factor);
	pseudo_create(vm, "drop_caches", 0200, &drop_caches_ops, NULL);
	return 0;
}
fs_initcall(show_mem_init);
