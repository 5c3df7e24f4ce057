"""The shop of shop.proto over gRPC, with reflection: python3 grpc_server.py PORT"""

import os
import sys
from concurrent import futures

sys.path.insert(0, os.path.dirname(__file__))

import grpc
from grpc_reflection.v1alpha import reflection

protos, services = grpc.protos_and_services("shop.proto")


def order(number):
    return protos.Order(
        id=number,
        customer=f"customer {number}",
        lines=[protos.Line(title="lamp", price=9.5, change=-3), protos.Line(title="table", price=120.25)],
        total=129.75 + number,
        paid=number % 2 == 0,
        codes=[1, 200, 30_000 + number],
        state=number % 3,
        tags={"colour": "red", "size": str(number)},
        checksum=bytes([255, 254, number, 128]),
        weight=1_000 + number,
        notes=["by post", "in the morning"],
    )


class Orders(services.OrdersServicer):
    def Get(self, request, context):
        if request.id == 404:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such order")
        if request.id == 500:
            context.abort(grpc.StatusCode.INTERNAL, "broken")
        return order(request.id)

    def List(self, request, context):
        for number in range(request.limit):
            yield order(number)

    def Upload(self, requests, context):
        lines = list(requests)
        return protos.Summary(lines=len(lines), total=sum(line.price for line in lines))

    def Chat(self, requests, context):
        for note in requests:
            yield protos.Note(text=f"heard: {note.text}")


server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
services.add_OrdersServicer_to_server(Orders(), server)
names = (protos.DESCRIPTOR.services_by_name["Orders"].full_name, reflection.SERVICE_NAME)
reflection.enable_server_reflection(names, server)
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
