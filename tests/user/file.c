/* tests/user/file.c - open flags, directories, rename, links, holes, truncation, O_TMPFILE, memfd, statfs, descriptors. */
#include "tests/user/ktap.h"
#include <dirent.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>

#define TMPFS_MAGIC 0x01021994

/* A directory of the case's own, made the current one. */
static void here(void)
{
	char path[] = "/tmp/file.XXXXXX";
	OK(mkdtemp(path) ? 0 : -1);
	OK(chdir(path));
}
static int make_file(const char *name, const char *text)
{
	int fd = OK(open(name, O_CREAT | O_RDWR | O_TRUNC, 0644));
	OK(write(fd, text, strlen(text)));
	OK(lseek(fd, 0, SEEK_SET));
	return fd;
}
static bool same_text(const char *name, const char *text) { char *got = ktap_read(name); return got && !strcmp(got, text); }

TEST(open_errors)
{
	here();
	close(make_file("f", "x"));
	OK(mkdir("d", 0755));
	EXPECT_ERR(open("none", O_RDONLY), ENOENT);
	EXPECT_ERR(open("none/x", O_RDONLY), ENOENT);
	EXPECT_ERR(open("f/x", O_RDONLY), ENOTDIR);
	EXPECT_ERR(open("f", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
	EXPECT_ERR(open("d", O_RDWR), EISDIR);
	EXPECT_ERR(open("d", O_CREAT | O_RDWR, 0644), EISDIR);
	EXPECT_ERR(open("f", O_DIRECTORY), ENOTDIR);
	EXPECT_ERR(open("", O_RDONLY), ENOENT);
	EXPECT_ERR(syscall(SYS_open, (char *)8, O_RDONLY), EFAULT);
	EXPECT_ERR(openat(99, "f", O_RDONLY), EBADF);
	EXPECT_ERR(openat(make_file("g", ""), "f", O_RDONLY), ENOTDIR);
	char name[300];
	memset(name, 'n', 256);
	name[256] = 0;
	EXPECT_ERR(open(name, O_RDONLY), ENAMETOOLONG);
	static char path[5000];
	memset(path, '/', 4999);
	EXPECT_ERR(open(path, O_RDONLY), ENAMETOOLONG);
}

TEST(symbolic_links)
{
	char text[20] = "";
	here();
	make_file("f", "text");
	OK(symlink("f", "l"));
	OK(symlink("loop2", "loop1"));
	OK(symlink("loop1", "loop2"));
	EXPECT_TRUE(same_text("l", "text"));
	EXPECT_ERR(open("l", O_NOFOLLOW), ELOOP);
	EXPECT_ERR(open("loop1", O_RDONLY), ELOOP);
	EXPECT_EQ(readlink("l", text, 20), 1);
	EXPECT_STR(text, "f");
	EXPECT_ERR(readlink("f", text, 20), EINVAL);
	EXPECT_ERR(symlink("x", "l"), EEXIST);
	EXPECT_ERR(open("l", O_CREAT | O_EXCL, 0600), EEXIST);
	struct stat st;
	OK(lstat("l", &st));
	EXPECT_TRUE(S_ISLNK(st.st_mode));
	EXPECT_EQ(st.st_size, 1);
	OK(stat("l", &st));
	EXPECT_TRUE(S_ISREG(st.st_mode));
	/* Creating through a dangling link makes its target. */
	OK(symlink("new", "dangling"));
	OK(open("dangling", O_CREAT | O_WRONLY, 0600));
	OK(stat("new", &st));
	OK(unlink("l"));
	EXPECT_TRUE(same_text("f", "text"));
}

TEST(paths_with_dots_and_slashes)
{
	char path[100];
	here();
	OK(mkdir("a", 0755));
	OK(mkdir("a/b", 0755));
	make_file("a/f", "in a");
	EXPECT_TRUE(same_text("a/b/../f", "in a"));
	EXPECT_TRUE(same_text(".//a/./f", "in a"));
	EXPECT_TRUE(same_text("/../../proc/../tmp/../proc/self/comm", "file\n"));
	OK(chdir("a/b"));
	EXPECT_TRUE(strstr(getcwd(path, sizeof(path)), "/a/b") != NULL);
	OK(chdir(".."));
	EXPECT_TRUE(same_text("f", "in a"));
	EXPECT_ERR(syscall(SYS_getcwd, path, 3), ERANGE);
	EXPECT_ERR(open("f/", O_RDONLY), ENOTDIR);
}

TEST(read_write_seek)
{
	char text[20] = "";
	here();
	int fd = make_file("f", "0123456789");
	EXPECT_EQ(read(fd, text, 4), 4);
	EXPECT_EQ(lseek(fd, -2, SEEK_CUR), 2);
	EXPECT_EQ(lseek(fd, -3, SEEK_END), 7);
	EXPECT_EQ(read(fd, text, 20), 3);
	EXPECT_EQ(read(fd, text, 20), 0);
	EXPECT_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
	EXPECT_ERR(lseek(fd, 0, 99), EINVAL);
	EXPECT_EQ(pread(fd, text, 2, 5), 2);
	EXPECT_EQ(text[0], '5');
	EXPECT_EQ(pwrite(fd, "AB", 2, 1), 2);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 10);
	EXPECT_TRUE(same_text("f", "0AB3456789"));
	EXPECT_ERR(pread(fd, text, 1, -1), EINVAL);
	int ro = OK(open("f", O_RDONLY));
	EXPECT_ERR(write(ro, "x", 1), EBADF);
	int wo = OK(open("f", O_WRONLY));
	EXPECT_ERR(read(wo, text, 1), EBADF);
	EXPECT_ERR(read(open(".", O_RDONLY), text, 1), EISDIR);
	EXPECT_ERR(write(fd, (char *)8, 10), EFAULT);
}

TEST(append_always_writes_at_the_end)
{
	here();
	make_file("f", "abc");
	int fd = OK(open("f", O_WRONLY | O_APPEND));
	OK(lseek(fd, 0, SEEK_SET));
	OK(write(fd, "def", 3));
	EXPECT_TRUE(same_text("f", "abcdef"));
	OK(open("f", O_WRONLY | O_TRUNC));
	EXPECT_TRUE(same_text("f", ""));
}

TEST(vectors)
{
	char a[3] = "", b[10] = "";
	here();
	int fd = make_file("f", "");
	struct iovec out[3] = { { "one", 3 }, { NULL, 0 }, { "four", 4 } }, in[2] = { { a, 2 }, { b, 9 } };
	EXPECT_EQ(writev(fd, out, 3), 7);
	EXPECT_EQ(preadv(fd, in, 2, 0), 7);
	EXPECT_EQ(a[1], 'n');
	EXPECT_STR(b, "efour");
	EXPECT_ERR(readv(fd, in, -1), EINVAL);
	EXPECT_ERR(writev(fd, out, 1025), EINVAL);
}

TEST(holes_and_truncation)
{
	struct stat st;
	char text[8200];
	here();
	int fd = make_file("f", "begin");
	OK(pwrite(fd, "end", 3, 100000));
	OK(fstat(fd, &st));
	EXPECT_EQ(st.st_size, 100003);
	EXPECT_LE(st.st_blocks, 16);		/* two pages */
	memset(text, 1, sizeof(text));
	EXPECT_EQ(pread(fd, text, 8200, 5), 8200);
	for (int i = 0; i < 8200; i++)
		ASSERT_EQ(text[i], 0);
	OK(ftruncate(fd, 3));
	OK(ftruncate(fd, 5000));
	EXPECT_EQ(pread(fd, text, 8200, 0), 5000);
	EXPECT_EQ(memcmp(text, "beg\0\0", 5), 0);
	OK(truncate("f", 0));
	EXPECT_EQ(pread(fd, text, 10, 0), 0);
	EXPECT_ERR(ftruncate(fd, -1), EINVAL);
	EXPECT_ERR(truncate(".", 0), EISDIR);
}

TEST(seek_data_and_hole)
{
	int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	OK(pwrite(fd, "x", 1, 5 * 4096));
	OK(ftruncate(fd, 10 * 4096));
	EXPECT_EQ(lseek(fd, 0, SEEK_DATA), 5 * 4096);
	EXPECT_EQ(lseek(fd, 0, SEEK_HOLE), 0);
	EXPECT_EQ(lseek(fd, 5 * 4096, SEEK_HOLE), 6 * 4096);
	EXPECT_ERR(lseek(fd, 7 * 4096, SEEK_DATA), ENXIO);
	EXPECT_ERR(lseek(fd, 10 * 4096, SEEK_HOLE), ENXIO);
}

TEST(fallocate_and_punch)
{
	struct stat st;
	char c = 1;
	int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	OK(fallocate(fd, 0, 0, 4 * 4096));
	OK(fstat(fd, &st));
	EXPECT_EQ(st.st_size, 4 * 4096);
	EXPECT_EQ(st.st_blocks, 32);
	OK(pwrite(fd, "x", 1, 4096));
	OK(fallocate(fd, 3 /* PUNCH_HOLE | KEEP_SIZE */, 4096, 4096));
	OK(fstat(fd, &st));
	EXPECT_EQ(st.st_blocks, 24);
	EXPECT_EQ(st.st_size, 4 * 4096);
	OK(pread(fd, &c, 1, 4096));
	EXPECT_EQ(c, 0);
	EXPECT_ERR(fallocate(fd, 2, 0, 4096), EOPNOTSUPP);
	EXPECT_ERR(fallocate(fd, 0, 0, 0), EINVAL);
}

TEST(directories)
{
	struct stat st;
	here();
	OK(mkdir("d", 0755));
	EXPECT_ERR(mkdir("d", 0755), EEXIST);
	EXPECT_ERR(mkdir("no/d", 0755), ENOENT);
	OK(mkdir("d/e", 0700));
	OK(stat("d", &st));
	EXPECT_EQ(st.st_nlink, 3);
	EXPECT_ERR(rmdir("d"), ENOTEMPTY);
	EXPECT_ERR(unlink("d"), EISDIR);
	OK(rmdir("d/e"));
	OK(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
	EXPECT_ERR(rmdir("d"), ENOENT);
	make_file("f", "");
	EXPECT_ERR(rmdir("f"), ENOTDIR);
	EXPECT_ERR(rmdir("."), EINVAL);
}

TEST(listing_with_types_and_positions)
{
	DIR *d;
	struct dirent *e;
	int found = 0, kinds[16] = { 0 };
	char name[20];
	here();
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "file%03d", i);
		close(make_file(name, ""));
	}
	OK(mkdir("dir", 0755));
	OK(symlink("x", "link"));
	OK(mkfifo("fifo", 0600));
	d = opendir(".");
	while ((e = readdir(d))) {
		found++;
		kinds[e->d_type]++;
	}
	EXPECT_EQ(found, 305);
	EXPECT_EQ(kinds[DT_REG], 300);
	EXPECT_EQ(kinds[DT_DIR], 3);
	EXPECT_EQ(kinds[DT_LNK], 1);
	EXPECT_EQ(kinds[DT_FIFO], 1);
	rewinddir(d);
	for (int i = 0; i < 100; i++)
		readdir(d);
	long at = telldir(d);
	e = readdir(d);
	snprintf(name, sizeof(name), "%s", e->d_name);
	seekdir(d, at);
	EXPECT_STR(readdir(d)->d_name, name);
	char small[8];
	EXPECT_ERR(syscall(SYS_getdents64, dirfd(d), small, 8), EINVAL);
	EXPECT_ERR(syscall(SYS_getdents64, make_file("f", ""), small, 8), ENOTDIR);
}

