/* The table that a keeper begins with: written, read, refused. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "keeper/handover.h"
#include "keeper/keeper.h"

static struct keeper old, new;
static int fd;
static struct err e;

static void
set_up(void)
{
	memset(&old, 0, sizeof(old));
	memset(&new, 0, sizeof(new));
	e.text[0] = '\0';
	fd = sys_memfd("handover");
	ck_assert_int_ne(fd, -1);
}

static void
tear_down(void)
{
	fd_close(&fd);
}

static void
begin_with(const char *text)
{
	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
}

static void
is_refused(const char *text, const char *why)
{
	set_up();
	begin_with(text);
	ck_assert_int_eq(handover_read(&new, fd, &e), -1);
	if (strstr(e.text, why) == NULL)
		ck_abort_msg("not '%s': %s", why, e.text);
	tear_down();
}

static void
fill(struct keeper *k)
{
	static const uint32_t told[VAULT_READERS] = {12, 3};

	k->self_fd = 9;
	k->log_fd = -1;
	k->epoch = UINT64_C(0xfedcba9876543210);
	k->grace = 15000;
	k->pending = SIG_BIT(1) | SIG_BIT(64);
	k->nohup = 1;
	k->nofile.rlim_cur = 1024;
	k->nofile.rlim_max = RLIM_INFINITY;
	k->sup.role.pid = 77;
	k->sup.role.sock = 8;
	k->sup.role.lives = UINT32_MAX;
	k->sup.role.started = INT64_C(5000000000);
	k->sup.role.obituary = OBITUARY_SIGNALLED;
	k->sup.role.obituary_status = -6;
	k->sup.exits_sent[0] = 100;
	k->sup.nexits_sent = 1;
	k->logger.sock = -1;
	k->children[0] = (struct keeper_child){.pid = 4194303, .life = 12};
	k->nchildren = 1;
	vault_restore(&k->vault, "out:web:0", 11, told);
}

START_TEST(what_is_written_is_read)
{
	fill(&old);
	ck_assert_int_eq(handover_write(&old, fd), 0);
	strcpy(old.upgrade.version, SVD_VERSION);
	if (handover_read(&new, fd, &e) == -1)
		ck_abort_msg("%s", e.text);
	ck_assert_mem_eq(&new, &old, sizeof(new));
}
END_TEST

START_TEST(as_many_as_a_keeper_can_have_are_read)
{
	static const uint32_t told[VAULT_READERS] = {
	    UINT32_MAX >> 1, UINT32_MAX >> 1};
	char name[KEEPER_NAME_MAX + 1];
	int i;

	fill(&old);
	for (i = 1; i < KEEPER_CHILDREN_MAX; i++)
		old.children[old.nchildren++] =
		    (struct keeper_child){.pid = 100 + i, .life = 1};
	for (i = 1; i < VAULT_MAX; i++) {
		snprintf(name, sizeof(name), "%0*d", KEEPER_NAME_MAX, i);
		ck_assert_int_eq(
		    vault_restore(&old.vault, name, 100 + i, told), 0);
	}
	ck_assert_int_eq(handover_write(&old, fd), 0);
	strcpy(old.upgrade.version, SVD_VERSION);
	if (handover_read(&new, fd, &e) == -1)
		ck_abort_msg("%s", e.text);
	ck_assert_mem_eq(&new, &old, sizeof(new));
}
END_TEST

START_TEST(every_cut_is_noticed)
{
	char text[8192];
	ssize_t n, i;

	fill(&old);
	ck_assert_int_eq(handover_write(&old, fd), 0);
	n = pread(fd, text, sizeof(text), 0);
	ck_assert_int_gt(n, 100);
	for (i = 0; i < n; i++) {
		ck_assert_int_eq(ftruncate(fd, i), 0);
		memset(&new, 0, sizeof(new));
		ck_assert_int_eq(handover_read(&new, fd, &e), -1);
		ck_assert_int_eq(pwrite(fd, text, (size_t)n, 0), n);
	}
	memset(&new, 0, sizeof(new));
	ck_assert_int_eq(handover_read(&new, fd, &e), 0);
}
END_TEST

START_TEST(a_lost_line_is_noticed)
{
	is_refused("svd-keeper 1.0\nself 5\nend 3\n", "line 3");
	is_refused("svd-keeper 1.0\nend 1\n", "lacks 'self'");
}
END_TEST

START_TEST(a_newer_major_version_is_refused_by_name)
{
	char text[64], why[64];

	snprintf(text, sizeof(text), "svd-keeper %d.0\nself 5\nend 2\n",
	    HANDOVER_MAJOR + 1);
	snprintf(why, sizeof(why), "version %d.0, which is too new",
	    HANDOVER_MAJOR + 1);
	is_refused(text, why);
}
END_TEST

START_TEST(the_version_before_is_read)
{
	char text[64];

	snprintf(text, sizeof(text), "svd-keeper %d.0\nself 5\nend 2\n",
	    HANDOVER_MAJOR - 1);
	begin_with(text);
	ck_assert_int_eq(handover_read(&new, fd, &e), 0);
	ck_assert_int_eq(new.self_fd, 5);
	ck_assert_int_eq(new.log_fd, -1);
}
END_TEST

START_TEST(what_a_newer_minor_version_adds_is_skipped)
{
	char text[96];

	snprintf(text, sizeof(text),
	    "svd-keeper %d.%d\nself 5\nnovel a b c\nchild 50 1\nend 4\n",
	    HANDOVER_MAJOR, HANDOVER_MINOR + 1);
	begin_with(text);
	ck_assert_int_eq(handover_read(&new, fd, &e), 0);
	ck_assert_uint_eq(new.nchildren, 1);
}
END_TEST

START_TEST(anything_else_is_refused)
{
	static const char *const wrong[] = {"novel 5", "grace", "grace ",
	    "grace x", "grace 5 ", "grace 99999999999999999999", "self 2",
	    "self -2", "self 4294967301", "nohup 4294967296", "held 5 0 0 ",
	    "held 5 0 a", "held 1 0 0 a", "held 5 -1 0 a", "child 1 0",
	    "child 50", "child 50 1 1", "exit 0", "exit 5x", "exit 50 ",
	    "child 50 1 ", "end 0", ""};
	char text[128];
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		snprintf(text, sizeof(text),
		    "svd-keeper %d.%d\nself 5\n%s\nend 3\n", HANDOVER_MAJOR,
		    HANDOVER_MINOR, wrong[i]);
		is_refused(text, "line 3");
	}
	is_refused("", "cut short");
	is_refused("\n", "no table");
	is_refused("svd-keeper 1\n", "no table");
	is_refused("svd-keeper x.0\n", "no table");
}
END_TEST

START_TEST(names_that_are_too_long_are_refused)
{
	char text[5000];

	snprintf(text, sizeof(text), "svd-keeper 1.0\nheld 5 0 0 %0*d\nend 2\n",
	    KEEPER_NAME_MAX + 1, 1);
	is_refused(text, "line 2");
	snprintf(text, sizeof(text), "svd-keeper 1.0\nheld 5 0 0 %04500d\n", 1);
	is_refused(text, "cut short");
}
END_TEST

START_TEST(more_than_a_keeper_can_have_is_refused)
{
	int i;

	begin_with("svd-keeper 1.0\nself 5\n");
	for (i = 0; i <= KEEPER_EXITS_MAX; i++)
		begin_with("exit 50\n");
	ck_assert_int_eq(handover_read(&new, fd, &e), -1);
}
END_TEST

START_TEST(descriptors_are_kept_or_closed_together)
{
	int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY);
	static const uint32_t told[VAULT_READERS];

	old.self_fd = a;
	old.log_fd = old.sup.role.sock = old.logger.sock = -1;
	vault_restore(&old.vault, "x", b, told);
	ck_assert_int_eq(handover_set_cloexec(&old, 1), 0);
	ck_assert_int_eq(fcntl(a, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(b, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(handover_set_cloexec(&old, 0), 0);
	ck_assert_int_eq(fcntl(a, F_GETFD), 0);
	ck_assert_int_eq(fcntl(b, F_GETFD), 0);
	close(b);
	ck_assert_int_eq(handover_set_cloexec(&old, 1), -1);
	close(a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("handover");
	TCase *tc = tcase_create("handover");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, what_is_written_is_read);
	tcase_add_test(tc, as_many_as_a_keeper_can_have_are_read);
	tcase_add_test(tc, every_cut_is_noticed);
	tcase_add_test(tc, a_lost_line_is_noticed);
	tcase_add_test(tc, a_newer_major_version_is_refused_by_name);
	tcase_add_test(tc, the_version_before_is_read);
	tcase_add_test(tc, what_a_newer_minor_version_adds_is_skipped);
	tcase_add_test(tc, anything_else_is_refused);
	tcase_add_test(tc, names_that_are_too_long_are_refused);
	tcase_add_test(tc, more_than_a_keeper_can_have_is_refused);
	tcase_add_test(tc, descriptors_are_kept_or_closed_together);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
