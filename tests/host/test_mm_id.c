/*
 * tests/host/test_mm_id.c - owner tracking (MMID-5..12, 15): the scenarios as tables of states, and random
 * histories against a model that remembers who maps how much. The rules of the first version run beside
 * them (MMID-18..21).
 *
 * A state is written as "total slot0 slot1 SHARED": "32 A16 B16 1"; "-" is an empty slot.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/host/harness.h"
#include "mm/mm_id_v1.h"

struct version {
	const char *name;
	int (*map)(struct folio_owners *o, int nr, u32 mm_id);
	int (*unmap)(struct folio_owners *o, int nr, u32 mm_id);
};
static const struct version now = { "now", owners_map, owners_unmap };
static const struct version v1 = { "v1", owners_v1_map, owners_v1_unmap };

static u32 id_of(char name) { return name - 'A' + 1; }

static const char *state(const struct folio_owners *o)
{
	static char text[4][64];
	static unsigned int next;
	char *s = text[next++ % 4], slot[2][16];

	for (int i = 0; i < 2; i++) {
		if (owners_count(o, i))
			snprintf(slot[i], sizeof(slot[i]), "%c%d", 'A' + owners_id(o, i) - 1,
				 owners_count(o, i));
		else
			strcpy(slot[i], "-");
	}
	snprintf(s, sizeof(text[0]), "%d %s %s %d", owners_total(o), slot[0], slot[1], owners_shared(o));
	return s;
}

/* ---- Tables ---- */

/* One event, and the state that each version has after it. */
struct step {
	char mm;
	int nr;			/* < 0: unmaps; 0: the end */
	const char *want, *v1;	/* V1 NULL: the same */
};
#define SAME(mm, nr, want) { mm, nr, want, NULL }
#define END { 0, 0, NULL, NULL }

static void do_step(const struct version *v, struct folio_owners *o, const struct step *s)
{
	int before = owners_total(o);
	int total = s->nr > 0 ? v->map(o, s->nr, id_of(s->mm)) : v->unmap(o, -s->nr, id_of(s->mm));

	EXPECT_EQ(total, before + s->nr);
	EXPECT_EQ(owners_total(o), total);
}

/* Both versions side by side; where they differ the line is printed (T-MMID-13). */
static void run_table(const char *name, struct folio_owners *o, const struct step *s)
{
	struct folio_owners old = *o;

	for (; s->nr; s++) {
		const char *want_v1 = s->v1 ? s->v1 : s->want;

		do_step(&now, o, s);
		do_step(&v1, &old, s);
		if (strcmp(state(o), s->want) || strcmp(state(&old), want_v1)) {
			printf("# %s: %c%+d: now %s, v1 %s\n", name, s->mm, s->nr, state(o), state(&old));
			expect_failed(__FILE__, __LINE__, s->want, 0, 0);
		} else if (s->v1) {
			printf("# %s: %c%+-4d now: %-16s v1: %s\n", name, s->mm, s->nr, state(o),
			       state(&old));
		}
	}
}
#define RUN_TABLE(name, ...) do {						\
	struct folio_owners o;							\
	owners_init(&o);							\
	run_table(name, &o, (const struct step[]){ __VA_ARGS__, END });	\
} while (0)

/* T-MMID-3, T-MMID-13: v1 takes the first mapper by the generic path for one of several (MMID-21). */
HTEST(first_mapper_is_exclusive_and_was_not_in_v1)
{
	RUN_TABLE("T-MMID-3",
		  { 'A', 16, "16 A16 - 0", "16 A16 - 1" });
}

/* T-MMID-4: false "shared" once three mms were there; it heals at the end. */
HTEST(three_apps_the_tracked_ones_leave)
{
	RUN_TABLE("T-MMID-4",
		  { 'A', 16, "16 A16 - 0", "16 A16 - 1" },
		  { 'B', 16, "32 A16 B16 1", "32 A16 - 1" },
		  { 'C', 16, "48 A16 B16 1", "48 A16 - 1" },
		  { 'A', -16, "32 - B16 1", "32 - - 1" },
		  SAME('B', -16, "16 - - 1"),
		  SAME('C', -8, "8 - - 1"),
		  SAME('C', -7, "1 - - 1"),
		  SAME('C', -1, "0 - - 0"),
		  { 'C', 16, "16 C16 - 0", "16 C16 - 1" });
}

