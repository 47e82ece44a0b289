/*
 * arch-x86_64/acpi.c - the few facts taken from the firmware's tables, and the ways to end the machine.
 *
 *	RSDP ──> XSDT or RSDT ──┬──> APIC (MADT)  CPUs, IOAPICs, where ISA interrupts arrive
 *	                        ├──> FACP (FADT)  power-off and reset registers, PM timer ──> DSDT: \_S5
 *	                        └──> HPET         a clock for calibration
 *
 * Not here: AML. The one value needed from it, the sleep type of \_S5, is found by looking for the
 * package's encoding in the DSDT. Every length and checksum is verified before use; a table that fails is
 * skipped with a line in the log, and a machine without usable tables runs with one CPU. Linux:
 * drivers/acpi/tables.c, arch/x86/kernel/acpi/boot.c, arch/x86/kernel/reboot.c.
 */
#include "arch-x86_64/apic.h"
#include "arch-x86_64/io.h"
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/pgtable.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "arch-x86_64/smp.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/sched/time.h"

struct acpi_rsdp {
	char signature[8];
	u8 checksum;
	char oem_id[6];
	u8 revision;
	u32 rsdt;
	u32 length;		/* from here on: revision 2 */
	u64 xsdt;
	u8 ext_checksum, reserved[3];
} __packed;

struct acpi_header {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem_id[6], oem_table_id[8];
	u32 oem_revision, creator_id, creator_revision;
} __packed;

struct acpi_gas {		/* generic address */
	u8 space, width, offset, access;
	u64 address;
} __packed;
#define ACPI_SPACE_MEMORY 0
#define ACPI_SPACE_IO	  1

struct acpi_fadt {
	struct acpi_header h;
	u32 firmware_ctrl, dsdt;
	u8 reserved0, profile;
	u16 sci_int;
	u32 smi_cmd;
	u8 acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	u32 pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
	u8 lengths[8];
	u16 lat[4];
	u8 duty_offset, duty_width, day_alarm, mon_alarm, century;
	u16 boot_arch;
	u8 reserved1;
	u32 flags;
	struct acpi_gas reset_reg;
	u8 reset_value;
} __packed;
#define FADT_TMR_VAL_EXT BIT(8)
#define FADT_RESET_REG	 BIT(10)

struct acpi_hpet {
	struct acpi_header h;
	u32 id;
	struct acpi_gas address;
} __packed;

#define MAX_TABLE_SIZE (1u << 20)

struct acpi_madt_info acpi_madt;
u16 acpi_pm_timer_port;
bool acpi_pm_timer_32bit;
phys_addr_t acpi_hpet_addr;

static struct {
	u16 pm1a_cnt, pm1b_cnt;
	u8 s5_typa, s5_typb;
	bool have_s5, have_reset;
	struct acpi_gas reset_reg;
	u8 reset_value;
	u16 smi_cmd;
	u8 acpi_enable;
} power;

static bool in_ram(phys_addr_t start, phys_addr_t end)
{
	for (int i = 0; i < boot_info.nr_ram; i++)
		if (start >= boot_info.ram[i].start && end <= boot_info.ram[i].end)
			return true;
	return false;
}

/* Make [PA, PA+SIZE) readable, wherever the firmware put it. Undo with acpi_unmap(). NULL: no room. */
static void *acpi_map(phys_addr_t pa, size_t size)
{
	return in_ram(pa, pa + size) ? __va(pa) : ioremap(pa, size);
}

static void acpi_unmap(void *p)
{
	if ((unsigned long)p >= VMALLOC_START)
		iounmap(p);
}

static bool checksum_ok(const void *p, size_t n)
{
	u8 sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += ((const u8 *)p)[i];
	return sum == 0;
}

/* Map the whole table at PA. NULL if it is not a table; the log says so. */
static struct acpi_header *map_table(phys_addr_t pa)
{
	struct acpi_header *h = pa ? acpi_map(pa, sizeof(*h)) : NULL;
	u32 length;

	if (!h)
		return NULL;
	length = h->length;
	acpi_unmap(h);
	if (length < sizeof(*h) || length > MAX_TABLE_SIZE) {
		pr_warn("ACPI: table at 0x%llx has length %u: ignored\n", (unsigned long long)pa, length);
		return NULL;
	}
	h = acpi_map(pa, length);
	if (h && !checksum_ok(h, length)) {
		pr_warn("ACPI: table %.4s at 0x%llx has a wrong checksum: ignored\n", h->signature,
			(unsigned long long)pa);
		acpi_unmap(h);
		return NULL;
	}
	return h;
}

static bool rsdp_valid(const struct acpi_rsdp *r)
{
	return memcmp(r->signature, "RSD PTR ", 8) == 0 && checksum_ok(r, 20);
}

/* Look for the RSDP on 16-byte boundaries of [PA, PA+SIZE). */
static bool rsdp_scan(phys_addr_t pa, size_t size, struct acpi_rsdp *out)
{
	char *p = acpi_map(pa, size);
	bool found = false;

	if (!p)
		return false;
	for (size_t off = 0; off + sizeof(*out) <= size && !found; off += 16) {
		if (!rsdp_valid((struct acpi_rsdp *)(p + off)))
			continue;
		memcpy(out, p + off, sizeof(*out));
		found = true;
	}
	acpi_unmap(p);
	return found;
}

