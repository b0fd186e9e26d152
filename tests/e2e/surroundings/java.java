package somewhere.deep;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.file.Files;
import java.nio.file.Path;

public class Surroundings {
    public static void main(String[] args) throws IOException {
        String line = Files.readString(Path.of("/dev/stdin")).strip();
        System.out.println(line + " " + line.codePointCount(0, line.length()));
        Files.writeString(Path.of("/dev/stdout"), "written again\n");

        ServerSocket server = new ServerSocket(0, 1, InetAddress.getByName("localhost"));
        Thread.startVirtualThread(() -> {
            try (Socket peer = server.accept()) {
                peer.getOutputStream().write("ping".getBytes());
            } catch (IOException failure) {
                failure.printStackTrace();
            }
        });
        try (Socket client = new Socket("localhost", server.getLocalPort())) {
            System.out.println(new String(client.getInputStream().readAllBytes()));
        }
        try {
            new Socket("192.0.2.1", 80);
        } catch (SocketException failure) {
            System.out.println(failure.getMessage().contains("unreachable") ? "errno 101" : failure);
        }

        for (String folder : new String[] {"/box", "/tmp"}) {
            Path file = Path.of(folder, "ß");
            Files.writeString(file, folder);
            System.out.println(Files.readString(file));
        }
        System.out.println(Runtime.getRuntime().availableProcessors());
    }
}
