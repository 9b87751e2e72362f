// @ts-check
// The log viewer: a virtual list. Only the lines on screen are in the page, whatever the length of the log; lines
// come in chunks from the server, which also searches.

const ROW = 20;
const CHUNK = 500;
/** Browsers cap the height of an element; a longer log is scrolled at a scale. */
const TALLEST = 8e6;
const MOST_CHUNKS = 40;

const box = /** @type {HTMLElement} */ (document.getElementById('viewer'));
const api = box.dataset.api || '';
const page = api.replace('/api/v1', '').replace(/\/log$/, '');

let total = Number(box.dataset.total);
let complete = box.dataset.complete === 'true';
/** Pixels from the first line to the top of the view, unscaled. */
let top = 0;
let follow = false;
let times = localStorage.getItem('log-times') || 'off';
/** @type {{from: number, to: number} | null} */
let chosen = null;
/** @type {Map<number, any[] | Promise<void>>} */
const chunks = new Map();
/** Folded groups by the number of their title line: the last line of each. @type {Map<number, number>} */
const folds = new Map();
/** @type {{q: string, total: number, before: number, list: number[], at: number} | null} */
let search = null;

box.innerHTML = `
<div class="bar" role="toolbar" aria-label="Log">
  <input type="search" placeholder="Search" aria-label="Search this log">
  <output aria-live="polite"></output>
  <button type="button" data-do="prev" aria-label="Previous match">↑</button>
  <button type="button" data-do="next" aria-label="Next match">↓</button>
  <select aria-label="Timestamps"><option value="off">No times</option><option value="elapsed">Elapsed</option><option value="utc">UTC</option></select>
  <button type="button" data-do="error" hidden>First error</button>
  <button type="button" data-do="start">Start</button>
  <button type="button" data-do="follow" aria-pressed="false">Follow</button>
  <button type="button" data-do="copy" hidden>Copy lines</button>
  <a href="${page}/log.txt">Raw</a>
</div>
<div class="view" tabindex="0" role="region" aria-label="Log"><div class="space"><div class="sheet"></div></div></div>`;

/** @template {Element} T @param {string} selector @returns {T} */
const find = (selector) => /** @type {T} */ (box.querySelector(selector));
/** @type {HTMLInputElement} */
const field = find('input');
/** @type {HTMLOutputElement} */
const count = find('output');
/** @type {HTMLSelectElement} */
const clock = find('select');
/** @type {HTMLElement} */
const view = find('.view');
/** @type {HTMLElement} */
const space = find('.space');
/** @type {HTMLElement} */
const sheet = find('.sheet');
/** @param {string} name @returns {HTMLButtonElement} */
const button = (name) => find(`[data-do=${name}]`);

/* Rows and lines. Folded lines have no row. */

/** Folds in order that are not inside another. */
function outer() {
  let end = 0;
  return [...folds].sort((a, b) => a[0] - b[0]).filter(([from, to]) => from > end && (end = to));
}

function rows() {
  return outer().reduce((left, [from, to]) => left - (Math.min(to, total) - from), total);
}

/** The line in a row, counted from 0. @param {number} row @param {[number, number][]} list */
function lineAt(row, list) {
  let line = row + 1;
  for (const [from, to] of list) {
    if (from >= line) break;
    line += to - from;
  }
  return line;
}

/** The row of a line. @param {number} line */
function rowOf(line) {
  let row = line - 1;
  for (const [from, to] of outer()) {
    if (from >= line) break;
    row -= Math.min(to, line) - from;
  }
  return row;
}

/* Scrolling. */

const full = () => rows() * ROW;
const most = () => Math.max(0, full() - view.clientHeight);
/** How many pixels of the log one pixel of the scroll bar is. */
function scale() {
  const shown = Math.min(full(), TALLEST) - view.clientHeight;
  return shown > 0 ? Math.max(1, most() / shown) : 1;
}

/** The position that we set ourselves: the event that follows says nothing new. */
let expected = -1;

/** @param {number} to */
function scrollTo(to) {
  top = Math.min(Math.max(0, to), most());
  space.style.height = `${Math.max(Math.min(full(), TALLEST), view.clientHeight)}px`;
  const bar = Math.round(top / scale());
  if (Math.abs(view.scrollTop - bar) > 0.5) {
    expected = bar;
    view.scrollTop = bar;
  }
  draw();
}

