"""A compiler that waits gives what the plain one gives: the same artifact, words and exit code."""

from __future__ import annotations

import pytest

from tests.waiting.conftest import Containers
from tests.waiting.sandbox import Program

HELLO = 'public class Hello { public static void main(String[] a) { System.out.println("hi"); } }\n'

JAVA = {
    "one class": (Program(HELLO), 0, ""),
    "several classes, in packages": (
        Program(
            "package a; import b.B; class A { public static void main(String[] x) { new B().f(); } }",
            files={"b/B.java": "package b; public class B { public void f() { } }"},
        ),
        0,
        "",
    ),
    "names of the training program": (
        Program("class Training { enum Unit { A } public static void main(String[] a) { } }"),
        0,
        "",
    ),
    "lambdas, records and generics": (
        Program(
            "import java.util.*; record P<T>(T a) { public static void main(String[] x) {"
            " List.of(new P<>(1)).forEach(p -> System.out.println(p + x[0])); } }"
        ),
        0,
        "",
    ),
    "notes": (
        Program(
            "import java.util.*; class A { public static void main(String[] a) { List l = new"
            " ArrayList(); l.add(1); } }"
        ),
        0,
        "unchecked or unsafe operations",
    ),
    "errors": (
        Program('class A {\n  int f() { return "ä"; }\n  void g() { absent(); }\n}\n'),
        1,
        "Main.java:2: error: incompatible types: String cannot be converted to int",
    ),
    "a syntax error": (Program("class A {\n  int f( {\n}\n"), 1, "Main.java:2: error: "),
    "no main method": (Program("class A { }\n"), 1, "no class has a method"),
}


@pytest.mark.parametrize("name", JAVA)
def test_same(container: Containers, name: str) -> None:
    program, exit_code, shows = JAVA[name]
    cold = container("java").compile(program, waiting=False)
    assert (cold.exit_code, shows in cold.stderr) == (exit_code, True), cold
    assert bool(cold.artifact) == (exit_code == 0)
    assert container("java").compile(program, waiting=True) == cold


def test_what_was_compiled_runs(container: Containers) -> None:
    assert container("java").waiting(Program(HELLO)).stdout == "hi\n"
