"""An OTLP receiver, by HTTP or gRPC, by TLS or not: reads with OpenTelemetry's own messages, writes what came as lines of
JSON."""

import argparse
import gzip
import http.server
import json
import ssl
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
arguments = argparse.ArgumentParser()
arguments.add_argument("protocol", choices=["http", "grpc"])
arguments.add_argument("--port", type=int, default=0)
arguments.add_argument("--busy", type=int, default=0, help="how many requests are answered with 503 (UNAVAILABLE) first")
arguments.add_argument("--pem", help="a file with a certificate and its key, for TLS")
arguments.add_argument("--clients", help="a file with the certificates of those who vouch for clients, which have to show one")
told = arguments.parse_args()
busy = told.busy
lock = threading.Lock()


def is_busy():
    global busy
    with lock:
        busy -= 1
        return busy >= 0


def tell(path, kind, authorization, client, body):
    asked, answer = KINDS[path]
    message = asked.FromString(body)
    message.DiscardUnknownFields()
    line = {
        "path": path,
        "type": kind,
        "authorization": authorization,
        "client": client,
        "size": len(body),
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
        if self.headers["content-encoding"] == "gzip":
            body = gzip.decompress(body)
        said = tell(self.path, self.headers["content-type"], self.headers["authorization"], self.client(), body)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def client(self):
        subject = self.connection.getpeercert()["subject"] if told.clients else ()
        return dict(pair for part in subject for pair in part).get("commonName")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A client that is not let in is no error of ours."""


def by_http():
    server = Server(("127.0.0.1", told.port), Receiver)
    if told.pem:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(told.pem)
        if told.clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(told.clients)
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
                names = context.auth_context().get("x509_common_name", [])
                client = b"".join(names).decode() or None
                return tell(path, "application/x-protobuf", metadata.get("authorization"), client, body)

            return grpc.unary_unary_rpc_method_handler(take)

    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([Services()])
    at = f"127.0.0.1:{told.port}"
    if told.pem:
        text = open(told.pem, "rb").read()
        clients = open(told.clients, "rb").read() if told.clients else None
        credentials = grpc.ssl_server_credentials([(text, text)], clients, require_client_auth=clients is not None)
        port = server.add_secure_port(at, credentials)
    else:
        port = server.add_insecure_port(at)
    server.start()
    print(json.dumps({"port": port}), flush=True)
    server.wait_for_termination()


by_grpc() if told.protocol == "grpc" else by_http()