view.addEventListener('scroll', () => {
  const at = view.scrollTop;
  if (Math.abs(at - expected) <= 1) {
    expected = -1;
    return draw();
  }
  const to = scale() > 1 ? at * scale() : at;
  if (to < top - ROW) setFollow(false);
  top = Math.min(to, most());
  draw();
}, { passive: true });

view.addEventListener('wheel', (event) => {
  if (scale() === 1 || event.ctrlKey || !event.deltaY) return;
  // At a scale one notch would skip lines: move by the pixels of the log instead.
  event.preventDefault();
  const unit = event.deltaMode === 1 ? ROW : event.deltaMode === 2 ? view.clientHeight : 1;
  if (event.deltaY < 0) setFollow(false);
  scrollTo(top + event.deltaY * unit);
}, { passive: false });

view.addEventListener('keydown', (event) => {
  const page = view.clientHeight - ROW;
  const step = { ArrowDown: ROW, ArrowUp: -ROW, PageDown: page, PageUp: -page, ' ': page, End: Infinity, Home: -Infinity }[event.key];
  if (step === undefined || event.target !== view) return;
  event.preventDefault();
  if (step < 0) setFollow(false);
  scrollTo(step === Infinity ? most() : step === -Infinity ? 0 : top + step);
});

/** @param {number} line */
function reveal(line) {
  for (const [from, to] of folds) if (line > from && line <= to) folds.delete(from);
  scrollTo((rowOf(line) + 0.5) * ROW - view.clientHeight / 2);
}

/** @param {boolean} on */
function setFollow(on) {
  follow = on;
  button('follow').setAttribute('aria-pressed', String(on));
  if (on) scrollTo(most());
}

/* Chunks. */

/** @param {number} n @returns {any[] | null} */
function chunk(n) {
  const have = chunks.get(n);
  if (Array.isArray(have)) {
    chunks.delete(n);
    chunks.set(n, have);
    const whole = have.length === CHUNK || n * CHUNK + have.length >= total;
    if (!whole) load(n);
    return have;
  }
  if (!have) load(n);
  return null;
}

const loading = new Set();

/** @param {number} n */
async function load(n) {
  if (loading.has(n)) return;
  loading.add(n);
  try {
    const answer = await fetch(`${api}?from=${n * CHUNK + 1}&count=${CHUNK}`);
    if (!answer.ok) throw new Error(String(answer.status));
    const found = await answer.json();
    chunks.set(n, found.lines);
    grow(found.total, found.complete);
    for (const old of chunks.keys()) {
      if (chunks.size <= MOST_CHUNKS) break;
      chunks.delete(old);
    }
    loading.delete(n);
    draw();
  } catch {
    // Asked again when the lines are next looked at, but not at once.
    setTimeout(() => loading.delete(n) && draw(), 2000);
  }
}

/** @param {number} lines @param {boolean} ended */
function grow(lines, ended) {
  complete = complete || ended;
  if (lines <= total) return;
  total = lines;
  if (follow) scrollTo(most());
  else scrollTo(top);
}

document.addEventListener('shipway:log', (event) => {
  const { total, complete } = /** @type {CustomEvent} */ (event).detail;
  grow(total, complete);
});

/* Drawing. */

let drawn = false;
function draw() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => {
    drawn = false;
    render();
  });
}

function render() {
  const list = outer();
  const before = 10;
  const first = Math.max(0, Math.floor(top / ROW) - before);
  const last = Math.min(rows(), Math.ceil((top + view.clientHeight) / ROW) + before);
  const fresh = document.createDocumentFragment();
  for (let row = first; row < last; row++) {
    const n = lineAt(row, list);
    const lines = chunk(Math.floor((n - 1) / CHUNK));
    fresh.append(draw_row(n, lines && lines[(n - 1) % CHUNK]));
  }
  const focused = sheet.contains(document.activeElement) ? document.activeElement?.getAttribute('data-key') : null;
  sheet.replaceChildren(fresh);
  sheet.style.transform = `translateY(${view.scrollTop + first * ROW - top}px)`;
  sheet.style.setProperty('--numbers', `${String(total).length + 2}ch`);
  if (focused) sheet.querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
}

