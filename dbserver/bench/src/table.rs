//! The table of what was measured, as Markdown: the one printer of this crate.

use std::fmt;

/// Which figure is the better one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Transactions per second and the like.
    Higher,
    /// Times, sizes.
    Lower,
}

/// What Plimsoll's figure must reach.
#[derive(Clone, Copy)]
pub enum Goal {
    /// This many times as good as the peer whose name begins so.
    Ratio(&'static str, f64),
    /// At most this, in the row's unit.
    AtMost(f64),
}

impl Goal {
    /// This many times as good as each PostgreSQL that is measured.
    pub fn each_postgresql(least: f64) -> [Goal; 2] {
        [Goal::Ratio("PostgreSQL 15", least), Goal::Ratio("PostgreSQL 18", least)]
    }
}

struct Row {
    what: String,
    better: Better,
    /// One for each column, Plimsoll's first; none where it could not be measured.
    figures: Vec<Option<f64>>,
    goals: Vec<Goal>,
}

/// Rows of figures with the same competitors.
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Row>,
}

impl Table {
    /// An empty table; the first column is Plimsoll's.
    pub fn new(columns: Vec<String>) -> Table {
        Table { columns, rows: Vec::new() }
    }

    /// Adds a row, and prints it at once on standard error: a run is long.
    pub fn add(&mut self, what: &str, better: Better, figures: Vec<Option<f64>>, goals: &[Goal]) {
        let row = Row { what: what.to_owned(), better, figures, goals: goals.to_vec() };
        eprintln!("{}", row.line(&self.columns));
        self.rows.push(row);
    }
}

impl Row {
    fn line(&self, columns: &[String]) -> String {
        let mut line = format!("| {} |", self.what);
        for (index, figure) in self.figures.iter().enumerate() {
            let ratio = if index > 0 { self.ratio(index) } else { None };
            let cell = figure.map_or("–".to_owned(), number);
            line += &ratio.map_or(format!(" {cell} |"), |ratio| format!(" {cell} ({}) |", ratio_text(ratio)));
        }
        let goals: Vec<String> = self.goals.iter().filter_map(|goal| self.goal(*goal, columns)).collect();
        format!("{line} {} |", goals.join("; "))
    }

    /// How many times as good as this column Plimsoll is.
    fn ratio(&self, column: usize) -> Option<f64> {
        let (ours, peer) = (self.figures.first().copied()??, self.figures.get(column).copied()??);
        Some(match self.better {
            Better::Higher => ours / peer,
            Better::Lower => peer / ours,
        })
    }

    /// What is to be reached and whether it is; none where the peer has not been measured.
    fn goal(&self, goal: Goal, columns: &[String]) -> Option<String> {
        let (text, met) = match goal {
            Goal::Ratio(peer, least) => {
                let column = columns.iter().position(|name| name.starts_with(peer))?;
                let ratio = self.figures.get(column).copied()?.map(|_| self.ratio(column));
                (format!("{peer} × {least}"), ratio?.is_some_and(|ratio| ratio >= least))
            }
            Goal::AtMost(most) => {
                (format!("≤ {most}"), self.figures.first().copied()?.is_some_and(|ours| ours <= most))
            }
        };
        Some(format!("{text} {}", if met { "met" } else { "**missed**" }))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| work | {} | goal |", self.columns.join(" | "))?;
        writeln!(f, "|---|{}---|", "---|".repeat(self.columns.len()))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", row.line(&self.columns)))
    }
}

/// Three significant digits, thousands apart.
fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.2}");
    }
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn ratio_text(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}×") } else { format!("{ratio:.0}×") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_say_how_many_times_as_good_plimsoll_is() {
        let mut table = Table::new(vec!["Plimsoll".into(), "SQLite".into(), "fjall".into()]);
        let goals = [Goal::Ratio("SQLite", 5.0), Goal::Ratio("fjall", 1.0), Goal::AtMost(1.5)];
        table.add("insert, s", Better::Lower, vec![Some(2.0), Some(12.0), None], &goals);
        table.add("reads/s", Better::Higher, vec![Some(1_234_567.0), Some(2_469_134.0), None], &goals[..1]);
        assert_eq!(
            table.to_string(),
            "| work | Plimsoll | SQLite | fjall | goal |\n|---|---|---|---|---|\n\
             | insert, s | 2.00 | 12.0 (6.00×) | – | SQLite × 5 met; ≤ 1.5 **missed** |\n\
             | reads/s | 1,234,567 | 2,469,134 (0.50×) | – | SQLite × 5 **missed** |\n"
        );
    }
}
