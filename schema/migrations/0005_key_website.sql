-- An API key may be bound to one website: it sees and writes that one and no other. The nil UUID: it is not bound.
ALTER TABLE users
    ADD COLUMN IF NOT EXISTS website_id UUID COMMENT 'the only website that the key is good for; nil: all of the account' AFTER account_id;
