/*
 * output, fifo, output_table: what the supervisor does about captured streams,
 * with real FIFOs and a real pair, in front of a keeper that only notes what it
 * is to hold.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "ipc/proto_logger.h"
#include "supervisor/control.h"
#include "supervisor/output_table.h"
#include "supervisor/supervisor.h"
#include "fake_control.c"
#include "fake_link.c"

#define HELD_MAX 16
#define NOBODY 65534 /* owns a folder that is not ours */

static struct supervisor sup;
static struct worker workers[2];
static struct worker_conf confs[2];
static char dir[64];
static int logger_end; /* of the pair */

/* --- the keeper ------------------------------------------------------------
 */

static struct held {
	char name[KEEPER_NAME_MAX + 1];
	int fd;
} held[HELD_MAX];
static size_t nheld;
static char table[4096]; /* the last that was held */
static int ntables;
static char dropped[KEEPER_NAME_MAX + 1];

int
link_open(struct link *l, int sock, struct err *e)
{
	(void)l;
	(void)sock;
	return err_set(e, "not here");
}

int
link_take(struct link *l, const char *name)
{
	size_t i;
	int fd = -1;

	for (i = 0; i < l->nheld; i++)
		if (strcmp(l->held[i].name, name) == 0) {
			fd = l->held[i].fd;
			l->held[i].fd = -1;
		}
	return fd;
}

void
link_hold(struct link *l, const char *name, int fd)
{
	ssize_t n;

	(void)l;
	ck_assert_str_eq(name, "outputs");
	n = pread(fd, table, sizeof(table) - 1, 0);
	ck_assert_int_ge((int)n, 0);
	table[n] = '\0';
	ntables++;
}

void
link_hold_many(
    struct link *l, const char *const *names, const int *fds, size_t n)
{
	char row[KEEPER_NAME_MAX + 16];
	size_t i;

	(void)l;
	for (i = 0; i < n; i++) {
		/* Who is told of it must know by then what it is. */
		snprintf(row, sizeof(row), "output\t%.3s\t%s\t", names[i],
		    names[i] + 4);
		ck_assert_msg(
		    strstr(table, row) != NULL, "not in the table: %s", row);
		ck_assert_uint_lt(nheld, HELD_MAX);
		snprintf(
		    held[nheld].name, sizeof(held[0].name), "%s", names[i]);
		held[nheld++].fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
	}
}

void
link_drop(struct link *l, const char *name)
{
	(void)l;
	snprintf(dropped, sizeof(dropped), "%s", name);
}

/* --- the control socket ----------------------------------------------------
 */

static int adopted = -1;
static char adopted_text[64];

struct control *
control_new(struct supervisor *s, int listener)
{
	(void)s;
	(void)listener;
	return NULL;
}

void
control_adopt(struct control *c, int fd, const char *unread, size_t len)
{
	(void)c;
	adopted = fd;
	snprintf(adopted_text, sizeof(adopted_text), "%.*s", (int)len, unread);
}

/* --- the rest --------------------------------------------------------------
 */

static void
add_worker(int i, const char *name, int instance)
{
	struct worker_conf *c = &confs[i];

	*c = (struct worker_conf){.instance = instance,
	    .numprocs = 2,
	    .log_tail = 65536,
	    .log_size = 1000,
	    .log_keep = 5,
	    .std_out = {.kind = STREAM_LOG},
	    .std_err = {.kind = STREAM_STDOUT}};
	snprintf(c->name, sizeof(c->name), "%s:%d", name, instance);
	snprintf(c->group_name, sizeof(c->group_name), "%s", name);
	workers[i] = (struct worker){.sup = &sup, .conf = c};
	worker_conf_id(c, workers[i].rec.name);
	output_worker_init(&workers[i]);
	ck_assert_int_eq(roster_add(&sup.roster, &workers[i]), 0);
}

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/svd-output-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	memset(&sup, 0, sizeof(sup));
	sup.loop = loop_new();
	sup.runtime_dir = dir;
	sup.link.life = 1;
	sup.control = (struct control *)&sup; /* there is one */
	snprintf(sup.fleet.name, sizeof(sup.fleet.name), "test");
	sup.fleet.log.kind = STREAM_STDERR;
	add_worker(0, "web", 0);
	add_worker(1, "web", 1);
	nheld = 0;
	ntables = 0;
	table[0] = '\0';
	dropped[0] = '\0';
	adopted = -1;
}

