// What Java programs ask of the kernel: each need fails loudly, the last line is "ok".
import java.io.File;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.StandardWatchEventKinds;
import java.security.SecureRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

public class Main {
    static void need(boolean held, String what) {
        if (!held) throw new IllegalStateException(what);
    }

    static void threads() throws Exception {
        var counted = new CountDownLatch(108);
        for (int i = 0; i < 8; i++) {
            var thread = new Thread(counted::countDown);
            thread.setPriority(Thread.MAX_PRIORITY);
            thread.start();
        }
        try (var virtual = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 100; i++) virtual.submit(counted::countDown);
        }
        need(counted.await(10, TimeUnit.SECONDS), "threads");
        need(IntStream.range(0, 100_000).parallel().sum() == 704_982_704, "parallel stream");
        var timers = Executors.newScheduledThreadPool(1);
        need(timers.schedule(() -> 7, 1, TimeUnit.MILLISECONDS).get() == 7, "timer");
        timers.shutdownNow();
        byte[][] garbage = new byte[64][];
        for (int i = 0; i < 2000; i++) garbage[i % 64] = new byte[50_000];
        System.gc();
    }

    static void processes() throws Exception {
        var echo = new ProcessBuilder("echo", "x").redirectErrorStream(true).start();
        need(new String(echo.getInputStream().readAllBytes()).equals("x\n"), "echo");
        need(echo.waitFor() == 0, "exit code");
        var sleeper = Runtime.getRuntime().exec(new String[] {"sleep", "60"});
        sleeper.destroyForcibly();
        need(sleeper.waitFor() == 137, "killed");
        need(ProcessHandle.current().info().command().isPresent(), "process information");
    }

    static void sockets() throws Exception {
        try (var server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
                var client = new Socket(server.getInetAddress(), server.getLocalPort());
                var accepted = server.accept()) {
            client.getOutputStream().write('x');
            need(accepted.getInputStream().read() == 'x', "TCP");
        }
        try (var udp = new DatagramSocket(new InetSocketAddress("127.0.0.1", 0))) {
            udp.send(new DatagramPacket(new byte[1], 1, udp.getLocalSocketAddress()));
            udp.receive(new DatagramPacket(new byte[1], 1));
        }
        var address = UnixDomainSocketAddress.of("echo.sock");
        try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
                var selector = Selector.open()) {
            server.bind(address);
            server.configureBlocking(false);
            server.register(selector, server.validOps());
            try (var client = SocketChannel.open(address)) {
                need(selector.select(5000) == 1, "selector");
            }
        }
        need(NetworkInterface.getByName("lo").isLoopback(), "interfaces");
        need(NetworkInterface.networkInterfaces().count() > 0, "interfaces");
    }

    static void files() throws Exception {
        Path source = Path.of("source");
        Path target = Path.of("target");
        Files.write(source, new byte[100_000]);
        Files.copy(source, target);
        try (var from = FileChannel.open(source);
                var to = FileChannel.open(target, StandardOpenOption.WRITE, StandardOpenOption.READ)) {
            need(from.transferTo(0, 100_000, to) == 100_000, "transferTo");
            try (var lock = to.lock()) {
                need(lock.isValid(), "file lock");
            }
            to.map(FileChannel.MapMode.READ_WRITE, 0, 4096).force();
            to.force(true);
            to.write(ByteBuffer.allocateDirect(10));
        }
        Files.createSymbolicLink(Path.of("link"), source);
        Files.createTempDirectory("needs");
        try (var watcher = Path.of(".").getFileSystem().newWatchService()) {
            Path.of(".").register(watcher, StandardWatchEventKinds.ENTRY_CREATE);
            Files.createFile(Path.of("seen"));
            need(watcher.poll(10, TimeUnit.SECONDS) != null, "watch service");
        }
        need(new File(".").getTotalSpace() > 0, "space");
        new SecureRandom().nextBytes(new byte[16]);
    }

    public static void main(String[] arguments) throws Exception {
        threads();
        processes();
        sockets();
        files();
        System.out.println("ok");
    }
}
