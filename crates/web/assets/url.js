// The address is the state: views read it, and change it by `go`.
import { useState, useEffect } from './vendor/preact.mjs';

const watchers = new Set();
// What stays as one moves between views.
const CARRIED = ['since', 'beside'];

const read = () => ({ path: location.pathname, params: new URLSearchParams(location.search) });

function tell() {
  const now = read();
  watchers.forEach((watcher) => watcher(now));
}

addEventListener('popstate', tell);

export function href(path, params = {}) {
  const query = new URLSearchParams();
  const now = new URLSearchParams(location.search);
  for (const name of CARRIED) if (now.get(name)) query.set(name, now.get(name));
  for (const [name, value] of Object.entries(params)) {
    if (value === null || value === undefined || value === '' || value === false) query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

export function go(to, replace = false) {
  if (to === location.pathname + location.search) return;
  if (replace) history.replaceState(history.state, '', to);
  else history.pushState(null, '', to);
  tell();
}

// Changes some parameters of this view and keeps the others.
export function set(changes, replace = true) {
  const params = Object.fromEntries(new URLSearchParams(location.search));
  go(href(location.pathname, { ...params, ...changes }), replace);
}

export function useUrl() {
  const [now, setNow] = useState(read);
  useEffect(() => {
    watchers.add(setNow);
    return () => watchers.delete(setNow);
  }, []);
  return now;
}

// Remembers how far a list was scrolled, for the way back.
export function keepScroll(top) {
  history.replaceState({ ...history.state, top }, '');
}

export const scrollKept = () => history.state?.top ?? 0;