HTEST(three_apps_the_untracked_one_leaves)
{
	RUN_TABLE("T-MMID-5",
		  { 'A', 16, "16 A16 - 0", "16 A16 - 1" },
		  { 'B', 16, "32 A16 B16 1", "32 A16 - 1" },
		  { 'C', 16, "48 A16 B16 1", "48 A16 - 1" },
		  { 'C', -16, "32 A16 B16 1", "32 A16 - 1" },
		  SAME('B', -16, "16 A16 - 0"));
}

/* T-MMID-6: P has the folio new (RMAP-6), as the parent of two short-lived children C and D. */
HTEST(two_children_come_and_go)
{
	struct folio_owners o;

	owners_init(&o);
	owners_set_new(&o, 16, id_of('P'));
	run_table("T-MMID-6", &o, (const struct step[]){
		SAME('C', 16, "32 P16 C16 1"),
		SAME('D', 16, "48 P16 C16 1"),
		SAME('C', -16, "32 P16 - 1"),
		SAME('D', -16, "16 P16 - 0"),
		END });
	EXPECT(!owners_maybe_shared(&o));
}

/* The same three after a migration that meets the children first (MMID-14): the parent lost its slot. */
HTEST(migration_can_cost_the_parent_its_slot)
{
	RUN_TABLE("T-MMID-6b",
		  { 'C', 16, "16 C16 - 0", "16 C16 - 1" },
		  { 'D', 16, "32 C16 D16 1", "32 C16 - 1" },
		  { 'P', 16, "48 C16 D16 1", "48 C16 - 1" },
		  { 'C', -16, "32 - D16 1", "32 - - 1" },
		  SAME('D', -16, "16 - - 1"));
}

/* T-MMID-7: C unmaps more than its slot knows of. */
HTEST(a_slot_is_clamped_at_empty)
{
	RUN_TABLE("T-MMID-7",
		  { 'A', 4, "4 A4 - 0", "4 A4 - 1" },
		  { 'B', 4, "8 A4 B4 1", "8 A4 - 1" },
		  { 'C', 3, "11 A4 B4 1", "11 A4 - 1" },
		  { 'A', -4, "7 - B4 1", "7 - - 1" },
		  { 'C', 2, "9 C2 B4 1", "9 - - 1" },
		  { 'C', -3, "6 - B4 1", "6 - - 1" },
		  SAME('B', -4, "2 - - 1"),
		  SAME('C', -2, "0 - - 0"));
}

/* T-MMID-9: a PMD counts 1; its split goes 1 -> 513 -> 512 (MMID-13). */
HTEST(a_pmd_mapping_is_split)
{
	struct folio_owners o;

	owners_init(&o);
	owners_set_new(&o, 1, id_of('P'));
	EXPECT(strcmp(state(&o), "1 P1 - 0") == 0);
	run_table("T-MMID-9", &o, (const struct step[]){
		SAME('C', 1, "2 P1 C1 1"),
		SAME('C', 512, "514 P1 C513 1"),
		SAME('C', -1, "513 P1 C512 1"),
		SAME('C', -512, "1 P1 - 0"),
		END });
}

/* ---- The query (MMID-10) ---- */

HTEST(one_mapping_is_not_shared_whatever_the_flag_says)
{
	struct folio_owners o;

	owners_init(&o);
	EXPECT(!owners_maybe_shared(&o));
	owners_map(&o, 2, 1);
	owners_map(&o, 2, 2);
	owners_map(&o, 2, 3);
	owners_unmap(&o, 2, 1);
	owners_unmap(&o, 2, 2);
	EXPECT(owners_maybe_shared(&o));
	owners_unmap(&o, 1, 3);
	EXPECT(owners_shared(&o));
	EXPECT(!owners_maybe_shared(&o));
}

/* ---- Random histories ---- */

#define NR_MMS 6

/* What is really mapped by whom. */
struct model {
	int mapped[NR_MMS], total;
	int most;		/* mms that mapped at once, at most, since the last full unmap */
};

static int mms_mapping(const struct model *m)
{
	int n = 0;

	for (int i = 0; i < NR_MMS; i++)
		n += m->mapped[i] > 0;
	return n;
}

