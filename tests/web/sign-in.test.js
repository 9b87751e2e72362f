// Signing in by a one-time link, and out.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startBrowser, startServer, runPath, signedIn } from './harness.js';

let server;
let chromium;
before(async () => {
  [server, chromium] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
  await chromium?.stop();
  await server?.stop();
});

for (const javaScriptEnabled of [true, false]) {
  test(`a link signs in once, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    const context = await chromium.browser.newContext({ baseURL: server.address, javaScriptEnabled });
    const page = await context.newPage();
    await page.goto(runPath(3));
    assert.match(page.url(), /\/sign-in\?next=/);
    await assert.doesNotReject(page.getByText('shipway sign-in').waitFor());
    const link = await server.link();
    await page.goto(`${link}&next=${encodeURIComponent(runPath(3))}`);
    assert.equal(new URL(page.url()).pathname, runPath(3));
    const [cookie] = await context.cookies();
    assert.equal(cookie.httpOnly, true);
    assert.equal(cookie.sameSite, 'Strict');

    const other = await chromium.browser.newContext({ baseURL: server.address, javaScriptEnabled });
    const stranger = await other.newPage();
    await stranger.goto(link);
    await stranger.getByRole('heading', { name: 'This sign-in link no longer works' }).waitFor();

    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.goto('/runs');
    assert.match(page.url(), /\/sign-in/);
    await context.close();
    await other.close();
  });
}

test('a link on a page of another site signs in as well', async () => {
  const context = await chromium.browser.newContext({ baseURL: server.address });
  const page = await context.newPage();
  const link = server.address + (await server.link());
  await context.route('http://elsewhere.test/', (route) =>
    route.fulfill({ contentType: 'text/html', body: `<a href="${link}">the link</a>` }));
  await page.goto('http://elsewhere.test/');
  await page.getByRole('link', { name: 'the link' }).click();
  await page.getByRole('heading', { name: 'Latest runs' }).waitFor();
  await context.close();
});

test('a form on a page of another site changes nothing', async () => {
  const { context, page } = await signedIn(server, chromium.browser);
  await context.route('http://elsewhere.test/', (route) =>
    route.fulfill({
      contentType: 'text/html',
      body: `<form method="post" action="${server.address}${runPath(2)}/cancel"><button>Win</button></form>`,
    }));
  await page.goto('http://elsewhere.test/');
  await page.getByRole('button', { name: 'Win' }).click();
  await page.waitForURL(/127\.0\.0\.1/);
  await page.goto(runPath(2));
  await page.getByRole('button', { name: 'Cancel run' }).waitFor();
  await context.close();
});
