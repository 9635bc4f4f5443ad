#!/usr/bin/ruby
# frozen_string_literal: true

# floor.rb: a floor of svd in Ruby, for `runtime = command`:
#
#   ruby floor.rb [-I DIR]... FEATURE...
#
# requires each FEATURE once, then forks a worker whenever svd asks for one. A
# worker's entry is a method, `Shop::Mail.run`, called with the args; or a file,
# `/opt/shop/mail.rb`, loaded with the args as ARGV. It ends with status 0 when
# that returns, or as `exit` says; an exception is shown by `svctl why`.
#
# What is said here to svd, and in which order, is described in svd-floors(7).
# This is also an example of how little a floor in another language needs.

require "socket"

PACKET_MAX = 64 * 1024
TEXT_MAX = 32 * 1024
FIELDS_MAX = 16 << 20
STREAMS, USER, DIRECTORY = 5, 6, 7 # steps of the set-up, by svd's numbers
NOT_SET_UP = 126
SIGNALS = %w[HUP INT QUIT TERM ALRM USR1 USR2 CHLD CONT TSTP TTIN TTOU].freeze

# A SEQPACKET socket: a packet is a verb, fields, and descriptors with names.
class Channel
  def initialize(socket)
    @socket = socket
    @socket.close_on_exec = true
  end

  # fields: [[key, value], ...] or a Hash; ios: {name: IO}
  def send(verb, fields = [], ios = {}, flags = 0)
    words = [verb, *fields.map { |key, value| "#{key}=#{clean(value)}" },
             *ios.keys.map { |name| "fd=#{name}" }]
    rights = ios.empty? ? [] : [Socket::AncillaryData.unix_rights(*ios.values)]
    @socket.sendmsg(words.map { |word| "#{word}\0" }.join, flags, nil, *rights)
  end

  # verb, {key => [value, ...]}, {name => IO}; nil at the end.
  def receive
    data, _, _, *control = @socket.recvmsg(PACKET_MAX, scm_rights: true)
    return nil if data.nil? || data.empty?

    verb, rest = data.split("\0", 2)
    fields = Channel.fields(rest.to_s)
    [verb, fields, fields["fd"].zip(control.flat_map(&:unix_rights)).to_h]
  rescue Errno::ECONNRESET
    nil
  end

  def close = @socket.close

  def self.fields(text)
    words = text.split("\0").map { |word| word.split("=", 2) }
    fields = words.group_by(&:first).transform_values { |w| w.map(&:last) }
    fields.tap { fields.default = [] }
  end

  private

  # A NUL ends a field; of what is too long the end says most.
  def clean(value)
    text = value.to_s.b.tr("\0", "?")
    text.bytesize > TEXT_MAX ? "[...]\n#{text[-TEXT_MAX + 6..]}" : text
  end
end

def describe(error)
  "#{error.class}: #{error.message.lines.first&.chomp}"
end

def traceback(error)
  error.full_message(highlight: false, order: :top)
end

# Of every open file: what stays in a buffer would be written by each worker.
def flush_all
  ObjectSpace.each_object(IO) do |io|
    io.flush unless io.closed?
  rescue IOError, SystemCallError
    next # not open for writing, or nobody reads it
  end
end

# --- the floor ----------------------------------------------------------------

def preload(svd, features)
  begun = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  before = $LOADED_FEATURES.dup
  features.each do |feature|
    require feature
  rescue Exception => e # that it wants to exit is no success either
    svd.send("LOADFAIL", what: "preload '#{feature}': #{describe(e)}",
                         module: feature, traceback: traceback(e))
    exit!(1)
  end
  # What dies young is not to lie among what is shared.
  GC.start
  GC.compact if GC.respond_to?(:compact)
  ms = (Process.clock_gettime(Process::CLOCK_MONOTONIC) - begun) * 1000
  tell_loaded(svd, ms.to_i, $LOADED_FEATURES - before)
end

def tell_loaded(svd, ms, loaded)
  threads = Dir.children("/proc/self/task").size
  svd.send("LOADED", [[:version, 1], [:ms, ms], [:threads, threads],
                      [:way, "double"], [:modules, loaded.size],
                      *loaded.first(200).map { |f| [:module, f[0, 200]] }])
end

# A line, in each worker; nil, in the floor once it is not needed.
def serve(svd)
  while (verb, fields = svd.receive)
    return nil if verb == "RETIRE"
    next unless verb == "FORK"

    line = make_worker(svd, fields["token"].first)
    return line if line
  end
