/* tests/user/exec.c - execve: argv, environment, auxv, scripts, errors, names, descriptors, static-pie, dynamic. */
#include "tests/user/ktap.h"
#include <elf.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

/* What a program printed before it ended; its status goes to *STATUS. */
static char *output_of(char *const *argv, char *const *envp, const char *path, int *status)
{
	static char text[200000];
	int fds[2];
	size_t n = 0;
	ssize_t got;
	OK(pipe2(fds, O_CLOEXEC));
	pid_t pid = ktap_fork();
	if (!pid) {
		dup2(fds[1], 1);
		execve(path, argv, envp);
		_exit(120 + (errno == ENOENT) + 2 * (errno == ENOEXEC));
	}
	close(fds[1]);
	while ((got = read(fds[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += got;
	close(fds[0]);
	text[n] = 0;
	*status = ktap_wait(pid);
	return text;
}
static void here(void)
{
	char path[] = "/tmp/exec.XXXXXX";
	OK(mkdtemp(path) ? 0 : -1);
	OK(chdir(path));
}
static void make_program(const char *name, const char *text, size_t n, int mode)
{
	int fd = OK(open(name, O_CREAT | O_WRONLY | O_TRUNC, 0700));
	OK(write(fd, text, n));
	close(fd);
	OK(chmod(name, mode));
}

HELPER(print_args)
{
	for (int i = 2; i < argc; i++)
		printf("[%s]", argv[i]);
	printf("%s", getenv("MARK") ? getenv("MARK") : "(none)");
	return 3;
}

TEST(arguments_and_environment_arrive)
{
	int status;
	char *env[] = { "MARK=yes", "OTHER=no", NULL };
	EXPECT_STR(output_of(ktap_self("print_args", "a b", "", "c"), env, "/proc/self/exe", &status), "[a b][][c]yes");
	EXPECT_EQ(status, EXITED(3));
	EXPECT_STR(output_of(ktap_self("print_args"), (char *[]){ NULL }, "/proc/self/exe", &status), "(none)");
}

HELPER(look_at_start)
{
	unsigned long entry = getauxval(AT_ENTRY), phdr = getauxval(AT_PHDR);
	extern char _start[];
	const unsigned char *random = (void *)getauxval(AT_RANDOM);
	EXPECT_EQ(entry, (unsigned long)_start);
	EXPECT_EQ(getauxval(AT_PAGESZ), 4096);
	EXPECT_EQ(getauxval(AT_PHENT), 56);
	EXPECT_GT(getauxval(AT_PHNUM), 3);
	EXPECT_EQ(((Elf64_Phdr *)phdr)->p_type == PT_LOAD || ((Elf64_Phdr *)phdr)->p_type == PT_PHDR, 1);
	EXPECT_EQ(getauxval(AT_BASE), 0);
	EXPECT_EQ(getauxval(AT_SECURE), 0);
	EXPECT_EQ(getauxval(AT_UID), getuid());
	EXPECT_EQ(getauxval(AT_EGID), getegid());
	EXPECT_EQ(getauxval(AT_CLKTCK), 100);
	EXPECT_NE(getauxval(AT_HWCAP), 0);
	EXPECT_STR((char *)getauxval(AT_PLATFORM), "x86_64");
	EXPECT_STR((char *)getauxval(AT_EXECFN), "/proc/self/exe");
	EXPECT_TRUE(random && (random[0] | random[5] | random[9] | random[15]));
	unsigned int mxcsr;
	unsigned short fcw;
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(fcw));
	EXPECT_EQ(mxcsr & ~0x3f, 0x1f80);
	EXPECT_EQ(fcw, 0x37f);
	return ktap_failed;
}

TEST(auxv_and_initial_state)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		execv("/proc/self/exe", ktap_self("look_at_start"));
		_exit(99);
	}
	EXPECT_CHILD(pid);
}

TEST(errors)
{
	char *argv[] = { "x", NULL };
	here();
	EXPECT_ERR(execv("none", argv), ENOENT);
	EXPECT_ERR(execv("/tmp", argv), EACCES);
	EXPECT_ERR(execv("/proc/self/comm/x", argv), ENOTDIR);
	make_program("text", "no program", 10, 0755);
	EXPECT_ERR(execv("text", argv), ENOEXEC);
	make_program("plain", "#!/bin/sh\n", 10, 0644);
	EXPECT_ERR(execv("plain", argv), EACCES);
	make_program("empty", "", 0, 0755);
	EXPECT_ERR(execv("empty", argv), ENOEXEC);
	make_program("cut", "\x7f" "ELF\2\1\1", 7, 0755);
	EXPECT_ERR(execv("cut", argv), ENOEXEC);
	OK(symlink("loop", "loop"));
	EXPECT_ERR(execv("loop", argv), ELOOP);
	EXPECT_ERR(execv((char *)8, argv), EFAULT);
	EXPECT_ERR(execve("/proc/self/exe", (char **)8, NULL), EFAULT);
}

TEST(too_long_arguments_are_e2big)
{
	char *big = malloc(200000);
	memset(big, 'x', 199999);
	big[199999] = 0;
	EXPECT_ERR(execv("/proc/self/exe", (char *[]){ "x", big, NULL }), E2BIG);
	big[131071 - 1] = 0;
	int status;
	/* One of just under 128 KiB is fine. */
	output_of(ktap_self("print_args", big), (char *[]){ NULL }, "/proc/self/exe", &status);
	EXPECT_EQ(status, EXITED(3));
	char **many = calloc(1000, sizeof(char *));
	for (int i = 0; i < 100; i++)
		many[i] = big;
	EXPECT_ERR(execv("/proc/self/exe", many), E2BIG);	/* more than a quarter of the stack limit */
}

TEST(broken_elf_headers_never_harm)
{
	static char image[300000];
	int fd = OK(open("/proc/self/exe", O_RDONLY)), status;
	ssize_t n = OK(read(fd, image, sizeof(image)));
	here();
	for (long i = 0; i < ktap_scale(150); i++) {
		static char broken[300000];
		memcpy(broken, image, n);
		/* Somewhere in the file header or the program headers. */
		int times = 1 + ktap_random() % 4;
		while (times--)
			broken[4 + ktap_random() % 500] = ktap_random();
		make_program("broken", broken, n, 0755);
		pid_t pid = ktap_fork();
		if (!pid) {
			close(1);
			alarm(2);
			execv("./broken", ktap_self("print_args"));
			_exit(1);
		}
		/* Any end is right, as long as it is the program's only. */
		while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
			;
	}
}

TEST(scripts)
{
	int status;
	char *env[] = { "PATH=/bin", NULL };
	here();
	make_program("s", "#!/bin/echo one  two\n", 21, 0755);
	EXPECT_STR(output_of((char *[]){ "s", "three", NULL }, env, "./s", &status), "one  two ./s three\n");
	make_program("s", "#! /bin/echo\n", 13, 0755);
	EXPECT_STR(output_of((char *[]){ "s", NULL }, env, "./s", &status), "./s\n");
	make_program("s", "#!/none\n", 8, 0755);
	EXPECT_STR(output_of((char *[]){ "s", NULL }, env, "./s", &status), "");
	EXPECT_EQ(status, EXITED(121));
	make_program("t", "#!/bin/echo inner\n", 18, 0755);
	make_program("s", "#!./t outer\n", 12, 0755);
	EXPECT_STR(output_of((char *[]){ "s", "x", NULL }, env, "./s", &status), "inner ./t outer ./s x\n");
	make_program("self", "#!./self\n", 9, 0755);
	EXPECT_ERR(execv("./self", (char *[]){ "x", NULL }), ELOOP);
	make_program("s", "#!\n", 3, 0755);
	EXPECT_ERR(execv("./s", (char *[]){ "x", NULL }), ENOEXEC);
}

HELPER(print_comm)
{
	char name[16];
	prctl(PR_GET_NAME, name);
	printf("%s", name);
	return 0;
}

TEST(comm_is_the_last_part_of_the_path)
{
	int status;
	char *env[] = { NULL }, target[200] = "";
	/* busybox relies on this one. */
	EXPECT_STR(output_of(ktap_self("print_comm"), env, "/proc/self/exe", &status), "exe");
	OK(readlink("/proc/self/exe", target, 199));
	EXPECT_STR(output_of(ktap_self("print_comm"), env, target, &status), "exec");
	here();
	OK(symlink(target, "a-very-long-name-of-a-program"));
	EXPECT_STR(output_of(ktap_self("print_comm"), env, "./a-very-long-name-of-a-program", &status), "a-very-long-nam");
}

HELPER(descriptors)
{
	EXPECT_EQ(fcntl(40, F_GETFD), 0);
	EXPECT_ERR(fcntl(41, F_GETFD), EBADF);
	return ktap_failed;
}

TEST(cloexec_closes)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		dup2(0, 40);
		dup3(0, 41, O_CLOEXEC);
		execv("/proc/self/exe", ktap_self("descriptors"));
		_exit(9);
	}
	EXPECT_CHILD(pid);
}

