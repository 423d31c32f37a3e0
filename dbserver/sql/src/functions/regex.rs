//! PostgreSQL's advanced regular expressions, by translation to the `regex` crate's syntax.
//!
//! The crate matches in time linear in the text, whatever the pattern. What its automata cannot do (back
//! references, lookaround) answers 0A000. A match is leftmost with greedy preferences rather than PostgreSQL's leftmost-longest;
//! they differ only for alternations where an earlier branch is a prefix of a later one.

use super::Function;
use super::kernel::{array_of, functions, invalid_parameter, take};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalContext;
use crate::types::{Array, Datum, Type};
use regex::{Regex, RegexBuilder};
use std::cell::RefCell;

/// Bytes a compiled pattern may take.
const PROGRAM_BYTES_MAX: usize = 4 << 20;
/// Compiled patterns kept per thread, as in PostgreSQL.
const CACHED_MAX: usize = 32;

/// What the flags argument says (manual, table 9.24).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Flags {
    ignore_case: bool,
    global: bool,
    literal: bool,
    expanded: bool,
    /// `.` and brackets do not match a newline (`n`, `p`).
    dot_stops: bool,
    /// `^` and `$` match at newlines (`n`, `w`).
    line_anchors: bool,
}

impl Flags {
    fn parse(text: &str) -> Result<Self> {
        let mut flags = Self::default();
        for c in text.chars() {
            match c {
                'g' => flags.global = true,
                'i' => flags.ignore_case = true,
                'c' => flags.ignore_case = false,
                'q' => flags.literal = true,
                'x' => flags.expanded = true,
                't' => flags.expanded = false,
                'n' | 'm' => (flags.dot_stops, flags.line_anchors) = (true, true),
                's' => (flags.dot_stops, flags.line_anchors) = (false, false),
                'p' => (flags.dot_stops, flags.line_anchors) = (true, false),
                'w' => (flags.dot_stops, flags.line_anchors) = (false, true),
                'a' | 'e' | 'b' => {}
                other => {
                    return Err(invalid_parameter(format!("invalid regular expression option: \"{other}\"")));
                }
            }
        }
        Ok(flags)
    }
    fn without_global(self, function: &str) -> Result<Self> {
        if self.global {
            return Err(invalid_parameter(format!("{function}() does not support the \"global\" option")));
        }
        Ok(self)
    }
}

fn invalid(message: &str) -> SqlError {
    SqlError::new(sqlstate::INVALID_REGULAR_EXPRESSION, format!("invalid regular expression: {message}"))
}

thread_local! {
    /// Compiled patterns, the most recently used last.
    static CACHE: RefCell<Vec<(String, Flags, Regex)>> = const { RefCell::new(Vec::new()) };
}

/// The compiled form of a pattern, from the thread's cache where it is there.
fn compile(pattern: &str, flags: Flags) -> Result<Regex> {
    let flags = Flags { global: false, ..flags };
    let cached = CACHE.with_borrow_mut(|cache| {
        let at = cache.iter().position(|(p, f, _)| p == pattern && *f == flags)?;
        let entry = cache.remove(at);
        let regex = entry.2.clone();
        cache.push(entry);
        Some(regex)
    });
    if let Some(regex) = cached {
        return Ok(regex);
    }
    let (translated, flags_used) = translate(pattern, flags)?;
    let regex = RegexBuilder::new(&translated)
        .case_insensitive(flags_used.ignore_case)
        .dot_matches_new_line(!flags_used.dot_stops)
        .multi_line(flags_used.line_anchors)
        .size_limit(PROGRAM_BYTES_MAX)
        .dfa_size_limit(PROGRAM_BYTES_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => invalid("regular expression is too complex"),
            _ => invalid("invalid pattern"),
        })?;
    CACHE.with_borrow_mut(|cache| {
        if cache.len() >= CACHED_MAX {
            cache.remove(0);
        }
        cache.push((pattern.to_owned(), flags, regex.clone()));
    });
    Ok(regex)
}

