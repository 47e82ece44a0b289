/* tests/user/thread.c - POSIX threads as musl and glibc build them: TLS, mutexes, conditions, cancel, robust, exit. */
#include "tests/user/ktap.h"
#include <pthread.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <sys/time.h>

static __thread int mine = 5;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static volatile long shared;
static pthread_barrier_t barrier;

#define START(t, fn, arg) ASSERT_EQ(pthread_create(&(t), NULL, fn, arg), 0)

static void *tls_body(void *arg)
{
	EXPECT_EQ(mine, 5);
	mine += (long)arg;
	sched_yield();
	EXPECT_EQ(mine, 5 + (long)arg);
	return (void *)(long)gettid();
}

TEST(threads_have_tids_and_tls_of_their_own)
{
	pthread_t t[4];
	void *tid[4];
	for (long i = 0; i < 4; i++)
		START(t[i], tls_body, (void *)i);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(pthread_join(t[i], &tid[i]), 0);
		EXPECT_NE((long)tid[i], getpid());
	}
	EXPECT_EQ(mine, 5);
	EXPECT_NE(tid[0], tid[1]);
}

static void *count_body(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&lock);
		shared++;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

TEST(mutex_loses_no_count)
{
	pthread_t t[8];
	for (int i = 0; i < 8; i++)
		START(t[i], count_body, NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	EXPECT_EQ(shared, 16000);
}

static void *wait_body(void *arg)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

TEST(many_threads_256)
{
	static pthread_t t[256];
	pthread_barrier_init(&barrier, NULL, 257);
	for (int i = 0; i < 256; i++)
		START(t[i], wait_body, NULL);
	pthread_barrier_wait(&barrier);
	EXPECT_EQ(ktap_number("/proc/self/status", "Threads"), 257);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 256; i++)
		EXPECT_EQ(pthread_join(t[i], NULL), 0);
	EXPECT_TRUE(ktap_until(ktap_number("/proc/self/status", "Threads") == 1));
}

static void *ping(void *arg)
{
	long me = (long)arg;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < 500; i++) {
		while (shared % 2 != me)
			pthread_cond_wait(&cond, &lock);
		shared++;
		pthread_cond_broadcast(&cond);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

TEST(condition_variables_hand_over)
{
	pthread_t a, b;
	START(a, ping, (void *)0);
	START(b, ping, (void *)1);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	EXPECT_EQ(shared, 1000);
}

/* The table of open files grows in one thread while another one copies it. */
static void *grow_files(void *arg)
{
	for (int fd = 64; fd < 4000; fd = fd * 2) {
		dup2(0, fd);
		sched_yield();
	}
	return NULL;
}

TEST(fork_while_the_file_table_grows)
{
	struct rlimit r = { 4096, 4096 };
	OK(setrlimit(RLIMIT_NOFILE, &r));
	for (long i = 0; i < ktap_scale(20); i++) {
		pid_t pid = ktap_fork();
		if (!pid) {
			pthread_t t;
			START(t, grow_files, NULL);
			for (int j = 0; j < 5; j++) {
				pid_t p = ktap_fork();
				if (!p)
					_exit(0);
				EXPECT_STATUS(p, EXITED(0));
			}
			pthread_join(t, NULL);
			ktap_exit();
		}
		EXPECT_CHILD(pid);
	}
}

/* Two threads set the one interval timer; whoever was last, exit must find it. */
static void *set_timers(void *arg)
{
	for (int i = 0; i < 200; i++) {
		struct itimerval v = { { 0, 0 }, { 0, i % 2 ? 0 : 900 + i } };
		setitimer(ITIMER_REAL, &v, NULL);
	}
	return NULL;
}

TEST(two_threads_set_one_timer_and_exit)
{
	for (long i = 0; i < ktap_scale(20); i++) {
		pid_t pid = ktap_fork();
		if (!pid) {
			pthread_t t[2];
			signal(SIGALRM, SIG_IGN);
			START(t[0], set_timers, NULL);
			START(t[1], set_timers, NULL);
			pthread_join(t[0], NULL);
			pthread_join(t[1], NULL);
			_exit(0);
		}
		EXPECT_STATUS(pid, EXITED(0));
	}
}

TEST(timed_waits_end)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += 50000000;
	if (t.tv_nsec >= 1000000000)
		t.tv_sec++, t.tv_nsec -= 1000000000;
	pthread_mutex_lock(&lock);
	EXPECT_EQ(pthread_cond_timedwait(&cond, &lock, &t), ETIMEDOUT);
	pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&held);
	EXPECT_EQ(pthread_mutex_timedlock(&held, &t), ETIMEDOUT);
}

