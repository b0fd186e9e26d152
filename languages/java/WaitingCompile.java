import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.Writer;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import javax.tools.FileObject;
import javax.tools.ForwardingJavaFileManager;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;

/**
 * A compiler that waits: it compiles the training program, and then what it is told to.
 *
 * <p>Loaded classes are not enough: the first compilation of a process takes several times as long as
 * the second. The channel is descriptor 0, since Java cannot open the one of another number.
 */
public final class WaitingCompile {
    private WaitingCompile() {
    }

    public static void main(String[] args) throws IOException {
        Locale.setDefault(Locale.ROOT);
        exercise();
        Compile.main(receive());
    }

    private static void exercise() throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        try (JavaFileManager files =
                new Discarding(compiler.getStandardFileManager(null, Locale.ROOT, StandardCharsets.UTF_8))) {
            compiler.getTask(new PrintWriter(Writer.nullWriter()), files, null, List.of("-proc:none"), null,
                    List.of(new Source())).call();
        }
    }

    /** The command's arguments behind its jar. */
    private static String[] receive() throws IOException {
        try (OutputStream channel = new FileOutputStream(FileDescriptor.in)) {
            channel.write(0);
            ByteBuffer message = ByteBuffer.wrap(System.in.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN);
            String[] argv = new String[message.getInt()];
            message.getInt();
            for (int i = 0; i < argv.length; i++) {
                byte[] word = new byte[message.getInt()];
                message.get(word);
                argv[i] = new String(word, StandardCharsets.UTF_8);
            }
            return Arrays.copyOfRange(argv, Arrays.asList(argv).indexOf("-jar") + 2, argv.length);
        }
    }

    /** The training program, which lies beside this class. */
    private static final class Source extends SimpleJavaFileObject {
        Source() {
            super(URI.create("string:///Training.java"), Kind.SOURCE);
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) throws IOException {
            try (InputStream file = WaitingCompile.class.getResourceAsStream("Training.java")) {
                return new String(file.readAllBytes(), StandardCharsets.UTF_8);
            }
        }
    }

    /** Class files that nobody wants. */
    private static final class Discarding extends ForwardingJavaFileManager<JavaFileManager> {
        Discarding(JavaFileManager files) {
            super(files);
        }

        @Override
        public JavaFileObject getJavaFileForOutput(
                Location location, String className, JavaFileObject.Kind kind, FileObject sibling) {
            return new SimpleJavaFileObject(URI.create("string:///" + className + ".class"), kind) {
                @Override
                public OutputStream openOutputStream() {
                    return OutputStream.nullOutputStream();
                }
            };
        }
    }
}