/// Writes an ARE in the crate's syntax. Embedded options (`(?i)`) change the flags.
fn translate(pattern: &str, mut flags: Flags) -> Result<(String, Flags)> {
    let mut rest = pattern;
    if let Some(after) = rest.strip_prefix("***=") {
        flags.literal = true;
        rest = after;
    } else if let Some(after) = rest.strip_prefix("***:") {
        rest = after;
    }
    if flags.literal {
        return Ok((regex::escape(rest), flags));
    }
    if let Some((options, after)) = rest.strip_prefix("(?").and_then(|r| r.split_once(')'))
        && !options.is_empty()
        && options.chars().all(|c| c.is_ascii_lowercase())
    {
        let given = Flags::parse(options).map_err(|_| invalid("invalid embedded option"))?;
        flags = Flags {
            ignore_case: (flags.ignore_case || given.ignore_case) && !options.contains('c'),
            literal: given.literal,
            expanded: flags.expanded || given.expanded,
            dot_stops: flags.dot_stops || given.dot_stops,
            line_anchors: flags.line_anchors || given.line_anchors,
            global: flags.global,
        };
        rest = after;
        if flags.literal {
            return Ok((regex::escape(rest), flags));
        }
    }
    let mut out = String::with_capacity(rest.len() + 16);
    let mut chars = rest.chars().peekable();
    let mut depth = 0usize;
    // Whether the last thing written can be repeated.
    let mut atom = false;
    while let Some(c) = chars.next() {
        let mut is_atom = true;
        match c {
            '\\' => is_atom = escape(&mut chars, &mut out)?,
            '[' => bracket(&mut chars, &mut out, flags)?,
            '(' => {
                depth += 1;
                out.push('(');
                is_atom = false;
                if chars.peek() == Some(&'?') {
                    chars.next();
                    match chars.next() {
                        Some(':') => out.push_str("?:"),
                        Some('=' | '!' | '<') => {
                            return Err(SqlError::unsupported("lookaround in regular expressions"));
                        }
                        Some('#') => {
                            out.pop();
                            depth = depth.saturating_sub(1);
                            chars.by_ref().take_while(|c| *c != ')').for_each(drop);
                            is_atom = atom;
                        }
                        _ => return Err(invalid("quantifier operand invalid")),
                    }
                }
            }
            ')' => {
                if depth == 0 {
                    out.push_str("\\)");
                } else {
                    depth -= 1;
                    out.push(')');
                }
            }
            '*' | '+' | '?' => {
                if !atom {
                    return Err(invalid("quantifier operand invalid"));
                }
                out.push(c);
                if chars.next_if_eq(&'?').is_some() {
                    out.push('?');
                }
                is_atom = false;
            }
            '{' if chars.peek().is_some_and(char::is_ascii_digit) => {
                if !atom {
                    return Err(invalid("quantifier operand invalid"));
                }
                repetition(&mut chars, &mut out)?;
                is_atom = false;
            }
            '{' | '}' | ']' => {
                out.push('\\');
                out.push(c);
            }
            '|' | '^' => {
                out.push(c);
                is_atom = false;
            }
            '$' => {
                // Without line anchors `$` is the very end, as the crate's is.
                out.push('$');
                is_atom = false;
            }
            c if flags.expanded && c.is_whitespace() => is_atom = atom,
            '#' if flags.expanded => {
                chars.by_ref().take_while(|c| *c != '\n').for_each(drop);
                is_atom = atom;
            }
            '&' | '~' | '-' | '#' | ' ' => out.push(c),
            c => out.push(c),
        }
        atom = is_atom;
    }
    if depth > 0 {
        return Err(invalid("parentheses () not balanced"));
    }
    Ok((out, flags))
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// `{m}`, `{m,}`, `{m,n}` after the brace.
fn repetition(chars: &mut Chars<'_>, out: &mut String) -> Result<()> {
    let mut text = String::new();
    loop {
        match chars.next() {
            Some('}') => break,
            Some(c) if c.is_ascii_digit() || c == ',' => text.push(c),
            Some(_) => return Err(invalid("invalid repetition count(s)")),
            None => return Err(invalid("braces {} not balanced")),
        }
    }
    let bounds: Vec<&str> = text.split(',').collect();
    let number = |t: &str| t.parse::<u32>().ok().filter(|n| *n <= 255);
    let valid = match bounds.as_slice() {
        [m] => number(m).is_some(),
        [m, ""] => number(m).is_some(),
        [m, n] => matches!((number(m), number(n)), (Some(m), Some(n)) if m <= n),
        _ => false,
    };
    if !valid {
        return Err(invalid("invalid repetition count(s)"));
    }
    out.push('{');
    out.push_str(&text);
    out.push('}');
    if chars.next_if_eq(&'?').is_some() {
        out.push('?');
    }
    Ok(())
}

fn hex(chars: &mut Chars<'_>, most: usize, out: &mut String) -> Result<()> {
    let mut digits = String::new();
    while digits.len() < most
        && let Some(digit) = chars.next_if(char::is_ascii_hexdigit)
    {
        digits.push(digit);
    }
    if digits.is_empty() {
        return Err(invalid("invalid escape \\ sequence"));
    }
    let value = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
    out.push_str(&regex::escape(&value.ok_or_else(|| invalid("invalid escape \\ sequence"))?.to_string()));
    Ok(())
}

/// What follows a backslash (manual, section 9.7.3.3). Gives whether it can be repeated.
fn escape(chars: &mut Chars<'_>, out: &mut String) -> Result<bool> {
    let Some(c) = chars.next() else { return Err(invalid("invalid escape \\ sequence")) };
    match c {
        'm' => out.push_str(r"\b{start}"),
        'M' => out.push_str(r"\b{end}"),
        'y' => out.push_str(r"\b"),
        'Y' => out.push_str(r"\B"),
        'A' => out.push_str(r"\A"),
        'Z' => out.push_str(r"\z"),
        'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'n' | 'r' | 't' | 'f' | 'v' | 'a' => {
            out.push('\\');
            out.push(c);
            return Ok(true);
        }
        'b' => {
            out.push_str(r"\x08");
            return Ok(true);
        }
        'B' => {
            out.push_str(r"\\");
            return Ok(true);
        }
        'e' => {
            out.push_str(r"\x1b");
            return Ok(true);
        }
        'x' => {
            hex(chars, 8, out)?;
            return Ok(true);
        }
        'u' => {
            hex(chars, 4, out)?;
            return Ok(true);
        }
        'U' => {
            hex(chars, 8, out)?;
            return Ok(true);
        }
        '0' => {
            out.push_str(r"\x00");
            return Ok(true);
        }
        '1'..='9' => return Err(SqlError::unsupported("a back reference in a regular expression")),
        c if c.is_ascii_alphanumeric() => return Err(invalid("invalid escape \\ sequence")),
        c => {
            out.push_str(&regex::escape(&c.to_string()));
            return Ok(true);
        }
    }
    Ok(false)
}

