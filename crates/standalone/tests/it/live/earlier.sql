-- Events of a month before those of the test, of another website.
INSERT INTO events
    (website_id, day, time, event_type, path, visitor_id, session_id, session_start, session_day, entry_path, prev_path,
     visits, visitors, bounces, duration_ms, unique_pageview, referrer, channel, device_type, browser, country, stream,
     kafka_partition, kafka_offset)
SELECT
    toUUID('00000000-0000-0000-0000-000000000001'),
    today() - 35 - number % 30,
    toDateTime64(today() - 35 - number % 30, 3, 'UTC') + toIntervalSecond(number % 86000),
    if(number % 5 = 4, 'custom', 'page_view'),
    concat('/', toString(cityHash64(number) % 3000)),
    intDiv(number, 30),
    intDiv(number, 60) + 1,
    toDateTime64(today() - 35 - number % 30, 3, 'UTC'),
    today() - 35 - number % 30,
    '/', '',
    number % 60 < 30, number % 60 < 30, number % 60 < 30, 1000, 1,
    ['', 'a.example', 'b.example'][1 + number % 3], ['Direct', 'Referral', 'Social'][1 + number % 3],
    ['desktop', 'mobile'][1 + number % 2], ['Chrome', 'Firefox'][1 + number % 2], 'FI', 'earlier', 0, number
FROM numbers(300000)
SETTINGS max_insert_threads = 1
