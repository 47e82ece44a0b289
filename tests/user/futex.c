/* tests/user/futex.c - futex(2) itself: wait, wake, requeue, bitsets, timeouts, sharing, errors. */
#include "tests/user/ktap.h"
#include <dirent.h>
#include <pthread.h>

#define WAIT 0
#define WAKE 1
#define REQUEUE 3
#define CMP_REQUEUE 4
#define WAKE_OP 5
#define UNLOCK_PI 7
#define WAIT_BITSET 9
#define WAKE_BITSET 10
#define PRIVATE 128
#define REALTIME 256

static int word, word2;
static volatile int woken;

static long futex(int *at, int op, int value, const void *timeout, int *at2, int value3)
{
	return syscall(SYS_futex, at, op, value, timeout, at2, value3);
}
static void *waiter(void *arg)
{
	if (futex(&word, WAIT | PRIVATE, 0, NULL, NULL, 0) == 0)
		__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}
/* How many threads of this process sleep. */
static int sleeping_threads(void)
{
	char path[300];
	struct dirent *e;
	int n = 0;
	DIR *d = opendir("/proc/self/task");
	while ((e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s", e->d_name);
		n += e->d_name[0] != '.' && ktap_state_of(path) == 'S';
	}
	closedir(d);
	return n;
}

/* Start N threads of FN; returns when all of them wait. */
static void start_waiters(pthread_t *t, int n, void *(*fn)(void *))
{
	for (long i = 0; i < n; i++)
		ASSERT_EQ(pthread_create(&t[i], NULL, fn, (void *)i), 0);
	EXPECT_TRUE(ktap_until(sleeping_threads() == n));
}

TEST(wrong_value_is_eagain)
{
	word = 1;
	EXPECT_ERR(futex(&word, WAIT, 0, NULL, NULL, 0), EAGAIN);
	EXPECT_ERR(futex(&word, WAIT | PRIVATE, 2, NULL, NULL, 0), EAGAIN);
}

TEST(timeouts)
{
	struct timespec t = { 0, 50000000 };
	double began = ktap_now();
	EXPECT_ERR(futex(&word, WAIT | PRIVATE, 0, &t, NULL, 0), ETIMEDOUT);
	EXPECT_TRUE(ktap_now() - began >= 0.05);
	/* The bitset form takes an absolute time. */
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += 1;
	began = ktap_now();
	EXPECT_ERR(futex(&word, WAIT_BITSET | PRIVATE, 0, &t, NULL, -1), ETIMEDOUT);
	EXPECT_TRUE(ktap_now() - began >= 0.9);
	clock_gettime(CLOCK_REALTIME, &t);
	EXPECT_ERR(futex(&word, WAIT_BITSET | PRIVATE | REALTIME, 0, &t, NULL, -1), ETIMEDOUT);
	t.tv_nsec = 2000000000;
	EXPECT_ERR(futex(&word, WAIT | PRIVATE, 0, &t, NULL, 0), EINVAL);
}

TEST(errors)
{
	EXPECT_ERR(futex((int *)((char *)&word + 1), WAIT, 0, NULL, NULL, 0), EINVAL);
	EXPECT_ERR(futex((int *)8, WAIT, 0, NULL, NULL, 0), EFAULT);
	EXPECT_ERR(futex((int *)8, WAKE, 1, NULL, NULL, 0), EFAULT);
	EXPECT_ERR(futex(&word, 77, 0, NULL, NULL, 0), ENOSYS);
	EXPECT_ERR(futex(&word, WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
	EXPECT_EQ(futex(&word, WAKE, 1, NULL, NULL, 0), 0);
	/* PI: there, or politely absent. */
	word = 5;
	EXPECT_EQ(futex(&word, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0), -1);
	EXPECT_TRUE(errno == EPERM || errno == ENOSYS);
}

TEST(wake_counts)
{
	pthread_t t[5];
	start_waiters(t, 5, waiter);
	EXPECT_EQ(futex(&word, WAKE | PRIVATE, 2, NULL, NULL, 0), 2);
	EXPECT_TRUE(ktap_until(woken == 2));
	EXPECT_EQ(futex(&word, WAKE | PRIVATE, INT_MAX, NULL, NULL, 0), 3);
	for (int i = 0; i < 5; i++)
		pthread_join(t[i], NULL);
	EXPECT_EQ(woken, 5);
}

TEST(requeue_moves_waiters)
{
	pthread_t t[4];
	start_waiters(t, 4, waiter);
	EXPECT_ERR(futex(&word, CMP_REQUEUE | PRIVATE, 1, (void *)10, &word2, 1), EAGAIN);
	EXPECT_EQ(futex(&word, CMP_REQUEUE | PRIVATE, 1, (void *)10, &word2, 0), 4);
	EXPECT_EQ(futex(&word, WAKE | PRIVATE, 10, NULL, NULL, 0), 0);
	EXPECT_EQ(futex(&word2, REQUEUE | PRIVATE, 0, (void *)1, &word, 0), 1);
	EXPECT_EQ(futex(&word2, WAKE | PRIVATE, 10, NULL, NULL, 0), 2);
	EXPECT_EQ(futex(&word, WAKE | PRIVATE, 10, NULL, NULL, 0), 1);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

TEST(requeue_onto_itself_ends)
{
	pthread_t t[3];
	start_waiters(t, 3, waiter);
	double began = ktap_now();
	EXPECT_EQ(futex(&word, CMP_REQUEUE | PRIVATE, 0, (void *)0x7fffffff, &word, 0), 3);
	EXPECT_LT(ktap_now() - began, 1.0);
	EXPECT_EQ(futex(&word, WAKE | PRIVATE, 10, NULL, NULL, 0), 3);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
}

TEST(wake_op_works_on_both_words)
{
	pthread_t t[2];
	start_waiters(t, 2, waiter);
	word2 = 5;
	/* word2 += 3; wake one of word; if the old word2 was 5, also one of word2 (nobody). */
	EXPECT_EQ(futex(&word, WAKE_OP | PRIVATE, 1, (void *)1, &word2, 1 << 28 | 0 << 24 | 3 << 12 | 5), 1);
	EXPECT_EQ(word2, 8);
	EXPECT_EQ(futex(&word, WAKE | PRIVATE, 10, NULL, NULL, 0), 1);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}

static void *bit_waiter(void *arg)
{
	futex(&word, WAIT_BITSET | PRIVATE, 0, NULL, NULL, 1 << (long)arg);
	__atomic_or_fetch(&woken, 1 << (long)arg, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST(bitsets_choose)
{
	pthread_t t[3];
	start_waiters(t, 3, bit_waiter);
	EXPECT_EQ(futex(&word, WAKE_BITSET | PRIVATE, 10, NULL, NULL, 2), 1);
	EXPECT_TRUE(ktap_until(woken == 2));
	EXPECT_EQ(futex(&word, WAKE_BITSET | PRIVATE, 10, NULL, NULL, 5), 2);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
}

static void wake_after(int *at, int op)
{
	/* The value is set first, so that a waiter that comes late does not sleep. */
	ktap_sleep_ms(50);
	__atomic_store_n(at, 1, __ATOMIC_SEQ_CST);
	futex(at, op, 1, NULL, NULL, 0);
}

TEST(shared_memory_between_processes)
{
	int *p = OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pid_t pid = ktap_fork();
	if (!pid) {
		wake_after(p, WAKE);
		_exit(0);
	}
	while (!*(volatile int *)p)
		futex(p, WAIT, 0, NULL, NULL, 0);
	EXPECT_CHILD(pid);
}

TEST(file_mapped_at_two_addresses)
{
	int fd = OK(open("/dev/shm", O_TMPFILE | O_RDWR, 0600));
	OK(ftruncate(fd, 4096));
	int *a = OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	int *b = OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	EXPECT_NE(a, b);
	pid_t pid = ktap_fork();
	if (!pid) {
		wake_after(b, WAKE);
		_exit(0);
	}
	while (!*(volatile int *)a)
		futex(a, WAIT, 0, NULL, NULL, 0);
	EXPECT_CHILD(pid);
}

TEST(private_words_do_not_meet_over_fork)
{
	struct timespec t = { 0, 100000000 };
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(futex(&word, WAKE, 10, NULL, NULL, 0), 0);
		ktap_exit();
	}
	EXPECT_ERR(futex(&word, WAIT, 0, &t, NULL, 0), ETIMEDOUT);
	EXPECT_CHILD(pid);
}

static void on_signal(int sig) { }

TEST(signal_interrupts)
{
	struct sigaction a = { .sa_handler = on_signal };
	sigaction(SIGALRM, &a, NULL);
	struct timespec t = { 5, 0 };
	alarm(1);
	EXPECT_ERR(futex(&word, WAIT, 0, &t, NULL, 0), EINTR);
}

static int turn;
static void *ping(void *arg)
{
	int me = (long)arg;
	for (long i = 0; i < ktap_scale(1000); i++) {
		while (__atomic_load_n(&turn, __ATOMIC_SEQ_CST) != me)
			futex(&turn, WAIT | PRIVATE, !me, NULL, NULL, 0);
		__atomic_store_n(&turn, !me, __ATOMIC_SEQ_CST);
		futex(&turn, WAKE | PRIVATE, 1, NULL, NULL, 0);
	}
	return NULL;
}

TEST(no_wake_up_is_lost)
{
	pthread_t t[2];
	for (long i = 0; i < 2; i++)
		ASSERT_EQ(pthread_create(&t[i], NULL, ping, (void *)i), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}
