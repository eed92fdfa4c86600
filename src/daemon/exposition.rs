//! Prometheus' text format, version 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::{self, Write as _};

/// What the format is called where HTTP asks.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that grows by one family of samples after the other.
#[derive(Default)]
pub(super) struct Exposition(String);

/// What kind of numbers a family holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Only grows, but for a restart.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Names and values of labels. Values come from rule files, the configuration and this program: no record is one.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

/// The samples of one family.
pub(super) struct Family<'e> {
    text: &'e mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins a family. It is announced even where it has no sample: nobody has to guess what could be there.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {}", kind.as_str());
        Family { text: &mut self.0, name }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: f64) {
        self.line("", labels, None, value);
    }

    pub(super) fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        let mut below = 0;
        for (bound, n) in histogram.bounds.iter().zip(&histogram.counts) {
            below += n;
            self.line("_bucket", labels, Some(*bound), number(below));
        }
        self.line("_bucket", labels, Some(f64::INFINITY), number(histogram.count));
        self.line("_sum", labels, None, histogram.sum);
        self.line("_count", labels, None, number(histogram.count));
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<f64>, value: f64) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        let bound = bound.map(|bound| Float(bound).to_string());
        let all = labels.iter().copied().chain(bound.iter().map(|bound| ("le", bound.as_str())));
        let mut opened = false;
        for (name, value) in all {
            let separator = if opened { ',' } else { '{' };
            opened = true;
            let _ = write!(self.text, "{separator}{name}=\"{}\"", escaped(value));
        }
        let _ = writeln!(self.text, "{} {}", if opened { "}" } else { "" }, Float(value));
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// As Go writes it, which reads it.
struct Float(f64);

impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            value => write!(f, "{value}"),
        }
    }
}

/// A count as a sample has it.
#[expect(clippy::cast_precision_loss, reason = "the format knows no other number; exact below 2^53")]
pub(super) fn number(n: u64) -> f64 {
    n as f64
}

/// How many, by size.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    bounds: &'static [f64],
    /// Up to each bound and above the one before.
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Histogram {
    /// Of nothing yet; `bounds` ascend, and are included below.
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len()], count: 0, sum: 0.0 }
    }

    pub(super) fn add(&mut self, value: f64, times: u64) {
        if let Some(at) = self.bounds.iter().position(|bound| value <= *bound) {
            self.counts[at] += times;
        }
        self.count += times;
        self.sum += value * number(times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_written_as_the_format_asks() {
        let mut exposition = Exposition::default();
        let mut family = exposition.family("a_total", Kind::Counter, "Counts.");
        family.sample(&[], 0.0);
        family.sample(&[("x", "a\\b\"c\nd"), ("y", "z")], 1.5);
        exposition.family("b", Kind::Gauge, "Empty.");
        exposition.family("c", Kind::Gauge, "Endless.").sample(&[], f64::INFINITY);
        assert_eq!(
            exposition.into_text(),
            "# HELP a_total Counts.\n# TYPE a_total counter\na_total 0\na_total{x=\"a\\\\b\\\"c\\nd\",y=\"z\"} 1.5\n\
             # HELP b Empty.\n# TYPE b gauge\n# HELP c Endless.\n# TYPE c gauge\nc +Inf\n"
        );
    }

    #[test]
    fn a_bucket_holds_what_is_up_to_its_bound() {
        let mut histogram = Histogram::new(&[1.0, 10.0]);
        for (value, times) in [(0.0, 1), (1.0, 2), (1.1, 1), (10.0, 1), (11.0, 3)] {
            histogram.add(value, times);
        }
        let mut exposition = Exposition::default();
        exposition.family("h", Kind::Histogram, "H.").histogram(&[("x", "y")], &histogram);
        let text = exposition.into_text();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "h_bucket{x=\"y\",le=\"1\"} 3",
                "h_bucket{x=\"y\",le=\"10\"} 5",
                "h_bucket{x=\"y\",le=\"+Inf\"} 8",
                "h_sum{x=\"y\"} 46.1",
                "h_count{x=\"y\"} 8",
            ]
        );
    }
}