/* A random event among the first NR mms, in the model. Returns the mm; *NR_PAGES < 0: it unmaps. */
static int next_event(struct model *m, int nr, int *nr_pages)
{
	int mm = rnd_below(nr);

	if (m->mapped[mm] && rnd_below(100) < 55)
		*nr_pages = rnd_below(3) ? -(int)(1 + rnd_below(m->mapped[mm])) : -m->mapped[mm];
	else
		*nr_pages = 1 + rnd_below(16);
	m->mapped[mm] += *nr_pages;
	m->total += *nr_pages;
	m->most = m->total ? max(m->most, mms_mapping(m)) : 0;
	return mm;
}

static void apply(const struct version *v, struct folio_owners *o, u32 id, int nr)
{
	if (nr > 0)
		v->map(o, nr, id);
	else
		v->unmap(o, -nr, id);
}

/* What holds after every event, in every version. IDS[i]: the id of the model's mm i. */
static void check_safe(const struct folio_owners *o, const struct model *m, const u32 *ids)
{
	EXPECT_EQ(owners_total(o), m->total);
	/* MMID-8: never a false "exclusive". */
	if (mms_mapping(m) > 1) {
		EXPECT(owners_shared(o));
		EXPECT(owners_maybe_shared(o));
	}
	for (int i = 0; i < 2; i++) {
		int mm = 0;

		if (!owners_count(o, i))
			continue;
		while (mm < NR_MMS && ids[mm] != owners_id(o, i))
			mm++;
		/* MMID-9: a slot never counts more than there is. */
		EXPECT(mm < NR_MMS && owners_count(o, i) <= m->mapped[mm]);
	}
	if (!m->total)
		EXPECT(!owners_shared(o));
}

/* And what the present rules promise in addition. */
static void check_now(const struct folio_owners *o, const struct model *m)
{
	for (int i = 0; i < 2; i++)	/* MMID-12 */
		EXPECT_EQ(owners_count(o, i) == 0, owners_id(o, i) == MM_ID_NONE);
	if (owners_id(o, 0))
		EXPECT(owners_id(o, 0) != owners_id(o, 1));
	if (!m->total)
		EXPECT_EQ(o->word, 0);
	if (m->most <= 2)		/* MMID-8: exact in both directions */
		EXPECT_EQ(owners_shared(o), mms_mapping(m) > 1);
}

static void random_history(int nr_mms, int events)
{
	u32 ids[NR_MMS] = { 0 }, next_id = 1;
	struct model m = { 0 };
	struct folio_owners o;

	owners_init(&o);
	for (int i = 0; i < nr_mms; i++)
		ids[i] = next_id++;
	while (events--) {
		int nr, mm = next_event(&m, nr_mms, &nr);

		apply(&now, &o, ids[mm], nr);
		check_safe(&o, &m, ids);
		check_now(&o, &m);
		/*
		 * Its mm died: the next one has another id,
		 * now and then one that was used before (MMID-12).
		 */
		if (!m.mapped[mm] && !rnd_below(4)) {
			u32 old = 1 + rnd_below(next_id - 1);
			bool in_use = false;

			for (int i = 0; i < nr_mms; i++)
				in_use |= ids[i] == old;
			ids[mm] = in_use ? next_id++ : old;
		}
	}
}

/* T-MMID-1 */
HTEST(one_mm_is_never_shared)
{
	struct folio_owners o;
	struct model m = { 0 };

	owners_init(&o);
	for (int i = 0; i < 20000; i++) {
		int nr;

		next_event(&m, 1, &nr);
		apply(&now, &o, 7, nr);
		EXPECT(!owners_shared(&o));
		EXPECT_EQ(owners_count(&o, 0), m.total);
		EXPECT_EQ(owners_count(&o, 1), 0);
		if (!m.total)
			EXPECT_EQ(o.word, 0);
	}
}

/* T-MMID-2 */
HTEST(two_mms_exact_in_any_interleaving)
{
	for (int i = 0; i < 200; i++)
		random_history(2, 300);
}

HTEST(up_to_six_mms_never_falsely_exclusive)
{
	for (int i = 0; i < 1500; i++)
		random_history(3 + rnd_below(NR_MMS - 2), 200);
}

/* At most two at any time, though many in the course of time: successors never suffer (MMID-14). */
HTEST(successors_two_at_a_time_are_exact)
{
	struct folio_owners o;

	owners_init(&o);
	owners_map(&o, 16, 1);
	for (u32 id = 2; id < 500; id++) {
		owners_map(&o, 16, id);
		EXPECT(owners_shared(&o));
		owners_unmap(&o, 16, id - 1);
		EXPECT(!owners_shared(&o));
		EXPECT_EQ(owners_count(&o, 0) + owners_count(&o, 1), 16);
	}
}

