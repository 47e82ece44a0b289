/*
 * user/init.c - the first program of the guest: mounts the usual file systems, runs tests, gives a shell.
 *
 *	the kernel's command line:   ... -- WORDS
 *
 *	fast		only the quick cases of each program
 *	quick		the same, of the programs named below
 *	all		run every program of /tests
 *	NAME		run /tests/NAME; NAME:CASE runs one case of it
 *	seed=N scale=N	handed to the tests as SEED and SCALE
 *	batch		print all KTAP lines and end the machine afterwards; without it: a shell on the console
 *	sh=COMMAND	run this shell command as a test would be run (blanks written as '+')
 *	swap=DEVICE	first make this disk a swap area, and use it
 *
 * Each program's output stands between "# begin NAME" and "# end NAME status S ms T"; the last line is "# done F",
 * F being the number of programs that failed. Where there is a shell and a disk /dev/vda, init offers first to swap to it.
 * In batch mode the machine then ends: on Quire by its explicit exit file, elsewhere by power-off. The same program serves
 * as init on Linux.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_FILE "/sys/kernel/debug/quire/exit"
#define MAX_WORDS 64

/* What `make run` shows: a few seconds in all. */
static const char *const quick_programs[] = {
	"process", "exec", "signal", "thread", "futex", "file", "pipe", "poll", "mmap", "cow", "fault", "shm", "madvise",
	"procmem", "quire",
};
static bool batch, quick, fast;
static int failed_programs;

static __attribute__((format(printf, 1, 2))) void say(const char *format, ...)
{
	char line[300];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (write(1, line, n < (int)sizeof(line) ? n : (int)sizeof(line)) < 0)
		_exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* What is mounted already (devtmpfs by some kernels) is left alone. */
static void mount_one(const char *type, const char *where, const char *options)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, options) && errno != EBUSY)
		say("init: mount %s on %s: %s\n", type, where, strerror(errno));
}

static void set_up(void)
{
	mount_one("proc", "/proc", NULL);
	mount_one("sysfs", "/sys", NULL);
	mount_one("devtmpfs", "/dev", NULL);
	mount_one("debugfs", "/sys/kernel/debug", NULL);
	mount_one("tracefs", "/sys/kernel/tracing", NULL);
	mount_one("tmpfs", "/tmp", "mode=1777");
	mount_one("tmpfs", "/dev/shm", "mode=1777");
	/* What shells expect of /dev (process substitution opens /dev/fd/N); where they are already, nothing happens. */
	if (symlink("/proc/self/fd", "/dev/fd") || symlink("fd/0", "/dev/stdin") ||
	    symlink("fd/1", "/dev/stdout") || symlink("fd/2", "/dev/stderr"))
		errno = 0;
	/* The console may have been missing until /dev was there. */
	if (fcntl(0, F_GETFD) == -1) {
		int fd = open("/dev/console", O_RDWR);
		for (int i = 0; i < 3; i++)
			if (fd != i)
				dup2(fd, i);
	}
	setenv("PATH", "/bin:/tests", 1);
	setenv("HOME", "/root", 1);
	setenv("TERM", "linux", 0);
	if (chdir("/root"))
		chdir("/");
	signal(SIGINT, SIG_IGN);
	reboot(RB_DISABLE_CAD);
}

/* Wait for PID; orphans that end meanwhile are reaped on the way. */
static int wait_for(pid_t pid)
{
	int status;
	pid_t got;
	while ((got = wait(&status)) != pid)
		if (got == -1 && errno != EINTR)
			return -1;
	return status;
}

/* Quick mode: count the lines of the program's output and show the bad ones only. */
static void count_lines(int fd, int *passed, int *skipped, int *failed)
{
	FILE *f = fdopen(fd, "r");
	char line[600];
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "ok ", 3))
			++*(strstr(line, "# SKIP") ? skipped : passed);
		else if (!strncmp(line, "not ok ", 7))
			++*failed;
		if (strncmp(line, "ok ", 3) && strncmp(line, "1..", 3))
			say("    %s", line);
	}
	fclose(f);
}