/// A bracket expression, after its `[`.
fn bracket(chars: &mut Chars<'_>, out: &mut String, flags: Flags) -> Result<()> {
    let rest: String = chars.clone().take(7).collect();
    for (word, boundary) in [("[:<:]]", r"\b{start}"), ("[:>:]]", r"\b{end}")] {
        if rest.starts_with(word) {
            chars.by_ref().take(word.len()).for_each(drop);
            out.push_str(boundary);
            return Ok(());
        }
    }
    out.push('[');
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
        if flags.dot_stops {
            out.push_str(r"\n");
        }
    }
    let mut first = true;
    loop {
        let Some(c) = chars.next() else { return Err(invalid("brackets [] not balanced")) };
        match c {
            ']' if !first => break,
            '[' => match chars.peek() {
                Some(':') => {
                    chars.next();
                    let name: String = chars.by_ref().take_while(|c| *c != ':').collect();
                    if chars.next() != Some(']') {
                        return Err(invalid("invalid character class"));
                    }
                    match name.as_str() {
                        "alpha" => out.push_str(r"\p{Alphabetic}"),
                        "alnum" => out.push_str(r"\p{Alphabetic}\p{Nd}"),
                        "upper" => out.push_str(r"\p{Uppercase}"),
                        "lower" => out.push_str(r"\p{Lowercase}"),
                        "digit" => out.push_str(r"\d"),
                        "space" => out.push_str(r"\s"),
                        "word" => out.push_str(r"\w"),
                        "punct" | "xdigit" | "blank" | "cntrl" | "graph" | "print" | "ascii" => {
                            out.push_str("[:");
                            out.push_str(&name);
                            out.push_str(":]");
                        }
                        _ => return Err(invalid("invalid character class")),
                    }
                }
                Some('.' | '=') => {
                    let mark = chars.next().unwrap_or('.');
                    let name: String = chars.by_ref().take_while(|c| *c != mark).collect();
                    if chars.next() != Some(']') || name.chars().count() != 1 {
                        return Err(invalid("invalid collating element"));
                    }
                    out.push_str(&regex::escape(&name));
                }
                _ => out.push_str(r"\["),
            },
            '\\' => {
                let mut piece = String::new();
                if !escape(chars, &mut piece)? {
                    return Err(invalid("invalid escape \\ sequence"));
                }
                out.push_str(&piece);
            }
            '-' if first || chars.peek() == Some(&']') => out.push_str(r"\-"),
            '-' => out.push('-'),
            '&' | '~' | ']' | '^' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        first = false;
    }
    out.push(']');
    Ok(())
}

