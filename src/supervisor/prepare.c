/* prepare: see prepare.h. */
#include "supervisor/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/group.h"
#include "conf/words.h"
#include "ipc/frame.h"
#include "ipc/proto_floor.h"

#define USEC_PER_MS 1000
#define NOTIFY_ENV "NOTIFY_SOCKET"
#define TERM_DEFAULT "TERM=xterm"

static int
out_of_memory(struct err *e)
{
	return err_sys(e, ENOMEM, "preparing");
}

/* A number is taken as it is where no such name is known. */
static int
find_user(const char *name, struct passwd *pw, struct err *e)
{
	struct passwd *found;
	char *end;
	unsigned long id;

	errno = 0;
	found = getpwnam(name);
	if (found == NULL) {
		id = strtoul(name, &end, 10);
		if (*name == '\0' || *end != '\0' || id >= (uid_t)-1)
			return err_set(e, "user: unknown user '%s'", name);
		found = getpwuid((uid_t)id);
		if (found == NULL) {
			*pw = (struct passwd){
			    .pw_uid = (uid_t)id, .pw_gid = (gid_t)id};
			return 0;
		}
	}
	*pw = *found;
	return 0;
}

/* Nothing to do where the worker runs as svd does; else also the groups that
 * the user is a member of. */
static int
prepare_user(struct preparation *p, const struct worker_conf *c, struct err *e)
{
	struct set_up *j = &p->job.to;
	struct passwd pw = {.pw_uid = geteuid(), .pw_gid = getegid()};
	int n = SET_UP_GROUPS_MAX;

	if (c->user == NULL && c->group == NULL)
		return 0;
	if (c->user != NULL && find_user(c->user, &pw, e) == -1)
		return -1;
	j->uid = pw.pw_uid;
	j->gid = pw.pw_gid;
	if (c->group != NULL && group_find(c->group, &j->gid) == -1)
		return err_set(e, "user: unknown group '%s'", c->group);
	/* Not root: the configuration's check let only ourselves through. */
	if (geteuid() != 0)
		return 0;
	j->set_user = 1;
	if (pw.pw_name == NULL)
		return 0;
	if (getgrouplist(pw.pw_name, j->gid, j->groups, &n) == -1)
		return err_set(e, "user: '%s' is in more than %d groups",
		    c->user, SET_UP_GROUPS_MAX);
	j->ngroups = (size_t)n;
	return 0;
}

/* Does some "K=V" of list set the variable of entry? */
static int
is_set_by(const char *entry, char *const *list)
{
	size_t len = strcspn(entry, "=");

	for (; *list != NULL; list++)
		if (strncmp(entry, *list, len) == 0 && (*list)[len] == '=')
			return 1;
	return 0;
}

/* What was meant for svd itself must not reach its workers; one variable is
 * for floors. */
static int
is_ours(const char *entry, const struct worker_conf *c)
{
	static const char for_floors[] = FLOOR_WAY_ENV "=";

	static const char *const names[] = {"FDSTORE", "LISTEN_FDNAMES",
	    "LISTEN_FDS", "LISTEN_PID", NOTIFY_ENV, "WATCHDOG_PID",
	    "WATCHDOG_USEC"};
	size_t i, len = strcspn(entry, "=");

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (len == strlen(names[i]) &&
		    strncmp(entry, names[i], len) == 0)
			return 1;
	if (c->as_floor != NULL &&
	    strncmp(entry, for_floors, strlen(for_floors)) == 0)
		return 0;
	return strncmp(entry, "SVD_", 4) == 0;
}

static int
floor_variables(
    struct buf *b, const struct spawner *sp, const struct spawn_request *r)
{
	/* Its workers have a list of their own: by this they are known to be
	 * this svd's where only what a process began with can be read. */
	if (sp->socket != NULL &&
	    buf_addf(b, "SVD_SOCKET=%s%c", sp->socket, 0) == -1)
		return -1;
	/* "@py": its section's name. */
	if (buf_addf(b, "SVD_FLEET=%s%c", sp->fleet_name, 0) == -1 ||
	    buf_addf(b, "SVD_FLOOR=%s%c", r->conf->group_name + 1, 0) == -1 ||
	    buf_addf(b, "SVD_FLOOR_GENERATION=%llu%c",
		(unsigned long long)r->generation, 0) == -1 ||
	    buf_addf(b, FLOOR_FD_ENV "=3%c", 0) == -1)
		return -1;
	return buf_addf(b, FLOOR_MARK_ENV "=%0*d%c", FLOOR_MARK_BYTES, 0, 0);
}

/* NAME=its own number, which who is to be made writes there by itself. */
static int
add_own_pid(
    struct preparation *p, const struct spawn_request *r, const char *name)
{
	struct buf *b = &p->env_text;