/* Start PATH (or, if it has none, the shell command) with its output to OUT. */
static pid_t start(const char *path, const char *command, const char *only, int out)
{
	pid_t pid = fork();
	if (pid)
		return pid;
	signal(SIGINT, SIG_DFL);
	if (out != 1) {
		dup2(out, 1);
		dup2(out, 2);
		close(out);
	}
	if (only)
		setenv("CASE", only, 1);
	if (command)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	else
		execl(path, path, (char *)NULL);
	say("# cannot run %s: %s\n", path, strerror(errno));
	_exit(127);
}

static void run(const char *name, const char *command)
{
	char program[100], path[120];
	int passed = 0, skipped = 0, failed = 0, out[2] = { -1, 1 };
	double began = now();

	snprintf(program, sizeof(program), "%s", name);
	char *only = strchr(program, ':');
	if (only)
		*only++ = 0;
	snprintf(path, sizeof(path), "/tests/%s", program);
	if (batch)
		say("# begin %s\n", name);
	else if (pipe(out))
		return;
	pid_t pid = start(path, command, only, out[1]);
	if (!batch) {
		close(out[1]);
		count_lines(out[0], &passed, &skipped, &failed);
	}
	int status = pid > 0 ? wait_for(pid) : -1;
	if (status)
		failed_programs++;
	if (batch)
		say("# end %s status %d ms %d\n", name, status, (int)((now() - began) * 1000));
	else
		say("  %-10s %3d passed%s %5.1f s%s\n", program, passed, status ? ", FAILED" : "", now() - began,
		    skipped ? "  (some do not apply here)" : "");
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }
static int is_program(const struct dirent *d) { return d->d_name[0] != '.' && strcmp(d->d_name, "helper"); }

static void run_all(void)
{
	struct dirent **list;
	int n = scandir("/tests", &list, is_program, by_name);
	for (int i = 0; i < n; i++)
		run(list[i]->d_name, NULL);
}

static void run_quick(void)
{
	struct stat st;
	char path[100];
	for (unsigned int i = 0; i < sizeof(quick_programs) / sizeof(*quick_programs); i++) {
		snprintf(path, sizeof(path), "/tests/%s", quick_programs[i]);
		if (!stat(path, &st))
			run(quick_programs[i], NULL);
	}
}

/* ---- Swap ---- */

/* Run a shell command with DEVICE as $1. True: it succeeded. */
static bool shell(const char *command, const char *device)
{
	pid_t pid = fork();
	if (!pid) {
		execl("/bin/sh", "sh", "-c", command, "sh", device, (char *)NULL);
		_exit(127);
	}
	return pid > 0 && wait_for(pid) == 0;
}

static void use_as_swap(const char *device, bool format)
{
	if (format && !shell("mkswap \"$1\" >/dev/null", device))
		say("init: mkswap %s failed\n", device);
	else if (shell("swapon \"$1\"", device))
		say("init: %s is swap now (swapoff %s ends it)\n", device, device);
	else
		say("init: swapon %s failed\n", device);
}

/* Is there a swap area on DEVICE? -1: there is no such disk. *MIB: its size. */
static int has_swap_area(const char *device, long *mib)
{
	char magic[10];
	int fd = open(device, O_RDONLY), area = -1;
	if (fd < 0)
		return -1;
	*mib = lseek(fd, 0, SEEK_END) >> 20;
	if (pread(fd, magic, sizeof(magic), 4096 - sizeof(magic)) == sizeof(magic))
		area = !memcmp(magic, "SWAPSPACE2", sizeof(magic));
	close(fd);
	return area;
}

/* A disk is there: shall it be swap? Who does not answer within 15 seconds says no. */
static void offer_swap(const char *device)
{
	struct pollfd console = { .fd = 0, .events = POLLIN };
	char answer[20] = "";
	long mib;
	int area = has_swap_area(device, &mib);

	if (area < 0)
		return;
	say(area ? "\n%s (%ld MiB) is a swap area. Use it? [y/N] "
		 : "\nUse the disk %s (%ld MiB) for swap? mkswap erases it. [y/N] ", device, mib);
	if (poll(&console, 1, 15000) == 1 && read(0, answer, sizeof(answer) - 1) > 0 && (answer[0] | 32) == 'y')
		use_as_swap(device, !area);
	else
		say("\nLater:  mkswap %s && swapon %s\n", device, device);
}