const started = { at: 0 };

/** @param {number} n @param {any} line */
function draw_row(n, line) {
  const row = document.createElement('div');
  row.className = 'row';
  if (chosen && n >= chosen.from && n <= chosen.to) row.classList.add('chosen');
  const number = document.createElement('a');
  number.href = `#L${n}`;
  number.textContent = String(n);
  number.dataset.key = `n${n}`;
  row.append(number);
  if (!line) {
    row.classList.add('wait-row');
    row.append('…');
    return row;
  }
  const at = Date.parse(line.at);
  if (!started.at || at < started.at) started.at = at;
  if (times !== 'off') {
    const time = document.createElement('time');
    time.dateTime = line.at;
    time.textContent = times === 'utc' ? line.at.slice(11, 23) : `+${((at - started.at) / 1000).toFixed(1)} s`.padStart(9);
    row.append(time);
  }
  const text = document.createElement('span');
  if (line.kind !== 'text') text.className = `k-${line.kind}`;
  if (line.kind === 'group') {
    const fold = document.createElement('button');
    fold.type = 'button';
    fold.dataset.fold = String(n);
    fold.dataset.key = `f${n}`;
    fold.textContent = folds.has(n) ? '▸' : '▾';
    fold.setAttribute('aria-expanded', String(!folds.has(n)));
    fold.setAttribute('aria-label', `Group ${line.text.replace(CONTROL, '')}`);
    row.append(fold);
  }
  paint(text, line.text);
  if (search && search.list[search.at] === n) row.classList.add('now');
  if (search && text.querySelector('mark')) row.classList.add('hit');
  row.append(text);
  return row;
}

/** Colours, other sequences of terminals, and what turns the direction of writing, behind which another text can hide. */
const CONTROL = /\x1b\[([0-9;:]*)([\x40-\x7e])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|([\u202a-\u202e\u2066-\u2069])|[\x00-\x08\x0b-\x1f\x7f]/g;
const LINK = /https?:\/\/[^\s<>"'`\x1b]+[^\s<>"'`\x1b.,:;)\]}]/g;

/** Text with terminal colours, links and matches. @param {HTMLElement} into @param {string} text */
function paint(into, text) {
  let look = { style: new Set(), fore: '', back: '' };
  let at = 0;
  /** @param {string} part */
  const put = (part) => {
    if (!part) return;
    const classes = shades(look).join(' ');
    const span = document.createElement('span');
    if (classes) span.className = classes;
    linked(span, part);
    into.append(span);
  };
  for (const match of text.matchAll(CONTROL)) {
    put(text.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2] === 'm') look = restyle(look, match[1]);
    if (match[3]) {
      const mark = document.createElement('span');
      mark.className = 'av';
      mark.textContent = `U+${match[3].charCodeAt(0).toString(16).toUpperCase()}`;
      into.append(mark);
    }
  }
  put(text.slice(at));
}

/** The classes of a look; inverse video changes its two colours over. @param {{style: Set<string>, fore: string, back: string}} look */
function shades({ style, fore, back }) {
  if (!style.has('av')) return [...style, fore, back].filter(Boolean);
  const plain = [...style].filter((name) => name !== 'av' || !fore);
  return [...plain, back.replace('g', 'a'), fore.replace('a', 'g')].filter(Boolean);
}

/** @param {HTMLElement} into @param {string} text */
function linked(into, text) {
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    marked(into, text.slice(at, match.index));
    const link = document.createElement('a');
    link.href = match[0];
    link.rel = 'noopener noreferrer';
    link.target = '_blank';
    marked(link, match[0]);
    into.append(link);
    at = match.index + match[0].length;
  }
  marked(into, text.slice(at));
}

/** @param {HTMLElement} into @param {string} text */
function marked(into, text) {
  const q = search?.q.toLowerCase();
  const low = text.toLowerCase();
  let at = 0;
  // A few letters change their length in lower case; such a text is shown without marks.
  while (q && low.length === text.length) {
    const next = low.indexOf(q, at);
    if (next < 0) break;
    const mark = document.createElement('mark');
    mark.textContent = text.slice(next, next + q.length);
    into.append(text.slice(at, next), mark);
    at = next + q.length;
  }
  into.append(text.slice(at));
}

