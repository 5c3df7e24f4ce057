// Small pieces that several views are made of.
import { html, useEffect, useRef, useState, useLayoutEffect } from './vendor/preact.mjs';
import { href } from './url.js';
import { p95_change } from './format.js';

// A route: parameters are visibly other than literals. Text is always set as text.
export const Route = ({ route }) => String(route).split(/(\{[^}]*\})/).map((part) =>
  part.startsWith('{') ? html`<span class="param">${part}</span>` : part);

export const endpoint_params = (id) => ({
  service: id.service, way: id.way === 'outbound' ? 'outbound' : null, server: id.server,
  protocol: id.protocol && id.protocol !== 'http' ? id.protocol : null, method: id.method, route: id.route,
});

export const endpoint_href = (id) => href('/endpoint', endpoint_params(id));

export const endpoint_key = (id) => [id.service, id.server ?? '', id.method, id.route].join(' ');

export const EndpointLink = ({ id, service = true }) => html`<a class="endpoint" href=${endpoint_href(id)}>
  <span class="method">${id.method}</span><span class="route"><${Route} route=${id.route} /></span>
  ${service && html`<span class="of">${id.service}${id.server ? ` → ${id.server}` : ''}</span>`}</a>`;

// Time lines begin when somebody began to listen, and show some steps at least.
export const shown_from = ({ from, until, listened_from: listened, step }) =>
  Math.max(from, Math.min(listened - step * 1000, until - Math.max(300000, step * 5000)));

// `line`: seconds since the window of `data` began, and a number.
export function Spark({ line, data, bad = false }) {
  const begin = shown_from(data);
  if (!line?.length) return html`<svg class="spark" viewBox="0 0 90 20" aria-hidden="true" />`;
  const most = Math.max(...line.map((point) => point[1])) * 1.1 || 1;
  const { from, until } = data;
  const x = (second) => (Math.max(0, (from + second * 1000 - begin) / Math.max(1, until - begin)) * 90).toFixed(1);
  const y = (value) => (19 - (value / most) * 18).toFixed(1);
  // A single point is a short stroke: a line needs two.
  if (line.length === 1) {
    const [[at, value]] = line;
    const whole = (until - begin) / 1000;
    const first = Math.min(at, (until - from) / 1000 - whole * 0.05);
    line = [[first, value], [first + whole * 0.05, value]];
  }
  const path = line.map(([at, value], n) => `${n ? 'L' : 'M'}${x(at)} ${y(value)}`).join('');
  const area = `${path}L${x(line[line.length - 1][0])} 20L${x(line[0][0])} 20Z`;
  return html`<svg class=${bad ? 'spark bad' : 'spark'} viewBox="0 0 90 20" preserveAspectRatio="none" aria-hidden="true">
    <path class="area" d=${area} /><path class="line" d=${path} /></svg>`;
}

export function Change({ row }) {
  const { text, tone } = p95_change(row);
  return html`<span class=${tone}>${text}</span>`;
}

export const Bar = ({ share, bad = false }) => html`<i class=${bad ? 'bar bad' : 'bar'} aria-hidden="true"
  ><i style=${{ width: `${Math.min(100, Math.max(0, share * 100)).toFixed(1)}%` }} /></i>`;

export const Empty = ({ title, children }) => html`<div class="empty"><b>${title}</b><p>${children}</p></div>`;

// What to show instead of an answer: nothing yet, or why there is none.
export function Waiting({ answer, children }) {
  if (answer.data) {
    return html`${answer.error && html`<p class="note">${answer.error.message} What is shown is from before.</p>`}${children}`;
  }
  if (answer.error) return html`<${Empty} title="No answer">${answer.error.message}</${Empty}>`;
  return html`<div class="skeleton" aria-busy="true" aria-label="Loading"><i /><i /><i /><i /></div>`;
}

// Something that can be copied: a text, or what is asked for when it is wanted.
export function Copy({ text, act, name, button = false }) {
  const [done, setDone] = useState(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text ?? await act());
      setDone('copied');
    } catch (error) {
      setDone(error.status ? error.message : 'the browser does not let it be copied');
    }
    setTimeout(() => setDone(null), 1500);
  };
  return html`<button type="button" class=${button ? 'button' : 'plain'} onClick=${copy}>${done ?? name}</button>`;
}

export const Card = ({ title, aside, children, ...rest }) => html`<section class="card" ...${rest}>
  <h3>${title}<span>${aside}</span></h3>${children}</section>`;

// Keys: the view that was mounted last is asked first.
const layers = [];

export function useKeys(keys) {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const layer = (key) => latest.current[key];
    layers.push(layer);
    return () => layers.splice(layers.indexOf(layer), 1);
  }, []);
}

export function press(key) {
  for (const layer of [...layers].reverse()) {
    const action = layer(key);
    if (action) {
      action();
      return true;
    }
  }
  return false;
}

// j and k through a list, enter to open what is chosen. `show` brings a row into sight.
export function useList(length, open, show) {
  const [at, setAt] = useState(-1);
  const move = (by) => () => {
    const next = Math.max(0, Math.min(length - 1, at + by));
    setAt(next);
    show?.(next);
  };
  useKeys({
    j: length ? move(1) : null,
    k: length ? move(-1) : null,
    ArrowDown: length && at >= 0 ? move(1) : null,
    ArrowUp: length && at >= 0 ? move(-1) : null,
    Enter: at >= 0 && at < length ? () => open(at) : null,
  });
  return [at, setAt];
}

export function useWidth() {
  const ref = useRef(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (!ref.current) return undefined;
    const watcher = new ResizeObserver(([entry]) => setWidth(Math.round(entry.contentRect.width)));
    watcher.observe(ref.current);
    return () => watcher.disconnect();
  }, []);
  return [ref, width];
}

export function useMedia(query) {
  const media = matchMedia(query);
  const [holds, setHolds] = useState(media.matches);
  useEffect(() => {
    const change = (event) => setHolds(event.matches);
    media.addEventListener('change', change);
    return () => media.removeEventListener('change', change);
  }, [query]);
  return holds;
}

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
