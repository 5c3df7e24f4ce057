// Every call by when it was and how long it took; a region can be dragged.
import { html, useEffect, useRef, useState } from './vendor/preact.mjs';
import { colour, useMedia, useWidth } from './parts.js';
import { clock, count, date, duration } from './format.js';

const HEIGHT = 210;
const LEFT = 54;
const BOTTOM = 22;
const ROW = 8;

// Bins of equal height on a logarithmic scale.
export function bins(heat, rows) {
  let low = Infinity;
  let high = 0;
  for (const [, buckets] of heat) {
    for (const [from, to] of buckets) {
      low = Math.min(low, Math.max(from, 1e-6));
      high = Math.max(high, to);
    }
  }
  if (!high) return null;
  low = Math.log(low / 1.15);
  high = Math.log(high * 1.15);
  let most = 0;
  const columns = heat.map(([at, buckets]) => {
    const cells = new Array(rows).fill(0);
    for (const [from, to, calls] of buckets) {
      const middle = Math.log(Math.sqrt(Math.max(from, 1e-6) * to));
      const row = Math.min(rows - 1, Math.max(0, Math.floor(((middle - low) / (high - low)) * rows)));
      cells[row] += calls;
      most = Math.max(most, cells[row]);
    }
    return { at, cells };
  });
  return { columns, low, high, most, rows };
}

function ticks(low, high) {
  const all = [];
  for (let power = -6; power < 4; power += 1) for (const step of [1, 2, 5]) all.push(step * 10 ** power);
  const within = all.filter((tick) => Math.log(tick) > low && Math.log(tick) < high);
  return within.length > 8 ? within.filter((tick) => /^1/.test(tick.toExponential())) : within;
}

// Round times, at most so many.
function times(from, until, most) {
  const minutes = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080];
  const step = 60000 * (minutes.find((one) => (until - from) / (one * 60000) <= most) ?? 43200);
  const zone = new Date(from).getTimezoneOffset() * 60000;
  const all = [];
  for (let at = Math.ceil((from - zone) / step) * step + zone; at < until; at += step) all.push(at);
  return all;
}

function draw(canvas, { width, grid, from, until, step, deploys, region }) {
  const scale = devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = HEIGHT * scale;
  const ctx = canvas.getContext('2d');
  ctx.scale(scale, scale);
  const x = (at) => LEFT + ((at - from) / (until - from)) * (width - LEFT);
  const y = (seconds) => (HEIGHT - BOTTOM) * (1 - (Math.log(seconds) - grid.low) / (grid.high - grid.low));
  ctx.font = `11px ${colour('sans')}`;
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'right';
  for (const tick of ticks(grid.low, grid.high)) {
    if (y(tick) < 8) continue;
    ctx.fillStyle = colour('line');
    ctx.fillRect(LEFT, Math.round(y(tick)), width - LEFT, 1);
    ctx.fillStyle = colour('dim');
    ctx.fillText(duration(tick), LEFT - 8, y(tick));
  }
  const cell = ((step * 1000) / (until - from)) * (width - LEFT);
  const tall = (HEIGHT - BOTTOM) / grid.rows;
  ctx.fillStyle = colour('accent');
  for (const { at, cells } of grid.columns) {
    cells.forEach((calls, row) => {
      if (!calls) return;
      ctx.globalAlpha = 0.1 + 0.9 * Math.sqrt(calls / grid.most);
      const left = Math.max(LEFT, x(at));
      ctx.beginPath();
      ctx.roundRect(left + 0.5, HEIGHT - BOTTOM - (row + 1) * tall + 0.5, Math.max(1, cell - 1), tall - 1, Math.min(1.5, cell / 3));
      ctx.fill();
    });
  }
  ctx.globalAlpha = 1;
  ctx.textAlign = 'center';
  ctx.fillStyle = colour('dim');
  const long = until - from > 2 * 86400000;
  for (const at of times(from, until, Math.max(2, Math.floor(width / (long ? 120 : 80))))) {
    if (x(at) > LEFT + 20 && x(at) < width - 20) ctx.fillText((long ? date : clock)(at), x(at), HEIGHT - 8);
  }
  ctx.strokeStyle = colour('warn');
  ctx.setLineDash([3, 3]);
  for (const deploy of deploys) {
    ctx.beginPath();
    ctx.moveTo(x(deploy.at), 0);
    ctx.lineTo(x(deploy.at), HEIGHT - BOTTOM);
    ctx.stroke();
  }
  if (!region) return;
  ctx.setLineDash([]);
  ctx.strokeStyle = colour('ink');
  const top = y(region.hi);
  ctx.strokeRect(x(region.from), top, x(region.to) - x(region.from), y(region.lo) - top);
}

// `onRegion({from, to, lo, hi} or null)`: times in milliseconds, durations in seconds.
export function Heat({ heat, from, until, step, deploys, region, onRegion }) {
  const [frame, width] = useWidth();
  const canvas = useRef(null);
  const start = useRef(null);
  const [drag, setDrag] = useState(null);
  const [over, setOver] = useState(null);
  const dark = useMedia('(prefers-color-scheme: dark)');
  const grid = bins(heat, Math.floor((HEIGHT - BOTTOM) / ROW));
  useEffect(() => {
    if (canvas.current && width && grid) draw(canvas.current, { width, grid, from, until, step, deploys, region: drag ?? region });
  });
  const place = (event) => {
    const box = canvas.current.getBoundingClientRect();
    const right = Math.min(1, Math.max(0, (event.clientX - box.left - LEFT) / (width - LEFT)));
    const up = Math.min(1, Math.max(0, 1 - (event.clientY - box.top) / (HEIGHT - BOTTOM)));
    return { at: from + right * (until - from), seconds: Math.exp(grid.low + up * (grid.high - grid.low)), up };
  };
  const between = (a, b) => ({
    from: Math.round(Math.min(a.at, b.at)), to: Math.round(Math.max(a.at, b.at)),
    lo: Math.min(a.seconds, b.seconds), hi: Math.max(a.seconds, b.seconds),
  });
  const down = (event) => {
    start.current = { ...place(event), x: event.clientX, y: event.clientY };
    canvas.current.setPointerCapture(event.pointerId);
  };
  const move = (event) => {
    const now = place(event);
    if (start.current) setDrag(between(start.current, now));
    const column = grid.columns.find((one) => one.at <= now.at && now.at < one.at + step * 1000);
    const row = Math.min(grid.rows - 1, Math.floor(now.up * grid.rows));
    const edge = (n) => Math.exp(grid.low + (n / grid.rows) * (grid.high - grid.low));
    setOver(`${clock(now.at, true)} · ${duration(edge(row))} to ${duration(edge(row + 1))} · about ${count(column?.cells[row] ?? 0)} calls`);
  };
  const up = (event) => {
    const far = start.current && Math.hypot(event.clientX - start.current.x, event.clientY - start.current.y) > 5;
    onRegion(far ? between(start.current, place(event)) : null);
    start.current = null;
    setDrag(null);
  };
  return html`<div class="heat" ref=${frame}>${grid
    ? html`<canvas ref=${canvas} class="heat" role="img" aria-label="Latency of every call over time; drag to see calls in a region"
        onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onPointerLeave=${() => setOver(null)} />
      <div class="readout dim">${over ?? 'The stronger the colour, the more calls. Drag over a region to see its calls, click to let it go.'}</div>`
    : html`<p class="dim">No complete response in this time.</p>`}</div>`;
}
