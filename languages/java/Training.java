import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Compiled once while the image is made: what the compiler loads for it is archived. And compiled by each
 * compiler that waits, for exercise.
 */
public class Training {
    interface Shape {
        double area();
    }

    enum Unit { ONE, TWO }

    static class Square<T extends Number> implements Shape {
        private final T side;

        Square(T side) {
            this.side = side;
        }

        @Override
        public double area() {
            return side.doubleValue() * side.doubleValue();
        }
    }

    public static void main(String[] args) throws Exception {
        Map<String, List<Integer>> groups = new HashMap<>();
        for (int i = 0; i < 10; i++) {
            groups.computeIfAbsent(i % 2 == 0 ? "even" : "odd", key -> new ArrayList<>()).add(i);
        }
        Function<Integer, String> name = number -> "n" + number;
        String joined = IntStream.range(0, 5).boxed().map(name).collect(Collectors.joining(","));
        StringBuilder text = new StringBuilder(joined);
        Shape shape = new Square<>(2);
        try (Scanner scanner = new Scanner("1 2 3")) {
            while (scanner.hasNextInt()) {
                text.append(scanner.nextInt());
            }
        } catch (IllegalStateException failure) {
            throw new RuntimeException(failure);
        }
        switch (Unit.valueOf("ONE")) {
            case ONE:
                text.append(shape.area());
                break;
            default:
                text.append(Math.max(1, 2));
        }
        int[][] grid = new int[3][4];
        for (int[] row : grid) {
            text.append(row.length);
        }
        Thread thread = new Thread(() -> text.append(groups));
        thread.start();
        thread.join();
        System.out.printf("%s %d%n", text, groups.size());
    }
}
