// Who calls whom.
import { html, useMemo, useState } from './vendor/preact.mjs';
import { Graph, layout } from './vendor/dagre.mjs';
import { address, useAnswer, window_of } from './api.js';
import { go, href, useUrl } from './url.js';
import { Empty, Waiting, useMedia } from './parts.js';
import { change, duration, error_tone, p95_change, plural, rate, share, window_name } from './format.js';

const TALL = 38;
// How far it is made smaller before it is scrolled.
const LEAST = 0.7;

function laid_out(nodes, edges, direction) {
  const graph = new Graph({ multigraph: false });
  graph.setGraph({ rankdir: direction, nodesep: direction === 'LR' ? 26 : 8, ranksep: direction === 'LR' ? 60 : 36, edgesep: 14, marginx: 8, marginy: 8 });
  graph.setDefaultEdgeLabel(() => ({}));
  nodes.forEach((node) => graph.setNode(node.name, { width: Math.max(90, node.name.length * 7.4 + 26), height: TALL }));
  edges.forEach((edge) => graph.setEdge(edge.from, edge.to, { width: direction === 'LR' ? 104 : 84, height: 30, labelpos: 'c' }));
  layout(graph);
  return graph;
}

const key = (edge) => `${edge.from}\u0000${edge.to}`;

export function ServiceMap() {
  const { params } = useUrl();
  const answer = useAnswer(address('map', window_of(params)));
  const map = answer.data?.map;
  return html`<h1>Map</h1><p class="sub">${map ? `${plural(map.nodes.length, 'node')}, ${plural(map.edges.length, 'connection')}, ${window_name(params, answer.data.since)}. Calls per second · errors · p95.` : '\u00a0'}</p>
    <${Waiting} answer=${answer}>${map && (map.nodes.length ? html`<${Drawing} map=${map} />`
      : html`<${Empty} title="Nobody called anybody in this time">Send a request to a service on this machine, or choose a longer time above.</${Empty}>`)}</${Waiting}>`;
}

function Drawing({ map }) {
  const [over, setOver] = useState(null);
  const direction = useMedia('(max-width: 760px)') ? 'TB' : 'LR';
  const same = `${direction}|${map.nodes.map((node) => node.name).join()}|${map.edges.map(key).join()}`;
  // Laid out anew only when somebody comes or goes, so that nothing jumps.
  const graph = useMemo(() => laid_out(map.nodes, map.edges, direction), [same]);
  const { width, height } = graph.graph();
  const most = Math.max(...map.edges.map((edge) => edge.now.rate), 0.1);
  const near = (edge) => !over || edge.from === over || edge.to === over;
  return html`<div class="card map"><svg viewBox=${`0 0 ${width} ${height}`} style=${{ width: '100%', maxWidth: `${width * (direction === 'LR' ? 1.35 : 1)}px`, minWidth: direction === 'LR' ? null : `${width * LEAST}px` }} role="group" aria-label="Who calls whom">
    <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" /></marker></defs>
    ${map.edges.map((edge) => html`<${Edge} key=${key(edge)} edge=${edge} place=${graph.edge(edge.from, edge.to)} most=${most} near=${near(edge)} />`)}
    ${map.edges.map((edge) => html`<${Label} key=${key(edge)} edge=${edge} place=${graph.edge(edge.from, edge.to)} near=${near(edge)} />`)}
    ${map.nodes.map((node) => html`<${Node} key=${node.name} node=${node} place=${graph.node(node.name)} setOver=${setOver} />`)}</svg></div>
    <p class="legend dim"><i class="inside" /> a service of this machine <i class="outside" /> elsewhere</p>`;
}

// A smooth line through the points of the layout.
function curve(points) {
  const [first, ...rest] = points;
  let path = `M${first.x} ${first.y}`;
  for (let n = 0; n < rest.length - 1; n += 1) {
    const middle = { x: (rest[n].x + rest[n + 1].x) / 2, y: (rest[n].y + rest[n + 1].y) / 2 };
    path += `Q${rest[n].x} ${rest[n].y} ${middle.x} ${middle.y}`;
  }
  const last = rest[rest.length - 1];
  return `${path}L${last.x} ${last.y}`;
}

function Edge({ edge, place, most, near }) {
  if (!place) return null;
  const bad = error_tone(edge) === 'bad' || p95_change(edge).tone === 'bad';
  const wide = 1 + 3 * Math.sqrt(edge.now.rate / most);
  const turn = edge.before ? change(edge.now.rate, edge.before.rate).text : 'new';
  return html`<g class=${`edge${bad ? ' bad' : ''}${near ? '' : ' far'}`}><title>${edge.from} calls ${edge.to}: ${rate(edge.now.rate)} per second (${turn}), errors ${share(edge.now.errors, edge.now.requests)}, p95 ${duration(edge.now.latency?.p95)}</title>
    <path d=${curve(place.points)} stroke-width=${wide.toFixed(1)} marker-end="url(#arrow)" /></g>`;
}

// Above all lines, so that none goes through a number.
function Label({ edge, place, near }) {
  if (!place) return null;
  return html`<g class=${near ? 'edge' : 'edge far'}><rect class="behind" x=${place.x - 42} y=${place.y - 14} width="84" height="28" rx="4" />
    <text x=${place.x} y=${place.y - 3} text-anchor="middle">${rate(edge.now.rate)}/s</text>
    <text x=${place.x} y=${place.y + 10} text-anchor="middle" class="small"><tspan class=${error_tone(edge)}>${share(edge.now.errors, edge.now.requests)}</tspan> · <tspan class=${p95_change(edge).tone === 'bad' ? 'bad' : ''}>${duration(edge.now.latency?.p95)}</tspan></text></g>`;
}

function Node({ node, place, setOver }) {
  const to = href('/endpoints', { service: node.external ? null : node.name, find: node.external ? node.name : null });
  return html`<a href=${to} class=${node.external ? 'node external' : 'node'} onMouseEnter=${() => setOver(node.name)} onMouseLeave=${() => setOver(null)}
    onFocus=${() => setOver(node.name)} onBlur=${() => setOver(null)} onClick=${(event) => { event.preventDefault(); go(to); }}>
    <rect x=${place.x - place.width / 2} y=${place.y - TALL / 2} width=${place.width} height=${TALL} rx="8" />
    <text x=${place.x} y=${place.y + 4} text-anchor="middle">${node.name}</text></a>`;
}
