//! The table: a line a figure, with the bar and whether it was met.

use std::path::Path;

/// A bar: what the figure is held against.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bar {
    AtLeast(f64),
    AtMost(f64),
    /// A figure that belongs to the picture and has no bar.
    None,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(super) struct Row {
    figure: String,
    ours: Result<f64, String>,
    peer: Option<(f64, String)>,
    unit: &'static str,
    bar: Bar,
    note: String,
}

impl Row {
    /// A measured figure.
    pub(super) fn new(figure: &str, ours: f64, unit: &'static str, bar: Bar) -> Self {
        let figure = figure.to_owned();
        Self {
            figure,
            ours: Ok(ours),
            peer: None,
            unit,
            bar,
            note: String::new(),
        }
    }

    /// A figure that could not be measured, and why.
    pub(super) fn absent(figure: &str, why: &str) -> Self {
        let ours = Err(why.to_owned());
        Self {
            figure: figure.to_owned(),
            ours,
            peer: None,
            unit: "",
            bar: Bar::None,
            note: String::new(),
        }
    }

    /// The peer's figure on the same input in the same run.
    pub(super) fn beside(mut self, peer: Option<f64>, name: &str) -> Self {
        self.peer = peer.map(|value| (value, name.to_owned()));
        self
    }

    /// More about it, below the table.
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn verdict(&self) -> String {
        match (&self.ours, self.bar) {
            (Err(why), _) => format!("not measured: {why}"),
            (Ok(ours), Bar::AtLeast(bar)) if *ours >= bar => "yes".to_owned(),
            (Ok(ours), Bar::AtMost(bar)) if *ours <= bar => "yes".to_owned(),
            (Ok(_), Bar::None) => "-".to_owned(),
            (Ok(_), _) => "NO".to_owned(),
        }
    }

    fn cells(&self) -> [String; 6] {
        let ours = self
            .ours
            .as_ref()
            .map_or_else(|_| "-".to_owned(), |ours| self.shown(*ours));
        let peer = match &self.peer {
            Some((value, name)) => format!("{} ({name})", self.shown(*value)),
            None => "-".to_owned(),
        };
        let bar = match self.bar {
            Bar::AtLeast(bar) => format!("≥ {}", self.shown(bar)),
            Bar::AtMost(bar) => format!("≤ {}", self.shown(bar)),
            Bar::None => "-".to_owned(),
        };
        [
            self.figure.clone(),
            ours,
            peer,
            self.ratio(),
            bar,
            self.verdict(),
        ]
    }

    /// How many times better than the peer.
    fn ratio(&self) -> String {
        let (Ok(ours), Some((peer, _))) = (&self.ours, &self.peer) else {
            return "-".to_owned();
        };
        let ratio = if matches!(self.bar, Bar::AtLeast(_)) {
            ours / peer
        } else {
            peer / ours
        };
        format!("{ratio:.1}x")
    }

    fn shown(&self, value: f64) -> String {
        let digits = if value < 10.0 {
            2
        } else {
            usize::from(value < 100.0)
        };
        let plain = format!("{value:.digits$}");
        let (whole, rest) = plain
            .split_once('.')
            .map_or((plain.as_str(), None), |(a, b)| (a, Some(b)));
        let mut grouped = String::new();
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        match rest {
            Some(rest) => format!("{grouped}.{rest} {}", self.unit),
            None => format!("{grouped} {}", self.unit),
        }
    }
}

/// The table, in Markdown, with the notes below it.
pub(super) fn text(rows: &[Row]) -> String {
    let head = [
        "figure",
        "Vértice",
        "peer, same input and run",
        "better by",
        "bar",
        "met",
    ];
    let mut lines: Vec<[String; 6]> = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..6).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(&format!("| {cell:width$} "));
        }
        text.push_str("|\n");
        if index == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            text.push_str(&format!("|{}|\n", rules.join("|")));
        }
    }
    for row in rows.iter().filter(|row| !row.note.is_empty()) {
        text.push_str(&format!("\n{}: {}", row.figure, row.note));
    }
    text
}

/// The machine that the figures are from.
pub(super) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
    let model = read("/proc/cpuinfo");
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    format!(
        "\n{cores} cores, {}, Linux {}, load at the end {load}\n",
        model.unwrap_or("unknown processor"),
        kernel.trim()
    )
}

/// The value below which this share of the values lies; infinite for none.
pub(super) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::{Bar, Row, percentile, text};

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), 50.0);
        assert_eq!(percentile(&values, 0.99), 99.0);
        assert_eq!(percentile(&values[..50], 0.99), 50.0);
        assert!(percentile(&[], 0.5).is_infinite());
    }

    #[test]
    fn the_table_tells_what_was_met_and_what_was_not() {
        let rows = [
            Row::new("speed", 1_234_567.0, "lines/s", Bar::AtLeast(150_000.0))
                .beside(Some(26_700.0), "peer 1"),
            Row::new("delay", 12.5, "ms", Bar::AtMost(10.0)).beside(Some(25.0), "peer 1"),
            Row::absent("other", "needs root"),
        ];
        let text = text(&rows);
        let line = |index: usize| text.lines().nth(index).unwrap().replace("  ", "");
        assert!(line(2).contains("1,234,567 lines/s"), "{text}");
        assert!(
            line(2).contains("26,700 lines/s (peer 1)") && line(2).contains("46.2x"),
            "{text}"
        );
        assert!(
            line(2).ends_with("| yes|") && line(3).contains("2.0x"),
            "{text}"
        );
        assert!(
            line(3).trim_end_matches(['|', ' ']).ends_with("NO"),
            "{text}"
        );
        assert!(line(4).contains("not measured: needs root"), "{text}");
    }
}
