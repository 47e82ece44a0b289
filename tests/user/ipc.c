/* tests/user/ipc.c - many waiters on a pipe, splice that waits, socket pairs, eventfd, file locks, seals. */
#include "tests/user/pages.h"
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

static int memfile(void)
{
	return OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
}

static int events(int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };
	OK(poll(&p, 1, 0));
	return p.revents;
}

/* ---- pipes ---- */

TEST(packet_mode_keeps_writes_apart)
{
	int fds[2];
	char text[10];
	OK(pipe2(fds, O_DIRECT));
	OK(write(fds[1], "one", 3));
	OK(write(fds[1], "three", 5));
	EXPECT_EQ(read(fds[0], text, 10), 3);
	EXPECT_EQ(read(fds[0], text, 2), 2);	/* the rest of the packet is gone */
	OK(write(fds[1], "x", 1));
	EXPECT_EQ(read(fds[0], text, 10), 1);
}

/* Tokens in a pipe, as make's jobserver does it: every token serves one reader, none is lost. */
TEST(many_readers_share_one_pipe)
{
	enum { READERS = 8, ROUNDS = 50 };
	int fds[2], done[2];
	char c;
	OK(pipe(fds));
	OK(pipe(done));
	for (int i = 0; i < READERS; i++) {
		if (ktap_fork() == 0) {
			for (int n = 0; n < ROUNDS; n++)
				if (read(fds[0], &c, 1) != 1 || write(done[1], &c, 1) != 1)
					_exit(1);
			_exit(0);
		}
	}
	for (int n = 0; n < READERS * ROUNDS; n++)
		if (n % 3 == 2) {
			OK(write(fds[1], "ab", 2));
			n++;
		} else {
			OK(write(fds[1], "a", 1));
		}
	for (int n = 0; n < READERS * ROUNDS; n++)
		ASSERT_EQ(read(done[0], &c, 1), 1);
	for (int i = 0; i < READERS; i++)
		EXPECT_CHILD(-1);
}

TEST(many_writers_wait_for_room)
{
	enum { WRITERS = 6, BYTES = 200000 };
	static char block[BYTES];
	int fds[2];
	long total = 0;
	ssize_t n;
	OK(pipe(fds));
	OK(fcntl(fds[1], F_SETPIPE_SZ, 4096));
	for (int i = 0; i < WRITERS; i++) {
		if (ktap_fork() == 0)
			_exit(write(fds[1], block, BYTES) != BYTES);
	}
	close(fds[1]);
	while ((n = read(fds[0], block, 3000)) > 0)
		total += n;
	EXPECT_EQ(total, (long)WRITERS * BYTES);
	for (int i = 0; i < WRITERS; i++)
		EXPECT_CHILD(-1);
}

static void nothing(int sig) { }

TEST(signal_interrupts_a_reader)
{
	struct sigaction sa = { .sa_handler = nothing };
	int fds[2];
	char c;
	OK(pipe(fds));
	OK(sigaction(SIGALRM, &sa, NULL));
	struct itimerval tv = { { 0, 0 }, { 0, 50000 } };
	OK(setitimer(ITIMER_REAL, &tv, NULL));
	EXPECT_ERR(read(fds[0], &c, 1), EINTR);
}

TEST(fifo_wakes_both_openers)
{
	char path[] = "/tmp/ipc.XXXXXX";
	OK(mkdtemp(path) ? 0 : -1);
	OK(chdir(path));
	OK(mkfifo("f", 0600));
	for (int i = 0; i < 30; i++) {
		pid_t pid = ktap_fork();
		if (!pid) {
			int fd = OK(open("f", O_RDONLY));
			char c;
			EXPECT_EQ(read(fd, &c, 1), 1);
			ktap_exit();
		}
		int fd = OK(open("f", O_WRONLY));
		OK(write(fd, "x", 1));
		close(fd);
		EXPECT_CHILD(pid);
	}
	int fd = OK(open("f", O_RDWR));
	EXPECT_EQ(events(fd), POLLOUT);
	close(fd);
	fd = OK(open("f", O_RDONLY | O_NONBLOCK));
	EXPECT_EQ(events(fd), 0);		/* no writer yet is not "hung up" */
	int w = OK(open("f", O_WRONLY | O_NONBLOCK));
	close(w);
	EXPECT_EQ(events(fd), POLLHUP);
}

