"""HTTP rules of a service with every form of them: routes, and where each field comes from."""

import json
from contextlib import suppress

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract import AnnotatedMethod, Contract
from gateway.errors import HttpError
from gateway.json_encoder import encode
from gateway.rules import Router, bind_rules
from gateway.transcoder import request_message
from tests.unit.gateway.library import library_contract, message_class

CONTRACT = library_contract()
ROUTER = Router(bind_rules(CONTRACT))


def transcoded(verb, path, query="", body=b""):
    route = ROUTER.find(verb, path)
    return route.binding.method.name, request_message(route, query, body)


def test_every_form_of_every_rule_is_bound():
    bound = {(b.method.name, b.verb, b.template.text) for b in bind_rules(CONTRACT)}
    assert bound == {
        ("GetBook", "GET", "/v1/{name=shelves/*/books/*}"),
        ("GetBook", "GET", "/v1/books/{name}"),
        ("SearchBooks", "GET", "/v1/books"),
        ("UpdateBook", "PATCH", "/v1/books/{book_id}"),
        ("ArchiveBook", "POST", "/v1/books/{book_id}:archive"),
        ("ReadFile", "GET", "/v1/files/{name=**}"),
        ("Everything", "POST", "/v1/everything"),
    }


@pytest.mark.parametrize(
    ("verb", "path", "query", "body", "method", "expected"),
    [
        ("GET", "/v1/shelves/1/books/2", "", "", "GetBook", {"name": "shelves/1/books/2"}),
        ("GET", "/v1/books/a%2Fb", "", "", "GetBook", {"name": "a/b"}),
        ("HEAD", "/v1/books/a", "", "", "GetBook", {"name": "a"}),
        ("GET", "/v1/files/a/b", "", "", "ReadFile", {"name": "a/b"}),
        ("GET", "/v1/books", "", "", "SearchBooks", {}),
        ("GET", "/v1/books", "words=a&words=b", "", "SearchBooks", {"words": ["a", "b"]}),
        ("GET", "/v1/books", "pageSize=5", "", "SearchBooks", {"page_size": 5}),
        ("GET", "/v1/books", "page_size=1e1", "", "SearchBooks", {"page_size": 10}),
        ("GET", "/v1/books", "in_print=true", "", "SearchBooks", {"in_print": True}),
        ("GET", "/v1/books", "cover=SOFT", "", "SearchBooks", {"cover": "SOFT"}),
        ("GET", "/v1/books", "cover=1", "", "SearchBooks", {"cover": 1}),
        ("GET", "/v1/books", "isbn=1&isbn=-2", "", "SearchBooks", {"isbn": [1, -2]}),
        ("GET", "/v1/books", "cursor=_w", "", "SearchBooks", {"cursor": "/w=="}),
        ("GET", "/v1/books", "price=NaN", "", "SearchBooks", {"price": "NaN"}),
        ("GET", "/v1/books", "words=a+b%26%C3%A9", "", "SearchBooks", {"words": ["a b&é"]}),
        ("GET", "/v1/books", "descending=", "", "SearchBooks", {"descending": ""}),
        (
            "GET",
            "/v1/books",
            "filter.author_name=x&filter.inner.authorName=y&filter.inner.years=1&filter.inner.years=2",
            "",
            "SearchBooks",
            {"filter": {"author_name": "x", "inner": {"author_name": "y", "years": [1, 2]}}},
        ),
        (
            "GET",
            "/v1/books",
            "since=1970-01-01T00:00:01Z",
            "",
            "SearchBooks",
            {"since": "1970-01-01T00:00:01Z"},
        ),
        (
            "PATCH",
            "/v1/books/5",
            "updateMask=name,cover",
            '{"name": "n", "cover": "HARD"}',
            "UpdateBook",
            {"book_id": 5, "book": {"name": "n", "cover": "HARD"}, "update_mask": "name,cover"},
        ),
        ("PATCH", "/v1/books/5", "", "null", "UpdateBook", {"book_id": 5}),
        (
            "POST",
            "/v1/books/5:archive",
            "",
            '{"book": {}}',
            "ArchiveBook",
            {"book_id": 5, "book": {}},
        ),
        ("POST", "/v1/books/5%3Aarchive", "", "{}", "ArchiveBook", {"book_id": 5}),
    ],
)
def test_fields_come_from_path_query_and_body(verb, path, query, body, method, expected):
    name, message = transcoded(verb, path, query, body.encode())
    assert name == method
    assert message == json_format.ParseDict(expected, type(message)())


