"""An OTLP receiver, by HTTP or gRPC, by TLS or not: reads with OpenTelemetry's own messages, writes what came as lines of
JSON.

Arguments: how many requests to answer with 503 (UNAVAILABLE) before any is taken; http or grpc; a file with a certificate
and its key, for TLS.
"""

import http.server
import json
import ssl
import sys
import threading
from concurrent import futures

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace

KINDS = {
    "/v1/metrics": (metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse),
    "/v1/logs": (logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse),
    "/v1/traces": (trace.ExportTraceServiceRequest, trace.ExportTraceServiceResponse),
}
METHODS = {
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "/v1/metrics",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "/v1/logs",
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "/v1/traces",
}
busy, protocol, pem = int(sys.argv[1]), sys.argv[2], (sys.argv[3:] or [None])[0]
lock = threading.Lock()


def is_busy():
    global busy
    with lock:
        busy -= 1
        return busy >= 0


def tell(path, kind, authorization, body):
    asked, answer = KINDS[path]
    message = asked.FromString(body)
    message.DiscardUnknownFields()
    line = {
        "path": path,
        "type": kind,
        "authorization": authorization,
        # What has no field would be gone.
        "whole": message.ByteSize() == len(body),
        "text": str(message),
        "message": MessageToDict(message),
    }
    with lock:
        print(json.dumps(line), flush=True)
    return answer().SerializeToString()


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if is_busy():
            self.send_response(503)
            self.send_header("retry-after", "1")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        said = tell(self.path, self.headers["content-type"], self.headers["authorization"], body)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


def by_http():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    if pem:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    server.serve_forever()


def by_grpc():
    import grpc

    class Services(grpc.GenericRpcHandler):
        def service(self, call):
            path = METHODS[call.method]

            def take(body, context):
                if is_busy():
                    context.abort(grpc.StatusCode.UNAVAILABLE, "busy: 503")
                metadata = dict(context.invocation_metadata())
                return tell(path, "application/x-protobuf", metadata.get("authorization"), body)

            return grpc.unary_unary_rpc_method_handler(take)

    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([Services()])
    if pem:
        text = open(pem, "rb").read()
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(text, text)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"port": port}), flush=True)
    server.wait_for_termination()


by_grpc() if protocol == "grpc" else by_http()