static void *cancel_body(void *arg)
{
	sleep(1000);
	return NULL;
}

TEST(cancel_in_a_blocking_call)
{
	pthread_t t;
	void *result;
	START(t, cancel_body, NULL);
	ktap_sleep_ms(20);
	EXPECT_EQ(pthread_cancel(t), 0);
	EXPECT_EQ(pthread_join(t, &result), 0);
	EXPECT_EQ(result, PTHREAD_CANCELED);
}

static pthread_mutex_t robust;
static void *die_holding(void *arg)
{
	pthread_mutex_lock(&robust);
	return NULL;
}

TEST(robust_mutex_tells_of_a_dead_owner)
{
	pthread_mutexattr_t a;
	pthread_t t;
	pthread_mutexattr_init(&a);
	EXPECT_EQ(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST), 0);
	pthread_mutex_init(&robust, &a);
	START(t, die_holding, NULL);
	pthread_join(t, NULL);
	EXPECT_EQ(pthread_mutex_lock(&robust), EOWNERDEAD);
	EXPECT_EQ(pthread_mutex_consistent(&robust), 0);
	EXPECT_EQ(pthread_mutex_unlock(&robust), 0);
	EXPECT_EQ(pthread_mutex_lock(&robust), 0);
}

TEST(robust_mutex_across_processes)
{
	pthread_mutexattr_t a;
	pthread_mutex_t *m = OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(m, &a);
	pid_t pid = ktap_fork();
	if (!pid) {
		pthread_mutex_lock(m);
		kill(getpid(), SIGKILL);
	}
	EXPECT_STATUS(pid, SIGKILL);
	EXPECT_EQ(pthread_mutex_lock(m), EOWNERDEAD);
}

TEST(process_shared_semaphore)
{
	sem_t *s = OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	sem_init(&s[0], 1, 0);
	sem_init(&s[1], 1, 0);
	pid_t pid = ktap_fork();
	if (!pid) {
		for (int i = 0; i < 200; i++) {
			sem_wait(&s[0]);
			sem_post(&s[1]);
		}
		_exit(0);
	}
	for (int i = 0; i < 200; i++) {
		sem_post(&s[0]);
		sem_wait(&s[1]);
	}
	EXPECT_CHILD(pid);
}

static void *exit_process(void *arg) { ktap_sleep_ms(20); _exit(17); }

TEST(exit_group_ends_all_threads)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		pthread_t t;
		pthread_create(&t, NULL, cancel_body, NULL);
		pthread_create(&t, NULL, exit_process, NULL);
		for (;;)
			pause();
	}
	EXPECT_STATUS(pid, EXITED(17));
}

static void *late_exit(void *arg) { ktap_sleep_ms(50); exit(4); }

TEST(leader_may_end_first)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		pthread_t t;
		pthread_create(&t, NULL, late_exit, NULL);
		syscall(SYS_exit, 0);
	}
	EXPECT_STATUS(pid, EXITED(4));
}

static void *exec_body(void *arg)
{
	execl("/bin/sh", "sh", "-c", "exit $(( $$ == PPID ? 1 : 21 ))", (char *)NULL);
	_exit(1);
}

TEST(exec_in_a_thread_keeps_the_pid)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		pthread_t t;
		pthread_create(&t, NULL, cancel_body, NULL);
		pthread_create(&t, NULL, exec_body, NULL);
		for (;;)
			pause();
	}
	EXPECT_STATUS(pid, EXITED(21));
}

static void *fault_body(void *arg) { *(volatile int *)arg = 1; return NULL; }

