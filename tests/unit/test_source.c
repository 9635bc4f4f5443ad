/* source: read once, remembered, saved, and read back without the disk. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/source.h"

static char dir[] = "/tmp/svd-source-XXXXXX";
static char cleanup[64];

static const char *
in_dir(const char *name)
{
	static char path[4][128];
	static int n;

	n = (n + 1) % 4;
	snprintf(path[n], sizeof(path[n]), "%s/%s", dir, name);
	return path[n];
}

static void
write_file(const char *name, const char *data, size_t len)
{
	FILE *f = fopen(in_dir(name), "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

static void
setup(void)
{
	strcpy(dir, "/tmp/svd-source-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(cleanup, sizeof(cleanup), "rm -rf '%s'", dir);
}

static void
teardown(void)
{
	ck_assert_int_eq(system(cleanup), 0);
}

/* s through a memfd; s is freed. */
static struct sources *
freeze(struct sources *s)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct sources *loaded;
	struct stat st;
	struct err e;

	ck_assert_int_ne(fd, -1);
	/* What an earlier, longer save left behind is gone. */
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	ck_assert_msg(sources_save(s, fd, &e) == 0, "%s", e.text);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), st.st_size);
	sources_free(s);
	loaded = sources_load(fd, &e);
	ck_assert_msg(loaded != NULL, "%s", e.text);
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), st.st_size);
	close(fd);
	return loaded;
}

START_TEST(read_once)
{
	struct sources *s = sources_new();
	const char *text;
	struct err e;
	size_t len;

	write_file("a", "one\0two", 7);
	text = sources_get(s, in_dir("a"), &len, &e);
	ck_assert_uint_eq(len, 7);
	ck_assert_int_eq(memcmp(text, "one\0two", 8), 0);
	write_file("a", "changed", 7);
	ck_assert_ptr_eq(sources_get(s, in_dir("a"), &len, &e), text);
	ck_assert_str_eq(text, "one");
	sources_free(s);
}
END_TEST

START_TEST(frozen)
{
	struct sources *s = sources_new();
	const char *text;
	struct err e;
	size_t len;

	write_file("a", "one\0two", 7);
	write_file("empty", "", 0);
	ck_assert_ptr_nonnull(sources_get(s, in_dir("a"), &len, &e));
	ck_assert_ptr_nonnull(sources_get(s, in_dir("empty"), &len, &e));
	ck_assert_ptr_null(sources_get(s, in_dir("later"), &len, &e));
	ck_assert(!sources_frozen(s));
	s = freeze(s);
	ck_assert(sources_frozen(s));
	write_file("a", "changed", 7);
	write_file("later", "x", 1);
	write_file("new", "x", 1);
	text = sources_get(s, in_dir("a"), &len, &e);
	ck_assert_uint_eq(len, 7);
	ck_assert_int_eq(memcmp(text, "one\0two", 8), 0);
	text = sources_get(s, in_dir("empty"), &len, &e);
	ck_assert_str_eq(text, "");
	ck_assert_uint_eq(len, 0);
	/* A failure stays one, with its errno. */
	errno = 0;
	ck_assert_ptr_null(sources_get(s, in_dir("later"), &len, &e));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_nonnull(strstr(e.text, "No such file"));
	ck_assert_ptr_null(sources_get(s, in_dir("new"), &len, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "not in the snapshot"));
	ck_assert_int_ne(errno, ENOENT);
	/* Saved again, it is the same. */
	s = freeze(s);
	ck_assert_ptr_nonnull(sources_get(s, in_dir("a"), &len, &e));
	sources_free(s);
}
END_TEST

START_TEST(not_a_file)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct sources *s = sources_new();
	struct err e;
	size_t len;
	int fd;

	ck_assert_ptr_null(sources_get(s, dir, &len, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "it is a directory"));
	ck_assert_int_eq(errno, EISDIR);
	/* Nobody writes to it, and nobody is waited for. */
	ck_assert_int_eq(mkfifo(in_dir("fifo"), 0600), 0);
	ck_assert_ptr_null(sources_get(s, in_dir("fifo"), &len, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "it is a FIFO"));
	ck_assert_ptr_null(sources_get(s, "/dev/null", &len, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "it is a device"));
	strcpy(sun.sun_path, in_dir("sock"));
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	ck_assert_ptr_null(sources_get(s, in_dir("sock"), &len, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "it is a socket"));
	ck_assert_ptr_null(sources_get(s, in_dir("none"), &len, &e));
	ck_assert_int_eq(errno, ENOENT);
	sources_free(s);
}
END_TEST

