// One endpoint in depth.
import { html, useState } from './vendor/preact.mjs';
import { address, ask, useAnswer, window_of } from './api.js';
import { href, set, useUrl } from './url.js';
import { Bar, Copy, Empty, Route, Waiting, endpoint_href, endpoint_key, endpoint_params, shown_from, useKeys } from './parts.js';
import { Chart, heard_share, steps } from './chart.js';
import { Heat } from './heat.js';
import { Calls, Detail, OpenStreams } from './live.js';
import { Edit } from './edit.js';
import { ago, bytes, change, count, deploy_name, duration, error_tone, finding, moment, p95_change, percent, plural, rate, share, window_name } from './format.js';

const id_of = (params) => ({
  service: params.get('service'), way: params.get('way'), server: params.get('server'), protocol: params.get('protocol'), method: params.get('method'), route: params.get('route'),
});

export function Endpoint() {
  const { params } = useUrl();
  const id = id_of(params);
  const asked = { ...endpoint_params(id), ...window_of(params) };
  const answer = useAnswer(address('endpoint', asked));
  const described = useAnswer(address('describe', endpoint_params(id)), 10000);
  const known = useAnswer(address('said', endpoint_params(id)), 10000).data;
  const [editing, setEditing] = useState(false);
  useKeys({ y: async () => navigator.clipboard?.writeText(await curl_of(id, described.data)), o: () => setEditing(true) });
  if (!id.service || !id.method || !id.route) return html`<h1 class="unseen">Endpoint</h1><${Empty} title="No endpoint is named">Choose one under <a href=${href('/endpoints')}>Endpoints</a>.</${Empty}>`;
  const open = html`<${OpenStreams} id=${endpoint_params(id)} />`;
  const uncalled = answer.data && !answer.data.endpoint && !answer.stale;
  // One that is open is no call yet; what went over it is known all the same.
  if (uncalled && described.data?.messages) return html`<h1><span class="dim light">${id.method}</span> <${Route} route=${id.route} /></h1>
    <p class="sub">No call of it is over yet.</p>${open}${Messages({ data: described.data })}`;
  if (uncalled) return html`<h1 class="unseen">Endpoint</h1><${Empty} title="This endpoint was never called"><code>${id.method} ${id.route}</code> of ${id.service} is not among what was heard: its route may have been written otherwise since. <a href=${href('/endpoints')}>Endpoints</a> lists all that were.</${Empty}>`;
  const data = answer.data?.endpoint ? answer.data : null;
  return html`<h1><span class="dim light">${id.method}</span> <${Route} route=${id.route} />${known?.summary && html` <span class="dim light called">${known.summary}</span>`}</h1>
    ${known?.description && html`<p class="sub said">${known.description}</p>`}
    <p class="sub">${Sub({ id, data, described: described.data, params, known, edit: () => setEditing(true) })}</p>
    <${Waiting} answer=${answer}>${data && html`
      ${Worse({ row: data.endpoint, data })}
      ${open}
      ${Lines({ data })}
      <h2>Duration of every call</h2>${HeatCard({ data, params })}
      ${Recent({ id, params, data })}
      <div class="two"><div>${Shape({ described, params })}${Messages({ data: described.data })}${Models({ data: described.data })}</div>
      <div>${Statuses({ row: data.endpoint })}${Callers({ row: data.endpoint })}<${Links} id=${id} params=${params} /></div></div>`}</${Waiting}>
    ${editing && html`<${Edit} id=${id} known=${known} close=${() => setEditing(false)} />`}`;
}

// The last deploy of the service that is looked at.
const deployed = (data) => [...(data?.deploys ?? []), ...(data?.since ?? [])].filter((one) => one.service === data.endpoint.service).pop();

