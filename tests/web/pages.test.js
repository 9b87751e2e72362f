// Every page in light and dark: no fault that axe finds, no complaint of the browser, nothing wider than the window.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import AxeBuilder from '@axe-core/playwright';
import { pages, runPath, signedIn, startBrowser, startServer } from './harness.js';

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

test('the name of a step breaks between words, and the time of its job stands beside it', async () => {
  for (const width of [390, 1000, 1280]) {
    const { context, page } = await signedIn(server, chromium.browser, { viewport: { width, height: 800 } });
    await page.goto(runPath(3));
    const row = page.locator('.jobrow').filter({ hasText: 'exit code 1' });
    const [why, took] = [await row.locator('.why').boundingBox(), await row.locator('.num').boundingBox()];
    assert.ok(took.y < why.y + why.height && why.x + why.width <= took.x, `${width}: ${JSON.stringify([why, took])}`);
    for (const path of [runPath(3), `${runPath(3)}/jobs/test.1`]) {
      await page.goto(path);
      const broken = await page.evaluate(() => {
        const found = [];
        for (const list of document.querySelectorAll('.jobrow .why, .steps a')) {
          const texts = document.createTreeWalker(list, NodeFilter.SHOW_TEXT);
          for (let text = texts.nextNode(); text; text = texts.nextNode()) {
            for (const { 0: word, index } of text.data.matchAll(/\S*-\S+/g)) {
              // Longer ones have to break somewhere.
              if (word.length > 17) continue;
              const range = document.createRange();
              range.setStart(text, index);
              range.setEnd(text, index + word.length);
              if (range.getClientRects().length > 1) found.push(word);
            }
          }
        }
        return found;
      });
      assert.deepEqual(broken, [], `${width}: ${path}`);
    }
    await context.close();
  }
});

test('a run tells how long it and its jobs usually take, also on a telephone', async () => {
  for (const width of [390, 1280]) {
    const { context, page } = await signedIn(server, chromium.browser, { viewport: { width, height: 800 } });
    await page.goto(runPath(2));
    const expected = page.locator('dl.facts div').filter({ hasText: 'Expected' });
    assert.match(await expected.innerText(), /about 1 m 35 s/);
    const running = page.locator('.jobrow').filter({ hasText: 'test (nightly)' }).locator('.num');
    assert.match(await running.innerText(), / of about 14\.0 s$/);
    const waiting = page.locator('.jobrow').filter({ hasText: 'deploy' }).locator('.num');
    assert.equal(await waiting.innerText(), 'no history yet');
    for (const part of [expected, running, waiting]) {
      const { x, width: wide } = await part.boundingBox();
      assert.ok(x >= 0 && x + wide <= width, `from ${x} to ${x + wide} of ${width}`);
    }
    await page.goto(`${runPath(2)}/jobs/test.2`);
    assert.match(await page.locator('main').innerText(), /expected: about 14\.0 s/);
    await context.close();
  }
});
