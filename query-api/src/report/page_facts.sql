SELECT
        if(part = 'view', event.in_bucket, event.of_bucket)                              AS bucket,
        event.day                                                                        AS day,
        multiIf(part = 'left', event.prev_path, part = 'entry', event.entry_path, event.path) AS path,
        if(part IN ('left', 'entry'), '', event.content_group)                           AS content_group,
        toInt64(part = 'view')                                                           AS pageviews,
        if(part = 'view', toInt64(event.unique_pageview), 0)                             AS unique_pageviews,
        if(part = 'seen', toInt64(event.unique_pageview), 0)                             AS visits,
        toInt64(part = 'entry' AND event.event_type = 'page_view' AND event.prev_path = '') AS entries,
        multiIf(part = 'left', -1, part = 'seen' AND event.path != event.prev_path, 1, 0)::Int64 AS exits,
        if(part = 'entry', toInt64(event.bounces), 0)                                    AS entry_bounces,
        if(part = 'entry', event.duration_ms + event.entry_lead_ms, 0)                   AS entry_duration_ms
    FROM
    (
        -- What makes a row an event or a part of a session of the scope is as in totals.sql.
        WITH
            $event_range AND $of_events AS of_event,
            session_id != 0 AND $session_range AND $of_sessions AS of_session
        SELECT
            day, path, content_group, event_type, entry_path, prev_path,
            unique_pageview, bounces, duration_ms, entry_lead_ms,
            $event_bucket AS in_bucket,
            $session_bucket AS of_bucket,
            -- The parts of an event, as in the rollup of pages: its own page as a fact of the event, the same as a fact
            -- of its session, the page that the exit moves away from, and the page that the session entered on.
            arrayFilter(named -> named != '', [
                if(of_event AND event_type = 'page_view', 'view', ''),
                if(of_session AND event_type = 'page_view', 'seen', ''),
                if(of_session AND event_type = 'page_view' AND prev_path NOT IN ('', path), 'left', ''),
                if(of_session AND entry_path != '', 'entry', '')
            ]) AS parts
        FROM events
        WHERE website_id = {site:UUID}
          AND $reach
          AND NOT is_excluded
          AND ({include_bots:Bool} OR NOT is_bot)
    ) AS event
    ARRAY JOIN event.parts AS part