function Sub({ id, data, described, params, known, edit }) {
  const last = deployed(data);
  const callers = (data?.endpoint.callers ?? []).slice(0, 3).map((one) => one.name);
  return html`<a href=${href('/endpoints', { service: id.service })}>${id.service}</a>${id.server ? ` asks ${id.server}` : ''}
    ${described && ` · first heard ${ago(described.first_seen)}`}${callers.length > 0 && ` · called by ${callers.join(', ')}`}
    ${last && html` · deploy <code>${deploy_name(last)}</code> ${ago(last.at)}`}${params.get('beside') === 'deploy' && html` · ${data?.since.length ? 'since that deploy, beside the time before it' : window_name(params)}`}${known?.owner && html` · of ${known.owner}`}${known?.ignore && html` · <span class="warn">left out of documents</span>`}
    <span class="acts"><${Copy} act=${() => curl_of(id, described)} name="copy as curl" /> <${Copy} act=${() => fragment(id)} name="copy as OpenAPI" /> <button class="plain" onClick=${edit}>say what you know</button></span>`;
}

function Worse({ row, data }) {
  if (!row.worse) return null;
  const deploy = deployed(data);
  return html`<p class="note"><b>${finding(row.worse)}</b>${deploy && html`; <code>${deploy.version ?? 'a restart'}</code> of ${deploy.service} was deployed at ${moment(deploy.at)}`}. <span class="dim">${plural(row.now.requests, 'call')} beside ${count(row.before.requests)}; more than chance.</span></p>`;
}

function Lines({ data }) {
  const { endpoint, until, step, deploys } = data;
  const from = shown_from(data);
  const { now, before } = endpoint;
  const points = steps(endpoint.points, from, until, step);
  const common = { points, from, until, deploys };
  const was = (text) => (before ? html` <small class="dim">was ${text}</small>` : '');
  const l = now.latency;
  return html`<h2 class="unseen">Over time</h2><div class="cards charts">
    <${Chart} ...${common} title="Calls" aside="per second" format=${rate} headline=${html`${rate(now.rate)}${was(rate(before?.rate))}`}
      lines=${[{ colour: 'accent', area: true, empty: 0, of: (point) => point.rate / heard_share(point, data) }]} />
    <${Chart} ...${common} title="Errors" least=${0.01} aside=${now.errors_hidden ? `share · ${plural(now.errors_hidden, 'hidden error')} in 2xx` : 'share'} format=${percent}
      headline=${html`${share(now.errors, now.requests)}${was(before && share(before.errors, before.requests))}`}
      lines=${[{ colour: 'bad', area: true, empty: null, of: (point) => point.errors / point.requests }]} />
    <${Chart} ...${common} title="Duration" aside="p50 · p95 · p99" format=${duration}
      headline=${html`${duration(l?.p50)} · <b>${duration(l?.p95)}</b> · ${duration(l?.p99)}${was(duration(before?.latency?.p95))}`}
      lines=${[
        { colour: 'dim', place: 0, of: (point) => point.latency?.p50 },
        { colour: 'faint', place: 2, dash: [4, 3], of: (point) => point.latency?.p99 },
        { colour: 'accent', place: 1, width: 2, of: (point) => point.latency?.p95 }]} /></div>`;
}

const region_of = (params) => (params.get('hi')
  ? { from: Number(params.get('from')), to: Number(params.get('to')), lo: Number(params.get('lo')), hi: Number(params.get('hi')) } : null);

function HeatCard({ data, params }) {
  const onRegion = (region) => set(region
    ? { from: region.from, to: region.to, lo: region.lo.toPrecision(4), hi: region.hi.toPrecision(4) }
    : { from: null, to: null, lo: null, hi: null });
  return html`<section class="card"><${Heat} heat=${data.endpoint.heat} from=${shown_from(data)} until=${data.until} step=${data.step}
    deploys=${data.deploys} region=${region_of(params)} onRegion=${onRegion} /></section>`;
}

function Recent({ id, params, data }) {
  return html`<${RecentCalls} id=${id} region=${region_of(params)} call=${params.get('call')} from=${data.from} />`;
}