/* Every event goes through with the lock bit set and leaves it so. */
HTEST(the_lock_bit_is_left_alone)
{
	static const u32 ids[NR_MMS] = { 1, 2, 3, 4, 5, MM_ID_MAX };
	struct folio_owners o, locked;
	struct model m = { 0 };

	owners_init(&o);
	owners_init(&locked);
	locked.word |= FOLIO_MM_IDS_LOCK;
	for (int i = 0; i < 20000; i++) {
		int nr, mm = next_event(&m, NR_MMS, &nr);

		apply(&now, &o, ids[mm], nr);
		apply(&now, &locked, ids[mm], nr);
		EXPECT_EQ(locked.word, o.word | FOLIO_MM_IDS_LOCK);
		EXPECT_EQ(locked.count[0], o.count[0]);
		EXPECT_EQ(locked.count[1], o.count[1]);
	}
}

/* ---- Version 1 ---- */

HTEST(v1_leaves_ids_that_must_be_erased)
{
	struct folio_owners o;

	owners_init(&o);
	owners_v1_map(&o, 4, 9);
	owners_v1_unmap(&o, 4, 9);
	EXPECT(o.word != 0);		/* MMID-20 */
	owners_v1_forget(&o);
	EXPECT_EQ(o.word, 0);
}

/*
 * Whatever it does not know, v1 does not say "exclusive" either;
 * also if the rules change under mapped folios.
 */
HTEST(v1_and_changes_of_version_are_safe)
{
	static const u32 ids[NR_MMS] = { 1, 2, 3, 4, 5, MM_ID_V1_MAX };

	for (int round = 0; round < 600; round++) {
		const struct version *v = &v1;
		struct model m = { 0 };
		struct folio_owners o;
		int nr_mms = 1 + rnd_below(NR_MMS);

		owners_init(&o);
		for (int i = 0; i < 200; i++) {
			int nr, mm = next_event(&m, nr_mms, &nr);

			if (round % 2 && !rnd_below(10))
				v = v == &now ? &v1 : &now;
			apply(v, &o, ids[mm], nr);
			if (v == &v1 && nr < 0)
				owners_v1_forget(&o);
			check_safe(&o, &m, ids);
			if (!m.total)
				EXPECT_EQ(o.word, 0);
		}
	}
}

/* ---- Checks of every update (MMID-15) ---- */

static bool dies(void (*fn)(struct folio_owners *o))
{
	struct folio_owners o;
	int status;
	pid_t child;

	owners_init(&o);
	owners_map(&o, 3, 5);
	fflush(stdout);
	child = fork();
	if (!child) {
		signal(SIGABRT, SIG_DFL);
		fclose(stderr);
		fn(&o);
		_exit(0);
	}
	return waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void nothing_wrong(struct folio_owners *o)	{ owners_unmap(o, 3, 5); }
static void no_pages(struct folio_owners *o)		{ owners_map(o, 0, 5); }
static void less_than_no_pages(struct folio_owners *o)	{ owners_unmap(o, -1, 5); }
static void nobodys_id(struct folio_owners *o)		{ owners_map(o, 1, MM_ID_NONE); }
static void id_too_large(struct folio_owners *o)	{ owners_map(o, 1, MM_ID_MAX + 1); }
static void unmap_too_much(struct folio_owners *o)	{ owners_unmap(o, 4, 5); }
static void count_without_id(struct folio_owners *o)	{ o->count[1] = 2; owners_map(o, 1, 5); }
static void id_without_count(struct folio_owners *o)	{ o->id[1] = 8; owners_map(o, 1, 5); }
static void new_but_mapped(struct folio_owners *o)	{ owners_set_new(o, 1, 5); }
static void shared_by_nobody(struct folio_owners *o)
{
	owners_unmap(o, 3, 5);
	o->word |= FOLIO_MM_IDS_SHARED;
	owners_map(o, 1, 5);
}

HTEST(wrong_updates_are_caught)
{
	EXPECT(!dies(nothing_wrong));
	EXPECT(dies(no_pages));
	EXPECT(dies(less_than_no_pages));
	EXPECT(dies(nobodys_id));
	EXPECT(dies(id_too_large));
	EXPECT(dies(unmap_too_much));
	EXPECT(dies(count_without_id));
	EXPECT(dies(id_without_count));
	EXPECT(dies(new_but_mapped));
	EXPECT(dies(shared_by_nobody));
}
