<?php
// What PHP programs ask of the kernel: each need fails loudly, the last line is "ok".
set_error_handler(function (int $level, string $message, string $file, int $line): never {
    throw new ErrorException($message, 0, $level, $file, $line);
});

function need(bool $held, string $what): void
{
    if (!$held) {
        throw new RuntimeException($what);
    }
}

function processes(): void
{
    need(shell_exec('echo x') === "x\n", 'shell_exec');
    exec('exit 3', $lines, $code);
    need($code === 3, 'exec');
    $child = proc_open(['cat'], [['pipe', 'r'], ['pipe', 'w']], $pipes);
    fwrite($pipes[0], 'x');
    fclose($pipes[0]);
    need(stream_get_contents($pipes[1]) === 'x' && proc_close($child) === 0, 'proc_open');
    if (function_exists('pcntl_fork')) {
        $child = pcntl_fork();
        if ($child === 0) {
            exit(4);
        }
        pcntl_waitpid($child, $status);
        need(pcntl_wexitstatus($status) === 4, 'fork');
    }
}

function sockets(): void
{
    $server = stream_socket_server('tcp://127.0.0.1:0');
    $client = stream_socket_client('tcp://' . stream_socket_get_name($server, false));
    $accepted = stream_socket_accept($server);
    fwrite($client, "x\n");
    need(fgets($accepted) === "x\n", 'TCP');
    [$left, $right] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    fwrite($left, 'x');
    [$read, $write, $except] = [[$right], null, null];
    need(stream_select($read, $write, $except, 1) === 1, 'select');
    fclose(stream_socket_server('unix://echo.sock'));
    fclose(stream_socket_server('udp://127.0.0.1:0', $code, $message, STREAM_SERVER_BIND));
}

function files(): void
{
    file_put_contents('source', str_repeat('x', 100000), LOCK_EX);
    need(copy('source', 'target') && filesize('target') === 100000, 'copy');
    need(flock(fopen('source', 'r'), LOCK_SH), 'flock');
    need(symlink('source', 'link') && rename('target', 'moved') && touch('moved', 1), 'names');
    need(tempnam(sys_get_temp_dir(), 'needs') !== false && disk_total_space('.') > 0, 'tmp');
    stream_isatty(STDOUT);
}

function computing(): void
{
    need(password_verify('a', password_hash('a', PASSWORD_BCRYPT, ['cost' => 4])), 'password');
    need(random_bytes(16) !== random_bytes(16), 'random');
    need(preg_match('/^(a+)+$/', 'aaaa') === 1, 'regular expressions');
    $fiber = new Fiber(fn() => Fiber::suspend(7));
    need($fiber->start() === 7, 'fiber');
    usleep(1000);
    gc_collect_cycles();
}

processes();
sockets();
files();
computing();
echo "ok\n";
