// Calls as they come.
import { html, useEffect, useRef, useState } from './vendor/preact.mjs';
import { address, ask, useAnswer } from './api.js';
import { set, useUrl } from './url.js';
import { Empty, Route, endpoint_href, useKeys, useList } from './parts.js';
import { bytes, clock, count, duration, instant, plural } from './format.js';

const KEPT = 400;
const STATUS = 'http.response.status_code';

// The stream, newest first. While it is held, what comes waits.
function useStream(where, held) {
  const [state, setState] = useState({ calls: [], waiting: 0, passed: 0, connected: false, error: null });
  const queue = useRef([]);
  const hold = useRef(held);
  hold.current = held;
  const take = () => setState((old) => {
    const known = new Set(old.calls.map((call) => call.key));
    const news = queue.current.filter((call) => !known.has(call.key) && known.add(call.key));
    queue.current = [];
    return { ...old, calls: [...news.reverse(), ...old.calls].slice(0, KEPT), waiting: 0 };
  });
  useEffect(() => {
    if (!held && queue.current.length) take();
  }, [held]);
  useEffect(() => {
    let source;
    let again;
    let first = true;
    const abort = new AbortController();
    queue.current = [];
    setState({ calls: [], waiting: 0, passed: 0, connected: false, error: null });
    const open = () => {
      if (document.hidden || abort.signal.aborted) return;
      source?.close();
      source = new EventSource(address('live', { where }));
      source.addEventListener('exchanges', (event) => {
        const news = JSON.parse(event.data);
        queue.current = [...queue.current, ...news.exchanges].slice(-KEPT);
        if (!hold.current || first) take();
        first = false;
        setState((old) => ({ ...old, connected: true, error: null, waiting: queue.current.length, passed: old.passed + news.passed_over }));
      });
      source.addEventListener('error', () => {
        setState((old) => ({ ...old, connected: false, error: 'Not connected; trying again.' }));
        // The browser does not try again by itself when it was refused.
        clearTimeout(again);
        if (source.readyState === EventSource.CLOSED) again = setTimeout(open, 3000);
      });
    };
    // A browser has few connections to one server: a page that nobody looks at holds none.
    const turn = () => (document.hidden ? source?.close() : open());
    // A stream cannot say what is wrong with a filter; this answer can.
    ask(address('recent', { where, limit: 1 }), abort.signal).then(() => {
      document.addEventListener('visibilitychange', turn);
      open();
    }).catch((error) => {
      if (error.name !== 'AbortError') setState((old) => ({ ...old, error: error.message }));
    });
    return () => {
      abort.abort();
      clearTimeout(again);
      document.removeEventListener('visibilitychange', turn);
      source?.close();
    };
  }, [where]);
  return state;
}

export function Live() {
  const { params } = useUrl();
  const where = params.get('where') ?? '';
  const call = params.get('call');
  const paused = params.get('paused') === '1';
  const [scrolled, setScrolled] = useState(false);
  const list = useRef(null);
  const stream = useStream(where, paused || scrolled);
  const pause = () => set({ paused: paused ? null : '1' });
  const pick = (key) => set({ call: key === call ? null : key });
  const show = (n) => list.current?.querySelectorAll('.call')[n]?.scrollIntoView({ block: 'nearest' });
  const [at] = useList(stream.calls.length, (n) => pick(stream.calls[n].key), show);
  useKeys({ p: pause, ' ': pause, Escape: call ? () => set({ call: null }) : null });
  const up = () => { list.current.scrollTop = 0; };
  return html`<div class="fill"><div class="head live"><h1>Live</h1><p class="sub" aria-live="polite">${Told({ stream, paused, scrolled, up })}</p>
    <button class="button" aria-pressed=${paused} onClick=${pause}>${paused ? 'Go on' : 'Pause'}</button></div>
    ${stream.error && html`<p class="note message">${stream.error}</p>`}
    <${OpenStreams} where=${where} />
    <div class=${call ? 'live-cols open' : 'live-cols'}>
      <div class="stream" ref=${list} tabindex="0" onScroll=${() => setScrolled(list.current.scrollTop > 4)}>
        ${stream.calls.length ? html`<${Calls} calls=${stream.calls} chosen=${call} at=${at} pick=${pick} />`
          : !stream.error && html`<${Empty} title=${where ? 'No call is like this yet' : 'No call yet'}>${where ? 'Calls that match the filter will appear here as they come.' : 'Send a request to a service on this machine: it will appear here.'}</${Empty}>`}</div>
      ${call && html`<${Detail} id=${call} close=${() => set({ call: null })} />`}</div></div>`;
}

// Streams that are open: they are no calls yet.
export function OpenStreams({ where, id = {} }) {
  const answer = useAnswer(address('open', { ...id, where, limit: 20 }), 1000);
  const { streams = [], in_all: all = 0 } = answer.data ?? {};
  if (!all) return null;
  const said = (one) => {
    const client = one['stream.client.messages'];
    const server = one['stream.server.messages'];
    if (one['stream.kind'] === 'body') return `${bytes(one['stream.server.bytes'])} so far`;
    return `${client === undefined ? '' : `${plural(client, 'message')} up, `}${plural(server, one['stream.kind'] === 'events' ? 'event' : 'message')} down`;
  };
  return html`<section class="card open-streams" aria-label="Open streams"><h3>${plural(all, 'open stream')}</h3>
    <table><tbody>${streams.map((one) => html`<tr key=${one.key}><td class="faint">${clock(Date.parse(one.time), true)}</td>
      <td><span class="method">${one['http.request.method']}</span> ${one.endpoint ? html`<a href=${endpoint_href(one.endpoint)}>${one['url.path']}</a>` : one['url.path']}</td>
      <td class="dim">${one['service.name']}</td><td class="dim">${one['websocket.subprotocol'] ?? one['stream.kind']}</td>
      <td class="dim">${said(one)}</td></tr>`)}</tbody></table>
    ${all > streams.length && html`<p class="faint">and ${count(all - streams.length)} more</p>`}</section>`;
}

