SELECT utm_source AS utmSource, utm_medium AS utmMedium, utm_campaign AS utmCampaign, uniqMerge(s.visits) AS visits
FROM states_sources AS s
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date} AND NOT is_bot
  AND (utm_source != '' OR utm_medium != '' OR utm_campaign != '')
GROUP BY utm_source, utm_medium, utm_campaign
ORDER BY visits DESC, utm_source, utm_medium, utm_campaign
LIMIT 50
