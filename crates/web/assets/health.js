// How the listening goes: what is captured, lost, not readable, kept.
import { html } from './vendor/preact.mjs';
import { address, useAnswer } from './api.js';
import { Bar, Card, Waiting } from './parts.js';
import { ago, bytes, count, moment, span } from './format.js';

const LOST = {
  ring_full: 'The kernel made events faster than they were read.',
  over_cap: 'Of long messages only the beginning is copied; sizes and times are still right.',
  not_in_user_buffer: 'The data never was in the program’s memory (sendfile, splice).',
  guarded: 'The program’s memory was not to be read at that moment.',
  fault: 'The memory was not there when it was read.',
  shed: 'The listener kept to its share of the processor and let these go.',
  undecided: 'More came at the beginning of a connection than is copied before it is known what it speaks.',
  missing_segment: 'Packets that the recording does not have.',
  malformed: 'Packets that cannot be read.',
  too_many_connections: 'More connections at once than are followed.',
  reassembly_full: 'Too much was out of order at once.',
  output_slow: 'What reads the output did not keep up.',
};

const UNREADABLE = {
  tls: 'Encrypted; programs whose TLS library is known are read inside.',
  unknown: 'Looks like nothing that is read.',
};

const lost = (statistics) => Object.values(statistics.lost).reduce((sum, one) => sum + one.events, 0);
const unreadable = (statistics) => Object.values(statistics.unreadable).reduce((sum, one) => sum + one, 0);

export const summary = (health) => ({ lost: lost(health.statistics), unreadable: unreadable(health.statistics) });

export function Capture({ health }) {
  const { captured } = health.statistics;
  const sums = summary(health);
  return html`${health.trouble && html`<p class="note warn">${health.trouble}</p>`}<dl class="facts">
    <dt>Calls heard</dt><dd>${count(captured.exchanges)}</dd>
    <dt>Lost</dt><dd class=${sums.lost ? 'warn' : ''}>${count(sums.lost)}</dd>
    <dt>Not readable</dt><dd>${count(sums.unreadable)} connections</dd>
    ${health.started && html`<dt>Listening since</dt><dd>${moment(health.started)}</dd>`}
    ${health.store && html`<dt>Kept</dt><dd>${bytes(health.store.bytes)} of ${bytes(health.store.most_bytes)}</dd>`}</dl>`;
}

export function Health() {
  const answer = useAnswer(address('health'));
  return html`<h1>Health</h1><p class="sub">What is heard on this machine, what is lost, and what cannot be read.</p>
    <${Waiting} answer=${answer}>${answer.data && Cards(answer.data)}</${Waiting}>`;
}

function Cards(health) {
  const { captured, lost: losses, unreadable: others } = health.statistics;
  return html`${health.trouble && html`<p class="note warn"><b>${health.trouble}</b></p>`}<h2 class="unseen">Figures</h2><div class="cards">
    <${Card} title="Captured" aside=${health.started ? `since ${moment(health.started)}` : 'not listening, only reading'}><dl class="facts">
      <dt>Calls</dt><dd>${count(captured.exchanges)}</dd><dt>Connections</dt><dd>${count(captured.connections)}</dd>
      <dt>Events</dt><dd>${count(captured.events)}</dd><dt>Payload</dt><dd>${bytes(captured.bytes)}</dd></dl></${Card}>
    <${Card} title="Memory" aside="of this process"><div class="number">${bytes(health.resident)}</div></${Card}>
    ${Store({ store: health.store })}
    </div><div class="two">
    <${Card} title="Lost" aside="events, bytes">${Reasons(Object.entries(losses).map(([name, loss]) => [name, `${count(loss.events)}`, bytes(loss.bytes), LOST[name]]), 'Nothing is lost.')}</${Card}>
    <${Card} title="Not readable" aside="connections">${Reasons(Object.entries(others).map(([name, number]) => [name, count(number), '', UNREADABLE[name] ?? 'Recognised, but not read yet.']), 'Every connection can be read.')}${Programs(health.statistics.programs)}</${Card}></div>`;
}

// Whose connections stay encrypted and why; what shows of them all the same.
function Programs(programs) {
  if (!programs?.length) return null;
  return html`<ul class="programs">${programs.map((one) => html`<li key=${`${one.program} ${one.direction} ${one.protocol} ${one.reason}`}><span>${one.message}</span>
    <span class="dim">${one.names ? `${one.names} · ` : ''}${bytes(one.sent)} sent, ${bytes(one.received)} received, ${span(one.duration)}${one.open ? ` · ${count(one.open)} open` : ''}</span></li>`)}</ul>`;
}

function Reasons(rows, none) {
  if (!rows.length) return html`<p class="quiet"><span class="ok">●</span> ${none}</p>`;
  return html`<ul class="reasons">${rows.map(([name, first, second, why]) => html`<li key=${name}><code>${name}</code><span class="amount">${first}</span>${second ? html`<span class="amount dim">${second}</span>` : html`<span />`}<span class="dim why">${why}</span></li>`)}</ul>`;
}

function Store({ store }) {
  if (!store) return html`<${Card} title="Store"><p class="dim">Nothing is kept beyond this run. Start overhear with a store to look back over days and to compare deploys.</p></${Card}>`;
  return html`<${Card} title="Store" aside=${store.oldest ? `oldest ${ago(store.oldest)}` : ''}>
    <div class="number">${bytes(store.bytes)} <small class="dim">of ${bytes(store.most_bytes)}</small></div><${Bar} share=${store.bytes / store.most_bytes} />
    <dl class="facts"><dt>By ten seconds</dt><dd>${span(store.kept.ten_seconds)}</dd><dt>By minutes</dt><dd>${span(store.kept.minutes)}</dd>
    <dt>By hours</dt><dd>${span(store.kept.hours)}</dd></dl><p class="faint path">${store.path}</p></${Card}>`;
}