	if (r->pid != 0)
		return buf_addf(b, "%s=%d%c", name, (int)r->pid, 0);
	p->pid_at[p->npids++] = b->len + strlen(name) + 1;
	return buf_addf(b, "%s=" CHILD_PID_ROOM "%c", name, 0);
}

/* Of a worker of which heartbeats are expected. */
static int
watchdog_variables(struct preparation *p, const struct spawn_request *r)
{
	if (r->conf->watchdog == 0 || r->main_pid != 0)
		return 0;
	if (buf_addf(&p->env_text, "WATCHDOG_USEC=%lld%c",
		(long long)r->conf->watchdog * USEC_PER_MS, 0) == -1 ||
	    add_own_pid(p, r, "WATCHDOG_PID") == -1)
		return -1;
	return 0;
}

static size_t
count_stored(const struct spawn_request *r)
{
	return r->store == NULL ? 0 : r->store->n;
}

/* Of what it has left in its last life. */
static int
stored_variables(struct preparation *p, const struct spawn_request *r)
{
	struct buf *b = &p->env_text;
	size_t i, n = count_stored(r);

	if (n == 0)
		return 0;
	if (buf_addf(b, "LISTEN_FDS=%zu%cLISTEN_FDNAMES=", n, 0) == -1)
		return -1;
	for (i = 0; i < n; i++)
		if (buf_addf(b, "%s%c", r->store->list[i].name,
			i + 1 < n ? ':' : 0) == -1)
			return -1;
	return add_own_pid(p, r, "LISTEN_PID");
}

/* What the process is given, and may be told again. */
static int
given_variables(struct buf *b, const struct spawn_request *r)
{
	int first = 3 + (int)count_stored(r);

	if (r->pass > 2 && buf_addf(b, FRAME_ENV "=%d%c", first, 0) == -1)
		return -1;
	if (r->ready > 2 &&
	    buf_addf(b, READY_FD_ENV "=%d%c", first + 1, 0) == -1)
		return -1;
	if (r->notify.path[0] != '\0' &&
	    buf_addf(b, NOTIFY_ENV "=%s%c", r->notify.path, 0) == -1)
		return -1;
	return 0;
}

/* svd's own variables, NUL after NUL in env_text. */
static int
own_variables(struct preparation *p, const struct spawner *sp,
    const struct spawn_request *r)
{
	struct buf *b = &p->env_text;

	if (r->conf->as_floor != NULL)
		return floor_variables(b, sp, r);
	if (buf_addf(b, "SVD_FLEET=%s%c", sp->fleet_name, 0) == -1 ||
	    buf_addf(b, "SVD_WORKER=%s%c", r->conf->name, 0) == -1 ||
	    buf_addf(b, "SVD_INSTANCE=%d%c", r->conf->instance, 0) == -1 ||
	    buf_addf(b, "SVD_GENERATION=%llu%c",
		(unsigned long long)r->generation, 0) == -1)
		return -1;
	if (sp->socket != NULL &&
	    buf_addf(b, "SVD_SOCKET=%s%c", sp->socket, 0) == -1)
		return -1;
	if (r->main_pid != 0 &&
	    buf_addf(b, "SVD_MAINPID=%d%c", (int)r->main_pid, 0) == -1)
		return -1;
	return given_variables(b, r) == -1 || stored_variables(p, r) == -1
	           ? -1
	           : watchdog_variables(p, r);
}

static size_t
count_variables(const struct buf *text)
{
	size_t i, n = 0;

	for (i = 0; i < text->len; i++)
		n += text->data[i] == '\0';
	return n;
}

/* svd's own environment, then the worker's, then what svd adds. */
static int
prepare_environment(struct preparation *p, const struct spawner *sp,
    const struct spawn_request *r, struct err *e)
{
	static char term[] = TERM_DEFAULT;
	char *const *env = r->conf->environment, *own;
	size_t i, nown, n = 0;

	if (!sp->init_mode && own_variables(p, sp, r) == -1)
		return out_of_memory(e);
	nown = count_variables(&p->env_text);
	/* With TERM, and the NULL. */
	p->envp = calloc(words_count(environ) + words_count(env) + nown + 2,
	    sizeof(*p->envp));
	if (p->envp == NULL)
		return out_of_memory(e);
	for (char **v = environ; *v != NULL; v++)
		if (!is_set_by(*v, env) &&
		    (sp->init_mode || !is_ours(*v, r->conf)))
			p->envp[n++] = *v;
	for (; *env != NULL; env++)
		p->envp[n++] = *env;
	own = p->env_text.data;
	for (i = 0; i < p->npids; i++)
		p->job.pids[i] = own + p->pid_at[i];
	for (i = 0; i < nown; i++, own += strlen(own) + 1)
		p->envp[n++] = own;
	if (r->conf->tty && !is_set_by(term, p->envp))
		p->envp[n++] = term;
	p->job.envp = p->envp;
	return 0;
}

