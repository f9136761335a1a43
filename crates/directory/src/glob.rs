//! Patterns over paths: `*` is any run of characters, `/` and none included; everything else is itself.

/// A pattern, taken apart once. It matches whole paths, in time linear in the path's length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    pattern: String,
    /// What a path must begin with; all of it when there is no `*`.
    head: String,
    /// What must follow, in this order, wherever.
    middle: Vec<String>,
    /// What it must end with; `None` when there is no `*`.
    tail: Option<String>,
}

impl Glob {
    /// Every text is a pattern.
    pub fn new(pattern: impl Into<String>) -> Self {
        let pattern = pattern.into();
        let mut pieces = pattern.split('*').map(str::to_owned);
        let head = pieces.next().unwrap_or_default();
        let tail = pieces.next_back();
        // Neighbouring stars mean what one means.
        let middle = pieces.filter(|piece| !piece.is_empty()).collect();
        Self { pattern, head, middle, tail }
    }

    /// The pattern as given.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// Whether the whole path matches.
    pub fn matches(&self, path: &str) -> bool {
        let Some(tail) = &self.tail else { return path == self.head };
        let Some(mut rest) = path.strip_prefix(self.head.as_str()) else { return false };
        for piece in &self.middle {
            // The leftmost place leaves the most for what follows, so no other needs to be tried.
            let Some(at) = rest.find(piece.as_str()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(tail.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, written as slowly as it reads.
    fn matches_by_definition(pattern: &[char], path: &[char]) -> bool {
        match pattern.split_first() {
            None => path.is_empty(),
            Some(('*', rest)) => (0..=path.len()).any(|skip| matches_by_definition(rest, &path[skip..])),
            Some((own, rest)) => path
                .split_first()
                .is_some_and(|(other, path)| own == other && matches_by_definition(rest, path)),
        }
    }

    #[test]
    fn a_star_is_any_run_of_characters_and_the_rest_is_literal() {
        for (pattern, path, expected) in [
            ("/blog/*", "/blog/2026/a", true),
            ("/blog/*", "/blog/", true),
            ("/blog/*", "/blog", false),
            ("/blog/*", "/de/blog/a", false),
            ("*/blog/*", "/de/blog/a", true),
            ("/", "/", true),
            ("/", "/a", false),
            ("*", "", true),
            ("/a*a", "/a", false),
            ("/a*a", "/aa", true),
            ("/*.html", "/a.html", true),
            ("/*.html", "/a_html", false),
            ("/a?b[c]", "/a?b[c]", true),
            ("/a?", "/ab", false),
            ("/A", "/a", false),
            ("/ü*ß", "/über/größe/ß", true),
            ("", "", true),
            ("", "/", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(path), expected, "{pattern} on {path}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_definition(pattern in "[ab/*]{0,10}", path in "[ab/ü]{0,14}") {
            let slowly =
                matches_by_definition(&pattern.chars().collect::<Vec<_>>(), &path.chars().collect::<Vec<_>>());
            prop_assert_eq!(Glob::new(pattern).matches(&path), slowly);
        }

        #[test]
        fn a_pattern_made_from_a_path_matches_it(path in "[ab/ü]{0,14}", from in 0..14usize, to in 0..14usize) {
            let characters: Vec<char> = path.chars().collect();
            let (from, to) = (from.min(characters.len()), to.min(characters.len()));
            let pattern: String = if from <= to {
                characters[..from].iter().chain(&['*']).chain(&characters[to..]).collect()
            } else {
                path.clone()
            };
            prop_assert!(Glob::new(pattern).matches(&path));
        }
    }
}
