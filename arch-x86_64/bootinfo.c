/*
 * arch-x86_64/bootinfo.c - what the loader said, in one form.
 *
 *	PVH start_info ----+
 *	                   +--> struct boot_info: RAM map, reserved ranges, initrd, command line, RSDP
 *	Multiboot2 tags ---+
 *
 * Loaders put their tables anywhere below 4 GiB, also into pages that the map calls free. Everything of
 * use is copied here, before any memory is handed out; the initrd is the only thing left where it is.
 *
 * What the loaders get wrong or odd, each seen: the map of QEMU's microvm ends in an empty entry of type 0;
 * there are reserved ranges far above all RAM; GRUB may put a small module below 64 KiB on UEFI; types go
 * up to 20. Only type 1 counts as RAM. Linux: e820.c, and the PVH and EFI entry code.
 */
#include "arch-x86_64/pgtable.h"
#include "arch-x86_64/setup.h"
#include "kernel/init.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/string.h"
#include "mm/memblock.h"

#define LOW_RESERVED	0x10000		/* firmware data, the AP trampoline page at 0x8000 */
#define RAM_MINIMUM	(24UL << 20)
#define E820_RAM	1

#define PVH_BOOT_MAGIC	0x336ec578
#define MB2_BOOT_MAGIC	0x36d76289

struct boot_info boot_info;

/* Left by boot.S. */
extern u32 boot_magic, boot_info_addr;

/* Xen's public/arch-x86/hvm/start_info.h: the PVH boot protocol. */
struct pvh_start_info {
	u32 magic, version, flags, nr_modules;
	u64 modlist_paddr, cmdline_paddr, rsdp_paddr;
	u64 memmap_paddr;		/* version 1 and later */
	u32 memmap_entries, reserved;
};
struct pvh_module { u64 paddr, size, cmdline_paddr, reserved; };
struct pvh_memmap { u64 addr, size; u32 type, reserved; };

/* Multiboot2 specification, section 3.6. Tags are aligned to 8 bytes. */
struct mb2_info { u32 total_size, reserved; };
struct mb2_tag { u32 type, size; };
struct mb2_module { struct mb2_tag tag; u32 start, end; char string[]; };
struct mb2_mmap { struct mb2_tag tag; u32 entry_size, entry_version; };
struct mb2_mmap_entry { u64 addr, size; u32 type, zero; };
enum { MB2_END = 0, MB2_CMDLINE = 1, MB2_MODULE = 3, MB2_MMAP = 6, MB2_RSDP_OLD = 14, MB2_RSDP_NEW = 15 };

static void delete_region(struct boot_region *r, int *nr, int i)
{
	memmove(&r[i], &r[i + 1], (*nr - i - 1) * sizeof(*r));
	(*nr)--;
}

/*
 * Insert [START, END) into the sorted, disjoint list R, merging what it touches. A full list loses the
 * range: for RAM that costs memory; the reserved list never fills, memblock_alloc() extends its last entries.
 */
static void insert_region(struct boot_region *r, int *nr, phys_addr_t start, phys_addr_t end)
{
	int i = 0;

	while (i < *nr && r[i].end < start)
		i++;
	while (i < *nr && r[i].start <= end) {
		start = min(start, r[i].start);
		end = max(end, r[i].end);
		delete_region(r, nr, i);
	}
	if (*nr == BOOT_MAX_REGIONS) {
		pr_warn("memory map: more than %d ranges, [%#lx, %#lx) ignored\n", BOOT_MAX_REGIONS,
			(unsigned long)start, (unsigned long)end);
		return;
	}
	memmove(&r[i + 1], &r[i], (*nr - i) * sizeof(*r));
	r[i] = (struct boot_region){ start, end };
	(*nr)++;
}

void boot_reserve(phys_addr_t start, phys_addr_t end)
{
	start = ALIGN_DOWN(start, PAGE_SIZE);
	end = ALIGN(end, PAGE_SIZE);
	if (start < end)
		insert_region(boot_info.reserved, &boot_info.nr_reserved, start, end);
}

/* One entry of the loader's map: of RAM, the whole pages inside count. */
static void add_map_entry(u64 addr, u64 size, u32 type)
{
	phys_addr_t start = ALIGN(addr, PAGE_SIZE), end = ALIGN_DOWN(addr + size, PAGE_SIZE);

	if (type != E820_RAM || !size || addr + size < addr || start >= end)
		return;
	end = min(end, (phys_addr_t)PTE_PFN_MASK + PAGE_SIZE);
	insert_region(boot_info.ram, &boot_info.nr_ram, start, end);
}

static void set_initrd(phys_addr_t start, u64 size)
{
	if (boot_info.initrd_end || !size)
		return;		/* the first module is the initrd, others are ignored */
	boot_info.initrd_start = start;
	boot_info.initrd_end = start + size;
}

