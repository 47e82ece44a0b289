/*
 * kernel/task/proc_kernel.c - the machine as /proc shows it: stat, uptime, loadavg, version, cpuinfo, interrupts,
 * cmdline, and /proc/sys/kernel, /proc/sys/fs; and the file that ends the machine, /sys/kernel/debug/quire/exit.
 *
 * Linux: fs/proc/{stat,uptime,loadavg,version,cmdline,interrupts}.c, kernel/sysctl.c.
 */
#include "arch-x86_64/apic.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "arch-x86_64/smp.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/string.h"
#include "kernel/task/internal.h"
#include "kernel/task/random.h"
#include "mm/gfp.h"

#define NR_ISA_IRQS 16

/* ---- stat ---- */

static void show_cpu_times(struct seq_file *m, const struct cpu_times *t)
{
	seq_printf(m, " %llu %llu %llu %llu %llu %llu 0 0 0 0\n", (unsigned long long)ns_to_clock_t(t->user),
		   (unsigned long long)ns_to_clock_t(t->nice), (unsigned long long)ns_to_clock_t(t->system),
		   (unsigned long long)ns_to_clock_t(t->idle), (unsigned long long)ns_to_clock_t(t->iowait),
		   (unsigned long long)ns_to_clock_t(t->irq));
}

static unsigned int count_blocked(void)
{
	struct task_struct *p, *t;
	unsigned int n = 0;

	spin_lock(&tasklist_lock);
	for_each_process(p)
		for_each_thread(p, t)
			n += (READ_ONCE(t->__state) & (TASK_UNINTERRUPTIBLE | TASK_NOLOAD)) == TASK_UNINTERRUPTIBLE;
	spin_unlock(&tasklist_lock);
	return n;
}

static u64 total_irqs(void)
{
	u64 sum = 0;
	int cpu;

	for (int irq = 0; irq < NR_ISA_IRQS; irq++)
		for_each_online_cpu(cpu)
			sum += irq_count(irq, cpu);
	return sum;
}

static int stat_show(struct seq_file *m, void *data)
{
	struct cpu_times sum = { 0 }, t[NR_CPUS];
	int cpu;

	for_each_online_cpu(cpu) {
		get_cpu_times(cpu, &t[cpu]);
		sum.user += t[cpu].user;
		sum.nice += t[cpu].nice;
		sum.system += t[cpu].system;
		sum.idle += t[cpu].idle;
		sum.iowait += t[cpu].iowait;
		sum.irq += t[cpu].irq;
	}
	seq_puts(m, "cpu ");
	show_cpu_times(m, &sum);
	for_each_online_cpu(cpu) {
		seq_printf(m, "cpu%d", cpu);
		show_cpu_times(m, &t[cpu]);
	}
	seq_printf(m, "intr %llu\nctxt %llu\nbtime %llu\nprocesses %llu\n", (unsigned long long)total_irqs(),
		   (unsigned long long)nr_context_switches(), (unsigned long long)((ktime_get_real() - ktime_get()) / NSEC_PER_SEC),
		   (unsigned long long)total_forks);
	seq_printf(m, "procs_running %u\nprocs_blocked %u\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n", nr_running(), count_blocked());
	return 0;
}

static int uptime_show(struct seq_file *m, void *data)
{
	u64 up = ktime_get() / (NSEC_PER_SEC / 100), idle = 0;
	int cpu;

	for_each_online_cpu(cpu) {
		struct cpu_times t;

		get_cpu_times(cpu, &t);
		idle += t.idle;
	}
	idle /= NSEC_PER_SEC / 100;
	seq_printf(m, "%llu.%02llu %llu.%02llu\n", (unsigned long long)up / 100, (unsigned long long)up % 100,
		   (unsigned long long)idle / 100, (unsigned long long)idle % 100);
	return 0;
}

