/*
 * tests/user/disk.c - disks: sizes, buffered and direct reads and writes, errors; and devices that write user memory,
 * the real test of pins (rules PIN-1, 5, 8, COW-5, COW-22, RCL-1, RCL-22).
 *
 * Writes to /dev/vda and /dev/ram0, whatever is on them: for virtual machines. A disk that somebody uses alone (swap) is
 * left out, and so are all where there is none.
 */
#include "tests/user/large.h"
#include <pthread.h>
#include <sys/mount.h>

#define BLOCK	   4096ul		/* a multiple of every disk's logical block */
#ifndef BLKPBSZGET
#define BLKPBSZGET 0x127b
#endif
#define AREA	   (8ul << 20)		/* the tests' part of a disk, from its beginning */

/* ---- Disks ---- */

static const char *const disks[] = { "vda", "ram0" };

static char *dev(const char *name)
{
	static char path[40];
	snprintf(path, sizeof(path), "/dev/%s", name);
	return path;
}

/* DISK open for reading and writing, or -1: not there, in use, too small, or so large that it is somebody's. */
static int disk_open(const char *disk, int flags)
{
	uint64_t size = 0;
	int fd = open(dev(disk), O_RDWR | O_EXCL | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (ioctl(fd, BLKGETSIZE64, &size) || size < AREA || size > 1ull << 30) {
		close(fd);
		return -1;
	}
	int other = OK(open(dev(disk), O_RDWR | O_CLOEXEC | flags));
	close(fd);
	return other;
}

static int vda(int flags)
{
	int fd = disk_open("vda", flags);
	if (fd < 0)
		SKIP("no disk /dev/vda to write to");
	return fd;
}

/* TEST(NAME_vda), TEST(NAME_ram0). */
#define TEST_DISKS(n) \
	static void n(const char *disk); \
	TEST(n##_vda) { n(disks[0]); } \
	TEST(n##_ram0) { n(disks[1]); } \
	static void n(const char *disk)
static int need(const char *disk, int flags)
{
	int fd = disk_open(disk, flags);
	if (fd < 0)
		SKIP("no such disk to write to");
	return fd;
}

static long sysfs(const char *disk, const char *file)
{
	char path[80];
	snprintf(path, sizeof(path), "/sys/block/%s/%s", disk, file);
	char *text = ktap_read(path);
	return text ? atol(text) : -1;
}
static int logical_block(int fd)
{
	int n = 0;
	OK(ioctl(fd, BLKSSZGET, &n));
	return n;
}
static uint64_t size_of(int fd)
{
	uint64_t size;
	OK(ioctl(fd, BLKGETSIZE64, &size));
	return size;
}

/* ---- Contents: each 8 bytes tell where they belong, and in which round they were written ---- */

static void make(char *p, size_t n, uint64_t at, uint64_t round)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = (at + i) ^ round << 40;
		memcpy(p + i, &v, 8);
	}
}
static size_t wrong(const char *p, size_t n, uint64_t at, uint64_t round)
{
	size_t bad = 0;
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v;
		memcpy(&v, p + i, 8);
		bad += v != ((at + i) ^ round << 40);
	}
	return bad;
}
/* N bytes at AT of the disk are of ROUND from now on. */
static void put(int fd, size_t n, uint64_t at, uint64_t round)
{
	char *p = anon(n);
	make(p, n, at, round);
	ASSERT_EQ(pwrite(fd, p, n, at), n);
	munmap(p, n);
}
static size_t wrong_on_disk(int fd, size_t n, uint64_t at, uint64_t round)
{
	char *p = anon(n);
	ASSERT_EQ(pread(fd, p, n, at), n);
	size_t bad = wrong(p, n, at, round);
	munmap(p, n);
	return bad;
}

/* ---- The device as a file ---- */