function RecentCalls({ id, region, call }) {
  const asked = { ...endpoint_params(id), limit: 8 };
  if (region) {
    asked.since = region.from;
    asked.until = region.to;
    asked.where = `duration >= ${decimal(region.lo)} && duration <= ${decimal(region.hi)}`;
  }
  const answer = useAnswer(address('recent', asked));
  const calls = answer.data?.exchanges ?? [];
  return html`<h2>${region ? `Calls from ${moment(region.from)} to ${moment(region.to)}, ${duration(region.lo)} to ${duration(region.hi)}` : 'Last calls'}
    ${region && html`<button class="plain" onClick=${() => set({ from: null, to: null, lo: null, hi: null })}>all</button>`}</h2>
    ${calls.length ? html`<div class="with-detail"><${Calls} calls=${calls} chosen=${call} pick=${(key) => set({ call: key === call ? null : key })} brief />
      ${call && html`<${Detail} id=${call} close=${() => set({ call: null })} />`}</div>`
      : html`<p class="dim">${answer.error ? answer.error.message : region ? 'None of the calls in this region are kept any more: only the most recent ones are. Drag nearer to now.' : 'No recent call is kept.'}</p>`}`;
}

// CEL wants its numbers with a point.
const decimal = (value) => (Number.isInteger(value) ? `${value}.0` : value.toFixed(9));

function Statuses({ row }) {
  const all = row.statuses.reduce((sum, one) => sum + one.now, 0);
  const earlier = row.statuses.reduce((sum, one) => sum + one.before, 0);
  return html`<h2>Statuses</h2><section class="card lines">${row.statuses.filter((one) => one.now || one.before).map((one) => html`<div key=${one.status}>
    <span class=${one.status >= 500 || one.status === null ? 'bad' : ''}>${one.status ?? 'no response'}</span>
    <span><${Bar} share=${one.now / Math.max(1, all)} bad=${one.status >= 500} /> ${share(one.now, all)}</span>
    <span class="dim">${count(one.now)}</span>
    <span class="dim">${row.before ? (one.before ? `was ${share(one.before, earlier)}` : html`<b class=${one.status >= 500 ? 'bad' : ''}>new</b>`) : ''}</span></div>`)}
    ${row.errors.filter((one) => !/^\d+$/.test(one['error.type'])).map((one) => html`<div key=${one['error.type']}><span class="dim">error.type</span><span><code>${one['error.type']}</code></span><span class="dim">${count(one.requests)}</span><span /></div>`)}</section>`;
}

function Callers({ row }) {
  return html`<h2>Callers</h2><section class="card lines">${row.callers.length ? row.callers.map((one) => {
    const turn = one.before ? change(one.now.rate, one.before.rate) : { text: 'new', tone: '' };
    return html`<div key=${one.name}><span>${one.name}</span><span><${Bar} share=${one.now.requests / Math.max(1, row.now.requests)} /> ${share(one.now.requests, row.now.requests)}</span>
      <span class="dim">${rate(one.now.rate)}/s</span><span class="dim">${turn.text}</span></div>`;
  }) : html`<p class="dim">Nobody on this machine is known to call it.</p>`}</section>`;
}

// What calls make other calls, as far as that is certain. Where nobody listens it is not known: all that the service makes.
function Links({ id, params }) {
  const answer = useAnswer(address('links', endpoint_params(id)), 5000);
  if (!answer.data) return null;
  const { links } = answer.data;
  if (!links) return id.server ? null : html`<${Callees} id=${id} params=${params} />`;
  const list = (title, made, per) => made.length > 0 && html`<h2>${title}</h2><section class="card lines links">${made.map((one) => html`<div key=${endpoint_key(one)}>
    <span><a href=${endpoint_href(one)}>${one.method} <${Route} route=${one.route} /></a> <small class="dim">${one.server ?? one.service}</small></span>
    <span>${per(one)}</span><span class=${one.errors ? 'bad' : ''}>${one.errors ? share(one.errors, one.requests) : ''}</span><span title="in the mean">${duration(one.mean)}</span></div>`)}</section>`;
  const each = (one) => (one.each === null ? plural(one.requests, 'call') : html`${decimals(one.each)} <small class="dim">per call</small>`);
  return html`${list('Calls it makes', links.calls, each)}${list(id.server ? 'Made for' : 'Called for', links.callers, (one) => plural(one.requests, 'call'))}
    ${links.unsure > 0 && html`<p class="dim">${plural(links.unsure, 'more call')} may be of it or of others that were answered at the same moment: only those are listed that are certain.</p>`}
    ${!links.calls.length && !id.server && links.unsure > 0 && html`<${Callees} id=${id} params=${params} />`}`;
}

