//! Which sites there are, and with what, from where and whence they are visited.

use uuid::Uuid;

use crate::random::{Random, Weights, mix};

/// User agents with how often they are met, in per mille.
pub const AGENTS: [(&str, u32); 18] = [
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        230,
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        190,
    ),
    (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
        180,
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        90,
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
        60,
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
        60,
    ),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0", 40),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", 20),
    (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        20,
    ),
    (
        "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
        30,
    ),
    (
        "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        20,
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36 OPR/111.0.0.0",
        10,
    ),
    (
        "Mozilla/5.0 (Linux; Android 9; SM-T510) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        8,
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 338.0.0",
        10,
    ),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 14),
    ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", 8),
    ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", 6),
    ("python-requests/2.32.0", 4),
];

/// Referring hosts, empty for none, with how often they are met, in per mille.
pub const REFERRERS: [(&str, u32); 14] = [
    ("", 420),
    ("www.google.com", 290),
    ("www.bing.com", 40),
    ("duckduckgo.com", 25),
    ("t.co", 30),
    ("www.facebook.com", 40),
    ("www.linkedin.com", 25),
    ("news.ycombinator.com", 20),
    ("www.reddit.com", 25),
    ("github.com", 20),
    ("chatgpt.com", 15),
    ("mail.google.com", 10),
    ("www.youtube.com", 20),
    ("blog.example.org", 20),
];

/// Countries with their visitors' language and how often they are met, in per mille.
pub const COUNTRIES: [(&str, &str, u32); 14] = [
    ("US", "en-us", 330),
    ("GB", "en-gb", 90),
    ("DE", "de", 100),
    ("FR", "fr", 70),
    ("IN", "en-in", 90),
    ("CA", "en-ca", 50),
    ("BR", "pt-br", 50),
    ("NL", "nl", 40),
    ("ES", "es", 40),
    ("JP", "ja", 40),
    ("FI", "fi", 30),
    ("AU", "en-au", 30),
    ("PL", "pl", 20),
    ("MX", "es-mx", 20),
];

const WORDS: [&str; 16] = [
    "analytics",
    "guide",
    "pricing",
    "release",
    "how-to",
    "privacy",
    "columns",
    "reports",
    "tracking",
    "events",
    "funnels",
    "sessions",
    "support",
    "teams",
    "design",
    "storage",
];

/// How many sites there are.
pub const SITES: usize = 20;

/// One site.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its id.
    pub id: Uuid,
    /// Its domain.
    pub domain: String,
    /// Its paths, the most viewed first.
    pub paths: Vec<String>,
    /// How often each path is viewed.
    pub popularity: Weights,
    /// The share of its visitors whom it names itself.
    pub identified: f64,
}

/// The sites, the busiest first.
pub fn sites(seed: u64) -> Vec<Site> {
    let site = |number: usize| {
        let mut random = Random::of(mix(seed) ^ number as u64);
        let count = 2_000 / (number + 1) + 60;
        let mut paths = vec!["/".to_owned(), "/pricing".to_owned(), "/blog".to_owned()];
        while paths.len() < count {
            let mut word = || WORDS[random.below(WORDS.len() as u64) as usize];
            let (first, second) = (word(), word());
            let path = match paths.len() % 3 {
                0 => format!("/blog/{first}-{second}-{}", paths.len()),
                1 => format!("/docs/{first}/{second}-{}", paths.len()),
                _ => format!("/{first}/{}", 10_000 + paths.len()),
            };
            paths.push(path);
        }
        Site {
            id: Uuid::from_u64_pair(random.bits(), random.bits()),
            domain: format!("site-{number}.example"),
            popularity: Weights::zipf(paths.len()),
            paths,
            identified: if number % 5 == 2 { 0.3 } else { 0.0 },
        }
    };
    (0..SITES).map(site).collect()
}

/// How visits are spread over the sites: the first has half of them.
pub fn shares() -> Weights {
    let others: f64 = (1..SITES).map(|rank| 1.0 / rank as f64).sum();
    Weights::of(std::iter::once(others).chain((1..SITES).map(|rank| 1.0 / rank as f64)))
}
