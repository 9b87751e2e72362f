// The forms of a rollout and of a run, with and without scripts, and the patches that others see.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { rolloutPath, runPath, signedIn, startBrowser, startServer } from './harness.js';

let server;
let chromium;
before(async () => {
  chromium = await startBrowser();
});
after(() => chromium?.stop());

/** Each test changes the samples, so each has a server of its own. */
async function fresh(options) {
  server = await startServer();
  return signedIn(server, chromium.browser, options);
}

for (const javaScriptEnabled of [true, false]) {
  test(`pause, resume, promote and abort, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    const { context, page } = await fresh({ javaScriptEnabled });
    await page.goto(rolloutPath(1));
    const state = page.locator('#head .facts dd').first();
    const press = async (name) => page.getByRole('button', { name, exact: true }).click();
    await press('Pause');
    assert.equal(await state.textContent(), 'Paused');
    assert.match(await page.title(), /^Paused: web v3/);
    await press('Resume');
    assert.equal(await state.textContent(), 'Progressing');
    await press('Promote');
    await page.locator('#progress').getByText('20 %', { exact: true }).first().waitFor();
    await page.getByRole('textbox', { name: 'Why, for the record' }).fill('customers complain');
    await press('Abort');
    assert.equal(await state.textContent(), 'Rolled back');
    await page.locator('#events').getByText('Asked to abort').waitFor();
    assert.equal(await page.getByText(/Promoted|Healthy|Succeeded/).count(), 0, 'no success after a rollback');
    await context.close();
    await server.stop();
  });

  test(`a full promotion asks twice, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    const { context, page } = await fresh({ javaScriptEnabled });
    await page.goto(rolloutPath(4));
    const button = page.getByRole('button', { name: 'Promote fully', exact: true });
    assert.equal(await button.isVisible(), false);
    await page.getByText('Promote fully…').click();
    await page.getByText('Everyone gets 2026.47 at once.').waitFor();
    await button.click();
    assert.match(await page.title(), /^Promoted: billing/);
    await context.close();
    await server.stop();
  });

  test(`a run is cancelled and run again, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    const { context, page } = await fresh({ javaScriptEnabled });
    await page.goto(runPath(3));
    await page.getByRole('button', { name: 'Re-run failed jobs' }).click();
    await page.getByRole('link', { name: 'an earlier run' }).waitFor();
    await page.getByRole('button', { name: 'Cancel run' }).click();
    assert.match(await page.title(), /^Cancelled/);
    await context.close();
    await server.stop();
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
  assert.equal(await page.locator('#instances details').first().evaluate((fold) => fold.open), true);
  assert.match(await page.locator('#said').textContent(), /Paused/, 'said to those who cannot see it');
  assert.match(await page.locator('#icon').getAttribute('href'), /icon-wait/);
  await page.getByRole('button', { name: 'Resume', exact: true }).waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
  await server.stop();
});

test('keys lead to places', async () => {
  const { context, page } = await fresh();
  await page.keyboard.press('g');
  await page.keyboard.press('r');
  await page.getByRole('heading', { name: 'Runs', exact: true }).waitFor();
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'q');
  await page.keyboard.type('basket');
  await page.keyboard.press('Enter');
  await page.waitForURL(/q=basket/);
  assert.ok((await page.locator('.rows .title').allTextContents()).every((title) => /basket/i.test(title)));
  await page.keyboard.press('Tab');
  await context.close();
  await server.stop();
});
