//! Run-time parameters: SET, SHOW, RESET and what they mean. (PostgreSQL manual, chapter 20.)
//!
//! Values are kept as the text that SHOW gives. A change made by SET is undone when its transaction rolls back, one by
//! SET LOCAL when it ends: both by keeping the whole (shared, copied on write) map from before.

use crate::error::{Result, SqlError, sqlstate};
use crate::session::parameters::{Kind, PARAMETERS, Parameter, Unit};
use crate::session::{DateOrder, EvalSettings};
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What SET and SET LOCAL changed.
#[derive(Clone, Debug, Default, PartialEq)]
struct Changes {
    session: BTreeMap<String, String>,
    local: BTreeMap<String, String>,
}

/// A point to go back to.
#[derive(Clone, Debug)]
pub(crate) struct SettingsMark(Arc<Changes>);

/// The parameters of a session.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What the connection began with: RESET goes back to these.
    startup: BTreeMap<String, String>,
    changes: Arc<Changes>,
    /// Grows with every change.
    pub generation: u64,
    /// Reported parameters changed since they were taken.
    changed: Vec<&'static Parameter>,
}

/// The parameter of a name, in any case.
pub(crate) fn parameter(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|p| p.name.eq_ignore_ascii_case(name))
}

fn unknown(name: &str) -> SqlError {
    SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
}

fn invalid(parameter: &Parameter, value: &str) -> SqlError {
    SqlError::new(
        sqlstate::INVALID_PARAMETER_VALUE,
        format!("invalid value for parameter \"{}\": \"{value}\"", parameter.name),
    )
}

