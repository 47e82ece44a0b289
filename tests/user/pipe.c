/* tests/user/pipe.c - pipes and FIFOs: blocking, EPIPE, capacity, atomic writes, splice, tee, vmsplice, socketpair. */
#include "tests/user/pages.h"
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void make_pipe(int fds[2], int flags) { OK(pipe2(fds, flags)); }
static volatile int pipe_signals;
static void on_sigpipe(int sig) { pipe_signals++; }

TEST(bytes_arrive_in_order)
{
	int fds[2];
	char text[10] = "";
	make_pipe(fds, 0);
	OK(write(fds[1], "abc", 3));
	OK(write(fds[1], "def", 3));
	EXPECT_EQ(read(fds[0], text, 2), 2);
	EXPECT_EQ(read(fds[0], text + 2, 9), 4);
	EXPECT_STR(text, "abcdef");
}

TEST(end_of_file_when_the_last_writer_closes)
{
	int fds[2];
	char c;
	make_pipe(fds, 0);
	int copy = OK(dup(fds[1]));
	close(fds[1]);
	OK(write(copy, "x", 1));
	close(copy);
	EXPECT_EQ(read(fds[0], &c, 1), 1);
	EXPECT_EQ(read(fds[0], &c, 1), 0);
}

TEST(no_reader_gives_epipe_and_sigpipe)
{
	int fds[2];
	make_pipe(fds, 0);
	close(fds[0]);
	signal(SIGPIPE, on_sigpipe);
	EXPECT_ERR(write(fds[1], "x", 1), EPIPE);
	EXPECT_EQ(pipe_signals, 1);
	signal(SIGPIPE, SIG_IGN);
	EXPECT_ERR(write(fds[1], "x", 1), EPIPE);
}

TEST(blocked_writer_gets_epipe_when_the_reader_leaves)
{
	int fds[2];
	static char block[100000];
	make_pipe(fds, 0);
	pid_t pid = ktap_fork();
	if (!pid) {
		close(fds[1]);
		ktap_asleep(getppid());
		_exit(0);
	}
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	EXPECT_EQ(write(fds[1], block, sizeof(block)), 65536);
	EXPECT_ERR(write(fds[1], "x", 1), EPIPE);
	EXPECT_CHILD(pid);
}

TEST(capacity_is_64_kib)
{
	int fds[2];
	long n = 0;
	make_pipe(fds, O_NONBLOCK);
	while (write(fds[1], "x", 1) == 1)
		n++;
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(n, 65536);
	EXPECT_EQ(fcntl(fds[0], F_GETPIPE_SZ), 65536);
	int ready;
	OK(ioctl(fds[0], FIONREAD, &ready));
	EXPECT_EQ(ready, 65536);
}

TEST(capacity_can_be_set)
{
	int fds[2];
	static char block[200000];
	make_pipe(fds, O_NONBLOCK);
	EXPECT_EQ(fcntl(fds[1], F_SETPIPE_SZ, 100000), 131072);
	EXPECT_EQ(write(fds[1], block, sizeof(block)), 131072);
	EXPECT_ERR(fcntl(fds[1], F_SETPIPE_SZ, 4096), EBUSY);
	EXPECT_EQ(read(fds[0], block, sizeof(block)), 131072);
	EXPECT_EQ(fcntl(fds[1], F_SETPIPE_SZ, 1), 4096);
}

TEST(nonblocking_read_of_an_empty_pipe)
{
	int fds[2];
	char c;
	make_pipe(fds, O_NONBLOCK);
	EXPECT_ERR(read(fds[0], &c, 1), EAGAIN);
	close(fds[1]);
	EXPECT_EQ(read(fds[0], &c, 1), 0);
}

TEST(errors)
{
	int fds[2];
	char c;
	make_pipe(fds, 0);
	EXPECT_ERR(read(fds[1], &c, 1), EBADF);
	EXPECT_ERR(write(fds[0], &c, 1), EBADF);
	EXPECT_ERR(lseek(fds[0], 0, SEEK_SET), ESPIPE);
	EXPECT_ERR(pread(fds[0], &c, 1, 0), ESPIPE);
	EXPECT_ERR(pipe((int *)8), EFAULT);
	EXPECT_ERR(pipe2(fds, 0x1), EINVAL);
	EXPECT_EQ(read(fds[0], &c, 0), 0);
	OK(write(fds[1], "x", 1));
	EXPECT_ERR(read(fds[0], (char *)8, 1), EFAULT);
	EXPECT_ERR(write(fds[1], (char *)8, 1), EFAULT);
	EXPECT_EQ(read(fds[0], &c, 1), 1);
}

