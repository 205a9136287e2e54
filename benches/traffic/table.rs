//! Figures as a table in Markdown, and as a plot.

use std::fmt::Write as _;
use std::time::Duration;

use crate::ways::Way;

/// What a figure counts.
#[derive(Clone, Copy)]
pub enum Unit {
    /// Given in bytes per second.
    MiB,
    PerSecond,
}

/// What odyn's figure should at least be, as a part of another's.
#[derive(Clone, Copy)]
pub struct Goal {
    pub direct: Option<f64>,
    pub haproxy: Option<f64>,
}

impl Goal {
    pub const NONE: Self = Self { direct: None, haproxy: None };
}

/// The contenders' columns.
const COLUMNS: [&str; 4] = ["direct", "odyn", "HAProxy", "socat"];

struct Row {
    name: String,
    unit: &'static str,
    medians: Vec<(&'static str, f64)>,
}

/// What was measured so far.
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    pub fn new() -> Self {
        Self { rows: Vec::new() }
    }

    pub fn print_machine(&self, rounds: usize, time: Duration) {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpus = read("/proc/cpuinfo");
        let models: Vec<&str> = cpus.lines().filter(|line| line.starts_with("model name")).collect();
        let model = models.first().and_then(|line| line.split(": ").nth(1)).unwrap_or("?");
        let kernel = read("/proc/sys/kernel/osrelease");
        println!(
            "{} processors ({model}), Linux {}; medians of {rounds} rounds of {time:?}, least and most behind them\n",
            models.len(),
            kernel.trim()
        );
        println!(
            "| | {} | odyn : direct | odyn : HAProxy |\n|---|{}",
            COLUMNS.join(" | "),
            "---|".repeat(COLUMNS.len() + 2)
        );
    }

    /// Measures each way in turn, and that so often as there are rounds.
    pub fn measure(
        &mut self,
        name: &str,
        unit: Unit,
        rounds: usize,
        ways: &[Way],
        goal: Goal,
        sample: impl Fn(&Way) -> f64,
    ) {
        let mut samples = vec![Vec::new(); ways.len()];
        for _ in 0..rounds {
            for (way, samples) in ways.iter().zip(&mut samples) {
                samples.push(sample(way));
            }
        }
        let names = ways.iter().map(Way::name);
        self.row(name, unit, names.zip(samples).collect(), goal);
    }

    /// A row of samples for each contender.
    pub fn row(&mut self, name: &str, unit: Unit, mut samples: Vec<(&'static str, Vec<f64>)>, goal: Goal) {
        let (divisor, unit) = match unit {
            Unit::MiB => (f64::from(1 << 20), "MiB/s"),
            Unit::PerSecond => (1.0, "/s"),
        };
        let mut cells = vec!["–".to_owned(); COLUMNS.len()];
        let mut medians = Vec::new();
        for (way, samples) in &mut samples {
            samples.sort_by(f64::total_cmp);
            let of = |at: usize| samples[at] / divisor;
            let (least, median, most) = (of(0), of(samples.len() / 2), of(samples.len() - 1));
            if let Some(at) = COLUMNS.iter().position(|column| column == way) {
                cells[at] = format!("{} ({} to {})", number(median), number(least), number(most));
            }
            medians.push((*way, median));
        }
        let median = |of: &str| medians.iter().find(|(way, _)| *way == of).map(|(_, median)| *median);
        let ratio = |to: &str, goal: Option<f64>| match (median("odyn"), median(to)) {
            (Some(odyn), Some(other)) => {
                let goal = goal.map(|goal| format!(" (goal {goal})")).unwrap_or_default();
                format!("{:.2}{goal}", odyn / other)
            }
            _ => "–".to_owned(),
        };
        let (direct, haproxy) = (ratio("direct", goal.direct), ratio("HAProxy", goal.haproxy));
        println!("| {name}, {unit} | {} | {direct} | {haproxy} |", cells.join(" | "));
        self.rows.push(Row { name: name.to_owned(), unit, medians });
    }

    /// The medians as bars, each row in proportion to its largest: SVG that reads on light and dark.
    pub fn plot(&self) -> String {
        const COLORS: [&str; 4] = ["#8a8f98", "#d9482b", "#3b7dd8", "#4aa564"];
        let (bar, gap, left, width) = (13, 14, 270, 420);
        let mut y = 34;
        let mut body = String::new();
        for (at, column) in COLUMNS.iter().enumerate() {
            let x = left + at * 110;
            let _ = write!(body, "<rect x='{x}' y='8' width='12' height='12' fill='{}'/>", COLORS[at]);
            let _ = write!(body, "<text x='{}' y='18'>{column}</text>", x + 17);
        }
        for row in &self.rows {
            let most = row.medians.iter().map(|(_, median)| *median).fold(f64::MIN_POSITIVE, f64::max);
            let middle = y + row.medians.len() * bar / 2 + 4;
            let _ =
                write!(body, "<text x='{}' y='{middle}' text-anchor='end'>{}, {}</text>", left - 8, row.name, row.unit);
            for (way, median) in &row.medians {
                let at = COLUMNS.iter().position(|column| column == way).unwrap_or(0);
                let length = median / most * width as f64;
                let _ = write!(
                    body,
                    "<rect x='{left}' y='{y}' width='{length:.1}' height='{}' fill='{}'/>",
                    bar - 2,
                    COLORS[at]
                );
                let x = left as f64 + length + 5.0;
                let _ = write!(body, "<text x='{x:.1}' y='{}' class='n'>{}</text>", y + bar - 4, number(*median));
                y += bar;
            }
            y += gap;
        }
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 760 {y}' font-family='sans-serif' font-size='12'>\
             <style>text{{fill:#24292f}}.n{{font-size:10px}}@media(prefers-color-scheme:dark){{text{{fill:#d0d7de}}}}</style>\
             {body}</svg>\n"
        )
    }
}

fn number(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
