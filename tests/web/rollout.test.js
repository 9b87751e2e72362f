// The forms of a rollout and of a run, with and without scripts, and the patches that others see.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { rolloutPath, runPath, signedIn, startBrowser, startServer } from './harness.js';

let chromium;
before(async () => {
  chromium = await startBrowser();
});
after(() => chromium?.stop());

let server;
let context;
/** Each test changes the samples, so each has a server of its own. */
async function fresh(options) {
  server = await startServer();
  const all = await signedIn(server, chromium.browser, options);
  context = all.context;
  return all;
}
// Also after a failed test: a server that is left over keeps this process, and with it the whole run, from ending.
afterEach(async () => {
  await context?.close();
  await server?.stop();
  [context, server] = [undefined, undefined];
});

/** Waits until the title, which the state leads, begins so. It may come with a new page or with a patch. */
const titled = (page, start) =>
  page.locator(`xpath=//head/title[starts-with(., "${start}")]`).waitFor({ state: 'attached' });

for (const javaScriptEnabled of [true, false]) {
  test(`pause, resume, promote and abort, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    const { page } = await fresh({ javaScriptEnabled });
    await page.goto(rolloutPath(1));
    const state = (word) => page.locator('#head .facts dd').first().getByText(word, { exact: true }).waitFor();
    const press = async (name) => page.getByRole('button', { name, exact: true }).click();
    await press('Pause');
    await state('Paused');
    await titled(page, 'Paused: web v3');
    await press('Resume');
    await state('Progressing');
    await press('Promote');
    await page.locator('#progress').getByText('20 %', { exact: true }).first().waitFor();
    await page.getByRole('textbox', { name: 'Why, for the record' }).fill('customers complain');
    await press('Abort');
    await state('Rolled back');
    await page.locator('#events').getByText('Asked to abort').waitFor();
    assert.equal(await page.getByText(/Promoted|Healthy|Succeeded/).count(), 0, 'no success after a rollback');
  });

  test(`a full promotion asks twice, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    const { page } = await fresh({ javaScriptEnabled });
    await page.goto(rolloutPath(4));
    const button = page.getByRole('button', { name: 'Promote fully', exact: true });
    assert.equal(await button.isVisible(), false);
    await page.getByText('Promote fully…').click();
    await page.getByText('Everyone gets 2026.47 at once.').waitFor();
    await button.click();
    await titled(page, 'Promoted: billing');
  });

  test(`a run is cancelled and run again, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    const { page } = await fresh({ javaScriptEnabled });
    await page.goto(runPath(3));
    await page.getByRole('button', { name: 'Re-run failed jobs' }).click();
    const attempts = page.locator('#head .facts div', { hasText: 'Attempts' });
    await attempts.locator('strong', { hasText: '2' }).waitFor();
    await page.getByRole('button', { name: 'Cancel run' }).click();
    await titled(page, 'Cancelled');
    await attempts.getByRole('link', { name: '1', exact: true }).click();
    await titled(page, 'Failed');
    assert.equal(await page.getByRole('button', { name: /Re-run|Cancel run/ }).count(), 0, 'it is over for good');
    // Its jobs are those of that attempt.
    await page.locator('#jobs a.title').first().click();
    await page.waitForURL(/\/attempts\/1\/jobs\//);
    await page.locator('#head .crumbs a').nth(1).click();
    await page.waitForURL(/\/attempts\/1$/);
  });

  test(`one job is run again, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    const { page } = await fresh({ javaScriptEnabled });
    await page.goto(runPath(3));
    await page.locator('#jobs a.title').first().click();
    await page.getByRole('button', { name: 'Re-run this job' }).click();
    await page.locator('#head .facts div', { hasText: 'Attempts' }).locator('strong', { hasText: '2' }).waitFor();
  });
}

test('what one does, another sees, and what is typed or open stays', async () => {
  const { context, page, complaints } = await fresh();
  await page.goto(rolloutPath(1));
  await page.getByText('Live', { exact: true }).waitFor();
  const reason = page.getByRole('textbox', { name: 'Why, for the record' });
  await reason.fill('half a sentence');
  await page.locator('#instances summary').first().click();
  const other = await context.newPage();
  await other.goto(rolloutPath(1));
  await other.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.waitForFunction(() => document.title.startsWith('Paused'));
  await page.locator('#events').getByText('Asked to pause').waitFor();
  assert.equal(await reason.inputValue(), 'half a sentence');
  assert.equal(await reason.evaluate((field) => field === document.activeElement || field.isConnected), true);
  assert.equal(await page.locator('#instances details').first().evaluate((fold) => fold.open), true, 'it stays open');
  await page.locator('#said', { hasText: /Paused/ }).waitFor({ state: 'attached' });
  await page.locator('#icon[href*="icon-wait"]').waitFor({ state: 'attached' });
  await page.getByRole('button', { name: 'Resume', exact: true }).waitFor();
  assert.deepEqual(complaints, []);
});

test('a button of a page that was brought up to date is about what the page shows', async () => {
  const { context, page } = await fresh();
  await page.goto(rolloutPath(1));
  await page.getByText('Live', { exact: true }).waitFor();
  const other = await context.newPage();
  await other.goto(rolloutPath(1));
  const promote = (where) => where.getByRole('button', { name: 'Promote', exact: true }).click();
  const share = (text) => page.locator('#progress').getByText(text, { exact: true }).first().waitFor();
  await promote(other);
  await share('20 %');
  await promote(page);
  await share('40 %');
});

test('keys lead to places', async () => {
  const { page } = await fresh();
  // Two keys belong together when they come within a moment; how long a busy machine takes is no part of this test.
  await page.clock.setFixedTime(new Date());
  await page.keyboard.press('g');
  await page.keyboard.press('r');
  // Keys are heard once the page has loaded, which is later than that its heading stands.
  await page.waitForURL(/\/runs$/);
  await page.keyboard.press('/');
  await page.locator('#q:focus').waitFor();
  await page.keyboard.type('basket');
  await page.keyboard.press('Enter');
  await page.waitForURL(/q=basket/);
  const titles = await page.locator('.rows .title').allTextContents();
  assert.ok(titles.length > 0 && titles.every((title) => /basket/i.test(title)), titles.join(', '));
  await page.keyboard.press('Tab');
});
