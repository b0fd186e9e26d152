"""The proto edge: the only layer that knows both protobuf and the domain."""
