/*
 * kernel/trace/concurrency.c - counts CPUs that are inside one section at once; /sys/kernel/debug/quire/concurrency.
 *
 * Each task notes what it is inside of, then looks at the tasks that run on the other CPUs. The barrier in between
 * makes sure that of two CPUs that enter together at least one sees the other.
 */
#include "kernel/trace/concurrency.h"
#include "arch-x86_64/smp.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"

#ifndef RELEASE
static const char *const section_names[NR_CONCURRENCY] = { "page_fault", "fork", "pipe_write" };
static atomic_t most[NR_CONCURRENCY];

/*
 * What the task that runs on CPU is inside of. It may end and be freed meanwhile, hence unchecked; its memory stays
 * mapped, and what was read from it counts only if it still runs there afterwards.
 */
static __no_sanitize_address const void *inside_of_cpu(int cpu, enum concurrency_section s)
{
	const struct task_struct *t = READ_ONCE(per_cpu(current_task, cpu));
	const void *object = READ_ONCE(t->inside[s]);

	smp_rmb();
	return t != current && READ_ONCE(per_cpu(current_task, cpu)) == t ? object : NULL;
}

void concurrency_enter(enum concurrency_section s, const void *object)
{
	int cpus = 1, cpu, seen = atomic_read(&most[s]);

	WRITE_ONCE(current->inside[s], object);
	smp_mb();
	for_each_online_cpu(cpu) {
		const void *other = inside_of_cpu(cpu, s);

		if (other && (other == object) == (s == IN_FAULT))
			cpus++;
	}
	while (cpus > seen) {
		int was = atomic_cmpxchg(&most[s], seen, cpus);

		if (was == seen)
			break;
		seen = was;
	}
}

static int concurrency_show(struct seq_file *m, void *data)
{
	for (int s = 0; s < NR_CONCURRENCY; s++)
		seq_printf(m, "%s %d\n", section_names[s], atomic_read(&most[s]));
	return 0;
}

static ssize_t concurrency_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	if (strcmp(strim(buf), "reset")) {
		pr_warn("quire/concurrency: takes the word reset\n");
		return -EINVAL;
	}
	for (int s = 0; s < NR_CONCURRENCY; s++)
		atomic_set(&most[s], 0);
	return len;
}

static const struct pseudo_ops concurrency_ops = { .show = concurrency_show, .write = concurrency_write };

static int concurrency_init(void)
{
	pseudo_create(quire_debug_root, "concurrency", 0600, &concurrency_ops, NULL);
	return 0;
}
fs_initcall(concurrency_init);
#endif