/* The words after "--": settings first, so that their order does not matter. */
static void run_words(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "batch"))
			batch = true;
		else if (!strcmp(argv[i], "quick"))
			quick = fast = true;
		else if (!strcmp(argv[i], "fast"))
			fast = true;
		else if (!strncmp(argv[i], "seed=", 5))
			setenv("SEED", argv[i] + 5, 1);
		else if (!strncmp(argv[i], "scale=", 6))
			setenv("SCALE", argv[i] + 6, 1);
		else if (!strncmp(argv[i], "swap=", 5))
			use_as_swap(argv[i] + 5, true);
	}
	if (!batch && quick)
		say("\nQuire: the quick tests (all of them: make check)\n");
	if (fast)
		setenv("KTAP_QUICK", "1", 1);
	if (quick)
		run_quick();
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "all")) {
			run_all();
		} else if (!strncmp(argv[i], "sh=", 3)) {
			for (char *c = argv[i]; *c; c++)
				if (*c == '+')
					*c = ' ';
			run("sh", argv[i] + 3);
		} else if (strcmp(argv[i], "batch") && strcmp(argv[i], "quick") && strcmp(argv[i], "fast") &&
			   !strchr(argv[i], '=')) {
			run(argv[i], NULL);
		}
	}
}

/* End the machine with an explicit status where it can, by power-off elsewhere. Does not return. */
static void end_machine(void)
{
	say("# done %d\n", failed_programs);
	int fd = open(EXIT_FILE, O_WRONLY);
	if (fd >= 0 && write(fd, failed_programs ? "1\n" : "0\n", 2) < 0)
		say("# %s: %s\n", EXIT_FILE, strerror(errno));
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* What busybox's poweroff, halt and reboot send to PID 1. */
static void end_on_signal(int sig)
{
	sync();
	reboot(sig == SIGTERM ? RB_AUTOBOOT : sig == SIGUSR1 ? RB_HALT_SYSTEM : RB_POWER_OFF);
}

/* A login shell with the console as its controlling terminal, so that Ctrl-C and Ctrl-Z work in it. */
static pid_t start_shell(void)
{
	pid_t pid = fork();
	if (pid)
		return pid;
	setsid();
	signal(SIGINT, SIG_DFL);
	/* A session leader's open of a real terminal makes it the controlling one; /dev/console never does. */
	int fd = open("/dev/ttyS0", O_RDWR);
	if (fd < 0)
		fd = open("/dev/console", O_RDWR);
	if (fd >= 0) {
		ioctl(fd, TIOCSCTTY, 1);
		for (int i = 0; i < 3; i++)
			dup2(fd, i);
		if (fd > 2)
			close(fd);
	}
	execl("/bin/sh", "-sh", (char *)NULL);
	say("init: no /bin/sh: %s\n", strerror(errno));
	_exit(127);
}

int main(int argc, char **argv)
{
	set_up();
	run_words(argc, argv);
	if (batch)
		end_machine();
	unsetenv("KTAP_QUICK");
	signal(SIGUSR1, end_on_signal);
	signal(SIGUSR2, end_on_signal);
	signal(SIGTERM, end_on_signal);
	offer_swap("/dev/vda");
	say("\nThis is a busybox shell. Try:  cat /proc/self/maps    ls /tests    poweroff\n"
	    "Leave QEMU with Ctrl-A X.\n\n");
	for (;;) {
		pid_t pid = start_shell();
		if (pid < 0 || wait_for(pid) == -1)
			sleep(1);
		/* A shell that cannot start must not become a busy loop. */
		say("init: the shell ended; here is a new one\n");
		usleep(200000);
	}
}
