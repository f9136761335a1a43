//! Assets: what an access log holds beside the pages.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::rows::rows;

/// No extension in the list is longer.
const LONGEST: usize = 16;

static EXTENSIONS: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| {
    rows(include_str!("../data/asset_extensions.txt")).map(|[extension]| extension.as_bytes()).collect()
});

/// Whether a requested path of an access log is an asset or a download, so that the request is no page view.
///
/// Assets are, by their extension, what a page loads (styles, scripts, images, fonts, media, data), what is
/// read by machines (feeds and other XML, `robots.txt`, `favicon.ico`) and what is saved instead of shown
/// (archives, programs, documents: a PDF is a download, not a page). So is whatever lies in a folder or file
/// that starts with a dot, such as `/.well-known/` and `/.env`. Pages are all others: no extension, `.html`,
/// `.php` and their like, and unknown extensions, because `/release/1.2` and `/@ann.smith` are pages.
///
/// A query or fragment is not looked at; the case does not matter.
pub fn is_asset(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    if path.split('/').any(|part| part.len() > 1 && part.starts_with('.') && part != "..") {
        return true;
    }
    let file = path.rsplit('/').next().unwrap_or(path);
    let Some((_, extension)) = file.rsplit_once('.') else { return false };
    if extension.len() > LONGEST {
        return false;
    }
    let mut lower = [0; LONGEST];
    let lower = &mut lower[..extension.len()];
    lower.copy_from_slice(extension.as_bytes());
    lower.make_ascii_lowercase();
    EXTENSIONS.contains(&*lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read_is_a_page() {
        for path in [
            "",
            "/",
            "/about",
            "/blog/",
            "/index.html",
            "/index.PHP?style=main.css",
            "/default.aspx",
            "/release/1.2",
            "/@ann.smith",
            "/articles/on.css/",
            "/a/../b",
            "/trailing.",
            "/search?q=robots.txt",
            "/docs#logo.png",
            "/file.areallylongextensionthatisnone",
            "/päge.🦀",
        ] {
            assert!(!is_asset(path), "{path}");
        }
    }

    #[test]
    fn what_pages_load_machines_read_or_people_save_is_an_asset() {
        for path in [
            "/style.css",
            "/js/app.min.js?v=3",
            "/IMG/LOGO.PNG",
            "/font.woff2",
            "/film.mp4",
            "/favicon.ico",
            "/robots.txt",
            "/sitemap.xml",
            "/feed.rss",
            "/blog/index.atom",
            "/manual.pdf",
            "/release-1.2.tar.gz",
            "/setup.exe#top",
            "/.well-known/security",
            "/.env",
            "/repo/.git/config",
        ] {
            assert!(is_asset(path), "{path}");
        }
    }

    #[test]
    fn every_extension_fits() {
        assert!(EXTENSIONS.iter().all(|extension| extension.len() <= LONGEST));
    }
}