const decimals = (value) => (value >= 10 ? count(Math.round(value)) : value.toFixed(value < 0.095 ? 2 : 1));

function Callees({ id, params }) {
  const answer = useAnswer(address('map', window_of(params)), 5000);
  const edges = (answer.data?.map.edges ?? []).filter((edge) => edge.from === id.service).sort((a, b) => b.now.requests - a.now.requests);
  if (!edges.length) return null;
  const outside = new Set(answer.data.map.nodes.filter((node) => node.external).map((node) => node.name));
  return html`<h2>Calls of ${id.service} <span class="faint">for this and its other endpoints</span></h2><section class="card lines callees">${edges.map((edge) => {
    const turn = edge.before ? p95_change(edge) : { text: 'new', tone: '' };
    const to = href('/endpoints', outside.has(edge.to) ? { find: edge.to } : { service: edge.to });
    return html`<div key=${edge.to}><span><a href=${to}>${edge.to}</a></span><span>${rate(edge.now.rate)}/s <span class=${error_tone(edge)}>${edge.now.errors ? share(edge.now.errors, edge.now.requests) : ''}</span></span>
      <span>${duration(edge.now.latency?.p95)}</span><span class=${turn.tone}>${turn.text}</span></div>`;
  })}</section>`;
}

function Shape({ described, params }) {
  const data = described.data;
  if (!data) return html`<h2>Shape</h2><p class="dim">${described.error?.message ?? (described.url ? 'Nothing was learned of it yet.' : '')}</p>`;
  const tabs = [];
  if (data.request.length) tabs.push(['request', 'Request', data.request]);
  data.responses.forEach((one) => tabs.push([String(one.status), String(one.status), one.bodies, one.seen]));
  const wanted = params.get('shape') ?? String(data.responses[0]?.status ?? 'request');
  const tab = tabs.find(([key]) => key === wanted) ?? tabs[0];
  return html`${data.parameters.length > 0 && html`<h2>Parameters</h2><section class="card schema">${Fields('Parameters', data.parameters.map((one) =>
    ({ name: one.name, depth: 0, type: `${one.fields[0]?.type ?? ''} in ${one.in}`, presence: one.presence, required: one.required, notes: one.fields[0]?.notes })))}</section>`}
    ${data.procedure ? html`<${Procedure} procedure=${data.procedure} />` : html`<h2 class="tabs">Bodies <span class="seg small" role="tablist">${tabs.map(([key, name]) => html`<button role="tab" aria-selected=${tab?.[0] === key} onClick=${() => set({ shape: key })}>${name}</button>`)}</span></h2>
    ${tab?.[2].length ? tab[2].map((body) => html`<section class="card schema" key=${body.media_type}><h3>${body.media_type}<span>${plural(body.seen, 'body', 'bodies')}</span></h3>
      ${body.fields ? Fields(body.media_type, body.fields.filter((one) => one.depth > 0 || body.fields.length === 1).map((one) => ({ ...one, depth: Math.max(0, one.depth - 1) }))) : html`<p class="dim">Text or bytes: there is no shape to tell.</p>`}</section>`)
      : html`<p class="dim">No body was seen.</p>`}`}`;
}

// What a remote procedure takes and gives. The wire numbers the fields and does not name them.
function Procedure({ procedure }) {
  const sent = (who, one) => html`<h2>${who} ${one.streams && html`<small class="dim">a stream of messages</small>`}</h2>
    <section class="card schema"><h3>protobuf<span>${plural(one.messages, 'message')}${one.unread ? `, ${count(one.unread)} not read` : ''}</span></h3>
      ${one.fields.length ? Fields(who, one.fields) : html`<p class="dim">${one.messages ? 'They were empty.' : 'None was read.'}</p>`}</section>`;
  return html`${sent('Request', procedure.request)}${sent('Response', procedure.response)}
    ${procedure.proto && html`<details class="sketch"><summary>As a .proto sketch</summary><pre tabindex="0" aria-label="Sketch">${procedure.proto}</pre><${Copy} text=${procedure.proto} name="copy the sketch" /></details>`}`;
}