TEST(splice_waits_and_gives_way)
{
	int a[2], b[2], file = memfile();
	static char block[70000];
	OK(pipe(a));
	OK(pipe(b));
	pid_t pid = ktap_fork();
	if (!pid) {
		ktap_sleep_ms(30);
		OK(write(a[1], "late", 4));
		ktap_exit();
	}
	EXPECT_EQ(splice(a[0], NULL, file, NULL, 100, 0), 4);
	EXPECT_EQ(lseek(file, 0, SEEK_CUR), 4);
	EXPECT_CHILD(pid);
	/* What does not fit is not taken from the file. */
	OK(pwrite(file, block, sizeof(block), 0));
	loff_t at = 0;
	EXPECT_EQ(splice(file, &at, b[1], NULL, sizeof(block), 0), 65536);
	EXPECT_EQ(at, 65536);
	EXPECT_ERR(splice(file, &at, b[1], NULL, 100, SPLICE_F_NONBLOCK), EAGAIN);
	EXPECT_EQ(at, 65536);
	EXPECT_ERR(splice(a[0], NULL, b[1], NULL, 1, 0x100), EINVAL);
	EXPECT_ERR(splice(a[0], NULL, 99, NULL, 1, 0), EBADF);
	EXPECT_ERR(splice(a[0], &at, b[1], NULL, 1, 0), ESPIPE);
}

TEST(splice_into_a_closed_pipe)
{
	int a[2], b[2], file = memfile();
	loff_t at = 0;
	OK(pipe(a));
	OK(pipe(b));
	close(b[0]);
	signal(SIGPIPE, SIG_IGN);
	OK(write(file, "12345678", 8));
	OK(write(a[1], "x", 1));
	EXPECT_ERR(splice(file, &at, b[1], NULL, 4, 0), EPIPE);
	EXPECT_ERR(splice(a[0], NULL, b[1], NULL, 4, 0), EPIPE);
	EXPECT_ERR(tee(a[0], b[1], 4, 0), EPIPE);
	close(a[1]);
	char c;
	EXPECT_EQ(read(a[0], &c, 1), 1);
	EXPECT_EQ(splice(a[0], NULL, file, NULL, 4, 0), 0);
}

TEST(vmsplice_takes_what_there_is_room_for)
{
	int fds[2];
	char *p = anon(20 * PAGE), c[8];
	OK(pipe(fds));
	for (int i = 0; i < 20; i++)
		p[i * PAGE + 100] = 'a' + i;
	struct iovec iov[2] = { { p + 100, 10 }, { p + PAGE + 100, 18 * PAGE } };
	EXPECT_EQ(vmsplice(fds[1], iov, 2, 0), 10 + 15 * PAGE - 100);
	EXPECT_ERR(vmsplice(fds[1], iov, 1, SPLICE_F_NONBLOCK), EAGAIN);
	EXPECT_EQ(read(fds[0], c, 1), 1);
	EXPECT_EQ(c[0], 'a');
	/* The other direction copies. */
	char *q = anon(2 * PAGE);
	struct iovec in = { q, 2 * PAGE };
	EXPECT_EQ(vmsplice(fds[0], &in, 1, 0), 2 * PAGE);
	EXPECT_EQ(q[9], 'b');
	EXPECT_EQ(q[PAGE + 9], 'c');
	EXPECT_ERR(vmsplice(memfile(), &in, 1, 0), EBADF);
}

