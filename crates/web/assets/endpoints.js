// Every endpoint: a tree by service and path beside a table that stays smooth with ten thousand rows.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from './vendor/preact.mjs';
import { REFRESH, address, ask, window_of } from './api.js';
import { go, keepScroll, scrollKept, set, useUrl } from './url.js';
import { Bar, Change, Empty, Route, Spark, Waiting, endpoint_href, useList, useMedia } from './parts.js';
import { count, duration, error_tone, p95_change, plural, rate, share, window_name } from './format.js';

const COLUMNS = [
  ['route', 'Endpoint', true, 'first'], ['service', 'service', true, 'wide'], ['rate', 'calls/s', true], ['errors', 'errors', true],
  ['p50', 'p50', true, 'wide'], ['p95', 'p95', true], ['p99', 'p99', true, 'wide'], ['line', 'calls', false, 'wide'], ['change', 'p95, before', true, 'wide'],
];
// Rows of one answer, and of a step in the list: what is around the rows in sight is there before one scrolls to it.
const BLOCK = 100;
const MOST = 3 * BLOCK;

const wanted = (params) => ({
  find: params.get('find') ?? '', service: params.get('service') ?? '', under: params.get('under') ?? '',
  sort: params.get('sort') || 'rate', desc: (params.get('order') ?? (['route', 'service'].includes(params.get('sort')) ? 'up' : 'down')) === 'down',
});

// The rows around those in sight, asked anew every few seconds. Scrolling goes through the list as it was counted last.
function useRows(base) {
  const question = address('endpoints', base);
  const [state, setState] = useState({ question: null, data: null, error: null, rows: new Map() });
  const place = useRef(0);
  const load = useRef(null);
  useEffect(() => {
    let abort = new AbortController();
    let timer;
    let over = false;
    let list = null;
    const round = async (within) => {
      clearTimeout(timer);
      abort.abort();
      abort = new AbortController();
      const began = performance.now();
      try {
        if (!document.hidden) {
          const data = await ask(address('endpoints', { ...base, offset: place.current, limit: MOST, list: within }), abort.signal);
          if (over) return;
          setState((old) => {
            const rows = data.list === list ? new Map(old.rows) : new Map();
            data.endpoints.forEach((row, n) => rows.set(data.offset + n, row));
            list = data.list;
            return { question, data, error: null, rows };
          });
        }
      } catch (error) {
        if (over || error.name === 'AbortError') return;
        setState((old) => ({ ...old, question, data: error.status === 0 ? old.data : null, error }));
      }
      timer = setTimeout(round, Math.max(REFRESH, (performance.now() - began) * 3));
    };
    load.current = () => round(list);
    const wake = () => !document.hidden && round();
    document.addEventListener('visibilitychange', wake);
    round();
    return () => {
      over = true;
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', wake);
    };
  }, [question]);
  const see = (first, last) => {
    const known = (n) => n < 0 || n >= (state.data?.found ?? 0) || state.rows.has(n);
    const wants = Math.max(0, Math.floor((first - BLOCK) / BLOCK) * BLOCK);
    if (wants === place.current) return;
    place.current = wants;
    if (!known(first) || !known(last - 1)) load.current?.();
  };
  return [{ ...state, stale: state.question !== question }, see];
}