@pytest.mark.parametrize(
    ("verb", "path", "query", "body", "expected"),
    [
        ("GET", "/v1/books", "nope=1", "", [("nope", "UNKNOWN_FIELD")]),
        ("GET", "/v1/books", "filter=x", "", [("filter", "UNKNOWN_FIELD")]),
        ("GET", "/v1/books", "filter.nope=x", "", [("filter.nope", "UNKNOWN_FIELD")]),
        ("GET", "/v1/books", "words.x=x", "", [("words.x", "UNKNOWN_FIELD")]),
        ("GET", "/v1/books", "others.author_name=x", "", [("others.author_name", "UNKNOWN_FIELD")]),
        ("GET", "/v1/books", "labels=x", "", [("labels", "UNKNOWN_FIELD")]),
        ("GET", "/v1/books", "labels.key=x", "", [("labels.key", "UNKNOWN_FIELD")]),
        ("GET", "/v1/books", "page_size=1&page_size=1", "", [("page_size", "DUPLICATE_FIELD")]),
        ("GET", "/v1/books", "page_size=1&pageSize=1", "", [("pageSize", "DUPLICATE_FIELD")]),
        (
            "GET",
            "/v1/books",
            "filter.author_name=a&filter.authorName=a&filter.inner.years=1&filter.inner.years=2",
            "",
            [("filter.authorName", "DUPLICATE_FIELD")],
        ),
        ("GET", "/v1/books", "others=x", "", [("others", "UNKNOWN_FIELD")]),
        ("GET", "/v1/books", "page_size=x", "", [("page_size", "WRONG_TYPE")]),
        ("GET", "/v1/books", "page_size=", "", [("page_size", "WRONG_TYPE")]),
        ("GET", "/v1/books", "page_size=2147483648", "", [("page_size", "OUT_OF_RANGE")]),
        ("GET", "/v1/books", "in_print=1", "", [("in_print", "WRONG_TYPE")]),
        ("GET", "/v1/books", "cover=soft", "", [("cover", "UNKNOWN_VALUE")]),
        ("GET", "/v1/books", "since=now", "", [("since", "WRONG_TYPE")]),
        ("GET", "/v1/books", "ascending=a&descending=b", "", [("descending", "CONFLICT")]),
        (
            "GET",
            "/v1/books",
            "nope=1&page_size=x",
            "",
            [("nope", "UNKNOWN_FIELD"), ("page_size", "WRONG_TYPE")],
        ),
        ("GET", "/v1/books/a", "name=b", "", [("name", "DUPLICATE_FIELD")]),
        ("PATCH", "/v1/books/x", "", "{}", [("book_id", "WRONG_TYPE")]),
        ("PATCH", "/v1/books/5", "book.name=x", "{}", [("book.name", "UNKNOWN_FIELD")]),
        ("PATCH", "/v1/books/5", "", '{"x": 1}', [("book.x", "UNKNOWN_FIELD")]),
        ("PATCH", "/v1/books/5", "", "[]", [("book", "WRONG_TYPE")]),
        ("POST", "/v1/books/5:archive", "", '{"book_id": 6}', [("book_id", "DUPLICATE_FIELD")]),
        ("POST", "/v1/books/5:archive", "book_id=6", "{}", [("book_id", "UNKNOWN_FIELD")]),
    ],
)
def test_what_cannot_be_bound_is_named(verb, path, query, body, expected):
    with pytest.raises(HttpError) as caught:
        transcoded(verb, path, query, body.encode())
    assert caught.value.http_status == 400
    bad = json.loads(caught.value.body())["error"]["details"][1]
    assert [(v["field"], v["reason"]) for v in bad["fieldViolations"]] == expected


def test_too_many_parameters_are_refused():
    with pytest.raises(HttpError, match="at most"):
        transcoded("GET", "/v1/books", "&".join(["words=a"] * 2000))


@pytest.mark.parametrize(
    ("verb", "path", "allow"),
    [("DELETE", "/v1/books/5", "GET, HEAD, PATCH"), ("POST", "/v1/books", "GET, HEAD")],
)
def test_a_wrong_method_names_all_right_ones(verb, path, allow):
    with pytest.raises(HttpError) as caught:
        ROUTER.find(verb, path)
    assert (caught.value.http_status, caught.value.headers["Allow"]) == (405, allow)


def test_a_call_without_a_rule_or_with_a_custom_one_has_no_route():
    for path in ("/v1/books:watch", "/v1/internal", "/library.v1.Library/Internal"):
        with pytest.raises(HttpError) as caught:
            ROUTER.find("GET", path)
        assert caught.value.http_status == 404


def test_the_response_body_is_the_field_that_the_rule_names():
    binding = ROUTER.find("PATCH", "/v1/books/5").binding
    response = message_class("UpdateBookResponse")(book={"name": "n"})
    answer = json.loads(encode(response, binding.response_body))
    assert answer == {"name": "n", "authors": [], "cover": "COVER_UNSPECIFIED"}
    assert encode(type(response)(), binding.response_body) == b"null"


@given(st.sampled_from(["/v1/books", "/v1/everything"]), st.text(), st.binary())
@settings(deadline=None)
def test_any_request_is_taken_or_refused(path, query, body):
    verb = "GET" if path == "/v1/books" else "POST"
    with suppress(HttpError):  # any other exception is a crash
        transcoded(verb, path, query.encode("utf-8", "replace").decode(), body)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"get": "/v1/{nope}"}, "no path can hold the field nope"),
        ({"get": "/v1/{book.authors}"}, "no path can hold the field book.authors"),
        ({"get": "/v1/{book}"}, "no path can hold the field book"),
        ({"get": "no-slash"}, "must start with"),
        ({"post": "/v1", "body": "nope"}, "has no field nope"),
        ({"get": "/v1", "response_body": "nope"}, "has no field nope"),
        ({}, "has no pattern"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused_at_the_start(change, said):
    method = CONTRACT.service.methods_by_name["ArchiveBook"]
    rule = type(CONTRACT.methods[0].rule)(selector="x", **change)
    with pytest.raises(ValueError, match=said):
        bind_rules(Contract(CONTRACT.service, (AnnotatedMethod(method, rule),), {}))


def test_a_streaming_method_has_no_http_form_yet():
    method = CONTRACT.service.methods_by_name["WatchBooks"]
    rule = type(CONTRACT.methods[0].rule)(get="/v1/watch")
    with pytest.raises(ValueError, match="only unary"):
        bind_rules(Contract(CONTRACT.service, (AnnotatedMethod(method, rule),), {}))


def test_comments_are_found_by_full_name():
    comments = CONTRACT.comments
    assert comments["library.v1.Library"] == "Keeps books."
    assert comments["library.v1.Library.GetBook"] == "Finds one book. It must be there."
    assert comments["library.v1.Book.cover"] == "How it is bound."
    assert comments["library.v1.Book.Cover.HARD"] == "With boards."