TEST_DISKS(sizes_agree)
{
	int fd = need(disk, 0), n;
	uint64_t size = size_of(fd);
	unsigned long sectors, kib;
	char type[20] = "";
	struct stat st;
	OK(ioctl(fd, BLKGETSIZE, &sectors));
	EXPECT_EQ(sectors, size / 512);
	EXPECT_EQ(sysfs(disk, "size"), size / 512);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), size);
	EXPECT_EQ(lseek(fd, -512, SEEK_CUR), size - 512);
	EXPECT_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
	EXPECT_EQ(sysfs(disk, "queue/logical_block_size"), logical_block(fd));
	OK(ioctl(fd, BLKPBSZGET, &n));
	EXPECT_GE(n, logical_block(fd));
	OK(ioctl(fd, BLKBSZGET, &n));
	EXPECT_EQ(n & (n - 1), 0);
	OK(ioctl(fd, BLKROGET, &n));
	EXPECT_EQ(n, 0);
	EXPECT_ERR(ioctl(fd, 0xdead, &n), ENOTTY);
	EXPECT_ERR(ioctl(fd, BLKGETSIZE64, NULL), EFAULT);
	OK(fstat(fd, &st));
	EXPECT_TRUE(S_ISBLK(st.st_mode));
	/* /proc/partitions: major minor KiB name. */
	for (char *line = ktap_read("/proc/partitions"); line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (sscanf(line, "%*d %*d %lu %19s", &kib, type) == 2 && !strcmp(type, disk))
			EXPECT_EQ(kib, size / 1024);
}

TEST_DISKS(one_who_wants_it_alone_keeps_others_out)
{
	int fd = need(disk, 0), alone = OK(open(dev(disk), O_RDWR | O_EXCL));
	EXPECT_ERR(open(dev(disk), O_RDWR | O_EXCL), EBUSY);
	int beside = OK(open(dev(disk), O_RDONLY));
	close(alone);
	alone = OK(open(dev(disk), O_RDWR | O_EXCL));
	close(alone);
	close(beside);
	close(fd);
}

TEST(rotational_can_be_set)
{
	int fd = vda(0);
	long was = sysfs("vda", "queue/rotational");
	EXPECT_EQ(ktap_write("/sys/block/vda/queue/rotational", was ? "0" : "1"), 0);
	EXPECT_EQ(sysfs("vda", "queue/rotational"), !was);
	EXPECT_EQ(ktap_write("/sys/block/vda/queue/rotational", was ? "1" : "0"), 0);
	EXPECT_EQ(sysfs("vda", "queue/rotational"), was);
	close(fd);
}

/* ---- Buffered ---- */

TEST_DISKS(bytes_at_any_place_are_read_back)
{
	int fd = need(disk, 0);
	char *model = anon(1 << 20), *p = anon(1 << 20);
	put(fd, 1 << 20, 0, 1);
	make(model, 1 << 20, 0, 1);
	for (int i = 0; i < ktap_scale(200); i++) {
		size_t at = ktap_random() % ((1 << 20) - 20000), n = 1 + ktap_random() % 20000;
		memset(model + at, (int)i, n);
		if (i % 3) {
			ASSERT_EQ(pwrite(fd, model + at, n, at), n);
		} else {
			char *third = model + at + n / 3;
			struct iovec v[3] = { { model + at, n / 3 }, { third, 0 }, { third, n - n / 3 } };
			ASSERT_EQ(pwritev(fd, v, 3, at), n);
		}
		if (i % 16 == 0)
			OK(ioctl(fd, BLKFLSBUF, 0));	/* from now on from the disk */
		at = ktap_random() % ((1 << 20) - 30000);
		n = 1 + ktap_random() % 30000;
		ASSERT_EQ(pread(fd, p, n, at), n);
		EXPECT_EQ(memcmp(p, model + at, n), 0);
	}
	close(fd);	/* the last close writes what is left */
	fd = need(disk, O_DIRECT);
	ASSERT_EQ(pread(fd, p, 1 << 20, 0), 1 << 20);
	EXPECT_EQ(memcmp(p, model, 1 << 20), 0);
	close(fd);
}