function Told({ stream, paused, scrolled, up }) {
  if (!stream.connected) return stream.error ? '\u00a0' : 'Connecting…';
  const passed = stream.passed ? ` ${count(stream.passed)} passed over: too many at once.` : '';
  if (paused) return `Paused, ${plural(stream.waiting, 'call')} waiting.${passed}`;
  if (scrolled) return html`<button class="plain" onClick=${up}>${plural(stream.waiting, 'new call')}, back to the newest</button>`;
  return html`<span class="ok">●</span> Calls as they come, newest first.${passed}`;
}

export function WhereBox() {
  const { params } = useUrl();
  const where = params.get('where') ?? '';
  const [text, setText] = useState(where);
  const timer = useRef(0);
  useEffect(() => setText(where), [where]);
  const later = (value, delay) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => set({ where: value.trim() }), delay);
  };
  return html`<div class="q"><input id="filter" type="search" value=${text} autocomplete="off" spellcheck=${false} aria-label="Filter calls by a CEL expression"
    placeholder='filter: http.response.status_code >= 500 && duration > 0.1' onInput=${(event) => later(event.target.value, 700)}
    onKeyDown=${(event) => event.key === 'Enter' && later(event.target.value, 0)} /></div>`;
}

// A list of calls. `brief` leaves out what is the same for all of an endpoint.
export function Calls({ calls, chosen, at = -1, pick, brief = false }) {
  return html`<div class=${brief ? 'calls brief' : 'calls'} role="listbox" aria-label="Calls">${calls.map((one, n) => html`<button key=${one.key} role="option" aria-selected=${one.key === chosen}
    class=${n === at ? 'call at' : 'call'} onClick=${() => pick(one.key)}>
    <time class="faint">${clock(Date.parse(one.time), true)}</time>
    <span class=${one['error.type'] || one[STATUS] >= 500 ? 'bad' : one[STATUS] >= 400 ? 'warn' : 'dim'}>${one[STATUS] ?? one['error.type'] ?? '–'}</span>
    <span class="path"><span class="method">${one['http.request.method']}</span>${one['url.path']}${one['url.query'] && html`<span class="faint">?${one['url.query']}</span>`}</span>
    ${!brief && html`<span class="dim of">${one['service.name']}</span>`}
    <span class="duration">${duration(one.duration)}</span></button>`)}</div>`;
}

const HIDDEN = new Set(['key', 'endpoint', 'request_headers', 'response_headers', 'request_shape', 'response_shape']);

function value(name, content) {
  if (name === 'time') return html`<time title=${content}>${instant(Date.parse(content))}</time>`;
  if (name === 'duration' || /time_to_first_/.test(name)) return duration(content);
  if (name.endsWith('.size') || name.endsWith('.bytes')) return bytes(content);
  return String(content);
}

export function Detail({ id, close }) {
  const answer = useAnswer(`/api/exchange/${encodeURIComponent(id)}`, 0);
  const one = answer.data;
  const missing = answer.error?.message ?? (!one && answer.url && !answer.stale ? 'This call is no longer kept: newer ones took its place.' : null);
  if (missing) return html`<aside class="detail card"><button class="close" aria-label="Close" onClick=${close}>×</button><p class="dim">${missing}</p></aside>`;
  if (!one) return html`<aside class="detail card" aria-busy="true" />`;
  return html`<aside class="detail card" aria-label="Call"><button class="close" aria-label="Close" onClick=${close}>×</button>
    <h2 class="title"><span class="method">${one['http.request.method']}</span> ${one['url.path']}</h2>
    ${one.endpoint && html`<p><a href=${endpoint_href(one.endpoint)}><${Route} route=${one.endpoint.route} /> of ${one.endpoint.service}</a></p>`}
    <dl class="facts">${Object.entries(one).filter(([name, content]) => !HIDDEN.has(name) && content?.length !== 0).map(([name, content]) => html`<dt key=${name}>${name}</dt><dd>${value(name, content)}</dd>`)}</dl>
    ${Head({ title: 'Request', fields: one.request_headers, shape: one.request_shape })}
    ${Head({ title: 'Response', fields: one.response_headers, shape: one.response_shape })}</aside>`;
}

function Head({ title, fields, shape }) {
  return html`<h3>${title}</h3>${fields.length ? html`<dl class="facts headers">${fields.map(([name, content], n) => html`<dt key=${n}>${name}</dt><dd>${content}</dd>`)}</dl>` : html`<p class="faint">no headers</p>`}
    ${shape && html`<pre tabindex="0" aria-label=${`Shape of the ${title.toLowerCase()} body`}>${JSON.stringify(shape, null, 2)}</pre>`}`;
}
