/* tests/user/poll.c - poll, ppoll, select, pselect on pipes, files, ttys and bad descriptors. */
#include "tests/user/ktap.h"
#include <sys/select.h>

static int one(int fd, int events, int timeout_ms, int *revents)
{
	struct pollfd p = { fd, events, 0 };
	int n = poll(&p, 1, timeout_ms);
	*revents = p.revents;
	return n;
}

TEST(pipe_ends)
{
	int fds[2], got;
	OK(pipe(fds));
	EXPECT_EQ(one(fds[0], POLLIN, 0, &got), 0);
	EXPECT_EQ(one(fds[1], POLLOUT, 0, &got), 1);
	EXPECT_EQ(got, POLLOUT);
	OK(write(fds[1], "x", 1));
	EXPECT_EQ(one(fds[0], POLLIN, 0, &got), 1);
	EXPECT_EQ(got, POLLIN);
	close(fds[1]);
	EXPECT_EQ(one(fds[0], POLLIN, 0, &got), 1);
	EXPECT_EQ(got, POLLIN | POLLHUP);
	char c;
	read(fds[0], &c, 1);
	EXPECT_EQ(one(fds[0], POLLIN, 0, &got), 1);
	EXPECT_EQ(got, POLLHUP);
}

TEST(writer_without_reader_is_pollerr)
{
	int fds[2], got;
	OK(pipe(fds));
	close(fds[0]);
	EXPECT_EQ(one(fds[1], POLLOUT, 0, &got), 1);
	EXPECT_EQ(got, POLLOUT | POLLERR);
}

TEST(full_pipe_is_not_writable)
{
	int fds[2], got;
	static char block[65536];
	OK(pipe2(fds, O_NONBLOCK));
	OK(write(fds[1], block, sizeof(block)));
	EXPECT_EQ(one(fds[1], POLLOUT, 0, &got), 0);
	OK(read(fds[0], block, 8192));
	EXPECT_EQ(one(fds[1], POLLOUT, 0, &got), 1);
}

TEST(bad_and_negative_descriptors)
{
	int got;
	EXPECT_EQ(one(99, POLLIN, 0, &got), 1);
	EXPECT_EQ(got, POLLNVAL);
	EXPECT_EQ(one(-1, POLLIN, 0, &got), 0);
	EXPECT_EQ(got, 0);
	EXPECT_ERR(poll((struct pollfd *)8, 1, 0), EFAULT);
	EXPECT_ERR(poll(NULL, 1 << 30, 0), EINVAL);
}

TEST(regular_files_are_always_ready)
{
	int got;
	EXPECT_EQ(one(open("/proc/self/exe", O_RDONLY), POLLIN | POLLOUT, 1000, &got), 1);
	EXPECT_EQ(got, POLLIN | POLLOUT);
}

TEST(timeout_is_kept)
{
	int got;
	double began = ktap_now();
	EXPECT_EQ(one(-1, 0, 100, &got), 0);
	EXPECT_TRUE(ktap_now() - began >= 0.1);
}

TEST(poll_wakes_up)
{
	int fds[2], got;
	OK(pipe(fds));
	pid_t pid = ktap_fork();
	if (!pid) {
		ktap_sleep_ms(50);
		write(fds[1], "x", 1);
		_exit(0);
	}
	EXPECT_EQ(one(fds[0], POLLIN, 10000, &got), 1);
	EXPECT_CHILD(pid);
}

TEST(many_descriptors)
{
	enum { N = 200 };
	int fds[N][2];
	struct pollfd p[N];
	for (int i = 0; i < N; i++) {
		OK(pipe(fds[i]));
		p[i] = (struct pollfd){ fds[i][0], POLLIN, 0 };
	}
	EXPECT_EQ(poll(p, N, 0), 0);
	write(fds[7][1], "x", 1);
	write(fds[193][1], "x", 1);
	EXPECT_EQ(poll(p, N, -1), 2);
	EXPECT_EQ(p[193].revents, POLLIN);
}

TEST(select_counts_and_clears)
{
	int fds[2];
	fd_set r, w;
	struct timeval t = { 0, 0 };
	OK(pipe(fds));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(fds[0], &r);
	FD_SET(fds[1], &w);
	EXPECT_EQ(select(fds[1] + 1, &r, &w, NULL, &t), 1);
	EXPECT_TRUE(!FD_ISSET(fds[0], &r) && FD_ISSET(fds[1], &w));
	write(fds[1], "x", 1);
	FD_SET(fds[0], &r);
	EXPECT_EQ(select(fds[1] + 1, &r, &w, NULL, NULL), 2);
	FD_ZERO(&r);
	FD_SET(40, &r);
	EXPECT_ERR(select(41, &r, NULL, NULL, &t), EBADF);
	EXPECT_ERR(select(-1, NULL, NULL, NULL, &t), EINVAL);
}

TEST(select_writes_back_the_rest)
{
	int fds[2];
	fd_set r;
	struct timeval t = { 5, 0 };
	OK(pipe(fds));
	write(fds[1], "x", 1);
	FD_ZERO(&r);
	FD_SET(fds[0], &r);
	EXPECT_EQ(syscall(SYS_select, fds[0] + 1, &r, NULL, NULL, &t), 1);
	EXPECT_LE(t.tv_sec, 5);
	EXPECT_GE(t.tv_sec, 3);
}

static volatile int seen;
static void on_signal(int sig) { seen++; }

TEST(ppoll_and_pselect_swap_the_mask)
{
	sigset_t block, empty, now;
	struct timespec t = { 5, 0 };
	signal(SIGUSR1, on_signal);
	sigemptyset(&empty);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &block, NULL));
	kill(getpid(), SIGUSR1);
	EXPECT_EQ(seen, 0);
	EXPECT_ERR(ppoll(NULL, 0, &t, &empty), EINTR);
	EXPECT_EQ(seen, 1);
	kill(getpid(), SIGUSR1);
	EXPECT_ERR(pselect(0, NULL, NULL, NULL, &t, &empty), EINTR);
	EXPECT_EQ(seen, 2);
	sigprocmask(SIG_BLOCK, NULL, &now);
	EXPECT_EQ(sigismember(&now, SIGUSR1), 1);
}
