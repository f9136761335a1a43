//! Pages under one name: a website's content groups.

use crate::bounds;
use crate::error::DirectoryError;
use crate::glob::Glob;

const FIELD: &str = "content_groups";

/// A name for the paths that match a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentGroup {
    /// The group's name. Several patterns may share one.
    pub name: String,
    /// Which paths belong to it.
    pub pattern: Glob,
}

/// A website's content groups, in order: a path belongs to the first one that matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentGroups(Vec<ContentGroup>);

impl ContentGroups {
    /// Checks pairs of name and pattern against the bounds.
    pub fn parse(pairs: Vec<(String, String)>) -> Result<Self, DirectoryError> {
        if pairs.len() > bounds::CONTENT_GROUPS {
            let message = format!("{FIELD} must have at most {} entries.", bounds::CONTENT_GROUPS);
            return Err(DirectoryError::invalid(FIELD, message));
        }
        for (at, (name, pattern)) in pairs.iter().enumerate() {
            for (what, text, most) in
                [("name", name.trim(), bounds::GROUP_NAME), ("pattern", pattern, bounds::GROUP_PATTERN)]
            {
                if text.is_empty() || text.chars().count() > most {
                    let message = format!("{FIELD}[{at}].{what} must have 1 to {most} characters.");
                    return Err(DirectoryError::invalid(FIELD, message));
                }
            }
        }
        Ok(Self::stored(pairs.into_iter().map(|(name, pattern)| (name.trim().to_owned(), pattern)).collect()))
    }

    /// What the table holds is taken as it is.
    pub(crate) fn stored(pairs: Vec<(String, String)>) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, pattern)| ContentGroup { name, pattern: Glob::new(pattern) })
                .collect(),
        )
    }

    /// The group of a path: the first that matches.
    pub fn of(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|group| group.pattern.matches(path)).map(|group| group.name.as_str())
    }

    /// The groups, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, ContentGroup> {
        self.0.iter()
    }

    pub(crate) fn to_pairs(&self) -> Vec<(String, String)> {
        self.iter().map(|group| (group.name.clone(), group.pattern.as_str().to_owned())).collect()
    }
}

impl<'a> IntoIterator for &'a ContentGroups {
    type Item = &'a ContentGroup;
    type IntoIter = std::slice::Iter<'a, ContentGroup>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, pattern)| ((*name).to_owned(), (*pattern).to_owned())).collect()
    }

    #[test]
    fn a_path_belongs_to_the_first_group_that_matches() {
        let groups = ContentGroups::parse(pairs(&[
            ("News", "/blog/news/*"),
            ("Blog", "/blog/*"),
            ("Blog", "/posts/*"),
        ]))
        .unwrap();
        assert_eq!(groups.of("/blog/news/today"), Some("News"));
        assert_eq!(groups.of("/blog/other"), Some("Blog"));
        assert_eq!(groups.of("/posts/1"), Some("Blog"));
        assert_eq!(groups.of("/pricing"), None);
    }

    #[test]
    fn the_bounds_are_kept_to_the_character() {
        let accepts = |name: String, pattern: String| ContentGroups::parse(vec![(name, pattern)]).is_ok();
        assert!(accepts("ü".repeat(100), "ü".repeat(500)));
        assert!(!accepts("n".repeat(101), "/".into()));
        assert!(!accepts("n".into(), "/".repeat(501)));
        assert!(!accepts("  ".into(), "/".into()));
        assert!(!accepts("n".into(), String::new()));
        assert!(ContentGroups::parse(pairs(&[("n", "/"); 100])).is_ok());
        assert!(ContentGroups::parse(pairs(&[("n", "/"); 101])).is_err());
    }

    #[test]
    fn a_refusal_says_which_entry() {
        let error = ContentGroups::parse(pairs(&[("Blog", "/blog/*"), ("Empty", "")])).unwrap_err();
        assert_eq!(error.to_string(), "content_groups[1].pattern must have 1 to 500 characters.");
    }
}
