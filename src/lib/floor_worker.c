/* floor_worker: see floor_worker.h. */
#include "lib/floor_worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/chan.h"
#include "ipc/proto_birth.h"
#include "ipc/proto_floor.h"
#include "lib/set_up.h"
#include "lib/svd/floor.h"

#define PACKET_BYTES 1024
#define FIELDS_MAX (16 << 20) /* more than execve(2) would take */
#define PARENT_ENDS_USEC 50
#define STATUS_SET_UP 126 /* as shells have it, and a failed exec */

static void
say(void *arg, unsigned int stage, unsigned int detail, int error)
{
	char data[PACKET_BYTES];
	struct floor_packet p;
	const int *line = arg;

	/* That a step may hang: svd sees us end by the deadline. */
	if (error == 0)
		return;
	floor_begin(&p, data, sizeof(data), "STARTFAIL");
	floor_add_number(&p, "stage", stage);
	floor_add_number(&p, "detail", detail);
	floor_add_number(&p, "errno", (uint64_t)error);
	chan_send(*line, data, p.len, NULL, 0, 0);
}

static _Noreturn void
fail(int line, unsigned int stage, int error)
{
	say(&line, stage, 0, error);
	_exit(STATUS_SET_UP);
}

/* Copied, so that nobody changes it any more. NULL and errno. */
static char *
read_fields(int fd, size_t *len)
{
	struct stat st;
	char *text;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return NULL;
	if (!S_ISREG(st.st_mode) || st.st_size == 0 ||
	    st.st_size > FIELDS_MAX) {
		errno = EBADMSG;
		return NULL;
	}
	text = malloc((size_t)st.st_size);
	if (text == NULL)
		return NULL;
	for (*len = 0; *len < (size_t)st.st_size; *len += (size_t)n) {
		n = pread(
		    fd, text + *len, (size_t)st.st_size - *len, (off_t)*len);
		if (n <= 0) {
			free(text);
			errno = n == 0 ? EBADMSG : errno;
			return NULL;
		}
	}
	return text;
}

/* All values of a key, behind `first` where that is not NULL. They point into
 * what was received. */
static char **
take_list(const struct floor_msg *m, const char *key, char *first, int *count)
{
	const char *at = NULL, *value;
	size_t n = 1;
	char **list;

	while (floor_next(m, key, &at) != NULL)
		n++;
	list = malloc((n + 1) * sizeof(*list)); /* see settle_heap() */
	if (list == NULL)
		return NULL;
	n = 0;
	if (first != NULL)
		list[n++] = first;
	for (at = NULL; (value = floor_next(m, key, &at)) != NULL;)
		list[n++] = (char *)value;
	list[n] = NULL;
	*count = (int)n;
	return list;
}

static int
take_job(const struct floor_msg *m, struct svd_job *job)
{
	int n;

	job->entry = floor_get(m, "entry");
	job->name = floor_get(m, "name");
	job->instance = (int)floor_get_number(m, "instance");
	if (job->entry == NULL || job->name == NULL) {
		errno = EBADMSG;
		return -1;
	}
	job->argv = take_list(m, "arg", (char *)job->entry, &job->argc);
	job->envp = take_list(m, "env", NULL, &n);
	return job->argv == NULL || job->envp == NULL ? -1 : 0;
}

/* -1 and EBADMSG: it is none. The largest would mean: leave as it is. */
static int
take_id(const char *text, unsigned int *id)
{
	unsigned long value = UINT32_MAX;
	char *end = NULL;

	if (text != NULL && *text >= '0' && *text <= '9')
		value = strtoul(text, &end, 10);
	if (value >= UINT32_MAX || *end != '\0') {
		errno = EBADMSG;
		return -1;
	}
	*id = (unsigned int)value;
	return 0;
}

/* Whole, or not at all: never as root with another's groups. */
static int
take_user(const struct floor_msg *m, struct set_up *s)
{
	const char *at = NULL, *value, *uid = floor_get(m, "uid");

	s->set_user = uid != NULL;
	if (!s->set_user)
		return 0;
	if (take_id(uid, &s->uid) == -1 ||
	    take_id(floor_get(m, "gid"), &s->gid) == -1)
		return -1;
	while ((value = floor_next(m, "group", &at)) != NULL)
		if (s->ngroups == SET_UP_GROUPS_MAX ||
		    take_id(value, &s->groups[s->ngroups++]) == -1) {
			errno = EBADMSG;
			return -1;
		}
	return 0;
}

