/* For cppcheck alone, which is not shown the libraries' headers: loops that
 * hide in macros. */
#define json_array_foreach(a, i, v) for (i = 0; (v = json_array_get(a, i)); i++)
#define json_object_foreach(o, k, v) for (; (v = json_object_get(o, k));)
#define TAILQ_FOREACH(v, h, f) for (v = (h)->tqh_first; v; v = v->f.tqe_next)
#define LIST_FOREACH(v, h, f) for (v = (h)->lh_first; v; v = v->f.le_next)
