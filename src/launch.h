/*
 * launch: everything that can fail before a fleet runs, done while somebody
 * still looks at the exit status: the fleet file, the runtime directory, the
 * lock, the control socket. Then this process executes itself anew as the
 * keeper, with a clean memory.
 */
#ifndef SVD_LAUNCH_H
#define SVD_LAUNCH_H

enum {
	EXIT_STATUS_CONFIG = 1,
	EXIT_STATUS_USAGE = 2,
	EXIT_STATUS_RUNNING = 3
};

struct launch_options {
	const char *fleet_path;  /* NULL: init mode */
	const char *runtime_dir; /* -r, or NULL */
	char **command;          /* init mode */
	int check;               /* -n */
	int background;          /* -b */
	int verbosity;           /* -2 to 3: -q and -v, counted */
};

/* Returns only to say with which status svd exits. */
int launch(const struct launch_options *o);

#endif