static int
take_set_up(const struct floor_msg *m, struct set_up *s)
{
	const char *mask = floor_get(m, "umask");

	s->directory = floor_get(m, "directory");
	s->takes_terminal = floor_get(m, "tty") != NULL;
	s->umask = mask == NULL ? SET_UP_UMASK_LEAVE
	                        : (unsigned int)strtoul(mask, NULL, 8) & 0777;
	return take_user(m, s);
}

static void
take_streams(const struct floor_msg *start, const int *fds, size_t nfds,
    struct set_up *s)
{
	char name[12];
	int i, at;

	for (i = 0; i < SET_UP_FDS; i++) {
		snprintf(name, sizeof(name), "%d", i);
		at = floor_get_fd(start, name);
		s->fds[i] = at == -1 || (size_t)at >= nfds ? -1 : fds[at];
	}
}

/* Waits for START; ends where none will come. Its descriptors are above 2, as
 * the floor had all of those open. */
static size_t
receive_start(int line, char *data, struct floor_msg *m, int *fds)
{
	size_t nfds, i;
	ssize_t n;

	for (;;) {
		n = chan_recv(line, data, PACKET_BYTES, fds, &nfds, 0);
		if (n == 0 || (n == -1 && errno != EINTR && errno != EMSGSIZE))
			_exit(0);
		if (n == -1)
			continue;
		if (floor_parse(data, (size_t)n, m) == 0 &&
		    strcmp(m->verb, "START") == 0)
			return nfds;
		for (i = 0; i < nfds; i++)
			close(fds[i]);
	}
}

/* What START wants, as far as it can be understood. */
static void
take_start(int line, const struct floor_msg *start, const int *fds, size_t nfds,
    struct svd_job *job, struct set_up *s)
{
	int at = floor_get_fd(start, "fields");
	struct floor_msg fields;
	char *text;
	size_t len;

	if (at == -1 || (size_t)at >= nfds)
		fail(line, BIRTH_BORN, EBADMSG);
	text = read_fields(fds[at], &len); /* for good */
	if (text == NULL)
		fail(line, BIRTH_BORN, errno);
	if (floor_parse_fields(text, len, &fields) == -1)
		fail(line, BIRTH_BORN, EBADMSG);
	if (take_job(&fields, job) == -1)
		fail(line, BIRTH_BORN, errno);
	if (take_set_up(&fields, s) == -1)
		fail(line, BIRTH_USER, errno);
	take_streams(start, fds, nfds, s);
}

/* It takes no more than its exit. A worker that asks to die with its parent
 * must not mean that one. */
static void
wait_for_end_of(pid_t parent)
{
	while (getppid() == parent)
		usleep(PARENT_ENDS_USEC);
}

/* Where FLOOR_MARK_ENV stands in the memory that /proc/PID/environ shows. */
static char *mark;

void
floor_worker_open(void)
{
	char *value = getenv(FLOOR_MARK_ENV);

	if (value == NULL || strlen(value) != FLOOR_MARK_BYTES)
		return;
	mark = value - strlen(FLOOR_MARK_ENV "=");
	unsetenv(FLOOR_MARK_ENV);
}

static void
set_mark(const char *name)
{
	size_t size = sizeof(FLOOR_MARK_ENV "=") + FLOOR_MARK_BYTES;

	if (mark != NULL && strlen("SVD_WORKER=") + strlen(name) < size) {
		memset(mark, 0, size);
		stpcpy(stpcpy(mark, "SVD_WORKER="), name);
	}
}

void
floor_worker_begin(int line, pid_t parent, struct svd_job *job)
{
	struct set_up s = {.terminal = -1};
	int fds[CHAN_FDS_MAX], deadline;
	struct floor_packet started;
	char data[PACKET_BYTES];
	struct floor_msg start;
	size_t nfds;

	nfds = receive_start(line, data, &start, fds);
	deadline = set_up_deadline();
	wait_for_end_of(parent);
	take_start(line, &start, fds, nfds, job, &s);
	if (set_up_take(&s, say, &line) == -1)
		_exit(STATUS_SET_UP);
	/* One may have had the number of what is there now. */
	while (nfds-- > 0)
		if (fds[nfds] >= SET_UP_FDS || s.fds[fds[nfds]] == -1)
			close(fds[nfds]);
	environ = job->envp;
	set_mark(job->name);
	prctl(PR_SET_NAME, job->name);
	/* A change of user has cleared it, and no exec comes to set it again.
	 */
	if (s.set_user)
		prctl(PR_SET_DUMPABLE, 1);
	set_up_deadline_off(deadline);
	floor_begin(&started, data, sizeof(data), "STARTED");
	chan_send(line, data, started.len, NULL, 0, 0);
}