TEST_DISKS(the_end_of_the_disk)
{
	int fd = need(disk, 0);
	uint64_t size = size_of(fd);
	char *p = anon(8 * BLOCK);
	memset(p, 'x', 8 * BLOCK);
	EXPECT_EQ(pwrite(fd, p, 8 * BLOCK, size - BLOCK), BLOCK);
	EXPECT_ERR(pwrite(fd, p, 1, size), ENOSPC);
	EXPECT_EQ(pread(fd, p, 8 * BLOCK, size - BLOCK - 100), BLOCK + 100);
	EXPECT_EQ(pread(fd, p, 1, size), 0);
	EXPECT_EQ(pread(fd, p, 1, size + 12345), 0);
	EXPECT_EQ(pwrite(fd, p, 0, size), 0);
	close(fd);
	fd = need(disk, O_DIRECT);
	EXPECT_EQ(pwrite(fd, p, 8 * BLOCK, size - BLOCK), BLOCK);
	EXPECT_EQ(pread(fd, p, 8 * BLOCK, size - BLOCK), BLOCK);
	EXPECT_EQ(pread(fd, p, BLOCK, size), 0);
	EXPECT_ERR(pwrite(fd, p, BLOCK, size), ENOSPC);
	close(fd);
}

TEST(fsync_leaves_nothing_dirty)
{
	int fd = vda(0);
	put(fd, 64 * BLOCK, 0, 3);
	EXPECT_GT(vmstat("nr_dirty"), 0);
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_EQ(vmstat("nr_dirty"), 0);
	put(fd, BLOCK, 0, 4);
	EXPECT_EQ(fdatasync(fd), 0);
	EXPECT_EQ(vmstat("nr_dirty"), 0);
	put(fd, BLOCK, 0, 5);
	sync();
	EXPECT_EQ(vmstat("nr_dirty"), 0);
	close(fd);
	EXPECT_EQ(ktap_number("/proc/meminfo", "Buffers"), 0);	/* nobody has a disk open */
}

/* A writer of much more than may be dirty: it must write along the way. */
TEST(dirty_pages_stay_few)
{
	int fd = vda(0);
	uint64_t size = size_of(fd), n = size < 48ul << 20 ? size : 48ul << 20;
	char *p = anon(1 << 20);
	for (uint64_t at = 0; at + (1 << 20) <= n; at += 1 << 20) {
		make(p, 1 << 20, at, 7);
		ASSERT_EQ(pwrite(fd, p, 1 << 20, at), 1 << 20);
		EXPECT_LE(vmstat("nr_dirty"), 4096 + 1);
	}
	EXPECT_EQ(fsync(fd), 0);
	OK(ioctl(fd, BLKFLSBUF, 0));
	for (uint64_t at = 0; at + (1 << 20) <= n; at += 4 << 20)
		EXPECT_EQ(wrong_on_disk(fd, 1 << 20, at, 7), 0);
	close(fd);
}

/* RCL-22: drop_caches 1 frees clean blocks, and no others. */
TEST(drop_caches_drops_clean_blocks)
{
	int fd = vda(0);
	char *p = anon(AREA);
	if (geteuid())
		SKIP("needs root");
	ASSERT_EQ(pread(fd, p, AREA, 0), AREA);
	EXPECT_GE(ktap_number("/proc/meminfo", "Buffers"), (long)(AREA / 1024));
	EXPECT_GE(vmstat("nr_inactive_file") + vmstat("nr_active_file"), (long)(AREA / PAGE) - 64);
	put(fd, 16 * PAGE, 0, 8);
	EXPECT_EQ(ktap_write("/proc/sys/vm/drop_caches", "1"), 0);
	EXPECT_LE(ktap_number("/proc/meminfo", "Buffers"), 64 + 64);
	EXPECT_EQ(wrong_on_disk(fd, 16 * PAGE, 0, 8), 0);
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_EQ(ktap_write("/proc/sys/vm/drop_caches", "1"), 0);
	EXPECT_EQ(ktap_number("/proc/meminfo", "Buffers"), 0);
	EXPECT_EQ(wrong_on_disk(fd, 16 * PAGE, 0, 8), 0);
	close(fd);
}

