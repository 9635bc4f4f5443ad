/* handover: see handover.h. */
#include "keeper/handover.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "keeper/keeper.h"

#define LINE_MAX_BYTES 256 /* of any line, its newline included */

struct number {
	const char *key;
	size_t offset;
	size_t size; /* of the member, which is an integer */
	int is_fd;   /* -1: none */
};

#define MEMBER(key, member, is_fd)                              \
	{                                                       \
		key, offsetof(struct keeper, member),           \
		    sizeof(((struct keeper *)0)->member), is_fd \
	}
#define NUMBER(key, member) MEMBER(key, member, 0)
#define FD(key, member) MEMBER(key, member, 1)
/* Of its role's present life, and of what its next one depends on. */
#define ROLE(key, member)                                             \
	FD(key ".sock", member.sock), NUMBER(key ".pid", member.pid), \
	    NUMBER(key ".lives", member.lives),                       \
	    NUMBER(key ".ready", member.ready),                       \
	    NUMBER(key ".greeted", member.greeted),                   \
	    NUMBER(key ".started", member.started),                   \
	    NUMBER(key ".start_at", member.start_at),                 \
	    NUMBER(key ".young_deaths", member.young_deaths),         \
	    NUMBER(key ".obituary", member.obituary),                 \
	    NUMBER(key ".obituary_status", member.obituary_status)

static const struct number numbers[] = {
    FD("self", self_fd),
    FD("log", log_fd),
    NUMBER("epoch", epoch),
    NUMBER("grace", grace),
    NUMBER("ping_every", ping_every),
    NUMBER("ping_limit", ping_limit),
    NUMBER("pending", pending),
    NUMBER("nohup", nohup),
    NUMBER("had_terminal", had_terminal),
    NUMBER("foreground", foreground),
    NUMBER("command", command),
    NUMBER("nofile_soft", nofile.rlim_cur),
    NUMBER("nofile_hard", nofile.rlim_max),
    NUMBER("orphaned_since", orphaned_since),
    NUMBER("pong_due", pong_due),
    NUMBER("upgrades", upgrade.attempts),
    ROLE("supervisor", sup.role),
    NUMBER("supervisor.exit_sent_at", sup.exit_sent_at),
    NUMBER("supervisor.signals_sent", sup.signals_sent),
    NUMBER("supervisor.signals_sent_at", sup.signals_sent_at),
    ROLE("logger", logger),
};

#define NNUMBERS (sizeof(numbers) / sizeof(*numbers))

/* --- writing -------------------------------------------------------------- */

static void
flush(struct handover *t)
{
	if (t->error == 0 && fd_write_all(t->fd, t->text, t->len) == -1)
		t->error = errno;
	t->len = 0;
}

/* The next line is being written to where this points. */
static char *
next_line(struct handover *t)
{
	if (sizeof(t->text) - t->len < LINE_MAX_BYTES)
		flush(t);
	return t->text + t->len;
}

static void
end_line(struct handover *t, int len)
{
	t->len += (size_t)len;
	t->lines++;
}

void
handover_begin(struct handover *t, int fd)
{
	t->fd = fd;
	t->error = 0;
	t->lines = 0;
	t->len = 0;
	end_line(t, snprintf(next_line(t), LINE_MAX_BYTES, "svd-keeper %d.%d\n",
			HANDOVER_MAJOR, HANDOVER_MINOR));
}

void
handover_put(struct handover *t, const char *key, int64_t value)
{
	end_line(t, snprintf(next_line(t), LINE_MAX_BYTES, "%s %lld\n", key,
			(long long)value));
}

void
handover_put_held(struct handover *t, const char *name, int fd,
    const uint32_t told[VAULT_READERS])
{
	static const uint32_t nobody[VAULT_READERS];

	if (told == NULL)
		told = nobody;
	end_line(t, snprintf(next_line(t), LINE_MAX_BYTES, "held %d %u %u %s\n",
			fd, told[VAULT_SUPERVISOR], told[VAULT_LOGGER], name));
}

int
handover_end(struct handover *t)
{
	handover_put(t, "end", t->lines);
	flush(t);
	errno = t->error;
	return t->error == 0 ? 0 : -1;
}

static int64_t
get_member(const struct keeper *k, const struct number *n)
{
	const char *at = (const char *)k + n->offset;
	int32_t small;
	int64_t large;

	if (n->size == sizeof(small)) {
		memcpy(&small, at, sizeof(small));
		return small;
	}
	memcpy(&large, at, sizeof(large));
	return large;
}

