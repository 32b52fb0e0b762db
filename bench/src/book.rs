//! What was measured: a table for each workload, and what it says about the targets.

use crate::{meter::Meter, servers::Outcome};
use std::time::Duration;

/// A cell that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long everything may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Runs of each cell; the median counts.
    pub(crate) rounds: usize,
    /// Milliseconds of one run.
    pub(crate) ms: u64,
    pub(crate) is_quick: bool,
}

/// One workload.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// What was done, in a sentence or two.
    pub(crate) how: &'static str,
    pub(crate) columns: &'static [&'static str],
    /// Which column the plot shows.
    pub(crate) shown: usize,
    rows: Vec<Row>,
    /// What is missing, and why.
    pub(crate) missing: Vec<String>,
}

#[derive(Clone, Debug)]
struct Row {
    name: String,
    runs: Vec<Vec<f64>>,
}

/// A ratio, and what it has to be.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) target: f64,
    /// Whether more is better.
    pub(crate) is_floor: bool,
}

impl Table {
    pub(crate) fn new(
        name: &'static str,
        how: &'static str,
        columns: &'static [&'static str],
        shown: usize,
    ) -> Self {
        Self { name, how, columns, shown, rows: Vec::new(), missing: Vec::new() }
    }

    /// Measures every system in turn, in another order each time, so that what else happens on the
    /// machine meets all of them. A system that fails is named in the table.
    pub(crate) async fn measure<S: Copy>(
        &mut self,
        rounds: usize,
        systems: &[(&str, S)],
        run: impl AsyncFn(S) -> Outcome<Vec<f64>>,
    ) {
        self.rows.extend(
            systems.iter().map(|(name, _)| Row { name: (*name).to_owned(), runs: Vec::new() }),
        );
        let first = self.rows.len() - systems.len();
        let mut order: Vec<usize> = (0..systems.len()).collect();
        for _ in 0..rounds {
            fastrand::shuffle(&mut order);
            for index in &order {
                let (name, system) = systems[*index];
                let measured = tokio::time::timeout(PATIENCE, run(system)).await;
                match measured.unwrap_or_else(|_| Err("it took more than two minutes".into())) {
                    Ok(values) => self.rows[first + index].runs.push(values),
                    Err(error) => {
                        let text = format!("{name}: {error}");
                        eprintln!("{}: {text}", self.name);
                        if !self.missing.contains(&text) {
                            self.missing.push(text);
                        }
                    }
                }
            }
        }
        self.rows.retain(|row| !row.runs.is_empty());
        eprintln!("{self}");
    }

    /// The rows in order, each with its medians.
    pub(crate) fn medians(&self) -> Vec<(&str, Vec<f64>)> {
        let median = |row: &Row, column: usize| {
            let values = row.runs.iter().filter_map(|run| run.get(column).copied());
            Meter::quantile(&values.collect::<Vec<_>>(), 0.5)
        };
        let columns = 0..self.columns.len();
        let all = |row| columns.clone().map(|column| median(row, column)).collect();
        self.rows.iter().map(|row| (row.name.as_str(), all(row))).collect()
    }

    /// The median of one column of one row.
    pub(crate) fn median(&self, row: &str, column: usize) -> Option<f64> {
        let medians = self.medians();
        let (_, values) = medians.iter().find(|(name, _)| *name == row)?;
        values.get(column).copied()
    }

    /// How many times less than `base` a row costs in a column; nothing where one is missing.
    pub(crate) fn floor(&self, row: &str, base: &str, column: usize, target: f64) -> Vec<Verdict> {
        let what = format!("{}: {row} against {base}, by CPU", self.name);
        let value = self.median(base, column).zip(self.median(row, column));
        let value = value.map(|(base, own)| base / own);
        value.map(|value| Verdict { what, value, target, is_floor: true }).into_iter().collect()
    }

    /// How many times as much as `base` a row costs in a column; nothing where one is missing.
    pub(crate) fn roof(&self, row: &str, base: &str, column: usize, target: f64) -> Vec<Verdict> {
        let what = format!("{}: {row} against {base}, {}", self.name, self.columns[column]);
        let value = self.median(row, column).zip(self.median(base, column));
        let value = value.map(|(own, base)| own / base);
        value.map(|value| Verdict { what, value, target, is_floor: false }).into_iter().collect()
    }
}

impl Verdict {
    pub(crate) fn is_met(&self) -> bool {
        if self.is_floor { self.value >= self.target } else { self.value <= self.target }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "## {}\n\n{}\n\n| | {} |", self.name, self.how, self.columns.join(" | "))?;
        writeln!(f, "|---|{}", "---:|".repeat(self.columns.len()))?;
        for (name, values) in self.medians() {
            let values: Vec<String> = values.iter().map(|value| readable(*value)).collect();
            writeln!(f, "| {name} | {} |", values.join(" | "))?;
        }
        for missing in &self.missing {
            writeln!(f, "\nNot measured: {missing}.")?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.is_floor { ">=" } else { "<=" };
        let word = if self.is_met() { "met" } else { "missed" };
        let Self { what, value, target, .. } = self;
        write!(f, "| {what} | {value:.2}x | {sign} {target}x | {word} |")
    }
}

/// Three digits that count, in groups.
pub(crate) fn readable(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        ..10_000.0 => format!("{value:.0}"),
        ..1e6 => format!("{:.0}k", value / 1e3),
        _ => format!("{:.2}M", value / 1e6),
    }
}
