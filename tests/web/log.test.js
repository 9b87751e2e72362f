// The log viewer: a million lines, search, permalinks, groups, times, following; and the pages without scripts.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { runPath, signedIn, startBrowser, startServer } from './harness.js';

const large = `${runPath(5)}/jobs/import`;
const failed = `${runPath(3)}/jobs/test.1`;
const running = `${runPath(2)}/jobs/test.2`;

let server;
let chromium;
let context;
let page;
let complaints;
before(async () => {
  [server, chromium] = await Promise.all([startServer(), startBrowser()]);
  ({ context, page, complaints } = await signedIn(server, chromium.browser));
});
after(async () => {
  await context?.close();
  await chromium?.stop();
  await server?.stop();
});

const row = (n) => page.locator('.row', { has: page.locator(`a[href="#L${n}"]`) });
const seen = (n, text) => row(n).getByText(text).waitFor();
const rows = () => page.locator('.row').count();
/** Waits until so many lines are chosen: rows are drawn with the next frame. */
const chosen = (n) => page.waitForFunction((n) => document.querySelectorAll('.chosen').length === n, n);

test('a million lines open as a list of few rows', async (t) => {
  await page.goto(large);
  await seen(2, 'processed record 0000002');
  const took = await page.evaluate(() => Math.round(performance.now()));
  t.diagnostic(`the first lines stood ${took} ms after the navigation began`);
  assert.ok((await rows()) < 150, `${await rows()} rows`);
  const nodes = await page.evaluate(() => document.querySelectorAll('*').length);
  assert.ok(nodes < 2500, `${nodes} elements`);
  assert.equal(await page.locator('#fallback').isVisible(), false);
});

test('the end, the middle and single steps are reached', async () => {
  await page.goto(large);
  await page.getByRole('button', { name: 'End' }).click();
  await seen(1000000, 'took longer than usual');
  await page.locator('.view').focus();
  await page.keyboard.press('Home');
  await seen(2, 'processed record');
  await page.keyboard.press('ArrowDown');
  await page.locator('.view').evaluate((view) => (view.scrollTop = (view.scrollHeight - view.clientHeight) / 2));
  await page.waitForFunction(() => {
    const n = Number(document.querySelector('.row > a')?.textContent);
    return n > 499000 && n < 501000 && !document.querySelector('.wait-row');
  });
  // One notch of the wheel moves by lines of the log, not by pixels of the scaled bar.
  const first = () => page.locator('.row > a').first().textContent().then(Number);
  const before = await first();
  await page.mouse.move(700, 600);
  await page.mouse.wheel(0, 200);
  await page.waitForFunction((old) => Number(document.querySelector('.row > a')?.textContent) > old, before);
  assert.ok((await first()) - before <= 12);
  assert.ok((await rows()) < 150);
});

