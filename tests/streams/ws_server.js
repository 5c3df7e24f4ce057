// The same server as ws_server.py: node ws_server.js PORT (deflate | plain) [h2c | CERTIFICATE KEY]
// Over HTTP/1.1, or over HTTP/2 (RFC 8441) without or with TLS.
const fs = require('fs');
const http2 = require('http2');
const { PerMessageDeflate, WebSocket, WebSocketServer, extension } = require('ws');

const [port, compression, over, key] = process.argv.slice(2);
const deflate = compression === 'deflate' ? { threshold: 0 } : false;

if (over) {
  const settings = { enableConnectProtocol: true };
  const secrets = over === 'h2c' ? {} : { cert: fs.readFileSync(over), key: fs.readFileSync(key) };
  const server = over === 'h2c' ? http2.createServer({ settings }) : http2.createSecureServer({ settings, ...secrets });
  server.on('stream', (stream, headers) => {
    if (headers[':method'] === 'CONNECT' && headers[':protocol'] === 'websocket') open(stream, headers);
    else stream.respond({ ':status': 404 }, { endStream: true });
  });
  server.listen(Number(port), '127.0.0.1');
} else {
  const server = new WebSocketServer({ host: '127.0.0.1', port: Number(port), perMessageDeflate: deflate, handleProtocols: () => 'ticks.v1', maxPayload: 1 << 30 });
  server.on('connection', talk);
}

function open(stream, headers) {
  const answer = { ':status': 200, 'sec-websocket-protocol': 'ticks.v1' };
  const socket = new WebSocket(null, undefined, {});
  if (deflate) {
    const agreed = new PerMessageDeflate({ ...deflate, isServer: true });
    const name = PerMessageDeflate.extensionName;
    agreed.accept(extension.parse(headers['sec-websocket-extensions'])[name]);
    socket._extensions[name] = agreed;
    answer['sec-websocket-extensions'] = extension.format({ [name]: [agreed.params] });
  }
  stream.respond(answer);
  socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 1 << 30 });
  talk(socket);
}

function talk(socket) {
  socket.on('message', (data, binary) => {
    const text = binary ? '' : data.toString();
    const asked = text.startsWith('{') ? JSON.parse(text) : {};
    if (asked.type === 'subscribe') {
      for (let n = 0; n < 3; n += 1) socket.send(JSON.stringify({ type: 'tick', symbol: asked.symbol, price: 100 + n / 4 }));
    } else if (asked.type === 'fail') socket.close(1011, 'as you wish');
    else socket.send(data, { binary });
  });
}
