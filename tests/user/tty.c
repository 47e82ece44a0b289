/*
 * tests/user/tty.c - the terminal: termios, window size, sessions, foreground groups and background access.
 *
 * Each case that needs one takes /dev/ttyS0 as the controlling terminal of a session of its own.
 */
#include "tests/user/ktap.h"
#include <sys/ioctl.h>
#include <termios.h>

/* A new session with the serial line as its terminal. */
static int own_terminal(void)
{
	setsid();
	int fd = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
	if (fd < 0)
		SKIP("no /dev/ttyS0");
	OK(ioctl(fd, TIOCSCTTY, 1));
	return fd;
}
/* In a child, because a leader of a process group cannot found a session. */
#define IN_A_SESSION(...) do { pid_t session = ktap_fork(); \
	if (!session) { __VA_ARGS__; ktap_exit(); } \
	EXPECT_CHILD(session); } while (0)

TEST(isatty)
{
	struct termios t;
	int fd = OK(open("/dev/console", O_RDWR | O_NOCTTY));
	EXPECT_EQ(tcgetattr(fd, &t), 0);
	EXPECT_ERR(tcgetattr(OK(open("/dev/null", O_RDWR)), &t), ENOTTY);
	EXPECT_ERR(ioctl(fd, 0x4B33 /* KDGKBTYPE */, &t), ENOTTY);
}

TEST(default_settings)
{
	struct termios t;
	int fd = OK(open("/dev/console", O_RDWR | O_NOCTTY));
	OK(tcgetattr(fd, &t));
	EXPECT_EQ(t.c_iflag & ICRNL, ICRNL);
	EXPECT_EQ(t.c_oflag & (OPOST | ONLCR), OPOST | ONLCR);
	EXPECT_EQ(t.c_lflag & (ICANON | ISIG | ECHO), ICANON | ISIG | ECHO);
	EXPECT_EQ(t.c_cc[VINTR], 3);
	EXPECT_EQ(t.c_cc[VEOF], 4);
	EXPECT_EQ(t.c_cc[VSUSP], 26);
	EXPECT_EQ(t.c_cc[VERASE], 127);
	EXPECT_EQ(t.c_cc[VKILL], 21);
}

TEST(settings_stick)
{
	struct termios old, t;
	int fd = OK(open("/dev/console", O_RDWR | O_NOCTTY));
	OK(tcgetattr(fd, &old));
	t = old;
	t.c_lflag &= ~(ECHO | ICANON);
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 1;
	signal(SIGTTOU, SIG_IGN);
	OK(tcsetattr(fd, TCSANOW, &t));
	OK(tcgetattr(fd, &t));
	EXPECT_EQ(t.c_lflag & (ECHO | ICANON), 0);
	/* VMIN 0, VTIME 1: a read without input gives up after a tenth of a second. */
	char c;
	double began = ktap_now();
	EXPECT_EQ(read(fd, &c, 1), 0);
	EXPECT_TRUE(ktap_now() - began >= 0.09);
	OK(tcsetattr(fd, TCSADRAIN, &old));
}

TEST(window_size)
{
	struct winsize old, w = { 33, 111, 0, 0 };
	int fd = OK(open("/dev/console", O_RDWR | O_NOCTTY));
	OK(ioctl(fd, TIOCGWINSZ, &old));
	OK(ioctl(fd, TIOCSWINSZ, &w));
	memset(&w, 0, sizeof(w));
	OK(ioctl(fd, TIOCGWINSZ, &w));
	EXPECT_EQ(w.ws_row, 33);
	EXPECT_EQ(w.ws_col, 111);
	OK(ioctl(fd, TIOCSWINSZ, &old));
}

TEST(dev_tty_without_a_terminal_is_enxio)
{
	IN_A_SESSION({
		setsid();
		EXPECT_ERR(open("/dev/tty", O_RDWR), ENXIO);
	});
}

