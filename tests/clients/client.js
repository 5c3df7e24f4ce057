// One keep-alive connection: node client.js PORT [--tls] [--wait]; waiting, the calls after the first wait for a line on
// standard input.
const http = require(process.argv.includes("--tls") ? "node:https" : "node:http");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const port = Number(process.argv[2]);

const call = (method, path, body) =>
  new Promise((resolve, reject) => {
    const headers = body ? { "Content-Length": body.length } : {};
    const request = http.request({ host: "127.0.0.1", port, method, path, agent, headers, rejectUnauthorized: false }, (response) => {
      response.resume();
      response.on("end", resolve);
    });
    request.on("error", reject);
    request.end(body);
  });

(async () => {
  if (process.argv.includes("--wait")) {
    await call("GET", "/items?before=1");
    console.log("connected");
    await new Promise((resolve) => process.stdin.once("data", resolve));
    process.stdin.destroy();
  }
  for (let number = 0; number < 3; number += 1) await call("GET", `/items?n=${number}`);
  await call("POST", "/orders", '{"q": 12}');
  for (const path of ["/missing", "/fails", "/slow"]) await call("GET", path);
  agent.destroy();
})();
