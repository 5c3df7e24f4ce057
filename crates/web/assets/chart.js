// Time lines with labelled axes, a crosshair that all of a page share, and deploys marked.
import { html, useEffect, useRef, useState } from './vendor/preact.mjs';
import uPlot from './vendor/uplot.mjs';
import { colour, useMedia, useWidth } from './parts.js';
import { clock, date } from './format.js';

const HEIGHT = 132;

// Steps without calls are left out of an answer; a line has to fall to nothing there.
export function steps(points, from, until, step) {
  const width = step * 1000;
  const out = [];
  let last = from - width;
  const gap = (to) => {
    if (to - last <= width * 1.5) return;
    out.push({ at: last + width, empty: true });
    if (to - width > last + width * 1.5) out.push({ at: to - width, empty: true });
  };
  for (const point of points) {
    gap(point.at);
    out.push(point);
    last = point.at;
  }
  gap(until);
  return out;
}

// How much of a step was listened to: the first and the last are rarely whole. Of next to nothing little can be said.
export function heard_share({ at }, { step, listened_from: listened }) {
  const width = step * 1000;
  const heard = Math.min(at + width, Date.now()) - Math.max(at, listened);
  return Math.min(1, Math.max(0.1, heard / width));
}

function marks(deploys) {
  return (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = colour('warn');
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const deploy of deploys) {
      const x = Math.round(plot.valToPos(deploy.at / 1000, 'x', true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };
}

// A line needs two: a step between others without a value is drawn as a dot.
export function alone(values) {
  const there = (n) => values[n] !== null && values[n] !== undefined;
  return values.flatMap((_, n) => (there(n) && !there(n - 1) && !there(n + 1) ? [n] : []));
}

function lone(plot, series) {
  const found = alone(plot.data[series]);
  return found.length ? found : null;
}

function options({ width, lines, format, deploys, onCursor, range, least }) {
  const long = range[1] - range[0] > 2 * 86400;
  const axis = {
    stroke: colour('dim'), font: `11px ${colour('sans')}`, grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width, height: HEIGHT, legend: { show: false }, padding: [8, 18, 0, 0],
    cursor: { y: false, sync: { key: 'overhear' }, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { range: (plot) => plot.range_wanted ?? range }, y: { range: (plot, low, high) => [0, Math.max((high ?? 0) * 1.12, least)] } },
    axes: [
      { ...axis, size: 24, space: long ? 110 : 70, values: (plot, ticks) => ticks.map((tick) => (long ? date : clock)(tick * 1000)) },
      { ...axis, size: 52, space: 32, values: (plot, ticks) => ticks.map((tick) => (tick ? format(tick) : '0')) },
    ],
    series: [{}, ...lines.map((line) => ({
      stroke: colour(line.colour), width: line.width ?? 1.4, dash: line.dash, spanGaps: false,
      points: { show: false, size: 5, width: 0, fill: colour(line.colour), filter: lone },
      fill: line.area ? colour(`${line.colour}-soft`) : undefined,
    }))],
    hooks: { draw: [marks(deploys)], setCursor: [(plot) => onCursor(plot.cursor.idx)] },
  };
}

// `lines`: [{colour, of(point), empty, place}], the last above the others, told in the order of their places; `points` as `steps` gives them; the scale reaches to `least` at least.
export function Chart({ title, aside, points, lines, format, deploys, from, until, headline, least = 1e-4 }) {
  const [frame, width] = useWidth();
  const target = useRef(null);
  const plot = useRef(null);
  const [at, setAt] = useState(null);
  const dark = useMedia('(prefers-color-scheme: dark)');
  const data = [
    points.map((point) => point.at / 1000),
    ...lines.map((line) => points.map((point) => (point.empty ? line.empty ?? null : line.of(point) ?? null))),
  ];
  const range = [from / 1000, until / 1000];
  const latest = useRef({});
  latest.current = { data, deploys };
  useEffect(() => {
    if (!width) return undefined;
    const made = new uPlot(options({ width, lines, format, deploys, range, least, onCursor: (idx) => setAt(idx ?? null) }), latest.current.data, target.current);
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [width, dark, deploys.map((deploy) => deploy.at).join()]);
  useEffect(() => {
    if (!plot.current) return;
    plot.current.range_wanted = range;
    plot.current.setData(data);
  }, [data[0].join(), from, until]);
  const point = at === null ? null : points[at];
  const value = (line) => (point.empty ? line.empty : line.of(point));
  return html`<section class="card chart" aria-label=${`${title} over time`}>
    <h3>${title}<span>${point ? clock(point.at, true) : aside}</span></h3>
    <div class="number">${point
      ? [...lines].sort((a, b) => a.place - b.place).map((line, n) => html`${n > 0 && html`<i class="dim"> · </i>`}<span class=${`c-${line.colour}`}>${value(line) === null || value(line) === undefined ? '–' : format(value(line))}</span>`)
      : headline}</div>
    <div ref=${frame} class="plot"><div ref=${target} /></div></section>`;
}
