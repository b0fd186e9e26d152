"""Writes the contract as data for the gateway: descriptors, the proto's comments and HTTP rules.

usage: annotate.py DESCRIPTOR_SET HTTP_RULES OUTPUT

The proto imports nothing, so its HTTP rules stand in a file of their own. Here each rule becomes
the ``google.api.http`` option of its method, which is the form that it would have inside the proto.
The Python code that protoc generates has neither comments nor these rules.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2, json_format


def main(descriptor_set: str, http_rules: str, output: str) -> None:
    """Read both inputs and write the annotated ``FileDescriptorSet``."""
    files = descriptor_pb2.FileDescriptorSet.FromString(Path(descriptor_set).read_bytes())
    annotate(files, read_rules(Path(http_rules).read_text("utf-8")))
    for file in files.file:
        keep_comments(file.source_code_info)
    Path(output).write_bytes(files.SerializeToString(deterministic=True))


def read_rules(text: str) -> http_pb2.Http:
    """Read the ``http`` part of a gRPC API configuration; an unknown key is an error."""
    configuration = yaml.safe_load(text)
    if configuration["type"] != "google.api.Service" or configuration["config_version"] != 3:
        raise SystemExit("expected type google.api.Service and config_version 3")
    return json_format.ParseDict(configuration["http"], http_pb2.Http())


def annotate(files: descriptor_pb2.FileDescriptorSet, http: http_pb2.Http) -> None:
    """Put each rule on its method; a rule without a method, or a second one for it, is an error."""
    methods = {
        f"{file.package}.{service.name}.{method.name}": method
        for file in files.file
        for service in file.service
        for method in service.method
    }
    for rule in http.rules:
        method = methods.pop(rule.selector, None)
        if method is None:
            raise SystemExit(f"{rule.selector}: no such method, or it has a rule already")
        method.options.Extensions[annotations_pb2.http].CopyFrom(rule)


def keep_comments(source: descriptor_pb2.SourceCodeInfo) -> None:
    """Drop positions, so that moving a line in the proto changes no byte here."""
    commented = [place for place in source.location if place.leading_comments]
    del source.location[:]
    for place in commented:
        source.location.add(path=place.path, leading_comments=place.leading_comments)


if __name__ == "__main__":
    main(*sys.argv[1:])
