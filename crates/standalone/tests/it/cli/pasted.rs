//! What a start prints is meant to be pasted, so it is pasted here.

use std::process::Command;
use std::time::Instant;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::process::{ADMIN_KEY, Folder, PATIENCE, Server};

/// Runs a line as a shell does; what it printed.
fn paste(line: &str, settings: &[(&str, &str)]) -> String {
    let output = Command::new("sh").arg("-c").arg(line).envs(settings.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Pastes all three lines: the event is accepted, the summary and the pages show it within moments. `views`: how many
/// page views there are then.
async fn assert_lines_work(server: &Server, settings: &[(&str, &str)], views: u64) {
    let lines = server.curl_lines();
    let [collect, summary, pages] = lines.as_slice() else { panic!("three lines to try: {lines:?}") };
    let answer = paste(collect, settings);
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");

    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer: Value = serde_json::from_str(&paste(summary, settings)).unwrap();
        if answer["data"]["metrics"]["pageviews"]["value"] == json!(views) {
            break;
        }
        assert!(Instant::now() < deadline, "the page view is in no report: {answer}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let answer: Value = serde_json::from_str(&paste(pages, settings)).unwrap();
    assert_eq!(answer["data"]["rows"][0]["path"], json!("/hello"));
    assert_eq!(answer["data"]["rows"][0]["pageviews"], json!(views));
}

#[tokio::test]
async fn the_lines_of_a_first_start_work_when_they_are_pasted() {
    let folder = Folder::new().await;
    let server = folder.serve(&[]);
    assert_lines_work(&server, &[], 1).await;
}

#[tokio::test]
async fn a_first_start_prints_the_url_the_key_and_the_snippet_whose_script_is_there() {
    let folder = Folder::new().await;
    let server = folder.serve(&[]);
    assert!(
        server.url().starts_with("http://localhost:") && !server.url().ends_with(":0"),
        "{}",
        server.url()
    );
    assert!(server.key().starts_with("tt_") && server.key().len() == 46, "{}", server.key());
    assert!(server.welcome.contains("shown only now"), "{}", server.welcome);

    let script = format!("{}/js/tracker.js", server.url());
    let snippet = format!("<script defer data-id=\"{}\" src=\"{script}\"></script>", server.website());
    assert!(server.welcome.contains(&snippet), "{}", server.welcome);
    let response = reqwest::get(script).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers()["content-type"].to_str().unwrap().contains("javascript"));

    let (status, answer) = server.ask(&server.key(), Method::GET, "/api/v1/websites", None).await;
    assert_eq!((status, &answer["data"][0]["id"]), (StatusCode::OK, &json!(server.website())));
}

#[tokio::test]
async fn a_second_start_has_everything_and_shows_no_key() {
    let folder = Folder::new().await;
    let first = folder.serve(&[]);
    let (key, website) = (first.key(), first.website());
    assert_lines_work(&first, &[], 1).await;
    drop(first);

    let second = folder.serve(&[]);
    assert_eq!(second.website(), website);
    assert!(!second.welcome.contains("tt_"), "{}", second.welcome);
    assert!(second.welcome.contains("shown at the first start"), "{}", second.welcome);
    // The same visitor within 30 minutes: the visit goes on over the restart. At midnight it would be two.
    assert_lines_work(&second, &[("FOOTFALL_KEY", &key)], 2).await;
}

#[tokio::test]
async fn a_given_admin_key_is_the_key_from_the_first_start_on() {
    let folder = Folder::new().await;
    let given = [("FOOTFALL_ADMIN_KEY", ADMIN_KEY)];
    let server = folder.serve(&given);
    assert!(!server.welcome.contains(ADMIN_KEY), "the operator knows it: {}", server.welcome);
    assert!(!server.welcome.contains("shown"), "nothing was or is shown: {}", server.welcome);
    assert_lines_work(&server, &given, 1).await;
    let (status, _) = server.ask("tt_another", Method::GET, "/api/v1/websites", None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_given_admin_key_replaces_the_printed_one() {
    let folder = Folder::new().await;
    let printed = folder.serve(&[]).key();
    let server = folder.serve(&[("FOOTFALL_ADMIN_KEY", ADMIN_KEY)]);
    let (status, _) = server.ask(ADMIN_KEY, Method::GET, "/api/v1/websites", None).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = server.ask(&printed, Method::GET, "/api/v1/websites", None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
