// Numbers and times as they are read. Thin spaces, true minus signs, small units.
const THIN = '\u2009';

const digits = (value, most) => value.toLocaleString('en', { maximumFractionDigits: most, useGrouping: false });

function three(value) {
  const size = Math.abs(value);
  return digits(value, size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

export function count(value) {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
}

// A count where an order of magnitude is enough.
export function short(value) {
  if (value >= 1e6) return `${three(value / 1e6)}${THIN}M`;
  return value >= 1e4 ? `${Math.round(value / 1e3)}${THIN}k` : count(value);
}

export function rate(value) {
  if (!value) return '0';
  if (value >= 1000) return count(value);
  return value < 0.01 ? '<0.01' : three(value);
}

export function share(part, whole) {
  return whole ? percent(part / whole) : '–';
}

export function percent(value) {
  if (!value) return '–';
  const hundred = value * 100;
  if (hundred < 0.01) return `<0.01${THIN}%`;
  return `${digits(hundred, hundred >= 10 ? 0 : hundred >= 1 ? 1 : 2)}${THIN}%`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds >= 100) return `${digits(seconds, 0)}${THIN}s`;
  if (seconds >= 1) return `${digits(seconds, 1)}${THIN}s`;
  const ms = seconds * 1000;
  if (ms < 0.1) return `${digits(seconds * 1e6, 0)}${THIN}µs`;
  return `${digits(ms, ms >= 10 ? 0 : ms >= 1 ? 1 : 2)}${THIN}ms`;
}

export function bytes(value) {
  if (value === null || value === undefined) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let at = 0;
  let rest = value;
  while (rest >= 1000 && at < units.length - 1) {
    rest /= 1000;
    at += 1;
  }
  return `${at ? three(rest) : rest}${THIN}${units[at]}`;
}

export function span(seconds) {
  if (seconds >= 2 * 86400) return `${Math.round(seconds / 86400)} days`;
  if (seconds >= 2 * 3600) return `${Math.round(seconds / 3600)} hours`;
  if (seconds >= 120) return `${Math.round(seconds / 60)} minutes`;
  return `${Math.max(0, Math.round(seconds))} s`;
}

export const ago = (time) => `${span((Date.now() - time) / 1000)} ago`;

const two = (value) => String(value).padStart(2, '0');

export function clock(time, seconds = false) {
  const date = new Date(time);
  return `${two(date.getHours())}:${two(date.getMinutes())}${seconds ? `:${two(date.getSeconds())}` : ''}`;
}

// To the millisecond.
export const instant = (time) => `${moment(time).replace(/ ?\d\d:\d\d$/, '')} ${clock(time, true)}.${String(Math.floor(time % 1000)).padStart(3, '0')}`.trim();

// For axes of several days.
export function date(time) {
  const at = new Date(time);
  const name = `${at.getDate()} ${at.toLocaleDateString('en', { month: 'short' })}`;
  return at.getHours() || at.getMinutes() ? `${name} ${clock(time)}` : name;
}

export function day(time) {
  return new Date(time).toLocaleDateString('en', { weekday: 'long', day: 'numeric', month: 'long' });
}

export function moment(time) {
  const date = new Date(time);
  const today = new Date().toDateString() === date.toDateString();
  return today ? clock(time) : `${date.getDate()} ${date.toLocaleDateString('en', { month: 'short' })} ${clock(time)}`;
}

// Change of a number beside what it was: text, and whether it is worth a colour.
export function change(now, before, { least = 0, calls = Infinity } = {}) {
  if (before === null || before === undefined) return { text: 'new', tone: 'dim', value: Infinity };
  if (now === null || now === undefined || !before) return { text: '–', tone: 'faint', value: 0 };
  const ratio = now / before - 1;
  const rounded = Math.round(ratio * 100);
  const matters = Math.abs(now - before) > least && calls >= 30;
  const sign = rounded > 0 ? '+' : rounded < 0 ? '−' : '';
  const tone = matters && ratio > 0.3 ? 'bad' : matters && ratio < -0.1 ? 'ok' : 'dim';
  const text = rounded > 999 ? `×${three(now / before)}` : `${sign}${Math.abs(rounded)}${THIN}%`;
  return { text, tone, value: ratio };
}

export const p95_change = (row) =>
  change(row.now.latency?.p95, row.before ? (row.before.latency?.p95 ?? 0) : null, { least: 0.005, calls: row.now.requests });

// Errors are worth their colour when they are more than a little and more than before.
export function error_tone(row) {
  const now = row.now.errors / Math.max(1, row.now.requests);
  const before = row.before ? row.before.errors / Math.max(1, row.before.requests) : 0;
  if (!row.now.errors) return 'faint';
  return now > 0.01 && row.now.errors > 2 && now > before * 1.5 ? 'bad' : '';
}

export const windows = [['5m', '5 m', '5 minutes'], ['1h', '1 h', 'hour'], ['6h', '6 h', '6 hours'], ['1d', '1 d', 'day'], ['7d', '7 d', 'week']];

// Which time is looked at. Since a deploy: `since` are the deploys that the server looks at services from.
export function window_name(params, since = []) {
  const asked = params.get('since') || '1h';
  const name = windows.find(([key]) => key === asked)?.[2] ?? asked;
  const window = `last ${name} beside the ${name} before`;
  if (params.get('beside') !== 'deploy') return window;
  if (!since.length) return `no deploy was noticed yet, so: ${window}`;
  const told = since.slice(0, 3).map((one) => `${one.service} ${deploy_name(one)} at ${moment(one.at)}`);
  if (since.length > 3) told.push(`${since.length - 3} more`);
  const each = since.length > 1 ? 'each service since its own last deploy, beside the time before it' : 'since its last deploy, beside the time before it';
  return `${each} (${told.join(', ')}); services without one: ${window}`;
}

export const deploy_name = (deploy) => deploy.version ?? 'restart';

// What got worse, as a sentence.
export const finding = ({ what, from, to }) => (what === 'errors'
  ? `Errors went from ${from ? percent(from) : 'none'} to ${percent(to)}`
  : `p95 went from ${duration(from)} to ${duration(to)}`);

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
