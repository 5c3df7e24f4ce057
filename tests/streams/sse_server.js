// Server-sent events: node sse_server.js PORT [h2c | CERTIFICATE KEY]. `/events` ends after five, `/endless` never does,
// `/gzip` is compressed. Over HTTP/1.1, or over HTTP/2 without or with TLS.
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const zlib = require('zlib');

const [port, over, key] = process.argv.slice(2);

function serve(handler) {
  if (!over) return http.createServer(handler);
  if (over === 'h2c') return http2.createServer(handler);
  return http2.createSecureServer({ cert: fs.readFileSync(over), key: fs.readFileSync(key) }, handler);
}

serve((request, response) => {
  const path = request.url.split('?')[0];
  const headers = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' };
  let out = response;
  if (path === '/gzip') {
    response.writeHead(200, { ...headers, 'Content-Encoding': 'gzip' });
    out = zlib.createGzip({ flush: zlib.constants.Z_SYNC_FLUSH });
    out.pipe(response);
  } else response.writeHead(200, headers);
  let n = 0;
  const tick = () => {
    if (response.destroyed || response.stream?.destroyed) return;
    n += 1;
    // Cut in the middle, so that no write is an event.
    const event = `event: price\nid: ${n}\ndata: {"symbol":"AAA","price":${100 + n}}\n\n`;
    out.write(event.slice(0, 20));
    setTimeout(() => {
      out.write(event.slice(20));
      if (n === 5 && path !== '/endless') out.end(': the end\n\n');
      else setTimeout(tick, 150);
    }, 10);
  };
  setTimeout(tick, 100);
}).listen(Number(port), '127.0.0.1');