test('the server searches: counts are exact, next and previous walk', async () => {
  await page.goto(large);
  await seen(2, 'processed record');
  const field = page.getByRole('searchbox', { name: 'Search this log' }).first();
  const output = page.locator('.bar output');
  await field.fill('CHECKPOINT');
  await output.getByText('1 of 1,000', { exact: true }).waitFor();
  await seen(500, 'checkpoint 500 reached');
  assert.equal(await row(500).locator('mark').first().textContent(), 'checkpoint');
  await field.press('Enter');
  await seen(1500, 'checkpoint 1500');
  await output.getByText('2 of 1,000', { exact: true }).waitFor();
  await field.press('Shift+Enter');
  await field.press('Shift+Enter');
  await seen(999500, 'checkpoint 999500');
  await output.getByText('1,000 of 1,000', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Next match' }).click();
  await seen(500, 'checkpoint 500');
  await field.fill('processed record');
  await page.getByText(/of 996,000/).waitFor();
  await field.fill('nothing like this');
  await page.getByText('No match').waitFor();
});

test('lines and ranges have addresses', async () => {
  await page.goto(`${large}#L654321`);
  await seen(654321, 'processed record 0654321');
  await chosen(1);
  await page.locator('a[href="#L654323"]').click({ modifiers: ['Shift'] });
  await page.waitForURL(/#L654321-L654323$/);
  await chosen(3);
  await page.reload();
  await seen(654323, 'processed record');
  await chosen(3);
});

test('a failed log opens at its first error, with colours and links', async () => {
  await page.goto(failed);
  await seen(15, 'assertion failed');
  assert.equal(await row(15).locator('.k-error').count(), 1);
  assert.equal(await row(14).locator('.a1').textContent(), 'FAILED');
  assert.equal(await row(19).locator('a[href^="https://doc.rust-lang.org"]').getAttribute('rel'), 'noopener noreferrer');
  await page.getByRole('button', { name: 'First error' }).waitFor();
  await page.locator('.steps a').first().click();
  await page.waitForURL(/#L1$/);
});

test('groups fold', async () => {
  await page.goto(failed);
  await seen(6, 'Compiling');
  await page.getByRole('button', { name: 'Group Compile' }).click();
  await row(6).waitFor({ state: 'detached' });
  assert.equal(await row(9).count(), 1);
  await page.getByRole('button', { name: 'Group Compile' }).press('Enter');
  await seen(6, 'Compiling');
});

test('times are shown as one likes', async () => {
  await page.goto(failed);
  await seen(2, 'HEAD is now');
  // Rows are drawn with the next frame, so each look waits until they show what was chosen.
  await page.getByLabel('Timestamps').selectOption('utc');
  await row(2).locator('time', { hasText: /^\d\d:\d\d:\d\d\.\d{3}$/ }).waitFor();
  await page.getByLabel('Timestamps').selectOption('elapsed');
  await row(2).locator('time', { hasText: /^\s*\+0\.0 s$/ }).waitFor();
  await page.getByLabel('Timestamps').selectOption('off');
  await page.waitForFunction(() => document.querySelectorAll('.row time').length === 0);
});

test('a running log is followed until one scrolls up', async () => {
  await page.goto(running);
  const follow = page.getByRole('button', { name: 'Follow' });
  const following = (on) => page.locator(`button[data-do=follow][aria-pressed=${on}]`).waitFor();
  await following(true);
  const last = () => page.evaluate(() => Number([...document.querySelectorAll('.row > a:first-child')].at(-1)?.textContent));
  await page.waitForFunction(() => document.querySelectorAll('.row').length > 5);
  const one = await last();
  await page.waitForFunction((n) => Number([...document.querySelectorAll('.row > a:first-child')].at(-1)?.textContent) > n, one);
  await page.waitForFunction(() => {
    const view = document.querySelector('.view');
    return view.scrollHeight > view.clientHeight + 60;
  }, null, { timeout: 60000 });
  await page.locator('.view').focus();
  await page.keyboard.press('PageUp');
  await following(false);
  await follow.click();
  await following(true);
});

test('without scripts the log comes in pages, with search and addresses', async () => {
  const { context, page } = await signedIn(server, chromium.browser, { javaScriptEnabled: false });
  await page.goto(large);
  await page.getByText('Lines 1 to 200 of 1,000,000').first().waitFor();
  await page.getByRole('link', { name: 'Later' }).first().click();
  await page.getByText('Lines 201 to 400').first().waitFor();
  await page.getByRole('link', { name: 'End' }).first().click();
  await page.getByText('processed record 0999998').waitFor();
  await page.getByRole('searchbox').fill('checkpoint');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByText('1,000 lines of 1,000,000 contain').waitFor();
  await page.getByRole('link', { name: 'Line 500', exact: true }).click();
  await page.locator('#L500').waitFor();
  await page.waitForURL(/at=500#L500$/);
  await page.goto(failed);
  await page.getByText('assertion failed').waitFor();
  const raw = await page.request.get(`${failed}/log.txt`);
  assert.match(await raw.text(), /assertion failed/);
  await context.close();
});

test('the browser complained about nothing', () => assert.deepEqual(complaints, []));
