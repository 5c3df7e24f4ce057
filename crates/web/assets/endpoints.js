// Every endpoint: a tree by service and path beside a table that stays smooth with ten thousand rows.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from './vendor/preact.mjs';
import { address, useAnswer, window_of } from './api.js';
import { go, keepScroll, scrollKept, set, useUrl } from './url.js';
import { Bar, Change, Empty, Route, Spark, Waiting, endpoint_href, endpoint_key, useList, useMedia } from './parts.js';
import { count, duration, error_tone, p95_change, plural, rate, share, window_name } from './format.js';

const share_of = (row) => row.now.errors / Math.max(1, row.now.requests);
const COLUMNS = [
  ['route', 'Endpoint', (row) => row.route, 'first'],
  ['service', 'service', (row) => row.service, 'wide'],
  ['rate', 'calls/s', (row) => row.now.rate],
  ['errors', 'errors', share_of],
  ['p50', 'p50', (row) => row.now.latency?.p50 ?? 0, 'wide'],
  ['p95', 'p95', (row) => row.now.latency?.p95 ?? 0],
  ['p99', 'p99', (row) => row.now.latency?.p99 ?? 0, 'wide'],
  ['line', 'calls', null, 'wide'],
  ['change', 'p95, before', (row) => p95_change(row).value, 'wide'],
];

function chosen(rows, { find, service, under, sort, desc }) {
  const words = find.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = rows.filter((row) => (!service || row.service === service)
    && (!under || row.route === under || row.route.startsWith(`${under}/`))
    && words.every((word) => row.text.includes(word)));
  const of = COLUMNS.find(([key]) => key === sort)?.[2] ?? COLUMNS[2][2];
  const sign = desc ? -1 : 1;
  const compare = (a, b) => {
    const [x, y] = [of(a), of(b)];
    return (x < y ? -1 : x > y ? 1 : a.key < b.key ? -sign : sign) * sign;
  };
  return kept.sort(compare);
}

const wanted = (params) => ({
  find: params.get('find') ?? '', service: params.get('service') ?? '', under: params.get('under') ?? '',
  sort: params.get('sort') || 'rate', desc: (params.get('order') ?? (['route', 'service'].includes(params.get('sort')) ? 'up' : 'down')) === 'down',
});

export function Endpoints() {
  const { params } = useUrl();
  const [many, setMany] = useState(false);
  const answer = useAnswer(address('endpoints', window_of(params)), many ? 10000 : 2000);
  const rows = useMemo(() => (answer.data?.endpoints ?? []).map((row) => {
    const key = endpoint_key(row);
    return { ...row, key, text: key.toLowerCase() };
  }), [answer.data]);
  useEffect(() => setMany(rows.length > 1500), [rows.length]);
  const want = wanted(params);
  const shown = useMemo(() => chosen(rows, want), [rows, params.toString()]);
  const services = useMemo(() => new Set(rows.map((row) => row.service)).size, [rows]);
  const filtered = shown.length !== rows.length;
  return html`<div class="fill"><div class="head"><h1>Endpoints</h1>
    <p class="sub">${answer.data ? html`${filtered ? `${count(shown.length)} of ` : ''}${plural(rows.length, 'endpoint')} in ${plural(services, 'service')}, ${window_name(params, answer.data.since)}.` : '\u00a0'}</p></div>
    <${Waiting} answer=${answer}>${answer.data && (rows.length
      ? html`<div class="cols"><${Tree} rows=${rows} want=${want} /><${Table} rows=${shown} want=${want} from=${answer.data.from} until=${answer.data.until} /></div>`
      : html`<${Empty} title="No endpoint was called in this time">Send a request to a service on this machine, or choose a longer time above.</${Empty}>`)}</${Waiting}></div>`;
}

export const Filter = () => {
  const { params } = useUrl();
  const { service, under } = wanted(params);
  return html`<div class="q">
    ${service && html`<button class="chip" title="Remove" onClick=${() => set({ service: null, under: null })}>${service}${under} ×</button>`}
    <input id="filter" type="search" placeholder="filter: words of method, path or service" aria-label="Filter endpoints" autocomplete="off" spellcheck=${false}
      value=${params.get('find') ?? ''} onInput=${(event) => set({ find: event.target.value })} /></div>`;
};

// The paths of a service, as far as two levels and so many that they can be read.
function branches(rows, service) {
  const paths = new Map();
  for (const row of rows) {
    if (row.service !== service) continue;
    const parts = row.route.split('/').slice(1, 4);
    let path = '';
    parts.forEach((part, depth) => {
      path += `/${part}`;
      const known = paths.get(path) ?? { path, part, depth, number: 0 };
      known.number += 1;
      paths.set(path, known);
    });
  }
  return [...paths.values()].sort((a, b) => (a.path < b.path ? -1 : 1)).slice(0, 300);
}