export function Endpoints() {
  const { params } = useUrl();
  const want = wanted(params);
  const { find, service, under, sort, desc } = want;
  const [answer, see] = useRows({ ...window_of(params), find, service, under, sort, order: desc ? 'down' : 'up' });
  const { data } = answer;
  return html`<div class="fill"><div class="head"><h1>Endpoints</h1>
    <p class="sub">${data ? html`${data.found !== data.in_all ? `${count(data.found)} of ` : ''}${plural(data.in_all, 'endpoint')} in ${plural(data.services.length, 'service')}, ${window_name(params, data.since)}.` : '\u00a0'}</p></div>
    <${Waiting} answer=${answer}>${data && (data.in_all
      ? html`<div class="cols"><${Tree} data=${data} want=${want} /><${Table} data=${data} rows=${answer.rows} see=${see} want=${want} /></div>`
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

function Tree({ data, want }) {
  const { services } = data;
  const open = want.service || (services.length === 1 ? services[0][0] : '');
  const pick = (service, under) => () => {
    const again = service === want.service && (under ?? '') === want.under;
    set({ service: again && !under ? null : service, under: again ? null : under }, false);
  };
  return html`<nav class="tree" aria-label="Services and paths">${services.map(([name, number]) => html`<div key=${name}>
    <button class="service" aria-expanded=${name === open} aria-pressed=${name === want.service && !want.under} onClick=${pick(name)}>${name}<i>${count(number)}</i></button>
    ${name === open && (data.paths ?? []).map((one) => html`<button key=${one.path} class=${`d${one.depth}`} aria-pressed=${one.path === want.under} onClick=${pick(name, one.path)}
      >/<${Route} route=${one.path.slice(one.path.lastIndexOf('/') + 1)} />${one.number > 1 && html`<i>${count(one.number)}</i>`}</button>`)}</div>`)}</nav>`;
}

function Table({ data, rows, see, want }) {
  const { found } = data;
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
  const [at, setAt] = useList(found, (n) => rows.has(n) && go(endpoint_href(rows.get(n))), show);
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
  const end = Math.min(found, Math.ceil((top + height) / tall) + 8);
  useEffect(() => see(begin, end), [begin, end]);
  const most = Math.log1p(data.slowest * 1000);
  // While one scrolls, rows that stay are the very same and are not looked at again.
  const drawn = useMemo(() => new Map(), [rows, at, tall, most]);
  const line = (n) => {
    const row = rows.get(n);
    if (!row) return null;
    if (!drawn.has(n)) drawn.set(n, html`<${Row} key=${n} row=${row} n=${n} at=${at} tall=${tall} most=${most} data=${data} />`);
    return drawn.get(n);
  };
  const shown = [];
  for (let n = begin; n < end; n += 1) shown.push(line(n));
  return html`<div class="grid" role="table" aria-rowcount=${found + 1} aria-label="Endpoints">
    <div class="row head" role="row">${COLUMNS.map(([key, name, sorts, kind]) => Heading({ key, name, sorts, kind, want }))}</div>
    <div class="body" role="rowgroup" aria-label="Rows" ref=${body} onScroll=${scrolled} tabindex="0"><div role="presentation" style=${{ height: `${found * tall}px`, position: 'relative' }}>
      ${shown}
      </div></div>${!found && html`<${Empty} title="No endpoint is like this">Shorten the filter, or press escape to let it go.</${Empty}>`}</div>`;
}

function Heading({ key, name, sorts, kind, want }) {
  const on = want.sort === key;
  const order = on ? (want.desc ? 'descending' : 'ascending') : 'none';
  const turn = () => set({ sort: key, order: on ? (want.desc ? 'up' : 'down') : null });
  return html`<div key=${key} role="columnheader" class=${kind ?? ''} aria-sort=${order}>${sorts
    ? html`<button onClick=${turn}>${name}${on ? (want.desc ? ' ↓' : ' ↑') : ''}</button>` : name}</div>`;
}

function Row({ row, n, at, tall, most, data }) {
  const { now } = row;
  const bad = p95_change(row).tone === 'bad';
  return html`<div role="row" aria-rowindex=${n + 2} class=${n === at ? 'row at' : 'row'}
    style=${{ position: 'absolute', top: `${n * tall}px`, height: `${tall}px`, left: 0, right: 0 }}>
    <div role="cell" class="first"><a href=${endpoint_href(row)} title=${`${row.method} ${row.route}`}><span class="method">${row.method}</span><span class="route"><${Route} route=${row.route} /></span><span class="of">${row.service}</span></a></div>
    <div role="cell" class="wide dim service">${row.service}${row.server && html`<span class="faint"> → ${row.server}</span>`}</div>
    <div role="cell">${rate(now.rate)}</div>
    <div role="cell" class=${error_tone(row)}>${share(now.errors, now.requests)}</div>
    <div role="cell" class="wide dim">${duration(now.latency?.p50)}</div>
    <div role="cell" class="lat">${duration(now.latency?.p95)}<${Bar} share=${Math.log1p((now.latency?.p95 ?? 0) * 1000) / (most || 1)} bad=${bad} /></div>
    <div role="cell" class="wide dim">${duration(now.latency?.p99)}</div>
    <div role="cell" class="wide"><${Spark} line=${row.line} data=${data} /></div>
    <div role="cell" class="wide"><${Change} row=${row} /></div></div>`;
}