/* The boot loader's copy, the address it gave, or the BIOS areas (EBDA and 0xe0000). */
static bool find_rsdp(struct acpi_rsdp *out)
{
	u16 *bda;
	phys_addr_t ebda;

	if (boot_info.have_rsdp_copy) {
		memcpy(out, boot_info.rsdp_copy, sizeof(*out));
		if (rsdp_valid(out))
			return true;
	}
	if (boot_info.rsdp && rsdp_scan(boot_info.rsdp, sizeof(*out), out))
		return true;
	bda = acpi_map(0x400, 0x100);
	ebda = bda ? (phys_addr_t)bda[0x0e / 2] << 4 : 0;
	if (bda)
		acpi_unmap(bda);
	if (ebda >= 0x80000 && ebda < 0xa0000 && rsdp_scan(ebda, 1024, out))
		return true;
	return rsdp_scan(0xe0000, 0x20000, out);
}

static void madt_add_cpu(u32 apic_id, u32 flags)
{
	struct acpi_madt_info *m = &acpi_madt;

	if (!(flags & 1))	/* not enabled: a socket without a CPU */
		return;
	m->nr_cpus_found++;
	if (m->nr_cpus < NR_CPUS && apic_id < 255)
		m->apic_id[m->nr_cpus++] = apic_id;
}

static void madt_add_override(const u8 *e)
{
	u32 gsi;
	u16 flags;

	memcpy(&gsi, e + 4, 4);
	memcpy(&flags, e + 8, 2);
	if (e[2] != 0 || e[3] >= NR_ISA_IRQS)
		return;
	acpi_madt.isa[e[3]].gsi = gsi;
	acpi_madt.isa[e[3]].active_low = (flags & 3) == 3;
	acpi_madt.isa[e[3]].level = (flags >> 2 & 3) == 3;
}

/* One entry E of LEN bytes of the MADT; what is too short or unknown is skipped. */
static void madt_entry(const u8 *e, u8 len)
{
	struct acpi_madt_info *m = &acpi_madt;
	u32 v[4] = { 0 };

	memcpy(v, e, min_t(size_t, len, sizeof(v)));
	if (e[0] == 0 && len >= 8) {				/* LAPIC: uid, id, flags */
		madt_add_cpu(e[3], v[1]);
	} else if (e[0] == 9 && len >= 16) {			/* x2APIC: id, flags */
		madt_add_cpu(v[1], v[2]);
	} else if (e[0] == 1 && len >= 12 && m->nr_ioapics < MAX_IOAPICS) {
		m->ioapic[m->nr_ioapics].addr = v[1];
		m->ioapic[m->nr_ioapics++].gsi_base = v[2];
	} else if (e[0] == 2 && len >= 10) {
		madt_add_override(e);
	} else if (e[0] == 5 && len >= 12) {			/* 64-bit address of the LAPICs */
		memcpy(&m->lapic_addr, e + 4, 8);
	}
}

static void parse_madt(const struct acpi_header *h)
{
	const u8 *p = (const u8 *)h + sizeof(*h) + 8, *end = (const u8 *)h + h->length;
	u32 addr;

	if (h->length < sizeof(*h) + 8)
		return;
	memcpy(&addr, (const u8 *)h + sizeof(*h), 4);
	acpi_madt.lapic_addr = addr;
	while (p + 2 <= end && p[1] >= 2 && p + p[1] <= end) {
		madt_entry(p, p[1]);
		p += p[1];
	}
}

/* An AML integer at P: a one-byte constant, or 0x0a and a byte. Moves *P behind it. */
static u8 aml_byte(const u8 **p)
{
	u8 v = *(*p)++;

	return v == 0x0a ? *(*p)++ : v;
}

/*
 * Name(\_S5, Package() { a, b, ... }) is encoded 08 [5c] "_S5_" 12 <package length, 1 to 4 bytes> <count> a
 * b. a and b are the values for the sleep-type fields of PM1a and PM1b.
 */
static void parse_s5(phys_addr_t dsdt)
{
	struct acpi_header *h = map_table(dsdt);
	const u8 *p, *end;

	if (!h)
		return;
	end = (const u8 *)h + h->length;
	for (p = (const u8 *)h + sizeof(*h) + 2; p + 16 < end; p++) {
		bool named = p[-1] == 0x08 || (p[-1] == '\\' && p[-2] == 0x08);

		if (!named || memcmp(p, "_S5_", 4) != 0 || p[4] != 0x12)
			continue;
		p += 5;
		p += (*p >> 6) + 2;		/* length bytes, element count */
		power.s5_typa = aml_byte(&p) & 7;
		power.s5_typb = aml_byte(&p) & 7;
		power.have_s5 = true;
		break;
	}
	acpi_unmap(h);
}

