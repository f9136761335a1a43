//! A statement's words, marks and quoted texts: as much of SQL as is needed to find names in files of our own.

use super::Refusal;

/// One word, mark or quoted text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    /// As it is written.
    pub(super) text: &'a str,
    /// Where it begins in the statement, in bytes.
    pub(super) at: usize,
    /// How many brackets are open around it; a bracket is outside of itself.
    pub(super) depth: usize,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// Whether it is this word or mark, outside of all brackets.
    pub(super) fn is_outer(&self, text: &str) -> bool {
        self.depth == 0 && self.text == text
    }

    /// Whether it is a name as our files write them.
    pub(super) fn is_name(&self) -> bool {
        let mut bytes = self.text.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_lowercase())
            && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    }
}

/// Reads a statement. Comments of whole lines' ends are passed over.
pub(super) fn read(statement: &str) -> Result<Vec<Token<'_>>, Refusal> {
    let (mut tokens, mut at, mut depth) = (Vec::new(), 0, 0_usize);
    while let Some(first) = statement[at..].chars().next() {
        let rest = &statement[at..];
        let length = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if rest.starts_with("--") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if rest.starts_with("/*") || first == ';' || first == '"' {
            return Err(Refusal::new(statement, "it has a comment, a mark or a quote that is not read here"));
        } else if first == '\'' || first == '`' {
            quoted(rest, first).ok_or_else(|| Refusal::new(statement, "a quoted text has no end"))?
        } else if is_of_word(first) {
            rest.find(|other| !is_of_word(other)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        if matches!(first, ')' | ']') {
            depth =
                depth.checked_sub(1).ok_or_else(|| Refusal::new(statement, "a bracket closes nothing"))?;
        }
        tokens.push(Token { text: &rest[..length], at, depth });
        if matches!(first, '(' | '[') {
            depth += 1;
        }
        at += length;
    }
    if depth > 0 {
        return Err(Refusal::new(statement, "a bracket stays open"));
    }
    Ok(tokens)
}

fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The length of a quoted text with its quotes; a doubled quote and one after a backslash are a part of it.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next()?;
        } else if character == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(statement: &str) -> Vec<&str> {
        read(statement).unwrap().into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn quoted_texts_and_comments_hide_what_is_in_them() {
        assert_eq!(
            texts("-- FROM a;\nSELECT 'FROM ''b''', '\\'', `FROM` -- c"),
            ["SELECT", "'FROM ''b'''", ",", "'\\''", ",", "`FROM`"]
        );
    }

    #[test]
    fn brackets_are_counted() {
        let depths: Vec<_> = read("a(b[c])d").unwrap().iter().map(|token| token.depth).collect();
        assert_eq!(depths, [0, 0, 1, 1, 2, 1, 0, 0]);
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        for statement in ["(", ")", "'a", "'a\\", "`", "a; b", "/* a */", "\"a\""] {
            assert!(read(statement).is_err(), "{statement}");
        }
    }
}
