// One visit in a real browser against a running Footfall.
//
//   FOOTFALL_URL=http://127.0.0.1:8000 FOOTFALL_WEBSITE=<uuid> node drive.mjs
//
// Between the browser and Footfall stands a relay that passes every request on unchanged
// and notes it: a browser does not report what leaves while a tab closes. Each request to
// /api/v1/collect is printed as one line of JSON, in the order of arrival, and a last line
// {"done":true,…} closes the run. Failures are told on stderr, with exit status 1.
import { request as forward } from 'node:http';
import { request as forwardSecurely } from 'node:https';
import { bodyOf, launch, listen, scrollTo, serveSite, until } from './harness.mjs';

const COLLECT = '/api/v1/collect';

/** Relays to `target`, adding each event to `seen` when it arrives and its status later. */
function relay(target, seen) {
  return async (incoming, outgoing) => {
    let noted;
    try {
      const body = await bodyOf(incoming);
      if (incoming.url === COLLECT && incoming.method !== 'OPTIONS') {
        noted = {
          method: incoming.method,
          content_type: incoming.headers['content-type'],
          origin: incoming.headers.origin,
          cookie: incoming.headers.cookie ?? null,
          user_agent: incoming.headers['user-agent'],
          body: JSON.parse(body),
        };
        seen.push(noted);
      }
      const { statusCode, headers, answer } = await new Promise((done, failed) => {
        const send = target.protocol === 'https:' ? forwardSecurely : forward;
        const onward = send(new URL(incoming.url, target), {
          method: incoming.method,
          headers: { ...incoming.headers, host: target.host },
        }, async response => {
          try {
            done({ statusCode: response.statusCode, headers: response.headers, answer: await bodyOf(response) });
          } catch (error) {
            failed(error);
          }
        });
        onward.on('error', failed);
        onward.end(body);
      });
      if (noted) {
        noted.status = statusCode;
        noted.response = answer.toString();
      }
      const { connection, 'transfer-encoding': _, ...kept } = headers;
      outgoing.writeHead(statusCode, kept);
      outgoing.end(answer);
    } catch (error) {
      if (noted) noted.status = 0;
      console.error(`The relay could not pass on ${incoming.method} ${incoming.url}: ${error.message}`);
      outgoing.destroy();
    }
  };
}

/** The events the collector took. One it asked to have again comes again; a refusal is final. */
function taken(seen) {
  const refused = seen.find(({ status }) => status > 202 && status < 500 && status !== 429);
  if (refused) {
    const { status, body, response } = refused;
    throw new Error(`Footfall answered ${status} to ${body.event_type}: ${response || 'nothing was stored'}`);
  }
  return seen.filter(({ status }) => status === 202);
}

/** The visit. Returns the events the tracker is to have sent, in order. */
async function visit(visitor, site, seen) {
  const tab = await visitor.newPage();
  const complaints = [];
  tab.on('pageerror', error => complaints.push(error.message));
  const expected = [];
  const happens = async type => {
    expected.push(type);
    await until(`event ${expected.length}, ${type}`, () => taken(seen).length >= expected.length);
  };

  await tab.goto(`${site.origin}/?utm_source=newsletter&utm_medium=email`);
  await happens('page_view');
  for (const percent of [25, 50, 75]) {
    await scrollTo(tab, percent / 100);
    await happens(`scroll_${percent}`);
  }
  await tab.click('#signup');
  await happens('custom');
  await tab.click('#pricing');
  await happens('page_view');
  const partner = visitor.waitForEvent('page');
  await tab.click('#outbound span');
  await (await partner).waitForLoadState();
  await happens('outbound_link');
  await tab.close({ runBeforeUnload: true });
  await happens('close_tab');

  if (complaints.length) throw new Error(`The page saw errors: ${complaints.join('; ')}`);
  return expected;
}

async function main() {
  const { FOOTFALL_URL, FOOTFALL_WEBSITE } = process.env;
  if (!FOOTFALL_URL || !FOOTFALL_WEBSITE) throw new Error('FOOTFALL_URL and FOOTFALL_WEBSITE must be set.');

  const script = await fetch(new URL('/js/tracker.js', FOOTFALL_URL));
  if (!script.ok) throw new Error(`Footfall answered ${script.status} to GET /js/tracker.js.`);

  const seen = [];
  const collector = await listen(relay(new URL(FOOTFALL_URL), seen));
  const site = await serveSite(() =>
    `<script defer data-id="${FOOTFALL_WEBSITE}" src="http://127.0.0.1:${collector.port}/js/tracker.js"></script>`);
  const browser = await launch();
  try {
    const expected = await visit(await browser.visitor(), site, seen);
    const types = taken(seen).map(event => event.body.event_type);
    if (types.join() !== expected.join()) throw new Error(`Expected ${expected.join(', ')}; stored were ${types.join(', ')}.`);
    if (seen.some(event => event.cookie)) throw new Error('The tracker sent a cookie.');
  } finally {
    seen.forEach(event => console.log(JSON.stringify(event)));
    await browser.close();
    await site.close();
    await collector.close();
  }
  const { origin, elsewhere } = site;
  console.log(JSON.stringify({ done: true, site: origin, elsewhere, requests: seen.length, stored: taken(seen).length }));
}

main().catch(error => {
  console.error(error.message);
  process.exitCode = 1;
});