static const char *
search_path(char *const *envp)
{
	for (; *envp != NULL; envp++)
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	return FLEET_PATH_DEFAULT;
}

/* Where the program may be: itself if it has a slash, else along the worker's
 * own PATH. The text moves while it grows: pointers come last. */
static int
prepare_paths(
    struct preparation *p, const struct spawn_request *r, struct err *e)
{
	const char *command = r->program;
	const char *path = search_path(p->envp), *s;
	size_t n = 1, i, len;
	char *at;

	if (r->argv == NULL)
		return 0;
	if (command == NULL)
		command = r->argv[0];
	if (strchr(command, '/') != NULL)
		path = NULL;
	for (s = path; s != NULL && *s != '\0'; s++)
		n += *s == ':';
	p->paths = calloc(n + 1, sizeof(*p->paths));
	if (p->paths == NULL)
		return out_of_memory(e);
	for (i = 0; i < n; i++) {
		len = path == NULL ? 0 : strcspn(path, ":");
		if (buf_addf(&p->path_text, "%.*s%s%s%c", (int)len,
			path == NULL ? "" : path, len > 0 ? "/" : "", command,
			0) == -1)
			return out_of_memory(e);
		path = path == NULL ? NULL : path + len + 1;
	}
	at = p->path_text.data;
	for (i = 0; i < n; i++, at += strlen(at) + 1)
		p->paths[i] = at;
	p->job.paths = p->paths;
	return 0;
}

/* O_NONBLOCK, lest a FIFO hang us; then off again, as programs expect. */
static int
open_file(const char *path, int flags, int *fd, struct err *e)
{
	*fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
	if (*fd == -1 || fcntl(*fd, F_SETFL, flags & ~O_CREAT) == -1)
		return err_sys(e, errno, "streams: cannot open '%s'", path);
	return 0;
}

/* stdin, stdout, stderr: 0, 1, 2. */
static int
open_stream(struct preparation *p, const struct spawner *sp, int i,
    const struct stream_conf *s, struct err *e)
{
	switch (s->kind) {
	case STREAM_NULL:
	case STREAM_PIPE: /* a stop_command has none */
		p->job.to.fds[i] = sp->null[i != 0];
		p->borrowed[i] = 1;
		return 0;
	case STREAM_FILE:
		return open_file(s->path,
		    i == 0 ? O_RDONLY : O_WRONLY | O_APPEND | O_CREAT,
		    &p->job.to.fds[i], e);
	default:
		return 0;
	}
}

/* A FIFO, pipe or terminal now belongs to the worker's user, who may then open
 * /dev/stdout and the like. */
static int
lend(struct preparation *p, int i, int fd, struct err *e)
{
	const struct set_up *j = &p->job.to;

	p->job.to.fds[i] = fd;
	p->borrowed[i] = 1;
	/* Its group says who else may write to a terminal. */
	if (geteuid() != 0 || fchown(fd, j->set_user ? j->uid : 0,
				  j->takes_terminal ? (gid_t)-1
				  : j->set_user     ? j->gid
						    : getegid()) == 0)
		return 0;
	return err_sys(e, errno, "streams: cannot give them to their user");
}

/* Stream 1 or 2. */
static int
open_output(struct preparation *p, const struct spawner *sp,
    const struct spawn_request *r, enum output_stream stream, struct err *e)
{
	int i = stream == OUTPUT_OUT ? 1 : 2;
	int fd = r->fifos == NULL ? -1 : r->fifos[stream];

	if (fd == -1)
		return open_stream(p, sp, i,
		    i == 1 ? &r->conf->std_out : &r->conf->std_err, e);
	return lend(p, i, fd, e);
}

int
prepare_give(const struct worker_conf *c, const char *path, struct err *e)
{
	struct passwd pw = {.pw_uid = geteuid()};

	if (geteuid() != 0 || c->user == NULL)
		return 0;
	if (find_user(c->user, &pw, e) == -1)
		return -1;
	if (lchown(path, pw.pw_uid, (gid_t)-1) == -1)
		return err_sys(e, errno, "notify: '%s'", path);
	return 0;
}

/* Its socket belongs to its user, too, whoever that is by now. */
static int
lend_notify(
    const struct set_up *j, const struct notify_lent *lent, struct err *e)
{
	uid_t owner = j->set_user ? j->uid : geteuid();

	if (lent->path[0] == '\0' || lent->owner == owner ||
	    lchown(lent->path, owner, (gid_t)-1) == 0)
		return 0;
	return err_sys(
	    e, errno, "notify: cannot give '%s' to its user", lent->path);
}

