// The same client as ws_client.py: node ws_client.js PORT (deflate | plain) (bye | fail)
const { WebSocket } = require('ws');

const [port, compression, end] = process.argv.slice(2);
const socket = new WebSocket(`ws://127.0.0.1:${port}/live/prices?token=hunter2`, 'ticks.v1', { perMessageDeflate: compression === 'deflate' ? { threshold: 0 } : false, maxPayload: 1 << 30 });
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
  socket.send(Buffer.from([0, 1].concat(Array(199_998).fill(1))));
  await echo;
  if (end === 'fail') socket.send(JSON.stringify({ type: 'fail' }));
  else socket.close(1000);
});
