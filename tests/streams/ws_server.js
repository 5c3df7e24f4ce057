// The same server as ws_server.py: node ws_server.js PORT (deflate | plain)
const { WebSocketServer } = require('ws');

const [port, compression] = process.argv.slice(2);
const deflate = compression === 'deflate' ? { threshold: 0 } : false;
const server = new WebSocketServer({ host: '127.0.0.1', port: Number(port), perMessageDeflate: deflate, handleProtocols: () => 'ticks.v1', maxPayload: 1 << 30 });
server.on('connection', (socket) => {
  socket.on('message', (data, binary) => {
    const text = binary ? '' : data.toString();
    const asked = text.startsWith('{') ? JSON.parse(text) : {};
    if (asked.type === 'subscribe') {
      for (let n = 0; n < 3; n += 1) socket.send(JSON.stringify({ type: 'tick', symbol: asked.symbol, price: 100 + n / 4 }));
    } else if (asked.type === 'fail') socket.close(1011, 'as you wish');
    else socket.send(data, { binary });
  });
});
