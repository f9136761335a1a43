INSERT INTO load_epochs (epoch, held_until, reason)
SELECT {epoch:UInt32}, now64(3) + toIntervalMillisecond({hold_ms:UInt64}), {reason:String}
WHERE $fence
