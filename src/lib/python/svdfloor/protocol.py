"""protocol: a floor's way to svd in nothing but Python, by two os.fork().

For where libsvdfloor.so cannot be loaded. Does what that does (its sources
say why each step is as it is), but says nothing of late modules. The protocol
is described in svd-floors(7); the numbers here stand in proto_floor.h,
proto_birth.h and set_up.h.
"""

import _signal
import _socket
import fcntl
import os
import sys
import time

from . import report

VERSION = 1
PACKET_MAX = 64 * 1024
FDS_MAX = 8
STREAMS, USER, DIRECTORY = 5, 6, 7   # enum birth_stage
SET_UP_SECONDS = 8
CLOEXEC = 0x40000000                 # MSG_CMSG_CLOEXEC
INT_BYTES = 4


class Job:
    """What svd wants of a worker; each value is bytes, argv[0] the entry."""

    def __init__(self, fields):
        self.argv = fields.get(b"entry", [b""])[:1] + fields.get(b"arg", [])
        self.environ = fields.get(b"env", [])


def pack(verb, *fields):
    """A packet of (key, value) pairs, each bytes; an int is written out."""
    parts = [verb]
    for key, value in fields:
        if isinstance(value, int):
            value = b"%d" % value
        parts.append(key + b"=" + value)
    return b"\0".join(parts) + b"\0"


def unpack_fields(text):
    """{key: [value, ...]}"""
    fields = {}
    for field in text.split(b"\0"):
        key, equals, value = field.partition(b"=")
        if equals:
            fields.setdefault(key, []).append(value)
    return fields


def unpack(packet):
    """(verb, fields)"""
    verb, _, rest = packet.partition(b"\0")
    return verb, unpack_fields(rest)


def _cloexec(sock):
    os.set_inheritable(sock.fileno(), False)
    return sock


class Way:
    """The end of the socket on SVD_FLOOR_FD, and in a worker its line."""

    name = "python"
    late = None

    def __init__(self):
        """LookupError: svd did not start this process."""
        try:
            number = int(os.environ.pop("SVD_FLOOR_FD"))
            self.svd = _cloexec(_socket.socket(fileno=number))
        except KeyError:
            raise LookupError("not set") from None
        except (ValueError, OSError) as error:
            raise LookupError(str(error)) from None
        self.line = None      # in a worker
        self.pid = 0          # in a worker: its own
        self.between = 0      # its first parent

    # --- loading -------------------------------------------------------------

    def failed(self, what, module, traceback):
        """Each is bytes; module and traceback may be empty."""
        fields = [(b"what", what)]
        fields += [(b"module", module)] if module else []
        fields += [(b"traceback", traceback)] if traceback else []
        self.svd.send(pack(b"LOADFAIL", *fields))

    def loaded(self, ms, modules):
        """OSError (EINVAL): it has become a subreaper."""
        if _is_subreaper():
            raise OSError(22, "Invalid argument")
        try:
            threads = len(os.listdir("/proc/self/task"))
        except OSError:
            threads = 1
        if threads > 1:
            _let_fork_be()
        packet = pack(
            b"LOADED", (b"version", VERSION), (b"ms", ms),
            (b"threads", threads), (b"way", self.name.encode()),
            (b"modules", len(modules)))
        for module in modules:
            field = pack(b"module=" + module)
            if len(packet) + len(field) > PACKET_MAX:
                break
            packet += field
        self.svd.send(packet)

    # --- forking -------------------------------------------------------------

    def serve(self):
        """A Job: this is a worker, set up. None: the floor, not needed."""
        while True:
            packet = self.svd.recv(PACKET_MAX)
            verb, fields = unpack(packet)
            if not packet or verb == b"RETIRE":
                return None
            if verb == b"FORK":
                job = self._fork(fields.get(b"token", [b"0"])[0])
                if job is not None:
                    self.pid = os.getpid()
                    # May raise what waits: KeyboardInterrupt.
                    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
                    return job

    def _fork(self, token):
        """In the worker its Job, in the floor None."""
        report.flush()
        mask = _signal.pthread_sigmask(
            _signal.SIG_BLOCK, _signal.valid_signals())
        try:
            between = os.fork()
        except OSError as error:
            self._fork_failed(token, error)
            between = None
        if between == 0:
            return self._fork_again(token)
        if between is not None:
            self._await(between, token)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
        return None

    def _fork_failed(self, token, error):
        self.svd.send(pack(b"FORKFAIL", (b"token", token),
                           (b"what", report.one_line(f"fork: {error}"))))

    def _await(self, between, token):
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(between, 0)[1])
        except ChildProcessError:
            return  # somebody ignores SIGCHLD
        if status != 0:
            self._fork_failed(
                token, f"the process between ended with {status}")

    def _fork_again(self, token):
        """In the process between, which does not return; in the worker, which
        returns its Job."""
        try:
            # Svd's and the worker's end; born in time to fail before the fork.
            theirs, line = map(_cloexec, _socket.socketpair(
                _socket.AF_UNIX, _socket.SOCK_SEQPACKET))
            self.between = os.getpid()
            pid = os.fork()
        except BaseException as error:
            self._last(lambda: self._fork_failed(token, error))
        if pid != 0:
            self._last(lambda: self._announce(token, pid, theirs))
        theirs.close()
        self.line = line
        return self._spare()

    def _last(self, act):
        """Neither the process between nor a spare runs the floor's code."""
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)

    def _announce(self, token, pid, line):
        fields = [(b"token", token), (b"pid", pid), (b"way", b"python"),
                  (b"fd", b"line")]
        fds = [line.fileno()]
        try:
            # Its parent: the number cannot have become another's.
            fds.append(os.pidfd_open(pid))
            fields.append((b"fd", b"pidfd"))
        except (AttributeError, OSError):
            pass
        array = b"".join(n.to_bytes(INT_BYTES, sys.byteorder) for n in fds)
        self.svd.sendmsg(
            [pack(b"FORKED", *fields)],
            [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array)])

    # --- the worker ----------------------------------------------------------

    def _spare(self):
        try:
            os.setsid()
            self.svd.close()
            fields, given = self._wait_to_start()
            # It takes no more than its exit. A worker that asks to die with
            # its parent must not mean that one.
            while os.getppid() == self.between:
                time.sleep(0.00005)
            self._set_up(fields, given)
            self.line.send(pack(b"STARTED"))
            return Job(fields)
        except BaseException:
            os._exit(1)

    def _wait_to_start(self):
        """START's fields and {name: descriptor}."""
        while True:
            packet, names, fds = self._receive()
            if not packet:
                os._exit(0)
            if unpack(packet)[0] == b"START" and b"fields" in names:
                break
            for fd in fds:
                os.close(fd)
        given = dict(zip(names, fds))
        text = given.pop(b"fields")
        fields = unpack_fields(os.pread(text, os.fstat(text).st_size, 0))
        os.close(text)
        return fields, given

    def _receive(self):
        """The packet, the names of its descriptors, and these."""
        packet, extra, _, _ = self.line.recvmsg(
            PACKET_MAX, _socket.CMSG_SPACE(FDS_MAX * INT_BYTES), CLOEXEC)
        fds = []
        for level, kind, data in extra:
            if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
                ends = range(INT_BYTES, len(data) + 1, INT_BYTES)
                fds += [int.from_bytes(data[end - INT_BYTES:end],
                                       sys.byteorder) for end in ends]
        return packet, unpack(packet)[1].get(b"fd", []), fds

    def _set_up(self, fields, given):
        """As set_up.c. A step that fails is told, and is the end."""
        _start_deadline()
        for stage, step in ((STREAMS, _set_streams), (STREAMS, _set_umask),
                            (USER, _set_user), (DIRECTORY, _set_directory)):
            try:
                step(fields, given)
            except OSError as error:
                self.line.send(pack(b"STARTFAIL", (b"stage", stage),
                                    (b"detail", 0), (b"errno", error.errno)))
                os._exit(126)
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        _set_environment(fields)
        _set_name(fields)

    @staticmethod
    def rehearsal(argv, environ):
        """A function: it returns a Job as serve() would, again and again."""
        fields = {b"entry": argv[:1], b"arg": argv[1:], b"env": environ}
        return lambda: Job(fields)

    def exception(self, what, traceback):
        """Never blocks. Each is bytes."""
        if os.getpid() != self.pid:
            return  # what the worker has forked is not the worker
        try:
            self.line.setblocking(False)
            self.line.send(pack(b"EXCEPTION", (b"what", what),
                                (b"traceback", traceback)))
        except OSError:
            pass


