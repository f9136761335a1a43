-- A month of events of twenty websites: visits of two or five events, pages by popularity, a few bots.
INSERT INTO events (website_id,day,time,received_after_ms,event_type,event_name,hostname,path,content_group,properties,visitor_id,is_identified,person,is_bot,bot_reason,is_excluded,session_id,session_start,session_day,entry_path,prev_path,visits,visitors,bounces,duration_ms,entry_lead_ms,unique_pageview,referrer,channel,utm_source,utm_medium,utm_campaign,utm_term,utm_content,device_type,browser,os,screen,country,region,city,language,event_id,stream,kafka_partition,kafka_offset)
SELECT website_id,day,time,received_after_ms,event_type,event_name,hostname,path,content_group,properties,visitor_id,is_identified,person,is_bot,bot_reason,is_excluded,session_id,session_start,session_day,entry_path,prev_path,visits,visitors,bounces,duration_ms,entry_lead_ms,unique_pageview,referrer,channel,utm_source,utm_medium,utm_campaign,utm_term,utm_content,device_type,browser,os,screen,country,region,city,language,event_id,stream,kafka_partition,kafka_offset
FROM (
WITH
 intDiv(number, 7) AS s2, number % 7 AS k7,
 if(k7 < 5, s2*2, s2*2+1) AS s, if(k7<5,k7,k7-5) AS k,
 cityHash64(s,'a') AS hs, cityHash64(number,'b') AS hn, cityHash64(number+1-if(k>0,1,0)-1,'b') AS hp0,
 if(hs%2=0, 0, 1+hs%19) AS site,
 toUInt64(exp((hn%100000)/100000*8.5)) AS pz,
 toUInt64(exp((cityHash64(number-1,'b')%100000)/100000*8.5)) AS pprev,
 toUInt64(exp((cityHash64(number-k,'b')%100000)/100000*8.5)) AS pent,
 toDateTime64('2026-09-01 00:00:00',3,'UTC') + toIntervalMillisecond(toUInt64(s/({rows:UInt64} / 3.5)*30*86400000)) AS st,
 bitShiftRight(hs,7)%100 AS r1, bitShiftRight(hs,17)%100 AS r2, bitShiftRight(hs,27)%100 AS r3, hs%997 AS r4
SELECT number AS n,
 reinterpretAsUUID(toFixedString(unhex(hex(MD5(toString(site)))),16)) AS website_id,
 toDate(st + toIntervalSecond(k*35)) AS day, st + toIntervalMillisecond(k*35000 + hn%20000) AS time, toInt64(hn%500) AS received_after_ms,
 multiIf(k=0 OR hn%10<6,'page_view', hn%10<8, ['scroll_25','scroll_50','scroll_75'][1+hn%3], hn%10=8,'close_tab','custom') AS event_type,
 if(event_type='custom', ['signup','video_play','download'][1+hn%3], '') AS event_name,
 concat('site',toString(site),'.example.com') AS hostname,
 if(pz=1,'/',concat('/', ['blog','docs','product','help'][1+pz%4],'/article-',toString(pz))) AS path,
 ['Blog','Docs','Product','Help'][1+pz%4] AS content_group, '' AS properties,
 cityHash64(intDiv(s,2),'v') AS visitor_id, r2<3 AS is_identified, toUInt64(0) AS person, r1<8 AS is_bot, if(r1<8,'agent','') AS bot_reason, false AS is_excluded,
 cityHash64(s,'s') AS session_id, st AS session_start, toDate(st) AS session_day,
 if(pent=1,'/',concat('/', ['blog','docs','product','help'][1+pent%4],'/article-',toString(pent))) AS entry_path,
 if(event_type!='page_view','',if(k=0,'',if(pprev=1,'/',concat('/', ['blog','docs','product','help'][1+pprev%4],'/article-',toString(pprev))))) AS prev_path,
 toInt8(k=0) AS visits, toInt8(k=0 AND s%2=0) AS visitors, toInt8(k=0) - toInt8(k=1) AS bounces, toInt64(if(k=0,0,35000+hn%20000)) AS duration_ms, toInt64(0) AS entry_lead_ms, toInt8(event_type='page_view') AS unique_pageview,
 ['','','','google.com','google.com','bing.com','twitter.com','facebook.com','news.ycombinator.com',concat('blog',toString(r4),'.example')][1+r3%10] AS referrer,
 ['Direct','Direct','Direct','Organic Search','Organic Search','Organic Search','Social','Social','Referral','Referral'][1+r3%10] AS channel,
 if(r1<15,['newsletter','twitter','google'][1+r1%3],'') AS utm_source, if(r1<15,['email','social','cpc'][1+r1%3],'') AS utm_medium, if(r1<15,concat('c',toString(r4%10)),'') AS utm_campaign, '' AS utm_term, '' AS utm_content,
 ['desktop','mobile','tablet'][1+(r2>55)+(r2>95)] AS device_type, ['Chrome','Safari','Firefox','Edge','Samsung Internet'][1+(r2%40>20)+(r2%40>30)+(r2%40>36)+(r2%40>38)] AS browser, ['Windows','macOS','iOS','Android','Linux'][1+r3%5] AS os,
 ['320-375','376-768','769-1024','1025-1440','1441+'][1+r4%5] AS screen, ['US','DE','GB','FR','IN','BR','FI','JP'][1+r4%8] AS country, concat('Region ',toString(r4%60)) AS region, concat('City ', toString(r4%400)) AS city, ['en','de','fr','pt'][1+r4%4] AS language,
 toUUID('00000000-0000-0000-0000-000000000000') AS event_id, 'journal-0123' AS stream, toUInt16(s%4) AS kafka_partition, number AS kafka_offset
FROM numbers({rows:UInt64})
)
SETTINGS max_insert_threads = 2