/* RCL-15: clean blocks are the first that memory is taken from, dirty ones are not lost; nobody is killed. */
TEST_SLOW(cached_blocks_give_way_to_processes)
{
	int fd = vda(0);
	size_t size = size_of(fd) & ~(BLOCK - 1), piece = 1 << 20, want;
	long kills = vmstat("oom_kill"), cached;
	if (vmstat("pgsteal_direct") < 0)
		SKIP("this kernel reclaims nothing");
	if ((size_t)ktap_number("/proc/meminfo", "MemAvailable") * 1024 < 2 * size + (64ul << 20))
		SKIP("the disk does not fit twice into memory");
	char *p = anon(piece);
	for (size_t at = 0; at + piece <= size; at += piece)
		ASSERT_EQ(pread(fd, p, piece, at), piece);
	put(fd, 256 * PAGE, 0, 91);
	cached = ktap_number("/proc/meminfo", "Buffers");
	EXPECT_GE(cached, (long)(size / 1024 / 10 * 9));
	want = (ktap_number("/proc/meminfo", "MemFree") + cached / 2) * 1024 & ~(PAGE - 1);
	p = anon(want);
	for (size_t at = 0; at < want; at += PAGE)
		p[at] = 1;
	EXPECT_LE(ktap_number("/proc/meminfo", "Buffers"), cached / 4 * 3);
	EXPECT_EQ(vmstat("oom_kill"), kills);
	munmap(p, want);
	EXPECT_EQ(wrong_on_disk(fd, 256 * PAGE, 0, 91), 0);
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_EQ(wrong_on_disk(fd, 256 * PAGE, 0, 91), 0);
	close(fd);
}

/* ---- Direct ---- */

TEST_DISKS(direct_io_must_be_aligned)
{
	int fd = need(disk, O_DIRECT), block = logical_block(fd);
	char *p = anon(4 * BLOCK);
	memset(p, 1, 4 * BLOCK);
	EXPECT_EQ(pwrite(fd, p, BLOCK, 0), BLOCK);
	EXPECT_EQ(pread(fd, p + block, block, block), block);
	EXPECT_ERR(pread(fd, p + 1, BLOCK, 0), EINVAL);
	EXPECT_ERR(pread(fd, p, BLOCK, 100), EINVAL);
	EXPECT_ERR(pread(fd, p, 100, 0), EINVAL);
	EXPECT_ERR(pwrite(fd, p + 8, BLOCK, 0), EINVAL);
	struct iovec v[2] = { { p, BLOCK }, { p + BLOCK, 100 } };
	EXPECT_ERR(preadv(fd, v, 2, 0), EINVAL);
	EXPECT_ERR(pread(fd, (char *)0x1000, BLOCK, 0), EFAULT);
	/* As far as there is memory. */
	EXPECT_EQ(pread(fd, p, 5 * BLOCK, 0), 4 * BLOCK);
	OK(mprotect(p, 4 * BLOCK, PROT_READ));
	EXPECT_ERR(pread(fd, p, BLOCK, 0), EFAULT);
	EXPECT_EQ(pwrite(fd, p, BLOCK, 0), BLOCK);
	close(fd);
}

TEST_DISKS(direct_and_buffered_agree)
{
	int fd = need(disk, 0), direct = OK(open(dev(disk), O_RDWR | O_DIRECT));
	for (uint64_t round = 1; round < 9; round++) {
		uint64_t at = round % 4 * 3 * BLOCK;
		put(fd, 16 * BLOCK, at, 2 * round);
		EXPECT_EQ(wrong_on_disk(direct, 16 * BLOCK, at, 2 * round), 0);
		EXPECT_EQ(wrong_on_disk(fd, 16 * BLOCK, at, 2 * round), 0);
		put(direct, 16 * BLOCK, at, 2 * round + 1);
		EXPECT_EQ(wrong_on_disk(fd, 16 * BLOCK, at, 2 * round + 1), 0);
	}
	close(direct);
	close(fd);
}

/* Much in one call, from memory that begins anywhere in a page, in pieces of all sizes. */
TEST_DISKS(direct_io_in_one_call)
{
	int fd = need(disk, O_DIRECT), block = logical_block(fd), n = 0;
	char *p = anon(AREA + PAGE), *q = anon(AREA + PAGE);
	struct iovec v[40];
	make(p + block % PAGE, AREA, 0, 21);
	EXPECT_EQ(pwrite(fd, p + block % PAGE, AREA, 0), AREA);
	for (size_t at = 0; at < AREA && n < 40; at += v[n++].iov_len) {
		size_t len = (1 + ktap_random() % 80) * BLOCK;
		v[n] = (struct iovec){ q + at + block % PAGE, n == 39 || at + len > AREA ? AREA - at : len };
	}
	EXPECT_EQ(preadv(fd, v, n, 0), AREA);
	EXPECT_EQ(wrong(q + block % PAGE, AREA, 0, 21), 0);
	close(fd);
}

