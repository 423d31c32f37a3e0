//! Reads utility statements from tokens.

use super::lexer::{Kind, Lexeme};
use super::statement::{
    Copy, CopySource, CopyTarget, Discard, Explain, FetchDirection, Name, ParsedStatement, SetValue,
    TransactionModes, Utility,
};
use super::{parse_tokens, parse_type, syntax_error_at_byte};
use crate::error::{Result, SqlError, sqlstate};
use sqlparser::ast;

/// The utility statement of `tokens`; none where it is of another kind.
pub(super) fn parse(sql: &str, tokens: &[Lexeme]) -> Result<Option<Utility>> {
    let mut p = Reader { sql, tokens, at: 0 };
    let utility = match p.take_word().to_ascii_lowercase().as_str() {
        "begin" => {
            let _ = p.keyword("work") || p.keyword("transaction");
            Utility::Begin(p.modes()?)
        }
        "start" => {
            p.expect("transaction")?;
            Utility::Begin(p.modes()?)
        }
        "commit" if p.is("prepared") => return Err(SqlError::unsupported("COMMIT PREPARED")),
        "commit" | "end" => Utility::Commit { chain: p.chain()? },
        "rollback" if p.is("prepared") => return Err(SqlError::unsupported("ROLLBACK PREPARED")),
        "abort" => Utility::Rollback { chain: p.chain()? },
        "rollback" => {
            let _ = p.keyword("work") || p.keyword("transaction");
            if p.keyword("to") {
                p.keyword("savepoint");
                Utility::RollbackTo(p.identifier()?)
            } else {
                Utility::Rollback { chain: p.chain()? }
            }
        }
        "savepoint" => Utility::Savepoint(p.identifier()?),
        "release" => {
            p.keyword("savepoint");
            Utility::Release(p.identifier()?)
        }
        "set" => p.set()?,
        "reset" => Utility::Reset(p.reset()?),
        "show" => Utility::Show(p.show()?),
        "discard" => Utility::Discard(match p.take_word().to_ascii_lowercase().as_str() {
            "all" => Discard::All,
            "plans" => Discard::Plans,
            "sequences" => Discard::Sequences,
            "temp" | "temporary" => Discard::Temp,
            _ => return Err(p.error_before()),
        }),
        "declare" => p.declare()?,
        "fetch" => p.fetch(false)?,
        "move" => p.fetch(true)?,
        "close" => Utility::Close(if p.keyword("all") { None } else { Some(p.identifier()?) }),
        "prepare" if p.is("transaction") => return Err(SqlError::unsupported("PREPARE TRANSACTION")),
        "prepare" => p.prepare()?,
        "execute" => p.execute()?,
        "deallocate" => {
            p.keyword("prepare");
            Utility::Deallocate(if p.keyword("all") { None } else { Some(p.identifier()?) })
        }
        "copy" => Utility::Copy(Box::new(p.copy()?)),
        "explain" => Utility::Explain(p.explain()?),
        "vacuum" => p.vacuum()?,
        "analyze" | "analyse" => {
            if p.punct(b'(') {
                p.skip_parens()?;
            }
            p.keyword("verbose");
            Utility::Analyze { tables: p.tables_with_columns()? }
        }
        "lock" => p.lock()?,
        "truncate" => p.truncate()?,
        "comment" => p.comment()?,
        "listen" => Utility::Listen(p.identifier()?),
        "unlisten" => Utility::Unlisten(if p.operator("*") { None } else { Some(p.identifier()?) }),
        "notify" => {
            let channel = p.identifier()?;
            let payload = if p.punct(b',') { p.string()? } else { String::new() };
            Utility::Notify(channel, payload)
        }
        "do" => return Err(SqlError::unsupported("DO")),
        "checkpoint" => Utility::Checkpoint,
        "reindex" | "cluster" => {
            p.at = p.tokens.len();
            Utility::Reindex
        }
        _ => return Ok(None),
    };
    p.end()?;
    Ok(Some(utility))
}

struct Reader<'a> {
    sql: &'a str,
    tokens: &'a [Lexeme],
    at: usize,
}