def _is_subreaper():
    """False also where that cannot be known."""
    try:
        import ctypes
        said = ctypes.c_int(0)
        ctypes.CDLL(None).prctl(37, ctypes.byref(said), 0, 0, 0)
        return said.value != 0
    except Exception:
        return False


def _be_dumpable():
    """A change of user has undone it, and with it what a process may do in its
    own /proc/self; no exec comes to set it again."""
    try:
        import ctypes  # _is_subreaper() has it loaded
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    except Exception:
        pass


def _let_fork_be():
    """Python warns of a fork with threads. svd says it, once, in `svctl
    floors`; and where warnings are errors, they must not be that one."""
    if sys.version_info >= (3, 12):
        import warnings
        warnings.filterwarnings(
            "ignore", category=DeprecationWarning, module=__name__)


def _start_deadline():
    """A directory on a disk that hangs ends us, and not svd's patience."""
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    _signal.setitimer(_signal.ITIMER_REAL, SET_UP_SECONDS)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (_signal.SIGALRM,))


def _set_streams(fields, given):
    """And 3, the channel, and 4, SVD_READY_FD. All that was received is closed
    afterwards, but for what has that number now."""
    numbers = [name for name in (b"0", b"1", b"2", b"3", b"4")
               if name in given]
    used = {int(name) for name in numbers}
    done = set(given.values())
    for name in numbers:
        # One may itself be in the way of another: out first.
        if given[name] <= 4:
            given[name] = fcntl.fcntl(given[name], fcntl.F_DUPFD_CLOEXEC, 5)
            done.add(given[name])
    for name in numbers:
        os.dup2(given[name], int(name))
    for fd in done - used:
        os.close(fd)


def _set_umask(fields, given):
    if b"umask" in fields:
        os.umask(int(fields[b"umask"][0], 8))


def _set_user(fields, given):
    if b"uid" not in fields:
        return
    uid, gid = int(fields[b"uid"][0]), int(fields[b"gid"][0])
    os.setgroups([int(group) for group in fields.get(b"group", [])])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    _be_dumpable()


def _set_directory(fields, given):
    if b"directory" in fields:
        os.chdir(fields[b"directory"][0])


def _set_environment(fields):
    os.environ.clear()
    for word in fields.get(b"env", []):
        key, _, value = word.partition(b"=")
        os.putenv(key, value)


def _set_name(fields):
    """For ps and top; a worker can do without."""
    try:
        fd = os.open("/proc/self/comm", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, fields.get(b"name", [b"?"])[0][:15])
        finally:
            os.close(fd)
    except OSError:
        pass
