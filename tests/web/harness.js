// Starts the example server and Debian's Chromium, and signs browsers in.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The example server on sample data. `link()` asks it for another sign-in path. */
export async function startServer() {
  const target = process.env.CARGO_TARGET_DIR || join(root, 'target');
  const built = join(target, 'debug', 'examples', 'pages');
  const [command, args] = existsSync(built)
    ? [built, []]
    : ['cargo', ['run', '--quiet', '--locked', '-p', 'shipway-server', '--example', 'pages']];
  const child = spawn(command, args, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the example server ended');
    return value;
  };
  const address = await next();
  let first = await next();
  return {
    address,
    async link() {
      if (first) {
        const path = first;
        first = undefined;
        return path;
      }
      child.stdin.write('link\n');
      return next();
    },
    async stop() {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}

/** Chromium with a profile of its own that is removed with it. */
export async function startBrowser() {
  const profile = await mkdtemp(join(tmpdir(), 'shipway-web-'));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    env: { ...process.env, HOME: profile, XDG_CONFIG_HOME: profile, XDG_CACHE_HOME: profile },
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
  return {
    browser,
    async stop() {
      await browser.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** A signed-in browser window; collects what pages complain about. */
export async function signedIn(server, browser, options = {}) {
  const context = await browser.newContext({ baseURL: server.address, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${page.url()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`));
  await page.goto(await server.link());
  return { context, page, complaints };
}

const runs = 910000000000000000n;
const rollouts = 920000000000000000n;

/** The path of a sample run, by its small number. */
export const runPath = (n) => `/runs/${runs + BigInt(n)}`;
/** The path of a sample rollout, by its small number. */
export const rolloutPath = (n) => `/rollouts/${rollouts + BigInt(n)}`;

/** Every page that the samples can show. */
export const pages = {
  'home': '/',
  'runs': '/runs',
  'runs, filtered': '/runs?conclusion=failure&branch=main',
  'runs, none': '/runs?q=nothing-like-this',
  'run under way': runPath(2),
  'run failed': runPath(3),
  'run succeeded': runPath(4),
  'run with 300 legs': runPath(5),
  'run with a wide graph': runPath(6),
  'run queued': runPath(1),
  'all jobs': `${runPath(5)}/jobs?group=soak`,
  'log of a failed job': `${runPath(3)}/jobs/test.1`,
  'log of a running job': `${runPath(2)}/jobs/test.2`,
  'log of a million lines': `${runPath(5)}/jobs/import`,
  'log, no lines': `${runPath(3)}/jobs/deploy`,
  'rollouts': '/rollouts',
  'rollout under way': rolloutPath(1),
  'rollout promoted': rolloutPath(2),
  'rollout rolled back': rolloutPath(3),
  'rollout paused': rolloutPath(4),
  'rollout failed': rolloutPath(5),
  'rollout superseded': rolloutPath(6),
  'workflows': '/workflows',
  'settings': '/settings',
  'not found': '/nowhere',
  'bad request': '/runs?status=done',
};
