"""The OpenAPI document: valid, complete, and true of what the gateway takes and sends."""

import json

import jsonschema
import pytest
from code_executor.v1 import executor_pb2 as pb
from hypothesis import given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.contract import load_contract
from gateway.errors import HttpError
from gateway.json_decoder import decode
from gateway.json_encoder import encode
from gateway.json_text import parse_json
from gateway.openapi import openapi_document
from gateway.rules import bind_rules
from tests.unit.gateway.library import library_contract
from tests.unit.gateway.messages import messages


def document_of(contract):
    return json.loads(openapi_document(contract, bind_rules(contract)))


DOCUMENT = document_of(load_contract())
LIBRARY = document_of(library_contract())


def validator(document, name):
    schema = {**document, "$ref": f"#/components/schemas/{name}"}
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("document", [DOCUMENT, LIBRARY], ids=["executor", "library"])
def test_it_is_valid_openapi(document):
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"] == "3.1.0"


def test_it_has_an_operation_for_each_form_of_each_rule():
    operations = {
        (path, verb): operation["operationId"]
        for path, item in LIBRARY["paths"].items()
        for verb, operation in item.items()
    }
    assert operations == {
        ("/v1/{name}", "get"): "GetBook",
        ("/v1/books/{name}", "get"): "GetBook2",
        ("/v1/books", "get"): "SearchBooks",
        ("/v1/books/{book_id}", "patch"): "UpdateBook",
        ("/v1/books/{book_id}:archive", "post"): "ArchiveBook",
        ("/v1/files/{name}", "get"): "ReadFile",
        ("/v1/everything", "post"): "Everything",
    }


def test_it_speaks_the_words_of_the_proto():
    execute = DOCUMENT["paths"]["/api/v1/execute"]["post"]
    assert execute["summary"] == "Runs one program to its end and returns everything that it did"
    schemas = DOCUMENT["components"]["schemas"]
    fields = schemas["ExecuteRequest"]["properties"]
    assert list(fields) == [field.name for field in pb.ExecuteRequest.DESCRIPTOR.fields]
    assert all(field["description"] for field in fields.values())
    assert "`TIMEOUT`: Wall time ran out." in schemas["ExecuteResponse.Status"]["description"]
    assert DOCUMENT["info"]["version"] == "1.0.0"


def test_query_parameters_are_the_fields_that_a_query_can_set():
    parameters = LIBRARY["paths"]["/v1/books"]["get"]["parameters"]
    names = [p["name"] for p in parameters if p["in"] == "query"]
    assert names == [
        "words",
        "page_size",
        "in_print",
        "cover",
        "filter.author_name",
        "filter.years",
        "since",
        "isbn",
        "cursor",
        "price",
        "ascending",
        "descending",
    ]
    assert parameters[0]["description"] == "Words of the title."
    assert parameters[0]["schema"] == {"type": "array", "items": {"type": "string"}}


def test_body_and_path_fields_are_no_query_parameters():
    operation = LIBRARY["paths"]["/v1/books/{book_id}"]["patch"]
    places = {p["name"]: p["in"] for p in operation["parameters"]}
    assert places == {"book_id": "path", "update_mask": "query", "Grpc-Timeout": "header"}
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["$ref"] == "#/components/schemas/Book.Response"


@given(messages())
@settings(deadline=None)
def test_the_schemas_are_true_of_what_is_written(message):
    text = encode(message)
    validator(LIBRARY, "All").validate(json.loads(text))
    answer = json.loads(text)
    # of answers it says less: no numbers without a name in enums, no NaN
    if not any(odd in str(answer) for odd in ("77", "NaN", "Infinity")):
        validator(LIBRARY, "All.Response").validate(answer)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"language": None, "code": None, "args": None, "env": None, "files": None},
        {"memory_limit_mb": "64", "timeout_seconds": "1e1", "cpu_limit": "NaN"},
        {"output_overflow": "KILL", "output_encoding": 1},
        {"files": [{"path": "a", "content": "AA==", "text": None}, {"path": "b"}]},
        {"input_bytes": "_-8"},
    ],
)
def test_what_the_schema_allows_is_taken(body):
    validator(DOCUMENT, "ExecuteRequest").validate(body)
    decode(parse_json(json.dumps(body).encode()), pb.ExecuteRequest())


@pytest.mark.parametrize(
    "body",
    [
        {"nope": 1},
        {"language": 5},
        {"memory_limit_mb": 1.5},
        {"memory_limit_mb": 2**31},
        {"memory_limit_mb": "x"},
        {"timeout_seconds": True},
        {"output_overflow": "kill"},
        {"args": ["a", None]},
        {"env": {"a": 1}},
        {"files": [None]},
        {"files": [{"content": "", "text": ""}]},
        {"input_bytes": "*"},
        [],
        None,
    ],
)
def test_what_the_schema_denies_is_refused(body):
    assert not validator(DOCUMENT, "ExecuteRequest").is_valid(body)
    with pytest.raises(HttpError):
        decode(parse_json(json.dumps(body).encode()), pb.ExecuteRequest())


async def test_it_is_served(http):
    async with http.get("/openapi.json") as response:
        assert response.status == 200
        assert await response.json() == DOCUMENT


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/nothing", None), ("POST", "/api/v1/execute", {"nope": 1}), ("PUT", "/health", None)],
)
async def test_errors_are_as_the_schema_says(http, method, path, body):
    async with http.request(method, path, json=body) as response:
        assert response.status >= 400
        validator(DOCUMENT, "Error").validate(await response.json())


async def test_answers_are_as_the_schemas_say(http):
    for method, path, name in (
        ("POST", "/api/v1/execute", "ExecuteResponse"),
        ("GET", "/api/v1/languages", "ListLanguagesResponse"),
        ("GET", "/health", "HealthResponse"),
    ):
        body = {} if method == "POST" else None
        async with http.request(method, path, json=body) as response:
            assert response.status == 200
            validator(DOCUMENT, name).validate(await response.json())