static void parse_fadt(const struct acpi_header *h)
{
	struct acpi_fadt f = { .flags = 0 };

	if (h->length < offsetof(struct acpi_fadt, flags) + 4)
		return;
	memcpy(&f, h, min_t(size_t, h->length, sizeof(f)));
	power.pm1a_cnt = f.pm1a_cnt;
	power.pm1b_cnt = f.pm1b_cnt;
	power.smi_cmd = f.smi_cmd;
	power.acpi_enable = f.acpi_enable;
	acpi_pm_timer_port = f.pm_tmr;
	acpi_pm_timer_32bit = f.flags & FADT_TMR_VAL_EXT;
	if ((f.flags & FADT_RESET_REG) && h->length >= sizeof(f)) {
		power.have_reset = true;
		power.reset_reg = f.reset_reg;
		power.reset_value = f.reset_value;
	}
	parse_s5(f.dsdt);
}

static void parse_hpet(const struct acpi_header *h)
{
	const struct acpi_hpet *t = (const struct acpi_hpet *)h;

	if (h->length >= sizeof(*t) && t->address.space == ACPI_SPACE_MEMORY)
		acpi_hpet_addr = t->address.address;
}

static void parse_table(phys_addr_t pa)
{
	struct acpi_header *h = map_table(pa);

	if (!h)
		return;
	if (memcmp(h->signature, "APIC", 4) == 0)
		parse_madt(h);
	else if (memcmp(h->signature, "FACP", 4) == 0)
		parse_fadt(h);
	else if (memcmp(h->signature, "HPET", 4) == 0)
		parse_hpet(h);
	acpi_unmap(h);
}

/* Walk the XSDT (8-byte entries) or the RSDT (4-byte entries). False if there is neither. */
static bool parse_root(const struct acpi_rsdp *r)
{
	bool extended = r->revision >= 2 && r->xsdt;
	struct acpi_header *h = extended ? map_table(r->xsdt) : NULL;
	size_t width = h ? 8 : 4;

	if (!h)
		h = map_table(r->rsdt);
	if (!h)
		return false;
	for (size_t off = sizeof(*h); off + width <= h->length; off += width) {
		u64 pa = 0;

		memcpy(&pa, (u8 *)h + off, width);
		parse_table(pa);
	}
	acpi_unmap(h);
	return true;
}

/*
 * => called once, on CPU 0, after kmem_cache_init() (it maps tables)
 */
void acpi_init(void)
{
	struct acpi_rsdp rsdp;

	acpi_madt.lapic_addr = 0xfee00000;
	for (u32 i = 0; i < NR_ISA_IRQS; i++)
		acpi_madt.isa[i].gsi = i;
	if (!find_rsdp(&rsdp) || !parse_root(&rsdp))
		pr_warn("ACPI: no usable tables: one CPU, no power-off\n");
	if (acpi_madt.nr_ioapics == 0) {		/* where every PC has it */
		acpi_madt.nr_ioapics = 1;
		acpi_madt.ioapic[0].addr = 0xfec00000;
		acpi_madt.isa[0].gsi = 2;
	}
	if (acpi_madt.nr_cpus_found > NR_CPUS)
		pr_warn("ACPI: %d CPUs found, %d used\n", acpi_madt.nr_cpus_found, NR_CPUS);
}

/* ------------------------------------------------------------------ ends ---- */

static void __noreturn halt_forever(void)
{
	local_irq_disable();
	for (;;)
		__asm__ volatile("hlt");
}

/* Enter S5: the sleep type and the enable bit (13) into the PM1 control registers. */
static void acpi_power_off(void)
{
	if (!power.pm1a_cnt)
		return;
	if (!(inw(power.pm1a_cnt) & 1) && power.smi_cmd && power.acpi_enable)
		outb(power.smi_cmd, power.acpi_enable);		/* take over from the firmware first */
	outw(power.pm1a_cnt, (u16)(power.s5_typa << 10 | BIT(13)));
	if (power.pm1b_cnt)
		outw(power.pm1b_cnt, (u16)(power.s5_typb << 10 | BIT(13)));
}

void machine_power_off(void)
{
	pr_emerg("reboot: Power down\n");
	local_irq_disable();
	smp_stop_others();
	if (power.have_s5) {
		acpi_power_off();
		ndelay(NSEC_PER_SEC);	/* it takes the machine a moment */
	}
	pr_emerg("reboot: this machine has no ACPI power-off: halted\n");
	debug_exit(0);		/* QEMU's status 1: none of those that tell a result */
	halt_forever();
}

static void acpi_reset(void)
{
	if (!power.have_reset)
		return;
	if (power.reset_reg.space == ACPI_SPACE_IO)
		outb(power.reset_reg.address, power.reset_value);
}

void machine_restart(void)
{
	struct { u16 limit; u64 base; } __packed no_idt = { 0, 0 };

	pr_emerg("reboot: Restarting system\n");
	local_irq_disable();
	smp_stop_others();
	acpi_reset();
	outb(0xcf9, 0x02);		/* chipset: arm, then reset the CPU */
	outb(0xcf9, 0x06);
	outb(0x64, 0xfe);		/* keyboard controller: pulse the reset line */
	__asm__ volatile("lidt %0; int3" : : "m"(no_idt));
	halt_forever();
}
