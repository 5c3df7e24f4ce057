"""An OTLP receiver over HTTP: reads with OpenTelemetry's own messages, writes what came as lines of JSON.

Argument: how many requests to answer with 503 before any is taken.
"""

import http.server
import json
import sys

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace

KINDS = {
    "/v1/metrics": (metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse),
    "/v1/logs": (logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse),
    "/v1/traces": (trace.ExportTraceServiceRequest, trace.ExportTraceServiceResponse),
}
busy = int(sys.argv[1])


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global busy
        body = self.rfile.read(int(self.headers["content-length"]))
        if busy > 0:
            busy -= 1
            self.send_response(503)
            self.send_header("retry-after", "1")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        asked, answer = KINDS[self.path]
        message = asked.FromString(body)
        message.DiscardUnknownFields()
        line = {
            "path": self.path,
            "type": self.headers["content-type"],
            "authorization": self.headers["authorization"],
            # What has no field would be gone.
            "whole": message.ByteSize() == len(body),
            "text": str(message),
            "message": MessageToDict(message),
        }
        print(json.dumps(line), flush=True)
        said = answer().SerializeToString()
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(json.dumps({"port": server.server_address[1]}), flush=True)
server.serve_forever()