TEST(vmsplice_reader_sees_the_page_of_before_fork)
{
	int fds[2];
	char text[7], *p = anon(PAGE);
	strcpy(p, "before");
	struct iovec iov = { p, 7 };
	OK(pipe(fds));
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(vmsplice(fds[1], &iov, 1, 0), 7);
		OK(munmap(p, PAGE));
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	strcpy(p, "after!");	/* COW-shared with what the pipe holds: must copy */
	EXPECT_EQ(read(fds[0], text, 7), 7);
	EXPECT_STR(text, "before");
}

TEST(sendfile_from_file)
{
	int fds[2], in = memfile(), out = memfile();
	char text[20] = "";
	off_t at = 3;
	OK(write(in, "0123456789", 10));
	EXPECT_EQ(sendfile(out, in, &at, 100), 7);
	EXPECT_EQ(at, 10);
	EXPECT_EQ(pread(out, text, 20, 0), 7);
	EXPECT_STR(text, "3456789");
	OK(lseek(in, 0, SEEK_SET));
	OK(pipe(fds));
	EXPECT_EQ(sendfile(fds[1], in, NULL, 4), 4);
	EXPECT_EQ(lseek(in, 0, SEEK_CUR), 4);
	EXPECT_EQ(read(fds[0], text, 20), 4);
	EXPECT_ERR(sendfile(out, fds[0], NULL, 4), EINVAL);
	EXPECT_ERR(sendfile(fds[0], in, NULL, 4), EBADF);
}

/* ---- sockets ---- */

TEST(stream_moves_much_data)
{
	int s[2];
	long n = ktap_scale(2 << 20) / 5000 * 5000, at = 0;
	unsigned char block[5000];
	ssize_t got;
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pid_t pid = ktap_fork();
	if (!pid) {
		close(s[0]);
		for (at = 0; at < n; at += sizeof(block)) {
			for (unsigned int i = 0; i < sizeof(block); i++)
				block[i] = (at + i) * 11 >> 4;
			if (write(s[1], block, sizeof(block)) != sizeof(block))
				_exit(1);
		}
		_exit(0);
	}
	close(s[1]);
	while ((got = read(s[0], block, 4321)) > 0)
		for (ssize_t i = 0; i < got; i++, at++)
			ASSERT_EQ(block[i], (unsigned char)(at * 11 >> 4));
	EXPECT_EQ(got, 0);
	EXPECT_EQ(at, n);
	EXPECT_CHILD(pid);
}

TEST(socket_limits_and_flags)
{
	int s[2], n;
	static char block[300000];
	char text[8];
	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s));
	EXPECT_EQ(fcntl(s[0], F_GETFD), FD_CLOEXEC);
	EXPECT_ERR(read(s[0], text, 1), EAGAIN);
	ssize_t took = write(s[0], block, sizeof(block));
	EXPECT_TRUE(took > 65536 && took < (ssize_t)sizeof(block));
	EXPECT_ERR(write(s[0], block, sizeof(block)), EAGAIN);
	EXPECT_EQ(events(s[0]), 0);
	EXPECT_EQ(events(s[1]), POLLIN | POLLOUT);
	OK(ioctl(s[1], FIONREAD, &n));
	EXPECT_EQ(n, took);
	while ((n = read(s[1], block, sizeof(block))) > 0)
		took -= n;
	EXPECT_EQ(took, 0);
	EXPECT_EQ(events(s[0]), POLLOUT);
	EXPECT_ERR(lseek(s[0], 0, SEEK_SET), ESPIPE);
	EXPECT_EQ(read(s[0], text, 0), 0);
	OK(write(s[0], "abcdef", 6));
	EXPECT_EQ(recv(s[1], text, 3, MSG_PEEK), 3);
	EXPECT_EQ(recv(s[1], text, 8, 0), 6);
	OK(write(s[0], "abcdef", 6));
	EXPECT_ERR(read(s[1], (char *)8, 6), EFAULT);
	EXPECT_ERR(write(s[1], (char *)8, 6), EFAULT);
	EXPECT_EQ(read(s[1], text, 8), 6);
}

