/*
 * once: the commands that are not to be obeyed twice. Their calls are sent
 * again where the supervisor was killed before it answered, which may have
 * obeyed them; so they say then what there was before.
 */
#ifndef SVD_CTL_ONCE_H
#define SVD_CTL_ONCE_H

struct ctl;

/* Each returns the exit status; what went wrong has been said. */
int once_birth(struct ctl *ctl); /* start, restart */
int once_refloor(struct ctl *ctl);
int once_kill(struct ctl *ctl);
int once_upgrade(struct ctl *ctl);

#endif
