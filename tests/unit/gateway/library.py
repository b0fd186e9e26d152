"""Compiles library.proto into a pool of its own: messages that exist for these tests only."""

from __future__ import annotations

import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message
from grpc_tools import protoc

from gateway.contract import Contract, contract_of

PROTO = "library.proto"


@cache
def _compiled() -> tuple[FileDescriptorSet, descriptor_pool.DescriptorPool]:
    here = Path(__file__).parent
    # the API annotations are installed beside the code that protoc made of them
    includes = [here, files("grpc_tools") / "_proto", files("google.api") / ".." / ".."]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        arguments = ["protoc", *(f"-I{path}" for path in includes), f"--descriptor_set_out={out}"]
        options = ["--include_imports", "--include_source_info", PROTO]
        assert protoc.main([*arguments, *options]) == 0
        compiled = FileDescriptorSet.FromString(out.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in compiled.file:
        pool.Add(file)
    return compiled, pool


def library_contract() -> Contract:
    compiled, pool = _compiled()
    source = next(file for file in compiled.file if file.name == PROTO)
    return contract_of(pool.FindFileByName(PROTO), source)


def message_class(name: str) -> type[Message]:
    descriptor = _compiled()[1].FindMessageTypeByName(f"library.v1.{name}")
    return message_factory.GetMessageClass(descriptor)