/** @param {{style: Set<string>, fore: string, back: string}} old @param {string} codes */
function restyle(old, codes) {
  let { fore, back } = old;
  let style = new Set(old.style);
  const list = codes.split(/[;:]/).map(Number);
  for (let i = 0; i < list.length; i++) {
    const code = list[i];
    if (code === 0) [style, fore, back] = [new Set(), '', ''];
    else if (code >= 1 && code <= 4) style.add(['ab', 'ad', 'ai', 'au'][code - 1]);
    else if (code === 7) style.add('av');
    else if (code === 27) style.delete('av');
    else if (code === 22) style.delete('ab'), style.delete('ad');
    else if (code === 23) style.delete('ai');
    else if (code === 24) style.delete('au');
    else if (code >= 30 && code <= 37) fore = `a${code - 30}`;
    else if (code === 39) fore = '';
    else if (code >= 40 && code <= 47) back = `g${code - 40}`;
    else if (code === 49) back = '';
    else if (code >= 90 && code <= 97) fore = `a${code - 82}`;
    else if (code >= 100 && code <= 107) back = `g${code - 92}`;
    else if (code === 38 || code === 48) {
      let colour = -1;
      if (list[i + 1] === 5) (colour = of256(list[i + 2] || 0)), (i += 2);
      else if (list[i + 1] === 2) (colour = nearest(list[i + 2] || 0, list[i + 3] || 0, list[i + 4] || 0)), (i += 4);
      if (code === 38) fore = colour < 0 ? '' : `a${colour}`;
      else back = colour < 0 ? '' : `g${colour}`;
    }
  }
  return { style, fore, back };
}

/** @param {number} n */
function of256(n) {
  if (n < 16) return n;
  if (n > 231) return nearest(8 + (n - 232) * 10, 8 + (n - 232) * 10, 8 + (n - 232) * 10);
  const level = (/** @type {number} */ step) => (step ? 55 + step * 40 : 0);
  return nearest(level(Math.floor((n - 16) / 36)), level(Math.floor((n - 16) / 6) % 6), level((n - 16) % 6));
}

/** The nearest of the sixteen colours. @param {number} r @param {number} g @param {number} b */
function nearest(r, g, b) {
  const high = Math.max(r, g, b);
  if (high - Math.min(r, g, b) < 40) return high < 64 ? 0 : high < 140 ? 8 : high < 210 ? 7 : 15;
  const strong = (/** @type {number} */ c) => (c * 2 > high ? 1 : 0);
  return (high > 200 ? 8 : 0) + strong(r) + 2 * strong(g) + 4 * strong(b);
}

/* Searching: the server counts exactly and lists matches around a line. */

let asked = 0;

/** @param {number} from @param {boolean} backward */
async function ask(from, backward) {
  const q = field.value;
  const mine = ++asked;
  if (!q.trim()) {
    search = null;
    count.textContent = '';
    return draw();
  }
  count.textContent = 'Searching';
  try {
    const answer = await fetch(`${api}/search?q=${encodeURIComponent(q)}&from=${from}&backward=${backward}`);
    if (!answer.ok) throw new Error(String(answer.status));
    const found = await answer.json();
    if (mine !== asked) return;
    const list = found.matches.map((/** @type {{n: number}} */ match) => match.n);
    if (!list.length && found.total) return ask(backward ? Number.MAX_SAFE_INTEGER : 0, backward);
    search = { q: q.trim(), total: found.total, before: found.before, list, at: backward ? list.length - 1 : 0 };
    if (list.length) {
      setFollow(false);
      reveal(list[search.at]);
    }
    told();
  } catch {
    if (mine === asked) count.textContent = 'Search failed';
  }
  draw();
}

function told() {
  if (!search) return;
  const place = (search.before + search.at + 1).toLocaleString('en');
  count.textContent = search.total ? `${place} of ${search.total.toLocaleString('en')}` : 'No match';
}

