/* One worker, whatever happens to it. What a crash does to it is in
 * test_crash.c, and what comes of its silence in test_watchdog.c. */
#include "fake_worker.c"

static char *stop_command[] = {(char *)"stop", NULL};

static void
end(int code, int sig)
{
	die(find_process(w.rec.pid), code, sig);
	turn();
}

static struct fate
ignores_term(const struct spawn_request *r)
{
	(void)r;
	return (struct fate){.ignores = SIGTERM};
}

/* --- every state, every event --- */

static void
bring_to(enum worker_state s)
{
	conf.restart =
	    s == WS_EXITED || s == WS_FAILED ? RESTART_NO : RESTART_ALWAYS;
	world_fate = ignores_term;
	if (s == WS_WAITING)
		w.rec.state = s; /* no road leads there yet */
	if (s == WS_STOPPED || s == WS_WAITING)
		return;
	worker_command(&w, EV_START);
	if (s == WS_STARTING)
		return;
	turn();
	if (s == WS_STOPPING)
		say(EV_STOP);
	else if (s != WS_RUNNING)
		end(s == WS_EXITED ? 0 : 1, 0);
	expect_state(s);
}

START_TEST(a_step_is_recorded_before_anything_else_is_done)
{
	enum worker_state s = _i / EV_COUNT;
	enum worker_event ev = _i % EV_COUNT;
	const struct fsm_step *step = fsm_step(s, ev);
	int before, records;

	bring_to(s);
	/* As worker_ended() leaves it for the verdict's event. */
	if (ev == EV_DIED_RETRY || ev == EV_DIED_RESTART ||
	    ev == EV_DIED_DONE || ev == EV_DIED_FATAL)
		w.rec.pid = 0;
	before = world->ntrace;
	records = world->njournal;
	if (step->kind == FSM_IMPOSSIBLE)
		return;
	worker_handle(&w, ev);
	if (step->kind == FSM_IGNORE) {
		ck_assert_int_eq(world->ntrace, before);
		expect_state(s);
		return;
	}
	ck_assert_int_gt(world->njournal, records);
	ck_assert_int_eq(
	    strncmp(world->trace[before], "record ", strlen("record ")), 0);
	ck_assert_int_eq(world->journal[records].u.worker.state, step->next);
	ck_assert_int_eq(
	    world->journal[world->njournal - 1].u.worker.state, w.rec.state);
}
END_TEST

