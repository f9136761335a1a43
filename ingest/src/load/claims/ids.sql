SELECT arrayJoin(reinterpret(packed, 'Array(UUID)'))
FROM
(
    SELECT concat(
        base64URLDecode({ids0:String}), base64URLDecode({ids1:String}), base64URLDecode({ids2:String}),
        base64URLDecode({ids3:String}), base64URLDecode({ids4:String}), base64URLDecode({ids5:String}),
        base64URLDecode({ids6:String}), base64URLDecode({ids7:String}), base64URLDecode({ids8:String}),
        base64URLDecode({ids9:String}), base64URLDecode({ids10:String}), base64URLDecode({ids11:String}),
        base64URLDecode({ids12:String}), base64URLDecode({ids13:String}), base64URLDecode({ids14:String}),
        base64URLDecode({ids15:String})
    ) AS packed
)