/* The supervisor's end as one that the keeper holds. */
static void
have_pair(void)
{
	static struct link_held pair = {.name = "pair:supervisor"};
	int ends[2];

	ck_assert_int_eq(chan_pair(ends), 0);
	pair.fd = ends[0];
	logger_end = ends[1];
	sup.link.held = &pair;
	sup.link.nheld = 1;
}

static void
teardown(void)
{
	char command[128];

	output_worker_release(&workers[0]);
	output_worker_release(&workers[1]);
	roster_release(&sup.roster);
	while (nheld > 0)
		fd_close(&held[--nheld].fd);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

static const char *
in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/out/%s", dir, name);
	return path;
}

static struct stat
look(const char *name)
{
	struct stat st;

	ck_assert_int_eq(lstat(in_folder(name), &st), 0);
	return st;
}

static void
stop_cb(struct loop_timer *t)
{
	loop_stop(t->loop);
}

/* Turns of the loop until all that is due has been done. */
static void
turn(void)
{
	struct loop_timer t;

	loop_timer_init(sup.loop, &t, stop_cb, NULL);
	loop_timer_start(&t, 20);
	loop_run(sup.loop);
}

/* What a birth asks for. */
static int
prepare(struct worker *w, struct err *e)
{
	int fds[OUTPUT_STREAMS], rc = output_open(w, fds, e);

	if (rc == 0)
		output_close(fds);
	return rc;
}

/* A look every 100 ms. */
static void
wait_dropped(const char *name)
{
	int i;

	for (i = 0; i < 100 && strcmp(dropped, name) != 0; i++)
		turn();
	ck_assert_str_eq(dropped, name);
}

START_TEST(each_captured_stream_has_a_fifo_that_is_held)
{
	confs[1].std_err.kind = STREAM_JOURNAL;
	output_init(&sup);
	ck_assert_uint_eq(look("").st_mode & 07777, 0700);
	ck_assert_uint_eq(look("web:0").st_mode, S_IFIFO | 0600);
	ck_assert_uint_eq(look("web:1").st_mode, S_IFIFO | 0600);
	ck_assert_uint_eq(look("web:1.err").st_mode, S_IFIFO | 0600);
	ck_assert_int_eq(access(in_folder("web:0.err"), F_OK), -1);
	ck_assert_uint_eq(nheld, 3);
	ck_assert_str_eq(held[0].name, "out:web:0");
	ck_assert_str_eq(held[1].name, "out:web:1");
	ck_assert_str_eq(held[2].name, "err:web:1");
	ck_assert_int_eq(fcntl(held[0].fd, F_GETFL) & (O_NONBLOCK | O_RDWR),
	    O_NONBLOCK | O_RDWR);
	output_finish(&sup);
	ck_assert_int_eq(access(in_folder(""), F_OK), -1);
}
END_TEST

START_TEST(the_table_says_what_to_do_with_them)
{
	char want[1024];

	sup.fleet.log = (struct stream_conf){STREAM_FILE, (char *)"/a b%\t"};
	sup.fleet.log_format = LOGLINE_JSON;
	confs[1].std_err = (struct stream_conf){STREAM_SYSLOG, NULL};
	output_init(&sup);
	snprintf(want, sizeof(want),
	    "table\t4294967297\nfleet\ttest\tfile\tjson\t/a%%20b%%25%%09\n"
	    "output\tout\tweb:0\tweb:0\tweb\tlog\t65536\t1000\t5\t%u\t%u\t-\n"
	    "output\tout\tweb:1\tweb:1\tweb\tlog\t65536\t1000\t5\t%u\t%u\t-\n"
	    "output\terr\tweb:1\tweb:1\tweb\tsyslog\t65536\t1000\t5\t%u\t%u\t"
	    "-\n",
	    geteuid(), getegid(), geteuid(), getegid(), geteuid(), getegid());
	ck_assert_str_eq(table, want);
	/* Many changes, one table. */
	output_changed(&sup);
	output_changed(&sup);
	turn();
	ck_assert_int_eq(ntables, 2);
}
END_TEST

