/*
 * verbs_upgrade: `svctl upgrade`, as far as it is the supervisor's: to open the
 * svd that is installed now, to ask the keeper, to answer who waits; see
 * call.h. The rest is keeper/upgrade.c, which tells each supervisor how things
 * stand.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "supervisor/call.h"

/* Waits for the end of the upgrade of this number. */
struct waiting {
	struct answer answer;
	struct supervisor *sup;
	uint32_t number;
};

static int
is_under_way(const struct supervisor *s)
{
	return s->link.upgrade.state == UPGRADED_UNDER_WAY ||
	       s->link.upgrade.state == UPGRADED_ON_TRIAL;
}

uint32_t
upgrades_over(const struct supervisor *s)
{
	return s->link.upgrade.number - (uint32_t)is_under_way(s);
}

/* Of the last one: if another was made since the one that was asked for, it
 * says more of what runs now. */
static int
answer_outcome(struct call *c)
{
	const struct link_upgrade *u = &c->sup->link.upgrade;
	const char *to = u->text + strlen(u->text) + 1;

	if (u->state == UPGRADED_FAILED)
		return call_fail(c, ERROR_FAILED, u->text);
	return call_reply(c, json_pack("{s:s, s:s}", "from", u->text, "to",
				 to < u->text + u->text_len ? to : ""));
}

static int
waiting_ready(const struct answer *a)
{
	const struct waiting *w = (const struct waiting *)a;

	return w->number <= upgrades_over(w->sup);
}

static enum answer_written
waiting_write(struct answer *a, struct buf *out)
{
	struct waiting *w = (struct waiting *)a;
	struct call c = {.sup = w->sup, .out = out};

	return answer_outcome(&c) == -1 ? ANSWER_FAILED : ANSWER_LAST;
}

static void
waiting_free(struct answer *a)
{
	free(a);
}

static const struct answer_kind waiting_kind = {
    .ready = waiting_ready,
    .write = waiting_write,
    .free = waiting_free,
};

static int
answer_later(struct call *c, uint32_t number)
{
	struct waiting *w;

	if (json_is_false(json_object_get(c->parameters, "wait")))
		return call_reply(
		    c, json_pack("{s:s, s:n}", "from", SVD_VERSION, "to"));
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return call_no_memory(c);
	w->answer.kind = &waiting_kind;
	w->sup = c->sup;
	w->number = number;
	return call_answer_later(c, &w->answer);
}

/* Where svd was started from; a package has put another file there by now. */
static int
read_path(struct supervisor *s, char path[PATH_MAX], struct err *e)
{
	ssize_t n;

	if (s->program == -1)
		s->program = link_take(&s->link, "program");
	n = pread(s->program, path, PATH_MAX - 1, 0);
	if (n <= 0)
		return err_set(e, "it is not known what svd was started from");
	path[n] = '\0';
	return 0;
}

/* Does a program's file end before what its header says is there? It might run
 * for a while, up to the first page that is missing. */
static int
is_cut_short(int fd, off_t size)
{
	ElfW(Ehdr) h;
	uint64_t end;

	if (pread(fd, &h, sizeof(h), 0) != sizeof(h) ||
	    memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
		return 0;
	/* The table of its sections is the last thing in it. */
	end = h.e_shoff + (uint64_t)h.e_shnum * h.e_shentsize;
	return end > (uint64_t)size;
}

/* One that may not be read is not looked into. */
static int
check_whole(const char *path, off_t size, struct err *e)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int rc = fd != -1 && is_cut_short(fd, size);

	fd_close(&fd);
	return rc ? err_set(e, "'%s' is cut short", path) : 0;
}

/* By what it can be executed; -1. */
static int
open_program(const char *path, struct err *e)
{
	struct stat st;
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd == -1 || fstat(fd, &st) == -1)
		err_sys(e, errno, "cannot open '%s'", path);
	else if (!S_ISREG(st.st_mode))
		err_set(e, "'%s' is not a regular file", path);
	else if (access(path, X_OK) == -1)
		err_sys(e, errno, "cannot execute '%s'", path);
	else if (check_whole(path, st.st_size, e) == 0)
		return fd;
	fd_close(&fd);
	return -1;
}

static int
ask_keeper(struct supervisor *s, struct err *e)
{
	struct keeper_msg m = {.type = KM_UPGRADE};
	char path[PATH_MAX];
	int fd;

	if (read_path(s, path, e) == -1)
		return -1;
	fd = open_program(path, e);
	if (fd == -1)
		return -1;
	log_info("upgrading to '%s'", path);
	m.text = path;
	m.text_len = strlen(path) + 1;
	link_send(&s->link, &m, fd);
	fd_close(&fd);
	s->link.upgrade.number++;
	s->link.upgrade.state = UPGRADED_UNDER_WAY;
	return 0;
}

static int
begin(struct call *c)
{
	struct supervisor *s = c->sup;
	struct err e;

	if (s->stopping)
		return call_fail(
		    c, ERROR_REFUSED, "the fleet is shutting down");
	if (is_under_way(s))
		return call_fail(c, ERROR_REFUSED, "an upgrade is under way");
	if (ask_keeper(s, &e) == -1) {
		log_error("upgrade failed: %s", e.text);
		return call_fail(c, ERROR_FAILED, e.text);
	}
	return answer_later(c, s->link.upgrade.number);
}

/* A number is that of one upgrade, which is begun once, however often it is
 * asked for. */
static int
verb_upgrade(struct call *c)
{
	const struct supervisor *s = c->sup;
	json_t *wanted = json_object_get(c->parameters, "number");
	json_int_t number = json_integer_value(wanted);

	if (!json_is_integer(wanted))
		number = (json_int_t)s->link.upgrade.number + 1;
	if (number < 1)
		return call_fail(c, ERROR_INVALID_PARAMETER, "number");
	/* Its caller was told how far another keeper had come. */
	if (number > (json_int_t)s->link.upgrade.number + 1)
		return call_fail(c, ERROR_FAILED,
		    "svd was started anew since that upgrade was asked for");
	if (number > s->link.upgrade.number)
		return begin(c);
	if (number <= upgrades_over(s))
		return answer_outcome(c);
	return answer_later(c, (uint32_t)number);
}

const struct verb verbs_upgrade[] = {
    {"Upgrade", ACCESS_ACT, "wait: ?bool, number: ?int",
	"from: string, to: ?string", verb_upgrade,
	"svd from the installed file, until that runs; no worker notices.\n"
	"# number: one more than Version's upgrades, so that to ask once more\n"
	"# for the same, over a supervisor's death, does not begin another."},
    {0},
};
