"""contrib/floors/floor.rb: a floor in a language that svd knows nothing of. By
itself, with svd played by the test, and in a real fleet."""

import json
import os
import pathlib
import shutil
import signal
import tempfile

import pytest

from floorkit import FakeSvd
from svdtest import ROOT, children, stat_fields, wait_for

FLOORS = ROOT / "contrib" / "floors"
RUBY = shutil.which("ruby")
pytestmark = pytest.mark.skipif(RUBY is None, reason="needs ruby")

APP = r'''
require "json"
at_exit { puts "the floor's at_exit" }
trap("USR1") { puts "the floor's handler" }
LOADED_BY = Process.pid
FLOORS_OWN = File.open(ENV["OWN"], "w").tap { |f| f.write("once\n") } if ENV["OWN"]

module App
  def self.report(path)
    at_exit { File.write(path + ".end", "end") }
    groups = Process.groups.sort
    File.write(path, JSON.generate(
      pid: Process.pid, parent: Process.ppid, loaded_by: LOADED_BY,
      sid: Process.getsid, cwd: Dir.pwd, umask: File.umask, env: ENV.to_h,
      uid: Process.uid, gid: Process.gid, groups: groups, argv: ARGV,
      rand: rand, fds: Dir.glob("/proc/self/fd/*").filter_map do |fd|
        File.readlink(fd) if File.symlink?(fd)
      end))
  end

  def self.leave(status) = exit(Integer(status))
  def self.say(*words) = puts(*words)
  def self.read = puts($stdin.read)
  def self.fail(text) = raise(ArgumentError, text)
  def self.wait = loop { sleep 1000 }
  def self.to_file(path) = (@file = File.open(path, "w")).write("unflushed")
end
'''


@pytest.fixture
def app():
    """A directory that everybody may look into, with the feature `app`."""
    with tempfile.TemporaryDirectory(prefix="svdtest-") as name:
        where = pathlib.Path(name)
        where.chmod(0o755)
        (where / "app.rb").write_text(APP)
        yield where


def ruby(where, *features, **options):
    return FakeSvd([RUBY, FLOORS / "floor.rb", "-I", where, *features],
                   **options)


def spare_of(svd):
    """A new one, once who has made it has ended: ours."""
    worker = svd.fork()
    wait_for(lambda: worker.pid in children(os.getpid()))
    return worker


def report(svd, path, **options):
    worker = spare_of(svd)
    assert worker.run("App.report", path, **options) == (0, "")
    return worker, json.loads(path.read_text())


def test_it_loads_once_and_its_workers_are_svds_children(app):
    with ruby(app, "set", "app") as svd:
        loaded = svd.loaded()
        assert loaded.get("version") == "1" and loaded.get("threads") == "1"
        assert any(m.endswith("/app.rb") for m in loaded.all("module"))
        assert int(loaded.get("modules")) >= len(loaded.all("module"))
        seen = []
        for number in range(3):
            worker, said = report(svd, app / str(number))
            assert said["pid"] == said["sid"] == worker.pid
            assert said["parent"] == os.getpid()
            assert said["loaded_by"] == svd.proc.pid
            # Of sockets it has its line; Ruby has some of its own.
            kinds = [fd.split(":")[0] for fd in said["fds"]]
            assert kinds.count("socket") == 1, said["fds"]
            assert "/memfd" not in kinds, said["fds"]
            seen.append(said["rand"])
        assert len(set(seen)) == 3
        svd.send("NEWS", ("from", "later"))
        svd.send("RETIRE")
        assert svd.wait() == 0
        assert svd.output() == ""


def test_a_worker_is_what_start_says(app):
    with ruby(app, "app") as svd:
        svd.loaded()
        _, said = report(svd, app / "said", directory="/usr", umask="027",
                         env={"A": "b", "C": "d=e f"})
        assert said["cwd"] == "/usr" and said["umask"] == 0o027
        assert said["env"] == {"A": "b", "C": "d=e f"}
        assert (app / "said.end").read_text() == "end"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_may_make_workers_of_other_users(app):
    app.chmod(0o777)
    with ruby(app, "app") as svd:
        svd.loaded()
        _, said = report(svd, app / "said", more=(
            ("uid", 65534), ("gid", 65534), ("group", 65534), ("group", 7)))
        assert (said["uid"], said["gid"]) == (65534, 65534)
        assert said["groups"] == [7, 65534]


def test_statuses_streams_and_signals_are_its_own(app):
    with ruby(app, "app") as svd:
        svd.loaded()
        assert svd.run("App.leave", "7") == (7, "")
        assert svd.run("App.say", "a", "b=c") == (0, "a\nb=c\n")
        with open(app / "app.rb") as text:
            assert svd.run("App.read", stdin=text) == (0, APP)
        for sig in (signal.SIGTERM, signal.SIGUSR1):
            worker = svd.fork().start("App.wait")
            wait_for(lambda: stat_fields(worker.pid)[0] == "S")
            os.kill(worker.pid, sig)
            assert worker.wait() == -sig