TEST(packets)
{
	int s[2];
	static char block[300000];
	char a[4], b[10];
	for (int type = SOCK_DGRAM; type <= SOCK_SEQPACKET; type += SOCK_SEQPACKET - SOCK_DGRAM) {
		OK(socketpair(AF_UNIX, type, 0, s));
		EXPECT_EQ(send(s[0], "", 0, 0), 0);
		OK(send(s[0], "123456", 6, 0));
		OK(send(s[0], "789", 3, 0));
		EXPECT_EQ(recv(s[1], b, 10, 0), 0);
		struct iovec iov[2] = { { a, 2 }, { b, 3 } };
		struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2, .msg_namelen = 5 };
		EXPECT_EQ(recvmsg(s[1], &m, MSG_PEEK), 5);
		EXPECT_EQ(recvmsg(s[1], &m, 0), 5);
		EXPECT_EQ(m.msg_flags & MSG_TRUNC, MSG_TRUNC);
		EXPECT_EQ(memcmp(a, "12", 2) | memcmp(b, "345", 3), 0);
		EXPECT_EQ(recv(s[1], b, 1, MSG_TRUNC), 3);	/* the real length */
		EXPECT_ERR(recv(s[1], b, 1, MSG_DONTWAIT), EAGAIN);
		EXPECT_ERR(send(s[0], block, sizeof(block), 0), EMSGSIZE);
		iov[0] = (struct iovec){ "ab", 2 };
		iov[1] = (struct iovec){ "cd", 2 };
		m = (struct msghdr){ .msg_iov = iov, .msg_iovlen = 2 };
		EXPECT_EQ(sendmsg(s[0], &m, 0), 4);
		EXPECT_EQ(read(s[1], b, 10), 4);
		close(s[0]);
		close(s[1]);
	}
}

TEST(socket_ends)
{
	int s[2], v;
	socklen_t len = sizeof(v);
	char c;
	signal(SIGPIPE, SIG_IGN);
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	OK(write(s[0], "x", 1));
	OK(shutdown(s[0], SHUT_WR));
	EXPECT_ERR(write(s[0], "x", 1), EPIPE);
	EXPECT_EQ(read(s[1], &c, 1), 1);
	EXPECT_EQ(read(s[1], &c, 1), 0);
	EXPECT_EQ(events(s[1]), POLLIN | POLLOUT | POLLRDHUP);
	OK(write(s[1], "y", 1));
	EXPECT_EQ(read(s[0], &c, 1), 1);
	/* Closing with unread data tells the other side once. */
	OK(write(s[1], "lost", 4));
	close(s[0]);
	EXPECT_EQ(events(s[1]), POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
	OK(getsockopt(s[1], SOL_SOCKET, SO_ERROR, &v, &len));
	EXPECT_EQ(v, ECONNRESET);
	EXPECT_EQ(read(s[1], &c, 1), 0);
	close(s[1]);
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	close(s[1]);
	EXPECT_ERR(write(s[0], "x", 1), ECONNREFUSED);
	close(s[0]);
	OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	pid_t pid = ktap_fork();
	if (!pid) {
		close(s[0]);
		EXPECT_EQ(read(s[1], &c, 1), 0);	/* waits */
		ktap_exit();
	}
	close(s[1]);
	ktap_sleep_ms(30);
	close(s[0]);
	EXPECT_CHILD(pid);
}

TEST(waitall_and_blocking_send)
{
	int s[2];
	static char block[400000];
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pid_t pid = ktap_fork();
	if (!pid) {
		close(s[0]);
		EXPECT_EQ(send(s[1], block, sizeof(block), 0), (long)sizeof(block));
		ktap_exit();
	}
	close(s[1]);
	EXPECT_EQ(recv(s[0], block, sizeof(block), MSG_WAITALL), (long)sizeof(block));
	EXPECT_CHILD(pid);
}

TEST(socket_errors)
{
	struct sockaddr_un a = { AF_UNIX, "/does/not/exist" };
	int s[2], fd, v;
	socklen_t len = sizeof(v);
	char c;
	EXPECT_ERR(socket(AF_UNIX, 77, 0), EINVAL);
	EXPECT_ERR(socketpair(AF_UNIX, SOCK_STREAM, 9, s), EPROTONOSUPPORT);
	EXPECT_ERR(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)8), EFAULT);
	EXPECT_ERR(socket(4444, SOCK_STREAM, 0), EAFNOSUPPORT);
	if (ktap_is_quire())
		EXPECT_ERR(socket(AF_INET, SOCK_STREAM, 0), EAFNOSUPPORT);
	fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	EXPECT_ERR(connect(fd, (void *)&a, sizeof(a)), ENOENT);
	OK(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len));
	EXPECT_EQ(v, SOCK_STREAM);
	EXPECT_ERR(read(fd, &c, 1), EINVAL);
	EXPECT_ERR(write(fd, &c, 1), ENOTCONN);
	EXPECT_ERR(recv(0x7777, &c, 1, 0), EBADF);
	EXPECT_ERR(recv(memfile(), &c, 1, 0), ENOTSOCK);
	EXPECT_ERR(getsockopt(fd, SOL_SOCKET, 4444, &v, &len), ENOPROTOOPT);
}

