/*
 * pick: the workers that a call's `names` names. A name is a worker's, an
 * instance's or "all"; no names are all workers. Takes as long as there are
 * workers and names, not as their product.
 */
#ifndef SVD_SUPERVISOR_PICK_H
#define SVD_SUPERVISOR_PICK_H

#include <jansson.h>

struct supervisor;
struct worker;

/* names (an array of strings, null or NULL) as a set: a new reference, or NULL
 * without memory. */
json_t *pick_new(const json_t *names);
/* Is something picked that is called so? ids: see core/fleet.h. */
int pick_has(
    const json_t *pick, const char *name, const char *group, const char *id);
/* Calls fn for each worker that is picked, in the fleet's order. */
void pick_each(struct supervisor *s, const json_t *pick,
    void (*fn)(struct worker *w, void *arg), void *arg);
/* The same for the slots of floors, which are picked by their own name only,
 * "floor:py". */
void pick_each_slot(struct supervisor *s, const json_t *pick,
    void (*fn)(struct worker *slot, void *arg), void *arg);
/* The first of names that is nobody's; NULL: there is none. floors: "floor:F"
 * is the name of one. */
const char *pick_unknown(struct supervisor *s, const json_t *names, int floors);

#endif
