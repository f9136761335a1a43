session_id IN (
        SELECT session_id
        FROM events
        WHERE website_id = {site:UUID}
          AND day >= {before:Date}
          AND session_day BETWEEN {start:Date} AND {end:Date}
          AND event_type = 'page_view'
          AND content_group = {content_group:String}
          AND session_id != 0
          AND NOT is_excluded
          AND ({include_bots:Bool} OR NOT is_bot)
    )