TEST(session_takes_the_terminal)
{
	IN_A_SESSION({
		int fd = own_terminal();
		EXPECT_EQ(tcgetpgrp(fd), getpid());
		EXPECT_EQ(tcgetsid(fd), getpid());
		int tty = OK(open("/dev/tty", O_RDWR));
		EXPECT_EQ(tcgetpgrp(tty), getpid());
		signal(SIGHUP, SIG_IGN);	/* the leader's farewell goes to the foreground group: to us */
		OK(ioctl(fd, TIOCNOTTY));
		EXPECT_ERR(open("/dev/tty", O_RDWR), ENXIO);
	});
}

TEST(background_group_gets_ttou_on_tcsetpgrp)
{
	IN_A_SESSION({
		int fd = own_terminal();
		pid_t pid = ktap_fork();
		if (!pid) {
			setpgid(0, 0);
			tcsetpgrp(fd, getpid());
			_exit(1);
		}
		int status;
		setpgid(pid, pid);
		EXPECT_EQ(waitpid(pid, &status, WUNTRACED), pid);
		EXPECT_EQ(status, 0x7f | SIGTTOU << 8);
		OK(tcsetpgrp(fd, pid));		/* the foreground may give it away */
		OK(kill(pid, SIGCONT));
		EXPECT_STATUS(pid, EXITED(1));
		signal(SIGTTOU, SIG_IGN);
		OK(tcsetpgrp(fd, getpid()));
		EXPECT_ERR(tcsetpgrp(fd, 999999), ESRCH);
		EXPECT_ERR(tcsetpgrp(fd, 1), EPERM);
	});
}

TEST(background_read_gets_ttin)
{
	IN_A_SESSION({
		int fd = own_terminal();
		char c;
		pid_t pid = ktap_fork();
		if (!pid) {
			setpgid(0, 0);
			read(fd, &c, 1);
			_exit(1);
		}
		int status;
		EXPECT_EQ(waitpid(pid, &status, WUNTRACED), pid);
		EXPECT_EQ(status, 0x7f | SIGTTIN << 8);
		kill(pid, SIGKILL);
		EXPECT_STATUS(pid, SIGKILL);
	});
}

TEST(background_write_needs_tostop)
{
	IN_A_SESSION({
		int fd = own_terminal();
		struct termios old;
		OK(tcgetattr(fd, &old));
		struct termios t = old;
		pid_t pid = ktap_fork();
		if (!pid) {
			setpgid(0, 0);
			_exit(write(fd, "", 0) != 0);
		}
		EXPECT_CHILD(pid);
		t.c_lflag |= TOSTOP;
		OK(tcsetattr(fd, TCSANOW, &t));
		pid = ktap_fork();
		if (!pid) {
			setpgid(0, 0);
			write(fd, "#\n", 2);
			_exit(1);
		}
		int status;
		EXPECT_EQ(waitpid(pid, &status, WUNTRACED), pid);
		EXPECT_EQ(status, 0x7f | SIGTTOU << 8);
		kill(pid, SIGKILL);
		EXPECT_STATUS(pid, SIGKILL);
		OK(tcsetattr(fd, TCSANOW, &old));
	});
}

TEST(leader_exit_hangs_up_the_foreground)
{
	int fds[2];
	char c;
	OK(pipe(fds));
	pid_t leader = ktap_fork();
	if (!leader) {
		int fd = own_terminal();
		pid_t pid = fork();
		if (!pid) {
			setpgid(0, 0);
			signal(SIGTTOU, SIG_IGN);
			tcsetpgrp(fd, getpid());
			write(fds[1], "r", 1);
			for (;;)
				pause();
		}
		read(fds[0], &c, 1);
		_exit(0);
	}
	EXPECT_STATUS(leader, 0);
	close(fds[1]);
	/* SIGHUP has killed the last holder of the writing end. */
	EXPECT_EQ(read(fds[0], &c, 1), 0);
}