TEST(removal_while_listing_misses_nothing)
{
	char name[20];
	DIR *d;
	struct dirent *e;
	int removed = 0;
	here();
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		close(make_file(name, ""));
	}
	d = opendir(".");
	while ((e = readdir(d)))
		if (e->d_name[0] == 'f')
			removed += !unlink(e->d_name);
	EXPECT_EQ(removed, 500);
}

TEST(rename_replaces)
{
	here();
	close(make_file("a", "A"));
	close(make_file("b", "B"));
	OK(rename("a", "b"));
	EXPECT_TRUE(same_text("b", "A"));
	EXPECT_ERR(rename("a", "c"), ENOENT);
	OK(mkdir("d", 0755));
	EXPECT_ERR(rename("b", "d"), EISDIR);
	EXPECT_ERR(rename("d", "b"), ENOTDIR);
	OK(mkdir("e", 0755));
	OK(rename("d", "e"));
	OK(mkdir("e/sub", 0755));
	EXPECT_ERR(rename("e", "e/sub/x"), EINVAL);
	OK(mkdir("g", 0755));
	EXPECT_ERR(rename("g", "e"), ENOTEMPTY);
	OK(rename("b", "e/b"));
	EXPECT_TRUE(same_text("e/b", "A"));
	OK(rename("e/b", "e/b"));
	close(make_file("x", "X"));
	EXPECT_ERR(syscall(SYS_renameat2, AT_FDCWD, "x", AT_FDCWD, "e/b", 1 /* NOREPLACE */), EEXIST);
	EXPECT_ERR(rename("x", "/proc/x"), EXDEV);
}