end

# By way of an intermediate, whose end makes the worker a child of svd's.
def make_worker(svd, token)
  flush_all
  middle = fork
  return make_from_middle(svd, token) unless middle

  _, status = Process.wait2(middle)
  raise "what forks ended: #{status}" unless status.success?
rescue SystemCallError, RuntimeError => e
  svd.send("FORKFAIL", token: token, what: e.message)
  nil
end

# In the worker, a line. The intermediate says who was born, before it ends:
# while the parent lives the pid cannot become another's.
def make_from_middle(svd, token)
  ours, theirs = Socket.pair(:UNIX, :SEQPACKET, 0)
  pid = fork
  unless pid
    Process.setsid
    [ours, svd].each(&:close)
    return Channel.new(theirs)
  end
  svd.send("FORKED", { token: token, pid: pid, way: "double" }, { line: ours })
  exit!(0)
rescue SystemCallError => e
  svd.send("FORKFAIL", token: token, what: e.message)
  exit!(0)
end

# --- a worker -----------------------------------------------------------------

# Becomes what START says, and returns its fields; ends, silently, where that
# never comes. No deadline: svd has one, fork_timeout.
def await_start(line)
  while (verb, _, ios = line.receive)
    next unless verb == "START"

    text = ios["fields"].pread(FIELDS_MAX, 0)
    ios.delete("fields").close
    fields = Channel.fields(text)
    set_up(line, fields, ios)
    line.send("STARTED")
    return fields
  end
  exit!(0)
end

def set_up(line, fields, ios)
  step = STREAMS
  passed = { "SVD_CHANNEL_FD" => ios.delete("3"),
             "SVD_READY_FD" => ios.delete("4") }.compact
  ios.each { |number, io| [STDIN, STDOUT, STDERR][number.to_i].reopen(io) }
  ios.each_value(&:close)
  STDOUT.sync = true
  File.umask(fields["umask"].first.to_i(8))
  step = USER
  change_user(fields) unless fields["uid"].empty?
  step = DIRECTORY
  Dir.chdir(fields["directory"].first)
  ENV.replace(fields["env"].to_h { |word| word.split("=", 2) })
  passed.each { |name, io| keep(name, io) }
  $PROGRAM_NAME = fields["name"].first
rescue SystemCallError => e
  line.send("STARTFAIL", stage: step, detail: 0, errno: e.errno)
  exit!(NOT_SET_UP)
end

# The number may be any, as long as the variable says it.
def keep(name, io)
  io.autoclose = io.close_on_exec = false
  ENV[name] = io.fileno.to_s
end

def change_user(fields)
  uid, gid = %w[uid gid].map { |key| fields[key].first.to_i }
  Process.maxgroups = 1024
  Process.groups = fields["group"].map(&:to_i)
  Process::Sys.setresgid(gid, gid, gid)
  Process::Sys.setresuid(uid, uid, uid)
end

def tell_exception(line, error)
  $stderr.write(traceback(error))
  line.send("EXCEPTION",
            { what: describe(error), traceback: traceback(error) }, {},
            Socket::MSG_DONTWAIT)
rescue SystemCallError
  nil
end

# Handlers run in the order last to first: those of the worker's own, then this
# one, and none that the floor has left.
def end_here(line)
  at_exit do
    error = $!
    expected = [NilClass, SystemExit, SignalException].any? { |c| c === error }
    tell_exception(line, error) unless expected
    flush_all
    if error.is_a?(SignalException)
      trap(error.signo, "SYSTEM_DEFAULT")
      Process.kill(error.signo, Process.pid)
    end
    exit!(error.is_a?(SystemExit) ? error.status : error.nil? ? 0 : 1)
  end
end

def work(line)
  fields = await_start(line)
  end_here(line)
  SIGNALS.each { |signal| trap(signal, "DEFAULT") }
  entry, args = fields["entry"].first, fields["arg"]
  ARGV.replace(args)
  return load(entry) if entry.start_with?("/")

  owner, _, method = entry.rpartition(".")
  Object.const_get(owner).public_send(method, *args)
end

# ------------------------------------------------------------------------------

number = ENV.delete("SVD_FLOOR_FD") or abort "floor.rb: is started by svd only"
svd = Channel.new(Socket.for_fd(number.to_i))
$LOAD_PATH.unshift(ARGV.slice!(0, 2).last) while ARGV.first == "-I"
preload(svd, ARGV.slice!(0..))
line = serve(svd)
line ? work(line) : exit!(0)