static void parse_pvh(const struct pvh_start_info *si)
{
	const struct pvh_memmap *map = __va(si->memmap_paddr);
	const struct pvh_module *mod = __va(si->modlist_paddr);

	boot_info.loader = "PVH";
	if (si->cmdline_paddr)
		strscpy(boot_info.cmdline, __va(si->cmdline_paddr), BOOT_CMDLINE_SIZE);
	boot_info.rsdp = si->rsdp_paddr;
	if (si->nr_modules)
		set_initrd(mod->paddr, mod->size);
	if (si->version < 1)
		panic("Quire: the PVH loader passed no memory map");
	for (u32 i = 0; i < si->memmap_entries; i++)
		add_map_entry(map[i].addr, map[i].size, map[i].type);
}

static void parse_mb2_mmap(const struct mb2_mmap *m)
{
	u32 step = m->entry_size;

	for (u32 off = sizeof(*m); step && off + step <= m->tag.size; off += step) {
		const struct mb2_mmap_entry *e = (const void *)((const char *)m + off);

		add_map_entry(e->addr, e->size, e->type);
	}
}

static void parse_mb2_tag(const struct mb2_tag *tag)
{
	const struct mb2_module *mod = (const void *)tag;

	switch (tag->type) {
	case MB2_CMDLINE:
		strscpy(boot_info.cmdline, (const char *)(tag + 1), BOOT_CMDLINE_SIZE);
		break;
	case MB2_MODULE:
		set_initrd(mod->start, mod->end - mod->start);
		break;
	case MB2_MMAP:
		parse_mb2_mmap((const void *)tag);
		break;
	case MB2_RSDP_OLD:
		if (boot_info.have_rsdp_copy)
			break;	/* the newer one came first */
		/* fall through */
	case MB2_RSDP_NEW:
		memcpy(boot_info.rsdp_copy, tag + 1,
		       min_t(size_t, tag->size - sizeof(*tag), sizeof(boot_info.rsdp_copy)));
		boot_info.have_rsdp_copy = true;
		break;
	}
}

static void parse_multiboot2(const struct mb2_info *mbi)
{
	u32 off = sizeof(*mbi);

	boot_info.loader = "Multiboot2";
	while (off + sizeof(struct mb2_tag) <= mbi->total_size) {
		const struct mb2_tag *tag = (const void *)((const char *)mbi + off);

		if (tag->type == MB2_END || tag->size < sizeof(*tag))
			break;
		parse_mb2_tag(tag);
		off = ALIGN(off + tag->size, 8);
	}
}

static void check_enough_ram(void)
{
	if (memblock_total_ram() >= RAM_MINIMUM)
		return;
	/* Not our mistake: one line says it all. Without the device that ends QEMU, panic stops here. */
	pr_emerg("Quire: too little memory: %lu KiB of RAM, %lu KiB are needed\n",
		 (unsigned long)memblock_total_ram() >> 10, RAM_MINIMUM >> 10);
	debug_exit(EXIT_PANIC_CODE);
	panic("too little memory");
}

void boot_info_init(void)
{
	if (boot_magic == PVH_BOOT_MAGIC)
		parse_pvh(__va(boot_info_addr));
	else if (boot_magic == MB2_BOOT_MAGIC)
		parse_multiboot2(__va(boot_info_addr));
	else
		panic("Quire: started by neither a PVH nor a Multiboot2 loader (magic %#x)", boot_magic);

	boot_reserve(0, LOW_RESERVED);
	boot_reserve(0x100000, __pa_symbol(_image_end));
	boot_reserve(boot_info.initrd_start, boot_info.initrd_end);

	check_enough_ram();
}

void boot_info_print(void)
{
	pr_info("Command line: %s\n", boot_info.cmdline);
	pr_info("%s-provided physical RAM map:\n", boot_info.loader);
	for (int i = 0; i < boot_info.nr_ram; i++)
		pr_info("  [mem 0x%016lx-0x%016lx] usable\n", (unsigned long)boot_info.ram[i].start,
			(unsigned long)boot_info.ram[i].end - 1);
}

/* mem=SIZE: do not use RAM at or above this address. */
static int mem_param(char *value)
{
	char *end;
	phys_addr_t limit = memparse(value, &end) & PAGE_MASK;

	if (end == value || *end)
		return -EINVAL;
	while (boot_info.nr_ram && boot_info.ram[boot_info.nr_ram - 1].end > limit) {
		struct boot_region *last = &boot_info.ram[boot_info.nr_ram - 1];

		last->end = limit;
		if (last->start >= limit)
			boot_info.nr_ram--;
	}
	if (boot_info.initrd_end > limit) {
		pr_err("The initrd at [%#lx, %#lx) lies beyond mem=%s and cannot be used\n",
		       (unsigned long)boot_info.initrd_start, (unsigned long)boot_info.initrd_end, value);
		boot_info.initrd_start = boot_info.initrd_end = 0;
	}
	check_enough_ram();
	return 0;
}
early_param("mem=", mem_param);
