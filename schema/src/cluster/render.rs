//! What a statement of our files becomes on a cluster. Whatever is not known here is refused, never guessed.

use super::tokens::{self, Token};
use super::{Cluster, Place, Refusal, place};

/// Engines of tables, which have a replicated form.
const ENGINES: [&str; 4] = ["MergeTree", "AggregatingMergeTree", "ReplacingMergeTree", "SummingMergeTree"];

/// What an `ALTER` may begin with, and whether it concerns columns, which the distributed table has too.
const CHANGES: [(&[&str], bool); 10] = [
    (&["ADD", "COLUMN"], true),
    (&["MODIFY", "COLUMN"], true),
    (&["DROP", "COLUMN"], true),
    (&["COMMENT", "COLUMN"], true),
    (&["ADD", "INDEX"], false),
    (&["DROP", "INDEX"], false),
    (&["MATERIALIZE", "INDEX"], false),
    (&["MATERIALIZE", "COLUMN"], false),
    (&["MODIFY", "SETTING"], false),
    (&["MODIFY", "TTL"], false),
];

/// A replicated table keeps its tokens for so long: longer than any stream waits for its loader.
const TOKEN_SECONDS: &str = "2592000";

/// One replacement: from a byte to a byte, by a text.
type Edit = (usize, usize, String);

/// A statement and its tokens.
struct Source<'a> {
    statement: &'a str,
    tokens: Vec<Token<'a>>,
}

impl Cluster {
    /// The statements that a statement of our files becomes, in the order in which they run.
    pub fn render(&self, statement: &str) -> Result<Vec<String>, Refusal> {
        let source = Source { statement, tokens: tokens::read(statement)? };
        let words: Vec<&str> = source.tokens.iter().map(|token| token.text).collect();
        match *words.as_slice() {
            ["CREATE", "TABLE", "IF", "NOT", "EXISTS", _, "(", ..] => self.table(&source, 5),
            ["CREATE", "MATERIALIZED", "VIEW", "IF", "NOT", "EXISTS", _, "TO", _, "AS", "SELECT", ..] => {
                self.materialized_view(&source, 6, 8)
            }
            ["CREATE", "OR", "REPLACE", "VIEW", _, "AS", "SELECT", ..]
            | ["CREATE", "OR", "REPLACE", "DICTIONARY", _, "(", ..]
            | ["DROP", "VIEW" | "DICTIONARY", "IF", "EXISTS", _]
            | ["DROP", "VIEW" | "DICTIONARY", "IF", "EXISTS", _, "SYNC"] => self.everywhere(&source, 4),
            ["ALTER", "TABLE", _, ..] => self.alter(&source, 2),
            ["DROP", "TABLE", "IF", "EXISTS", _] | ["DROP", "TABLE", "IF", "EXISTS", _, "SYNC"] => {
                self.drop_table(&source, 4)
            }
            ["INSERT", "INTO", _, ..] => source.place(2).map(|_| vec![statement.to_owned()]),
            _ => Err(source.refusal("it is no statement that is known here")),
        }
    }

    fn table(&self, source: &Source<'_>, name: usize) -> Result<Vec<String>, Refusal> {
        let place = source.place(name)?;
        let mut edits = vec![self.renamed(source, name, place)?];
        edits.extend(self.engine(source, place)?);
        let mut statements = vec![source.edited(edits)];
        statements.extend(self.distributed(source.name(name)?, place));
        Ok(statements)
    }

    /// The name as it is on a shard, and on which nodes.
    fn renamed(&self, source: &Source<'_>, name: usize, place: Place) -> Result<Edit, Refusal> {
        let token = source.tokens[name];
        Ok((token.at, token.end(), place.local(source.name(name)?) + &self.on_cluster()))
    }

