SELECT utm_source AS utmSource, utm_medium AS utmMedium, utm_campaign AS utmCampaign, sum(e.visits) AS visits
FROM events AS e
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date}
  AND (utm_source != '' OR utm_medium != '' OR utm_campaign != '')
  AND NOT is_excluded AND NOT is_bot
GROUP BY utm_source, utm_medium, utm_campaign
HAVING visits > 0
ORDER BY visits DESC, utm_source, utm_medium, utm_campaign
LIMIT 50
