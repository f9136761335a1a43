-- What a house without deltas would keep: distinct sessions and visitors as states, by the same dimensions as the rollups.
CREATE OR REPLACE TABLE states_site
(
    website_id  UUID,
    day         Date,
    is_bot      Bool,
    pageviews   SimpleAggregateFunction(sum, UInt64),
    bounces     SimpleAggregateFunction(sum, Int64),
    duration_ms SimpleAggregateFunction(sum, Int64),
    visits      AggregateFunction(uniq, UInt64),
    visitors    AggregateFunction(uniq, Date, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot);

INSERT INTO states_site
SELECT
    website_id, day, is_bot,
    countIf(event_type = 'page_view'), sum(bounces), sum(duration_ms),
    uniqStateIf(session_id, visits > 0), uniqState(if(is_identified, toDate(0), day), visitor_id)
FROM events
WHERE NOT is_excluded
GROUP BY website_id, day, is_bot;

CREATE OR REPLACE TABLE states_pages
(
    website_id UUID,
    day        Date,
    is_bot     Bool,
    path       String,
    pageviews  SimpleAggregateFunction(sum, UInt64),
    visits     AggregateFunction(uniq, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot, path);

INSERT INTO states_pages
SELECT website_id, day, is_bot, path, count(), uniqState(session_id)
FROM events
WHERE NOT is_excluded AND event_type = 'page_view'
GROUP BY website_id, day, is_bot, path;

CREATE OR REPLACE TABLE states_sources
(
    website_id   UUID,
    day          Date,
    is_bot       Bool,
    channel      LowCardinality(String),
    referrer     LowCardinality(String),
    utm_source   LowCardinality(String),
    utm_medium   LowCardinality(String),
    utm_campaign LowCardinality(String),
    visits       AggregateFunction(uniq, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot, channel, referrer, utm_source, utm_medium, utm_campaign);

INSERT INTO states_sources
SELECT website_id, day, is_bot, channel, referrer, utm_source, utm_medium, utm_campaign, uniqState(session_id)
FROM events
WHERE NOT is_excluded AND visits > 0
GROUP BY website_id, day, is_bot, channel, referrer, utm_source, utm_medium, utm_campaign;

CREATE OR REPLACE TABLE states_devices
(
    website_id  UUID,
    day         Date,
    is_bot      Bool,
    device_type LowCardinality(String),
    browser     LowCardinality(String),
    os          LowCardinality(String),
    screen      LowCardinality(String),
    visits      AggregateFunction(uniq, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot, device_type, browser, os, screen);

INSERT INTO states_devices
SELECT website_id, day, is_bot, device_type, browser, os, screen, uniqState(session_id)
FROM events
WHERE NOT is_excluded AND visits > 0
GROUP BY website_id, day, is_bot, device_type, browser, os, screen
