// Calls with several streams under way on one connection: node http2.js PORT
const http2 = require("node:http2");

const session = http2.connect(`http://127.0.0.1:${process.argv[2]}`);

function call(method, path, body) {
  return new Promise((done) => {
    const stream = session.request({ ":method": method, ":path": path, "x-caller": "test" }, { endStream: !body });
    stream.on("error", () => {});
    stream.on("close", done);
    stream.resume();
    if (body) stream.end(body);
  });
}

(async () => {
  const slow = call("GET", "/slow");
  await Promise.all([call("GET", "/items?n=0"), call("POST", "/orders", '{"q": 12}'), call("GET", "/missing")]);
  await call("GET", "/items?n=1");
  await call("GET", "/fails");
  await slow;
  if (process.argv[3] === "--reset") await call("GET", "/reset");
  session.close();
})();
