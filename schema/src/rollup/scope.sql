e.epoch < {upto:UInt32}
  AND ({every_website:Bool} OR e.website_id = {website:UUID})
  AND e.day >= toDate(greatest({from:UInt16}, 1) - 1)
  AND if(e.session_id = 0, e.day, least(e.day, e.session_day)) <= toDate({to:UInt16})