TEST(hard_links)
{
	struct stat a, b;
	here();
	close(make_file("a", "text"));
	OK(link("a", "b"));
	OK(stat("a", &a));
	OK(stat("b", &b));
	EXPECT_EQ(a.st_ino, b.st_ino);
	EXPECT_EQ(a.st_nlink, 2);
	OK(unlink("a"));
	EXPECT_TRUE(same_text("b", "text"));
	OK(mkdir("d", 0755));
	EXPECT_ERR(link("d", "e"), EPERM);
	EXPECT_ERR(link("b", "d"), EEXIST);
}

TEST(unlinked_file_lives_until_closed)
{
	struct stat st;
	char text[10] = "", path[100];
	here();
	int fd = make_file("f", "alive");
	OK(unlink("f"));
	OK(fstat(fd, &st));
	EXPECT_EQ(st.st_nlink, 0);
	EXPECT_EQ(read(fd, text, 9), 5);
	EXPECT_STR(text, "alive");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	char target[200] = "";
	OK(readlink(path, target, 199));
	EXPECT_TRUE(strstr(target, "/f (deleted)") != NULL);
	/* Opened again through /proc it is the same file. */
	int again = OK(open(path, O_RDWR));
	OK(pwrite(again, "A", 1, 0));
	OK(pread(fd, text, 1, 0));
	EXPECT_EQ(text[0], 'A');
}

