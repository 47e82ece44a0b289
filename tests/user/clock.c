/* tests/user/clock.c - clocks that only go forward, sleeps that last, timers, CPU time. */
#include "tests/user/ktap.h"
#include <pthread.h>
#include <sys/time.h>
#include <sys/times.h>

static double at(clockid_t c)
{
	struct timespec t;
	OK(clock_gettime(c, &t));
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static volatile int stop;
static volatile long backwards;
static void *watch(void *arg)
{
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	while (!stop) {
		clock_gettime(CLOCK_MONOTONIC, &b);
		if (b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec))
			backwards++;
		a = b;
	}
	return NULL;
}

TEST(monotonic_in_each_thread)
{
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(pthread_create(&t[i], NULL, watch, NULL), 0);
	ktap_sleep_ms(500);
	stop = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	EXPECT_EQ(backwards, 0);
}

/* The later of two threads' readings, ordered by a shared word: no CPU's clock may be behind another's. */
static unsigned long last_ns;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *compare(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		struct timespec t;
		pthread_mutex_lock(&lock);
		clock_gettime(CLOCK_MONOTONIC, &t);
		unsigned long ns = t.tv_sec * 1000000000ul + t.tv_nsec;
		backwards += ns < last_ns;
		last_ns = ns;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

TEST(monotonic_across_cpus)
{
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(pthread_create(&t[i], NULL, compare, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	EXPECT_EQ(backwards, 0);
}

TEST(sleeps_last_at_least_as_long_as_asked)
{
	static const long ns[] = { 0, 1, 1000, 1000000, 20000000, 150000000 };
	for (unsigned int i = 0; i < sizeof(ns) / sizeof(*ns); i++) {
		struct timespec t = { 0, ns[i] };
		double began = at(CLOCK_MONOTONIC);
		OK(nanosleep(&t, NULL));
		EXPECT_TRUE(at(CLOCK_MONOTONIC) - began >= ns[i] * 1e-9);
	}
}

TEST(clock_nanosleep_until_a_time)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec++;
	double want = t.tv_sec + t.tv_nsec * 1e-9;
	EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL), 0);
	EXPECT_TRUE(at(CLOCK_MONOTONIC) >= want);
	/* A time that is over: at once. */
	EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL), 0);
	clock_gettime(CLOCK_REALTIME, &t);
	EXPECT_EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL), 0);
	EXPECT_EQ(clock_nanosleep(77, 0, &t, NULL), EINVAL);
}

TEST(errors)
{
	struct timespec bad = { 0, 1000000000 }, negative = { -1, 0 };
	EXPECT_ERR(nanosleep(&bad, NULL), EINVAL);
	EXPECT_ERR(nanosleep(&negative, NULL), EINVAL);
	EXPECT_ERR(clock_gettime(99, &bad), EINVAL);
	EXPECT_ERR(clock_getres(99, &bad), EINVAL);
}

TEST(resolution_is_a_nanosecond)
{
	struct timespec t = { 5, 5 };
	OK(clock_getres(CLOCK_MONOTONIC, &t));
	EXPECT_EQ(t.tv_sec, 0);
	EXPECT_EQ(t.tv_nsec, 1);
}

TEST(all_clocks_tick)
{
	static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
					    CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME };
	double a[6];
	for (int i = 0; i < 6; i++)
		a[i] = at(clocks[i]);
	ktap_sleep_ms(100);
	for (int i = 0; i < 6; i++) {
		double d = at(clocks[i]) - a[i];
		EXPECT_TRUE(d > 0.08);
	}
}

TEST(wall_clock_calls_agree)
{
	struct timeval v;
	OK(gettimeofday(&v, NULL));
	double now = at(CLOCK_REALTIME);
	EXPECT_TRUE(now - (v.tv_sec + v.tv_usec * 1e-6) < 1);
	EXPECT_LE(labs(time(NULL) - v.tv_sec), 1);
	EXPECT_GT(v.tv_sec, 1500000000);
}

TEST(cpu_clocks_count_work_not_sleep)
{
	double p = at(CLOCK_PROCESS_CPUTIME_ID), t = at(CLOCK_THREAD_CPUTIME_ID), began = ktap_now();
	ktap_sleep_ms(200);
	EXPECT_TRUE(at(CLOCK_PROCESS_CPUTIME_ID) - p < (ktap_now() - began) * 0.9);
	double end = ktap_now() + 0.2;
	while (ktap_now() < end)
		;
	EXPECT_TRUE(at(CLOCK_PROCESS_CPUTIME_ID) - p > 0.04);
	EXPECT_TRUE(at(CLOCK_THREAD_CPUTIME_ID) - t > 0.04);
}

TEST(times_and_rusage_move)
{
	struct tms a, b;
	clock_t wall = times(&a);
	double end = ktap_now() + 0.5;
	while (ktap_now() < end)
		getppid();
	EXPECT_GE(times(&b) - wall, 40);
	EXPECT_GE(b.tms_utime + b.tms_stime - a.tms_utime - a.tms_stime, 5);
}

static volatile int ticks;
static void on_alarm(int sig) { ticks++; }

TEST(interval_timer_repeats)
{
	struct itimerval t = { { 0, 30000 }, { 0, 30000 } };
	signal(SIGALRM, on_alarm);
	OK(setitimer(ITIMER_REAL, &t, NULL));
	double began = ktap_now();
	while (ticks < 5)
		pause();
	EXPECT_TRUE(ktap_now() - began >= 0.14);
	memset(&t, 0, sizeof(t));
	OK(setitimer(ITIMER_REAL, &t, NULL));
	int n = ticks;
	ktap_sleep_ms(100);
	EXPECT_EQ(ticks, n);
}

TEST(timer_create_if_there)
{
	timer_t id;
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct itimerspec t = { { 0, 0 }, { 0, 50000000 } };
	signal(SIGALRM, on_alarm);
	if (timer_create(CLOCK_MONOTONIC, &e, &id)) {
		EXPECT_EQ(errno, ENOSYS);
		SKIP("no timer_create");
	}
	OK(timer_settime(id, 0, &t, NULL));
	EXPECT_TRUE(ktap_until(ticks == 1));
	OK(timer_delete(id));
}

TEST(many_sleepers_wake_when_their_time_has_come)
{
	for (int i = 0; i < 8; i++)
		if (ktap_fork() == 0) {
			double due = ktap_now() + 0.1 + (7 - i) * 0.12;
			ktap_sleep_ms(100 + (7 - i) * 120);
			EXPECT_TRUE(ktap_now() >= due - 0.001);
			ktap_exit();
		}
	for (int i = 0; i < 8; i++)
		EXPECT_CHILD(-1);
}