START_TEST(a_worker_that_comes_is_in_the_table_before_it_is_captured)
{
	struct err e;

	output_init(&sup);
	snprintf(confs[1].name, sizeof(confs[1].name), "new:1");
	snprintf(confs[1].group_name, sizeof(confs[1].group_name), "new");
	output_worker_init(&workers[1]);
	output_changed(&sup);
	/* Its birth is not sooner than a turn of the loop, but may be in it. */
	ck_assert_int_eq(prepare(&workers[1], &e), 0);
	ck_assert_str_eq(held[2].name, "out:new:1");
	ck_assert_uint_eq(ntables, 2);
	turn();
	ck_assert_uint_eq(ntables, 2);
}
END_TEST

START_TEST(without_output_there_is_no_logger)
{
	confs[0].std_out.kind = confs[1].std_out.kind = STREAM_NULL;
	output_init(&sup);
	ck_assert_int_eq(ntables, 0);
	ck_assert_int_eq(access(in_folder(""), F_OK), -1);
	/* Until there is. */
	confs[1].std_out.kind = STREAM_LOG;
	output_changed(&sup);
	turn();
	ck_assert_int_eq(ntables, 1);
}
END_TEST

START_TEST(what_is_in_the_way_is_replaced)
{
	struct err e;

	ck_assert_int_eq(mkdir(in_folder(""), 0777), 0);
	close(open(in_folder("web:0"), O_CREAT | O_WRONLY, 0644));
	ck_assert_int_eq(symlink("/etc/passwd", in_folder("web:1")), 0);
	ck_assert_int_eq(mkfifo(in_folder("old:7"), 0666), 0);
	output_init(&sup);
	ck_assert_uint_eq(look("").st_mode & 07777, 0700);
	ck_assert_uint_eq(look("web:0").st_mode, S_IFIFO | 0600);
	ck_assert_uint_eq(look("web:1").st_mode, S_IFIFO | 0600);
	ck_assert_int_eq(access(in_folder("old:7"), F_OK), -1);
	/* But for a directory. */
	output_forget(&workers[0]);
	wait_dropped("out:web:0");
	ck_assert_int_eq(access(in_folder("web:0"), F_OK), -1);
	ck_assert_int_eq(mkdir(in_folder("web:0"), 0777), 0);
	ck_assert_int_eq(prepare(&workers[0], &e), -1);
	ck_assert_ptr_nonnull(strstr(e.text, "streams: cannot make '"));
	ck_assert_ptr_nonnull(strstr(e.text, "out/web:0': Is a directory"));
}
END_TEST

START_TEST(a_folder_of_somebody_else_is_refused)
{
	struct err e;

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(mkdir(in_folder(""), 0777), 0);
	ck_assert_int_eq(chown(in_folder(""), NOBODY, NOBODY), 0);
	output_init(&sup);
	ck_assert_uint_eq(nheld, 0);
	ck_assert_int_eq(prepare(&workers[0], &e), -1);
	ck_assert_ptr_nonnull(strstr(e.text, "belongs to somebody else"));
}
END_TEST

START_TEST(a_folder_that_has_gone_is_made_again)
{
	char command[128];
	struct err e;

	output_init(&sup);
	snprintf(command, sizeof(command), "rm -rf '%s/out'", dir);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(prepare(&workers[0], &e), 0);
	ck_assert_uint_eq(look("web:0").st_mode, S_IFIFO | 0600);
	ck_assert_uint_eq(nheld, 3);
	ck_assert_str_eq(held[2].name, "out:web:0");
}
END_TEST

/* Nor does it stop a worker that there is no place for a name. */
START_TEST(without_a_runtime_directory_a_fifo_has_no_name)
{
	int fds[OUTPUT_STREAMS];
	char command[128], c[8];
	struct err e;

	output_init(&sup);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(output_open(&workers[0], fds, &e), 0);
	ck_assert_uint_eq(nheld, 3);
	ck_assert_int_eq((int)write(fds[0], "abc", 3), 3);
	ck_assert_int_eq((int)read(held[2].fd, c, 8), 3);
	ck_assert_int_eq(
	    fcntl(fds[0], F_GETFL) & (O_NONBLOCK | O_RDWR), O_RDWR);
	output_close(fds);
	output_forget(&workers[0]);
	wait_dropped("out:web:0");
}
END_TEST