static int loadavg_show(struct seq_file *m, void *data)
{
	unsigned long load[3];

	get_avenrun(load);
	for (int i = 0; i < 3; i++) {
		unsigned long v = load[i] + (1 << 11) / 200;	/* rounded to hundredths */

		seq_printf(m, "%lu.%02lu ", v >> 11, ((v & 2047) * 100) >> 11);
	}
	seq_printf(m, "%u/%d %d\n", nr_running(), nr_threads, last_pid);
	return 0;
}

static int version_show(struct seq_file *m, void *data)
{
	seq_printf(m, "Linux version " UTS_RELEASE " (gcc " __VERSION__ ") " UTS_VERSION "\n");
	return 0;
}

static int cmdline_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%s\n", boot_info.cmdline);
	return 0;
}

/* Words of the flags line that programs look for: those this kernel uses or passes on. */
static void show_cpu_flags(struct seq_file *m)
{
	const struct { bool have; const char *name; } extra[] = {
		{ cpu_features.xsave, "xsave" }, { cpu_features.avx, "avx" }, { cpu_features.rdrand, "rdrand" },
		{ cpu_features.fsgsbase, "fsgsbase" }, { cpu_features.smep, "smep" }, { cpu_features.smap, "smap" },
		{ cpu_features.umip, "umip" }, { cpu_features.erms, "erms" }, { cpu_features.pdpe1gb, "pdpe1gb" },
		{ cpu_features.rdtscp, "rdtscp" },
	};

	seq_puts(m, "flags\t\t: fpu pse tsc msr pae cx8 apic sep pge cmov pat fxsr sse sse2 syscall nx lm");
	for (size_t i = 0; i < ARRAY_SIZE(extra); i++)
		if (extra[i].have)
			seq_printf(m, " %s", extra[i].name);
	seq_putc(m, '\n');
}

static int cpuinfo_show(struct seq_file *m, void *data)
{
	int cpu;

	for_each_online_cpu(cpu) {
		seq_printf(m, "processor\t: %d\nvendor_id\t: %s\nmodel name\t: %s\ncpu MHz\t\t: %u.000\n", cpu, cpu_features.vendor,
			   cpu_features.model_name, 1000);
		seq_printf(m, "physical id\t: %d\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\n", cpu);
		show_cpu_flags(m);
		seq_puts(m, "clflush size\t: 64\naddress sizes\t: 40 bits physical, 48 bits virtual\n\n");
	}
	return 0;
}

static int interrupts_show(struct seq_file *m, void *data)
{
	int cpu;

	seq_puts(m, "    ");
	for_each_online_cpu(cpu)
		seq_printf(m, "       CPU%-4d", cpu);
	seq_putc(m, '\n');
	for (int irq = 0; irq < NR_IRQS; irq++) {
		const char *name = irq_name(irq);
		u64 sum = 0;

		for_each_online_cpu(cpu)
			sum += irq_count(irq, cpu);
		if (!sum)
			continue;
		seq_printf(m, "%3d:", irq);
		for_each_online_cpu(cpu)
			seq_printf(m, " %10llu", (unsigned long long)irq_count(irq, cpu));
		seq_printf(m, "  %s %s\n", irq < NR_ISA_IRQS ? "IO-APIC " : "PCI-MSIX", name ? name : "");
	}
	return 0;
}

/* ---- /proc/sys/kernel, /proc/sys/fs ---- */

static int text_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%s\n", (const char *)data);
	return 0;
}

static ssize_t name_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	if (strlen(strim(buf)) > 64)
		return -EINVAL;
	uts_set(data, strim(buf));
	return len;
}

static u8 boot_id[16];		/* made at boot, constant afterwards */

/* A random UUID, version 4. */
static void make_uuid(u8 u[16])
{
	get_random_bytes(u, 16);
	u[6] = (u[6] & 0x0f) | 0x40;
	u[8] = (u[8] & 0x3f) | 0x80;
}

/* DATA: the boot's; NULL: a fresh one at each read. */
static int uuid_show(struct seq_file *m, void *data)
{
	u8 fresh[16], *u = data ? data : fresh;

	if (!data)
		make_uuid(fresh);
	for (int i = 0; i < 16; i++)
		seq_printf(m, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", u[i]);
	seq_putc(m, '\n');
	return 0;
}

static int printk_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%d\t4\t1\t7\n", console_loglevel);
	return 0;
}