TEST(small_writes_are_atomic)
{
	int fds[2];
	char block[512];
	make_pipe(fds, 0);
	for (int i = 0; i < 4; i++) {
		if (ktap_fork() == 0) {
			memset(block, 'a' + i, sizeof(block));
			for (int n = 0; n < 500; n++)
				if (write(fds[1], block, sizeof(block)) != sizeof(block))
					_exit(1);
			_exit(0);
		}
	}
	close(fds[1]);
	long total = 0;
	for (;;) {
		size_t got = 0;
		ssize_t n = 1;
		while (got < sizeof(block) && (n = read(fds[0], block + got, sizeof(block) - got)) > 0)
			got += n;
		if (n <= 0)
			break;
		total += got;
		for (size_t i = 1; i < sizeof(block); i++)
			ASSERT_EQ(block[i], block[0]);
	}
	EXPECT_EQ(total, 4 * 500 * 512);
	for (int i = 0; i < 4; i++)
		EXPECT_CHILD(-1);
}

TEST(much_data_through_two_pipes_at_once)
{
	int there[2], again[2];
	unsigned char block[7000];
	long n = ktap_scale(4 << 20) / 7000 * 7000;
	make_pipe(there, 0);
	make_pipe(again, 0);
	pid_t echo = ktap_fork();
	if (!echo) {
		ssize_t got;
		close(there[1]);
		while ((got = read(there[0], block, sizeof(block))) > 0)
			if (write(again[1], block, got) != got)
				_exit(1);
		_exit(0);
	}
	close(there[0]);
	close(again[1]);
	pid_t writer = ktap_fork();
	if (!writer) {
		close(again[0]);
		for (long at = 0; at < n; at += sizeof(block)) {
			for (unsigned int i = 0; i < sizeof(block); i++)
				block[i] = (at + i) * 7 >> 3;
			if (write(there[1], block, sizeof(block)) != sizeof(block))
				_exit(1);
		}
		_exit(0);
	}
	close(there[1]);
	long at = 0;
	ssize_t got;
	while ((got = read(again[0], block, sizeof(block))) > 0)
		for (ssize_t i = 0; i < got; i++, at++)
			ASSERT_EQ(block[i], (unsigned char)(at * 7 >> 3));
	EXPECT_EQ(at, n);
	EXPECT_CHILD(writer);
	EXPECT_CHILD(echo);
}

TEST(fifo)
{
	char path[] = "/tmp/fifo.XXXXXX", c;
	OK(mkdtemp(path) ? 0 : -1);
	OK(chdir(path));
	OK(mkfifo("f", 0600));
	EXPECT_ERR(open("f", O_WRONLY | O_NONBLOCK), ENXIO);
	int fd = OK(open("f", O_RDONLY | O_NONBLOCK));
	EXPECT_EQ(read(fd, &c, 1), 0);
	close(fd);
	pid_t pid = ktap_fork();
	if (!pid) {
		int w = OK(open("f", O_WRONLY));	/* waits for a reader */
		OK(write(w, "x", 1));
		ktap_exit();
	}
	fd = OK(open("f", O_RDONLY));
	EXPECT_EQ(read(fd, &c, 1), 1);
	EXPECT_EQ(read(fd, &c, 1), 0);
	EXPECT_CHILD(pid);
}

TEST(splice_from_file_to_pipe_and_back)
{
	int fds[2];
	char text[20] = "";
	make_pipe(fds, 0);
	int in = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600)), out = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	OK(write(in, "0123456789", 10));
	loff_t at = 2;
	EXPECT_EQ(splice(in, &at, fds[1], NULL, 5, 0), 5);
	EXPECT_EQ(at, 7);
	EXPECT_EQ(splice(fds[0], NULL, out, NULL, 100, 0), 5);
	EXPECT_EQ(pread(out, text, 20, 0), 5);
	EXPECT_STR(text, "23456");
	EXPECT_ERR(splice(in, NULL, out, NULL, 5, 0), EINVAL);
	EXPECT_ERR(splice(fds[0], NULL, out, NULL, 5, SPLICE_F_NONBLOCK), EAGAIN);
	EXPECT_ERR(splice(fds[0], &at, out, NULL, 5, 0), ESPIPE);
}