START_TEST(a_worker_has_a_description_of_its_own)
{
	int fds[OUTPUT_STREAMS];
	struct err e;
	char c[8];

	output_init(&sup);
	ck_assert_int_eq(output_open(&workers[0], fds, &e), 0);
	ck_assert_int_eq(fds[OUTPUT_ERR], -1);
	ck_assert_int_eq(
	    fcntl(fds[0], F_GETFL) & (O_NONBLOCK | O_RDWR), O_RDWR);
	ck_assert_int_eq(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq((int)write(fds[0], "abc", 3), 3);
	ck_assert_int_eq((int)read(held[0].fd, c, 8), 3);
	output_close(fds);
	ck_assert_uint_eq(nheld, 2);
}
END_TEST

/* As long as the process lives, what it writes to is what is held. */
START_TEST(a_stop_command_replaces_nothing)
{
	int fds[OUTPUT_STREAMS];
	struct err e;

	output_init(&sup);
	workers[0].rec.pid = 42;
	ck_assert_int_eq(unlink(in_folder("web:0")), 0);
	ck_assert_int_eq(output_open(&workers[0], fds, &e), 0);
	ck_assert_int_eq(fds[OUTPUT_OUT], -1);
	ck_assert_uint_eq(nheld, 2);
	workers[0].rec.pid = 0;
	ck_assert_int_eq(output_open(&workers[0], fds, &e), 0);
	ck_assert_int_ne(fds[OUTPUT_OUT], -1);
	ck_assert_uint_eq(nheld, 3);
	output_close(fds);
}
END_TEST

START_TEST(a_successor_goes_on_with_what_is_held)
{
	static const char gone[] =
	    "output\tout\tgone:0\tgone\tgone\tfile\t1\t2\t3\t0\t0\t/x\n";
	static struct link_held mine[4];
	struct stat a;
	char old[128];
	int fd = sys_memfd("outputs"), kept, i;

	ck_assert_int_eq(fd_write_all(fd, "fleet\t...\n", 10), 0);
	ck_assert_int_eq(fd_write_all(fd, gone, strlen(gone)), 0);
	output_init(&sup);
	ck_assert_int_eq(fstat(held[0].fd, &a), 0);
	output_worker_init(&workers[0]);
	output_worker_init(&workers[1]);
	sup.link.life = 2;
	sup.link.held = mine;
	sup.link.nheld = 4;
	snprintf(mine[0].name, sizeof(mine[0].name), "out:web:0");
	mine[0].fd = held[0].fd;
	snprintf(mine[1].name, sizeof(mine[1].name), "out:gone:0");
	mine[1].fd = held[1].fd;
	snprintf(mine[2].name, sizeof(mine[2].name), "err:web:1");
	mine[2].fd = -1;
	snprintf(mine[3].name, sizeof(mine[3].name), "outputs");
	mine[3].fd = fd;
	ck_assert_int_eq((int)write(mine[1].fd, "last", 4), 4);
	kept = dup(mine[1].fd);
	snprintf(old, sizeof(old), "%s", in_folder("web:1"));
	ck_assert_int_eq(rename(old, in_folder("gone:0")), 0);
	nheld = 0;
	output_init(&sup);
	/* Only the other one is new; whose worker has gone is let go. */
	ck_assert_uint_eq(nheld, 1);
	ck_assert_str_eq(held[0].name, "out:web:1");
	ck_assert_uint_eq(workers[0].output.fifo[OUTPUT_OUT], a.st_ino);
	ck_assert_uint_eq(look("web:0").st_ino, a.st_ino);
	/* Not before all is read; until then the logger is told what it was. */
	for (i = 0; i < 10; i++)
		turn();
	ck_assert_str_eq(dropped, "");
	ck_assert_ptr_nonnull(strstr(table, gone));
	ck_assert_int_eq((int)read(kept, old, sizeof(old)), 4);
	wait_dropped("out:gone:0");
	turn();
	ck_assert_ptr_null(strstr(table, gone));
	fd_close(&kept);
}
END_TEST

START_TEST(a_stream_that_is_no_longer_captured_is_let_go)
{
	char c[8];
	struct err e;

	output_init(&sup);
	confs[0].std_out.kind = STREAM_NULL;
	/* Not while its writer lives: the rest goes to the log. */
	workers[0].rec.pid = 42;
	ck_assert_int_eq(prepare(&workers[0], &e), 0);
	output_changed(&sup);
	turn();
	ck_assert_ptr_nonnull(strstr(table, "\tout\tweb:0\tweb:0\tweb\tlog\t"));
	workers[0].rec.pid = 0;
	ck_assert_int_eq(prepare(&workers[0], &e), 0);
	/* Nor before all is read. */
	ck_assert_int_eq((int)write(held[0].fd, "last", 4), 4);
	turn();
	ck_assert_ptr_nonnull(strstr(table, "\tout\tweb:0\tweb:0\tweb\tlog\t"));
	ck_assert_int_eq((int)read(held[0].fd, c, sizeof(c)), 4);
	wait_dropped("out:web:0");
	turn();
	ck_assert_ptr_null(strstr(table, "\tweb:0\t"));
	ck_assert_ptr_nonnull(strstr(table, "\tweb:1\t"));
	ck_assert_int_eq(access(in_folder("web:0"), F_OK), -1);
}
END_TEST

START_TEST(what_is_not_read_yet_is_not_dropped)
{
	char c[8];
	struct err e;
	ino_t inode;
	int i;

	output_init(&sup);
	inode = look("web:0").st_ino;
	ck_assert_int_eq((int)write(held[0].fd, "last", 4), 4);
	output_forget(&workers[0]);
	for (i = 0; i < 10; i++)
		turn();
	ck_assert_str_eq(dropped, "");
	/* Should it come back, it is the same, and held anew for who had
	 * forgotten it. */
	ck_assert_int_eq(prepare(&workers[0], &e), 0);
	ck_assert_uint_eq(nheld, 3);
	ck_assert_str_eq(held[2].name, "out:web:0");
	ck_assert_uint_eq(look("web:0").st_ino, inode);
	output_forget(&workers[0]);
	ck_assert_int_eq((int)read(held[0].fd, c, 8), 4);
	wait_dropped("out:web:0");
}
END_TEST

/* --- the logger ------------------------------------------------------------
 */

static void
logger_says(const struct pl_msg *m, int fd)
{
	static unsigned char packet[PL_PACKET_MAX];
	size_t len = pl_encode(m, packet);

	ck_assert_int_ne(
	    chan_send(logger_end, packet, len, &fd, fd == -1 ? 0 : 1, 0), -1);
	turn();
}

static struct pl_msg
logger_hears(int *fd)
{
	static unsigned char packet[PL_PACKET_MAX];
	struct pl_msg m = {.type = PL_TYPES};
	int fds[CHAN_FDS_MAX];
	size_t nfds = 0;
	ssize_t len;

	len = chan_recv(
	    logger_end, packet, sizeof(packet), fds, &nfds, MSG_DONTWAIT);
	if (len == -1)
		return m;
	ck_assert_int_eq(pl_decode(packet, (size_t)len, &m), 0);
	ck_assert_uint_eq(nfds, (size_t)pl_carries_fd(m.type));
	if (fd != NULL)
		*fd = nfds == 1 ? fds[0] : -1;
	return m;
}

static void
say_problem(const char *name, const char *text)
{
	logger_says(&(struct pl_msg){.type = PL_PROBLEM,
			.text = name,
			.data = text,
			.data_len = strlen(text)},
	    -1);
}

START_TEST(the_logger_is_greeted_and_says_who_it_is)
{
	have_pair();
	output_init(&sup);
	ck_assert_int_eq(logger_hears(NULL).type, PL_HELLO);
	ck_assert_int_eq(logger_hears(NULL).type, PL_TYPES);
	logger_says(&(struct pl_msg){.type = PL_HERE, .pid = 77}, -1);
	ck_assert_int_eq(sup.output.logger, 77);
	output_reopen(&sup);
	ck_assert_int_eq(logger_hears(NULL).type, PL_REOPEN);
}
END_TEST

START_TEST(problems_come_and_go)
{
	have_pair();
	output_init(&sup);
	say_problem("out:web:1", "no space");
	ck_assert_ptr_null(output_problem(&workers[0]));
	ck_assert_str_eq(output_problem(&workers[1]), "no space");
	say_problem("err:web:1", "worse");
	say_problem("out:web:1", "");
	ck_assert_str_eq(output_problem(&workers[1]), "worse");
	say_problem("err:web:1", "");
	ck_assert_ptr_null(output_problem(&workers[1]));
	/* Nobody's. */
	say_problem("out:gone:3", "x");
	say_problem("own", "x");
	say_problem("", "x");
	/* No message at all. */
	ck_assert_int_eq((int)send(logger_end, "\377noise", 6, 0), 6);
	say_problem("out:web:0", "still heard");
	ck_assert_str_eq(output_problem(&workers[0]), "still heard");
}
END_TEST

START_TEST(clients_go_to_the_logger_and_come_back)
{
	int ends[2], there = -1;
	struct pl_msg m;
	struct err e;

	have_pair();
	ck_assert_int_eq(chan_pair(ends), 0);
	output_init(&sup);
	logger_hears(NULL);
	m = (struct pl_msg){
	    .type = PL_LOGS, .text = "{}", .data = "rest", .data_len = 4};
	ck_assert_int_eq(output_send_client(&sup, &m, ends, 1, &e), 0);
	m = logger_hears(&there);
	ck_assert_int_eq(m.type, PL_LOGS);
	ck_assert_str_eq(m.text, "{}");
	ck_assert_int_eq(strncmp(m.data, "rest", m.data_len), 0);
	ck_assert_int_eq((int)send(there, "hi", 2, 0), 2);
	logger_says(
	    &(struct pl_msg){.type = PL_CLIENT, .data = "more", .data_len = 4},
	    there);
	ck_assert_int_ne(adopted, -1);
	ck_assert_str_eq(adopted_text, "more");
	fd_close(&adopted);
	fd_close(&there);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
}
END_TEST

START_TEST(a_logger_that_does_not_read_blocks_nobody)
{
	static const struct pl_msg logs = {.type = PL_LOGS, .text = "{}"};
	struct err e;
	int i, rc = 0;

	have_pair();
	output_init(&sup);
	ck_assert_int_eq(logger_hears(NULL).type, PL_HELLO);
	for (i = 0; i < 10000 && rc == 0; i++)
		rc = output_send_client(&sup, &logs, &logger_end, 1, &e);
	ck_assert_int_eq(rc, -1);
	ck_assert_str_eq(e.text, "the logger does not answer");
	/* What is not a client's is kept until there is room. */
	output_reopen(&sup);
	while (--i > 0) {
		int fd;

		if (pl_carries_fd(logger_hears(&fd).type))
			fd_close(&fd);
	}
	turn();
	ck_assert_int_eq(logger_hears(NULL).type, PL_REOPEN);
}
END_TEST

START_TEST(without_a_logger_a_client_is_refused)
{
	static const struct pl_msg logs = {.type = PL_LOGS, .text = "{}"};
	const int fd = 0;
	struct err e;

	output_init(&sup);
	ck_assert_int_eq(output_send_client(&sup, &logs, &fd, 1, &e), -1);
	ck_assert_str_eq(e.text, "there is no logger");
	output_reopen(&sup);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("output");
	TCase *t = tcase_create("output");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, each_captured_stream_has_a_fifo_that_is_held);
	tcase_add_test(t, the_table_says_what_to_do_with_them);
	tcase_add_test(
	    t, a_worker_that_comes_is_in_the_table_before_it_is_captured);
	tcase_add_test(t, without_output_there_is_no_logger);
	tcase_add_test(t, what_is_in_the_way_is_replaced);
	tcase_add_test(t, a_folder_of_somebody_else_is_refused);
	tcase_add_test(t, a_folder_that_has_gone_is_made_again);
	tcase_add_test(t, a_worker_has_a_description_of_its_own);
	tcase_add_test(t, a_stop_command_replaces_nothing);
	tcase_add_test(t, without_a_runtime_directory_a_fifo_has_no_name);
	tcase_add_test(t, a_successor_goes_on_with_what_is_held);
	tcase_add_test(t, a_stream_that_is_no_longer_captured_is_let_go);
	tcase_add_test(t, what_is_not_read_yet_is_not_dropped);
	tcase_add_test(t, the_logger_is_greeted_and_says_who_it_is);
	tcase_add_test(t, problems_come_and_go);
	tcase_add_test(t, clients_go_to_the_logger_and_come_back);
	tcase_add_test(t, a_logger_that_does_not_read_blocks_nobody);
	tcase_add_test(t, without_a_logger_a_client_is_refused);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
