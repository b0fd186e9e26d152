# What Ruby programs ask of the kernel: each need fails loudly, the last line is "ok".
require 'etc'
require 'fileutils'
require 'io/console'
require 'io/wait'
require 'open3'
require 'pty'
require 'securerandom'
require 'socket'
require 'tempfile'
require 'timeout'

def need(held, what)
  raise what unless held
end

def threads
  need(8.times.map { |i| Thread.new { i } }.sum(&:value) == 28, 'threads')
  need(Thread::Queue.new.pop(timeout: 0.01).nil?, 'queue')
  begin
    Timeout.timeout(0.05) { loop { Thread.pass } }
    need(false, 'timeout')
  rescue Timeout::Error
    need(true, 'timeout')
  end
  Warning[:experimental] = false
  ractor = Ractor.new { 7 }
  need((ractor.respond_to?(:value) ? ractor.value : ractor.take) == 7, 'ractor')
end

def processes
  need(`echo x` == "x\n", 'backticks')
  Process.wait(fork { exit!(3) })
  need($?.exitstatus == 3, 'fork')
  need(Open3.capture2('cat', stdin_data: 'x').first == 'x', 'open3')
  sleeper = spawn('sleep 60')
  Process.kill(:KILL, sleeper)
  Process.wait(sleeper)
  caught = Thread::Queue.new
  trap(:USR1) { caught << 1 }
  Process.kill(:USR1, Process.pid)
  need(caught.pop(timeout: 5) == 1, 'signal')
  PTY.open { |master, slave| need(slave.tty? && master.winsize, 'pty') }
end

def sockets
  server = TCPServer.new('127.0.0.1', 0)
  client = TCPSocket.new('127.0.0.1', server.addr[1])
  accepted = server.accept
  client.puts 'x'
  need(accepted.gets == "x\n", 'TCP')
  File.write('source', 'x' * 100_000)
  copier = Thread.new { IO.copy_stream('source', client).tap { client.close } }
  need(IO.copy_stream(accepted, 'target') == copier.value, 'copy_stream')
  UNIXSocket.pair.each(&:close)
  UDPSocket.new.tap { |udp| udp.bind('127.0.0.1', 0) }.close
  need(Socket.getifaddrs.any?, 'getifaddrs')
end

def files
  need(IO.copy_stream('source', 'copy') == 100_000, 'copy_stream')
  FileUtils.cp_r('source', 'other', preserve: true)
  File.open('source') { |file| need(file.flock(File::LOCK_EX) == 0, 'flock') }
  File.mkfifo('fifo')
  Tempfile.create { |file| file.fsync }
  need(Process.getrlimit(:NOFILE).first > 0 && Etc.nprocessors > 0, 'limits')
  need(SecureRandom.hex != SecureRandom.hex, 'random')
  reader, writer = IO.pipe
  writer.write_nonblock('x')
  need(reader.wait_readable(1) && reader.read_nonblock(1) == 'x', 'pipe')
  GC.compact if GC.respond_to?(:compact)
end

threads
processes
sockets
files
puts 'ok'
