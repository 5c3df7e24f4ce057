// What a person knows of an endpoint: a proposal for the overlay, with what it changes, before anything is saved.
import { html, useEffect, useRef, useState } from './vendor/preact.mjs';
import { tell } from './api.js';
import { go } from './url.js';
import { Copy, Route, endpoint_href, endpoint_params } from './parts.js';
import { plural } from './format.js';

const EMPTY = { template: '', words: false, summary: '', description: '', owner: '', ignore: false, availability: '', fast: '', within: '' };
const number = (text) => (text.trim() === '' ? null : Number(text.replace(',', '.')));

// As the server wants it: what was not touched is not said.
function said(id, form) {
  const text = (value) => value.trim() || null;
  return {
    ...endpoint_params(id), template: form.template.trim() === id.route ? null : text(form.template), words: form.words,
    summary: text(form.summary), description: text(form.description), owner: text(form.owner), ignore: form.ignore,
    availability: number(form.availability), fast: number(form.fast), within: number(form.within),
  };
}

export function Edit({ id, known, close }) {
  const box = useRef(null);
  const [form, setForm] = useState({ ...EMPTY, template: id.route });
  const [seen, setSeen] = useState({ told: null, error: null });
  const [saved, setSaved] = useState(null);
  useEffect(() => box.current.showModal(), []);
  useEffect(() => {
    let over = false;
    const timer = setTimeout(async () => {
      try {
        const told = await tell('overlay/preview', said(id, form));
        if (!over) setSeen({ told, error: null });
      } catch (error) {
        if (!over) setSeen({ told: null, error });
      }
    }, 300);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [form]);
  const change = (name) => (event) => setForm({ ...form, [name]: event.target.type === 'checkbox' ? event.target.checked : event.target.value });
  const save = async () => {
    try {
      setSaved(await tell('overlay/save', { ...said(id, form), seen: seen.told.seen }));
    } catch (error) {
      setSeen({ told: seen.told, error });
    }
  };
  const leave = () => {
    close();
    const template = form.template.trim();
    if (saved && template !== id.route) go(endpoint_href({ ...id, route: template }), true);
  };
  return html`<dialog ref=${box} class="edit" aria-label="What is known of this endpoint" onClose=${leave}>
    <header><h2>What you know of <span class="method">${id.method}</span> <${Route} route=${id.route} /></h2><button class="close" aria-label="Close" onClick=${() => box.current.close()}>×</button></header>
    ${saved ? html`<p class="note fine"><b>Saved to ${saved.file}.</b> It holds from now on, for what was heard before as well.</p><button class="button" onClick=${() => box.current.close()}>Close</button>`
      : html`<div class="edit-cols"><${Form} id=${id} form=${form} known=${known} change=${change} />
        <${Effect} told=${seen.told} error=${seen.error} save=${save} /></div>`}</dialog>`;
}

function Form({ id, form, known, change }) {
  const input = (name, label, rest) => html`<label><span>${label}</span><input name=${name} value=${form[name]} onInput=${change(name)} autocomplete="off" spellcheck=${false} ...${rest} /></label>`;
  const check = (name, label) => html`<label class="check"><input type="checkbox" name=${name} checked=${form[name]} onChange=${change(name)} /><span>${label}</span></label>`;
  const was = (text, none) => text || none;
  return html`<form onSubmit=${(event) => event.preventDefault()}>
    ${input('template', 'Route', { class: 'code' })}
    ${id.route.includes('{') && check('words', 'What is in braces are words, not parameters')}
    ${input('summary', 'Name', { placeholder: was(known?.summary, 'What it is called') })}
    <label><span>Description</span><textarea name="description" rows="3" value=${form.description} onInput=${change('description')} placeholder=${was(known?.description, 'What it does')} /></label>
    ${input('owner', 'Owner', { placeholder: was(known?.owner, 'Who looks after it') })}
    ${check('ignore', 'Leave it out of documents and lists')}
    <fieldset><legend>What ${id.service} promises</legend><div class="three">
      ${input('availability', 'Do not fail, %', { inputmode: 'decimal', placeholder: was(known?.promise?.availability, '99.9') })}
      ${input('fast', 'Are fast, %', { inputmode: 'decimal', placeholder: was(known?.promise?.fast, '99') })}
      ${input('within', 'Within, s', { inputmode: 'decimal', placeholder: was(known?.promise?.within, '0.5') })}</div></fieldset></form>`;
}

const SIGN = { added: '+', gone: '−', kept: ' ' };
const Lines = ({ lines, label }) => html`<pre class="diff" tabindex="0" aria-label=${label}>${lines.map((one, n) => html`<span key=${n} class=${one.kind}>${SIGN[one.kind]} ${one.text}${'\n'}</span>`)}</pre>`;

function Effect({ told, error, save }) {
  if (!told && !error) return html`<section class="effect" aria-busy="true" />`;
  if (error && !told) return html`<section class="effect"><p class="note">${error.message}</p></section>`;
  if (told.refused) {
    return html`<section class="effect"><p class=${told.nothing ? 'dim' : 'note'}>${told.nothing ? 'Say something beside: here is what it would add to the overlay, and what that changes.' : `${told.refused}.`}</p>
      ${told.entry && html`<pre class="diff" tabindex="0" aria-label="Entry">${told.entry}</pre><${Copy} text=${told.entry} name="copy the entry" />`}</section>`;
  }
  return html`<section class="effect">
    ${error && html`<p class="note">${error.message}</p>`}
    <h3>${told.exists ? 'Added to' : 'A new file'} <span class="path">${told.file}</span></h3>
    <${Lines} lines=${told.lines} label="Lines of the overlay" />
    <p class="acts"><${Copy} text=${told.entry} name="copy the entry" button />
      ${told.may_save ? html`<button class="button first" onClick=${save}>Save</button>`
        : html`<span class="dim">To save from here, start overhear with <code>--edit-overlay</code>.</span>`}</p>
    <h3>What it changes</h3>
    ${told.unmatched.length > 0 && html`<p class="note warn">Nothing that was heard is like <code>${told.unmatched.join(', ')}</code>: it would have no effect.</p>`}
    ${Moves({ told })}
    ${told.operation.length ? html`<${Lines} lines=${told.operation} label="Lines of the API document" />`
      : html`<p class="dim">${told.gone.length || told.new.length ? '' : 'The document of this API stays as it is; what is promised shapes alerts and objectives.'}</p>`}</section>`;
}

// Which operations there would no longer be, and which instead.
function Moves({ told }) {
  if (!told.gone.length && !told.new.length) return null;
  const row = (one, sign) => html`<li key=${`${sign}${one.method}${one.route}`} class=${sign === '+' ? 'added' : 'gone'}><span class="method">${one.method}</span> <${Route} route=${one.route} /> <span class="dim">${plural(one.requests, 'call')}</span></li>`;
  return html`<ul class="moves">${told.gone.map((one) => row(one, '−'))}${told.new.map((one) => row(one, '+'))}</ul>`;
}
