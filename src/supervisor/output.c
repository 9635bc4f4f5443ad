/* output: see output.h. */
#include "supervisor/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "ipc/proto_logger.h"
#include "supervisor/adopted.h"
#include "supervisor/control.h"
#include "supervisor/linger.h"
#include "supervisor/output_table.h"
#include "supervisor/supervisor.h"

#define PAIR_BATCH 32 /* messages read in one turn of the loop */
#define PROBLEM_MAX 300
#define BIT(type) (1U << (type))

/* What the keeper and the logger call it: "out:web:0". */
static void
held_name(const struct worker *w, int stream, char out[KEEPER_NAME_MAX + 1])
{
	snprintf(out, KEEPER_NAME_MAX + 1, "%s:%s:%d",
	    output_stream_name((enum output_stream)stream), w->conf->group_name,
	    w->conf->instance);
}

static int
is_captured(const struct worker *w, int stream)
{
	return worker_output(w->conf, (enum output_stream)stream) != NULL;
}

void
output_worker_init(struct worker *w)
{
	int i;

	for (i = 0; i < OUTPUT_STREAMS; i++) {
		w->output.fifo[i] = 0;
		w->output.problem[i] = NULL;
	}
}

void
output_worker_release(struct worker *w)
{
	int i;

	for (i = 0; i < OUTPUT_STREAMS; i++) {
		free(w->output.problem[i]);
		w->output.problem[i] = NULL;
	}
}

/* Does anything go through the logger? */
static int
is_wanted(const struct supervisor *s)
{
	struct worker *w;
	size_t i;
	int j;

	if (s->fleet.log.kind != STREAM_STDERR)
		return 1;
	ROSTER_EACH (&s->roster, i, w) {
		/* Who is attached is served by the logger, too. */
		if (worker_has_input(w->conf))
			return 1;
		for (j = 0; j < OUTPUT_STREAMS; j++)
			if (is_captured(w, j))
				return 1;
	}
	return 0;
}

static int
write_table(struct supervisor *s, struct buf *b, uint64_t number)
{
	struct worker *w;
	size_t i;
	int j, rc;

	rc = output_table_fleet(b, &s->fleet, number);
	ROSTER_EACH (&s->roster, i, w)
		for (j = 0; rc == 0 && j < OUTPUT_STREAMS; j++)
			rc = output_table_stream(b, w, j);
	return rc == -1 ? -1 : linger_rows(s, b);
}

/* Without a table there is no logger; an empty one lets it end its work. */
static void
table_cb(struct loop_timer *t)
{
	struct supervisor *s = t->arg;
	uint64_t last = s->output.table, first = (uint64_t)s->link.life << 32;
	struct buf b = {0};
	int fd = -1;

	if (!s->output.has_table && !is_wanted(s))
		return;
	if (last == 0)
		last = first; /* all of a successor's are later ones */
	if (write_table(s, &b, last + 1) == 0)
		fd = sys_memfd("svd-outputs");
	if (fd != -1 && fd_write_all(fd, b.data, b.len) == 0) {
		link_hold(&s->link, "outputs", fd);
		s->output.has_table = 1;
		s->output.table = last + 1;
	} else
		log_error(
		    "cannot write the table of outputs: %s", strerror(errno));
	fd_close(&fd);
	buf_release(&b);
}

void
output_changed(struct supervisor *s)
{
	if (!s->init_mode && !s->output.table_turn.active)
		loop_timer_start(&s->output.table_turn, 0);
}

int64_t
output_table(struct supervisor *s)
{
	if (s->output.table_turn.active) {
		loop_timer_stop(&s->output.table_turn);
		table_cb(&s->output.table_turn);
	}
	return (int64_t)s->output.table;
}

/* FIFOs on their way to the keeper. */
struct batch {
	char text[CHAN_FDS_MAX][KEEPER_NAME_MAX + 1];
	const char *names[CHAN_FDS_MAX];
	int fds[CHAN_FDS_MAX];
	size_t n;
};

/*
 * The keeper's copies are the ones that stay. A logger that is born now and
 * finds one of them, but nothing of it in the table, takes it for the last
 * words of a worker that has left: the table comes first.
 */
static void
batch_send(struct supervisor *s, struct batch *b)
{
	if (b->n > 0) {
		output_table(s);
		link_hold_many(&s->link, b->names, b->fds, b->n);
	}
	while (b->n > 0)
		fd_close(&b->fds[--b->n]);
}