START_TEST(too_large)
{
	struct sources *s = sources_new();
	char *big = calloc(1, CONF_FILE_MAX + 1), name[16];
	struct err e;
	size_t len;
	int i;

	write_file("max", big, CONF_FILE_MAX);
	write_file("over", big, CONF_FILE_MAX + 1);
	ck_assert_ptr_null(sources_get(s, in_dir("over"), &len, &e));
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_ptr_nonnull(strstr(e.text, "over 4194304 bytes"));
	for (i = 0; i < CONF_SOURCES_MAX / CONF_FILE_MAX - 1; i++) {
		snprintf(name, sizeof(name), "link%d", i);
		ck_assert_int_eq(symlink("max", in_dir(name)), 0);
		ck_assert_ptr_nonnull(sources_get(s, in_dir(name), &len, &e));
	}
	ck_assert_ptr_null(sources_get(s, in_dir("max"), &len, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "all files together"));
	/* The largest that can be is saved and read back. */
	s = freeze(s);
	ck_assert_ptr_nonnull(sources_get(s, in_dir("link0"), &len, &e));
	ck_assert_uint_eq(len, CONF_FILE_MAX);
	sources_free(s);
	free(big);
}
END_TEST

START_TEST(globs)
{
	struct sources *s = sources_new();
	char *const *paths;
	struct err e;
	int round;

	write_file("b.ini", "", 0);
	write_file("a.ini", "", 0);
	write_file("c.txt", "", 0);
	for (round = 0; round < 2; round++) {
		paths = sources_glob(s, in_dir("*.ini"), &e);
		ck_assert_ptr_nonnull(paths);
		ck_assert_str_eq(paths[0], in_dir("a.ini"));
		ck_assert_str_eq(paths[1], in_dir("b.ini"));
		ck_assert_ptr_null(paths[2]);
		paths = sources_glob(s, in_dir("none/*.ini"), &e);
		ck_assert_ptr_nonnull(paths);
		ck_assert_ptr_null(paths[0]);
		if (round == 0)
			s = freeze(s);
		write_file("new.ini", "", 0);
	}
	ck_assert_ptr_null(sources_glob(s, in_dir("?.ini"), &e));
	ck_assert_ptr_nonnull(strstr(e.text, "not in the snapshot"));
	sources_free(s);
}
END_TEST

START_TEST(many)
{
	struct sources *s = sources_new();
	char path[64];
	struct err e;
	size_t len;
	int i;

	for (i = 0; i < 10000; i++) {
		snprintf(path, sizeof(path), "/nonexistent/%d", i);
		ck_assert_ptr_null(sources_get(s, path, &len, &e));
	}
	s = freeze(s);
	errno = 0;
	ck_assert_ptr_null(sources_get(s, "/nonexistent/9999", &len, &e));
	ck_assert_int_eq(errno, ENOENT);
	sources_free(s);
}
END_TEST

/* Cut anywhere, or with any byte changed, it is refused or at least harmless.
 */
START_TEST(damaged)
{
	struct sources *s = sources_new(), *loaded;
	int fd = memfd_create("test", MFD_CLOEXEC);
	char saved[512], copy[512];
	struct err e;
	size_t len, i;

	write_file("a.ini", "text", 4);
	ck_assert_ptr_nonnull(sources_get(s, in_dir("a.ini"), &len, &e));
	ck_assert_ptr_nonnull(sources_glob(s, in_dir("*.ini"), &e));
	ck_assert_ptr_null(sources_get(s, in_dir("none"), &len, &e));
	ck_assert_int_eq(sources_save(s, fd, &e), 0);
	sources_free(s);
	len = (size_t)pread(fd, saved, sizeof(saved), 0);
	ck_assert_uint_lt(len, sizeof(saved));
	for (i = 0; i < len; i++) {
		ck_assert_int_eq(ftruncate(fd, (off_t)i), 0);
		ck_assert_ptr_null(sources_load(fd, &e));
		ck_assert_int_eq(pwrite(fd, saved, len, 0), (ssize_t)len);
	}
	for (i = 0; i < len; i++) {
		memcpy(copy, saved, len);
		copy[i] = (char)(copy[i] ^ 0xff);
		ck_assert_int_eq(pwrite(fd, copy, len, 0), (ssize_t)len);
		loaded = sources_load(fd, &e);
		sources_free(loaded);
	}
	ck_assert_int_eq(pwrite(fd, saved, len, 0), (ssize_t)len);
	ck_assert_int_eq(pwrite(fd, "x", 1, (off_t)len), 1);
	ck_assert_ptr_null(sources_load(fd, &e));
	ck_assert_str_eq(e.text, "the saved configuration is damaged");
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("source");
	TCase *t = tcase_create("source");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, read_once);
	tcase_add_test(t, frozen);
	tcase_add_test(t, not_a_file);
	tcase_add_test(t, too_large);
	tcase_add_test(t, globs);
	tcase_add_test(t, many);
	tcase_add_test(t, damaged);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