HELPER(dispositions)
{
	struct sigaction a;
	sigset_t s;
	stack_t stack;
	sigaction(SIGUSR1, NULL, &a);
	EXPECT_EQ(a.sa_handler, SIG_DFL);
	sigaction(SIGUSR2, NULL, &a);
	EXPECT_EQ(a.sa_handler, SIG_IGN);
	sigprocmask(SIG_BLOCK, NULL, &s);
	EXPECT_EQ(sigismember(&s, SIGHUP), 1);
	sigpending(&s);
	EXPECT_EQ(sigismember(&s, SIGHUP), 1);
	sigaltstack(NULL, &stack);
	EXPECT_EQ(stack.ss_flags, SS_DISABLE);
	return ktap_failed;
}
static void nothing(int sig) { }

TEST(what_becomes_of_signals)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		sigset_t s;
		stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 };
		sigaltstack(&stack, NULL);
		signal(SIGUSR1, nothing);
		signal(SIGUSR2, SIG_IGN);
		sigemptyset(&s);
		sigaddset(&s, SIGHUP);
		sigprocmask(SIG_BLOCK, &s, NULL);
		kill(getpid(), SIGHUP);
		execv("/proc/self/exe", ktap_self("dispositions"));
		_exit(9);
	}
	EXPECT_CHILD(pid);
}