static void
set_member(struct keeper *k, const struct number *n, int64_t value)
{
	char *at = (char *)k + n->offset;
	int32_t small = (int32_t)value;

	if (n->size == sizeof(small))
		memcpy(at, &small, sizeof(small));
	else
		memcpy(at, &value, sizeof(value));
}

int
handover_write(const struct keeper *k, int fd)
{
	static struct handover t;
	size_t i;

	handover_begin(&t, fd);
	end_line(&t, snprintf(next_line(&t), LINE_MAX_BYTES, "version %s\n",
			 SVD_VERSION));
	for (i = 0; i < NNUMBERS; i++)
		handover_put(&t, numbers[i].key, get_member(k, &numbers[i]));
	for (i = 0; i < k->vault.n; i++)
		handover_put_held(&t, k->vault.entries[i].name,
		    k->vault.entries[i].fd, k->vault.entries[i].told);
	for (i = 0; i < k->nchildren; i++)
		end_line(
		    &t, snprintf(next_line(&t), LINE_MAX_BYTES, "child %d %u\n",
			    (int)k->children[i].pid, k->children[i].life));
	for (i = 0; i < k->sup.nexits_sent; i++)
		handover_put(&t, "exit", k->sup.exits_sent[i]);
	return handover_end(&t);
}

/* --- reading -------------------------------------------------------------- */

struct reading {
	struct keeper *k;
	struct err *e;
	unsigned int lines; /* before this one */
	int lenient;        /* a newer minor version: skips the unknown */
	int ended;
	char text[4096];
};

/* A decimal number up to the end or a blank, and that unless it is the last.
 * -1: none. */
static int
take_number(const char **p, int64_t *value)
{
	int negative = **p == '-', digits = 0;
	uint64_t n = 0;

	for (*p += negative; **p >= '0' && **p <= '9'; (*p)++, digits++)
		n = n * 10 + (uint64_t)(**p - '0');
	if (digits == 0 || digits > 19 || (**p != ' ' && **p != '\0') ||
	    n > (uint64_t)INT64_MAX + (unsigned int)negative)
		return -1;
	*value = (int64_t)(negative ? 0 - n : n);
	*p += **p == ' ' && (*p)[1] != '\0';
	return 0;
}

/* From 0 on, or from least, to INT_MAX. */
static int
take_int(const char **p, int least, int *value)
{
	int64_t n;

	if (take_number(p, &n) == -1 || n < least || n > INT_MAX)
		return -1;
	*value = (int)n;
	return 0;
}

static int
read_held(struct reading *r, const char *p)
{
	uint32_t told[VAULT_READERS] = {0};
	int fd, supervisor, logger;

	if (take_int(&p, STDERR_FILENO + 1, &fd) == -1 ||
	    take_int(&p, 0, &supervisor) == -1 ||
	    take_int(&p, 0, &logger) == -1 || *p == ' ')
		return -1;
	told[VAULT_SUPERVISOR] = (uint32_t)supervisor;
	told[VAULT_LOGGER] = (uint32_t)logger;
	return vault_restore(&r->k->vault, p, fd, told);
}

static int
read_child(struct reading *r, const char *p)
{
	struct keeper *k = r->k;
	int pid, life;

	if (take_int(&p, 2, &pid) == -1 || take_int(&p, 0, &life) == -1 ||
	    *p != '\0' || k->nchildren == KEEPER_CHILDREN_MAX)
		return -1;
	k->children[k->nchildren++] =
	    (struct keeper_child){.pid = pid, .life = (uint32_t)life};
	return 0;
}

static int
read_exit(struct reading *r, const char *p)
{
	struct keeper_supervisor *s = &r->k->sup;
	int pid;

	if (take_int(&p, 2, &pid) == -1 || *p != '\0' ||
	    s->nexits_sent == KEEPER_EXITS_MAX)
		return -1;
	s->exits_sent[s->nexits_sent++] = pid;
	return 0;
}

static int
read_written_by(struct reading *r, const char *p)
{
	char *version = r->k->upgrade.version;

	if (*p == '\0' || strlen(p) >= UPGRADE_VERSION_SIZE)
		return -1;
	memcpy(version, p, strlen(p) + 1);
	return 0;
}

static int
read_end(struct reading *r, const char *p)
{
	int lines;

	if (take_int(&p, 0, &lines) == -1 || *p != '\0' ||
	    (unsigned int)lines != r->lines)
		return -1;
	r->ended = 1;
	return 0;
}

