//! The commands beside `serve`: their help, their answers, and what they say to somebody who is lost.

use reqwest::Method;

use super::process::{ADMIN_KEY, Folder};

/// Where nothing listens.
const NOWHERE: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn the_help_tells_a_newcomer_where_to_begin() {
    let folder = Folder::new().await;
    for (args, phrases) in [
        (&[][..], &["web analytics", "footfall serve", "snippet", "import", "website", "migrate"][..]),
        (&["serve"], &["--port", "8000", "FOOTFALL_PORT", "--data", "FOOTFALL_DATA", "everything"]),
        (
            &["import"],
            &[
                "access log",
                "NDJSON",
                "combined",
                ".gz",
                "--website",
                "FOOTFALL_KEY",
                "counts every event once",
            ],
        ),
        (&["website"], &["add", "list", "--server", "FOOTFALL_SERVER", "FOOTFALL_KEY"]),
        (&["website", "add"], &["example.com", "--timezone", "Europe/Helsinki", "snippet"]),
        (
            &["key"],
            &["--website", "one website", "once", "admin's key", "--label", "--server", "FOOTFALL_KEY"],
        ),
        (&["migrate"], &["up", "status", "--data", "FOOTFALL_CLICKHOUSE_URL"]),
    ] {
        let mut line = args.to_vec();
        line.push("--help");
        // What is set is not shown: it may be a secret.
        let help = folder.run(&line, &[("FOOTFALL_KEY", "hunter2")]).succeeded();
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for phrase in phrases {
            assert!(words.contains(phrase), "`{phrase}` is not in the help of {args:?}: {help}");
        }
        assert!(!help.contains("hunter2"), "{help}");
        assert!(!help.contains("engine "), "its own process is not for people: {help}");
    }
}

#[tokio::test]
async fn a_command_without_a_server_says_how_to_start_one() {
    let folder = Folder::new().await;
    let events = folder.file("events.ndjson", "{}");
    let import = ["import", &events, "--website", "a.example", "--format", "ndjson"];
    for args in [&["website", "list"][..], &["website", "add", "a.example"], &import] {
        let settings = [("FOOTFALL_SERVER", NOWHERE), ("FOOTFALL_KEY", ADMIN_KEY)];
        let refused = folder.run(args, &settings);
        refused.assert_failed_with(&[NOWHERE, "`footfall serve`", "--server"]);
        assert!(!refused.err.contains(ADMIN_KEY), "{refused:?}");
        folder.run(args, &[("FOOTFALL_SERVER", NOWHERE)]).assert_failed_with(&["--key", "FOOTFALL_KEY"]);
    }
}

#[tokio::test]
async fn what_is_no_url_and_what_is_no_key_is_said_so() {
    let folder = Folder::new().await;
    for server in ["localhost:8000", "localhost", "ftp://localhost", ""] {
        let settings = [("FOOTFALL_SERVER", server), ("FOOTFALL_KEY", ADMIN_KEY)];
        folder.run(&["website", "list"], &settings).assert_failed_with(&["--server", "http://"]);
    }
    let settings = [("FOOTFALL_SERVER", NOWHERE), ("FOOTFALL_KEY", "hunter\n2")];
    let refused = folder.run(&["website", "list"], &settings);
    refused.assert_failed_with(&["API key", "line"]);
    assert!(!refused.err.contains("hunter"), "{refused:?}");
}

