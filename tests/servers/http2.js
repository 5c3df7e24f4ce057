// The routes that every test server has, over HTTP/2 without TLS: node http2.js PORT
const http2 = require("node:http2");

const routes = {
  "GET /items": [200, "[1,2,3]"],
  "POST /orders": [201, '{"id":7}'],
  "GET /fails": [500, "oops"],
  "GET /slow": [200, "slow"],
};

const server = http2.createServer();
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  const path = headers[":path"].split("?")[0];
  const method = headers[":method"];
  if (path === "/reset") return stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  const [status, body] = routes[`${method} ${path}`] ?? [404, "missing"];
  stream.resume();
  stream.on("end", () => {
    const answer = () => {
      stream.respond({ ":status": status, "content-type": "application/json" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "server-timing": "all;dur=1" }));
      stream.end(body);
    };
    if (path === "/slow") setTimeout(answer, 60);
    else answer();
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1");