/* ---- eventfd ---- */

TEST(eventfd_counts)
{
	int fd = OK(eventfd(3, EFD_NONBLOCK));
	uint64_t n = 4;
	OK(write(fd, &n, 8));
	EXPECT_EQ(events(fd), POLLIN | POLLOUT);
	EXPECT_EQ(read(fd, &n, 8), 8);
	EXPECT_EQ(n, 7);
	EXPECT_ERR(read(fd, &n, 8), EAGAIN);
	EXPECT_EQ(events(fd), POLLOUT);
	EXPECT_ERR(read(fd, &n, 4), EINVAL);
	n = ~0ull;
	EXPECT_ERR(write(fd, &n, 8), EINVAL);
	n = ~0ull - 1;
	OK(write(fd, &n, 8));
	EXPECT_EQ(events(fd), POLLIN);
	n = 1;
	EXPECT_ERR(write(fd, &n, 8), EAGAIN);
	fd = OK(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
	EXPECT_EQ(read(fd, &n, 8), 8);
	EXPECT_EQ(n, 1);
	EXPECT_EQ(read(fd, &n, 8), 8);
	EXPECT_ERR(read(fd, &n, 8), EAGAIN);
	EXPECT_ERR(eventfd(0, 0x10), EINVAL);
}

TEST(eventfd_wakes_a_reader)
{
	int fd = OK(eventfd(0, 0));
	uint64_t n = 5;
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(read(fd, &n, 8), 8);
		EXPECT_EQ(n, 5);
		ktap_exit();
	}
	ktap_sleep_ms(30);
	OK(write(fd, &n, 8));
	EXPECT_CHILD(pid);
}

/* ---- locks ---- */

static int set_lock(int fd, int type, long start, long len, int cmd)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	return fcntl(fd, cmd, &l);
}

/* What another process finds at [start, start+len): the type, or F_UNLCK. */
static int others_see(int fd, long start, long len, struct flock *out)
{
	struct flock l = { .l_type = F_WRLCK, .l_start = start, .l_len = len };
	int fds[2];
	OK(pipe(fds));
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(fcntl(fd, F_GETLK, &l));
		OK(write(fds[1], &l, sizeof(l)));
		ktap_exit();
	}
	OK(read(fds[0], out, sizeof(*out)));
	EXPECT_CHILD(pid);
	close(fds[0]);
	close(fds[1]);
	return out->l_type;
}

TEST(record_locks_before_the_file_are_refused)
{
	int fd = OK(open("locked0", O_RDWR | O_CREAT, 0600));
	struct flock l = { .l_type = F_WRLCK, .l_start = LONG_MIN, .l_len = -1 };
	EXPECT_ERR(fcntl(fd, F_SETLK, &l), EINVAL);
	l.l_start = -1;
	l.l_len = 10;
	EXPECT_ERR(fcntl(fd, F_SETLK, &l), EINVAL);
	close(fd);
}

