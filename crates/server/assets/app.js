// @ts-check
// What every page does beyond its HTML: live patches, ages that stay true, copy buttons and keys.
// Everything here is an addition; each page works without it.

const main = /** @type {HTMLElement} */ (document.getElementById('main'));
const said = document.getElementById('said');

/* Live updates: the server sends the regions that changed, and each is changed in place. */

/**
 * Makes `from` look like `to` and leaves alone what is the same, so that focus, scroll positions, open folds and
 * typed text stay.
 * @param {Element} from
 * @param {Element} to
 */
function morph(from, to) {
  // Whether a fold is open, and what stands in a field, is the reader's choice once the page is there. A hidden field is none of
  // his: it says what the page shows, such as the step that a button promotes.
  const typed = from.getAttribute('type') !== 'hidden';
  const kept = (/** @type {string} */ name) => name === 'open' || (name === 'value' && typed);
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !kept(name)) from.removeAttribute(name);
  }
  for (const { name, value } of [...to.attributes]) {
    if (!kept(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  let next = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const id = wanted instanceof Element ? wanted.id : '';
    /** @type {ChildNode | null | undefined} */
    let match = null;
    if (id) match = [...from.children].find((child) => child.id === id && child.nodeName === wanted.nodeName);
    else if (next && next.nodeName === wanted.nodeName && !(next instanceof Element && next.id)) match = next;
    if (!match) {
      from.insertBefore(wanted, next);
      continue;
    }
    if (match === next) next = next.nextSibling;
    else from.insertBefore(match, next);
    if (match instanceof Element) morph(match, /** @type {Element} */ (wanted));
    else if (match.nodeValue !== wanted.nodeValue) match.nodeValue = wanted.nodeValue;
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

/** @param {string} html */
function parse(html) {
  const template = document.createElement('template');
  template.innerHTML = html;
  return template.content.firstElementChild;
}

function listen() {
  const url = main.dataset.live;
  if (!url) return;
  const sign = document.getElementById('live');
  const word = document.getElementById('live-word');
  /** @param {boolean} on */
  const show = (on) => {
    if (!sign || !word) return;
    sign.hidden = false;
    sign.classList.toggle('off', !on);
    word.textContent = on ? 'Live' : 'Reconnecting';
  };
  let failures = 0;
  const connect = () => {
    const source = new EventSource(url);
    source.onopen = () => {
      failures = 0;
      show(true);
    };
    source.onerror = () => {
      show(false);
      // The browser connects again by itself after a cut, but not after an answer that is no stream.
      source.close();
      failures += 1;
      setTimeout(connect, Math.min(1000 * 2 ** failures, 30000) * (0.7 + Math.random() * 0.6));
    };
    source.addEventListener('patch', (event) => {
      const { id, html } = JSON.parse(event.data);
      const old = document.getElementById(id);
      const fresh = parse(html);
      if (old && fresh) morph(old, fresh);
      enhance(old || document);
    });
    source.addEventListener('title', (event) => {
      const { title, icon } = JSON.parse(event.data);
      if (document.title !== title) {
        document.title = title;
        // The state leads the title: say it once to those who cannot see it change.
        if (said) said.textContent = title.split(' - ')[0];
      }
      const link = document.getElementById('icon');
      if (link && link.getAttribute('href') !== icon) link.setAttribute('href', icon);
    });
    source.addEventListener('log', (event) => {
      document.dispatchEvent(new CustomEvent('shipway:log', { detail: JSON.parse(event.data) }));
    });
    addEventListener('pagehide', () => source.close(), { once: true });
  };
  connect();
}

/* Ages and durations. The server's clock counts: its idea of now is the time of the page. */

/** @param {number} ms */
function human(ms) {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} m`;
}

/** @param {number} ms */
function ago(ms) {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

const offset = Number(main.dataset.now || Date.now()) - Date.now();

function tick() {
  const now = Date.now() + offset;
  /** @param {Element} node @param {string} text */
  const set = (node, text) => {
    if (node.textContent !== text) node.textContent = text;
  };
  for (const node of document.querySelectorAll('time[data-ago]')) {
    set(node, ago(now - Date.parse(node.getAttribute('datetime') || '')));
  }
  for (const node of document.querySelectorAll('time[data-until]')) {
    const left = Date.parse(node.getAttribute('datetime') || '') - now;
    set(node, left > 0 ? `in ${human(left)}` : 'now');
  }
  for (const node of document.querySelectorAll('[data-since]')) {
    set(node, human(now - Date.parse(node.getAttribute('data-since') || '')));
  }
}

/* Copy buttons. */

/** @param {ParentNode} root */
function enhance(root) {
  for (const node of root.querySelectorAll('button.copy[hidden]')) node.removeAttribute('hidden');
}

document.addEventListener('click', async (event) => {
  const button = event.target instanceof Element ? event.target.closest('button.copy') : null;
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.getAttribute('data-copy') || '');
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Not allowed';
  }
  setTimeout(() => (button.textContent = 'Copy'), 1500);
});

/* A form is sent once, and says that it is on its way. */

document.addEventListener('submit', (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (form.method !== 'post') return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = 'yes';
  setTimeout(() => delete form.dataset.sent, 5000);
});

/* Keys: g then h, r or o goes to a place; / searches; j and k walk along a list. */

const places = { h: '/', r: '/runs', o: '/rollouts' };
let going = 0;

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.target;
  if (target instanceof HTMLElement && target.closest('input, select, textarea')) {
    if (event.key === 'Escape') target.blur();
    return;
  }
  const place = places[/** @type {'h' | 'r' | 'o'} */ (event.key)];
  if (place && Date.now() - going < 1500) location.href = place;
  else if (event.key === 'g') going = Date.now();
  else if (event.key === '/') {
    const field = [...document.querySelectorAll('input[type=search]')].find((input) => input.checkVisibility());
    if (field instanceof HTMLElement) {
      event.preventDefault();
      field.focus();
    }
  } else if (event.key === 'j' || event.key === 'k') {
    const links = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('.rows .title')]);
    const at = links.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const next = links[at < 0 ? 0 : at + (event.key === 'j' ? 1 : -1)];
    if (next) next.focus();
  }
});

/** @type {HTMLElement | null} */ (document.querySelector('a[data-go]'))?.click();
enhance(document);
tick();
setInterval(tick, 1000);
listen();