impl Settings {
    pub(crate) fn new(user: &str) -> Self {
        let mut startup = BTreeMap::new();
        startup.insert("session_authorization".to_owned(), user.to_owned());
        Self { startup, changes: Arc::default(), generation: 1, changed: Vec::new() }
    }
    /// The value by the key (lower case) of a known or custom parameter.
    fn value(&self, key: &str) -> Option<&str> {
        self.changes
            .local
            .get(key)
            .or_else(|| self.changes.session.get(key))
            .or_else(|| self.startup.get(key))
            .map(String::as_str)
    }
    /// The value now; none where there is no such parameter.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let key = name.to_ascii_lowercase();
        if let Some(value) = self.value(&key) {
            return Some(value.to_owned());
        }
        parameter(name).map(|p| p.default.to_owned())
    }
    /// As [`Settings::get`], for a parameter that is known to exist.
    fn known(&self, name: &'static str) -> &str {
        self.value(name).or_else(|| parameter(name).map(|p| p.default)).unwrap_or_default()
    }
    /// SHOW: 42704 for an unknown one.
    pub(crate) fn show(&self, name: &str) -> Result<(String, String)> {
        let value = self.get(name).ok_or_else(|| unknown(name))?;
        Ok((parameter(name).map_or_else(|| name.to_owned(), |p| p.name.to_owned()), value))
    }
    /// All of them: name, value, description.
    pub(crate) fn all(&self) -> Vec<(String, String, String)> {
        let mut all: Vec<_> = PARAMETERS
            .iter()
            .map(|p| (p.name.to_owned(), self.get(p.name).unwrap_or_default(), p.description.to_owned()))
            .collect();
        all.sort_by_key(|row| row.0.to_ascii_lowercase());
        all
    }
    /// Sets a parameter at the start of the connection.
    pub(crate) fn set_startup(&mut self, name: &str, value: &str) -> Result<()> {
        let value = self.check(name, &[value.to_owned()])?;
        self.startup.insert(name.to_ascii_lowercase(), value);
        self.generation += 1;
        Ok(())
    }
    /// The canonical text of a value; errors where the parameter or the value is not possible.
    fn check(&self, name: &str, values: &[String]) -> Result<String> {
        let Some(p) = parameter(name) else {
            // A name with a dot is anyone's to define.
            if name.contains('.') {
                return Ok(values.join(", "));
            }
            return Err(unknown(name));
        };
        canonical(p, values)
    }
    /// SET (`local`: SET LOCAL); no values for DEFAULT.
    pub(crate) fn set(&mut self, name: &str, values: Option<&[String]>, local: bool) -> Result<()> {
        let key = name.to_ascii_lowercase();
        let value = match values {
            Some(values) => Some(self.check(name, values)?),
            None if parameter(name).is_none() && !name.contains('.') => return Err(unknown(name)),
            None => match parameter(name) {
                Some(p) if p.kind == Kind::Fixed => return Err(fixed(p)),
                _ => None,
            },
        };
        let startup = self.startup.get(&key).cloned();
        let changes = Arc::make_mut(&mut self.changes);
        if local {
            // DEFAULT within a transaction: the value from before SET, not merely no local one.
            let default = startup.or_else(|| parameter(name).map(|p| p.default.to_owned()));
            changes.local.insert(key, value.or(default).unwrap_or_default());
        } else {
            changes.local.remove(&key);
            match value {
                Some(value) => changes.session.insert(key, value),
                None => changes.session.remove(&key),
            };
        }
        self.note(parameter(name));
        Ok(())
    }
    /// Sets what is not checked: the settings that stand for the transaction.
    pub(crate) fn set_raw(&mut self, key: &'static str, value: String, local: bool) {
        let changes = Arc::make_mut(&mut self.changes);
        let map = if local { &mut changes.local } else { &mut changes.session };
        map.insert(key.to_owned(), value);
        self.note(parameter(key));
    }
    /// RESET ALL.
    pub(crate) fn reset_all(&mut self) {
        let keep = self.changes.session.get("role").cloned();
        let before = std::mem::take(&mut self.changes);
        if let Some(role) = keep {
            Arc::make_mut(&mut self.changes).session.insert("role".to_owned(), role);
        }
        self.note_differences(&before);
    }
    fn note(&mut self, parameter: Option<&'static Parameter>) {
        self.generation += 1;
        if let Some(p) = parameter.filter(|p| p.reported)
            && !self.changed.iter().any(|c| c.name == p.name)
        {
            self.changed.push(p);
        }
    }
    fn note_differences(&mut self, before: &Changes) {
        if *before == *self.changes {
            return;
        }
        self.generation += 1;
        for p in PARAMETERS.iter().filter(|p| p.reported) {
            let key = p.name.to_ascii_lowercase();
            let was = before.local.get(&key).or_else(|| before.session.get(&key));
            let is = self.changes.local.get(&key).or_else(|| self.changes.session.get(&key));
            if was != is {
                self.note(Some(p));
            }
        }
    }
    /// Reported parameters that changed since the last call, with their values now.
    pub(crate) fn take_changed(&mut self) -> Vec<(String, String)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|p| (p.name.to_owned(), self.get(p.name).unwrap_or_default())).collect()
    }
    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }
    /// Reported parameters with their values.
    pub(crate) fn reported(&self) -> Vec<(String, String)> {
        PARAMETERS
            .iter()
            .filter(|p| p.reported)
            .map(|p| (p.name.to_owned(), self.get(p.name).unwrap_or_default()))
            .collect()
    }
    /// Where a transaction or savepoint begins.
    pub(crate) fn mark(&self) -> SettingsMark {
        SettingsMark(Arc::clone(&self.changes))
    }
    /// Back to a mark: ROLLBACK.
    pub(crate) fn rollback_to(&mut self, mark: &SettingsMark) {
        if Arc::ptr_eq(&self.changes, &mark.0) {
            return;
        }
        let before = std::mem::replace(&mut self.changes, Arc::clone(&mark.0));
        self.note_differences(&before);
    }
    /// The transaction commits: local values go.
    pub(crate) fn commit(&mut self) {
        if self.changes.local.is_empty() {
            return;
        }
        let before = Arc::clone(&self.changes);
        Arc::make_mut(&mut self.changes).local.clear();
        self.note_differences(&before);
    }

    /// A duration parameter in ms; none where it is 0 (off).
    pub(crate) fn duration(&self, name: &'static str) -> Option<Duration> {
        let ms = parse_with_unit(self.known(name), Unit::Ms)?;
        u64::try_from(ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis)
    }
    pub(crate) fn is_on(&self, name: &'static str) -> bool {
        self.known(name) == "on"
    }
    pub(crate) fn text(&self, name: &'static str) -> &str {
        self.known(name)
    }
    /// What values and expressions depend on. `schemas` says which schemas exist.
    pub(crate) fn eval_settings(&self, user: &str) -> EvalSettings {
        EvalSettings {
            time_zone: time_zone(self.known("timezone")).map_or(Tz::UTC, |(tz, _)| tz),
            extra_float_digits: self.known("extra_float_digits").parse().unwrap_or(1),
            date_order: match self.known("datestyle").rsplit(' ').next() {
                Some("DMY") => DateOrder::Dmy,
                Some("YMD") => DateOrder::Ymd,
                _ => DateOrder::Mdy,
            },
            bytea_escape: self.known("bytea_output") == "escape",
            transaction_time: 0,
            statement_time: 0,
            search_path: search_path(self.known("search_path"), user),
        }
    }
}