START_TEST(an_impossible_event_is_a_bug)
{
	enum worker_state s = _i / EV_COUNT;
	enum worker_event ev = _i % EV_COUNT;
	int status;
	pid_t pid;

	if (fsm_step(s, ev)->kind != FSM_IMPOSSIBLE)
		return;
	bring_to(s);
	pid = fork();
	if (pid == 0) {
		fclose(stderr);
		worker_handle(&w, ev);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

static const struct {
	enum worker_state state;
	int alive, ready, up_is_as_wanted, down_is_as_wanted;
} standings[] = {
    {WS_STOPPED, 0, 0, 0, 1},
    {WS_WAITING, 1, 0, 0, 1},
    {WS_STARTING, 1, 0, 0, 1},
    {WS_RUNNING, 1, 1, 1, 0},
    {WS_BACKOFF, 1, 0, 0, 1},
    {WS_STOPPING, 1, 0, 0, 0},
    {WS_EXITED, 0, 0, 1, 1},
    {WS_FAILED, 0, 0, 0, 1},
};

START_TEST(a_state_says_how_things_stand)
{
	bring_to(standings[_i].state);
	ck_assert_int_eq(worker_alive(&w), standings[_i].alive);
	ck_assert_int_eq(worker_ready(&w), standings[_i].ready);
	w.rec.want_up = 1;
	ck_assert_int_eq(worker_as_wanted(&w), standings[_i].up_is_as_wanted);
	w.rec.want_up = 0;
	ck_assert_int_eq(worker_as_wanted(&w), standings[_i].down_is_as_wanted);
}
END_TEST

START_TEST(a_oneshot_that_succeeded_counts_as_ready)
{
	conf.type = WORKER_ONESHOT;
	bring_to(WS_EXITED);
	ck_assert_int_eq(worker_ready(&w), 1);
	bring_to(WS_EXITED);
	conf.success.code[0] = 2;
	ck_assert_int_eq(worker_ready(&w), 0);
}
END_TEST

/* --- starting again --- */

START_TEST(a_start_makes_one_process)
{
	say(EV_START);
	say(EV_START);
	expect_state(WS_RUNNING);
	ck_assert_int_eq(world->nprocesses, 1);
	ck_assert_int_eq(w.rec.pid, WORLD_FIRST_PID);
	ck_assert_int_eq(w.rec.generation, 1);
	ck_assert_int_eq(count("born"), 1);
}
END_TEST

START_TEST(deaths_wait_ever_longer)
{
	static const int64_t waits[] = {1000, 2000, 4000, 8000};
	int i;

	say(EV_START);
	for (i = 0; i < 4; i++) {
		end(1, 0);
		expect_state(WS_BACKOFF);
		ck_assert_str_eq(w.error, "exit status 1");
		pass(waits[i] - 1);
		expect_state(WS_BACKOFF);
		pass(1);
		expect_state(WS_RUNNING);
		ck_assert_str_eq(w.error, "");
	}
	ck_assert_int_eq(w.rec.restarts, 4);
	ck_assert_int_eq(w.rec.deaths, 4);
	ck_assert_int_eq(w.rec.generation, 5);
}
END_TEST

START_TEST(a_healthy_run_starts_the_count_anew)
{
	say(EV_START);
	end(1, 0);
	pass(1000);
	end(1, 0);
	pass(2000);
	pass(conf.backoff_reset - 1);
	end(1, 0);
	ck_assert_int_eq(w.rec.run, 3);
	pass(4000);
	pass(conf.backoff_reset);
	end(1, 0);
	ck_assert_int_eq(w.rec.run, 1);
	ck_assert_int_eq(w.rec.deadline, world->now + 1000);
}
END_TEST

START_TEST(one_that_hangs_is_told_to_end_and_waits_as_after_any_failure)
{
	say(EV_START);
	pass(conf.backoff_reset - 1);
	worker_overdue(&w, OVERDUE_START, "not ready");
	expect_state(WS_STOPPING);
	ck_assert_str_eq(w.error, "not ready");
	worker_overdue(&w, OVERDUE_START, "again");
	turn();
	expect_state(WS_BACKOFF);
	ck_assert_str_eq(w.error, "killed by TERM: not ready");
	ck_assert_int_eq(w.rec.overdue, OVERDUE_NO);
	pass(1000);
	expect_state(WS_RUNNING);
	ck_assert_int_eq(w.rec.restarts, 1);
}
END_TEST

/* A command makes of it an end that somebody wants. */
START_TEST(one_that_hangs_obeys_commands)
{
	say(EV_START);
	worker_overdue(&w, OVERDUE_START, "not ready");
	worker_command(&w, _i == 0 ? EV_RESTART : EV_STOP);
	turn();
	expect_state(_i == 0 ? WS_RUNNING : WS_STOPPED);
	ck_assert_str_eq(w.error, "");
	ck_assert_int_eq(w.rec.restarts, 0);
}
END_TEST

START_TEST(a_stop_in_backoff_cancels_the_restart)
{
	say(EV_START);
	end(1, 0);
	say(EV_STOP);
	expect_state(WS_STOPPED);
	ck_assert_str_eq(w.error, "");
	pass(60000);
	expect_state(WS_STOPPED);
	ck_assert_int_eq(world->nprocesses, 1);
}
END_TEST

START_TEST(a_start_in_backoff_starts_now)
{
	say(EV_START);
	end(1, 0);
	say(EV_START);
	expect_state(WS_RUNNING);
	ck_assert_int_eq(w.rec.restarts, 0);
	pass(60000);
	ck_assert_int_eq(world->nprocesses, 2);
}
END_TEST

START_TEST(a_restart_starts_what_has_no_process)
{
	static const enum worker_state idle[] = {
	    WS_STOPPED, WS_BACKOFF, WS_EXITED, WS_FAILED};

	bring_to(idle[_i]);
	say(EV_RESTART);
	expect_state(WS_RUNNING);
	ck_assert_int_eq(w.rec.want_up, 1);
}
END_TEST

START_TEST(a_commanded_restart_never_trips_the_limit)
{
	int i;

	conf.restart_limit = 1;
	say(EV_START);
	for (i = 0; i < 20; i++) {
		say(EV_RESTART);
		expect_state(WS_RUNNING);
	}
	ck_assert_int_eq(w.rec.generation, 21);
	ck_assert_int_eq(w.rec.restarts, 0);
}
END_TEST

START_TEST(commanded_restarts_leave_the_limit_whole)
{
	conf.restart_limit = 1;
	say(EV_START);
	say(EV_RESTART);
	say(EV_RESTART);
	end(1, 0);
	expect_state(WS_BACKOFF);
}
END_TEST

START_TEST(the_limit_fails_it_until_started_by_hand)
{
	conf.restart_limit = 2;
	say(EV_START);
	end(1, 0);
	pass(1000);
	end(1, 0);
	pass(2000);
	end(1, 0);
	expect_state(WS_FAILED);
	ck_assert_str_eq(
	    w.error, "exit status 1; more than restart_limit 2 deaths");
	pass(1000000);
	expect_state(WS_FAILED);
	say(EV_START);
	end(1, 0);
	expect_state(WS_BACKOFF);
	ck_assert_int_eq(w.rec.run, 1);
}
END_TEST

START_TEST(the_limit_counts_all_its_deaths)
{
	int i;

	conf.restart_limit = 25; /* more than history shows */
	conf.backoff_factor = 1;
	conf.backoff_reset = 100000;
	say(EV_START);
	for (i = 0; i < 25; i++) {
		end(1, 0);
		expect_state(WS_BACKOFF);
		pass(1000);
	}
	end(1, 0);
	expect_state(WS_FAILED);
}
END_TEST

START_TEST(deaths_further_apart_than_the_interval_are_borne)
{
	int i;

	conf.restart_limit = 1;
	conf.backoff_reset = 100;
	say(EV_START);
	for (i = 0; i < 5; i++) {
		pass(conf.restart_interval);
		end(1, 0);
		expect_state(WS_BACKOFF);
		pass(1000);
	}
}
END_TEST

START_TEST(a_permanent_death_is_not_blamed_on_the_limit)
{
	int i;

	conf.restart_limit = 1;
	conf.permanent.code[0] = 1 << 7;
	say(EV_START);
	for (i = 0; i < 3; i++) {
		pass(conf.restart_interval);
		end(1, 0);
		pass(1000);
	}
	pass(conf.restart_interval);
	end(7, 0);
	expect_state(WS_FAILED);
	ck_assert_str_eq(w.error, "exit status 7");
}
END_TEST

static struct fate
cannot_be_forked(const struct spawn_request *r)
{
	(void)r;
	return (struct fate){.unborn = EAGAIN};
}

START_TEST(what_cannot_be_forked_backs_off_with_the_reason)
{
	world_fate = cannot_be_forked;
	say(EV_START);
	expect_state(WS_BACKOFF);
	ck_assert_str_eq(w.error, "fork: Resource temporarily unavailable");
	ck_assert_int_eq(w.rec.last.pid, 0);
	world_fate = NULL;
	pass(1000);
	expect_state(WS_RUNNING);
	ck_assert_int_eq(w.rec.generation, 1);
	ck_assert_int_eq(find_process(w.rec.pid)->generation, 1);
}
END_TEST

static const struct {
	struct fate fate;
	const char *text;
} faults[] = {
    {{.stage = BIRTH_EXEC, .fault = ENOENT}, "command 'worker' not found"},
    {{.stage = BIRTH_EXEC, .fault = EACCES},
	"command 'worker' is not executable"},
    {{.stage = BIRTH_EXEC, .fault = ENOEXEC},
	"command 'worker': Exec format error"},
    {{.stage = BIRTH_INTERPRETER, .fault = ENOENT},
	"interpreter of command 'worker': No such file or directory"},
    {{.slow = 1, .stage = BIRTH_DIRECTORY, .fault = ENOENT},
	"directory '/srv': No such file or directory"},
    {{.stage = BIRTH_USER, .fault = EPERM}, "user: Operation not permitted"},
    {{.stage = BIRTH_LIMITS, .fault = EPERM},
	"limit 'nofile': Operation not permitted"},
    {{.stage = BIRTH_NICE, .fault = EACCES}, "nice: Permission denied"},
};

static int fault;

static struct fate
has_the_fault(const struct spawn_request *r)
{
	(void)r;
	return faults[fault].fate;
}

START_TEST(a_set_up_failure_is_told_in_words)
{
	fault = _i;
	world_fate = has_the_fault;
	say(EV_START);
	expect_state(WS_BACKOFF);
	ck_assert_str_eq(w.error, faults[_i].text);
	ck_assert_str_eq(w.rec.last.fault, faults[_i].text);
	ck_assert_int_eq(w.rec.last.generation, 1);
	ck_assert_int_eq(w.rec.deaths, 1);
}
END_TEST

/* --- stopping --- */

START_TEST(a_stop_sends_the_signal_and_then_cont)
{
	conf.stop_signal = SIGUSR1;
	world_fate = ignores_term;
	say(EV_START);
	say(EV_STOP);
	expect_state(WS_STOPPED);
	ck_assert_int_eq(count("kill 5000000 10"), 1);
	ck_assert_int_eq(count("kill 5000000 18"), 1);
	ck_assert_int_eq(w.rec.last.signal, SIGUSR1);
}
END_TEST

START_TEST(an_ignored_stop_ends_in_one_kill_after_the_grace)
{
	world_fate = ignores_term;
	say(EV_START);
	say(EV_STOP);
	say(EV_STOP);
	pass(GRACE - 1);
	expect_state(WS_STOPPING);
	ck_assert_int_eq(count("tree"), 0);
	pass(1);
	expect_state(WS_STOPPED);
	pass(10 * GRACE);
	ck_assert_int_eq(count("tree"), 1);
	ck_assert_int_eq(count("kill 5000000 15"), 1);
	ck_assert_int_eq(w.rec.last.signal, SIGKILL);
}
END_TEST

static const struct {
	enum kill_mode mode;
	const char *term, *kill;
	int groups, sessions; /* swept after its death */
} modes[] = {
    {KILL_MODE_TREE, "kill 5000000 15", "tree 5000000", 1, 1},
    {KILL_MODE_GROUP, "kill group 5000000 15", "kill group 5000000 9", 2, 0},
    {KILL_MODE_PROCESS, "kill 5000000 15", "kill 5000000 9", 0, 0},
};

START_TEST(kill_mode_says_who_is_meant)
{
	conf.kill_mode = modes[_i].mode;
	world_fate = ignores_term;
	say(EV_START);
	say(EV_STOP);
	pass(GRACE);
	expect_state(WS_STOPPED);
	ck_assert_int_eq(count(modes[_i].term), 1);
	ck_assert_int_ge(count(modes[_i].kill), 1);
	ck_assert_int_eq(count("kill group 5000000 9"), modes[_i].groups);
	ck_assert_int_eq(count("session 5000000"), modes[_i].sessions);
}
END_TEST

START_TEST(what_the_dead_leave_is_swept_before_the_next_birth)
{
	int i, swept = 0;

	say(EV_START);
	end(1, 0);
	say(EV_START);
	for (i = 0; i < world->ntrace; i++) {
		swept += strcmp(world->trace[i], "session 5000000") == 0;
		if (strcmp(world->trace[i], "spawn 2") == 0)
			break;
	}
	ck_assert_int_lt(i, world->ntrace);
	ck_assert_int_eq(swept, 1);
}
END_TEST

START_TEST(a_wish_to_be_up_while_stopping_is_kept)
{
	static const enum worker_event wishes[] = {EV_START, EV_RESTART};

	world_fate = ignores_term;
	say(EV_START);
	say(EV_STOP);
	pass(100);
	say(wishes[_i]);
	expect_state(WS_STOPPING);
	pass(GRACE - 100);
	expect_state(WS_RUNNING);
	ck_assert_int_eq(w.rec.generation, 2);
	ck_assert_int_eq(w.rec.restarts, 0);
}
END_TEST

START_TEST(a_stop_of_a_queued_birth_makes_no_process)
{
	worker_command(&w, EV_START);
	say(EV_STOP);
	expect_state(WS_STOPPED);
	pass(60000);
	ck_assert_int_eq(world->nprocesses, 0);
	ck_assert_int_eq(w.rec.generation, 0);
	ck_assert_int_eq(w.rec.deaths, 0);
}
END_TEST

START_TEST(a_death_by_itself_while_stopping_is_the_stop)
{
	world_fate = ignores_term;
	say(EV_START);
	say(EV_STOP);
	end(3, 0);
	expect_state(WS_STOPPED);
	ck_assert_int_eq(w.rec.last.code, 3);
	pass(GRACE);
	ck_assert_int_eq(count("tree"), 0);
}
END_TEST

/* --- stop_command --- */

static int stop_status;

static struct fate
stop_command_takes_a_second(const struct spawn_request *r)
{
	if (r->argv != stop_command)
		return (struct fate){0};
	return (struct fate){.lives = 1000, .code = stop_status};
}

START_TEST(the_signal_waits_for_the_stop_command_to_fail)
{
	conf.stop_command = stop_command;
	stop_status = 1;
	world_fate = stop_command_takes_a_second;
	say(EV_START);
	say(EV_STOP);
	pass(999);
	ck_assert_int_eq(count("stop_command"), 1);
	ck_assert_int_eq(count("kill 5000000"), 0);
	pass(1);
	ck_assert_int_eq(count("kill 5000000 15"), 1);
	expect_state(WS_STOPPED);
	ck_assert_int_eq(w.rec.deaths, 1);
}
END_TEST

START_TEST(a_stop_command_that_succeeds_is_all_it_hears_before_kill)
{
	conf.stop_command = stop_command;
	stop_status = 0;
	world_fate = stop_command_takes_a_second;
	say(EV_START);
	say(EV_STOP);
	pass(GRACE - 1);
	expect_state(WS_STOPPING);
	ck_assert_int_eq(count("kill 5000000 15"), 0);
	pass(1);
	expect_state(WS_STOPPED);
	ck_assert_int_eq(w.rec.last.signal, SIGKILL);
}
END_TEST

static struct fate
nobody_hears(const struct spawn_request *r)
{
	(void)r;
	return (struct fate){.ignores = SIGTERM};
}

START_TEST(the_kill_takes_the_stop_command_along)
{
	conf.stop_command = stop_command;
	world_fate = nobody_hears;
	say(EV_START);
	say(EV_STOP);
	pass(GRACE);
	expect_state(WS_STOPPED);
	ck_assert_int_eq(w.rec.stop_pid, 0);
	ck_assert_int_eq(world->processes[0].signal, SIGKILL);
	ck_assert_int_eq(world->processes[1].signal, SIGKILL);
}
END_TEST

START_TEST(the_stop_command_ends_with_its_worker)
{
	conf.stop_command = stop_command;
	world_fate = nobody_hears;
	say(EV_START);
	say(EV_STOP);
	end(0, 0);
	expect_state(WS_STOPPED);
	ck_assert_int_eq(world->processes[1].alive, 0);
	ck_assert_int_eq(w.rec.stop_pid, 0);
}
END_TEST

static struct fate
stop_command_cannot_be_forked(const struct spawn_request *r)
{
	return (struct fate){.unborn = r->argv == stop_command ? ENOMEM : 0};
}

START_TEST(without_a_stop_command_the_signal_is_sent_at_once)
{
	conf.stop_command = stop_command;
	world_fate = stop_command_cannot_be_forked;
	say(EV_START);
	say(EV_STOP);
	expect_state(WS_STOPPED);
	ck_assert_int_eq(w.rec.last.signal, SIGTERM);
}
END_TEST

/* --- what is heard twice, late, or of others --- */

START_TEST(news_of_others_changes_nothing)
{
	struct death d = {.at = 1, .pid = 4711, .code = 1};
	struct worker_record before;
	int records;

	say(EV_START);
	before = w.rec;
	records = world->njournal;
	worker_born(&w, 4711, 4711, NULL);
	worker_set_up_failed(&w, 4711, "x");
	worker_ended(&w, 4711, &d);
	ck_assert_mem_eq(&w.rec, &before, sizeof(before));
	ck_assert_int_eq(world->njournal, records);
}
END_TEST

START_TEST(a_death_told_twice_counts_once)
{
	struct death d = {.at = 1000000, .pid = WORLD_FIRST_PID, .code = 1};

	say(EV_START);
	worker_ended(&w, WORLD_FIRST_PID, &d);
	worker_ended(&w, WORLD_FIRST_PID, &d);
	ck_assert_int_eq(w.rec.deaths, 1);
	expect_state(WS_BACKOFF);
}
END_TEST

START_TEST(nobody_can_be_signalled_who_is_not_there)
{
	struct err e;

	ck_assert_int_eq(worker_signal(&w, SIGHUP, &e), -1);
	ck_assert_str_eq(e.text, "'w' has no process");
	ck_assert_int_eq(worker_kill(&w, &e), -1);
	ck_assert_str_eq(e.text, "'w' has no process");
}
END_TEST

START_TEST(a_kill_by_hand_is_a_death_like_any)
{
	struct err e;

	say(EV_START);
	ck_assert_int_eq(worker_kill(&w, &e), 0);
	turn();
	expect_state(WS_BACKOFF);
	ck_assert_str_eq(w.error, "killed by KILL");
}
END_TEST

/* --- set-ups that do harm --- */

static void
hang_in_set_up(void)
{
	w.rec.state = WS_STARTING; /* born, and no further */
	w.stage = "directory";
	worker_set_up_hung(&w, w.rec.token);
	turn();
	ck_assert_str_eq(w.rec.last.fault, "directory: hung");
}

START_TEST(a_set_up_that_hangs_twice_is_given_up)
{
	say(EV_START);
	hang_in_set_up();
	expect_state(WS_BACKOFF);
	ck_assert_int_eq(w.rec.interrupted, 1);
	pass(1000);
	w.rec.interrupted = 1; /* RUNNING had forgiven it */
	hang_in_set_up();
	expect_state(WS_FAILED);
	ck_assert_str_eq(w.error, "directory: hung");
}
END_TEST

/* As a successor finds it: an intent was recorded, and nobody was born. */
static void
resume_intent(enum keeper_obituary how, int status)
{
	struct worker_record rec = w.rec;

	rec.state = WS_STARTING;
	rec.want_up = 1;
	rec.token = 7;
	rec.generation = 1;
	sup.link.predecessor = how;
	sup.link.predecessor_status = status;
	worker_replay(&w, &rec);
	worker_resume(&w);
	turn();
}

START_TEST(a_set_up_that_ends_two_supervisors_is_given_up)
{
	resume_intent(OBITUARY_SIGNALLED, SIGSEGV);
	expect_state(WS_RUNNING);
	ck_assert_int_eq(w.rec.interrupted, 0);
	w.rec.interrupted = 1;
	w.rec.pid = 0;
	resume_intent(OBITUARY_SIGNALLED, SIGSEGV);
	expect_state(WS_FAILED);
	ck_assert_str_eq(w.error, "its set-up has ended the supervisor twice");
}
END_TEST

START_TEST(a_supervisor_killed_from_outside_is_nobodys_fault)
{
	w.rec.interrupted = 1;
	resume_intent(OBITUARY_SIGNALLED, SIGKILL);
	expect_state(WS_RUNNING);
	ck_assert_int_eq(w.rec.generation, 1);
}
END_TEST

START_TEST(a_birth_heard_of_while_stopping_is_stopped)
{
	struct worker_record rec = w.rec;

	rec.state = WS_STOPPING;
	rec.token = 7;
	rec.generation = 1;
	worker_replay(&w, &rec);
	ck_assert_int_eq(w.unsettled, 1);
	world->nprocesses = 1;
	world->processes[0] = (struct process){
	    .pid = WORLD_FIRST_PID, .alive = 1, .dies_at = NEVER};
	worker_born(&w, 7, WORLD_FIRST_PID, NULL);
	turn();
	expect_state(WS_STOPPED);
	ck_assert_int_eq(w.rec.last.signal, SIGTERM);
	ck_assert_int_eq(w.rec.generation, 1);
}
END_TEST

START_TEST(a_stop_waits_for_births_that_may_still_be_told)
{
	struct worker_record rec = w.rec;

	rec.state = WS_STARTING;
	rec.want_up = 1;
	rec.token = 7;
	rec.generation = 1;
	worker_replay(&w, &rec);
	say(EV_STOP);
	expect_state(WS_STOPPING);
	worker_resume(&w);
	turn();
	expect_state(WS_STOPPED);
	ck_assert_int_eq(w.rec.generation, 0);
}
END_TEST

/* --- replaced while well --- */

START_TEST(max_age_restarts_it_and_counts)
{
	conf.max_age = 60000;
	say(EV_START);
	pass(59999);
	ck_assert_int_eq(w.rec.generation, 1);
	pass(1);
	expect_state(WS_RUNNING);
	ck_assert_int_eq(w.rec.generation, 2);
	ck_assert_int_eq(w.rec.restarts, 1);
	ck_assert_int_eq(w.rec.run, 0);
}
END_TEST

START_TEST(max_age_is_of_a_process_not_of_a_worker)
{
	conf.max_age = 60000;
	say(EV_START);
	pass(30000);
	say(EV_RESTART);
	pass(59999);
	ck_assert_int_eq(w.rec.generation, 2);
	pass(1);
	ck_assert_int_eq(w.rec.generation, 3);
}
END_TEST

START_TEST(a_stopped_worker_does_not_age)
{
	conf.max_age = 60000;
	say(EV_START);
	say(EV_STOP);
	pass(1000000);
	expect_state(WS_STOPPED);
	ck_assert_int_eq(w.recycle.active, 0);
}
END_TEST

/* A real process, since its memory is real. */
START_TEST(max_memory_restarts_what_is_too_large)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	/* Check's child would have Check's handler for TERM. */
	conf.stop_signal = SIGKILL;
	conf.max_memory = _i == 0 ? 1 : UINT64_MAX;
	say(EV_START);
	w.rec.pid = pid;
	pass(60000);
	expect_state(_i == 0 ? WS_STOPPING : WS_RUNNING);
	syscall(SYS_kill, pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
END_TEST

/* --- memory --- */

START_TEST(history_outlives_a_journal_written_anew)
{
	struct record old[WORLD_JOURNAL];
	struct worker again;
	struct death d;
	int i, begin;

	conf.backoff_factor = 1;
	say(EV_START);
	for (i = 0; i < 13; i++) {
		end(i, 0);
		pass(1000);
	}
	begin = world->njournal;
	worker_dump(&w, &sup.state);
	memcpy(old, world->journal, sizeof(old));
	worker_init(&again, &sup, &conf);
	for (i = begin; i < world->njournal; i++)
		if (old[i].kind == RECORD_DEATH)
			worker_remember(&again, &old[i].u.history.death);
		else
			worker_replay(&again, &old[i].u.worker);
	ck_assert_mem_eq(&again.rec, &w.rec, sizeof(w.rec));
	ck_assert_int_eq(again.history.n, WORKER_HISTORY_MIN);
	for (i = 0; i < WORKER_HISTORY_MIN; i++) {
		history_get(&again.history, (size_t)i, &d);
		ck_assert_int_eq(d.code, 12 - i);
	}
	worker_release(&again);
}
END_TEST

static TCase *
table(void)
{
	TCase *t = tcase_create("table");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, a_step_is_recorded_before_anything_else_is_done,
	    0, WS_COUNT * EV_COUNT);
	tcase_add_loop_test(
	    t, an_impossible_event_is_a_bug, 0, WS_COUNT * EV_COUNT);
	tcase_add_loop_test(t, a_state_says_how_things_stand, 0, WS_COUNT);
	tcase_add_test(t, a_oneshot_that_succeeded_counts_as_ready);
	return t;
}

static TCase *
restarts(void)
{
	TCase *t = tcase_create("restarts");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_start_makes_one_process);
	tcase_add_test(t, deaths_wait_ever_longer);
	tcase_add_test(t, a_healthy_run_starts_the_count_anew);
	tcase_add_test(
	    t, one_that_hangs_is_told_to_end_and_waits_as_after_any_failure);
	tcase_add_loop_test(t, one_that_hangs_obeys_commands, 0, 2);
	tcase_add_test(t, a_stop_in_backoff_cancels_the_restart);
	tcase_add_test(t, a_start_in_backoff_starts_now);
	tcase_add_loop_test(t, a_restart_starts_what_has_no_process, 0, 4);
	tcase_add_test(t, a_commanded_restart_never_trips_the_limit);
	tcase_add_test(t, commanded_restarts_leave_the_limit_whole);
	tcase_add_test(t, the_limit_fails_it_until_started_by_hand);
	tcase_add_test(t, the_limit_counts_all_its_deaths);
	tcase_add_test(t, deaths_further_apart_than_the_interval_are_borne);
	tcase_add_test(t, a_permanent_death_is_not_blamed_on_the_limit);
	tcase_add_test(t, what_cannot_be_forked_backs_off_with_the_reason);
	tcase_add_loop_test(t, a_set_up_failure_is_told_in_words, 0,
	    sizeof(faults) / sizeof(*faults));
	return t;
}

static TCase *
stops(void)
{
	TCase *t = tcase_create("stops");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_stop_sends_the_signal_and_then_cont);
	tcase_add_test(t, an_ignored_stop_ends_in_one_kill_after_the_grace);
	tcase_add_loop_test(t, kill_mode_says_who_is_meant, 0, 3);
	tcase_add_test(t, what_the_dead_leave_is_swept_before_the_next_birth);
	tcase_add_loop_test(t, a_wish_to_be_up_while_stopping_is_kept, 0, 2);
	tcase_add_test(t, a_stop_of_a_queued_birth_makes_no_process);
	tcase_add_test(t, a_death_by_itself_while_stopping_is_the_stop);
	tcase_add_test(t, the_signal_waits_for_the_stop_command_to_fail);
	tcase_add_test(
	    t, a_stop_command_that_succeeds_is_all_it_hears_before_kill);
	tcase_add_test(t, the_kill_takes_the_stop_command_along);
	tcase_add_test(t, the_stop_command_ends_with_its_worker);
	tcase_add_test(t, without_a_stop_command_the_signal_is_sent_at_once);
	return t;
}