/* Each kind of memory as source and target; each byte as it should be, the neighbours untouched. */
TEST_KINDS(direct_io_with)
{
	int fd = vda(O_DIRECT);
	char *p = area_of(k);
	size_t n = k->size - 2 * BLOCK;
	make(p, k->size, 0, 31);
	EXPECT_EQ(pwrite(fd, p, k->size, 0), k->size);
	memset(p, 'z', k->size);
	EXPECT_EQ(pread(fd, p + BLOCK, n, 2 * BLOCK), n);
	EXPECT_EQ(wrong(p + BLOCK, n, 2 * BLOCK, 31), 0);
	EXPECT_TRUE(p[0] == 'z' && p[BLOCK - 1] == 'z' && p[k->size - 1] == 'z' && p[k->size - BLOCK] == 'z');
	EXPECT_EQ(vmstat("nr_foll_pin_acquired"), vmstat("nr_foll_pin_released"));
	close(fd);
}

/* ---- Many requests at once ---- */

struct reader { pthread_t thread; int fd; uint64_t at; volatile bool *stop; size_t bad; };

static void *read_always(void *arg)
{
	struct reader *r = arg;
	char *p = anon(64 * BLOCK);
	while (!*r->stop) {
		if (pread(r->fd, p, 64 * BLOCK, r->at) != (ssize_t)(64 * BLOCK))
			r->bad++;
		r->bad += wrong(p, 64 * BLOCK, r->at, 41);
	}
	return NULL;
}

TEST(eight_readers_have_eight_requests_in_flight)
{
	int fd = vda(O_DIRECT);
	struct reader r[8];
	volatile bool stop = false;
	if (sysfs("vda", "max_in_flight") < 0)
		SKIP("no counter of requests in flight");
	put(fd, 8 * 64 * BLOCK, 0, 41);
	EXPECT_EQ(ktap_write("/sys/block/vda/max_in_flight", "0"), 0);
	for (int i = 0; i < 8; i++) {
		r[i] = (struct reader){ .fd = fd, .at = i * 64 * BLOCK, .stop = &stop };
		OK(pthread_create(&r[i].thread, NULL, read_always, &r[i]));
	}
	EXPECT_TRUE(ktap_until(sysfs("vda", "max_in_flight") >= 8));
	stop = true;
	for (int i = 0; i < 8; i++) {
		pthread_join(r[i].thread, NULL);
		EXPECT_EQ(r[i].bad, 0);
	}
	EXPECT_EQ(sysfs("vda", "in_flight"), 0);
	EXPECT_EQ(ktap_write("/sys/block/vda/max_in_flight", "7"), EINVAL);
	close(fd);
}

/* ---- Devices and copy-on-write ---- */

static void ask(const char *file, const char *words)
{
	EXPECT_EQ(control(file, "%s", words), 0);
}
static int vda_with_controls(void)
{
	if (!have_control("pause"))
		SKIP("needs Quire's controls");
	/* A case that failed may have left something behind. */
	ask("pause", "disarm disk_read");
	ask("pause", "disarm disk_write");
	ask("fail", "off");
	return vda(O_DIRECT);
}

struct transfer { pthread_t thread; int fd; char *p; size_t n; uint64_t at; bool write; ssize_t result; int error; };

static void *transfer(void *arg)
{
	struct transfer *t = arg;
	errno = 0;
	t->result = t->write ? pwrite(t->fd, t->p, t->n, t->at) : pread(t->fd, t->p, t->n, t->at);
	t->error = errno;
	return NULL;
}
static void begin(struct transfer *t) { OK(pthread_create(&t->thread, NULL, transfer, t)); }
static void end(struct transfer *t)
{
	pthread_join(t->thread, NULL);
	EXPECT_EQ(t->result, t->n);
}