/// Whether a text matches; for other modules (`\d` in psql asks by `~`).
pub(crate) fn is_match(text: &str, pattern: &str, ignore_case: bool) -> Result<bool> {
    Ok(compile(pattern, Flags { ignore_case, ..Flags::default() })?.is_match(text))
}

/// `substring(text from pattern)`: the first group, or the whole match where there is none.
fn substring(text: &str, pattern: &str) -> Result<Option<String>> {
    let regex = compile(pattern, Flags::default())?;
    let Some(found) = regex.captures(text) else { return Ok(None) };
    let group = if regex.captures_len() > 1 { found.get(1) } else { found.get(0) };
    Ok(group.map(|m| m.as_str().to_owned()))
}

fn texts(values: impl IntoIterator<Item = Option<String>>) -> Array {
    array_of(Type::TEXT, values.into_iter().map(|v| v.map_or(Datum::Null, Datum::text)).collect())
}

fn groups(found: &regex::Captures<'_>) -> Array {
    let all = found.len() == 1;
    texts(found.iter().skip(usize::from(!all)).map(|g| g.map(|m| m.as_str().to_owned())))
}

/// All matches from the `start`-th character (1-based) on.
fn matches<'t>(
    regex: &'t Regex,
    text: &'t str,
    start: i32,
) -> Result<impl Iterator<Item = regex::Captures<'t>>> {
    let from = start_offset(text, start)?;
    let mut at = from;
    Ok(std::iter::from_fn(move || {
        let offset = at?;
        let found = regex.captures_at(text, offset)?;
        let whole = found.get(0)?;
        at = if whole.end() > whole.start() {
            Some(whole.end())
        } else {
            // An empty match: go on after the next character.
            text.get(whole.end()..).and_then(|t| t.chars().next()).map(|c| whole.end() + c.len_utf8())
        };
        Some(found)
    }))
}

/// The byte offset of a character; none beyond the end.
fn start_offset(text: &str, start: i32) -> Result<Option<usize>> {
    let Ok(before @ 0..) = usize::try_from(start.wrapping_sub(1)) else {
        return Err(invalid_parameter(format!("invalid value for parameter \"start\": {start}")));
    };
    let mut offsets = text.char_indices().map(|(i, _)| i).chain([text.len()]);
    Ok(offsets.nth(before))
}

/// `\1`…`\9` the groups, `\&` the match, `\\` a backslash.
fn expand(replacement: &str, found: &regex::Captures<'_>, out: &mut String) {
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.peek().copied() {
            Some(digit @ '1'..='9') => {
                chars.next();
                let index = digit.to_digit(10).map_or(0, |d| d as usize);
                out.push_str(found.get(index).map_or("", |m| m.as_str()));
            }
            Some('&') => {
                chars.next();
                out.push_str(found.get(0).map_or("", |m| m.as_str()));
            }
            Some('\\') => {
                chars.next();
                out.push('\\');
            }
            _ => out.push('\\'),
        }
    }
}

