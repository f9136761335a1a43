-- A website may honour its visitors' Do Not Track and Global Privacy Control: nothing is stored of whoever asks for it.
ALTER TABLE websites
    ADD COLUMN IF NOT EXISTS respect_dnt Bool COMMENT 'whether events of visitors who opt out are dropped' AFTER excluded_ips;
