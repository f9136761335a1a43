session_id IN (
        SELECT session_id
        FROM events
        WHERE website_id = {site:UUID}
          AND day >= {before:Date}
          AND $session_range
          AND event_type = 'page_view'
          AND $passes
          AND session_id != 0
          AND NOT is_excluded
          AND ({include_bots:Bool} OR NOT is_bot)
    )