static int
read_number(struct reading *r, const struct number *n, const char *p)
{
	int64_t value;

	if (take_number(&p, &value) == -1 || *p != '\0')
		return -1;
	if (n->size == 4 && (value < INT32_MIN || value > UINT32_MAX))
		return -1;
	if (n->is_fd && value != -1 && (value <= 2 || value > INT_MAX))
		return -1;
	set_member(r->k, n, value);
	return 0;
}

static const struct {
	const char *key;
	int (*read)(struct reading *r, const char *p);
} lists[] = {
    {"held ", read_held},
    {"child ", read_child},
    {"exit ", read_exit},
    {"version ", read_written_by},
    {"end ", read_end},
};

/* What is behind the key, if it is this one. */
static const char *
behind(const char *line, const char *key)
{
	size_t len = strlen(key);

	return strncmp(line, key, len) == 0 ? line + len : NULL;
}

static int
read_fact(struct reading *r, const char *line)
{
	const char *p;
	size_t i;

	for (i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if ((p = behind(line, lists[i].key)) != NULL)
			return lists[i].read(r, p);
	for (i = 0; i < NNUMBERS; i++) {
		p = behind(line, numbers[i].key);
		if (p != NULL && *p == ' ')
			return read_number(r, &numbers[i], p + 1);
	}
	return r->lenient ? 0 : -1;
}

static int
read_version(struct reading *r, const char *line)
{
	const char *p = behind(line, "svd-keeper ");
	int major = 0, minor = 0;

	for (; p != NULL && *p >= '0' && *p <= '9' && major < 1000; p++)
		major = major * 10 + *p - '0';
	if (p == NULL || *p++ != '.' || take_int(&p, 0, &minor) == -1 ||
	    *p != '\0')
		return err_set(r->e, "this is no table of a keeper");
	if (major > HANDOVER_MAJOR || major < HANDOVER_MAJOR - 1)
		return err_set(r->e,
		    "the keeper's table is of version %d.%d, which is too %s "
		    "for this svd's %d.%d",
		    major, minor, major > HANDOVER_MAJOR ? "new" : "old",
		    HANDOVER_MAJOR, HANDOVER_MINOR);
	r->lenient = major == HANDOVER_MAJOR && minor > HANDOVER_MINOR;
	return 0;
}

static int
read_line(struct reading *r, const char *line)
{
	int rc;

	if (r->lines == 0)
		rc = read_version(r, line);
	else if (r->ended || read_fact(r, line) == -1)
		rc = err_set(r->e, "line %u of the keeper's table is wrong: %s",
		    r->lines + 1, line);
	else
		rc = 0;
	r->lines++;
	return rc;
}

/* The whole lines of what has been read; returns how many bytes they are. */
static ssize_t
read_lines(struct reading *r, size_t len)
{
	char *line = r->text, *end;

	while ((end = memchr(line, '\n', len)) != NULL) {
		*end = '\0';
		if (strlen(line) != (size_t)(end - line))
			return err_set(r->e, "a NUL in the keeper's table");
		if (read_line(r, line) == -1)
			return -1;
		len -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	return line - r->text;
}

int
handover_read(struct keeper *k, int fd, struct err *e)
{
	static struct reading r;
	size_t have = 0;
	ssize_t n, used;

	r = (struct reading){.k = k, .e = e};
	k->self_fd = k->log_fd = k->sup.role.sock = k->logger.sock = -1;
	if (lseek(fd, 0, SEEK_SET) == -1)
		return err_sys(e, errno, "cannot read the keeper's table");
	while (have < sizeof(r.text) &&
	       (n = read(fd, r.text + have, sizeof(r.text) - have)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_sys(
			    e, errno, "cannot read the keeper's table");
		have += (size_t)n;
		used = read_lines(&r, have);
		if (used == -1)
			return -1;
		have -= (size_t)used;
		memmove(r.text, r.text + used, have);
	}
	if (!r.ended || have > 0)
		return err_set(e, "the keeper's table is cut short");
	if (k->self_fd == -1)
		return err_set(e, "the keeper's table lacks 'self'");
	return 0;
}

int
handover_set_cloexec(const struct keeper *k, int on)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < k->vault.n; i++)
		rc |= fd_set_cloexec(k->vault.entries[i].fd, on);
	for (i = 0; i < NNUMBERS; i++)
		if (numbers[i].is_fd && get_member(k, &numbers[i]) != -1)
			rc |=
			    fd_set_cloexec((int)get_member(k, &numbers[i]), on);
	return rc;
}
