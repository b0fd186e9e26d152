"""Path templates: the grammar, matching of escaped paths, captured values."""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.path_template import parse_path_template


@pytest.mark.parametrize(
    ("template", "segments", "verb", "fields"),
    [
        ("/health", ("health",), "", []),
        ("/api/v1/execute", ("api", "v1", "execute"), "", []),
        ("/api/v1/execute:stream", ("api", "v1", "execute"), "stream", []),
        ("/v1/{id}", ("v1", "*"), "", ["id"]),
        ("/v1/{a.b_c}/x", ("v1", "*", "x"), "", ["a.b_c"]),
        ("/v1/{name=shelves/*/books/*}", ("v1", "shelves", "*", "books", "*"), "", ["name"]),
        ("/v1/{name=**}:undo", ("v1", "**"), "undo", ["name"]),
        ("/v1/{a}/{b=**}", ("v1", "*", "**"), "", ["a", "b"]),
        ("/v1/*/x/**", ("v1", "*", "x", "**"), "", []),
    ],
)
def test_templates_are_tokenised(template, segments, verb, fields):
    parsed = parse_path_template(template)
    assert (parsed.segments, parsed.verb) == (segments, verb)
    assert [variable.field_path for variable in parsed.variables] == fields


@pytest.mark.parametrize(
    "template",
    ["", "health", "/", "/a//b", "/a/", "/{", "/{}", "/{a", "/a}", "/{a=}", "/{a=x//y}"],
)
def test_what_is_not_in_the_grammar_is_refused(template):
    with pytest.raises(ValueError, match="template"):
        parse_path_template(template)


@pytest.mark.parametrize(
    "template", ["/**/a", "/{a=**}/b", "/{a}b", "/{a={b}}", "/{1a}", "/a:", "/a:b/c", "/a:b:c"]
)
def test_what_has_no_meaning_is_refused(template):
    with pytest.raises(ValueError, match="template"):
        parse_path_template(template)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("/health", "/health", {}),
        ("/health", "/%68ealth", {}),
        ("/x:run", "/x:run", {}),
        ("/x:run", "/x%3Arun", {}),
        ("/x:run", "/x%3arun", {}),
        ("/v1/{id}:run", "/v1/a:b:run", {"id": "a:b"}),
        ("/v1/{id}", "/v1/a:b", {"id": "a:b"}),
        ("/v1/{id}", "/v1/a%2Fb%20%C3%A9", {"id": "a/b é"}),
        ("/v1/{name=a/*}", "/v1/a/x%2Fy%20z", {"name": "a/x%2Fy z"}),
        ("/v1/{name=**}", "/v1/a/b%20/c", {"name": "a/b /c"}),
        ("/v1/{a}/x/{b}", "/v1/1/x/2", {"a": "1", "b": "2"}),
        ("/v1/*/x", "/v1/anything/x", {}),
    ],
)
def test_paths_that_match(template, path, values):
    assert parse_path_template(template).match(path) == values


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/health", "/health/"),
        ("/health", "//health"),
        ("/health", "/Health"),
        ("/health", "health"),
        ("/health", "/health/x"),
        ("/health", "/health:x"),
        ("/x:run", "/x"),
        ("/x:run", "/x:stop"),
        ("/x:run", "/x/:run"),
        ("/v1/{id}", "/v1/"),
        ("/v1/{id}", "/v1/a/b"),
        ("/v1/{name=a/*}", "/v1/b/x"),
        ("/v1/{name=**}", "/v1/"),
    ],
)
def test_paths_that_do_not_match(template, path):
    assert parse_path_template(template).match(path) is None


def test_an_escape_that_is_no_utf8_is_told_apart_from_no_match():
    with pytest.raises(UnicodeDecodeError):
        parse_path_template("/v1/{id}").match("/v1/%ff")


@given(st.text(min_size=1))
@settings(deadline=None)
def test_any_value_survives_the_path(value):
    try:
        path = "/v1/" + quote(value, safe="") + ":run"
    except UnicodeEncodeError:  # a lone surrogate has no percent-encoding
        return
    assert parse_path_template("/v1/{id}:run").match(path) == {"id": value}


def test_the_most_specific_template_comes_first():
    texts = ["/v1/{id}", "/v1/{name=**}", "/v1/x", "/v1/{id}:run", "/v1/{name=x/*}"]
    ordered = sorted(map(parse_path_template, texts), key=lambda template: template.precedence)
    assert [template.text for template in ordered] == [
        "/v1/{id}:run",
        "/v1/{name=x/*}",
        "/v1/x",
        "/v1/{id}",
        "/v1/{name=**}",
    ]