/*
 * COW-22, PIN-8: a read waits at the disk, its pages pinned. Meanwhile the process forks, and writes to other parts of
 * the same pages; so does the child. Then the device writes: the process must see it, the child must not.
 */
TEST_KINDS(a_read_that_was_under_way_at_a_fork_reaches_the_parent)
{
	int fd = vda_with_controls();
	size_t half = k->size / 2, n = half > 64 * PAGE ? 64 * PAGE : half;
	char *p = area_of(k);
	struct turns t;
	turns_init(&t);
	put(fd, n, 0, 51);
	uint64_t *before = pfns(p, n);
	struct transfer read = { .fd = fd, .p = p + BLOCK, .n = n - 2 * BLOCK, .at = BLOCK };
	ask("pause", "arm disk_read");
	begin(&read);
	ASSERT_TRUE(ktap_until(parked_at("disk_read") > 0));
	pid_t pid = ktap_fork();
	if (!pid) {
		/* The child has its own copy, from before. */
		EXPECT_EQ(wrong_pages(p, n, 0), 0);
		memset(p + half, 'c', PAGE);
		memset(p, 'c', n);
		child_done(&t);
		child_waits(&t);
		for (size_t i = 0; i < n; i++)
			ASSERT_EQ(p[i], 'c');
		ktap_exit();
	}
	parent_waits(&t);
	memset(p, 'w', BLOCK);			/* the first and the last page, beside the device's */
	memset(p + n - BLOCK, 'w', BLOCK);
	EXPECT_EQ(moved_pages(p + BLOCK, n - 2 * BLOCK, before + 1), 0);
	ask("pause", "disarm disk_read");
	end(&read);
	EXPECT_EQ(wrong(p + BLOCK, n - 2 * BLOCK, BLOCK, 51), 0);
	EXPECT_TRUE(p[0] == 'w' && p[BLOCK - 1] == 'w' && p[n - 1] == 'w' && p[n - BLOCK] == 'w');
	EXPECT_EQ(moved_pages(p + BLOCK, n - 2 * BLOCK, before + 1), 0);
	child_go(&t);
	EXPECT_CHILD(pid);
	close(fd);
}

/*
 * PIN-5: memory shared by fork, and then a read into it by one process: it gets pages of its own before the device
 * writes, so the other never sees anything.
 */
TEST_KINDS(a_read_into_shared_memory_breaks_the_sharing_first)
{
	int fd = vda_with_controls();
	size_t n = k->size > 64 * PAGE ? 64 * PAGE : k->size;
	char *p = area_of(k);
	struct turns t;
	turns_init(&t);
	put(fd, n, 0, 52);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		EXPECT_EQ(wrong_pages(p, n, 0), 0);
		ktap_exit();
	}
	struct transfer read = { .fd = fd, .p = p, .n = n, .at = 0 };
	ask("pause", "arm disk_read");
	begin(&read);
	ASSERT_TRUE(ktap_until(parked_at("disk_read") > 0));
	EXPECT_EQ(wrong_pages(p, n, 0), 0);
	ask("pause", "disarm disk_read");
	end(&read);
	EXPECT_EQ(wrong(p, n, 0, 52), 0);
	child_go(&t);
	EXPECT_CHILD(pid);
	close(fd);
}

/*
 * COW-5: what a write sends to the disk are the pages as they are for this process: shared ones are unshared first, and
 * what the child then writes to its memory does not get there.
 */
TEST_KINDS(a_write_under_way_sends_this_process_s_pages)
{
	int fd = vda_with_controls();
	size_t n = k->size > 64 * PAGE ? 64 * PAGE : k->size;
	char *p = area_of(k);
	struct turns t;
	turns_init(&t);
	make(p, n, 0, 53);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		memset(p, 'c', n);
		child_done(&t);
		ktap_exit();
	}
	struct transfer write = { .fd = fd, .p = p, .n = n, .at = 0, .write = true };
	ask("pause", "arm disk_write");
	begin(&write);
	ASSERT_TRUE(ktap_until(parked_at("disk_write") > 0));
	child_go(&t);
	parent_waits(&t);
	make(p, 8, 0, 54);		/* a pin shows later writes of its own process, too */
	ask("pause", "disarm disk_write");
	end(&write);
	EXPECT_CHILD(pid);
	char *q = anon(n);
	EXPECT_EQ(pread(fd, q, n, 0), n);
	EXPECT_EQ(wrong(q, 8, 0, 54), 0);
	EXPECT_EQ(wrong(q + 8, n - 8, 8, 53), 0);
	close(fd);
}