static ino_t
inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* Makes one, or takes that which lingers, and adds it to b. Its descriptor,
 * b's; -1 and *e. */
static int
make_one(struct worker *w, int stream, struct batch *b, struct err *e)
{
	char id[WORKER_ID_SIZE];
	int fd;

	held_name(w, stream, b->text[b->n]);
	worker_conf_id(w->conf, id);
	fd = linger_end(w->sup, b->text[b->n]);
	if (fd == -1)
		fd = fifo_make(
		    &w->sup->output.fifos, id, (enum output_stream)stream, e);
	if (fd == -1)
		return -1;
	w->output.fifo[stream] = inode_of(fd);
	b->names[b->n] = b->text[b->n];
	b->fds[b->n++] = fd;
	return fd;
}

static void
drop_stream(struct worker *w, int stream)
{
	char name[KEEPER_NAME_MAX + 1];
	struct buf row = {0};

	if (w->output.fifo[stream] == 0)
		return;
	held_name(w, stream, name);
	if (output_table_stream(&row, w, stream) == -1 ||
	    buf_add(&row, "", 1) == -1)
		buf_release(&row);
	linger_begin(w->sup, name, w->output.fifo[stream], row.data);
	w->output.fifo[stream] = 0;
	free(w->output.problem[stream]);
	w->output.problem[stream] = NULL;
	output_changed(w->sup);
}

/* Another, where the one that there was has lost its name. */
static int
make_and_open(struct worker *w, int stream, struct batch *b, struct err *e)
{
	char id[WORKER_ID_SIZE];
	int fd, made = make_one(w, stream, b, e);

	if (made == -1)
		return -1;
	worker_conf_id(w->conf, id);
	fd = fifo_open(&w->sup->output.fifos, id, (enum output_stream)stream,
	    w->output.fifo[stream]);
	if (fd == -1)
		fd = fifo_reopen(made);
	return fd != -1 ? fd : err_sys(e, errno, "streams: cannot open a FIFO");
}

/* While the worker lives, its stop_command has its FIFOs or none: others would
 * take their place. What a floor has forked lives before it is started. */
int
output_open(struct worker *w, int fds[OUTPUT_STREAMS], struct err *e)
{
	static struct batch b;
	char id[WORKER_ID_SIZE];
	int i, rc = 0;

	worker_conf_id(w->conf, id);
	for (i = 0; i < OUTPUT_STREAMS; i++) {
		fds[i] = -1;
		if (is_captured(w, i))
			fds[i] = fifo_open(&w->sup->output.fifos, id,
			    (enum output_stream)i, w->output.fifo[i]);
		if (fds[i] != -1 || rc == -1 ||
		    (w->rec.pid != 0 && !worker_in_set_up(w)))
			continue;
		if (!is_captured(w, i))
			drop_stream(w, i);
		else
			rc = fds[i] = make_and_open(w, i, &b, e);
	}
	batch_send(w->sup, &b);
	if (rc == -1)
		output_close(fds);
	return rc == -1 ? -1 : 0;
}

void
output_close(int fds[OUTPUT_STREAMS])
{
	int i;

	for (i = 0; i < OUTPUT_STREAMS; i++)
		fd_close(&fds[i]);
}

void
output_forget(struct worker *w)
{
	int i;

	for (i = 0; i < OUTPUT_STREAMS; i++)
		drop_stream(w, i);
}

const char *
output_problem(const struct worker *w)
{
	int i;

	for (i = 0; i < OUTPUT_STREAMS; i++)
		if (w->output.problem[i] != NULL)
			return w->output.problem[i];
	return NULL;
}

