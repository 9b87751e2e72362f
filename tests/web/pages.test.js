// Every page in light and dark: no fault that axe finds, no complaint of the browser, nothing wider than the window.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import AxeBuilder from '@axe-core/playwright';
import { pages, signedIn, startBrowser, startServer } from './harness.js';

let server;
let chromium;
before(async () => {
  [server, chromium] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
  await chromium?.stop();
  await server?.stop();
});

for (const colorScheme of ['light', 'dark']) {
  for (const javaScriptEnabled of [true, false]) {
    test(`axe finds nothing, ${colorScheme}, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async (t) => {
      const { context, page, complaints } = await signedIn(server, chromium.browser, { colorScheme });
      // axe itself needs scripts: without them, the page is taken as it came and our scripts are kept away.
      if (!javaScriptEnabled) await context.route('**/assets/*.js', (route) => route.abort());
      for (const [name, path] of Object.entries(pages)) {
        await t.test(name, async () => {
          await page.goto(path);
          if (javaScriptEnabled && name.startsWith('log')) await page.locator('.view').waitFor();
          const { violations } = await new AxeBuilder({ page }).analyze();
          const found = violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(' | ')}`);
          assert.deepEqual(found, []);
        });
      }
      const real = complaints.filter((text) => !/status of 4\d\d/.test(text) && !/ERR_FAILED/.test(text));
      assert.deepEqual(real, [], 'complaints of the browser, such as a breach of the content security policy');
      await context.close();
    });
  }
}

test('no page is wider than a telephone', async (t) => {
  const { context, page } = await signedIn(server, chromium.browser, { viewport: { width: 390, height: 800 } });
  for (const [name, path] of Object.entries(pages)) {
    await t.test(name, async () => {
      await page.goto(path);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wide <= 0, `${wide} pixels too wide`);
    });
  }
  await context.close();
});