#[tokio::test]
async fn websites_are_added_and_listed_and_mistakes_are_explained() {
    let folder = Folder::new().await;
    let server = folder.serve_openly();
    let url = server.url();
    let run = |args: &[&str], key: &str| {
        folder.run(args, &[("FOOTFALL_SERVER", url.as_str()), ("FOOTFALL_KEY", key)])
    };

    let added =
        run(&["website", "add", "shop.example", "--timezone", "Europe/Helsinki"], ADMIN_KEY).succeeded();
    assert!(added.contains("shop.example was added"), "{added}");
    assert!(added.contains(&format!("src=\"{url}/js/tracker.js\"")), "{added}");
    let id = added.split("data-id=\"").nth(1).unwrap().split('"').next().unwrap();
    let listed = run(&["website", "list"], ADMIN_KEY).succeeded();
    let line = listed.lines().find(|line| line.starts_with(id)).unwrap_or_else(|| panic!("{listed}"));
    assert!(line.contains("shop.example") && line.ends_with("Europe/Helsinki"), "{line}");
    assert_eq!(listed.lines().count(), 2, "and the one of the first start: {listed}");

    run(&["website", "add", "quiet.example", "--respect-dnt"], ADMIN_KEY).succeeded();
    let (_, websites) = server.ask(ADMIN_KEY, Method::GET, "/api/v1/websites", None).await;
    let respects = |domain: &str| {
        let website = websites["data"].as_array().unwrap().iter().find(|website| website["domain"] == domain);
        website.unwrap()["respectDnt"] == true
    };
    assert!(respects("quiet.example") && !respects("shop.example"), "{websites}");

    run(&["website", "add", "shop.example"], ADMIN_KEY).assert_failed_with(&["already has a website"]);
    run(&["website", "add", "not a domain"], ADMIN_KEY).assert_failed_with(&["domain"]);
    run(&["website", "add", "b.example", "--timezone", "Mars/Base"], ADMIN_KEY)
        .assert_failed_with(&["timezone"]);

    let events = folder.file("events.ndjson", "");
    for args in [
        &["website", "list"][..],
        &["website", "add", "c.example"],
        &["import", &events, "--website", "shop.example", "--format", "ndjson"],
    ] {
        run(args, "tt_wrong").assert_failed_with(&["does not know this API key"]);
    }
    let import = |file: &str, website: &str| {
        run(&["import", file, "--website", website, "--format", "ndjson"], ADMIN_KEY)
    };
    import(&events, "nobody.example")
        .assert_failed_with(&["no website nobody.example", "`footfall website add nobody.example`"]);
    import("/no/such/file", "shop.example").assert_failed_with(&["/no/such/file", "cannot be read"]);
    let folder_path = folder.data();
    let folder_path = folder_path.to_str().unwrap();
    import(folder_path, "shop.example").assert_failed_with(&[folder_path, "cannot be read"]);
    // A gzip that was cut off is told, rather than taken for the whole.
    let cut = folder.data().join("cut.gz");
    std::fs::write(&cut, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]).unwrap();
    import(cut.to_str().unwrap(), "shop.example").assert_failed_with(&["cut.gz", "cannot be read"]);
    // An empty file is no mistake.
    let tally = import(&events, "SHOP.example").succeeded();
    assert!(tally.contains("Imported into shop.example"), "{tally}");
    assert!(import(&events, id).ok, "the id does as well");
}

#[tokio::test]
async fn a_key_of_one_website_opens_this_one_and_no_other() {
    let folder = Folder::new().await;
    let server = folder.serve_openly();
    let url = server.url();
    let run = |args: &[&str], key: &str| {
        folder.run(args, &[("FOOTFALL_SERVER", url.as_str()), ("FOOTFALL_KEY", key)])
    };
    let shop = server.add_website(ADMIN_KEY, "shop.example", "UTC").await;
    let blog = server.add_website(ADMIN_KEY, "blog.example", "UTC").await;
    let made = run(&["key", "--website", "shop.example", "--label", "the till"], ADMIN_KEY).succeeded();
    let key = made.trim_end();
    assert!(key.starts_with("tt_") && key.lines().count() == 1, "nothing but the key: {made}");

    // Lena's surface asks for no website: the key names it. Another one is not there.
    let log = |website: Option<&str>| {
        let request = reqwest::Client::new()
            .post(format!("{url}/v1/api/analytics/events"))
            .bearer_auth(key)
            .json(&serde_json::json!({ "event": "page_view", "properties": { "path": "/till" } }));
        match website {
            Some(website) => request.header("x-website-id", website),
            None => request,
        }
    };
    assert_eq!(log(None).send().await.unwrap().status(), 201);
    assert_eq!(log(Some(&shop)).send().await.unwrap().status(), 201);
    assert_eq!(log(Some(&blog)).send().await.unwrap().status(), 404);
    server.settle(ADMIN_KEY, &shop).await;
    let views = server.summary(key, &shop, "period=today", "pageviews").await;
    assert!((views - 2.0).abs() < 0.1, "{views}");
    let listed = run(&["website", "list"], key).succeeded();
    assert_eq!(listed.lines().count(), 1, "it sees its own: {listed}");

    // Such a key makes no others, and a website that is not there has none.
    run(&["key", "--website", "shop.example"], key).assert_failed_with(&["may not do that"]);
    run(&["key", "--website", "nobody.example"], ADMIN_KEY)
        .assert_failed_with(&["no website nobody.example"]);
}

#[tokio::test]
async fn migrations_are_listed_applied_and_applied_once() {
    let folder = Folder::new().await;
    let run = |command: &str| folder.run(&["migrate", command], &[]).succeeded();
    let before = run("status");
    let count = before.lines().count();
    assert!(before.contains("0001_events") && count >= 5, "{before}");
    assert!(before.lines().all(|line| line.ends_with("pending")), "{before}");

    let up = run("up");
    assert!(up.contains(&format!("{count} migrations were applied: 0001_events, ")), "{up}");
    let after = run("status");
    assert!(after.lines().take(count).all(|line| line.ends_with("applied")), "{after}");
    assert!(after.lines().count() > count, "rollups are listed too: {after}");
    assert!(after.lines().skip(count).all(|line| line.ends_with("current")), "{after}");
    assert!(run("up").contains("up to date"));
    assert_eq!(folder.engines(), Vec::<u32>::new(), "no engine is left");

    // A house opens on it.
    let server = folder.serve_openly();
    assert!(!server.log().contains("The migration was applied."), "{}", server.log());
}