TEST(record_locks)
{
	int fd = memfile();
	struct flock l;
	OK(set_lock(fd, F_WRLCK, 10, 20, F_SETLK));
	EXPECT_EQ(others_see(fd, 0, 10, &l), F_UNLCK);
	EXPECT_EQ(others_see(fd, 0, 0, &l), F_WRLCK);
	EXPECT_TRUE(l.l_start == 10 && l.l_len == 20 && l.l_pid == getpid());
	OK(set_lock(fd, F_UNLCK, 15, 5, F_SETLK));	/* cut in two */
	EXPECT_EQ(others_see(fd, 15, 5, &l), F_UNLCK);
	EXPECT_EQ(others_see(fd, 20, 100, &l), F_WRLCK);
	EXPECT_TRUE(l.l_start == 20 && l.l_len == 10);
	OK(set_lock(fd, F_RDLCK, 0, 0, F_SETLK));
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(set_lock(fd, F_RDLCK, 5, 5, F_SETLK));
		EXPECT_ERR(set_lock(fd, F_WRLCK, 5, 5, F_SETLK), EAGAIN);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	close(dup(fd));					/* any close drops them all */
	EXPECT_EQ(others_see(fd, 0, 0, &l), F_UNLCK);
	EXPECT_ERR(set_lock(fd, 7, 0, 0, F_SETLK), EINVAL);
	EXPECT_ERR(set_lock(fd, F_RDLCK, -1, 0, F_SETLK), EINVAL);
	EXPECT_ERR(fcntl(fd, F_SETLK, (void *)8), EFAULT);
}

TEST(record_lock_waits)
{
	int fd = memfile(), fds[2], go[2];
	char c;
	OK(pipe(fds));
	OK(pipe(go));
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(set_lock(fd, F_WRLCK, 0, 1, F_SETLK));
		OK(write(fds[1], "x", 1));
		OK(close(fds[1]));
		EXPECT_EQ(read(go[0], &c, 1), 1);
		ktap_asleep(getppid());
		_exit(0);				/* exit unlocks */
	}
	EXPECT_EQ(read(fds[0], &c, 1), 1);
	EXPECT_ERR(set_lock(fd, F_WRLCK, 0, 1, F_SETLK), EAGAIN);
	OK(write(go[1], "x", 1));
	OK(set_lock(fd, F_WRLCK, 0, 1, F_SETLKW));
	EXPECT_CHILD(pid);
}

TEST(record_locks_in_a_circle)
{
	int fd = memfile(), fds[2];
	char c;
	OK(pipe(fds));
	OK(set_lock(fd, F_WRLCK, 0, 1, F_SETLK));
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(set_lock(fd, F_WRLCK, 1, 1, F_SETLK));
		OK(write(fds[1], "x", 1));
		OK(set_lock(fd, F_WRLCK, 0, 1, F_SETLKW));
		ktap_exit();
	}
	EXPECT_EQ(read(fds[0], &c, 1), 1);
	EXPECT_TRUE(ktap_asleep(pid));
	EXPECT_ERR(set_lock(fd, F_WRLCK, 1, 1, F_SETLKW), EDEADLK);
	OK(set_lock(fd, F_UNLCK, 0, 1, F_SETLK));
	EXPECT_CHILD(pid);
}

