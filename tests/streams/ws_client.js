// The same client as ws_client.py: node ws_client.js PORT (deflate | plain) (bye | fail) [h2c | h2]
// Over HTTP/1.1, or over HTTP/2 (RFC 8441) without or with TLS, there without compression.
const http2 = require('http2');
const { WebSocket } = require('ws');

const [port, compression, end, over] = process.argv.slice(2);
const path = '/live/prices?token=hunter2';
const socket = over ? overHttp2() : new WebSocket(`ws://127.0.0.1:${port}${path}`, 'ticks.v1', { perMessageDeflate: compression === 'deflate' ? { threshold: 0 } : false, maxPayload: 1 << 30 });

function overHttp2() {
  const session = http2.connect(`${over === 'h2' ? 'https' : 'http'}://127.0.0.1:${port}`, { rejectUnauthorized: false });
  const opened = new WebSocket(null, undefined, {});
  opened._isServer = false;
  opened.on('close', () => session.close());
  session.once('remoteSettings', () => {
    const head = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, 'sec-websocket-version': '13', 'sec-websocket-protocol': 'ticks.v1' };
    const stream = session.request(head, { endStream: false });
    stream.once('response', () => opened.setSocket(stream, Buffer.alloc(0), { maxPayload: 1 << 30 }));
  });
  return opened;
}

const next = () => new Promise((resolve) => socket.once('message', resolve));

async function several(count) {
  const come = new Promise((resolve) => {
    let left = count;
    const one = () => {
      left -= 1;
      if (left) return;
      socket.off('message', one);
      resolve();
    };
    socket.on('message', one);
  });
  return come;
}

socket.once('open', async () => {
  for (const symbol of ['AAA', 'BBB']) {
    const ticks = several(3);
    socket.send(JSON.stringify({ type: 'subscribe', symbol }));
    await ticks;
  }
  let echo = next();
  for (const [n, part] of ['one ', 'message ', 'in four ', 'fragments'].entries()) socket.send(part, { fin: n === 3 });
  await echo;
  echo = next();
  // Until it is known what a connection carries, 64 KiB of it are copied: on a busy machine that takes a moment.
  await new Promise((resolve) => setTimeout(resolve, 500));
  socket.send(Buffer.from([0, 1].concat(Array(199_998).fill(1))));
  await echo;
  if (end === 'fail') socket.send(JSON.stringify({ type: 'fail' }));
  else socket.close(1000);
});