// What went over streams, by who said it and kind.
function Messages({ data }) {
  const told = data?.messages;
  if (!told) return null;
  const side = (who, said) => said.messages + said.gaps > 0 && html`<h2>Messages from the ${who} <small class="dim">${plural(said.messages, 'message')}, ${bytes(said.bytes)}${
    said.unread ? `, ${count(said.unread)} not read` : ''}${said.gaps ? `, ${plural(said.gaps, 'gap')}` : ''}</small></h2>
    ${said.kinds.map((kind) => html`<section class="card schema" key=${kind.media_type}><h3>${kind.media_type}<span>${plural(kind.seen, 'message')}</span></h3>
      ${Fields(kind.media_type, (kind.fields ?? []).filter((one) => one.depth > 0).map((one) => ({ ...one, depth: one.depth - 1 })))}</section>`)}
    ${said.other > 0 && html`<p class="dim">${plural(said.other, 'message')} of other kinds.</p>`}`;
  return html`${side('client', told.client)}${side('server', told.server)}
    ${told.closed.length > 0 && html`<h2>WebSockets closed</h2><section class="card lines">${told.closed.map(([code, n]) => html`<div key=${code}><span>${code}</span><span /><span class="dim">${count(n)}</span><span /></div>`)}</section>`}
    ${told.subprotocols.length > 0 && html`<h2>Subprotocols</h2><section class="card lines">${told.subprotocols.map(([name, n]) => html`<div key=${name}><span>${name}</span><span /><span class="dim">${count(n)}</span><span /></div>`)}</section>`}`;
}

function Models({ data }) {
  if (!data?.models?.length) return null;
  return html`<h2>Models</h2><section class="card lines">${data.models.map((one) => html`<div key=${one.name}><span>${one.name}</span><span>${plural(one.calls, 'call')}</span>
    <span class="dim">${count(one.input)} tokens in, ${count(one.output)} out</span><span class="dim">${one.first_token && `first token ${duration(one.first_token.p50)}`}</span></div>`)}</section>`;
}

const Fields = (name, fields) => fields.length > 0 && html`<div role="tree" aria-label=${name}>${fields.map((one) => Field(one))}</div>`;

function Field({ name, depth, type, presence, required, notes }) {
  return html`<div class="field" role="treeitem" aria-level=${depth + 1}><span class="name" style=${{ paddingLeft: `${depth * 14}px` }}>${name || '·'}</span>
    <span class="dim">${type}</span><span title=${required ? 'always there' : ''}><${Bar} share=${presence} /> ${percent(presence)}</span><span class="dim notes">${notes}</span></div>`;
}

// The last call as it was sent, where one is kept; else its route. Secrets and bodies are not told, so they are left out.
export function curl(id, described, call) {
  const port = call?.['server.port'] ? `:${call['server.port']}` : '';
  const host = call?.['server.address'] ?? id.server ?? 'localhost';
  const query = call?.['url.query'] ? `?${call['url.query']}` : '';
  const url = `${call?.['url.scheme'] ?? 'http'}://${host.includes(':') ? `[${host}]` : host}${port}${call?.['url.path'] ?? id.route.split('#')[0]}${query}`;
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = ['curl', '--globoff'];
  if (id.method !== 'GET') parts.push('-X', quote(id.method));
  parts.push(quote(url));
  const body = described?.request[0];
  if (body) parts.push('-H', quote(`Content-Type: ${body.media_type}`), '--data', quote(body.media_type.includes('json') ? '{}' : ''));
  return parts.join(' ');
}

async function curl_of(id, described) {
  const last = await ask(address('recent', { ...endpoint_params(id), limit: 1 })).catch(() => null);
  return curl(id, described, last?.exchanges[0]);
}

const fragment = async (id) => (await ask(address('fragment', endpoint_params(id)))).yaml;
