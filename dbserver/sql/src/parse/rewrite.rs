//! Puts into the parser's words what it does not know of PostgreSQL's. A replacement is padded with blanks to the length of what it
//! replaces, so that positions of errors stay true (behind the few that are longer, they are off by the difference).

use super::lexer::{Kind, Lexeme};
use std::borrow::Cow;

/// The function name under which `ROWS FROM (…)` comes out of the parser.
pub(crate) const ROWS_FROM: &str = "rows fr";
const ROWS_FROM_QUOTED: &str = "\"rows fr\"";

/// The text for the parser.
pub(super) fn rewrite<'a>(text: &'a str, tokens: &[Lexeme]) -> Cow<'a, str> {
    let mut edits: Vec<(usize, usize, &'static str)> = Vec::new();
    let word = |at: usize| match tokens.get(at) {
        Some(t) if t.kind == Kind::Word => text.get(t.start..t.end).unwrap_or_default(),
        _ => "",
    };
    let is = |at: usize, keyword: &str| word(at).eq_ignore_ascii_case(keyword);
    let punct = |at: usize, c: u8| tokens.get(at).is_some_and(|t| t.kind == Kind::Punct(c));
    if is(0, "table") && tokens.len() > 1 {
        edits.push((0, 5, "select * from"));
    }
    let (mut depth, mut bare_select) = (0_usize, false);
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Punct(b'(') => depth += 1,
            Kind::Punct(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if token.kind != Kind::Word {
            continue;
        }
        if depth == 0 && is(at, "select") {
            bare_select = true;
        } else if depth == 0
            && ["from", "where", "group", "having", "order", "limit", "offset", "values"]
                .iter()
                .any(|k| is(at, k))
        {
            bare_select = false;
        }
        // `FOR NO KEY UPDATE` and `FOR KEY SHARE` lock as their stronger forms do.
        if is(at, "for") && is(at + 1, "no") && is(at + 2, "key") && is(at + 3, "update") {
            if let (Some(a), Some(b)) = (tokens.get(at + 1), tokens.get(at + 2)) {
                edits.push((a.start, b.end, ""));
            }
        } else if is(at, "for") && is(at + 1, "key") && is(at + 2, "share") {
            if let Some(a) = tokens.get(at + 1) {
                edits.push((a.start, a.end, ""));
            }
        } else if is(at, "of") && at > 0 && (is(at - 1, "update") || is(at - 1, "share")) {
            // The parser knows one table in each clause.
            let another = if is(at - 1, "update") { " for update of" } else { " for share of" };
            let named = |at: usize| {
                matches!(tokens.get(at).map(|t| t.kind), Some(Kind::Word | Kind::QuotedIdentifier))
            };
            let mut next = at + 2;
            while named(next - 1) && (punct(next, b'.') || punct(next, b',')) {
                if let (true, Some(comma)) = (punct(next, b','), tokens.get(next)) {
                    edits.push((comma.start, comma.end, another));
                }
                next += 2;
            }
        } else if bare_select && is(at, "on") && is(at + 1, "conflict") {
            // Else the parser takes ON for the last column's alias.
            edits.push((token.start, token.start, "where true "));
        } else if is(at, "variadic") {
            // A named argument stands for it.
            edits.push((token.start, token.end, "variadic =>"));
        } else if is(at, "rows") && is(at + 1, "from") && punct(at + 2, b'(') {
            if let Some(from) = tokens.get(at + 1) {
                edits.push((token.start, from.end, ROWS_FROM_QUOTED));
            }
        } else if is(at, "on") && is(at + 1, "only") && is(0, "create") {
            if let Some(only) = tokens.get(at + 1) {
                edits.push((only.start, only.end, ""));
            }
        } else if is(at, "concurrently") && is(0, "drop") {
            edits.push((token.start, token.end, ""));
        } else if is(at, "collate") && is(at + 1, "pg_catalog") && punct(at + 2, b'.') && !is(at + 3, "") {
            // A collation's schema says nothing here.
            if let (Some(a), Some(b)) = (tokens.get(at + 1), tokens.get(at + 3))
                && is(at + 3, "default")
            {
                edits.push((a.start, b.end, "\"default\""));
            }
        }
    }
    if edits.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (start, end, with) in edits {
        out.push_str(text.get(from..start).unwrap_or_default());
        out.push_str(with);
        let width = text.get(start..end).map_or(0, |t| t.chars().count());
        out.extend(std::iter::repeat_n(' ', width.saturating_sub(with.len())));
        from = end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(out)
}