def test_a_file_is_an_entry_too(app):
    script = app / "script.rb"
    script.write_text('puts ARGV.inspect, Object.const_defined?(:App)\n'
                      "exit 4\n")
    with ruby(app, "app") as svd:
        svd.loaded()
        assert svd.run(script, "x", "y z") == (4, '["x", "y z"]\ntrue\n')


def test_what_is_in_buffers_is_written_once(app):
    with ruby(app, "app", env={"OWN": str(app / "own")}) as svd:
        svd.loaded()
        for number in range(2):
            path = app / f"file{number}"
            assert svd.run("App.to_file", path) == (0, "")
            assert path.read_text() == "unflushed"
        assert (app / "own").read_text() == "once\n"


@pytest.mark.parametrize("entry,args,what", [
    ("App.fail", ["no\tgood\nat all"], "ArgumentError: no\tgood"),
    ("App.nothing", [],
     "NoMethodError: undefined method `nothing' for App:Module"),
    ("Nowhere.run", [], "NameError: uninitialized constant Nowhere"),
    ("/nowhere.rb", [], "LoadError: cannot load such file -- /nowhere.rb"),
])
def test_what_it_raises_is_told(app, entry, args, what):
    with ruby(app, "app") as svd:
        svd.loaded()
        worker = svd.fork()
        status, output = worker.run(entry, *args)
        said = worker.expect("EXCEPTION")
        assert status == 1 and said.get("what").startswith(what)
        assert output and said.get("traceback") == output


def test_a_directory_that_is_not_there_is_told(app):
    with ruby(app, "app") as svd:
        svd.loaded()
        worker = svd.fork()
        worker.start_only("App.leave", 0, directory="/nowhere")
        said = worker.expect("STARTFAIL")
        assert (said.get("stage"), said.get("errno")) == ("7", "2")
        assert worker.wait() == 126


def test_a_spare_that_is_not_wanted_ends_silently(app):
    with ruby(app, "app") as svd:
        svd.loaded()
        spare = spare_of(svd)
        spare.sock.close()
        assert spare.wait() == 0
        svd.sock.close()
        assert svd.wait() == 0 and svd.output() == ""


@pytest.mark.parametrize("text,what", [
    ("raise 'no'", "RuntimeError: no"),
    ("def", "SyntaxError: "),
    ("require 'nowhere'", "LoadError: cannot load such file -- nowhere"),
    ("exit 0", "SystemExit: exit"),
])
def test_a_feature_that_fails_is_told_with_its_traceback(app, text, what):
    (app / "bad.rb").write_text(text + "\n")
    with ruby(app, "app", "bad") as svd:
        said = svd.expect("LOADFAIL")
        assert said.get("what").startswith(f"preload 'bad': {what}")
        assert said.get("module") == "bad"
        assert str(app / "bad.rb") in said.get("traceback")
        assert svd.wait() == 1


def test_the_example_in_a_fleet(fleet):
    text = (FLOORS / "floor.ini").read_text().replace(
        "numprocs = 2", "numprocs = 2\nbackoff_delay = 0")
    f = fleet(text, env={"FLOORS": str(FLOORS)})
    pids = f.running()
    first = pids["sums:0"]
    os.kill(first, signal.SIGKILL)
    f.wait("sums:0", state="RUNNING", pid=lambda pid: pid not in (0, first))
    f.ctl("restart", "sums:1")
    assert f.worker("sums:1")["pid"] != pids["sums:1"]
    wait_for(lambda: '"worker":"sums:1"' in f.ctl("logs", "sums").out)
    assert f.worker("sums:0")["floor"] == "ruby"


def test_a_new_generation_has_what_was_changed(fleet, app):
    feature = app / "told.rb"
    feature.write_text("TOLD = 1\n")
    (app / "tell.rb").write_text("puts TOLD\nsleep\n")
    f = fleet("[floor:r]\nruntime = command\n"
              f"command = {RUBY} {FLOORS}/floor.rb -I {app} told\n"
              f"[worker:w]\nfloor = r\nentry = {app}/tell.rb\n")
    wait_for(lambda: f.ctl("logs", "w").out.split() == ["1"])
    feature.write_text("TOLD = \n")
    failed = f.ctl("refloor", "r", rc=1)
    assert "preload 'told': SyntaxError" in failed.err
    feature.write_text("TOLD = 2\n")
    f.ctl("refloor", "r")
    wait_for(lambda: f.ctl("logs", "w").out.split() == ["1", "2"])
    floor = f.ctl("-j", "floors").json["floors"][0]
    assert floor["state"] == "READY" and floor["workers"] == 1


def test_an_exception_is_shown_by_why(fleet, app):
    f = fleet("[floor:r]\nruntime = command\n"
              f"command = {RUBY} {FLOORS}/floor.rb -I {app} app\n"
              "[worker:w]\nfloor = r\nentry = App.fail\nargs = 'bad news'\n"
              "restart = no\n")
    exit_ = f.wait("w", state="FAILED")["last_exit"]
    assert exit_["code"] == 1
    assert "ArgumentError: bad news" in f.ctl("why", "w").out
