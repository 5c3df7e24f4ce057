// The routes that every test server has, and `/sized/NAME?status=S&size=N` as it is asked for: node server.js PORT [CERTIFICATE KEY]
const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");

const routes = {
  "GET /items": [200, "[1,2,3]"],
  "POST /orders": [201, '{"id":7}'],
  "GET /fails": [500, "oops"],
  "GET /slow": [200, "slow"],
};

const [port, cert, key] = process.argv.slice(2);
const handle = (request, response) => {
  const path = request.url.split("?")[0];
  let [status, body] = routes[`${request.method} ${path}`] ?? [404, "missing"];
  if (path.startsWith("/sized/")) {
    const asked = new URLSearchParams(request.url.split("?")[1]);
    [status, body] = [Number(asked.get("status")), "b".repeat(Number(asked.get("size")))];
  }
  request.resume();
  request.on("end", () => {
    const answer = () => {
      response.writeHead(status, { "Content-Type": "application/json", "Content-Length": body.length });
      response.end(body);
    };
    if (path === "/slow") setTimeout(answer, 60);
    else answer();
  });
};

const pem = (file) => fs.readFileSync(file);
const server = cert
  ? https.createServer({ cert: pem(cert), key: pem(key) }, handle)
  : http.createServer(handle);
server.keepAliveTimeout = 30_000;
server.listen(Number(port), "127.0.0.1");
