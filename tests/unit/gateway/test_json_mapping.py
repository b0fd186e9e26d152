"""JSON to message and back, against protobuf's own implementation and against tables."""

import base64
import json
import math

import orjson
import pytest
from google.protobuf import json_format
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gateway.errors import HttpError
from gateway.json_decoder import MAX_VIOLATIONS, decode
from gateway.json_encoder import encode
from gateway.json_text import parse_json
from tests.unit.gateway.library import message_class
from tests.unit.gateway.messages import messages
from tests.unit.gateway.test_json_text import json_values

All = message_class("All")


def decoded(text):
    message = All()
    decode(parse_json(text if isinstance(text, bytes) else text.encode()), message)
    return message


def violations(text):
    with pytest.raises(HttpError) as caught:
        decoded(text)
    assert caught.value.http_status == 400
    error = json.loads(caught.value.body())["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    info, bad = error["details"]
    assert (info["reason"], info["domain"]) == ("INVALID_REQUEST", "code-executor")
    assert all(v["description"] for v in bad["fieldViolations"])
    return [(v["field"], v["reason"]) for v in bad["fieldViolations"]]


def wire(message):
    return message.SerializeToString(deterministic=True)


@given(messages())
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_what_protobuf_writes(message):
    expected = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    assert orjson.loads(encode(message)) == expected


@given(messages())
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_read_back(message):
    assert wire(decoded(encode(message))) == wire(message)


def test_the_largest_float_is_read_as_protobuf_writes_it():
    assert decoded('{"aFloat": 3.4028235e+38}').a_float == float.fromhex("0x1.fffffep+127")
    assert violations('{"aFloat": 3.4028236e+38}') == [("a_float", "OUT_OF_RANGE")]


@given(messages())
@settings(max_examples=300, deadline=None)
def test_what_protobuf_writes_is_read(message):
    assert wire(decoded(json_format.MessageToJson(message))) == wire(message)


@given(st.sampled_from(list(All.DESCRIPTOR.fields)), json_values)
@example(All.DESCRIPTOR.fields_by_name["a_double"], 2**53 + 1)
@example(All.DESCRIPTOR.fields_by_name["by_bool"], {"true": "NaN"})
@settings(max_examples=1000, deadline=None)
def test_what_is_taken_means_the_same_to_protobuf(field, value):
    """It takes less than protobuf, which guesses; what it takes is never taken differently."""
    text = json.dumps({field.name: value})
    assume("e+" not in text)  # an integer written so is exact here, and a double to protobuf
    try:
        message = decoded(text)
    except HttpError:
        return
    assert wire(message) == wire(json_format.Parse(text, All()))


def test_fields_come_in_the_order_of_the_proto():
    written = list(orjson.loads(encode(All(a_string="x", an_int32=1, text="t"))))
    order = [field.name for field in All.DESCRIPTOR.fields]
    assert written == sorted(written, key=order.index)
    assert written[0] == "an_int32"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"an_int32": 1.0}', All(an_int32=1)),
        ('{"an_int32": 1e3}', All(an_int32=1000)),
        ('{"an_int32": "-5"}', All(an_int32=-5)),
        ('{"an_int64": "9223372036854775807"}', All(an_int64=2**63 - 1)),
        ('{"an_int64": 9007199254740993.0}', All(an_int64=2**53 + 1)),
        ('{"an_int64": 6.654823324380726e+16}', All(an_int64=66548233243807260)),
        ('{"a_uint64": 18446744073709551615}', All(a_uint64=2**64 - 1)),
        ('{"a_double": "1.5"}', All(a_double=1.5)),
        ('{"a_double": "-Infinity"}', All(a_double=-math.inf)),
        ('{"a_double": 1e-999}', All(a_double=0)),
        ('{"a_float": 3.4028234e38}', All(a_float=3.4028234e38)),
        ('{"a_bytes": "-_8"}', All(a_bytes=b"\xfb\xff")),
        ('{"a_bytes": "+/8="}', All(a_bytes=b"\xfb\xff")),
        ('{"a_bytes": ""}', All()),
        ('{"color": "BLUE"}', All(color=-2)),
        ('{"color": 1}', All(color=1)),
        ('{"color": 99}', All(color=99)),
        ('{"aString": "x", "an_int32": 2}', All(a_string="x", an_int32=2)),
        ('{"@odd": "x"}', All(odd_json_name="x")),
        ('{"odd_json_name": "x"}', All(odd_json_name="x")),
        ('{"a_string": "\\ud83d\\ude00\\u0000"}', All(a_string="\U0001f600\0")),
        ('{"a_string": null, "child": null, "strings": null, "by_string": null}', All()),
        ('{"maybe_int32": 0}', All(maybe_int32=0)),
        ('{"child": {}}', All(child=All())),
        ('{"by_bool": {"true": 1}}', All(by_bool={True: 1})),
        ('{"by_int64": {"-1": "AA=="}}', All(by_int64={-1: b"\0"})),
        ('{"text": null, "number": 0}', All(number=0)),
        ('{"value": null}', All(value={"null_value": 0})),
        ('{"timestamp": "1970-01-01T00:00:01Z"}', All(timestamp={"seconds": 1})),
        ('{"struct": {"a": [1, {"b": null}]}}', All(struct={"a": [1, {"b": None}]})),
    ],
)
def test_forms_that_are_taken(text, expected):
    assert wire(decoded(text)) == wire(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"nope": 1}', [("nope", "UNKNOWN_FIELD")]),
        ('{"A_STRING": ""}', [("A_STRING", "UNKNOWN_FIELD")]),
        ('{"child": {"children": [{}, {"x": 1}]}}', [("child.children[1].x", "UNKNOWN_FIELD")]),
        ('{"by_uint32": {"7": {"x": 1}}}', [('by_uint32["7"].x', "UNKNOWN_FIELD")]),
        ('{"a_string": "a", "a_string": "a"}', [("a_string", "DUPLICATE_FIELD")]),
        ('{"a_string": null, "aString": "a"}', [("a_string", "DUPLICATE_FIELD")]),
        ('{"child": {"aBool": true, "a_bool": true}}', [("child.a_bool", "DUPLICATE_FIELD")]),
        ('{"by_string": {"k": "1", "k": "2"}}', [('by_string["k"]', "DUPLICATE_FIELD")]),
        ('{"struct": {"a": {"b": 1, "b": 2}}}', [("struct", "DUPLICATE_FIELD")]),
        ('{"a_string": 5}', [("a_string", "WRONG_TYPE")]),
        ('{"a_string": ["x"]}', [("a_string", "WRONG_TYPE")]),
        ('{"a_bool": "true"}', [("a_bool", "WRONG_TYPE")]),
        ('{"a_bool": 1}', [("a_bool", "WRONG_TYPE")]),
        ('{"an_int32": true}', [("an_int32", "WRONG_TYPE")]),
        ('{"an_int32": 1.5}', [("an_int32", "WRONG_TYPE")]),
        ('{"an_int32": 1e-99999999}', [("an_int32", "WRONG_TYPE")]),
        ('{"an_int32": " 1"}', [("an_int32", "WRONG_TYPE")]),
        ('{"an_int32": "1_0"}', [("an_int32", "WRONG_TYPE")]),
        ('{"an_int32": ""}', [("an_int32", "WRONG_TYPE")]),
        ('{"an_int32": 2147483648}', [("an_int32", "OUT_OF_RANGE")]),
        ('{"a_uint32": -1}', [("a_uint32", "OUT_OF_RANGE")]),
        ('{"an_int64": 9223372036854775808}', [("an_int64", "OUT_OF_RANGE")]),
        ('{"an_int64": 1e999999999}', [("an_int64", "OUT_OF_RANGE")]),
        ('{"an_int64": 1e99999999999999999999}', [("an_int64", "OUT_OF_RANGE")]),
        ('{"an_int64": 1%s}' % ("0" * 100_000), [("an_int64", "OUT_OF_RANGE")]),
        ('{"a_double": 1e999}', [("a_double", "OUT_OF_RANGE")]),
        ('{"a_double": "nan"}', [("a_double", "WRONG_TYPE")]),
        ('{"a_double": "0x10"}', [("a_double", "WRONG_TYPE")]),
        ('{"a_double": {}}', [("a_double", "WRONG_TYPE")]),
        ('{"a_float": 1e39}', [("a_float", "OUT_OF_RANGE")]),
        ('{"a_bytes": "a"}', [("a_bytes", "INVALID_BASE64")]),
        ('{"a_bytes": "AA="}', [("a_bytes", "INVALID_BASE64")]),
        ('{"a_bytes": "AA==AA=="}', [("a_bytes", "INVALID_BASE64")]),
        ('{"a_bytes": "A A="}', [("a_bytes", "INVALID_BASE64")]),
        ('{"a_bytes": "\\u00e9\\u00e9"}', [("a_bytes", "INVALID_BASE64")]),
        ('{"a_bytes": 5}', [("a_bytes", "WRONG_TYPE")]),
        ('{"color": "GREEN"}', [("color", "UNKNOWN_VALUE")]),
        ('{"color": "1"}', [("color", "UNKNOWN_VALUE")]),
        ('{"color": 1.5}', [("color", "WRONG_TYPE")]),
        ('{"color": true}', [("color", "WRONG_TYPE")]),
        ('{"a_string": "a\\ud800"}', [("a_string", "INVALID_UNICODE")]),
        ('{"by_string": {"\\udfff": ""}}', [('by_string["\\udfff"]', "INVALID_UNICODE")]),
        ('{"\\ud800": 1}', [("\\ud800", "UNKNOWN_FIELD")]),
        ('{"by_string": {"a": 1}}', [('by_string["a"]', "WRONG_TYPE")]),
        ('{"by_string": {"a": null}}', [('by_string["a"]', "WRONG_TYPE")]),
        ('{"by_string": []}', [("by_string", "WRONG_TYPE")]),
        ('{"by_bool": {"1": 1}}', [('by_bool["1"]', "WRONG_TYPE")]),
        ('{"by_int64": {"x": ""}}', [('by_int64["x"]', "WRONG_TYPE")]),
        ('{"by_uint32": {"1": 5}}', [('by_uint32["1"]', "WRONG_TYPE")]),
        ('{"strings": "x"}', [("strings", "WRONG_TYPE")]),
        ('{"strings": {}}', [("strings", "WRONG_TYPE")]),
        ('{"strings": ["x", null]}', [("strings[1]", "WRONG_TYPE")]),
        ('{"children": [null]}', [("children[0]", "WRONG_TYPE")]),
        ('{"child": []}', [("child", "WRONG_TYPE")]),
        ('{"text": "a", "number": 1}', [("number", "CONFLICT")]),
        ('{"text": "a", "message": {}}', [("message", "CONFLICT")]),
        ('{"timestamp": "yesterday"}', [("timestamp", "WRONG_TYPE")]),
        ('{"timestamp": 5}', [("timestamp", "WRONG_TYPE")]),
        ('{"wrapped": "x"}', [("wrapped", "WRONG_TYPE")]),
        (
            '{"a": 1, "a_bool": 2, "strings": [1, "x", 2]}',
            [
                ("a", "UNKNOWN_FIELD"),
                ("a_bool", "WRONG_TYPE"),
                ("strings[0]", "WRONG_TYPE"),
                ("strings[2]", "WRONG_TYPE"),
            ],
        ),
    ],
)
def test_forms_that_are_refused_name_the_field(text, expected):
    assert violations(text) == expected


@pytest.mark.parametrize("text", ["null", "[]", '"x"', "5", "true"])
def test_a_body_that_is_no_object_is_refused(text):
    with pytest.raises(HttpError, match="expected a JSON object") as caught:
        decoded(text)
    assert caught.value.http_status == 400


def test_the_error_stays_small_whatever_is_sent():
    text = json.dumps({"k" * 10_000 + str(i): 1 for i in range(1000)})
    with pytest.raises(HttpError) as caught:
        decoded(text)
    error = json.loads(caught.value.body())["error"]
    assert len(error["details"][1]["fieldViolations"]) == MAX_VIOLATIONS
    assert len(caught.value.body()) < 16_384


@given(st.binary(max_size=64))
@settings(deadline=None)
def test_bytes_in_either_alphabet_padded_or_not(data):
    for text in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
        for form in (text, text.rstrip(b"=")):
            assert decoded(b'{"a_bytes": "' + form + b'"}').a_bytes == data


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(deadline=None)
def test_doubles_are_exact(number):
    assert decoded(encode(All(a_double=number))).a_double == number