/// The schemas of `search_path`, `pg_catalog` first where it is not named.
fn search_path(text: &str, user: &str) -> Vec<String> {
    let mut path: Vec<String> = split_identifiers(text)
        .into_iter()
        .filter(|s| s != "pg_temp")
        .map(|s| if s == "$user" { user.to_owned() } else { s })
        .collect();
    if !path.iter().any(|s| s == "pg_catalog") {
        path.insert(0, "pg_catalog".to_owned());
    }
    path
}

/// Identifiers between commas, quoted or folded.
fn split_identifiers(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(body) = rest.strip_prefix('"') {
            let end = body.find('"').unwrap_or(body.len());
            out.push(body.get(..end).unwrap_or_default().to_owned());
            rest = body.get(end + 1..).unwrap_or_default();
            rest = rest.split_once(',').map_or("", |(_, r)| r).trim_start();
        } else {
            let (name, more) = rest.split_once(',').unwrap_or((rest, ""));
            if !name.trim().is_empty() {
                out.push(name.trim().to_ascii_lowercase());
            }
            rest = more.trim_start();
        }
    }
    out
}

fn fixed(p: &Parameter) -> SqlError {
    SqlError::new(sqlstate::CANT_CHANGE_RUNTIME_PARAM, format!("parameter \"{}\" cannot be changed", p.name))
}

/// Checks a value and gives the text that SHOW answers.
fn canonical(p: &'static Parameter, values: &[String]) -> Result<String> {
    let one = match values {
        [one] => one.as_str(),
        _ if p.kind == Kind::List => "",
        _ => {
            return Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("SET {} takes only one argument", p.name),
            ));
        }
    };
    match p.kind {
        Kind::Fixed if one == p.default => Ok(one.to_owned()),
        Kind::Fixed => Err(fixed(p)),
        Kind::Restart => Err(SqlError::new(
            sqlstate::CANT_CHANGE_RUNTIME_PARAM,
            format!("parameter \"{}\" cannot be changed without restarting the server", p.name),
        )),
        Kind::Bool => match parse_bool(one) {
            Some(true) => Ok("on".to_owned()),
            Some(false) => Ok("off".to_owned()),
            None => Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("parameter \"{}\" requires a Boolean value", p.name),
            )),
        },
        Kind::Int { min, max, unit } => {
            let value = parse_with_unit(one, unit).ok_or_else(|| invalid(p, one))?;
            if value < min || value > max {
                let suffix = match unit {
                    Unit::None => "",
                    Unit::Ms => " ms",
                    Unit::Kb => " kB",
                };
                return Err(SqlError::new(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!(
                        "{value}{suffix} is outside the valid range for parameter \"{}\" ({min} .. {max})",
                        p.name
                    ),
                ));
            }
            Ok(with_unit(value, unit))
        }
        Kind::Float => match one.trim().parse::<f64>() {
            Ok(v) if v.is_finite() => Ok(v.to_string()),
            _ => Err(invalid(p, one)),
        },
        Kind::Enum(names) => {
            let lower = one.to_ascii_lowercase();
            // Booleans spelled another way, where the names are on and off.
            let found = names.iter().find(|n| **n == lower).copied().or_else(|| match parse_bool(&lower) {
                Some(true) => names.iter().find(|n| **n == "on").copied(),
                Some(false) => names.iter().find(|n| **n == "off").copied(),
                None => None,
            });
            found
                .map(str::to_owned)
                .ok_or_else(|| invalid(p, one).with_hint(format!("Available values: {}.", names.join(", "))))
        }
        Kind::Text => Ok(one.to_owned()),
        Kind::List => Ok(values.iter().map(|v| quote_list_item(v)).collect::<Vec<_>>().join(", ")),
        // Anything but letters and digits says nothing, as in PostgreSQL: asyncpg sends `'utf-8'`, quotes and all.
        Kind::Encoding => {
            match one.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "").as_str() {
                "utf8" | "unicode" => Ok("UTF8".to_owned()),
                // Every statement is valid ASCII to such a client too, and what is sent back is what was stored.
                "sqlascii" => Ok("SQL_ASCII".to_owned()),
                _ => Err(invalid(p, one)),
            }
        }
        Kind::TimeZone => time_zone(one).map(|(_, name)| name).ok_or_else(|| invalid(p, one)),
        Kind::DateStyle => date_style(one).ok_or_else(|| invalid(p, one)),
    }
}

