"""Whether a sketch compiles with protoc and reads what the real messages say: python3 sketch.py SKETCH.proto [--names]

With --names the sketch has the names of the real messages."""

import os
import sys
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc

SERVERS = os.path.join(os.path.dirname(__file__), "..", "servers")


def compiled(file):
    folder, name = os.path.split(os.path.abspath(file))
    out = os.path.join(tempfile.mkdtemp(), "set")
    if protoc.main(["protoc", f"-I{folder}", f"--descriptor_set_out={out}", "--include_imports", name]) != 0:
        sys.exit("protoc refuses it")
    with open(out, "rb") as read:
        files = descriptor_pb2.FileDescriptorSet.FromString(read.read())
    pool = descriptor_pool.DescriptorPool()
    for one in files.file:
        pool.Add(one)
    return pool


def message(pool, name):
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def values(message):
    """By number, so that names do not matter."""
    told = {}
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            if field.message_type.GetOptions().map_entry:
                value = sorted((("1", k), ("2", v)) for k, v in value.items())
            elif field.is_repeated:
                value = [values(one) for one in value]
                if all(set(one) == {1, 2} and all(isinstance(v, str) for v in one.values()) for one in value):
                    value = sorted((("1", one[1]), ("2", one[2])) for one in value)
            else:
                value = values(value)
        elif field.is_repeated:
            value = list(value)
        told[field.number] = value
    return told


real, sketch = compiled(os.path.join(SERVERS, "shop.proto")), compiled(sys.argv[1])
service = sketch.FindServiceByName("shop.v1.Orders")
kinds = {method.name: (method.client_streaming, method.server_streaming) for method in service.methods}
expected = {"Get": (False, False), "List": (False, True), "Upload": (True, False), "Chat": (True, True)}
if kinds != expected:
    sys.exit(f"kinds of calls: {kinds}")
method = service.methods_by_name["Get"]
if "--names" in sys.argv:
    if (method.input_type.name, method.output_type.name) != ("GetOrder", "Order"):
        sys.exit(f"names: {method.input_type.name}, {method.output_type.name}")
    fields = {field.name for field in method.output_type.fields}
    if not {"id", "customer", "lines", "tags", "codes"} <= fields:
        sys.exit(f"fields: {fields}")
Order, Line = message(real, "shop.v1.Order"), message(real, "shop.v1.Line")
order = Order(
    id=5, customer="ann", lines=[Line(title="lamp", price=9.5)], total=129.75, paid=True, codes=[1, 200, 30_000],
    state=2, tags={"colour": "red", "size": "5"}, checksum=b"\xff\xfe\x80", weight=1_005, notes=["by post", "x"],
)
read = message_factory.GetMessageClass(method.output_type).FromString(order.SerializeToString())
if values(read) != values(order):
    sys.exit(f"read as {values(read)}, not {values(order)}")
