/* forward: see forward.h. */
#include "logger/forward.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "ipc/le.h"
#include "logger/lines.h"
#include "logger/ring.h"

#define BATCH_BYTES (32 * 1024)
#define FACILITY_DAEMON 3
#define OWN_KEY "own"

enum priority {
	PRIORITY_ERROR = 3,
	PRIORITY_WARNING = 4,
	PRIORITY_INFO = 6,
	PRIORITY_DEBUG = 7
};

struct message {
	const char *text;
	size_t len;
	enum priority priority;
};

static int
connect_to(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		fd_close(&fd);
	return fd;
}

static int
is_own(const struct delivery *d)
{
	return strcmp(d->c->key, OWN_KEY) == 0;
}

/* "web" is web; "web:2" is web[2]: a tag holds no colon. */
static void
syslog_tag(const struct delivery *d, char *out, size_t size)
{
	const char *colon = strchr(d->r->name, ':');

	if (is_own(d))
		snprintf(out, size, "svd");
	else if (colon == NULL)
		snprintf(out, size, "%s", d->r->name);
	else
		snprintf(out, size, "%.*s[%s]", (int)(colon - d->r->name),
		    d->r->name, colon + 1);
}

/* What ends a line, or talks to terminals, is not for files of lines. */
static void
make_plain(const struct message *m, char *out)
{
	size_t i;

	for (i = 0; i < m->len; i++)
		out[i] =
		    ((unsigned char)m->text[i] < ' ' && m->text[i] != '\t') ||
			    m->text[i] == 0x7f
			? '?'
			: m->text[i];
}

/* RFC 3164, as local daemons write it: without the host. Its months are
 * English. */
static int
send_syslog(struct delivery *d, const struct message *m)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	static char text[LINE_TEXT_MAX];
	char head[160], tag[64];
	struct iovec iov[2] = {
	    {.iov_base = head}, {.iov_base = text, .iov_len = m->len}};
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = 2};
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	make_plain(m, text);
	syslog_tag(d, tag, sizeof(tag));
	iov[0].iov_len = (size_t)snprintf(head, sizeof(head),
	    "<%d>%.3s %2d %02d:%02d:%02d %s: ",
	    FACILITY_DAEMON << 3 | (int)m->priority, months + tm.tm_mon * 3,
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tag);
	return sendmsg(d->fd, &mh, MSG_NOSIGNAL) == -1 ? -1 : 0;
}

/* The journal's own protocol; a message, which may be any bytes, comes with
 * its length. */
static int
send_journal(struct delivery *d, const struct message *m)
{
	char head[256], worker[80] = "";
	unsigned char len[8];
	struct iovec iov[4] = {{.iov_base = head},
	    {.iov_base = len, .iov_len = sizeof(len)},
	    {.iov_base = (void *)m->text, .iov_len = m->len},
	    {.iov_base = (void *)"\n", .iov_len = 1}};
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = 4};

	if (!is_own(d))
		snprintf(worker, sizeof(worker),
		    "SVD_WORKER=%s\nSVD_STREAM=%s\n", d->r->name,
		    d->r->is_stderr ? "stderr" : "stdout");
	iov[0].iov_len = (size_t)snprintf(head, sizeof(head),
	    "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=%.46s\n"
	    "SVD_FLEET=%.46s\n%sMESSAGE\n",
	    (int)m->priority, FACILITY_DAEMON, is_own(d) ? "svd" : d->r->name,
	    d->lg->outputs.fleet, worker);
	le_put(len, m->len, sizeof(len));
	return sendmsg(d->fd, &mh, MSG_NOSIGNAL) == -1 ? -1 : 0;
}

static const struct {
	const char *path;
	int (*send)(struct delivery *d, const struct message *m);
} targets[] = {
    [OUTPUT_SYSLOG] = {FORWARD_SYSLOG, send_syslog},
    [OUTPUT_JOURNAL] = {FORWARD_JOURNAL, send_journal},
};

/* "STAMP svd[PID] ROLE: warning: what": both have stamps and priorities of
 * their own. What looks otherwise goes as it is. */
static void
read_own(struct message *m)
{
	static const struct {
		const char *word;
		enum priority priority;
	} levels[] = {{": error: ", PRIORITY_ERROR},
	    {": warning: ", PRIORITY_WARNING}, {": debug: ", PRIORITY_DEBUG}};
	const char *stamp = memchr(m->text, ' ', m->len), *role;
	size_t i, len, left;

	if (stamp == NULL || memchr("0123456789", m->text[0], 10) == NULL)
		return;
	m->len -= (size_t)(stamp + 1 - m->text);
	m->text = stamp + 1;
	role = memchr(m->text, ':', m->len);
	if (role == NULL)
		return;
	left = m->len - (size_t)(role - m->text);
	for (i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		len = strlen(levels[i].word);
		if (left >= len && memcmp(role, levels[i].word, len) == 0)
			m->priority = levels[i].priority;
	}
}

static int
send_line(struct delivery *d, const char *text, size_t len)
{
	struct message m = {.text = text,
	    .len = len,
	    .priority = d->r->is_stderr ? PRIORITY_WARNING : PRIORITY_INFO};
	int rc;

	if (is_own(d))
		read_own(&m);
	/* Neither knows empty ones. */
	if (m.len == 0)
		return 0;
	do
		rc = targets[d->r->kind].send(d, &m);
	while (rc == -1 && errno == EINTR);
	/* Too long for it, which no waiting mends: cut. */
	if (rc == -1 && errno == EMSGSIZE && m.len > 1024) {
		m.len = 1024;
		rc = targets[d->r->kind].send(d, &m);
	}
	return rc;
}

/* Where a line is longer than the receiver's buffer takes, it is waited for. */
static int
step(struct delivery *d)
{
	static char buf[BATCH_BYTES];
	size_t used = 0, line, len;
	ssize_t n;

	if (d->fd == -1)
		d->fd = connect_to(targets[d->r->kind].path);
	if (d->fd == -1)
		return delivery_failed(d, TROUBLE_OPEN, errno);
	n = ring_read(d->r->fd, d->c->window, d->at, buf, sizeof(buf));
	if (n < 0)
		return delivery_failed(d, TROUBLE_WRITE, errno);
	if (d->at + (uint64_t)n > d->c->pos)
		n = (ssize_t)(d->c->pos - d->at);
	while (used < (size_t)n) {
		line = line_take(buf + used, (size_t)n - used,
		    delivery_is_final(d, (size_t)n - used), &len);
		if (line == 0)
			break;
		if (send_line(d, buf + used, len) == -1) {
			fd_close(&d->fd);
			return delivery_failed(d, TROUBLE_WRITE, errno);
		}
		used += line;
		delivery_done(d, line);
	}
	return used > 0;
}

int
forward_step(struct delivery *d)
{
	int rc;

	if (!d->begun) {
		d->at = d->c->done;
		d->begun = 1;
	}
	d->reopened = d->lg->cursors.head->reopen;
	delivery_busy(d, 1);
	rc = step(d);
	delivery_busy(d, 0);
	return rc;
}