/// A value of `search_path`: quoted where it has to be. A list given as one string stays a list.
fn quote_list_item(value: &str) -> String {
    let plain = value.is_empty()
        || value.contains(',')
        || value.contains('"')
        || (value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && !value.starts_with(|c: char| c.is_ascii_digit()));
    match value {
        "" => "\"\"".to_owned(),
        _ if plain => value.to_owned(),
        _ => format!("\"{value}\""),
    }
}

/// `on`, `off`, `true`, … and unambiguous beginnings of them.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    let t = text.trim().to_ascii_lowercase();
    let prefix = |word: &str, least: usize| t.len() >= least && word.starts_with(&t);
    if prefix("true", 1) || prefix("yes", 1) || t == "on" || t == "1" {
        return Some(true);
    }
    if prefix("false", 1) || prefix("no", 1) || prefix("off", 2) || t == "0" {
        return Some(false);
    }
    None
}

/// An integer with an optional unit, in the parameter's base unit.
fn parse_with_unit(text: &str, unit: Unit) -> Option<i64> {
    let text = text.trim();
    let split =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(split)?;
    let number: f64 = number.parse().ok()?;
    let factor = match (unit, suffix.trim()) {
        (_, "") => 1.0,
        (Unit::Ms, "us") => 0.001,
        (Unit::Ms, "ms") => 1.0,
        (Unit::Ms, "s") => 1000.0,
        (Unit::Ms, "min") => 60_000.0,
        (Unit::Ms, "h") => 3_600_000.0,
        (Unit::Ms, "d") => 86_400_000.0,
        (Unit::Kb, "B") => 1.0 / 1024.0,
        (Unit::Kb, "kB") => 1.0,
        (Unit::Kb, "MB") => 1024.0,
        (Unit::Kb, "GB") => 1_048_576.0,
        (Unit::Kb, "TB") => 1_073_741_824.0,
        _ => return None,
    };
    let value = (number * factor).round();
    // Far inside of what an i64 holds exactly.
    (value.abs() < 9e15).then_some(value as i64)
}

