"""All four kinds of calls, errors, compression and a deadline: python3 grpc_client.py PORT [--reflect | --talk]

`--talk` is one call alone: four messages a second, until a line comes on standard input.
"""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "servers"))

import grpc

protos, services = grpc.protos_and_services("shop.proto")



def notes():
    enough = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), enough.set()), daemon=True).start()
    while not enough.is_set():
        yield protos.Note(text=time.ctime())
        time.sleep(0.25)


with grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}") as channel:
    orders = services.OrdersStub(channel)
    if "--talk" in sys.argv:
        list(orders.Chat(notes()))
        sys.exit()
    for number in range(6):
        orders.Get(protos.GetOrder(id=number), timeout=5)
    for number in (404, 500):
        try:
            orders.Get(protos.GetOrder(id=number))
        except grpc.RpcError:
            pass
    list(orders.List(protos.ListOrders(customer="ann", limit=5)))
    orders.Upload(protos.Line(title=f"line {n}", price=n + 0.5) for n in range(3))
    list(orders.Chat(protos.Note(text=text) for text in ("one", "two")))
    orders.Get(protos.GetOrder(id=7), compression=grpc.Compression.Gzip)
    if "--reflect" in sys.argv:
        from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

        ask = reflection_pb2.ServerReflectionRequest(file_containing_symbol="shop.v1.Orders")
        list(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([ask])))
