// The frame around the views: where one is, which time is looked at, keys, and how the listening goes.
import { html, render, useEffect, useRef, useState } from './vendor/preact.mjs';
import { address, useAnswer } from './api.js';
import { go, href, set, useUrl } from './url.js';
import { Empty, press } from './parts.js';
import { count, rate, windows } from './format.js';
import { Home } from './home.js';
import { Endpoints, Filter } from './endpoints.js';
import { Endpoint } from './endpoint.js';
import { Live, WhereBox } from './live.js';
import { ServiceMap } from './map.js';
import { Changes } from './changes.js';
import { Health, summary } from './health.js';

const VIEWS = [
  ['/', 'Home', 'h', Home], ['/endpoints', 'Endpoints', 'e', Endpoints], ['/live', 'Live', 'l', Live],
  ['/map', 'Map', 'm', ServiceMap], ['/changes', 'Changes', 'c', Changes], ['/health', 'Health', 's', Health],
];
const TIMELESS = ['/live', '/health'];

function Nav({ path }) {
  const here = path === '/endpoint' ? '/endpoints' : path;
  return html`<nav class="side" aria-label="Views"><b>overhear</b>
    ${VIEWS.map(([to, name]) => html`<a key=${to} href=${href(to)} aria-current=${to === here ? 'page' : null}>${name}</a>`)}
    <${Corner} /></nav>`;
}

// The state of the capture, always in sight.
function Corner() {
  const answer = useAnswer(address('health'), 3000);
  const last = useRef(null);
  const health = answer.data;
  if (health && health !== last.current?.health) {
    const now = { health, at: performance.now(), calls: health.statistics.captured.exchanges };
    const before = last.current;
    now.rate = before && now.at > before.at ? ((now.calls - before.calls) / (now.at - before.at)) * 1000 : null;
    last.current = now;
  }
  if (answer.error) return html`<footer><span class="bad">●</span> <span>${answer.error.message}</span></footer>`;
  if (!health) return html`<footer />`;
  const sums = summary(health);
  return html`<footer><span class=${health.trouble ? 'warn' : 'ok'}>●</span> <span>${health.started ? 'listening' : 'reading'}${last.current.rate !== null ? ` · ${rate(Math.max(0, last.current.rate))} calls/s` : ''}</span>
    <a class="wide" href=${href('/health')}>${count(sums.lost)} lost · ${count(sums.unreadable)} not readable</a>
    <button class="plain wide" onClick=${() => press('?')}>keys: ?</button></footer>`;
}

function Times({ params }) {
  const deploy = params.get('beside') === 'deploy';
  const since = params.get('since') || '1h';
  return html`<div class="seg" role="group" aria-label="Time">${windows.map(([key, name, long]) => html`<button key=${key} title=${`last ${long}`} aria-pressed=${!deploy && since === key}
    onClick=${() => set({ since: key === '1h' ? null : key, beside: null })}>${name}</button>`)}
    <button title="Each service since its own last deploy, beside the time before it" aria-pressed=${deploy} onClick=${() => set({ beside: deploy ? null : 'deploy' })}>since deploy</button></div>`;
}

function BarOf({ path, params }) {
  const find = path === '/endpoints' ? html`<${Filter} />` : path === '/live' ? html`<${WhereBox} />` : html`<${Jump} key=${path} />`;
  return html`<div class="bar-top">${find}${!TIMELESS.includes(path) && html`<${Times} params=${params} />`}</div>`;
}

// Elsewhere the box leads to the endpoints.
function Jump() {
  const find = (event) => {
    if (event.key === 'Enter' && event.target.value.trim()) go(href('/endpoints', { find: event.target.value.trim() }));
  };
  return html`<div class="q"><input id="filter" type="search" placeholder="find an endpoint" aria-label="Find an endpoint" autocomplete="off" spellcheck=${false} onKeyDown=${find} /></div>`;
}

const KEYS = [
  ['/', 'to the filter'], ['g', 'then h home, e endpoints, l live, m map, c changes, s health'], ['j k', 'down and up a list'],
  ['enter', 'open what is chosen'], ['esc', 'close, or let the filter go'], ['t', 'next time window'], ['p', 'pause the live stream'],
  ['y', 'copy the endpoint as curl'], ['o', 'say what you know of the endpoint'], ['?', 'this help'],
];

function Help({ close }) {
  const box = useRef(null);
  useEffect(() => box.current.showModal(), []);
  return html`<dialog ref=${box} onClose=${close} onClick=${(event) => event.target === box.current && close()} aria-label="Keys"><h2>Keys</h2>
    <dl class="keys">${KEYS.map(([key, what]) => html`<dt key=${key}><kbd>${key}</kbd></dt><dd>${what}</dd>`)}</dl>
    <button class="button" onClick=${close}>Close</button></dialog>`;
}

function later_window() {
  const params = new URLSearchParams(location.search);
  const at = windows.findIndex(([key]) => key === (params.get('since') || '1h'));
  set({ since: windows[(at + 1) % windows.length][0], beside: null });
}

function useKeyboard(setHelp) {
  useEffect(() => {
    let gone = 0;
    const down = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const filter = document.getElementById('filter');
      const typing = event.target.closest?.('input, textarea, dialog');
      if (event.key === 'Escape' && event.target === filter) {
        filter.blur();
        if (filter.value) set({ find: null, where: null });
        return;
      }
      if (typing || (event.key === 'Enter' && event.target.closest?.('a, button'))) return;
      if (event.key === ' ' && event.target.closest?.('button')) return;
      const to = performance.now() - gone < 1200 && VIEWS.find(([, , key]) => key === event.key);
      gone = event.key === 'g' ? performance.now() : 0;
      if (to) go(href(to[0]));
      else if (event.key === '/') { filter?.focus(); filter?.select(); }
      else if (event.key === '?') setHelp((old) => !old);
      else if (event.key === 't') later_window();
      else if (!press(event.key)) {
        if (event.key === 'Escape') document.activeElement?.blur();
        return;
      }
      event.preventDefault();
    };
    addEventListener('keydown', down);
    return () => removeEventListener('keydown', down);
  }, []);
}

// Links within the page change the view without loading it anew.
function follow(event) {
  const link = event.target.closest?.('a[href]');
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || link.target) return;
  const to = link.getAttribute('href');
  if (!to?.startsWith('/') || to.startsWith('/api/')) return;
  event.preventDefault();
  const before = location.pathname;
  go(to);
  if (location.pathname !== before) document.querySelector('main').scrollTop = 0;
}

function App() {
  const { path, params } = useUrl();
  const [help, setHelp] = useState(false);
  useKeyboard(setHelp);
  const View = path === '/endpoint' ? Endpoint : VIEWS.find(([to]) => to === path)?.[3];
  const name = path === '/endpoint' ? `${params.get('method')} ${params.get('route')}` : VIEWS.find(([to]) => to === path)?.[1] ?? '';
  useEffect(() => { document.title = `${name} · Overhear`; }, [name]);
  const whole = path === '/endpoint' ? `${params.get('service')} ${params.get('server')} ${name}` : path;
  return html`<div class="app" onClick=${follow}><${Nav} path=${path} />
    <main tabindex="-1"><${BarOf} path=${path} params=${params} />${View ? html`<${View} key=${whole} />` : html`<${Empty} title="There is no such view">Choose one beside.</${Empty}>`}</main>
    ${help && html`<${Help} close=${() => setHelp(false)} />`}</div>`;
}

const place = document.getElementById('app');
place.textContent = '';
render(html`<${App} />`, place);
