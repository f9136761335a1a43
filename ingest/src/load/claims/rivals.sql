-- For each of some events: its own turn, the first and the last turn of its rivals, and the rivals that have none yet.
--
-- A rival has the same id and was received within the window. One whose row the store refused is none: it is a dead
-- letter, and its replay is an event of its own. One of another stream that wants the id for minutes is none either: its
-- loader has ended, nobody makes its batch again.
WITH
    claimed AS
    (
        SELECT
            website_id, event_id, stream, kafka_partition, kafka_offset,
            any(received_at) AS received,
            max(turn)        AS its_turn,
            max(written_at)  AS written
        FROM event_claims
        WHERE website_id IN (SELECT arrayJoin({websites:Array(UUID)}))
          AND event_id IN (SELECT arrayJoin({ids:Array(UUID)}))
        GROUP BY website_id, event_id, stream, kafka_partition, kafka_offset
    ),
    asked AS
    (
        SELECT
            (arrayJoin(arrayZip({websites:Array(UUID)}, {ids:Array(UUID)}, {offsets:Array(UInt64)}, {received:Array(Int64)})) AS one).1 AS website_id,
            one.2                                   AS event_id,
            one.3                                   AS asked_offset,
            fromUnixTimestamp64Milli(one.4, 'UTC')  AS asked_received
    ),
    refused AS
    (
        SELECT stream, kafka_partition, kafka_offset
        FROM dead_letters
        WHERE reason IN ('refused_by_store', 'refused_alone')
          AND (stream, kafka_partition, kafka_offset) IN (SELECT stream, kafka_partition, kafka_offset FROM claimed)
    ),
    stream = {stream:String} AND kafka_partition = {partition:UInt16} AND kafka_offset = asked_offset AS is_own,
    NOT is_own
        AND abs(toUnixTimestamp64Milli(received) - toUnixTimestamp64Milli(asked_received)) < {window:Int64}
        AND (stream, kafka_partition, kafka_offset) NOT IN (SELECT stream, kafka_partition, kafka_offset FROM refused)
        AND (its_turn > 0 OR stream = {stream:String} OR written > now() - INTERVAL 5 MINUTE) AS is_rival
SELECT
    asked_offset                                                                                AS offset,
    maxIf(its_turn, is_own)                                                                     AS own,
    maxIf(its_turn, is_rival)                                                                   AS highest,
    minIf((its_turn, toString(stream), kafka_partition, kafka_offset), is_rival AND its_turn > 0) AS first,
    groupUniqArrayIf((toString(stream), kafka_partition, kafka_offset), is_rival AND its_turn = 0) AS waiting
FROM asked
INNER JOIN claimed USING (website_id, event_id)
GROUP BY asked_offset
