"""Server reflection, so that grpcurl and its like need no proto file.

grpcio-reflection serves v1alpha only, and clients ask v1 first. The two have the same messages, so the
same servicer is registered under both names, and v1 is described by a renamed copy of v1alpha's file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from grpc_reflection.v1alpha import reflection, reflection_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor_pool import DescriptorPool

_V1 = "grpc.reflection.v1.ServerReflection"


def add_reflection(server: grpc.aio.Server, *services: str) -> None:
    """Describe these services, and reflection itself, to whoever asks."""
    pool = descriptor_pool.Default()
    _describe_v1(pool)
    names = (*services, reflection.SERVICE_NAME, _V1)
    reflection.enable_server_reflection(names, server, pool=pool)
    servicer = reflection.aio.ReflectionServicer(names, pool=pool)
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handler = grpc.method_handlers_generic_handler(_V1, {"ServerReflectionInfo": method})
    server.add_generic_rpc_handlers((handler,))


def _describe_v1(pool: DescriptorPool) -> None:
    alpha = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(alpha)
    renamed = text_format.MessageToString(alpha).replace("v1alpha", "v1")
    pool.AddSerializedFile(
        text_format.Parse(renamed, descriptor_pb2.FileDescriptorProto()).SerializeToString()
    )
