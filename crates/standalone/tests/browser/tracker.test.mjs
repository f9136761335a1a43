// What the tracker promises, in a real browser. Run with `node --test` in this folder after
// `npm ci`; settings.test.mjs holds what the attributes of the snippet change.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, scrollTo, until } from './harness.mjs';
import { SITE, names, scene as stage, track } from './scene.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());
const scene = (t, options) => stage(t, browser, options);

// The tests mostly wait for nothing to happen, so several do it at once.
describe('the tracker', { concurrency: 6 }, () => {
  // ---- What an event says ----------------------------------------------------------------

  test('a page view carries the fields of the published API', async t => {
    const { visit, sees, site, requests } = await scene(t);
    await visit('/blog/post-1?utm_source=twitter#top');
    const [event] = await sees('page_view');
    assert.match(event.event_id, /^[0-9a-f]{32}$/);
    delete event.event_id;
    assert.deepEqual(event, {
      website_id: SITE,
      event_type: 'page_view',
      url: `${site.origin}/blog/post-1?utm_source=twitter`,
      path: '/blog/post-1',
      screen_width: 1280,
      screen_height: 800,
    });
    assert.equal(requests[0].method, 'POST');
    assert.equal(requests[0].url, '/api/v1/collect');
  });

  test('a page view names the page it was reached from', async t => {
    const { visit, sees, site } = await scene(t);
    const tab = await visit('/plain');
    await tab.click('#home');
    const [, , second] = await sees('page_view', 'close_tab', 'page_view');
    assert.equal(second.referrer, `${site.origin}/plain`);
  });

  test('no preflight, no cookie, and nothing kept in the browser', async t => {
    const { visit, sees, requests, visitor } = await scene(t);
    const tab = await visit('/plain');
    await track(tab, ['one']);
    await sees('page_view', 'custom');
    for (const request of requests) {
      assert.equal(request.method, 'POST', 'a preflight would be OPTIONS');
      assert.equal(request.headers.cookie, undefined, 'although the collector has set one');
    }
    assert.deepEqual(await tab.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]), ['', 0, 0]);
    assert.deepEqual((await visitor.cookies()).map(cookie => cookie.name), ['person']);
  });

  test('every event has an id of its own', async t => {
    const { visit, sees } = await scene(t);
    const tab = await visit('/plain');
    await track(tab, ['a'], ['a'], ['a']);
    const events = await sees('page_view', 'custom', 'custom', 'custom');
    assert.equal(new Set(events.map(event => event.event_id)).size, 4);
  });

  // ---- Custom events ---------------------------------------------------------------------

  test('a custom event has its name beside and among its properties', async t => {
    const { visit, sees } = await scene(t);
    const tab = await visit();
    await tab.click('#signup');
    const [, event] = await sees('page_view', 'custom');
    assert.equal(event.event_name, 'signup_complete');
    assert.deepEqual(event.properties, { name: 'signup_complete', plan: 'pro', source: 'pricing_page' });
  });

  test('a property called name is kept and does not rename the event', async t => {
    const { visit, sees } = await scene(t);
    const tab = await visit('/plain');
    await track(tab, ['search', { name: 'Ada' }]);
    const [, event] = await sees('page_view', 'custom');
    assert.equal(event.event_name, 'search');
    assert.deepEqual(event.properties, { name: 'Ada' });
  });

  test('what JSON cannot hold is dropped without a word', async t => {
    const { visit, sees } = await scene(t);
    const tab = await visit('/plain');
    await tab.evaluate(() => {
      const circle = {};
      circle.circle = circle;
      analytics.track('circle', circle);
      analytics.track('big', { count: 1n });
      analytics.track('huge', { text: 'x'.repeat(70_000) });
      analytics.track('fine');
    });
    assert.deepEqual(names(await sees('page_view', 'custom')), ['page_view', 'fine']);
  });

  test('track exists once the script has run, and the page view still comes first', async t => {
    const { visit, sees } = await scene(t, {
      snippet: tag => `${tag}<script defer src="data:text/javascript,analytics.track('early')"></script>`,
    });
    await visit('/plain');
    assert.deepEqual(names(await sees('page_view', 'custom')), ['page_view', 'early']);
  });

  // ---- Delivery --------------------------------------------------------------------------

  test('events reach a slow collector one at a time, in order', async t => {
    const { visit, sees, busiest } = await scene(t, {
      answer: (_, nth) => new Promise(done => setTimeout(done, nth % 2 ? 120 : 5, 202)),
    });
    const tab = await visit('/plain');
    await track(tab, ['a'], ['b'], ['c'], ['d']);
    assert.deepEqual(names(await sees('page_view', 'custom', 'custom', 'custom', 'custom')), ['page_view', 'a', 'b', 'c', 'd']);
    assert.equal(busiest.requests, 1);
  });

  test('a limited event waits as long as it is told and comes again before the next', async t => {
    const times = [];
    const { visit, sees } = await scene(t, {
      answer: (_, nth) => {
        times.push(Date.now());
        return nth === 1 ? { status: 429, headers: { 'Retry-After': '1' } } : 202;
      },
    });
    const tab = await visit('/plain');
    await track(tab, ['after']);
    const events = await sees('page_view', 'page_view', 'custom');
    assert.deepEqual(events[0], events[1], 'the same event, under the same id');
    assert.ok(times[1] - times[0] >= 1000, 'not before Retry-After is over');
  });

  test('an event is sent again when the collector is unavailable or the connection breaks', async t => {
    const answers = ['hang up', 503, 202];
    const { visit, events } = await scene(t, { answer: (_, nth) => answers[nth - 1] ?? 202 });
    const tab = await visit('/plain');
    await track(tab, ['after']);
    await until('the custom event', () => names(events).includes('after'));
    // Chromium itself repeats a request once when a reused connection breaks.
    assert.deepEqual(names(events).filter((name, at, all) => name !== all[at - 1]), ['page_view', 'after']);
    assert.equal(new Set(events.map(event => event.event_id)).size, 2);
  });

  test('an event that nobody takes is given up, and the ones behind it are not', async t => {
    const { visit, events } = await scene(t, {
      answer: event => event.event_type === 'page_view' ? { status: 429, headers: { 'Retry-After': '0.01' } } : 202,
    });
    const tab = await visit('/plain');
    await track(tab, ['after']);
    await until('the custom event', () => names(events).includes('after'));
    assert.deepEqual(names(events), [...Array(5).fill('page_view'), 'after']);
  });

  for (const status of [204, 400, 404]) {
    test(`${status} is final`, async t => {
      const { visit, sees } = await scene(t, { answer: () => status });
      const tab = await visit('/plain');
      await track(tab, ['next']);
      await sees('page_view', 'custom');
    });
  }

  test('what waits when the tab closes still leaves, in order', async t => {
    const { visit, sees, events, answered } = await scene(t, {
      answer: (_, nth) => nth === 1 ? new Promise(done => setTimeout(done, 1000, 202)) : 202,
    });
    const tab = await visit('/plain');
    await until('the page view', () => events.length);
    await track(tab, ['a'], ['b']);
    await tab.close({ runBeforeUnload: true });
    assert.deepEqual(names(await sees('page_view', 'custom', 'custom', 'close_tab')), ['page_view', 'a', 'b', 'close_tab']);
    await until('the last answer', () => answered.length === 4);
    assert.ok(answered.every(Boolean), 'the browser waits for the answers, although the tab is gone');
  });

  test('the queue is bounded', async t => {
    let release;
    const gate = new Promise(done => { release = done; });
    const { visit, events } = await scene(t, { answer: async (_, nth) => nth === 1 ? gate.then(() => 202) : 202 });
    const tab = await visit('/plain');
    await until('the page view', () => events.length);
    await track(tab, ...Array.from({ length: 80 }, (_, n) => [`event ${n}`]));
    release();
    await until('the queue', () => events.length === 51);
    await track(tab, ['last']);
    await until('one more', () => events.length === 52);
    assert.deepEqual(names(events).slice(50), ['event 49', 'last']);
  });

  // ---- Scrolling -------------------------------------------------------------------------

  test('each depth counts once, in order, also when one jump passes them all', async t => {
    const { visit, sees } = await scene(t);
    const tab = await visit();
    await scrollTo(tab, 0.24);
    await sees('page_view');
    await scrollTo(tab, 0.25);
    await sees('page_view', 'scroll_25');
    await scrollTo(tab, 1);
    await sees('page_view', 'scroll_25', 'scroll_50', 'scroll_75');
    await scrollTo(tab, 0);
    await scrollTo(tab, 1);
    await sees('page_view', 'scroll_25', 'scroll_50', 'scroll_75');
  });

  test('a page that fits the window has no depth', async t => {
    const { visit, sees } = await scene(t);
    const tab = await visit('/plain');
    // Something on the page scrolls, but not the page.
    await tab.evaluate(() => {
      const box = document.createElement('div');
      box.style = 'height: 100px; overflow: auto';
      box.innerHTML = '<p style="height: 1000px">';
      document.body.append(box);
      box.scrollTop = 900;
    });
    await tab.mouse.wheel(0, 500);
    await sees('page_view');
  });

  // ---- Single-page applications ----------------------------------------------------------

  test('a new path is a page view, with the address before it as its referrer', async t => {
    const { visit, sees, site } = await scene(t);
    const tab = await visit('/?utm_source=x');
    await tab.evaluate(() => { history.scrollRestoration = 'manual'; });
    await scrollTo(tab, 0.3);
    await sees('page_view', 'scroll_25');
    await tab.click('#pricing');
    await scrollTo(tab, 0.3);
    await sees('page_view', 'scroll_25', 'page_view', 'scroll_25');
    await tab.evaluate(() => history.replaceState({}, '', '/pricing/yearly'));
    await tab.evaluate(() => scrollTo(0, 0));
    const before = ['page_view', 'scroll_25', 'page_view', 'scroll_25', 'page_view'];
    await sees(...before);
    await tab.goBack();
    const events = await sees(...before, 'page_view');
    assert.deepEqual(events.filter(event => event.event_type === 'page_view').map(event => [event.path, event.referrer]), [
      ['/', undefined],
      ['/pricing', `${site.origin}/?utm_source=x`],
      ['/pricing/yearly', `${site.origin}/pricing`],
      ['/', `${site.origin}/pricing/yearly`],
    ]);
  });

  test('another query, another fragment and the same path are no page views', async t => {
    const { visit, sees } = await scene(t);
    const tab = await visit('/plain');
    await tab.evaluate(() => {
      history.pushState({}, '', '?page=2');
      history.replaceState({}, '', location.href);
      location.hash = 'below';
    });
    await sees('page_view');
  });

  test('with data-hash the fragment is part of the route', async t => {
    const { visit, sees, site } = await scene(t, { attributes: 'data-hash' });
    const tab = await visit('/plain#/inbox');
    await sees('page_view');
    await tab.evaluate(() => { location.hash = '/sent'; });
    const events = await sees('page_view', 'page_view');
    assert.deepEqual(events.map(event => [event.url, event.path]), [
      [`${site.origin}/plain#/inbox`, '/plain#/inbox'],
      [`${site.origin}/plain#/sent`, '/plain#/sent'],
    ]);
    assert.equal(events[1].referrer, `${site.origin}/plain#/inbox`);
  });

  test('an address the browser refuses still raises its error to the caller', async t => {
    const { visit, sees } = await scene(t);
    const tab = await visit('/plain');
    const error = await tab.evaluate(() => {
      try {
        history.pushState({}, '', 'https://another.example/');
      } catch (refusal) {
        return refusal.name;
      }
    });
    assert.equal(error, 'SecurityError');
    await sees('page_view');
  });

  // ---- Links -----------------------------------------------------------------------------

  test('a click on a child of an outbound link counts and outlives the page', async t => {
    const { visit, sees, site } = await scene(t);
    const tab = await visit();
    await tab.click('#outbound-here span');
    await tab.waitForURL(`${site.elsewhere}/partner`);
    const events = await sees('page_view', 'outbound_link', 'close_tab');
    assert.deepEqual(events[1].properties, { url: `${site.elsewhere}/partner` });
  });

  test('a middle click counts, a right click does not', async t => {
    const { visit, sees } = await scene(t);
    const tab = await visit();
    // Kept in this tab, so that nothing but the click can send an event.
    await tab.evaluate(() => addEventListener('auxclick', event => event.preventDefault()));
    await tab.click('#outbound', { button: 'right' });
    await tab.click('#outbound', { button: 'middle' });
    await sees('page_view', 'outbound_link');
  });

  test('a click that a script of the page handles and stops still counts', async t => {
    const { visit, sees } = await scene(t);
    const tab = await visit();
    await tab.evaluate(() => document.querySelector('#outbound').addEventListener('click', event => {
      event.preventDefault();
      event.stopImmediatePropagation();
    }));
    await tab.click('#outbound');
    await sees('page_view', 'outbound_link');
  });

  test('links within the site and links that are no pages do not count', async t => {
    const { visit, sees } = await scene(t);
    const tab = await visit();
    await tab.evaluate(() => addEventListener('click', event => event.preventDefault()));
    await tab.click('#inbound');
    await tab.click('#mail');
    await tab.click('h1');
    await sees('page_view');
  });

  // ---- Leaving and coming back -----------------------------------------------------------

  test('each time the page goes out of sight is one close_tab', async t => {
    const { visit, sees } = await scene(t);
    const tab = await visit('/plain');
    const show = hidden => tab.evaluate(value => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
      document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
    }, hidden);
    await show(true);
    await show(true);
    await sees('page_view', 'close_tab');
    await show(false);
    await sees('page_view', 'close_tab');
    await show(true);
    await sees('page_view', 'close_tab', 'close_tab');
    await tab.close({ runBeforeUnload: true });
    await sees('page_view', 'close_tab', 'close_tab');
  });

  test('a page back from the back/forward cache is viewed again', async t => {
    const { visit, sees, events, site } = await scene(t);
    const tab = await visit('/plain');
    await tab.evaluate(() => { window.alive = true; });
    await tab.goto(`${site.elsewhere}/partner`);
    await sees('page_view', 'close_tab');
    await tab.goBack({ waitUntil: 'commit' });
    assert.equal(await tab.evaluate(() => window.alive), true, 'the document was in the cache');
    await sees('page_view', 'close_tab', 'page_view');
    assert.equal(events[2].referrer, `${site.origin}/plain`, 'the first arrival is not counted as a second');
    await tab.close({ runBeforeUnload: true });
    await sees('page_view', 'close_tab', 'page_view', 'close_tab');
  });

  test('a prerendered page counts when it is shown', async t => {
    const { visit, sees, visitor } = await scene(t);
    await visitor.addInitScript(() => Object.defineProperty(document, 'prerendering', { value: true }));
    const tab = await visit('/plain');
    await track(tab, ['before']);
    await sees();
    await tab.evaluate(() => document.dispatchEvent(new Event('prerenderingchange')));
    assert.deepEqual(names(await sees('page_view', 'custom')), ['page_view', 'before']);
  });

  test('a script that comes late sends its page view at once', async t => {
    const { visit, sees } = await scene(t, {
      snippet: (tag, url) => `<script>addEventListener('load', () => {
        const script = document.createElement('script');
        script.dataset.id = '${SITE}';
        script.src = '${/src="([^"]+)"/.exec(tag)[1]}';
        document.head.append(script);
      })</script>`,
    });
    await visit('/plain');
    await sees('page_view');
  });
});