TEST(unlink_frees_the_memory)
{
	static char block[1 << 20];
	here();
	memset(block, 1, sizeof(block));
	struct statfs before, during, after;
	OK(statfs("/tmp", &before));
	int fd = make_file("f", "");
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(write(fd, block, sizeof(block)), (long)sizeof(block));
	OK(statfs("/tmp", &during));
	EXPECT_GE(before.f_bfree - during.f_bfree, 2048);
	close(fd);
	OK(unlink("f"));
	OK(statfs("/tmp", &after));
	EXPECT_GE(after.f_bfree, during.f_bfree + 2048);
}

TEST(o_tmpfile_has_no_name_until_linked)
{
	char path[100];
	struct stat st;
	here();
	int fd = OK(open(".", O_TMPFILE | O_RDWR, 0600));
	OK(write(fd, "temporary", 9));
	OK(fstat(fd, &st));
	EXPECT_EQ(st.st_nlink, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	EXPECT_TRUE(same_text("named", "temporary"));
	EXPECT_ERR(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
}

TEST(memfd)
{
	struct stat st;
	char target[100] = "", path[50];
	int fd = OK(syscall(SYS_memfd_create, "hello", 1 /* CLOEXEC */));
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	OK(ftruncate(fd, 5000));
	OK(fstat(fd, &st));
	EXPECT_EQ(st.st_size, 5000);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(readlink(path, target, 99));
	EXPECT_STR(target, "/memfd:hello (deleted)");
	EXPECT_ERR(syscall(SYS_memfd_create, "x", 0x1000), EINVAL);
	EXPECT_ERR(syscall(SYS_memfd_create, (char *)8, 0), EFAULT);
}

TEST(statfs_magic_numbers)
{
	static const struct { const char *path; long magic; } fs[] = {
		{ "/tmp", TMPFS_MAGIC }, { "/dev/shm", TMPFS_MAGIC }, { "/proc", 0x9fa0 }, { "/sys", 0x62656572 },
		{ "/sys/kernel/debug", 0x64626720 }, { "/dev", TMPFS_MAGIC },
	};
	struct statfs s;
	for (unsigned int i = 0; i < sizeof(fs) / sizeof(*fs); i++) {
		OK(statfs(fs[i].path, &s));
		EXPECT_EQ(s.f_type, fs[i].magic);
	}
	EXPECT_EQ(s.f_bsize, 4096);
	EXPECT_ERR(statfs("/none", &s), ENOENT);
}

TEST(stat_fields)
{
	struct stat st;
	struct timespec before;
	clock_gettime(CLOCK_REALTIME, &before);
	here();
	int fd = make_file("f", "12345");
	OK(fstat(fd, &st));
	EXPECT_EQ(st.st_size, 5);
	EXPECT_EQ(st.st_mode, S_IFREG | 0644);
	EXPECT_EQ(st.st_uid, getuid());
	EXPECT_EQ(st.st_blksize, 4096);
	EXPECT_EQ(st.st_blocks, 8);
	EXPECT_GE(st.st_mtime, before.tv_sec - 1);
	OK(chmod("f", 04711));
	OK(chown("f", 12, 34));
	OK(fstat(fd, &st));
	EXPECT_EQ(st.st_uid, 12);
	EXPECT_EQ(st.st_gid, 34);
	OK(chmod("f", 0711));
	struct timespec t[2] = { { 1000, 5 }, { 2000, 6 } };
	OK(utimensat(AT_FDCWD, "f", t, 0));
	OK(fstatat(AT_FDCWD, "f", &st, 0));
	EXPECT_EQ(st.st_atime, 1000);
	EXPECT_EQ(st.st_mtime, 2000);
	EXPECT_EQ(st.st_mode & 0777, 0711);
	OK(stat("/dev/null", &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(st.st_rdev, makedev(1, 3));
}

TEST(umask_and_modes)
{
	struct stat st;
	here();
	EXPECT_EQ(umask(027), 022);
	close(OK(open("f", O_CREAT | O_WRONLY, 0666)));
	OK(mkdir("d", 0777));
	OK(stat("f", &st));
	EXPECT_EQ(st.st_mode & 07777, 0640);
	OK(stat("d", &st));
	EXPECT_EQ(st.st_mode & 07777, 0750);
}

TEST(access_of_an_ordinary_user)
{
	here();
	OK(chmod(".", 0755));
	close(make_file("secret", "x"));
	OK(chmod("secret", 0600));
	close(make_file("public", "x"));
	OK(mkdir("locked", 0700));
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(setgid(65534));
		OK(setuid(65534));
		EXPECT_ERR(open("secret", O_RDONLY), EACCES);
		EXPECT_ERR(open("public", O_RDWR), EACCES);
		OK(open("public", O_RDONLY));
		EXPECT_ERR(open("locked/x", O_RDONLY), EACCES);
		EXPECT_ERR(open("new", O_CREAT | O_RDWR, 0644), EACCES);
		EXPECT_ERR(unlink("public"), EACCES);
		EXPECT_ERR(chmod("public", 0777), EPERM);
		EXPECT_ERR(access("secret", R_OK), EACCES);
		EXPECT_EQ(access("public", R_OK), 0);
		EXPECT_ERR(setuid(0), EPERM);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(access("secret", R_OK | W_OK), 0);
	EXPECT_ERR(access("secret", X_OK), EACCES);
}

TEST(descriptors)
{
	here();
	int fd = make_file("f", "x");
	EXPECT_EQ(dup2(fd, 50), 50);
	EXPECT_EQ(fcntl(50, F_GETFD), 0);
	EXPECT_EQ(dup3(fd, 51, O_CLOEXEC), 51);
	EXPECT_EQ(fcntl(51, F_GETFD), FD_CLOEXEC);
	EXPECT_ERR(dup3(fd, fd, 0), EINVAL);
	EXPECT_EQ(dup2(fd, fd), fd);
	EXPECT_EQ(fcntl(fd, F_DUPFD, 60), 60);
	EXPECT_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 60), 61);
	OK(close(60));
	EXPECT_ERR(close(60), EBADF);
	EXPECT_ERR(dup2(60, 61), EBADF);
	EXPECT_ERR(dup2(fd, -1), EBADF);
	EXPECT_ERR(fcntl(fd, F_DUPFD, -1), EINVAL);
	OK(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
	EXPECT_EQ(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE), O_APPEND | O_NONBLOCK | O_RDWR);
	EXPECT_EQ(fcntl(50, F_GETFL) & O_APPEND, O_APPEND);	/* one open file */
	/* The lowest free number is taken. */
	close(0);
	EXPECT_EQ(open("f", O_RDONLY), 0);
}

TEST(o_path_only_names)
{
	char c;
	struct stat st;
	here();
	close(make_file("f", "x"));
	int fd = OK(open("f", O_PATH));
	EXPECT_ERR(read(fd, &c, 1), EBADF);
	OK(fstat(fd, &st));
	EXPECT_EQ(st.st_size, 1);
	int dir = OK(open(".", O_PATH | O_DIRECTORY));
	OK(openat(dir, "f", O_RDONLY));
}

TEST(fstat_of_an_empty_path)
{
	struct stat st;
	here();
	int fd = make_file("f", "abc");
	OK(fstatat(fd, "", &st, AT_EMPTY_PATH));
	EXPECT_EQ(st.st_size, 3);
	EXPECT_ERR(fstatat(fd, "", &st, 0), ENOENT);
}

TEST(devices)
{
	char text[100];
	int fd = OK(open("/dev/null", O_RDWR));
	EXPECT_EQ(write(fd, "x", 1), 1);
	EXPECT_EQ(read(fd, text, 1), 0);
	fd = OK(open("/dev/zero", O_RDWR));
	memset(text, 1, sizeof(text));
	EXPECT_EQ(read(fd, text, 100), 100);
	EXPECT_EQ(text[99], 0);
	fd = OK(open("/dev/full", O_RDWR));
	EXPECT_ERR(write(fd, "x", 1), ENOSPC);
	EXPECT_EQ(read(fd, text, 10), 10);
	fd = OK(open("/dev/urandom", O_RDONLY));
	EXPECT_EQ(read(fd, text, 100), 100);
	int distinct = 0;
	for (int i = 1; i < 100; i++)
		distinct += text[i] != text[0];
	EXPECT_GT(distinct, 50);
	char *p = OK(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, open("/dev/zero", O_RDWR), 0));
	p[5000] = 1;
}

TEST(flock_excludes)
{
	here();
	close(make_file("f", ""));
	int a = OK(open("f", O_RDWR)), b = OK(open("f", O_RDWR));
	extern int flock(int, int);
	OK(flock(a, 2 /* EX */));
	EXPECT_ERR(flock(b, 2 | 4 /* NB */), EWOULDBLOCK);
	OK(flock(a, 8 /* UN */));
	OK(flock(b, 1 | 4));
	OK(flock(a, 1 | 4));
}

TEST(mount_and_umount_of_tmpfs)
{
	here();
	OK(mkdir("m", 0755));
	close(make_file("m/below", ""));
	OK(mount("none", "m", "tmpfs", 0, "size=1m,mode=700"));
	EXPECT_ERR(open("m/below", O_RDONLY), ENOENT);
	int fd = make_file("m/f", "x");
	EXPECT_TRUE(strstr(ktap_read("/proc/mounts"), "/m tmpfs rw") != NULL);
	static char block[1 << 20];
	int out = OK(open("m/big", O_CREAT | O_WRONLY, 0600));
	ssize_t n = write(out, block, sizeof(block));
	EXPECT_LT(n, (long)sizeof(block));
	EXPECT_ERR(write(out, block, sizeof(block)), ENOSPC);
	close(out);
	EXPECT_ERR(umount("m"), EBUSY);
	EXPECT_ERR(rmdir("m"), EBUSY);
	close(fd);
	OK(umount("m"));
	OK(open("m/below", O_RDONLY));
	EXPECT_ERR(umount("m"), EINVAL);
	EXPECT_ERR(mount("none", "m", "nosuchfs", 0, NULL), ENODEV);
	EXPECT_ERR(mount("none", "none", "tmpfs", 0, NULL), ENOENT);
	EXPECT_ERR(mount("none", "m/below", "tmpfs", 0, NULL), ENOTDIR);
}

TEST(mountinfo_shows_which_part_is_mounted)
{
	here();
	OK(mkdir("part of", 0755));
	OK(mkdir("part of/it", 0755));
	OK(mkdir("at", 0755));
	OK(mount("none", "part of", "tmpfs", 0, NULL));
	OK(mkdir("part of/a", 0755));
	OK(mkdir("part of/a/b c", 0755));
	OK(mount("part of/a/b c", "at", NULL, MS_BIND, NULL));
	EXPECT_TRUE(strstr(ktap_read("/proc/self/mountinfo"), " /a/b\\040c /") != NULL);
	OK(rename("part of/a", "part of/d"));
	EXPECT_TRUE(strstr(ktap_read("/proc/self/mountinfo"), " /d/b\\040c /") != NULL);
	OK(umount("at"));
	OK(umount("part of"));
}

TEST(sendfile_copies_or_says_einval)
{
	here();
	int in = make_file("in", "send this"), out = make_file("out", "");
	ssize_t n = syscall(SYS_sendfile, out, in, NULL, 100);
	if (n < 0)
		EXPECT_EQ(errno, EINVAL);
	else
		EXPECT_TRUE(n == 9 && same_text("out", "send this"));
}

TEST(concurrent_appends_do_not_overlap)
{
	struct stat st;
	here();
	close(make_file("f", ""));
	for (int i = 0; i < 4; i++) {
		if (ktap_fork() == 0) {
			int fd = OK(open("f", O_WRONLY | O_APPEND));
			char line[10];
			snprintf(line, sizeof(line), "line %d..\n", i);
			for (long n = 0; n < 300; n++)
				write(fd, line, 9);
			ktap_exit();
		}
	}
	for (int i = 0; i < 4; i++)
		EXPECT_CHILD(-1);
	OK(stat("f", &st));
	EXPECT_EQ(st.st_size, 4 * 300 * 9);
	char *text = ktap_read("f");
	for (int i = 0; i < 1200; i++)
		ASSERT_EQ(memcmp(text + i * 9, "line ", 5), 0);
}
