require "bigdecimal"
require "csv"
require "json"
require "minitest"
require "prime"
require "set"
require "socket"

line = File.read("/dev/stdin").chomp
puts "#{line} #{line.length}"
$stdout.flush
File.write("/dev/stdout", "written again\n")

server = TCPServer.new("localhost", 0)
answering = Thread.new do
  peer = server.accept
  peer.write("ping")
  peer.close
end
puts TCPSocket.new("localhost", server.addr[1]).read
answering.join
begin
  TCPSocket.new("192.0.2.1", 80)
rescue SystemCallError => failure
  puts "errno #{failure.errno}"
end

%w[/box /tmp].each do |folder|
  File.write("#{folder}/ß", folder)
  puts File.read("#{folder}/ß")
end
puts BigDecimal("1").to_i if JSON.parse("[1]") == Set[1].to_a && Prime.first(1) == [2] && CSV && Minitest