TEST(pid_and_parent_stay)
{
	int status;
	char want[40], *env[] = { NULL };
	snprintf(want, sizeof(want), "%d\n", getpid());
	EXPECT_STR(output_of((char *[]){ "sh", "-c", "echo $PPID", NULL }, env, "/bin/sh", &status), want);
}

TEST(proc_shows_cmdline_and_exe)
{
	char path[40], target[100] = "";
	pid_t pid = ktap_fork();
	if (!pid) {
		execl("/bin/sleep", "sleep", "1000", (char *)NULL);
		_exit(9);
	}
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	EXPECT_TRUE(ktap_until(!memcmp(ktap_read(path), "sleep\0" "1000\0", 11)));
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	EXPECT_STR(ktap_read(path), "sleep\n");
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	OK(readlink(path, target, 99));
	EXPECT_STR(target, "/bin/busybox");
	kill(pid, SIGKILL);
	EXPECT_STATUS(pid, SIGKILL);
}

TEST(static_pie)
{
	int status;
	char *out = output_of((char *[]){ "p", "a", "b", NULL }, (char *[]){ "X=1", NULL }, "/tests/helper/static_pie", &status);
	EXPECT_STR(out, "pie ok 3\n");
	EXPECT_EQ(status, EXITED(7));
}

TEST(dynamic_with_interpreter)
{
	int status;
	if (access("/tests/helper/dynamic", X_OK) || access("/lib/ld-musl-x86_64.so.1", X_OK))
		SKIP("no dynamic program in this image");
	char *out = output_of((char *[]){ "d", "a", NULL }, (char *[]){ NULL }, "/tests/helper/dynamic", &status);
	EXPECT_STR(out, "dynamic ok 2 x\n");
	EXPECT_EQ(status, EXITED(7));
}

TEST(missing_interpreter_is_enoent)
{
	static char image[100000];
	if (access("/tests/helper/dynamic", X_OK))
		SKIP("no dynamic program in this image");
	int fd = OK(open("/tests/helper/dynamic", O_RDONLY));
	ssize_t n = OK(read(fd, image, sizeof(image)));
	char *name = memmem(image, n, "/lib/ld-musl", 12);
	ASSERT_TRUE(name);
	name[1] = 'X';
	here();
	make_program("lost", image, n, 0755);
	EXPECT_ERR(execv("./lost", (char *[]){ "x", NULL }), ENOENT);
}

TEST(writing_a_running_program_is_etxtbsy)
{
	static char image[2000000];
	here();
	int fd = OK(open("/bin/busybox", O_RDONLY)), fds[2];
	ssize_t n = OK(read(fd, image, sizeof(image)));
	char c;
	make_program("sleep", image, n, 0755);
	OK(pipe2(fds, O_CLOEXEC));
	pid_t pid = ktap_fork();
	if (!pid) {
		execl("./sleep", "sleep", "1000", (char *)NULL);
		_exit(9);
	}
	close(fds[1]);
	read(fds[0], &c, 1);
	EXPECT_ERR(open("sleep", O_WRONLY), ETXTBSY);
	EXPECT_ERR(open("sleep", O_RDONLY | O_TRUNC), ETXTBSY);
	kill(pid, SIGKILL);
	EXPECT_STATUS(pid, SIGKILL);
	OK(open("sleep", O_WRONLY));
	int out = OK(open("sleep", O_WRONLY));
	pid = ktap_fork();
	if (!pid) {
		EXPECT_ERR(execl("./sleep", "sleep", "0", (char *)NULL), ETXTBSY);
		_exit(33);
	}
	EXPECT_STATUS(pid, EXITED(33));
	close(out);
}

TEST(thousand_execs)
{
	for (volatile long i = 0; i < ktap_scale(200); i++) {
		pid_t pid = vfork();
		if (!pid) {
			execl("/bin/true", "true", (char *)NULL);
			_exit(9);
		}
		ASSERT_EQ(ktap_wait(pid), 0);
	}
}