TEST(fault_of_one_thread_kills_the_process)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		pthread_t t;
		pthread_create(&t, NULL, fault_body, (void *)8);
		for (;;)
			pause();
	}
	EXPECT_STATUS(pid, SIGSEGV);
}

static volatile pid_t handled_by;
static void on_signal(int sig) { handled_by = gettid(); }
static void *kill_me(void *arg)
{
	pthread_barrier_wait(&barrier);
	while (!handled_by)
		sched_yield();
	return (void *)(long)gettid();
}

TEST(pthread_kill_hits_that_thread)
{
	pthread_t t;
	void *tid;
	pthread_barrier_init(&barrier, NULL, 2);
	signal(SIGUSR1, on_signal);
	START(t, kill_me, NULL);
	pthread_barrier_wait(&barrier);
	EXPECT_EQ(pthread_kill(t, SIGUSR1), 0);
	pthread_join(t, &tid);
	EXPECT_EQ(handled_by, (long)tid);
}

TEST(process_signal_goes_to_a_thread_that_takes_it)
{
	pthread_t t;
	void *tid;
	sigset_t s;
	pthread_barrier_init(&barrier, NULL, 2);
	signal(SIGUSR1, on_signal);
	START(t, kill_me, NULL);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	pthread_barrier_wait(&barrier);
	kill(getpid(), SIGUSR1);
	pthread_join(t, &tid);
	EXPECT_EQ(handled_by, (long)tid);
}

static void *named(void *arg)
{
	prctl(PR_SET_NAME, "worker");
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

TEST(proc_task_lists_threads)
{
	pthread_t t;
	char path[80], *text;
	int found = 0;
	pthread_barrier_init(&barrier, NULL, 2);
	START(t, named, NULL);
	pthread_barrier_wait(&barrier);
	for (int tid = getpid(); tid < getpid() + 50; tid++) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
		text = ktap_read(path);
		found += text && !strcmp(text, "worker\n");
	}
	EXPECT_EQ(found, 1);
	EXPECT_STR(ktap_read("/proc/self/comm"), "thread\n");
	pthread_barrier_wait(&barrier);
	pthread_join(t, NULL);
}

static void *fork_body(void *arg)
{
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		if (!pid)
			_exit(3);
		if (pid < 0 || ktap_wait(pid) != EXITED(3))
			return (void *)1;
	}
	return NULL;
}

TEST(fork_from_several_threads)
{
	pthread_t t[4];
	void *bad;
	for (int i = 0; i < 4; i++)
		START(t[i], fork_body, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &bad);
		EXPECT_EQ(bad, NULL);
	}
}

static void *map_body(void *arg)
{
	for (long i = 0; i < ktap_scale(200); i++) {
		char *p = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return (void *)1;
		for (int j = 0; j < 64; j++)
			p[j * 4096] = j;
		mprotect(p, 32 * 4096, PROT_READ);
		for (int j = 0; j < 64; j++)
			if (p[j * 4096] != j)
				return (void *)2;
		munmap(p, 64 * 4096);
	}
	return NULL;
}

TEST(mapping_and_faulting_in_parallel)
{
	pthread_t t[4];
	void *bad;
	for (int i = 0; i < 4; i++)
		START(t[i], map_body, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &bad);
		EXPECT_EQ(bad, NULL);
	}
}

static void *nothing(void *arg) { return arg; }

TEST(threads_come_and_go)
{
	for (long i = 0; i < ktap_scale(1000); i++) {
		pthread_t t;
		START(t, nothing, NULL);
		ASSERT_EQ(pthread_join(t, NULL), 0);
	}
}

TEST(glibc_threads)
{
	int fds[2];
	char text[40] = "";
	if (access("/tests/helper/glibc_threads", X_OK))
		SKIP("no static glibc program in this image");
	OK(pipe2(fds, O_CLOEXEC));
	pid_t pid = ktap_fork();
	if (!pid) {
		dup2(fds[1], 1);
		execl("/tests/helper/glibc_threads", "glibc_threads", (char *)NULL);
		_exit(1);
	}
	close(fds[1]);
	read(fds[0], text, 39);
	EXPECT_STR(text, "glibc ok 8000\n");
	EXPECT_STATUS(pid, EXITED(7));
}
