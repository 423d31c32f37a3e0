//! What kind of work a statement is, for metrics and logs: told by its first word, so that a statement that fails to parse
//! has one too.

/// The kinds that statements are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StatementKind {
    /// SELECT, VALUES, TABLE, WITH, and reading from a cursor.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// COPY, in or out.
    Copy,
    /// BEGIN, START TRANSACTION, SAVEPOINT.
    Begin,
    /// COMMIT, END.
    Commit,
    /// ROLLBACK, ABORT.
    Rollback,
    /// CREATE, ALTER, DROP, TRUNCATE and what else changes the schema.
    Ddl,
    /// SET, SHOW, EXPLAIN and what else is none of the above.
    Other,
}

/// Every kind, in the order of their numbers.
pub const KINDS: [StatementKind; 10] = [
    StatementKind::Select,
    StatementKind::Insert,
    StatementKind::Update,
    StatementKind::Delete,
    StatementKind::Copy,
    StatementKind::Begin,
    StatementKind::Commit,
    StatementKind::Rollback,
    StatementKind::Ddl,
    StatementKind::Other,
];

impl StatementKind {
    /// The kind of a statement by its first word, after blanks, comments and parentheses.
    pub fn of(sql: &str) -> Self {
        const WORDS: [(&str, StatementKind); 31] = [
            ("select", StatementKind::Select),
            ("with", StatementKind::Select),
            ("values", StatementKind::Select),
            ("table", StatementKind::Select),
            ("fetch", StatementKind::Select),
            ("insert", StatementKind::Insert),
            ("update", StatementKind::Update),
            ("delete", StatementKind::Delete),
            ("copy", StatementKind::Copy),
            ("begin", StatementKind::Begin),
            ("start", StatementKind::Begin),
            ("savepoint", StatementKind::Begin),
            ("commit", StatementKind::Commit),
            ("end", StatementKind::Commit),
            ("release", StatementKind::Commit),
            ("rollback", StatementKind::Rollback),
            ("abort", StatementKind::Rollback),
            ("create", StatementKind::Ddl),
            ("alter", StatementKind::Ddl),
            ("drop", StatementKind::Ddl),
            ("truncate", StatementKind::Ddl),
            ("comment", StatementKind::Ddl),
            ("grant", StatementKind::Ddl),
            ("revoke", StatementKind::Ddl),
            ("reindex", StatementKind::Ddl),
            ("vacuum", StatementKind::Other),
            ("analyze", StatementKind::Other),
            ("explain", StatementKind::Other),
            ("set", StatementKind::Other),
            ("show", StatementKind::Other),
            ("reset", StatementKind::Other),
        ];
        let word = first_word(sql);
        let known = WORDS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        known.map_or(StatementKind::Other, |(_, kind)| *kind)
    }

    /// The kind of a statement that the SQL layer has parsed. BEGIN, COMMIT and ROLLBACK, which it has as one, stay apart: a
    /// commit waits for the disk, the others for nothing.
    pub fn of_parsed(kind: plimsoll_sql::session::StatementKind, sql: &str) -> Self {
        use plimsoll_sql::session::StatementKind as Parsed;
        match kind {
            Parsed::Select => Self::Select,
            Parsed::Insert => Self::Insert,
            Parsed::Update => Self::Update,
            Parsed::Delete => Self::Delete,
            Parsed::Copy => Self::Copy,
            Parsed::Ddl => Self::Ddl,
            Parsed::Transaction => Self::of(sql),
            Parsed::Utility => Self::Other,
        }
    }

    /// The name metrics and logs show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Copy => "copy",
            Self::Begin => "begin",
            Self::Commit => "commit",
            Self::Rollback => "rollback",
            Self::Ddl => "ddl",
            Self::Other => "other",
        }
    }
}

fn first_word(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == ';');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
        } else {
            break;
        }
    }
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    rest.split_at_checked(end).map_or("", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_tells() {
        for (sql, kind) in [
            ("select 1", StatementKind::Select),
            ("  /* why */ -- line\n ((SELECT 1))", StatementKind::Select),
            ("Update t set a = 1", StatementKind::Update),
            ("END;", StatementKind::Commit),
            ("endless", StatementKind::Other),
            ("", StatementKind::Other),
            ("/* open", StatementKind::Other),
            ("é", StatementKind::Other),
        ] {
            assert_eq!(StatementKind::of(sql), kind, "{sql}");
        }
    }

    #[test]
    fn kinds_are_numbered_in_order() {
        for (number, kind) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, number);
        }
    }
}
