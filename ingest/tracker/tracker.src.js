// The tracker: what a page sends to Footfall, and when. README.md here lists its settings.
//
// This file is the source. The collector serves `tracker.js`, which `./build` makes of it.
//
// Three promises hold throughout: nothing throws into the page, nothing is kept in the
// browser (no cookie, no storage, no identifier of a person), and the events of one page
// load reach the collector in the order in which they happened.
(() => {
  const { src, dataset: settings = {} } = document.currentScript || {};
  const { id, auto: wanted = 'true' } = settings;
  const analytics = window.analytics = window.analytics || {};

  // Frameworks that run the scripts of a body again would otherwise count everything twice.
  if (id && analytics.id === id) return;
  analytics.id = id;

  // A page may call these whatever is decided below.
  analytics.track = analytics.page = () => {};

  // Where events go: the host this script came from, another host, or a whole address.
  let endpoint;
  let ignored;
  try {
    endpoint = new URL(settings.api || '/', src);
    if (endpoint.pathname === '/') endpoint.pathname = '/api/v1/collect';
    ignored = localStorage.footfall_ignore === 'true';
  } catch {
    // An address that is none leaves no endpoint. Blocked storage can hold no flag.
  }

  const on = setting => /^(true)?$/.test(setting);

  if (
    !id || !endpoint || ignored ||
    on(settings.dnt) && (navigator.doNotTrack == 1 || navigator.globalPrivacyControl) ||
    settings.domains && !settings.domains.split(/[\s,]+/).includes(location.hostname)
  ) return;

  // '/admin/*, /preview/*' becomes ^(\/admin\/.*|\/preview\/.*)$
  const excluded = settings.exclude && new RegExp('^(' + settings.exclude
    .replace(/[^\w*,\s]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/[\s,]+/g, '|') + ')$');

  // A fragment may carry a token, so it is sent only where it is the page's route.
  const hash = () => on(settings.hash) ? location.hash : '';
  const path = () => location.pathname + hash();
  const address = () => location.href.split('#')[0] + hash();

  // ---- Delivery -------------------------------------------------------------------------

  const queue = [];
  let busy;
  let failures = 0;

  // A string body goes as text/plain, which needs no preflight: half the requests, and it
  // still leaves when the page is going away. Not sendBeacon, which always sends cookies
  // and never says whether the collector took the event.
  const post = async body => {
    try {
      return await fetch(endpoint, { method: 'POST', body, keepalive: true, credentials: 'omit' });
    } catch {
      // No network, or something blocks the request.
    }
  };

  // One request at a time. The collector stamps an event when it arrives, so the next one
  // may leave only after the answer to the one before.
  const pump = async () => {
    if (busy) return;
    busy = true;
    while (queue.length) {
      const body = queue.shift();
      const answer = await post(body);
      if (answer && answer.status !== 429 && answer.status < 500) {
        failures = 0;
        continue;
      }
      // Five failures in a row cost the oldest event; from then on each has one attempt.
      if (++failures < 5) queue.unshift(body);
      const seconds = Math.min(+answer?.headers.get('Retry-After') || 2 ** failures, 60);
      await new Promise(done => setTimeout(done, 1000 * (seconds + Math.random())));
    }
    busy = false;
  };

  const emit = (event_type, properties, event_name) => {
    try {
      const body = JSON.stringify({
        // Makes a repeated request harmless: the collector stores the event once. Not
        // randomUUID, which pages without TLS do not have.
        event_id: crypto.getRandomValues(new Uint8Array(16)).reduce((hex, byte) => hex + (byte + 256).toString(16).slice(1), ''),
        website_id: id,
        event_type,
        event_name,
        url: address(),
        path: path(),
        referrer: referrer || undefined,
        screen_width: innerWidth,
        screen_height: innerHeight,
        properties,
      });
      // A browser refuses to keep more than 64 KiB alive.
      if (!excluded?.test(path()) && queue.length < 50 && body.length < 6e4) queue.push(body);
      pump();
    } catch {
      // Properties that JSON cannot hold.
    }
  };

  // ---- What happens by itself -----------------------------------------------------------

  const auto = (type, properties) => {
    if (wanted === 'true' || wanted.includes(type)) emit(type, properties);
  };

  let url;
  let viewed;
  let referrer = document.referrer;
  let mark;

  const view = send => {
    url = address();
    viewed = path();
    mark = 25;
    send('page_view');
  };

  const viewAgain = () => {
    referrer = url;
    view(auto);
  };

  const navigated = () => {
    if (path() !== viewed) viewAgain();
  };

  // Once each time the page goes out of sight, so that a visit lasts until it was last seen.
  let away;
  const leave = () => {
    away || auto('close_tab');
    away = true;
  };

  // ---- What the page calls --------------------------------------------------------------

  // Held until the page is ready, so that its first page view comes first.
  let held = [];
  const hold = call => held ? held.push(call) : call();

  // The name goes in both places: beside the properties, where a `name` of the caller's own
  // cannot hide it, and among them, as in the published API.
  analytics.track = (name, properties) => hold(() => emit('custom', { name, ...properties }, name));
  analytics.page = () => hold(() => view(emit));

  // ---- Start ----------------------------------------------------------------------------

  // Capturing on the window sees every event, also those that stop or do not bubble.
  const listen = (type, listener) => addEventListener(type, listener, true);

  const start = () => {
    const calls = held;
    held = 0;
    away = document.hidden;
    view(auto);
    calls.forEach(call => call());

    for (const method of ['pushState', 'replaceState']) {
      const original = history[method];
      history[method] = function () {
        original.apply(this, arguments);
        navigated();
      };
    }
    listen('popstate', navigated);

    // Depth is the share of the distance the page can be scrolled. Four pixels less make up
    // for rounded positions: one at 25 %. A page that fits the window has no depth.
    listen('scroll', () => {
      const depth = 100 * scrollY / (document.documentElement.scrollHeight - innerHeight - 4);
      for (; mark < 100 && depth >= mark; mark += 25) auto('scroll_' + mark);
    });

    const clicked = event => {
      const link = event.button < 2 && event.target.closest?.('a[href]');
      if (link && /^http/.test(link.protocol) && link.host !== location.host) auto('outbound_link', { url: link.href });
    };
    listen('click', clicked);
    listen('auxclick', clicked);

    listen('visibilitychange', () => document.hidden ? leave() : away = false);

    // No answer will be seen any more, so everything leaves at once.
    listen('pagehide', () => {
      leave();
      queue.splice(0).forEach(post);
    });

    // Back from the back/forward cache: the script never stopped, but it is a new view.
    listen('pageshow', event => {
      if (event.persisted) viewAgain();
    });
  };

  // The state "interactive" does not say whether DOMContentLoaded has been; the clock does.
  const ready = () => {
    if (performance.timing?.domContentLoadedEventStart) start();
    else listen('DOMContentLoaded', start);
  };

  // A prerendered page may never be seen. It counts when it is.
  if (document.prerendering) listen('prerenderingchange', ready);
  else ready();
})();
