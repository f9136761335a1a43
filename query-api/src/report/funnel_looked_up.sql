bitOr(
        (event_type = 'page_view') * transform(path, {paths:Array(String)}, {path_steps:Array(UInt32)}, 0),
        bitOr(
            transform(event_type, {names:Array(String)}, {name_steps:Array(UInt32)}, 0),
            transform(event_name, {names:Array(String)}, {name_steps:Array(UInt32)}, 0)
        )
    )