static ssize_t printk_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	unsigned long long v = simple_strtoull(strim(buf), NULL, 10);

	if (v < 1 || v > 15)
		return -EINVAL;
	console_loglevel = v;
	return len;
}

static const struct pseudo_ops text_ops = { .show = text_show }, name_ops = { .show = text_show, .write = name_write },
	uuid_ops = { .show = uuid_show }, printk_ops = { .show = printk_show, .write = printk_write };

static void sys_kernel_init(void)
{
	static const struct { const char *name, *text; } texts[] = {
		{ "ostype", "Linux" }, { "osrelease", UTS_RELEASE }, { "version", UTS_VERSION }, { "tainted", "0" },
		{ "randomize_va_space", "0" }, { "core_pattern", "core" }, { "cap_last_cap", "40" }, { "ngroups_max", "32" },
	};
	struct pseudo_node *k = pseudo_mkpath(proc_root, "sys/kernel"), *r = pseudo_mkpath(proc_root, "sys/kernel/random");
	static int file_max = 1 << 20, nr_open = 1 << 20;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		pseudo_create(k, texts[i].name, 0444, &text_ops, (void *)texts[i].text);
	pseudo_create(k, "hostname", 0644, &name_ops, utsname_nodename);
	pseudo_create(k, "domainname", 0644, &name_ops, utsname_domainname);
	pseudo_create(k, "printk", 0644, &printk_ops, NULL);
	proc_sys_int("kernel/pid_max", 0644, &pid_max, 301, 4 << 20);
	proc_sys_int("kernel/threads-max", 0644, &max_threads, 20, 1 << 22);
	pseudo_create(r, "uuid", 0444, &uuid_ops, NULL);
	make_uuid(boot_id);
	pseudo_create(r, "boot_id", 0444, &uuid_ops, boot_id);
	pseudo_create(r, "entropy_avail", 0444, &text_ops, "256");
	proc_sys_int("fs/file-max", 0644, &file_max, 1, 0x7fffffff);
	proc_sys_int("fs/nr_open", 0644, &nr_open, 8, 1 << 30);
}

/* ---- quire/exit and quire/warnings ---- */

static int exit_show(struct seq_file *m, void *data)
{
	seq_puts(m, "write 0: all is well (QEMU ends with 33); 1: tests failed (35)\n");
	return 0;
}

static ssize_t exit_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	int v;

	if (kstrtoint(buf, 10, &v) || v < 0 || v > 1) {
		pr_warn("quire/exit: takes 0 (success) or 1 (tests failed)\n");
		return -EINVAL;
	}
	debug_exit(v ? EXIT_FAILED_CODE : EXIT_SUCCESS_CODE);
	pr_warn("quire/exit: there is no isa-debug-exit device; powering off\n");
	machine_power_off();
}

static int warnings_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%lu\n", warn_count);
	return 0;
}

static const struct pseudo_ops exit_ops = { .show = exit_show, .write = exit_write }, warnings_ops = { .show = warnings_show };
static const struct pseudo_ops proc_ops[] = { { .show = stat_show }, { .show = uptime_show }, { .show = loadavg_show },
	{ .show = version_show }, { .show = cmdline_show }, { .show = cpuinfo_show }, { .show = interrupts_show } };
static const char *const proc_names[] = { "stat", "uptime", "loadavg", "version", "cmdline", "cpuinfo", "interrupts" };

static int proc_kernel_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(proc_ops); i++)
		pseudo_create(proc_root, proc_names[i], 0444, &proc_ops[i], NULL);
	sys_kernel_init();
	pseudo_create(quire_debug_root, "exit", 0600, &exit_ops, NULL);
	pseudo_create(quire_debug_root, "warnings", 0400, &warnings_ops, NULL);
	return 0;
}
fs_initcall(proc_kernel_init);