static TCase *
news(void)
{
	TCase *t = tcase_create("news");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, news_of_others_changes_nothing);
	tcase_add_test(t, a_death_told_twice_counts_once);
	tcase_add_test(t, nobody_can_be_signalled_who_is_not_there);
	tcase_add_test(t, a_kill_by_hand_is_a_death_like_any);
	tcase_add_test(t, a_set_up_that_hangs_twice_is_given_up);
	tcase_add_test(t, a_set_up_that_ends_two_supervisors_is_given_up);
	tcase_add_test(t, a_supervisor_killed_from_outside_is_nobodys_fault);
	tcase_add_test(t, a_birth_heard_of_while_stopping_is_stopped);
	tcase_add_test(t, a_stop_waits_for_births_that_may_still_be_told);
	tcase_add_test(t, history_outlives_a_journal_written_anew);
	return t;
}

static TCase *
recycling(void)
{
	TCase *t = tcase_create("recycle");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, max_age_restarts_it_and_counts);
	tcase_add_test(t, max_age_is_of_a_process_not_of_a_worker);
	tcase_add_test(t, a_stopped_worker_does_not_age);
	tcase_add_loop_test(t, max_memory_restarts_what_is_too_large, 0, 2);
	return t;
}

int
main(void)
{
	Suite *s = suite_create("worker");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, table());
	suite_add_tcase(s, restarts());
	suite_add_tcase(s, stops());
	suite_add_tcase(s, news());
	suite_add_tcase(s, recycling());
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