/* The same without stops: the disk writes while processes are born, write and die. */
TEST_KINDS(reads_go_on_through_forks)
{
	int fd = vda(O_DIRECT);
	size_t n = k->size > 256 * PAGE ? 128 * PAGE : k->size / 2;
	char *p = area_of(k);
	put(fd, n, 0, 61);
	put(fd, n, n, 62);
	for (int i = 0; i < ktap_scale(60); i++) {
		struct transfer read = { .fd = fd, .p = p, .n = n, .at = i & 1 ? n : 0 };
		begin(&read);
		pid_t pid = ktap_fork();
		if (!pid) {
			for (size_t at = 0; at < n; at += PAGE / 2)
				memset(p + at, 'c', 100);
			ktap_exit();
		}
		if (i % 3 == 0)
			p[k->size - 1] ^= 1;
		end(&read);
		EXPECT_EQ(wrong(p, n, i & 1 ? n : 0, 61 + (i & 1)), 0);
		EXPECT_CHILD(pid);
		EXPECT_EQ(wrong(p, n, i & 1 ? n : 0, 61 + (i & 1)), 0);
	}
	EXPECT_EQ(vmstat("nr_foll_pin_acquired"), vmstat("nr_foll_pin_released"));
	close(fd);
}

/* Memory that is unmapped under the device belongs to the device until it is done. */
TEST(memory_unmapped_during_a_read_is_not_reused)
{
	int fd = vda_with_controls();
	size_t n = 16 * PAGE;
	char *p = anon(n);
	memset(p, 1, n);
	put(fd, n, 0, 71);
	struct transfer read = { .fd = fd, .p = p, .n = n, .at = 0 };
	ask("pause", "arm disk_read");
	begin(&read);
	ASSERT_TRUE(ktap_until(parked_at("disk_read") > 0));
	munmap(p, n);
	char *q = anon(1 << 20);
	memset(q, 'q', 1 << 20);
	ask("pause", "disarm disk_read");
	end(&read);
	for (size_t i = 0; i < 1 << 20; i++)
		ASSERT_EQ(q[i], 'q');
	close(fd);
}

/* ---- Errors ---- */

/* Every request, the Nth, of each kind: the one who asked hears of it, and what follows is as before. */
TEST(a_failed_request_is_an_error_of_who_asked)
{
	int fd = vda_with_controls();
	char *p = anon(16 * BLOCK);
	put(fd, 16 * BLOCK, 0, 81);
	ask("fail", "disk_read");
	EXPECT_ERR(pread(fd, p, BLOCK, 0), EIO);
	EXPECT_ERR(pread(fd, p, BLOCK, 0), EIO);
	EXPECT_EQ(pwrite(fd, p, BLOCK, 16 * BLOCK), BLOCK);
	ask("fail", "off disk_read");
	EXPECT_EQ(wrong_on_disk(fd, 16 * BLOCK, 0, 81), 0);
	ask("fail", "disk_write nth=2");
	EXPECT_EQ(pwrite(fd, p, BLOCK, 16 * BLOCK), BLOCK);
	EXPECT_ERR(pwrite(fd, p, BLOCK, 16 * BLOCK), EIO);
	EXPECT_EQ(pwrite(fd, p, BLOCK, 16 * BLOCK), BLOCK);
	ask("fail", "disk_flush nth=1");
	EXPECT_ERR(fsync(fd), EIO);
	EXPECT_EQ(fsync(fd), 0);
	close(fd);
}