function Tree({ rows, want }) {
  const services = useMemo(() => {
    const numbers = new Map();
    rows.forEach((row) => numbers.set(row.service, (numbers.get(row.service) ?? 0) + 1));
    return [...numbers].sort(([a], [b]) => (a < b ? -1 : 1));
  }, [rows]);
  const open = want.service || (services.length === 1 ? services[0][0] : '');
  const paths = useMemo(() => (open ? branches(rows, open) : []), [rows, open]);
  const pick = (service, under) => () => {
    const again = service === want.service && (under ?? '') === want.under;
    set({ service: again && !under ? null : service, under: again ? null : under }, false);
  };
  return html`<nav class="tree" aria-label="Services and paths">${services.map(([name, number]) => html`<div key=${name}>
    <button class="service" aria-expanded=${name === open} aria-pressed=${name === want.service && !want.under} onClick=${pick(name)}>${name}<i>${count(number)}</i></button>
    ${name === open && paths.map((one) => html`<button key=${one.path} class=${`d${one.depth}`} aria-pressed=${one.path === want.under} onClick=${pick(name, one.path)}
      >/<${Route} route=${one.part} />${one.number > 1 && html`<i>${count(one.number)}</i>`}</button>`)}</div>`)}</nav>`;
}

function Table({ rows, want, from, until }) {
  const narrow = useMedia('(max-width: 760px)');
  const tall = narrow ? 54 : 34;
  const body = useRef(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(800);
  const show = (n) => {
    const box = body.current;
    if (n * tall < box.scrollTop) box.scrollTop = n * tall;
    if ((n + 1) * tall > box.scrollTop + box.clientHeight) box.scrollTop = (n + 1) * tall - box.clientHeight;
  };
  const [at, setAt] = useList(rows.length, (n) => go(endpoint_href(rows[n])), show);
  useLayoutEffect(() => {
    body.current.scrollTop = scrollKept();
    const watcher = new ResizeObserver(([entry]) => setHeight(entry.contentRect.height));
    watcher.observe(body.current);
    return () => watcher.disconnect();
  }, []);
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) {
      body.current.scrollTop = 0;
      setAt(-1);
    }
    first.current = false;
  }, [want.find, want.service, want.under, want.sort, want.desc]);
  const timer = useRef(0);
  const scrolled = () => {
    setTop(body.current.scrollTop);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => body.current && keepScroll(body.current.scrollTop), 150);
  };
  const begin = Math.max(0, Math.floor(top / tall) - 8);
  const end = Math.min(rows.length, Math.ceil((top + height) / tall) + 8);
  const most = useMemo(() => Math.log1p(Math.max(...rows.slice(0, 20000).map((row) => row.now.latency?.p95 ?? 0)) * 1000), [rows]);
  // While one scrolls, rows that stay are the very same and are not looked at again.
  const drawn = useMemo(() => new Map(), [rows, at, tall, most]);
  const line = (row, n) => {
    if (!drawn.has(row.key)) drawn.set(row.key, html`<${Row} key=${row.key} row=${row} n=${n} at=${at} tall=${tall} most=${most} from=${from} until=${until} />`);
    return drawn.get(row.key);
  };
  return html`<div class="grid" role="table" aria-rowcount=${rows.length + 1} aria-label="Endpoints">
    <div class="row head" role="row">${COLUMNS.map(([key, name, of, kind]) => Heading({ key, name, of, kind, want }))}</div>
    <div class="body" ref=${body} onScroll=${scrolled} tabindex="0"><div style=${{ height: `${rows.length * tall}px`, position: 'relative' }}>
      ${rows.slice(begin, end).map((row, n) => line(row, begin + n))}
      </div>${!rows.length && html`<${Empty} title="No endpoint is like this">Shorten the filter, or press escape to let it go.</${Empty}>`}</div></div>`;
}

function Heading({ key, name, of, kind, want }) {
  const on = want.sort === key;
  const order = on ? (want.desc ? 'descending' : 'ascending') : 'none';
  const turn = () => set({ sort: key, order: on ? (want.desc ? 'up' : 'down') : null });
  return html`<div key=${key} role="columnheader" class=${kind ?? ''} aria-sort=${order}>${of
    ? html`<button onClick=${turn}>${name}${on ? (want.desc ? ' ↓' : ' ↑') : ''}</button>` : name}</div>`;
}

function Row({ row, n, at, tall, most, from, until }) {
  const { now } = row;
  const bad = p95_change(row).tone === 'bad';
  return html`<div role="row" aria-rowindex=${n + 2} class=${n === at ? 'row at' : 'row'}
    style=${{ position: 'absolute', top: `${n * tall}px`, height: `${tall}px`, left: 0, right: 0 }}>
    <a role="cell" class="first" href=${endpoint_href(row)} title=${`${row.method} ${row.route}`}><span class="method">${row.method}</span><span class="route"><${Route} route=${row.route} /></span><span class="of">${row.service}</span></a>
    <div role="cell" class="wide dim service">${row.service}${row.server && html`<span class="faint"> → ${row.server}</span>`}</div>
    <div role="cell">${rate(now.rate)}</div>
    <div role="cell" class=${error_tone(row)}>${share(now.errors, now.requests)}</div>
    <div role="cell" class="wide dim">${duration(now.latency?.p50)}</div>
    <div role="cell" class="lat">${duration(now.latency?.p95)}<${Bar} share=${Math.log1p((now.latency?.p95 ?? 0) * 1000) / (most || 1)} bad=${bad} /></div>
    <div role="cell" class="wide dim">${duration(now.latency?.p99)}</div>
    <div role="cell" class="wide"><${Spark} line=${row.line} from=${from} until=${until} /></div>
    <div role="cell" class="wide"><${Change} row=${row} /></div></div>`;
}
