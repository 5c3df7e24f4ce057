// Questions to the server, asked again and again without a flicker.
import { useState, useEffect } from './vendor/preact.mjs';

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function address(question, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== '') query.set(name, value);
  }
  const text = query.toString();
  return `/api/${question}${text ? `?${text}` : ''}`;
}

export async function ask(url, signal) {
  let response;
  try {
    response = await fetch(url, { signal, headers: { accept: 'application/json' } });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refused(0, 'Overhear does not answer. Is it still running?');
  }
  if (response.status === 401) throw new Refused(401, 'This browser is no longer let in: open the address that overhear printed.');
  const body = await response.json().catch(() => ({ error: 'The answer cannot be read.' }));
  if (!response.ok) throw new Refused(response.status, body.error);
  return body;
}

// How often a view asks anew, in milliseconds: with the second in which counts are written, what ends now is seen within two.
export const REFRESH = 800;

// Says something to the server.
export async function tell(question, said) {
  let response;
  try {
    response = await fetch(`/api/${question}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(said) });
  } catch {
    throw new Refused(0, 'Overhear does not answer. Is it still running?');
  }
  const body = await response.json().catch(() => ({ error: 'The answer cannot be read.' }));
  if (!response.ok) throw new Refused(response.status, body.error);
  return body;
}

// What was answered last. An answer stays while the next one is on its way, and while the question changes a little.
export function useAnswer(url, every = REFRESH) {
  const [state, setState] = useState({ url: null, data: null, error: null });
  useEffect(() => {
    if (!url) return undefined;
    const abort = new AbortController();
    let timer;
    let over = false;
    const next = (took) => {
      if (!over && every) timer = setTimeout(round, Math.max(every, took * 3));
    };
    const round = async () => {
      if (document.hidden) return next(0);
      const began = performance.now();
      try {
        const data = await ask(url, abort.signal);
        if (!over) setState({ url, data, error: null });
      } catch (error) {
        if (over || error.name === 'AbortError') return undefined;
        setState((old) => ({ url, data: error.status === 0 ? old.data : null, error }));
      }
      return next(performance.now() - began);
    };
    const wake = () => {
      if (document.hidden) return;
      clearTimeout(timer);
      round();
    };
    document.addEventListener('visibilitychange', wake);
    round();
    return () => {
      over = true;
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', wake);
    };
  }, [url, every]);
  return { ...state, stale: state.url !== url };
}

// The window that is looked at, as the server wants it.
export const window_of = (params) => ({
  since: params.get('since') || '1h',
  beside: params.get('beside') || null,
});
