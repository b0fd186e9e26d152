import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import javax.lang.model.element.Element;
import javax.lang.model.element.ElementKind;
import javax.lang.model.element.ExecutableElement;
import javax.lang.model.element.Modifier;
import javax.lang.model.element.TypeElement;
import javax.lang.model.type.ArrayType;
import javax.lang.model.type.TypeKind;
import javax.lang.model.type.TypeMirror;
import javax.tools.ForwardingJavaFileObject;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.StandardLocation;
import javax.tools.ToolProvider;

import com.sun.source.util.JavacTask;
import com.sun.source.util.TaskEvent;
import com.sun.source.util.TaskListener;

/**
 * Compiles all sources of the working directory into program.jar, with the main class that it finds.
 *
 * <p>The caller's program lies in Main.java whatever its public class is called, so the rule that a
 * public class decides its file's name is lifted for that file. The main class is the first class
 * with a main method: of Main.java before all other files, in the order in which they stand there,
 * a public one before the rest. Arguments are options of the compiler.
 */
public final class Compile {
    private static final Path BOX = Path.of("");
    private static final Path CLASSES = Path.of("/tmp/classes");
    private static final String MAIN_SOURCE = "Main.java";
    private static final String JAR = "program.jar";

    private Compile() {
    }

    public static void main(String[] options) throws IOException {
        Locale.setDefault(Locale.ROOT);
        Files.createDirectories(CLASSES);
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        MainClass mainClass = new MainClass();
        boolean compiled;
        try (StandardJavaFileManager files =
                compiler.getStandardFileManager(null, Locale.ROOT, StandardCharsets.UTF_8)) {
            files.setLocationFromPaths(StandardLocation.CLASS_OUTPUT, List.of(CLASSES));
            JavacTask task = (JavacTask) compiler.getTask(
                    new PrintWriter(System.err, true), files, null, options(options), null, sources(files));
            task.addTaskListener(mainClass);
            compiled = task.call();
        }
        if (!compiled) {
            System.exit(1);
        }
        if (mainClass.name == null) {
            System.err.println("error: no class has a method 'public static void main(String[] args)'");
            System.exit(1);
        }
        writeJar(mainClass.name);
    }

    private static List<String> options(String[] given) {
        List<String> options = new ArrayList<>(List.of("-proc:none", "-implicit:none"));
        options.addAll(List.of(given));
        return options;
    }

    /** Main.java first, then the others by name. */
    private static List<JavaFileObject> sources(StandardJavaFileManager files) throws IOException {
        List<Path> paths;
        try (Stream<Path> all = Files.walk(BOX)) {
            paths = all.filter(path -> path.toString().endsWith(".java") && Files.isRegularFile(path))
                    .sorted(Comparator.comparing((Path path) -> !isMainSource(path))
                            .thenComparing(Path::toString))
                    .collect(Collectors.toList());
        }
        List<JavaFileObject> sources = new ArrayList<>();
        for (Path path : paths) {
            JavaFileObject source = files.getJavaFileObjects(path).iterator().next();
            sources.add(isMainSource(path) ? new AnyName(source) : source);
        }
        return sources;
    }

    private static boolean isMainSource(Path path) {
        return path.equals(Path.of(MAIN_SOURCE));
    }

    /** Not compressed and without times: it lives for one run, and equal programs give equal jars. */
    private static void writeJar(String mainClass) throws IOException {
        Manifest manifest = new Manifest();
        Attributes attributes = manifest.getMainAttributes();
        attributes.put(Attributes.Name.MANIFEST_VERSION, "1.0");
        attributes.put(Attributes.Name.MAIN_CLASS, mainClass);
        attributes.put(Attributes.Name.CLASS_PATH, "./");
        try (OutputStream out = Files.newOutputStream(BOX.resolve(JAR));
                JarOutputStream jar = new JarOutputStream(out)) {
            jar.setLevel(0);
            putEntry(jar, JarFile.MANIFEST_NAME);
            manifest.write(jar);
            jar.closeEntry();
            for (Path file : classFiles()) {
                putEntry(jar, CLASSES.relativize(file).toString());
                Files.copy(file, jar);
                jar.closeEntry();
            }
        }
    }

    private static List<Path> classFiles() throws IOException {
        try (Stream<Path> all = Files.walk(CLASSES)) {
            return all.filter(Files::isRegularFile).sorted().collect(Collectors.toList());
        }
    }

    private static void putEntry(JarOutputStream jar, String name) throws IOException {
        ZipEntry entry = new ZipEntry(name);
        entry.setTime(0);
        jar.putNextEntry(entry);
    }

    /** A source whose public class may have any name. */
    private static final class AnyName extends ForwardingJavaFileObject<JavaFileObject> {
        AnyName(JavaFileObject source) {
            super(source);
        }

        @Override
        public boolean isNameCompatible(String simpleName, Kind kind) {
            return kind == Kind.SOURCE;
        }
    }

    /** Hears of each class once its types are known, and keeps the best one to start with. */
    private static final class MainClass implements TaskListener {
        private String name;
        private int rank = Integer.MAX_VALUE;

        @Override
        public void finished(TaskEvent event) {
            if (event.getKind() != TaskEvent.Kind.ANALYZE || event.getTypeElement() == null) {
                return;
            }
            TypeElement type = event.getTypeElement();
            boolean inMainSource = isMainSource(Path.of(event.getSourceFile().getName()));
            int found = (inMainSource ? 0 : 2) + (type.getModifiers().contains(Modifier.PUBLIC) ? 0 : 1);
            if (found < rank && type.getEnclosedElements().stream().anyMatch(MainClass::isMain)) {
                rank = found;
                name = type.getQualifiedName().toString();
            }
        }

        private static boolean isMain(Element element) {
            if (element.getKind() != ElementKind.METHOD || !element.getSimpleName().contentEquals("main")) {
                return false;
            }
            ExecutableElement method = (ExecutableElement) element;
            return method.getModifiers().containsAll(Set.of(Modifier.PUBLIC, Modifier.STATIC))
                    && method.getReturnType().getKind() == TypeKind.VOID
                    && method.getParameters().size() == 1
                    && isStrings(method.getParameters().get(0).asType());
        }

        private static boolean isStrings(TypeMirror type) {
            return type.getKind() == TypeKind.ARRAY
                    && ((ArrayType) type).getComponentType().toString().equals("java.lang.String");
        }
    }
}