/* All three are the terminal. */
static int
prepare_terminal(struct preparation *p, int fd, struct err *e)
{
	int i;

	p->job.to.takes_terminal = 1;
	for (i = 0; i < 3; i++)
		if (lend(p, i, fd, e) == -1)
			return -1;
	return 0;
}

static int
prepare_streams(struct preparation *p, const struct spawner *sp,
    const struct spawn_request *r, struct err *e)
{
	const struct worker_conf *c = r->conf;
	int *fds = p->job.to.fds, rc;

	if (r->input != 0 && c->tty)
		return prepare_terminal(p, r->input, e);
	rc = r->input != 0 ? lend(p, 0, r->input, e)
	                   : open_stream(p, sp, 0, &c->std_in, e);
	if (rc == -1 || open_output(p, sp, r, OUTPUT_OUT, e) == -1)
		return -1;
	if (c->std_err.kind != STREAM_STDOUT)
		return open_output(p, sp, r, OUTPUT_ERR, e);
	fds[2] = fds[1] == -1 ? STDOUT_FILENO : fds[1];
	p->borrowed[2] = 1;
	return 0;
}

static void
prepare_limits(struct preparation *p, const struct spawner *sp,
    const struct worker_conf *c)
{
	struct set_up *j = &p->job.to;
	int i;

	j->limits[LIMIT_NOFILE].set = 1;
	j->limits[LIMIT_NOFILE].value = sp->nofile;
	for (i = 0; i < LIMIT_COUNT; i++) {
		if (!c->limits[i].set)
			continue;
		j->limits[i].set = 1;
		j->limits[i].value = (struct rlimit){
		    .rlim_cur = c->limits[i].soft == LIMIT_INFINITY
		                    ? RLIM_INFINITY
		                    : c->limits[i].soft,
		    .rlim_max = c->limits[i].hard == LIMIT_INFINITY
		                    ? RLIM_INFINITY
		                    : c->limits[i].hard};
	}
	j->nice = c->nice;
	j->nice_set = c->nice_set;
	if (c->oom_score_adj_set) {
		snprintf(p->oom_score_adj, sizeof(p->oom_score_adj), "%d",
		    c->oom_score_adj);
		j->oom_score_adj = p->oom_score_adj;
	}
}

static void
prepare_session(struct preparation *p, const struct spawner *sp,
    const struct spawn_request *r)
{
	p->job.to.job_control = sp->init_mode;
	p->job.to.terminal = sp->init_mode ? sp->terminal : -1;
	p->job.to.terminal_from = sp->init_mode ? getpgid(sp->keeper) : 0;
	/* A floor without its fleet would be of no use. The intermediate of a
	 * double vfork is no parent to die with. */
	if (r->conf->as_floor != NULL && !sp->double_vfork)
		p->job.to.die_with = sp->keeper;
}

static void
lend_fd(struct preparation *p, int number, int fd)
{
	if (fd <= 2)
		return;
	p->job.to.fds[number] = fd;
	p->borrowed[number] = 1;
}

static void
lend_fds(struct preparation *p, const struct spawn_request *r)
{
	int i, n = (int)count_stored(r);

	for (i = 0; i < SET_UP_FDS; i++)
		p->job.to.fds[i] = -1;
	for (i = 0; i < n; i++)
		lend_fd(p, 3 + i, r->store->list[i].fd);
	lend_fd(p, 3 + n, r->pass);
	lend_fd(p, 4 + n, r->ready);
}

int
prepare(struct preparation *p, const struct spawner *sp,
    const struct spawn_request *r, struct err *e)
{
	const struct worker_conf *c = r->conf;

	memset(p, 0, sizeof(*p));
	lend_fds(p, r);
	p->job.token = r->token;
	p->job.birth_write = sp->birth_write;
	p->job.notes = sp->notes;
	p->job.argv = r->argv;
	p->job.to.directory = c->directory;
	p->job.to.umask = c->umask;
	prepare_limits(p, sp, c);
	prepare_session(p, sp, r);
	if (prepare_user(p, c, e) == -1 ||
	    lend_notify(&p->job.to, &r->notify, e) == -1 ||
	    prepare_environment(p, sp, r, e) == -1 ||
	    prepare_paths(p, r, e) == -1 || prepare_streams(p, sp, r, e) == -1)
		return -1;
	return 0;
}

void
prepare_release(struct preparation *p)
{
	int i;

	for (i = 0; i < SET_UP_FDS; i++)
		if (!p->borrowed[i] && p->job.to.fds[i] > 2)
			fd_close(&p->job.to.fds[i]);
	free(p->paths);
	free(p->envp);
	buf_release(&p->path_text);
	buf_release(&p->env_text);
}
