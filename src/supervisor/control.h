/*
 * control: the Varlink server on control.sock. One call at a time a
 * connection; while a client does not read its reply, nothing more is read
 * from it. What can be asked is in verbs.c.
 */
#ifndef SVD_SUPERVISOR_CONTROL_H
#define SVD_SUPERVISOR_CONTROL_H

#include <stddef.h>

struct answer;
struct supervisor;
struct worker;
struct control;

/* listener: a listening socket, borrowed (the keeper holds it). NULL and
 * errno: no memory. */
struct control *control_new(struct supervisor *s, int listener);
void control_free(struct control *c);
/* Some worker changed: calls that wait for an outcome look again, and are
 * answered from the loop's next turn. May be called anywhere; c may be NULL. */
void control_worker_changed(struct control *c, struct worker *w);
/* Some later answer may have something to say, in the loop's next turn. c may
 * be NULL. */
void control_wake(struct control *c);
/* The same at once, not in the midst of a worker's step: what a has to say is
 * with the client if it can be, and a may be freed. */
void control_answer(struct answer *a);
/* Takes fd: a connection comes back from the logger, with what was read of its
 * next calls. */
void
control_adopt(struct control *c, int fd, const char *unread, size_t unread_len);
/* Is somebody connected, who may ask for something at any time? c may be NULL.
 */
int control_has_clients(const struct control *c);
/* Answers now whoever can be answered: there will be no next turn. c may be
 * NULL. */
void control_finish(struct control *c);

#endif