/** @param {number} by */
function walk(by) {
  if (!search || search.q !== field.value.trim()) return ask(0, false);
  if (!search.list.length) return;
  const next = search.at + by;
  if (next < 0) return ask(search.list[0], true);
  if (next >= search.list.length) return ask(search.list[search.list.length - 1] + 1, false);
  search.at = next;
  reveal(search.list[next]);
  told();
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;
field.addEventListener('input', () => {
  clearTimeout(typing);
  const from = lineAt(Math.floor(top / ROW), outer());
  typing = setTimeout(() => ask(from, false), 200);
});
field.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter') return;
  event.preventDefault();
  clearTimeout(typing);
  walk(event.shiftKey ? -1 : 1);
});
document.addEventListener('keydown', (event) => {
  if (event.target instanceof HTMLElement && event.target.closest('input, select')) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'n' || event.key === 'N') walk(event.key === 'n' ? 1 : -1);
});

/* The bar. */

const land = Number(box.dataset.land || 0);
button('error').hidden = !land;
button('error').onclick = () => (setFollow(false), reveal(land));
button('start').onclick = () => (setFollow(false), scrollTo(0));
button('follow').onclick = () => setFollow(!follow);
button('next').onclick = () => walk(1);
button('prev').onclick = () => walk(-1);
clock.value = times;
clock.onchange = () => {
  times = clock.value;
  localStorage.setItem('log-times', times);
  draw();
};
button('copy').onclick = async () => {
  if (!chosen) return;
  const answer = await fetch(`${api}?from=${chosen.from}&count=${Math.min(5000, chosen.to - chosen.from + 1)}`);
  const { lines } = await answer.json();
  const text = lines.map((/** @type {{text: string}} */ line) => line.text.replace(CONTROL, '')).join('\n');
  try {
    await navigator.clipboard.writeText(text);
    count.textContent = `Copied ${lines.length} line${lines.length === 1 ? '' : 's'}`;
  } catch {
    count.textContent = 'Copying is not allowed';
  }
};

/* Line numbers: a click links to the line, with shift to a range. */

sheet.addEventListener('click', async (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  const fold = Number(target.dataset.fold);
  if (fold) {
    if (!folds.delete(fold)) {
      const answer = await fetch(`${api}/group?line=${fold}`);
      if (answer.ok) folds.set(fold, (await answer.json()).to);
    }
    return scrollTo(top);
  }
  const key = target.dataset.key;
  if (!key || key[0] !== 'n') return;
  event.preventDefault();
  const n = Number(key.slice(1));
  const from = event.shiftKey && chosen ? chosen.from : n;
  choose(Math.min(from, n), Math.max(from, n));
  const hash = chosen && chosen.to > chosen.from ? `#L${chosen.from}-L${chosen.to}` : `#L${n}`;
  history.replaceState(null, '', page + hash);
});

/** @param {number} from @param {number} to */
function choose(from, to) {
  chosen = { from, to };
  button('copy').hidden = false;
  draw();
}

/** @returns {boolean} whether the address names lines */
function byHash() {
  const match = /^#L(\d+)(?:-L?(\d+))?$/.exec(location.hash);
  if (!match) return false;
  const from = Math.min(Number(match[1]), total || 1);
  choose(from, Math.max(from, Number(match[2] || from)));
  setFollow(false);
  reveal(from);
  return true;
}
addEventListener('hashchange', byHash);
// Links to lines of this very log need no new page.
document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link || event.ctrlKey || event.metaKey || link.pathname !== location.pathname || !/^#L\d/.test(link.hash)) return;
  if (sheet.contains(link)) return;
  event.preventDefault();
  history.replaceState(null, '', page + link.hash);
  byHash();
});
new ResizeObserver(() => scrollTo(follow ? most() : top)).observe(view);

box.hidden = false;
const fallback = document.getElementById('fallback');
if (fallback) fallback.hidden = true;
const asking = new URLSearchParams(location.search).get('q');
if (!byHash()) {
  if (land) reveal(land);
  else if (box.hasAttribute('data-failed') || !complete) setFollow(true);
  else scrollTo(0);
}
if (complete && !box.hasAttribute('data-failed')) button('follow').textContent = 'End';
if (asking) {
  field.value = asking;
  ask(0, false);
}
