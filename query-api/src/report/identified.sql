-- How many identified visitors there were: each of them once, on however many days it came.
SELECT toInt64(count()) AS visitors
FROM
(
    SELECT visitor_id, is_bot
    FROM {table:Identifier}
    WHERE website_id = {site:UUID}
      AND day BETWEEN {start:Date} AND {end:Date}
      AND ({include_bots:Bool} OR NOT is_bot)
    GROUP BY visitor_id, is_bot
    HAVING sum(events) > 0
)
