CREATE OR REPLACE TABLE events_trial AS events ENGINE = Null
