// Without an opening tag. PHP itself resolves the links under /dev to the name of a pipe, which is no
// file: its own names for the same things are those that can be opened again.
$line = rtrim(file_get_contents("php://stdin"));
echo $line, " ", mb_strlen($line), "\n";
file_put_contents("php://stdout", "written again\n");

$server = stream_socket_server("tcp://localhost:0");
$port = substr(strrchr(stream_socket_get_name($server, false), ":"), 1);
$client = stream_socket_client("tcp://localhost:$port");
$peer = stream_socket_accept($server);
fwrite($peer, "ping");
fclose($peer);
echo stream_get_contents($client), "\n";
@stream_socket_client("tcp://192.0.2.1:80", $errno);
echo "errno $errno\n";

foreach (["/box", "/tmp"] as $folder) {
    file_put_contents("$folder/ß", $folder);
    echo file_get_contents("$folder/ß"), "\n";
}
echo bcadd("0", "1"), "\n";
