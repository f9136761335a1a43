// What the driver and the tracker's tests share: a small site with the snippet on its
// pages, and a browser that looks like anybody's.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

// When a wait is held to be in vain. No test measures speed, and a machine that also runs other
// tests may need a second for what takes ten milliseconds on an idle one.
const PATIENCE = 120;

/** Starts `handler` on a free loopback port; gives the port and a way to close. */
export async function listen(handler) {
  const server = createServer(handler);
  await new Promise((done, failed) => server.once('error', failed).listen(0, '127.0.0.1', done));
  const close = () => new Promise(done => {
    server.close(done);
    server.closeAllConnections();
  });
  return { port: server.address().port, close };
}

/** The whole body of a request, as bytes. */
export async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const page = name => readFileSync(new URL(`site/${name}.html`, import.meta.url), 'utf8');
const pages = { plain: page('plain'), bare: page('bare'), index: page('index') };

/**
 * Serves the test site: `/partner` has no tracker, `/plain…` is short, every other path is
 * the long page. The same server is also another host, `localhost`, for outbound links.
 *
 * `snippet` is a function of the requested URL, so that a test can choose the attributes.
 */
export async function serveSite(snippet) {
  const { port, close } = await listen((request, response) => {
    const url = new URL(request.url, 'http://site');
    const html = url.pathname === '/partner' ? pages.bare : url.pathname.startsWith('/plain') ? pages.plain : pages.index;
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(html
      .replace('{{snippet}}', () => snippet(url))
      .replaceAll('{{elsewhere}}', `http://localhost:${port}`));
  });
  return { origin: `http://127.0.0.1:${port}`, elsewhere: `http://localhost:${port}`, close };
}

/** Starts the Chromium at `FOOTFALL_CHROMIUM`, else `/usr/bin/chromium`. */
export async function launch() {
  const browser = await chromium.launch({
    executablePath: process.env.FOOTFALL_CHROMIUM || '/usr/bin/chromium',
    headless: true,
    timeout: 1000 * PATIENCE,
    // Playwright switches the back/forward cache off; visitors have it on.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
  // The default agent says HeadlessChrome, which a collector rightly takes for a bot.
  const major = browser.version().split('.')[0];
  const userAgent = `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${major}.0.0.0 Safari/537.36`;
  return {
    /** A fresh visitor: no cookies, no storage, nothing cached. */
    visitor: async options => {
      const visitor = await browser.newContext({ userAgent, viewport: { width: 1280, height: 800 }, ...options });
      visitor.setDefaultTimeout(1000 * PATIENCE);
      return visitor;
    },
    close: () => browser.close(),
  };
}

/** Scrolls to a share of the distance that the page can be scrolled. */
export function scrollTo(tab, share) {
  return tab.evaluate(part => {
    const height = document.documentElement.scrollHeight - innerHeight;
    window.scrollTo(0, Math.round(height * part));
  }, share);
}

/** Waits until `condition()` gives something true, and gives that. */
export async function until(what, condition, seconds = PATIENCE) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const result = condition();
    if (result) return result;
    if (Date.now() > end) throw new Error(`Waited ${seconds} s in vain for ${what}.`);
    await new Promise(done => setTimeout(done, 10));
  }
}
