"""The contract as data is of the same proto and the same HTTP rules as everything else."""

import runpy
from importlib.resources import files
from pathlib import Path

import pytest
from code_executor.v1 import executor_pb2
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from gateway.contract import load_contract

ROOT = Path(__file__).parents[3]
annotate = runpy.run_path(str(ROOT / "proto" / "annotate.py"))


def shipped():
    data = files("gateway").joinpath("executor.binpb").read_bytes()
    return descriptor_pb2.FileDescriptorSet.FromString(data).file[0]


def forget_json_names(message):
    """Only protoc's descriptor set spells them out; they follow from the names."""
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        forget_json_names(nested)


def test_it_describes_the_generated_messages():
    source = shipped()
    source.ClearField("source_code_info")
    for method in source.service[0].method:
        method.ClearField("options")
    generated = descriptor_pb2.FileDescriptorProto()
    executor_pb2.DESCRIPTOR.CopyToProto(generated)
    for message in source.message_type:
        forget_json_names(message)
    assert source == generated


def test_it_has_every_rule_of_the_yaml():
    rules = annotate["read_rules"]((ROOT / "proto" / "executor_http.yaml").read_text("utf-8"))
    contract = load_contract()
    assert {m.descriptor.full_name: m.rule for m in contract.methods} == {
        rule.selector: rule for rule in rules.rules
    }


def test_every_message_field_and_value_that_clients_see_has_words():
    comments = load_contract().comments
    request = executor_pb2.ExecuteRequest.DESCRIPTOR
    assert all(field.full_name in comments for field in request.fields)
    assert comments["code_executor.v1.ExecuteRequest.timeout_seconds"].startswith("Wall time")
    assert comments["code_executor.v1.ExecuteResponse.Status.OK"].startswith("Ended by itself")


RULES = """
type: google.api.Service
config_version: 3
http:
  rules:
    - selector: p.S.M
      get: /x
"""


def file_set():
    files = descriptor_pb2.FileDescriptorSet()
    service = files.file.add(package="p").service.add(name="S")
    service.method.add(name="M")
    return files


def test_rules_become_options_of_their_methods():
    files = file_set()
    annotate["annotate"](files, annotate["read_rules"](RULES))
    options = files.file[0].service[0].method[0].options
    assert options.Extensions[annotations_pb2.http].get == "/x"


@pytest.mark.parametrize(
    ("found", "instead"),
    [("p.S.M", "p.S.Nope"), ("config_version: 3", "config_version: 2"), ("Service", "Other")],
)
def test_a_rule_that_fits_nothing_stops_the_generation(found, instead):
    with pytest.raises(SystemExit):
        annotate["annotate"](file_set(), annotate["read_rules"](RULES.replace(found, instead)))


def test_a_second_rule_for_a_method_stops_the_generation():
    text = RULES + "    - selector: p.S.M\n      get: /y\n"
    with pytest.raises(SystemExit, match=r"p\.S\.M"):
        annotate["annotate"](file_set(), annotate["read_rules"](text))
