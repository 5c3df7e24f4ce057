// The same calls by Connect, gRPC-Web and gRPC: node connect.js PORT DESCRIPTOR_SET
const fs = require("node:fs");
const { createFileRegistry, fromBinary } = require("@bufbuild/protobuf");
const { FileDescriptorSetSchema } = require("@bufbuild/protobuf/wkt");
const { createClient } = require("@connectrpc/connect");
const { createConnectTransport, createGrpcTransport, createGrpcWebTransport } = require("@connectrpc/connect-node");

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, fs.readFileSync(process.argv[3])));
const baseUrl = `http://127.0.0.1:${process.argv[2]}`;

(async () => {
  for (const transport of [
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
    createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true }),
    createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
    createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
    createGrpcTransport({ baseUrl }),
  ]) {
    const orders = createClient(registry.getService("shop.v1.Orders"), transport);
    await orders.get({ id: 7n });
    await orders.get({ id: 404n }).catch(() => {});
    for await (const order of orders.list({ customer: "ann", limit: 3 })) order.id;
  }
  process.exit(0);
})();
