// A scene of a test: a visitor, a site with the snippet, and a collector that can be slow,
// refuse and vanish.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { bodyOf, listen, serveSite, until } from './harness.mjs';

export const SITE = '550e8400-e29b-41d4-a716-446655440000';
const TRACKER = readFileSync(new URL('../../../../ingest/tracker/tracker.js', import.meta.url));

/**
 * One visitor, one site, one collector. `attributes` go on the snippet; `answer(event, nth)`
 * may give a status, `{ status, headers }`, a promise of one, or 'hang up'.
 */
export async function scene(t, browser, { attributes = '', id = SITE, answer = () => 202, snippet, ...options } = {}) {
  const events = [];
  const requests = [];
  let open = 0;
  const busiest = { requests: 0 };
  const answered = [];
  const collector = await listen(async (request, response) => {
    response.setHeader('Access-Control-Allow-Origin', request.headers.origin ?? '*');
    response.setHeader('Access-Control-Allow-Credentials', 'true');
    response.setHeader('Access-Control-Expose-Headers', 'Retry-After');
    if (request.url === '/js/tracker.js') {
      response.setHeader('Content-Type', 'application/javascript');
      response.setHeader('Set-Cookie', 'person=1; Path=/api');
      return response.end(TRACKER);
    }
    requests.push(request);
    response.on('close', () => answered.push(response.writableFinished));
    busiest.requests = Math.max(busiest.requests, ++open);
    const event = JSON.parse(await bodyOf(request));
    const nth = events.push(event);
    const given = await answer(event, nth);
    const { status = given, headers = {} } = given;
    open--;
    if (given === 'hang up') return request.socket.destroy();
    response.writeHead(status, headers);
    response.end();
  });
  const origin = `http://127.0.0.1:${collector.port}`;
  const tag = `<script defer ${id ? `data-id="${id}"` : ''} ${attributes} src="${origin}/js/tracker.js"></script>`;
  const site = await serveSite(snippet ? url => snippet(tag, url) : () => tag);
  const visitor = await browser.visitor(options);
  const errors = [];
  visitor.on('weberror', error => errors.push(error.error().message));
  t.after(async () => {
    await visitor.close();
    await site.close();
    await collector.close();
    assert.deepEqual(errors, [], 'the page sees no errors');
  });

  const types = () => events.map(event => event.event_type);
  return {
    visitor, site, origin, events, requests, busiest, answered, types,
    visit: async (path = '/') => {
      const tab = await visitor.newPage();
      await tab.goto(site.origin + path);
      return tab;
    },
    /** Waits for exactly these events, and for a moment longer, in which no other may come. */
    sees: async (...expected) => {
      await until(expected.join(', '), () => events.length >= expected.length)
        .catch(error => assert.deepEqual(types(), expected, error.message));
      await new Promise(done => setTimeout(done, 150));
      assert.deepEqual(types(), expected);
      return events;
    },
  };
}

/** Calls `analytics.track` on the page, once with each list of arguments. */
export const track = (tab, ...calls) => tab.evaluate(args => args.forEach(call => analytics.track(...call)), calls);

/** What happened: the name of a custom event, the type of any other. */
export const names = events => events.map(event => event.event_name ?? event.event_type);
