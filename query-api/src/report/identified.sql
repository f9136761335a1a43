toInt64((
        SELECT count()
        FROM
        (
            SELECT visitor_id, is_bot
            FROM identified
            WHERE website_id = {site:UUID}
              AND day BETWEEN {start:Date} AND {end:Date}
              AND ({include_bots:Bool} OR NOT is_bot)
            GROUP BY visitor_id, is_bot
            HAVING sum(events) > 0
        )
    ))