TEST(splice_between_pipes_and_tee)
{
	int a[2], b[2];
	char text[10] = "";
	make_pipe(a, O_NONBLOCK);
	make_pipe(b, O_NONBLOCK);
	OK(write(a[1], "tee me", 6));
	EXPECT_EQ(tee(a[0], b[1], 100, 0), 6);
	EXPECT_EQ(read(b[0], text, 10), 6);
	EXPECT_EQ(splice(a[0], NULL, b[1], NULL, 3, 0), 3);
	EXPECT_EQ(read(b[0], text, 10), 3);
	EXPECT_EQ(memcmp(text, "tee", 3), 0);
	EXPECT_EQ(read(a[0], text, 10), 3);
	EXPECT_EQ(memcmp(text, " me", 3), 0);
	EXPECT_ERR(tee(a[0], a[1], 1, 0), EINVAL);
}

TEST(vmsplice_holds_the_page_not_a_copy)
{
	int fds[2];
	char text[8] = "";
	char *p = anon(PAGE);
	strcpy(p, "before");
	struct iovec iov = { p, 7 };
	make_pipe(fds, 0);
	EXPECT_EQ(vmsplice(fds[1], &iov, 1, 0), 7);
	strcpy(p, "after!");		/* the same process, the same exclusive page: the pipe sees it */
	EXPECT_EQ(read(fds[0], text, 8), 7);
	EXPECT_STR(text, "after!");
}

TEST(vmsplice_survives_munmap)
{
	int fds[2];
	char text[8] = "";
	char *p = anon(4 * PAGE);
	memset(p, 'v', 4 * PAGE);
	struct iovec iov = { p, 4 * PAGE };
	make_pipe(fds, 0);
	EXPECT_EQ(vmsplice(fds[1], &iov, 1, 0), 4 * PAGE);
	OK(munmap(p, 4 * PAGE));
	char *q = anon(4 * PAGE);
	memset(q, 'w', 4 * PAGE);
	EXPECT_EQ(read(fds[0], text, 7), 7);
	EXPECT_STR(text, "vvvvvvv");
	iov.iov_base = (void *)8;
	EXPECT_ERR(vmsplice(fds[1], &iov, 1, 0), EFAULT);
}

TEST(socketpair_is_a_two_way_pipe)
{
	int s[2];
	char text[10] = "";
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	OK(write(s[0], "ping", 4));
	EXPECT_EQ(read(s[1], text, 10), 4);
	OK(write(s[1], "pong", 4));
	EXPECT_EQ(read(s[0], text, 10), 4);
	EXPECT_STR(text, "pong");
	close(s[1]);
	EXPECT_EQ(read(s[0], text, 10), 0);
	signal(SIGPIPE, SIG_IGN);
	EXPECT_ERR(write(s[0], "x", 1), EPIPE);
}

TEST(seqpacket_keeps_boundaries)
{
	int s[2];
	char text[10] = "";
	OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	OK(write(s[0], "one", 3));
	OK(write(s[0], "two!", 4));
	EXPECT_EQ(read(s[1], text, 10), 3);
	EXPECT_EQ(read(s[1], text, 10), 4);
	OK(write(s[0], "three", 5));
	EXPECT_EQ(read(s[1], text, 2), 2);	/* the rest of the packet is gone */
	OK(write(s[0], "4", 1));
	EXPECT_EQ(read(s[1], text, 10), 1);
}

TEST(proc_names_the_pipe)
{
	int fds[2];
	char a[50] = "", b[50] = "", path[40];
	make_pipe(fds, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	OK(readlink(path, a, 49));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
	OK(readlink(path, b, 49));
	EXPECT_EQ(strncmp(a, "pipe:[", 6), 0);
	EXPECT_STR(a, b);
}