TEST(a_failed_buffered_write_is_told_once)
{
	int direct = vda_with_controls(), fd = vda(0);
	char *p = anon(BLOCK);
	put(fd, BLOCK, 0, 82);
	ask("fail", "disk_write");
	EXPECT_ERR(fsync(fd), EIO);
	ask("fail", "off disk_write");
	EXPECT_EQ(fsync(fd), 0);
	put(fd, BLOCK, 0, 83);
	EXPECT_EQ(fsync(fd), 0);
	OK(ioctl(fd, BLKFLSBUF, 0));
	ask("fail", "disk_read");
	EXPECT_ERR(pread(fd, p, BLOCK, 0), EIO);
	ask("fail", "off disk_read");
	EXPECT_EQ(wrong_on_disk(fd, BLOCK, 0, 83), 0);
	EXPECT_EQ(wrong_on_disk(direct, BLOCK, 0, 83), 0);
	close(direct);
	close(fd);
}

/* BAD_READ, BAD_WRITE: sectors that the disk behind /dev/vda cannot read, or write. */
TEST(a_bad_sector_is_an_error_and_the_rest_is_fine)
{
	const char *bad_read = getenv("BAD_READ"), *bad_write = getenv("BAD_WRITE");
	if (!bad_read || !bad_write)
		SKIP("this disk has no bad sectors");
	int fd = vda(0), direct = OK(open("/dev/vda", O_RDWR | O_DIRECT));
	uint64_t r = atol(bad_read) * 512, w = atol(bad_write) * 512;
	char *p = anon(64 * BLOCK);
	memset(p, 9, 64 * BLOCK);
	EXPECT_ERR(pread(fd, p, BLOCK, r), EIO);
	EXPECT_ERR(pread(direct, p, BLOCK, r), EIO);
	EXPECT_EQ(pread(fd, p, 4 * BLOCK, r - 2 * BLOCK), 2 * BLOCK);	/* as far as it can be read */
	EXPECT_EQ(pread(fd, p, BLOCK, r + BLOCK), BLOCK);
	EXPECT_ERR(pwrite(direct, p, BLOCK, w), EIO);
	EXPECT_EQ(pwrite(direct, p, BLOCK, w + BLOCK), BLOCK);
	EXPECT_EQ(pwrite(fd, p, BLOCK, w), BLOCK);
	EXPECT_ERR(fsync(fd), EIO);
	EXPECT_EQ(fsync(fd), 0);
	put(fd, BLOCK, 0, 84);
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_EQ(wrong_on_disk(direct, BLOCK, 0, 84), 0);
	close(direct);
	close(fd);
}

TEST(a_read_only_disk_is_not_written)
{
	int one = 0;
	if (sysfs("vdb", "ro") != 1)
		SKIP("no read-only disk /dev/vdb");
	EXPECT_ERR(open("/dev/vdb", O_RDWR), EROFS);
	int fd = OK(open("/dev/vdb", O_RDONLY));
	char *p = anon(BLOCK);
	OK(ioctl(fd, BLKROGET, &one));
	EXPECT_EQ(one, 1);
	EXPECT_EQ(read(fd, p, BLOCK), BLOCK);
	EXPECT_ERR(write(fd, p, BLOCK), EBADF);
	close(fd);
}

/* The tools that people use: the header that mkswap wrote is on the disk. */
TEST(mkswap_and_dd_work)
{
	char *p = anon(BLOCK);
	int fd = vda(0);
	close(fd);
	if (access("/bin/busybox", X_OK))
		SKIP("no busybox");
	EXPECT_EQ(system("mkswap /dev/vda >/dev/null"), 0);
	fd = vda(O_DIRECT);
	EXPECT_EQ(read(fd, p, BLOCK), BLOCK);
	EXPECT_EQ(memcmp(p + BLOCK - 10, "SWAPSPACE2", 10), 0);
	close(fd);
	EXPECT_EQ(system("dd if=/dev/vda of=/dev/vda bs=4k count=1 seek=1 conv=fsync 2>/dev/null"), 0);
	fd = vda(O_DIRECT);
	EXPECT_EQ(pread(fd, p, BLOCK, BLOCK), BLOCK);
	EXPECT_EQ(memcmp(p + BLOCK - 10, "SWAPSPACE2", 10), 0);
	EXPECT_EQ(system("dd if=/dev/zero of=/dev/vda bs=4k count=2 2>/dev/null"), 0);
	close(fd);
}
