// The shop of shop.proto by Connect, gRPC and gRPC-Web, over HTTP/1.1 and HTTP/2 on one port:
// node connect.js PORT DESCRIPTOR_SET
const fs = require("node:fs");
const http = require("node:http");
const http2 = require("node:http2");
const net = require("node:net");
const { createFileRegistry, fromBinary } = require("@bufbuild/protobuf");
const { FileDescriptorSetSchema } = require("@bufbuild/protobuf/wkt");
const { Code, ConnectError } = require("@connectrpc/connect");
const { connectNodeAdapter } = require("@connectrpc/connect-node");

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, fs.readFileSync(process.argv[3])));
const handler = connectNodeAdapter({
  routes: (router) =>
    router.service(registry.getService("shop.v1.Orders"), {
      get(request) {
        if (request.id === 404n) throw new ConnectError("no such order", Code.NotFound);
        return { id: request.id, customer: "ann" };
      },
      async *list(request) {
        for (let n = 0; n < request.limit; n++) yield { id: BigInt(n), customer: request.customer };
      },
    }),
});
const one = http.createServer(handler);
const two = http2.createServer(handler);
// The first bytes tell which is spoken.
const server = net.createServer((socket) => {
  socket.once("readable", () => {
    const first = socket.read();
    if (!first) return socket.destroy();
    socket.unshift(first);
    (first.subarray(0, 3).toString() === "PRI" ? two : one).emit("connection", socket);
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1");