    /// The replicated engine, and the deduplication of its inserts.
    fn engine(&self, source: &Source<'_>, place: Place) -> Result<Vec<Edit>, Refusal> {
        let is_engine = |three: &[Token<'_>]| three[0].is_outer("ENGINE") && three[1].is_outer("=");
        let at = source.tokens.windows(3).position(is_engine);
        let at = at.ok_or_else(|| source.refusal("it names no engine"))? + 2;
        let engine = source.tokens[at];
        if !ENGINES.contains(&engine.text) {
            return Err(source.refusal("its engine has no replicated form that is known here"));
        }
        if !self.has_keeper {
            return Ok(Vec::new());
        }
        let arguments = place.replica();
        let mut edits = match source.tokens.get(at + 1) {
            Some(bracket) if bracket.is_outer("(") => {
                vec![
                    (engine.at, engine.at, "Replicated".to_owned()),
                    (bracket.end(), bracket.end(), format!("{arguments}, ")),
                ]
            }
            _ => vec![(engine.at, engine.end(), format!("Replicated{}({arguments})", engine.text))],
        };
        let settings = source.tokens.iter().find(|token| token.is_outer("SETTINGS"));
        let window =
            source.tokens.iter().position(|token| token.text == "non_replicated_deduplication_window");
        let window = window.and_then(|at| source.tokens.get(at + 2)).map_or("0", |value| value.text);
        // A replicated table drops equal blocks by itself; one that does not ask for it is as it is on one node.
        let mut deduplication = format!("replicated_deduplication_window = {window}");
        if window != "0" {
            deduplication += ", replicated_deduplication_window_seconds = ";
            deduplication += TOKEN_SECONDS;
        }
        edits.push(match settings {
            Some(settings) => (settings.end(), settings.end(), format!(" {deduplication},")),
            None => {
                let end = source.tokens.last().map_or(0, Token::end);
                (end, end, format!("\nSETTINGS {deduplication}"))
            }
        });
        Ok(edits)
    }

    /// The table by the plain name, through which all shards are asked and filled.
    fn distributed(&self, table: &str, place: Place) -> Option<String> {
        let key = match place {
            Place::ByWebsite => ", cityHash64(website_id)",
            Place::ByShard => "",
            Place::Everywhere => return None,
        };
        let text = include_str!("distributed.sql").trim_end();
        let slots = [
            ("$table", table),
            ("$on_cluster", &self.on_cluster()),
            ("$local", &place.local(table)),
            ("$cluster", self.name.as_str()),
            ("$database", &self.database),
            ("$key", key),
        ];
        Some(slots.iter().fold(text.to_owned(), |text, (slot, value)| text.replace(slot, value)))
    }

    /// A view that adds up what comes to a shard, on the shard.
    fn materialized_view(
        &self,
        source: &Source<'_>,
        name: usize,
        target: usize,
    ) -> Result<Vec<String>, Refusal> {
        let mut edits = vec![(source.tokens[name].end(), source.tokens[name].end(), self.on_cluster())];
        let mut names = vec![target];
        for (at, token) in source.tokens.iter().enumerate() {
            let is_array_join = at > 0 && source.tokens[at - 1].text == "ARRAY";
            let reads = token.text == "FROM" || token.text == "JOIN" && !is_array_join;
            // Behind a bracket another question follows, with its own.
            if reads && source.tokens.get(at + 1).is_some_and(|next| next.text != "(") {
                names.push(at + 1);
            }
        }
        for at in names {
            let (token, place) = (source.tokens[at], source.place(at)?);
            edits.push((token.at, token.end(), place.local(token.text)));
        }
        Ok(vec![source.edited(edits)])
    }

    /// The statement on all nodes, otherwise as it is.
    fn everywhere(&self, source: &Source<'_>, name: usize) -> Result<Vec<String>, Refusal> {
        source.name(name)?;
        let end = source.tokens[name].end();
        Ok(vec![source.edited(vec![(end, end, self.on_cluster())])])
    }

    fn drop_table(&self, source: &Source<'_>, name: usize) -> Result<Vec<String>, Refusal> {
        let place = source.place(name)?;
        let mut statements = Vec::new();
        if place != Place::Everywhere {
            statements.extend(self.everywhere(source, name)?);
        }
        statements.push(source.edited(vec![self.renamed(source, name, place)?]));
        Ok(statements)
    }

    /// Changes of columns on both tables, the local one first; all others on the local one.
    fn alter(&self, source: &Source<'_>, name: usize) -> Result<Vec<String>, Refusal> {
        let place = source.place(name)?;
        let rename = self.renamed(source, name, place)?;
        let mut statements = vec![source.edited(vec![rename])];
        let tokens = &source.tokens[name + 1..];
        let end = tokens.iter().position(|token| token.is_outer("SETTINGS")).unwrap_or(tokens.len());
        let mut of_columns = Vec::new();
        for change in tokens[..end].split(|token| token.is_outer(",")) {
            let verb: Vec<&str> = change.iter().take(2).map(|token| token.text).collect();
            let known = CHANGES.iter().find(|(words, _)| *words == verb.as_slice());
            let (_, concerns_columns) =
                known.ok_or_else(|| source.refusal("it changes what is not known here"))?;
            // How long a column's values are kept concerns only where they are kept.
            let is_ttl = change.get(3).is_some_and(|token| token.text == "TTL");
            if let (true, Some(first), Some(last)) =
                (*concerns_columns && !is_ttl, change.first(), change.last())
            {
                of_columns.push(&source.statement[first.at..last.end()]);
            }
        }
        if place != Place::Everywhere && !of_columns.is_empty() {
            let head = &source.statement[source.tokens[0].at..source.tokens[name].end()];
            statements.push([head, &self.on_cluster(), "\n    ", &of_columns.join(",\n    ")].concat());
        }
        Ok(statements)
    }

    pub(super) fn on_cluster(&self) -> String {
        if self.has_keeper { [" ON CLUSTER '", self.name.as_str(), "'"].concat() } else { String::new() }
    }
}

impl<'a> Source<'a> {
    fn refusal(&self, why: &'static str) -> Refusal {
        Refusal::new(self.statement, why)
    }

    fn name(&self, at: usize) -> Result<&'a str, Refusal> {
        let token = self.tokens.get(at).filter(|token| token.is_name());
        token.map(|token| token.text).ok_or_else(|| self.refusal("a name is not written as names are here"))
    }

    fn place(&self, at: usize) -> Result<Place, Refusal> {
        let name = self.name(at)?;
        place(name).ok_or_else(|| {
            self.refusal(
                "it is not known how its table is spread over a cluster; `schema::cluster` says it of each",
            )
        })
    }

    fn edited(&self, mut edits: Vec<Edit>) -> String {
        edits.sort_by_key(|(from, ..)| *from);
        let (mut text, mut at) = (String::new(), 0);
        for (from, to, by) in edits {
            text += &self.statement[at..from];
            text += &by;
            at = to;
        }
        text + &self.statement[at..]
    }
}