/// Replaces the `nth` match (0: all) from character `start` on.
fn replace(
    text: &str,
    pattern: &str,
    replacement: &str,
    start: i32,
    nth: i32,
    flags: Flags,
) -> Result<String> {
    let regex = compile(pattern, flags)?;
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for (found, number) in matches(&regex, text, start)?.zip(1i32..) {
        let Some(whole) = found.get(0) else { break };
        if nth != 0 && number != nth {
            continue;
        }
        out.push_str(text.get(copied..whole.start()).unwrap_or_default());
        expand(replacement, &found, &mut out);
        super::kernel::check_length(out.len())?;
        copied = whole.end();
        if nth != 0 {
            break;
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Ok(out)
}

/// The parts between matches. An empty match at the ends or right after another one does not split.
fn split(text: &str, pattern: &str, flags: Flags) -> Result<Vec<String>> {
    let regex = compile(pattern, flags)?;
    let mut parts = Vec::new();
    let mut from = 0;
    for found in matches(&regex, text, 1)? {
        let Some(whole) = found.get(0) else { break };
        if whole.is_empty() && (whole.end() >= text.len() || whole.end() <= from) {
            continue;
        }
        parts.push(text.get(from..whole.start()).unwrap_or_default().to_owned());
        from = whole.end();
    }
    parts.push(text.get(from..).unwrap_or_default().to_owned());
    Ok(parts)
}

fn positive(name: &str, value: i32) -> Result<i32> {
    if value <= 0 {
        return Err(invalid_parameter(format!("invalid value for parameter \"{name}\": {value}")));
    }
    Ok(value)
}

fn count(text: &str, pattern: &str, start: i32, flags: &str) -> Result<i32> {
    let flags = Flags::parse(flags)?.without_global("regexp_count")?;
    let regex = compile(pattern, flags)?;
    let matches = matches(&regex, text, positive("start", start)?)?;
    Ok(i32::try_from(matches.count()).unwrap_or(i32::MAX))
}

/// The byte range of the `nth` match or of a group of it.
fn nth(
    function: &str,
    text: &str,
    pattern: &str,
    (start, nth, group): (i32, i32, i32),
    flags: &str,
) -> Result<Option<std::ops::Range<usize>>> {
    let flags = Flags::parse(flags)?.without_global(function)?;
    positive("start", start)?;
    let skip = usize::try_from(positive("n", nth)?.wrapping_sub(1)).unwrap_or(0);
    let Ok(group) = usize::try_from(group) else {
        return Err(invalid_parameter(format!("invalid value for parameter \"subexpr\": {group}")));
    };
    let regex = compile(pattern, flags)?;
    let found = matches(&regex, text, start)?.nth(skip);
    Ok(found.and_then(|f| f.get(group).map(|m| m.range())))
}

fn nth_text(text: &str, pattern: &str, which: (i32, i32, i32), flags: &str) -> Result<Option<String>> {
    let range = nth("regexp_substr", text, pattern, which, flags)?;
    Ok(range.and_then(|r| text.get(r)).map(str::to_owned))
}

fn nth_position(text: &str, pattern: &str, which: (i32, i32, i32), end: i32, flags: &str) -> Result<i32> {
    if !(0..=1).contains(&end) {
        return Err(invalid_parameter(format!("invalid value for parameter \"endoption\": {end}")));
    }
    let range = nth("regexp_instr", text, pattern, which, flags)?;
    let position = range.map(|r| if end == 1 { r.end } else { r.start });
    let chars = position.and_then(|p| text.get(..p)).map(|t| t.chars().count() + 1);
    Ok(chars.and_then(|c| i32::try_from(c).ok()).unwrap_or(0))
}

macro_rules! tests {
    ($($oid:literal $name:literal $ty:ident $fold:literal $negated:literal;)*) => {
        /// `~`, `~*`, `!~`, `!~*`.
        pub(super) static REGEX_OPERATORS: &[Function] = &[ $( {
            fn row(args: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
                let mut args = args.iter();
                let (text, pattern) = (take::TEXT(args.next())?, take::TEXT(args.next())?);
                Ok(Datum::Bool(is_match(text, pattern, $fold)? != $negated))
            }
            Function::scalar($oid, $name, &[Type::$ty, Type::TEXT], Type::BOOL, row)
        } ),* ];
    };
}
tests! {
    1254 "textregexeq" TEXT false false;
    1256 "textregexne" TEXT false true;
    1238 "texticregexeq" TEXT true false;
    1239 "texticregexne" TEXT true true;
    79 "nameregexeq" NAME false false;
    1252 "nameregexne" NAME false true;
    1240 "nameicregexeq" NAME true false;
    1241 "nameicregexne" NAME true true;
    1658 "bpcharregexeq" BPCHAR false false;
    1659 "bpcharregexne" BPCHAR false true;
    1656 "bpcharicregexeq" BPCHAR true false;
    1657 "bpcharicregexne" BPCHAR true true;
}

/// The first match's groups.
fn first_match(text: &str, pattern: &str, flags: Flags) -> Result<Option<Array>> {
    Ok(compile(pattern, flags)?.captures(text).map(|found| groups(&found)))
}

functions! { REGEX:
    2073 substring(t: TEXT, p: TEXT) -> TEXT |_| { substring(t, p)? }
    2074 substring(t: TEXT, p: TEXT, e: TEXT) -> TEXT |ctx| {
        let similar = super::registry::by_oid(1986).ok_or_else(|| SqlError::internal("similar_to_escape is missing"))?;
        let pattern = similar.call(&[Datum::text(p), Datum::text(e)], &[Type::TEXT, Type::TEXT], ctx)?;
        substring(t, take::TEXT(Some(&pattern))?)?
    }
    6263 regexp_like(t: TEXT, p: TEXT) -> BOOL |_| { compile(p, Flags::default())?.is_match(t) }
    6264 regexp_like(t: TEXT, p: TEXT, f: TEXT) -> BOOL |_| { compile(p, Flags::parse(f)?.without_global("regexp_like")?)?.is_match(t) }
    3396 regexp_match(t: TEXT, p: TEXT) -> TEXT_ARRAY |_| { first_match(t, p, Flags::default())? }
    3397 regexp_match(t: TEXT, p: TEXT, f: TEXT) -> TEXT_ARRAY |_| {
        let flags = Flags::parse(f)?.without_global("regexp_match").map_err(|e| e.with_hint("Use the regexp_matches function instead."))?;
        first_match(t, p, flags)?
    }
    2284 regexp_replace(t: TEXT, p: TEXT, r: TEXT) -> TEXT |_| { replace(t, p, r, 1, 1, Flags::default())? }
    2285 regexp_replace(t: TEXT, p: TEXT, r: TEXT, f: TEXT) -> TEXT |_| {
        if f.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(invalid_parameter(format!("invalid regular expression option: \"{}\"", f.chars().take(1).collect::<String>()))
                .with_hint("If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly."));
        }
        let flags = Flags::parse(f)?;
        replace(t, p, r, 1, i32::from(!flags.global), flags)?
    }
    6251 regexp_replace(t: TEXT, p: TEXT, r: TEXT, start: INT4, n: INT4, f: TEXT) -> TEXT |_| {
        if n < 0 { return Err(invalid_parameter(format!("invalid value for parameter \"n\": {n}"))); }
        replace(t, p, r, positive("start", start)?, n, Flags::parse(f)?)?
    }
    6252 regexp_replace(t: TEXT, p: TEXT, r: TEXT, start: INT4, n: INT4) -> TEXT |_| {
        if n < 0 { return Err(invalid_parameter(format!("invalid value for parameter \"n\": {n}"))); }
        replace(t, p, r, positive("start", start)?, n, Flags::default())?
    }
    6253 regexp_replace(t: TEXT, p: TEXT, r: TEXT, start: INT4) -> TEXT |_| { replace(t, p, r, positive("start", start)?, 1, Flags::default())? }
    2767 regexp_split_to_array(t: TEXT, p: TEXT) -> TEXT_ARRAY |_| { texts(split(t, p, Flags::default())?.into_iter().map(Some)) }
    2768 regexp_split_to_array(t: TEXT, p: TEXT, f: TEXT) -> TEXT_ARRAY |_| {
        texts(split(t, p, Flags::parse(f)?.without_global("regexp_split_to_array")?)?.into_iter().map(Some))
    }
    6254 regexp_count(t: TEXT, p: TEXT) -> INT4 |_| { count(t, p, 1, "")? }
    6255 regexp_count(t: TEXT, p: TEXT, s: INT4) -> INT4 |_| { count(t, p, s, "")? }
    6256 regexp_count(t: TEXT, p: TEXT, s: INT4, f: TEXT) -> INT4 |_| { count(t, p, s, f)? }
    6265 regexp_substr(t: TEXT, p: TEXT) -> TEXT |_| { nth_text(t, p, (1, 1, 0), "")? }
    6266 regexp_substr(t: TEXT, p: TEXT, s: INT4) -> TEXT |_| { nth_text(t, p, (s, 1, 0), "")? }
    6267 regexp_substr(t: TEXT, p: TEXT, s: INT4, n: INT4) -> TEXT |_| { nth_text(t, p, (s, n, 0), "")? }
    6268 regexp_substr(t: TEXT, p: TEXT, s: INT4, n: INT4, f: TEXT) -> TEXT |_| { nth_text(t, p, (s, n, 0), f)? }
    6269 regexp_substr(t: TEXT, p: TEXT, s: INT4, n: INT4, f: TEXT, g: INT4) -> TEXT |_| { nth_text(t, p, (s, n, g), f)? }
    6257 regexp_instr(t: TEXT, p: TEXT) -> INT4 |_| { nth_position(t, p, (1, 1, 0), 0, "")? }
    6258 regexp_instr(t: TEXT, p: TEXT, s: INT4) -> INT4 |_| { nth_position(t, p, (s, 1, 0), 0, "")? }
    6259 regexp_instr(t: TEXT, p: TEXT, s: INT4, n: INT4) -> INT4 |_| { nth_position(t, p, (s, n, 0), 0, "")? }
    6260 regexp_instr(t: TEXT, p: TEXT, s: INT4, n: INT4, e: INT4) -> INT4 |_| { nth_position(t, p, (s, n, 0), e, "")? }
    6261 regexp_instr(t: TEXT, p: TEXT, s: INT4, n: INT4, e: INT4, f: TEXT) -> INT4 |_| { nth_position(t, p, (s, n, 0), e, f)? }
    6262 regexp_instr(t: TEXT, p: TEXT, s: INT4, n: INT4, e: INT4, f: TEXT, g: INT4) -> INT4 |_| { nth_position(t, p, (s, n, g), e, f)? }
}

/// Rows of `regexp_matches`: the first match, or all with `g`.
pub(super) fn matches_rows(args: &[Datum], _: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let mut args = args.iter();
    let (text, pattern) = (take::TEXT(args.next())?, take::TEXT(args.next())?);
    let flags = args.next().map_or(Ok(Flags::default()), |f| Flags::parse(take::TEXT(Some(f))?))?;
    let regex = compile(pattern, flags)?;
    let most = if flags.global { usize::MAX } else { 1 };
    let rows = matches(&regex, text, 1)?.take(most);
    Ok(rows.map(|found| vec![Datum::Array(groups(&found).into())]).collect())
}

/// Rows of `regexp_split_to_table`.
pub(super) fn split_rows(args: &[Datum], _: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let mut args = args.iter();
    let (text, pattern) = (take::TEXT(args.next())?, take::TEXT(args.next())?);
    let flags = args.next().map_or(Ok(Flags::default()), |f| Flags::parse(take::TEXT(Some(f))?))?;
    let parts = split(text, pattern, flags.without_global("regexp_split_to_table")?)?;
    Ok(parts.into_iter().map(|p| vec![Datum::text(p)]).collect())
}
