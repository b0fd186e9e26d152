"""REST over the gRPC service: every route is transcoded by the HTTP rules of the proto."""