/* Sends what is due as far as there is room, and watches for more of it. */
static void
send_due(struct output *o)
{
	unsigned char packet[PL_PACKET_MAX];
	struct pl_msg m = {.type = PL_HELLO};
	size_t len;

	for (; o->due != 0 && m.type < PL_TYPES; m.type++) {
		if (!(o->due & BIT(m.type)))
			continue;
		len = pl_encode(&m, packet);
		if (chan_send(o->pair, packet, len, NULL, 0, MSG_DONTWAIT) ==
		    -1)
			break;
		o->due &= ~BIT(m.type);
	}
	loop_io_set(&o->io, o->due != 0 ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

void
output_reopen(struct supervisor *s)
{
	if (s->output.pair == -1)
		return;
	s->output.due |= BIT(PL_REOPEN);
	send_due(&s->output);
}

int
output_send_client(struct supervisor *s, const struct pl_msg *m, const int *fds,
    size_t nfds, struct err *e)
{
	unsigned char packet[PL_PACKET_MAX];
	size_t len = pl_encode(m, packet);

	if (s->output.pair == -1 || !s->output.has_table)
		return err_set(e, "there is no logger");
	if (len == 0)
		return err_set(e, "too many names");
	if (chan_send(s->output.pair, packet, len, fds, nfds, MSG_DONTWAIT) ==
	    -1)
		return err_set(e, "the logger does not answer");
	return 0;
}

/* NULL: nobody's, any more. */
static struct worker *
find_stream(const struct supervisor *s, const char *name, int *stream)
{
	const char *id = output_read_name(name, stream);

	return id == NULL ? NULL : roster_by_id(&s->roster, id);
}

static void
on_problem(struct supervisor *s, const struct pl_msg *m)
{
	static const char *const streams[] = {"stdout", "stderr"};
	char text[PROBLEM_MAX];
	struct worker *w;
	char **problem;
	int stream;

	snprintf(text, sizeof(text), "%.*s", (int)m->data_len, m->data);
	w = find_stream(s, m->text, &stream);
	if (w == NULL)
		return;
	problem = &w->output.problem[stream];
	/* A logger that was started again says it again. */
	if (strcmp(*problem == NULL ? "" : *problem, text) == 0)
		return;
	if (text[0] == '\0')
		log_info("%s: %s: goes on", w->conf->name, streams[stream]);
	else
		log_warn("%s: %s: %s", w->conf->name, streams[stream], text);
	free(*problem);
	*problem = text[0] == '\0' ? NULL : strdup(text);
}

/* What hinders an output is found anew by a new logger, who cannot know what
 * the last one said. */
static void
on_here(struct supervisor *s, const struct pl_msg *m)
{
	struct worker *w;
	size_t i;
	int j;

	if (s->output.logger == m->pid)
		return;
	s->output.logger = m->pid;
	ROSTER_EACH (&s->roster, i, w)
		for (j = 0; j < OUTPUT_STREAMS; j++) {
			free(w->output.problem[j]);
			w->output.problem[j] = NULL;
		}
}

static void
obey_logger(struct supervisor *s, const struct pl_msg *m, int fd)
{
	switch (m->type) {
	case PL_HERE:
		on_here(s, m);
		break;
	case PL_PROBLEM:
		on_problem(s, m);
		break;
	case PL_CLIENT:
		if (s->control != NULL && fd != -1)
			control_adopt(s->control, fd, m->data, m->data_len);
		return;
	default:
		log_warn("logger's message %d is unknown", (int)m->type);
	}
	fd_close(&fd);
}

/* 0: nothing is there. */
static int
receive_one(struct supervisor *s)
{
	unsigned char packet[PL_PACKET_MAX];
	int fds[CHAN_FDS_MAX], fd;
	struct pl_msg m;
	size_t nfds = 0;
	ssize_t len;

	len = chan_recv(
	    s->output.pair, packet, sizeof(packet), fds, &nfds, MSG_DONTWAIT);
	if (len <= 0)
		return len == -1 && errno == EMSGSIZE;
	if (pl_decode(packet, (size_t)len, &m) == -1) {
		log_warn("cannot understand the logger");
		while (nfds > 0)
			close(fds[--nfds]);
		return 1;
	}
	while (nfds > 1)
		close(fds[--nfds]);
	fd = nfds == 1 ? fds[0] : -1;
	obey_logger(s, &m, fd);
	return 1;
}

static void
pair_cb(struct loop_io *io, int events)
{
	struct supervisor *s = io->arg;
	int i;

	if (events & LOOP_WRITE)
		send_due(&s->output);
	for (i = 0; i < PAIR_BATCH && receive_one(s); i++)
		;
}

/* Those of a name that came later replace earlier ones. What is nobody's any
 * more was let go by a predecessor. */
static void
take_held(struct supervisor *s)
{
	int stream, fd = link_take(&s->link, "outputs");
	char *table = fd == -1 ? NULL : output_table_read(fd);
	struct link_held *h;
	struct worker *w;
	size_t i;

	fd_close(&fd);
	for (i = 0; i < s->link.nheld; i++) {
		h = &s->link.held[i];
		if (h->fd == -1 || output_read_name(h->name, &stream) == NULL)
			continue;
		/* Then there is a table, which may be an old one. */
		s->output.has_table = 1;
		w = find_stream(s, h->name, &stream);
		if (w != NULL && (is_captured(w, stream) || w->rec.pid != 0))
			w->output.fifo[stream] = inode_of(h->fd);
		else
			linger_begin(s, h->name, inode_of(h->fd),
			    output_table_find(table, h->name));
		fd_close(&h->fd);
	}
	free(table);
}

/* Those of adopted processes, which write to them still: no others may take
 * their place. */
static void
find_former(struct supervisor *s)
{
	char id[WORKER_ID_SIZE], name[KEEPER_NAME_MAX + 1];
	struct worker *w;
	size_t i;
	int j, fd;

	ROSTER_EACH (&s->roster, i, w)
		for (j = 0; adopted_is(w) && j < OUTPUT_STREAMS; j++) {
			held_name(w, j, name);
			if (link_has(&s->link, name))
				continue;
			worker_conf_id(w->conf, id);
			fd = fifo_find(&s->output.fifos, id,
			    (enum output_stream)j, w->rec.pid);
			if (fd != -1)
				link_keep(&s->link, name, fd);
		}
}

static int
is_in_use(ino_t inode, void *arg)
{
	const struct supervisor *s = arg;
	struct worker *w;
	size_t i;
	int j;

	ROSTER_EACH (&s->roster, i, w)
		for (j = 0; j < OUTPUT_STREAMS; j++)
			if (w->output.fifo[j] == inode)
				return 1;
	return linger_has(s, inode);
}

static int
has_adopted(const struct supervisor *s)
{
	struct worker *w;
	size_t i;

	ROSTER_EACH (&s->roster, i, w)
		if (adopted_is(w))
			return 1;
	return 0;
}

/* All in one go; what fails is said once, and each birth tries again. */
static void
make_all(struct supervisor *s)
{
	static struct batch b;
	struct worker *w;
	struct err e;
	size_t i;
	int j, rc = 0;

	ROSTER_EACH (&s->roster, i, w)
		for (j = 0; j < OUTPUT_STREAMS && rc != -1; j++) {
			if (b.n == CHAN_FDS_MAX)
				batch_send(s, &b);
			if (w->output.fifo[j] == 0 && is_captured(w, j))
				rc = make_one(w, j, &b, &e);
		}
	if (rc == -1)
		log_error("%s", e.text);
	batch_send(s, &b);
}

void
output_init(struct supervisor *s)
{
	struct output *o = &s->output;
	struct err e;

	o->sup = s;
	o->pair = o->fifos.dir = -1;
	loop_timer_init(s->loop, &o->table_turn, table_cb, s);
	linger_init(s);
	if (s->init_mode || s->runtime_dir == NULL)
		return;
	o->fifos.runtime_dir = s->runtime_dir;
	o->pair = link_take(&s->link, "pair:supervisor");
	if (o->pair != -1) {
		loop_io_init(s->loop, &o->io, o->pair, pair_cb, s);
		o->due = BIT(PL_HELLO);
		send_due(o);
	}
	if (has_adopted(s) && fifos_open(&o->fifos, s->runtime_dir, &e) == 0)
		find_former(s);
	take_held(s);
	if (!is_wanted(s) && !o->has_table)
		return;
	table_cb(&o->table_turn);
	if (fifos_open(&o->fifos, s->runtime_dir, &e) == -1) {
		log_error("%s", e.text);
		return;
	}
	if (s->link.life == 1)
		fifos_clean(&o->fifos, is_in_use, s);
	make_all(s);
}

void
output_finish(struct supervisor *s)
{
	char id[WORKER_ID_SIZE];
	struct worker *w;
	size_t i;
	int j;

	ROSTER_EACH (&s->roster, i, w) {
		worker_conf_id(w->conf, id);
		for (j = 0; j < OUTPUT_STREAMS; j++)
			if (w->output.fifo[j] != 0)
				fifo_remove(&s->output.fifos, id,
				    (enum output_stream)j);
	}
	linger_finish(s);
	fifos_close(&s->output.fifos);
}
