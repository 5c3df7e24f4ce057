// What was not there before.
import { html } from './vendor/preact.mjs';
import { address, useAnswer, window_of } from './api.js';
import { go, set, useUrl } from './url.js';
import { Empty, EndpointLink, Waiting, endpoint_href, useList } from './parts.js';
import { clock, day, plural, window_name } from './format.js';

const PLACES = { query: 'query parameter', header: 'header', cookie: 'cookie', response_header: 'header' };
const where = ({ in: part, status }) =>
  (part === 'request' ? ' of the request' : part.startsWith('response') ? html` of the response <b>${status}</b>` : '');

export function told({ kind, detail }) {
  if (kind === 'field') return html`New ${PLACES[detail.in] ?? 'field'} <b>${detail.name}</b>${where(detail)}`;
  if (kind === 'type') return html`<b>${detail.name}</b>${where(detail)} is <b>${detail.type}</b>, too`;
  if (kind === 'media') return html`New body <b>${detail.name}</b>${where(detail)}`;
  if (kind === 'endpoint') return 'New endpoint';
  if (kind === 'caller') return html`New caller <b>${detail}</b>`;
  if (detail === null) return html`First call <b>without a response</b>`;
  return html`First <b class=${detail >= 500 ? 'bad' : ''}>${detail}</b>`;
}

const KINDS = [['', 'all'], ['endpoint', 'endpoints'], ['status', 'statuses'], ['caller', 'callers'], ['field', 'fields']];
const KIND_OF = { type: 'field', media: 'field' };

export function Changes() {
  const { params } = useUrl();
  const answer = useAnswer(address('changes', window_of(params)));
  const kind = params.get('kind') ?? '';
  const all = answer.data?.changes ?? [];
  const list = all.filter((one) => !kind || (KIND_OF[one.kind] ?? one.kind) === kind);
  const deploys = (answer.data?.deploys ?? []).map((deploy) => ({ ...deploy, kind: 'deploy' }));
  const lines = [...list, ...(kind ? [] : deploys)].sort((a, b) => b.at - a.at);
  const open = (n) => lines[n].endpoint && go(endpoint_href(lines[n].endpoint));
  const show = (n) => document.querySelectorAll('.changes li')[n]?.scrollIntoView({ block: 'nearest' });
  const [at] = useList(lines.length, open, show);
  return html`<h1>Changes</h1><p class="sub">${answer.data ? `${plural(all.length, 'thing')} that ${all.length === 1 ? 'was' : 'were'} not there before, ${window_name(params, answer.data.since)}.` : '\u00a0'}</p>
    <div class="seg small" role="group" aria-label="Kind">${KINDS.map(([key, name]) => html`<button aria-pressed=${kind === key} onClick=${() => set({ kind: key })}>${name}</button>`)}</div>
    <${Waiting} answer=${answer}>${lines.length
      ? html`<ul class="changes">${lines.map((one, n) => Line({ one, n, at, before: lines[n - 1] }))}</ul>`
      : html`<${Empty} title="Nothing new">Every endpoint, status, caller and field of this time was there before. Choose a longer time above to look further back.</${Empty}>`}</${Waiting}>`;
}

function Line({ one, n, at, before }) {
  const heading = !before || day(before.at) !== day(one.at);
  return html`${heading && html`<li class="day" key=${`d${one.at}`}>${day(one.at)}</li>`}
    <li key=${`${one.at}${one.kind}${n}`} class=${n === at ? 'at' : ''}><time>${clock(one.at)}</time>
    ${one.kind === 'deploy'
      ? html`<span class="warn">Deploy</span><span><b>${one.service}</b> <code>${one.version ?? 'restarted'}</code></span>`
      : html`<span>${told(one)}</span><${EndpointLink} id=${one.endpoint} />`}</li>`;
}