/// The value in the largest unit that it is a multiple of.
fn with_unit(value: i64, unit: Unit) -> String {
    let units: &[(i64, &str)] = match unit {
        Unit::None => &[],
        Unit::Ms => &[(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")],
        Unit::Kb => &[(1_073_741_824, "TB"), (1_048_576, "GB"), (1024, "MB"), (1, "kB")],
    };
    match units.iter().find(|(size, _)| value > 0 && value % size == 0) {
        Some((size, name)) => format!("{}{name}", value / size),
        None => value.to_string(),
    }
}

/// A time zone and the name SHOW gives: a name of the tz database in any case, or a whole number of hours.
fn time_zone(text: &str) -> Option<(Tz, String)> {
    let text = text.trim();
    if let Some(offset) = text.strip_prefix("interval ").or_else(|| text.strip_prefix('<')) {
        // `<+02>-02` is how a fixed offset is shown.
        let offset = offset.split_once('>').map_or(offset, |(name, _)| name);
        return fixed_offset(offset.trim());
    }
    if text.eq_ignore_ascii_case("utc") || text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("zulu")
    {
        return Some((Tz::UTC, if text.len() == 3 { "UTC".to_owned() } else { text.to_owned() }));
    }
    if let Some(tz) = chrono_tz::TZ_VARIANTS.iter().find(|tz| tz.name().eq_ignore_ascii_case(text)) {
        return Some((*tz, tz.name().to_owned()));
    }
    fixed_offset(text)
}

fn fixed_offset(text: &str) -> Option<(Tz, String)> {
    let (hours, minutes) = text.split_once(':').unwrap_or((text, "0"));
    let hours: i32 = hours.trim_start_matches('+').parse().ok()?;
    if minutes.split(':').any(|m| m.parse() != Ok(0)) || !(-12..=14).contains(&hours) {
        return None;
    }
    // The signs of Etc/GMT names are the other way round.
    let name = match hours {
        0 => "Etc/GMT".to_owned(),
        h => format!("Etc/GMT{:+}", -h),
    };
    let tz = name.parse().ok()?;
    Some((
        tz,
        format!(
            "<{hours:+03}>{}",
            if hours > 0 { format!("-{hours:02}") } else { format!("{:+03}", -hours).replace("+00", "-00") }
        ),
    ))
}

/// `DateStyle`: output is always ISO, the order of input changes.
fn date_style(text: &str) -> Option<String> {
    let mut order = "MDY";
    for word in text.split([',', ' ']).filter(|w| !w.is_empty()) {
        match word.to_ascii_lowercase().as_str() {
            "iso" | "default" => {}
            "mdy" | "us" | "noneuro" | "noneuropean" => order = "MDY",
            "dmy" | "euro" | "european" => order = "DMY",
            "ymd" => order = "YMD",
            _ => return None,
        }
    }
    Some(format!("ISO, {order}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(settings: &mut Settings, name: &str, value: &str) -> Result<String> {
        settings.set(name, Some(&[value.to_owned()]), false)?;
        Ok(settings.get(name).unwrap())
    }

    #[test]
    fn values_are_shown_as_postgresql_shows_them() {
        let mut s = Settings::new("u");
        for (name, value, shown) in [
            ("statement_timeout", "30000", "30s"),
            ("statement_timeout", "1min", "1min"),
            ("statement_timeout", "0", "0"),
            ("work_mem", "65536", "64MB"),
            ("DateStyle", "german_is_not_one, iso", ""),
            ("DateStyle", "ISO, DMY", "ISO, DMY"),
            ("TimeZone", "europe/berlin", "Europe/Berlin"),
            ("TimeZone", "utc", "UTC"),
            ("TimeZone", "2", "<+02>-02"),
            ("TimeZone", "interval +00:00", "<+00>-00"),
            ("bytea_output", "ESCAPE", "escape"),
            ("standard_conforming_strings", "yes", "on"),
            ("client_encoding", "utf-8", "UTF8"),
            ("client_encoding", "'utf-8'", "UTF8"),
            ("search_path", "Foo", "\"Foo\""),
            ("my.own", "x", "x"),
        ] {
            let got = set(&mut s, name, value);
            assert_eq!(got.unwrap_or_default(), shown, "{name} = {value}");
        }
        assert_eq!(set(&mut s, "nonsense", "1").unwrap_err().sqlstate(), "42704");
        assert_eq!(set(&mut s, "server_version", "1").unwrap_err().sqlstate(), "55P02");
    }

    #[test]
    fn a_rollback_undoes_set_and_a_commit_only_set_local() {
        let mut s = Settings::new("u");
        set(&mut s, "work_mem", "1MB").unwrap();
        let mark = s.mark();
        s.set("work_mem", Some(&["2MB".to_owned()]), false).unwrap();
        s.rollback_to(&mark);
        assert_eq!(s.get("work_mem").unwrap(), "1MB");
        s.set("work_mem", Some(&["3MB".to_owned()]), true).unwrap();
        assert_eq!(s.get("work_mem").unwrap(), "3MB");
        s.commit();
        assert_eq!(s.get("work_mem").unwrap(), "1MB");
    }

    #[test]
    fn the_search_path_names_schemas() {
        assert_eq!(search_path("\"$user\", public", "u"), ["pg_catalog", "u", "public"]);
        assert_eq!(search_path("A, \"B c\", pg_catalog", "u"), ["a", "B c", "pg_catalog"]);
        assert_eq!(search_path("\"\"", "u"), ["pg_catalog", ""]);
    }
}
