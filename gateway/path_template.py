"""Path templates of HTTP rules: tokenise, match, capture.

The grammar is the one of ``google.api.HttpRule``::

    Template = "/" Segments [ ":" LITERAL ] ;
    Segments = Segment { "/" Segment } ;
    Segment  = "*" | "**" | LITERAL | "{" FieldPath [ "=" Segments ] "}" ;
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

_TOKEN = re.compile(r"\{(?P<field>[^{}=]+)(?:=(?P<inner>[^{}]+))?\}|(?P<plain>[^/{}:]+)")
_FIELD_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_VERB = re.compile(r":(?P<verb>[^/{}:]+)$")
_COLON = re.compile("%3[Aa]")
_SLASH = re.compile("%2[Ff]")

ANY, REST = "*", "**"


@dataclass(frozen=True, slots=True)
class Variable:
    """The segments ``start`` to ``stop`` (exclusive; None means the end) are a field's value."""

    field_path: str
    start: int
    stop: int | None
    joined: bool
    """More than one segment: an escaped slash stays escaped, since a plain one separates."""


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A tokenised template."""

    text: str
    segments: tuple[str, ...]
    verb: str
    variables: tuple[Variable, ...]

    @property
    def precedence(self) -> tuple[bool, int, int]:
        """Sort key, the most specific template first: a verb, more literals, more segments."""
        literals = sum(segment not in (ANY, REST) for segment in self.segments)
        return (not self.verb, -literals, -len(self.segments))

    def match(self, path: str) -> dict[str, str] | None:
        """Match a path as it was sent, still percent-encoded; return the values by field path.

        Raises:
            UnicodeDecodeError: an escape is not UTF-8.
        """
        raw = path.removeprefix("/").split("/")
        if self.verb:
            head, colon, verb = _COLON.sub(":", raw[-1]).rpartition(":")
            if not colon or unquote(verb, errors="strict") != self.verb:
                return None
            raw[-1] = head
        if not path.startswith("/") or not self._fits(raw):
            return None
        return {v.field_path: _capture(raw, v) for v in self.variables}

    def _fits(self, raw: list[str]) -> bool:
        fixed = self.segments
        if fixed[-1] == REST:
            fixed = fixed[:-1]
            raw, rest = raw[: len(fixed)], raw[len(fixed) :]
            if rest == [""]:
                return False
        return len(raw) == len(fixed) and all(map(_segment_fits, fixed, raw))


def parse_path_template(text: str) -> PathTemplate:
    """Tokenise a template.

    Raises:
        ValueError: it is not in the grammar, or ``**`` is not its last segment.
    """
    if not text.startswith("/"):
        raise ValueError(f"path template {text!r} must start with '/'")
    verb = _VERB.search(text)
    body = text[1 : verb.start()] if verb else text[1:]
    segments: list[str] = []
    variables: list[Variable] = []
    position = 0
    while True:
        token = _TOKEN.match(body, position)
        if token is None:
            raise ValueError(f"path template {text!r}: expected a segment at {position + 1}")
        _append(token, segments, variables)
        position = token.end()
        if position == len(body):
            break
        if body[position] != "/":
            raise ValueError(f"path template {text!r}: expected '/' at {position + 1}")
        position += 1
    if REST in segments[:-1]:
        raise ValueError(f"path template {text!r}: '**' must be the last segment")
    return PathTemplate(text, tuple(segments), verb["verb"] if verb else "", tuple(variables))


def _append(token: re.Match[str], segments: list[str], variables: list[Variable]) -> None:
    if token["plain"]:
        segments.append(token["plain"])
        return
    if not _FIELD_PATH.fullmatch(token["field"]):
        raise ValueError(f"path template: {token['field']!r} is not a field path")
    start = len(segments)
    inner = (token["inner"] or ANY).split("/")
    if "" in inner:
        raise ValueError(f"path template: empty segment in {token[0]!r}")
    segments.extend(inner)
    stop = None if inner[-1] == REST else len(segments)
    variables.append(Variable(token["field"], start, stop, inner != [ANY]))


def _segment_fits(segment: str, raw: str) -> bool:
    if segment == ANY:
        return raw != ""
    return unquote(raw, errors="strict") == segment


def _capture(raw: list[str], variable: Variable) -> str:
    values = raw[variable.start : variable.stop]
    if not variable.joined:
        return unquote(values[0], errors="strict")
    return "/".join(
        "%2F".join(unquote(part, errors="strict") for part in _SLASH.split(value))
        for value in values
    )