TEST(flock_waits_and_converts)
{
	char path[] = "/tmp/ipc.XXXXXX";
	int a = OK(mkstemp(path)), b = OK(open(path, O_RDONLY));
	OK(flock(a, LOCK_EX));
	OK(flock(a, LOCK_EX));
	EXPECT_ERR(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	pid_t pid = ktap_fork();
	if (!pid) {
		close(a);				/* the parent still holds it: one open file */
		OK(flock(b, LOCK_SH));
		ktap_exit();
	}
	ktap_sleep_ms(30);
	OK(flock(a, LOCK_SH));
	EXPECT_CHILD(pid);
	OK(flock(b, LOCK_UN));
	OK(flock(a, LOCK_EX | LOCK_NB));
	close(a);
	OK(flock(b, LOCK_EX | LOCK_NB));
	EXPECT_ERR(flock(b, 16), EINVAL);
	EXPECT_ERR(flock(99, LOCK_UN), EBADF);
	unlink(path);
}

/* ---- memfd ---- */

TEST(memfd_that_can_never_be_executed)
{
	int fd = syscall(SYS_memfd_create, "n", 8 /* NOEXEC_SEAL */);
	struct stat st;
	if (fd < 0 && errno == EINVAL)
		SKIP("no MFD_NOEXEC_SEAL");
	OK(fstat(fd, &st));
	EXPECT_EQ(st.st_mode & 0777, 0666);
	EXPECT_EQ(fcntl(fd, 1034 /* F_GET_SEALS */), 32);
	EXPECT_ERR(fchmod(fd, 0777), EPERM);
	EXPECT_ERR(syscall(SYS_memfd_create, "n", 8 | 16), EINVAL);
}

TEST(memfd_names_and_seals)
{
	char name[260];
	memset(name, 'n', 250);
	name[249] = 0;
	OK(syscall(SYS_memfd_create, name, 0));
	name[249] = 'n';
	name[250] = 0;
	EXPECT_ERR(syscall(SYS_memfd_create, name, 0), EINVAL);
	int fd = OK(syscall(SYS_memfd_create, "w", 2));
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	EXPECT_ERR(fcntl(fd, 1033 /* F_ADD_SEALS */, 8 /* WRITE */), EBUSY);
	OK(munmap(p, 4096));
	OK(fcntl(fd, 1033, 8));
	EXPECT_ERR(write(fd, "x", 1), EPERM);
	EXPECT_TRUE(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	EXPECT_ERR(fcntl(OK(syscall(SYS_memfd_create, "p", 0)), 1033, 8), EPERM);
	EXPECT_ERR(fcntl(0, 1034), EINVAL);
}

/* ---- poll ---- */

TEST(poll_goes_on_after_stop_and_continue)
{
	double began = ktap_now();
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(poll(NULL, 0, 300), 0);
		ktap_exit();
	}
	ktap_sleep_ms(50);
	kill(pid, SIGSTOP);
	ktap_sleep_ms(20);
	kill(pid, SIGCONT);
	EXPECT_CHILD(pid);
	EXPECT_TRUE(ktap_now() - began >= 0.29);
}

TEST(select_on_high_descriptors)
{
	int fds[2];
	fd_set r;
	OK(pipe(fds));
	int high = OK(fcntl(fds[0], F_DUPFD, 700));
	FD_ZERO(&r);
	FD_SET(high, &r);
	FD_SET(fds[0], &r);
	struct timeval t = { 0, 1000 };
	EXPECT_EQ(syscall(SYS_select, 1024, &r, NULL, NULL, &t), 0);
	EXPECT_EQ(t.tv_sec * 1000000 + t.tv_usec, 0);
	OK(write(fds[1], "x", 1));
	FD_SET(high, &r);
	FD_SET(fds[0], &r);
	EXPECT_EQ(select(1024, &r, NULL, NULL, NULL), 2);
	FD_CLR(fds[0], &r);
	EXPECT_EQ(select(fds[0] + 1, &r, NULL, NULL, &t), 0);
	EXPECT_TRUE(FD_ISSET(high, &r));	/* beyond the count: not looked at, and not cleared */
}

TEST(poll_of_a_dozen_wakes_up)
{
	int fds[2];
	OK(pipe(fds));
	struct pollfd p[12];
	for (int i = 0; i < 12; i++)
		p[i] = (struct pollfd){ i == 11 ? fds[0] : OK(eventfd(0, 0)), POLLIN, 0 };
	pid_t pid = ktap_fork();
	if (!pid) {
		ktap_sleep_ms(30);
		OK(write(fds[1], "x", 1));
		ktap_exit();
	}
	EXPECT_EQ(poll(p, 12, 5000), 1);
	EXPECT_EQ(p[11].revents, POLLIN);
	EXPECT_CHILD(pid);
}
