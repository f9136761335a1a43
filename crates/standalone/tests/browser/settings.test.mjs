// What the attributes of the snippet, and flags in the browser, change.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, scrollTo } from './harness.mjs';
import { SITE, scene as stage, track } from './scene.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());
const scene = (t, options) => stage(t, browser, options);

// The tests mostly wait for nothing to happen, so several do it at once.
describe('the settings', { concurrency: 6 }, () => {
  test('without data-id nothing is sent and track still exists', async t => {
    const { visit, sees } = await scene(t, { id: '' });
    const tab = await visit('/plain');
    await track(tab, ['nothing']);
    await sees();
  });

  test('an address in data-api that is none sends nothing', async t => {
    const { visit, sees } = await scene(t, { attributes: 'data-api="https://"' });
    const tab = await visit('/plain');
    await track(tab, ['nothing']);
    await sees();
  });

  test('data-api may be another host or a whole address', async t => {
    const other = await scene(t);
    const byHost = await scene(t, { attributes: `data-api="${other.origin}"` });
    await byHost.visit('/plain');
    await other.sees('page_view');
    const byAddress = await scene(t, { attributes: `data-api="${other.origin}/stats/take"` });
    await byAddress.visit('/plain');
    await other.sees('page_view', 'page_view');
    assert.deepEqual(other.requests.map(request => request.url), ['/api/v1/collect', '/stats/take']);
    assert.equal(byHost.events.length + byAddress.events.length, 0);
  });

  test('data-auto names what is sent by itself', async t => {
    const { visit, sees } = await scene(t, { attributes: 'data-auto="scroll_50 close_tab"' });
    const tab = await visit();
    await scrollTo(tab, 1);
    await tab.click('#signup');
    await sees('scroll_50', 'custom');
  });

  test('with data-auto="false" only the page speaks', async t => {
    const { visit, sees, site } = await scene(t, { attributes: 'data-auto="false"' });
    const tab = await visit();
    await scrollTo(tab, 1);
    await tab.evaluate(() => analytics.page());
    await tab.evaluate(() => {
      history.pushState({}, '', '/next');
      analytics.page();
    });
    await tab.close({ runBeforeUnload: true });
    const [first, second] = await sees('page_view', 'page_view');
    assert.deepEqual([first.path, second.path, second.referrer], ['/', '/next', `${site.origin}/`]);
  });

  test('data-exclude keeps whole paths out', async t => {
    const { visit, sees, events } = await scene(t, { attributes: 'data-exclude="/plain/admin/*, /plain.html"' });
    for (const path of ['/plain/admin/users', '/plain.html', '/plain/admin', '/plainXhtml']) {
      const tab = await visit(path);
      await track(tab, ['seen']);
    }
    await sees('page_view', 'custom', 'page_view', 'custom');
    assert.deepEqual(events.map(event => event.path), ['/plain/admin', '/plain/admin', '/plainXhtml', '/plainXhtml']);
  });

  test('data-domains is where it counts', async t => {
    const { visit, sees, visitor, site } = await scene(t, { attributes: 'data-domains="example.com, localhost"' });
    await visit('/plain');
    await sees();
    await (await visitor.newPage()).goto(`${site.elsewhere}/plain`);
    await sees('page_view');
  });

  for (const [signal, name, value] of [['Do Not Track', 'doNotTrack', '1'], ['Global Privacy Control', 'globalPrivacyControl', true]]) {
    test(`data-dnt respects ${signal}`, async t => {
      const asks = visitor => visitor.addInitScript(([key, set]) => Object.defineProperty(navigator, key, { value: set }), [name, value]);
      const respectful = await scene(t, { attributes: 'data-dnt="true"' });
      await respectful.visit('/plain');
      await respectful.sees('page_view');
      await asks(respectful.visitor);
      await respectful.visit('/plain');
      await respectful.sees('page_view');
      const indifferent = await scene(t, { attributes: 'data-dnt="false"' });
      await asks(indifferent.visitor);
      await indifferent.visit('/plain');
      await indifferent.sees('page_view');
    });
  }

  test('a browser with footfall_ignore set is not counted', async t => {
    const { visit, sees, visitor } = await scene(t);
    await visitor.addInitScript(() => {
      if (location.protocol === 'http:') localStorage.footfall_ignore = 'true';
    });
    const tab = await visit('/plain');
    await track(tab, ['nothing']);
    await sees();
  });

  test('a browser that blocks storage is counted', async t => {
    const { visit, sees, visitor } = await scene(t);
    await visitor.addInitScript(() => Object.defineProperty(window, 'localStorage', {
      get() { throw new DOMException('blocked', 'SecurityError'); },
    }));
    await visit('/plain');
    await sees('page_view');
  });

  test('the same snippet twice counts once, two websites count both', async t => {
    const another = '00000000-0000-4000-8000-000000000001';
    const { visit, sees } = await scene(t, { snippet: (tag, url) => tag + (url.search ? tag.replace(SITE, another) : tag) });
    await visit('/plain');
    await sees('page_view');
    await visit('/plain?both');
    const events = await sees('page_view', 'page_view', 'page_view');
    assert.deepEqual(events.map(event => event.website_id).sort(), [another, SITE, SITE].sort());
  });
});
