-- Four lists from one look at the events.
SELECT
    multiIf(grouping(device_type) = 0, 'device_types', grouping(browser) = 0, 'browsers', grouping(os) = 0, 'os_families', 'screen_resolutions') AS list,
    device_type AS deviceType, browser AS browserFamily, os AS osFamily, screen AS bucket,
    sum(e.visits) AS visits
FROM events AS e
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date}
  AND NOT is_excluded AND NOT is_bot
GROUP BY GROUPING SETS ((device_type), (browser), (os), (screen))
HAVING visits > 0
ORDER BY visits DESC, device_type, browser, os, screen
