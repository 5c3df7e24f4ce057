// What needs a look: what got worse, what changed, what is new, and how the listening goes.
import { html } from './vendor/preact.mjs';
import { address, useAnswer, window_of } from './api.js';
import { href, go, set, useUrl } from './url.js';
import { Bar, Change, Empty, EndpointLink, Route, Spark, Waiting, endpoint_href, useList } from './parts.js';
import { ago, clock, count, duration, error_tone, finding, p95_change, plural, short, rate, share, window_name } from './format.js';
import { told } from './changes.js';
import { Capture } from './health.js';

// Findings that are told at once.
const MOST = 6;

export function Home() {
  const { params } = useUrl();
  const answer = useAnswer(address('overview', window_of(params)));
  const data = answer.data;
  const worse = (data?.worse ?? []).slice(0, params.get('all') === '1' ? undefined : MOST);
  const [at] = useList(worse.length, (n) => go(endpoint_href(worse[n])));
  return html`<h1>Home</h1>
    <p class="sub">${data ? html`${plural(data.endpoints_in_all, 'endpoint')} in ${plural(data.services.length, 'service')}, ${window_name(params, data.since)}.` : '\u00a0'}</p>
    <${Waiting} answer=${answer}>${data && html`<div class="home">
      <div>
        <h2>Got worse</h2>${Worse({ data, rows: worse, at })}
        <div class="two"><div><h2>Failing</h2>${Failing({ data })}</div><div><h2>Slow</h2>${Slow({ data })}</div></div>
        <h2>Services</h2>${Services({ data })}
      </div>
      <div>
        <h2>New <a class="more" href=${href('/changes')}>${data.changes_in_all > 8 ? `all ${count(data.changes_in_all)}` : ''}</a></h2>${News({ data })}
        <h2>Listening <a class="more" href=${href('/health')}>more</a></h2><${Capture} health=${data.health} />
      </div></div>`}</${Waiting}>`;
}

function Worse({ data, rows, at }) {
  if (!data.worse.length) {
    if (data.endpoints_in_all && !data.compared) return html`<p class="quiet">Nothing to compare with yet: the time before was not listened to.</p>`;
    return data.endpoints_in_all
      ? html`<p class="quiet"><span class="ok">●</span> Nothing got worse by more than chance.</p>`
      : html`<${Empty} title="Nothing was heard in this time">Send a request to a service on this machine, or choose a longer time above. <a href=${href('/health')}>Health</a> tells what is heard and what cannot be.</${Empty}>`;
  }
  const rest = data.worse.length - rows.length;
  return html`<ul class="findings">${rows.map((row, n) => html`<li key=${endpoint_href(row)} class=${n === at ? 'at' : ''}>
    <a href=${endpoint_href(row)}><b>${finding(row.worse)}</b>
      <span class="endpoint"><span class="method">${row.method}</span><span class="route"><${Route} route=${row.route} /></span></span>
      <span class="dim of">${row.service}${row.server ? ` → ${row.server}` : ''} · ${short(row.now.requests)} calls</span></a>
    <${Spark} line=${row.line} data=${data} bad /></li>`)}</ul>${rest > 0 && html`<button class="plain" onClick=${() => set({ all: '1' })}>${plural(rest, 'more endpoint')} got worse</button>`}`;
}

// Both answer without a time before.
function Failing({ data }) {
  if (!data.failing.length) return html`<p class="quiet">${data.endpoints_in_all ? 'No call failed.' : 'No call was heard.'}</p>`;
  return html`<ul class="look failing">${data.failing.map((row) => html`<li key=${endpoint_href(row)}>
    <${EndpointLink} id=${row} /><span class="amount"><b class="bad">${share(row.now.errors, row.now.requests)}</b>
    <span class="dim"> ${plural(row.now.errors, 'error')}${row['error.type'] ? html`, ${row.now.errors > 1 ? 'mostly ' : ''}<b>${row['error.type']}</b>` : ''} · ${rate(row.now.rate)} calls/s</span></span></li>`)}</ul>`;
}

function Slow({ data }) {
  if (!data.slow.length) return html`<p class="quiet">No call was answered.</p>`;
  return html`<ul class="look slow">${data.slow.map((row) => html`<li key=${endpoint_href(row)}>
    <${EndpointLink} id=${row} /><span class="amount">p95 <b>${duration(row.now.latency?.p95)}</b>
    <span class="dim"> · ${rate(row.now.rate)} calls/s</span></span></li>`)}</ul>`;
}

function Services({ data }) {
  if (!data.services.length) return html`<p class="dim">No service answered a call in this time.</p>`;
  const most = Math.max(...data.services.map((row) => row.now.latency?.p95 ?? 0));
  return html`<div class="scroll"><table class="services"><thead><tr><th>Service</th><th>calls/s</th><th>errors</th><th>p95</th><th class="wide">calls over time</th>${data.compared && html`<th class="wide">p95, before</th>`}</tr></thead>
    <tbody>${data.services.map((row) => html`<tr key=${row.name}>
      <td><a href=${href('/endpoints', { service: row.name })}>${row.name}</a> <span class="faint">${count(row.endpoints)}</span></td>
      <td>${rate(row.now.rate)}</td>
      <td class=${error_tone(row)}>${share(row.now.errors, row.now.requests)}</td>
      <td><span class="lat">${duration(row.now.latency?.p95)} <${Bar} share=${(row.now.latency?.p95 ?? 0) / (most || 1)} bad=${p95_change(row).tone === 'bad'} /></span></td>
      <td class="wide"><${Spark} line=${row.line} data=${data} /></td>
      ${data.compared && html`<td class="wide"><${Change} row=${row} /></td>`}</tr>`)}</tbody></table></div>`;
}

function News({ data }) {
  const first = data.first_heard;
  return html`${first && html`<p class="quiet">${plural(first.endpoints, 'endpoint was', 'endpoints were')} heard for the first time since ${clock(first.since)}.</p>`}
    ${data.changes.length ? html`<ul class="news">${data.changes.slice(0, 8).map((one, n) => html`<li key=${n}>
    <span>${told(one)}</span><time class="faint">${ago(one.at)}</time><${EndpointLink} id=${one.endpoint} /></li>`)}</ul>`
    : !first && html`<p class="dim">No endpoint, status or caller that was not there before.</p>`}`;
}
