/*
 * kernel/sched/init_task.c - task 0: the thread that boots, and later CPU 0's idle task.
 *
 * The one task that nobody forks. Everything it points to is static, so that `current` works from the first
 * C instruction. It heads the list of processes without being one of them, and is the parent of PID 1 and
 * of the kernel threads.
 *
 * Linux: init/init_task.c.
 */
#include "kernel/sched/internal.h"
#include "kernel/task/cred.h"
#include "kernel/task/signal.h"

#define RLIM(soft, hard) { .rlim_cur = (soft), .rlim_max = (hard) }

static struct lock_class init_wait_class = { .name = "signal->wait_chldexit", .kind = LOCK_SPIN };
static struct lock_class init_siglock_class = { .name = "sighand->siglock", .kind = LOCK_SPIN };
static struct lock_class init_alloc_class = { .name = "task->alloc_lock", .kind = LOCK_SPIN };

/* Linux's defaults; fork_init() sets NPROC and SIGPENDING by the size of memory. */
static struct signal_struct init_signals = {
	.sigcnt = ATOMIC_INIT(1),
	.live = ATOMIC_INIT(1),
	.nr_threads = 1,
	.thread_head = { &init_task.thread_node, &init_task.thread_node },
	.wait_chldexit = { { 0, -1, &init_wait_class }, LIST_HEAD_INIT(init_signals.wait_chldexit.head) },
	.shared_pending = { .list = LIST_HEAD_INIT(init_signals.shared_pending.list) },
	.posix_timers = LIST_HEAD_INIT(init_signals.posix_timers),
	.real_timer = { .cpu = -1 },
	.rlim = {
		[RLIMIT_CPU]	    = RLIM(RLIM_INFINITY, RLIM_INFINITY),
		[RLIMIT_FSIZE]	    = RLIM(RLIM_INFINITY, RLIM_INFINITY),
		[RLIMIT_DATA]	    = RLIM(RLIM_INFINITY, RLIM_INFINITY),
		[RLIMIT_STACK]	    = RLIM(8 << 20, RLIM_INFINITY),
		[RLIMIT_CORE]	    = RLIM(0, RLIM_INFINITY),
		[RLIMIT_RSS]	    = RLIM(RLIM_INFINITY, RLIM_INFINITY),
		[RLIMIT_NPROC]	    = RLIM(0, 0),
		[RLIMIT_NOFILE]	    = RLIM(1024, 4096),
		[RLIMIT_MEMLOCK]    = RLIM(8 << 20, 8 << 20),
		[RLIMIT_AS]	    = RLIM(RLIM_INFINITY, RLIM_INFINITY),
		[RLIMIT_LOCKS]	    = RLIM(RLIM_INFINITY, RLIM_INFINITY),
		[RLIMIT_SIGPENDING] = RLIM(0, 0),
		[RLIMIT_MSGQUEUE]   = RLIM(819200, 819200),
		[RLIMIT_NICE]	    = RLIM(0, 0),
		[RLIMIT_RTPRIO]	    = RLIM(0, 0),
		[RLIMIT_RTTIME]	    = RLIM(RLIM_INFINITY, RLIM_INFINITY),
	},
};

static struct sighand_struct init_sighand = {
	.siglock = { 0, -1, &init_siglock_class },
	.count = ATOMIC_INIT(1),
};

struct task_struct init_task = {
	.on_rq = 1,
	.on_cpu = 1,
	.static_prio = 120,
	.cpus_allowed = ~0UL,
	.flags = PF_KTHREAD | PF_IDLE,
	.usage = ATOMIC_INIT(2),
	.comm = "swapper/0",
	.real_parent = &init_task,
	.parent = &init_task,
	.children = LIST_HEAD_INIT(init_task.children),
	.sibling = LIST_HEAD_INIT(init_task.sibling),
	.group_leader = &init_task,
	.thread_node = LIST_HEAD_INIT(init_signals.thread_head),
	.tasks = LIST_HEAD_INIT(init_task.tasks),
	.cred = &init_cred,
	.signal = &init_signals,
	.sighand = &init_sighand,
	.pending = { .list = LIST_HEAD_INIT(init_task.pending.list) },
	.alloc_lock = { 0, -1, &init_alloc_class },
};