impl<'a> Reader<'a> {
    fn text(&self, at: usize) -> &'a str {
        self.tokens.get(at).and_then(|t| self.sql.get(t.start..t.end)).unwrap_or_default()
    }
    fn kind(&self) -> Option<Kind> {
        self.tokens.get(self.at).map(|t| t.kind)
    }
    fn error(&self) -> SqlError {
        // At the statement's end PostgreSQL points at the end of input (or at the semicolon).
        let byte =
            self.tokens.get(self.at).map_or_else(|| self.tokens.last().map_or(0, |t| t.end), |t| t.start);
        syntax_error_at_byte(self.sql, 0, byte)
    }
    fn error_before(&mut self) -> SqlError {
        self.at = self.at.saturating_sub(1);
        self.error()
    }
    fn end(&self) -> Result<()> {
        if self.at >= self.tokens.len() { Ok(()) } else { Err(self.error()) }
    }
    /// The next word, or "" when it is something else; moves past it.
    fn take_word(&mut self) -> &'a str {
        let text = if self.kind() == Some(Kind::Word) { self.text(self.at) } else { "" };
        self.at += 1;
        text
    }
    fn is(&self, keyword: &str) -> bool {
        self.kind() == Some(Kind::Word) && self.text(self.at).eq_ignore_ascii_case(keyword)
    }
    fn keyword(&mut self, keyword: &str) -> bool {
        let yes = self.is(keyword);
        self.at += usize::from(yes);
        yes
    }
    fn expect(&mut self, keyword: &str) -> Result<()> {
        if self.keyword(keyword) { Ok(()) } else { Err(self.error()) }
    }
    fn punct(&mut self, c: u8) -> bool {
        let yes = self.kind() == Some(Kind::Punct(c));
        self.at += usize::from(yes);
        yes
    }
    fn expect_punct(&mut self, c: u8) -> Result<()> {
        if self.punct(c) { Ok(()) } else { Err(self.error()) }
    }
    fn operator(&mut self, op: &str) -> bool {
        let yes = self.kind() == Some(Kind::Operator) && self.text(self.at) == op;
        self.at += usize::from(yes);
        yes
    }
    fn identifier(&mut self) -> Result<String> {
        let text = self.text(self.at);
        let name = match self.kind() {
            Some(Kind::Word) => text.to_ascii_lowercase(),
            Some(Kind::QuotedIdentifier) => unquote(text, '"'),
            _ => return Err(self.error()),
        };
        self.at += 1;
        Ok(name)
    }
    fn name(&mut self) -> Result<Name> {
        let mut name = vec![self.identifier()?];
        while self.punct(b'.') {
            name.push(self.identifier()?);
        }
        Ok(name)
    }
    fn names(&mut self) -> Result<Vec<Name>> {
        let mut names = Vec::new();
        loop {
            self.keyword("only");
            names.push(self.name()?);
            self.operator("*");
            if !self.punct(b',') {
                return Ok(names);
            }
        }
    }
    fn column_list(&mut self) -> Result<Vec<String>> {
        let mut columns = Vec::new();
        if self.punct(b'(') {
            loop {
                columns.push(self.identifier()?);
                if !self.punct(b',') {
                    break;
                }
            }
            self.expect_punct(b')')?;
        }
        Ok(columns)
    }
    fn tables_with_columns(&mut self) -> Result<Vec<(Name, Vec<String>)>> {
        let mut tables = Vec::new();
        if self.at < self.tokens.len() {
            loop {
                tables.push((self.name()?, self.column_list()?));
                if !self.punct(b',') {
                    break;
                }
            }
        }
        Ok(tables)
    }
    /// The value of a string constant.
    fn string(&mut self) -> Result<String> {
        let text = self.text(self.at);
        let value = match self.kind() {
            Some(Kind::Str) => unquote(text, '\''),
            Some(Kind::DollarStr) => {
                let tag = text.find('$').and_then(|a| text.get(a + 1..)?.find('$')).map_or(2, |n| n + 2);
                text.get(tag..text.len().saturating_sub(tag)).unwrap_or_default().to_owned()
            }
            Some(Kind::PrefixedStr) => match super::parse_expression(text)? {
                ast::Expr::Value(v) => match v.value {
                    ast::Value::EscapedStringLiteral(s)
                    | ast::Value::UnicodeStringLiteral(s)
                    | ast::Value::NationalStringLiteral(s) => s,
                    _ => return Err(self.error()),
                },
                _ => return Err(self.error()),
            },
            _ => return Err(self.error()),
        };
        self.at += 1;
        Ok(value)
    }
    fn integer(&mut self) -> Result<i64> {
        let negative = self.operator("-");
        if !negative {
            self.operator("+");
        }
        let Some(Kind::Number) = self.kind() else { return Err(self.error()) };
        let value: i64 = self.text(self.at).parse().map_err(|_| self.error())?;
        self.at += 1;
        Ok(if negative { -value } else { value })
    }
    /// Moves past a balanced group whose opening is behind.
    fn skip_parens(&mut self) -> Result<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.kind() {
                Some(Kind::Punct(b'(' | b'[')) => depth += 1,
                Some(Kind::Punct(b')' | b']')) => depth -= 1,
                None => return Err(self.error()),
                _ => {}
            }
            self.at += 1;
        }
        Ok(())
    }
    /// The rest as a statement.
    fn statement(&mut self) -> Result<Box<ParsedStatement>> {
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Err(self.error());
        }
        self.at = self.tokens.len();
        Ok(Box::new(parse_tokens(self.sql, rest)?))
    }
    fn chain(&mut self) -> Result<bool> {
        let _ = self.keyword("work") || self.keyword("transaction");
        if self.keyword("and") {
            let no = self.keyword("no");
            self.expect("chain")?;
            return Ok(!no);
        }
        Ok(false)
    }
    fn modes(&mut self) -> Result<TransactionModes> {
        let mut modes = TransactionModes::default();
        while self.at < self.tokens.len() {
            if self.keyword("isolation") {
                self.expect("level")?;
                modes.isolation = Some(if self.keyword("serializable") {
                    "serializable"
                } else if self.keyword("repeatable") {
                    self.expect("read")?;
                    "repeatable read"
                } else {
                    self.expect("read")?;
                    if self.keyword("committed") {
                        "read committed"
                    } else {
                        self.expect("uncommitted")?;
                        "read uncommitted"
                    }
                });
            } else if self.keyword("read") {
                let only = self.keyword("only");
                if !only {
                    self.expect("write")?;
                }
                modes.read_only = Some(only);
            } else if self.keyword("deferrable") {
                modes.deferrable = Some(true);
            } else if self.keyword("not") {
                self.expect("deferrable")?;
                modes.deferrable = Some(false);
            } else {
                return Err(self.error());
            }
            self.punct(b',');
        }
        Ok(modes)
    }
    fn set_value(&mut self) -> Result<String> {
        match self.kind() {
            Some(Kind::Str | Kind::DollarStr | Kind::PrefixedStr) => self.string(),
            Some(Kind::Operator) => {
                let sign = if self.operator("-") {
                    "-"
                } else if self.operator("+") {
                    ""
                } else {
                    return Err(self.error());
                };
                let Some(Kind::Number) = self.kind() else { return Err(self.error()) };
                self.at += 1;
                Ok(format!("{sign}{}", self.text(self.at - 1)))
            }
            Some(Kind::Number) => {
                self.at += 1;
                Ok(self.text(self.at - 1).to_owned())
            }
            _ => self.identifier(),
        }
    }
    fn set(&mut self) -> Result<Utility> {
        let local = self.keyword("local");
        if !local && self.keyword("session") {
            if self.keyword("characteristics") {
                self.expect("as")?;
                self.expect("transaction")?;
                return Ok(Utility::SetTransaction { session: true, modes: self.modes()? });
            }
            if self.keyword("authorization") {
                let value = if self.keyword("default") {
                    SetValue::Default
                } else {
                    SetValue::Values(vec![self.set_value()?])
                };
                return Ok(Utility::Set { local: false, name: "session_authorization".into(), value });
            }
        }
        if self.keyword("transaction") {
            if self.is("snapshot") {
                return Err(SqlError::unsupported("SET TRANSACTION SNAPSHOT"));
            }
            return Ok(Utility::SetTransaction { session: false, modes: self.modes()? });
        }
        if self.keyword("constraints") {
            let names = if self.keyword("all") { Vec::new() } else { self.names()? };
            let deferred = self.keyword("deferred");
            if !deferred {
                self.expect("immediate")?;
            }
            return Ok(Utility::SetConstraints { deferred, names });
        }
        if self.keyword("time") {
            self.expect("zone")?;
            let value = if self.keyword("local") || self.keyword("default") {
                SetValue::Default
            } else if self.keyword("interval") {
                let value = self.string()?;
                // HOUR, or HOUR TO MINUTE: what the text says already.
                while self.at < self.tokens.len() {
                    self.at += 1;
                }
                SetValue::Values(vec![value])
            } else {
                SetValue::Values(vec![self.set_value()?])
            };
            return Ok(Utility::Set { local, name: "timezone".into(), value });
        }
        for (words, setting) in
            [(["names", ""], "client_encoding"), (["role", ""], "role"), (["schema", ""], "search_path")]
        {
            let keyword = words.first().copied().unwrap_or_default();
            let next_is_value = self.tokens.get(self.at + 1).is_some_and(|t| {
                !(t.kind == Kind::Operator && self.text(self.at + 1) == "=")
                    && !self.text(self.at + 1).eq_ignore_ascii_case("to")
            });
            if self.is(keyword) && next_is_value {
                self.at += 1;
                let value = if self.keyword("default") || (setting == "role" && self.keyword("none")) {
                    SetValue::Default
                } else {
                    SetValue::Values(vec![self.set_value()?])
                };
                return Ok(Utility::Set { local, name: setting.into(), value });
            }
        }
        let name = self.name()?.join(".");
        if !self.operator("=") && !self.keyword("to") {
            return Err(self.error());
        }
        if self.keyword("default") {
            return Ok(Utility::Set { local, name, value: SetValue::Default });
        }
        let mut values = vec![self.set_value()?];
        while self.punct(b',') {
            values.push(self.set_value()?);
        }
        Ok(Utility::Set { local, name, value: SetValue::Values(values) })
    }
    fn setting_words(&mut self) -> Result<String> {
        if self.keyword("time") {
            self.expect("zone")?;
            return Ok("timezone".into());
        }
        if self.is("session") && self.text(self.at + 1).eq_ignore_ascii_case("authorization") {
            self.at += 2;
            return Ok("session_authorization".into());
        }
        if self.is("transaction") && self.text(self.at + 1).eq_ignore_ascii_case("isolation") {
            self.at += 2;
            self.expect("level")?;
            return Ok("transaction_isolation".into());
        }
        Ok(self.name()?.join("."))
    }
    fn reset(&mut self) -> Result<Option<String>> {
        if self.keyword("all") { Ok(None) } else { self.setting_words().map(Some) }
    }
    fn show(&mut self) -> Result<String> {
        self.setting_words()
    }
    fn declare(&mut self) -> Result<Utility> {
        let name = self.identifier()?;
        let (mut binary, mut scroll) = (false, None);
        loop {
            if self.keyword("binary") {
                binary = true;
            } else if self.keyword("scroll") {
                scroll = Some(true);
            } else if self.keyword("no") {
                self.expect("scroll")?;
                scroll = Some(false);
            } else if !self.keyword("insensitive") && !self.keyword("asensitive") {
                break;
            }
        }
        self.expect("cursor")?;
        let mut hold = false;
        if self.keyword("with") {
            self.expect("hold")?;
            hold = true;
        } else if self.keyword("without") {
            self.expect("hold")?;
        }
        self.expect("for")?;
        Ok(Utility::Declare { name, binary, scroll, hold, query: self.statement()? })
    }
    fn fetch(&mut self, only_move: bool) -> Result<Utility> {
        use FetchDirection::{Absolute, BackwardAll, Forward, ForwardAll, Relative};
        // A word may be a direction or the cursor itself; a lone word is the cursor.
        let alone = self.at + 1 >= self.tokens.len();
        let signed = matches!(self.kind(), Some(Kind::Number | Kind::Operator));
        let direction = if alone {
            Forward(1)
        } else if signed {
            Forward(self.integer()?)
        } else if self.keyword("next") {
            Forward(1)
        } else if self.keyword("prior") {
            Forward(-1)
        } else if self.keyword("first") {
            Absolute(1)
        } else if self.keyword("last") {
            Absolute(-1)
        } else if self.keyword("absolute") {
            Absolute(self.integer()?)
        } else if self.keyword("relative") {
            Relative(self.integer()?)
        } else if self.keyword("all") {
            ForwardAll
        } else if self.keyword("forward") {
            self.count(1, ForwardAll)?
        } else if self.keyword("backward") {
            self.count(-1, BackwardAll)?
        } else {
            Forward(1)
        };
        if !self.keyword("from") {
            self.keyword("in");
        }
        Ok(Utility::Fetch { direction, cursor: self.identifier()?, only_move })
    }
    fn count(&mut self, sign: i64, all: FetchDirection) -> Result<FetchDirection> {
        if self.keyword("all") {
            return Ok(all);
        }
        Ok(FetchDirection::Forward(match self.kind() {
            Some(Kind::Number | Kind::Operator) => {
                self.integer()?.checked_mul(sign).ok_or_else(|| self.error())?
            }
            _ => sign,
        }))
    }
    /// Texts between top-level commas of a group whose opening is behind; moves past its end.
    fn list_texts(&mut self) -> Result<Vec<&'a str>> {
        let mut texts = Vec::new();
        let mut start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.kind() {
                Some(Kind::Punct(b'(' | b'[')) => depth += 1,
                Some(Kind::Punct(b')')) if depth == 0 => {
                    texts.push(self.range(start, self.at));
                    self.at += 1;
                    return Ok(texts);
                }
                Some(Kind::Punct(b')' | b']')) => depth = depth.saturating_sub(1),
                Some(Kind::Punct(b',')) if depth == 0 => {
                    texts.push(self.range(start, self.at));
                    start = self.at + 1;
                }
                None => return Err(self.error()),
                _ => {}
            }
            self.at += 1;
        }
    }
    /// Source text of tokens `from..to`.
    fn range(&self, from: usize, to: usize) -> &'a str {
        match (self.tokens.get(from), to.checked_sub(1).and_then(|last| self.tokens.get(last))) {
            (Some(a), Some(b)) if from < to => self.sql.get(a.start..b.end).unwrap_or_default(),
            _ => "",
        }
    }
    fn prepare(&mut self) -> Result<Utility> {
        let name = self.identifier()?;
        let mut types = Vec::new();
        if self.punct(b'(') {
            for text in self.list_texts()? {
                types.push(parse_type(text)?);
            }
        }
        self.expect("as")?;
        Ok(Utility::Prepare { name, types, statement: self.statement()? })
    }
    fn execute(&mut self) -> Result<Utility> {
        let name = self.identifier()?;
        let args = if self.punct(b'(') {
            self.list_texts()?.into_iter().map(str::to_owned).collect()
        } else {
            Vec::new()
        };
        Ok(Utility::Execute { name, args })
    }
    fn explain(&mut self) -> Result<Explain> {
        let (mut analyze, mut verbose, mut costs, mut format) = (false, false, true, "text".to_owned());
        // `EXPLAIN (SELECT …)` is a query in parentheses.
        let options = self.kind() == Some(Kind::Punct(b'('))
            && !matches!(
                self.text(self.at + 1).to_ascii_lowercase().as_str(),
                "select" | "with" | "values" | "(" | "table"
            );
        if options {
            self.at += 1;
            for text in self.list_texts()? {
                let mut words = text.split_ascii_whitespace();
                let option = words.next().unwrap_or_default().to_ascii_lowercase();
                let value = words.next().map(|v| v.trim_matches('\'').to_ascii_lowercase());
                let on = match value.as_deref() {
                    None | Some("on" | "true" | "1") => true,
                    Some("off" | "false" | "0") => false,
                    Some(_) if option == "format" => true,
                    Some(_) => {
                        return Err(SqlError::new(
                            sqlstate::SYNTAX_ERROR,
                            format!("{option} requires a Boolean value"),
                        ));
                    }
                };
                match option.as_str() {
                    "analyze" | "analyse" => analyze = on,
                    "verbose" => verbose = on,
                    "costs" => costs = on,
                    "buffers" | "timing" | "summary" | "settings" | "wal" | "generic_plan" => {}
                    "format" => {
                        format = value.unwrap_or_default();
                        if !matches!(format.as_str(), "text" | "json" | "yaml" | "xml") {
                            return Err(SqlError::new(
                                sqlstate::INVALID_PARAMETER_VALUE,
                                format!("unrecognized value for EXPLAIN option \"format\": \"{format}\""),
                            ));
                        }
                    }
                    _ => return Err(SqlError::syntax(format!("unrecognized EXPLAIN option \"{option}\""))),
                }
            }
        } else {
            analyze = self.keyword("analyze") || self.keyword("analyse");
            verbose = self.keyword("verbose");
        }
        Ok(Explain { analyze, verbose, costs, format, statement: self.statement()? })
    }
    fn vacuum(&mut self) -> Result<Utility> {
        let mut analyze = false;
        if self.punct(b'(') {
            for text in self.list_texts()? {
                let lower = text.to_ascii_lowercase();
                let mut words = lower.split_ascii_whitespace();
                analyze |= matches!(words.next(), Some("analyze" | "analyse"))
                    && !matches!(words.next(), Some("off" | "false" | "0"));
            }
        }
        while self.keyword("full") || self.keyword("freeze") || self.keyword("verbose") {}
        if self.keyword("analyze") || self.keyword("analyse") {
            analyze = true;
            self.keyword("verbose");
        }
        Ok(Utility::Vacuum { analyze, tables: self.tables_with_columns()? })
    }
    fn lock(&mut self) -> Result<Utility> {
        self.keyword("table");
        let tables = self.names()?;
        let mut mode = "access exclusive".to_owned();
        if self.keyword("in") {
            let mut words = Vec::new();
            while !self.is("mode") {
                words.push(self.identifier()?);
            }
            self.expect("mode")?;
            mode = words.join(" ");
            let known = [
                "access share",
                "row share",
                "row exclusive",
                "share update exclusive",
                "share",
                "share row exclusive",
                "exclusive",
                "access exclusive",
            ];
            if !known.contains(&mode.as_str()) {
                self.at = self.at.saturating_sub(2);
                return Err(self.error());
            }
        }
        Ok(Utility::Lock { tables, mode, nowait: self.keyword("nowait") })
    }
    fn truncate(&mut self) -> Result<Utility> {
        self.keyword("table");
        let tables = self.names()?;
        let mut restart_identity = false;
        if self.keyword("restart") {
            self.expect("identity")?;
            restart_identity = true;
        } else if self.keyword("continue") {
            self.expect("identity")?;
        }
        let cascade = self.keyword("cascade");
        if !cascade {
            self.keyword("restrict");
        }
        Ok(Utility::Truncate { tables, restart_identity, cascade })
    }
    fn comment(&mut self) -> Result<Utility> {
        self.expect("on")?;
        let mut kind = self.identifier()?;
        if matches!(
            kind.as_str(),
            "materialized" | "foreign" | "event" | "text" | "access" | "large" | "procedural" | "operator"
        ) {
            let more = self.is("view")
                || self.is("table")
                || self.is("trigger")
                || self.is("method")
                || self.is("class")
                || self.is("family");
            if more {
                kind = format!("{kind} {}", self.identifier()?);
            }
        }
        let name = self.name()?;
        if self.punct(b'(') {
            self.skip_parens()?;
        }
        let on = if self.keyword("on") {
            self.keyword("domain");
            Some(self.name()?)
        } else {
            None
        };
        self.expect("is")?;
        let text = if self.keyword("null") { None } else { Some(self.string()?) };
        Ok(Utility::Comment { kind, name, on, text })
    }
    fn copy(&mut self) -> Result<Copy> {
        let mut options: Vec<(String, Vec<String>)> = Vec::new();
        if self.keyword("binary") {
            options.push(("format".into(), vec!["binary".into()]));
        }
        let source = if self.punct(b'(') {
            let start = self.at;
            self.skip_parens()?;
            let tokens = self.tokens.get(start..self.at.saturating_sub(1)).unwrap_or_default();
            if tokens.is_empty() {
                return Err(self.error_before());
            }
            CopySource::Query(Box::new(parse_tokens(self.sql, tokens)?))
        } else {
            CopySource::Table(self.name()?, self.column_list()?)
        };
        let from = self.keyword("from");
        if !from {
            self.expect("to")?;
        }
        if from && matches!(source, CopySource::Query(_)) {
            return Err(self.error_before());
        }
        let target = if self.keyword("stdin") || self.keyword("stdout") {
            CopyTarget::Client
        } else if self.keyword("program") {
            CopyTarget::Program(self.string()?)
        } else {
            CopyTarget::File(self.string()?)
        };
        self.keyword("with");
        if self.punct(b'(') {
            loop {
                let name = self.identifier()?;
                let mut values = Vec::new();
                if self.punct(b'(') {
                    loop {
                        values.push(self.set_value()?);
                        if !self.punct(b',') {
                            break;
                        }
                    }
                    self.expect_punct(b')')?;
                } else if self.operator("*") {
                    values.push("*".into());
                } else if !matches!(self.kind(), Some(Kind::Punct(_)) | None) {
                    values.push(self.set_value()?);
                }
                options.push((name, values));
                if !self.punct(b',') {
                    break;
                }
            }
            self.expect_punct(b')')?;
        } else {
            self.copy_old_options(&mut options)?;
        }
        let filter = if self.keyword("where") {
            let start = self.at;
            self.at = self.tokens.len();
            Some(self.range(start, self.at).to_owned())
        } else {
            None
        };
        Ok(Copy { source, from, target, options, filter })
    }
    /// The forms before PostgreSQL 9.0, which psql and pg_dump users still type.
    fn copy_old_options(&mut self, options: &mut Vec<(String, Vec<String>)>) -> Result<()> {
        loop {
            let word = self.take_word().to_ascii_lowercase();
            match word.as_str() {
                "binary" | "csv" => options.push(("format".into(), vec![word])),
                "freeze" | "header" => options.push((word, Vec::new())),
                "delimiter" | "delimiters" | "null" | "quote" | "escape" => {
                    self.keyword("as");
                    let name = if word == "delimiters" { "delimiter".into() } else { word };
                    options.push((name, vec![self.string()?]));
                }
                "encoding" => options.push((word, vec![self.string()?])),
                "force" => {
                    let name = if self.keyword("quote") {
                        "force_quote"
                    } else if self.keyword("not") {
                        self.expect("null")?;
                        "force_not_null"
                    } else {
                        self.expect("null")?;
                        "force_null"
                    };
                    let mut values = Vec::new();
                    if self.operator("*") {
                        values.push("*".into());
                    } else {
                        loop {
                            values.push(self.identifier()?);
                            if !self.punct(b',') {
                                break;
                            }
                        }
                    }
                    options.push((name.into(), values));
                }
                _ => {
                    self.at = self.at.saturating_sub(1);
                    return Ok(());
                }
            }
        }
    }
}

/// What is between the quotes, doubled ones halved.
fn unquote(text: &str, quote: char) -> String {
    let inner = text
        .find(quote)
        .and_then(|start| text.get(start + 1..text.len().saturating_sub(1)))
        .unwrap_or_default();
    let mut doubled = String::from(quote);
    doubled.push(quote);
    inner.replace(&doubled, quote.encode_utf8(&mut [0; 4]))
}
