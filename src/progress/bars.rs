//! Bars on a terminal: one for the file under way, with bytes, rows, speed and time left.

use std::io::{Write, stderr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::event::{Event, Observer};
use super::plain::Lines;
use super::{table, wording};

/// How often a bar is drawn anew: often enough to move, seldom enough to be read.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// The speed shown is that of about this long.
const SPEED_OVER: f64 = 3.0;
/// Characters of the bar itself, where there is room; else half of that.
const BAR: usize = 20;
/// The parts of a line have these ranks: 0 is left out first.
const RANKS: usize = 6;
/// The most characters of a file's name.
const NAME: usize = 32;

/// Draws a bar for the file under way, and the lines of [`Plain`](super::Plain) above it.
#[derive(Debug)]
pub struct Bars {
    bar: Mutex<Option<Bar>>,
    lines: Lines,
}

/// The bar of one file.
#[derive(Debug)]
struct Bar {
    /// Draws one line, and cleans it up.
    drawn: ProgressBar,
    view: View,
    started: Instant,
    last: Instant,
}

/// What a bar says.
#[derive(Debug, Clone, Default)]
struct View {
    name: String,
    /// Bytes on disk, where they are known.
    size: Option<u64>,
    disk: u64,
    bytes: u64,
    records: u64,
    /// Bytes per second; 0 until there is something to tell.
    speed: f64,
    /// Bytes per second as they are on disk.
    disk_speed: f64,
}

impl Bar {
    fn new(name: &str, size: Option<u64>) -> Self {
        let drawn = ProgressBar::no_length();
        drawn.set_draw_target(ProgressDrawTarget::stderr_with_hz(20));
        // Cut to the terminal's width by indicatif, should it have shrunk meanwhile.
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            drawn.set_style(style);
        }
        let now = Instant::now();
        Self {
            drawn,
            view: View {
                name: wording::one_line(name.rsplit('/').next().unwrap_or(name)),
                size,
                ..View::default()
            },
            started: now,
            last: now,
        }
    }

    fn moved(&mut self, disk: u64, bytes: u64, records: u64) {
        let now = Instant::now();
        let passed = now - self.last;
        if passed < DRAW_EVERY {
            return;
        }
        self.last = now;
        self.view
            .advance(disk, bytes, records, passed, now - self.started);
        self.drawn.set_message(self.view.line(width()));
    }
}

/// The terminal's width in characters.
fn width() -> usize {
    rustix::termios::tcgetwinsize(stderr())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|&columns| columns > 0)
        .unwrap_or(80)
}

impl View {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    fn advance(&mut self, disk: u64, bytes: u64, records: u64, passed: Duration, total: Duration) {
        let weight = 1.0 / (total.as_secs_f64().min(SPEED_OVER) / passed.as_secs_f64()).max(1.0);
        let speed = |before: f64, moved: u64| {
            before + weight * (moved as f64 / passed.as_secs_f64() - before)
        };
        self.speed = speed(self.speed, bytes.saturating_sub(self.bytes));
        self.disk_speed = speed(self.disk_speed, disk.saturating_sub(self.disk));
        (self.disk, self.bytes, self.records) = (disk, bytes, records);
    }

    /// The line, in at most `width` characters: what matters least is left out first.
    fn line(&self, width: usize) -> String {
        // The bar itself becomes shorter first.
        let whole = (BAR, 0);
        let less = (0..RANKS).map(|left_out| (BAR / 2, left_out));
        for (bar, left_out) in std::iter::once(whole).chain(less) {
            let pieces = self.pieces(bar);
            let kept: Vec<&str> = pieces
                .iter()
                .filter(|(rank, _)| *rank >= left_out)
                .map(|(_, text)| text.as_str())
                .collect();
            let rest: usize = kept.iter().map(|text| text.chars().count() + 2).sum();
            let name = short(&self.name, NAME.min(width.saturating_sub(rest + 3)));
            // A name of a few letters tells nothing.
            if name.chars().count() >= self.name.chars().count().min(12) {
                return format!("  {name}  {}", kept.join("  "))
                    .trim_end()
                    .to_owned();
            }
        }
        short(&self.name, width.saturating_sub(1))
    }

    /// The parts behind the name, with the order in which they are left out.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole bytes are shown"
    )]
    fn pieces(&self, bar: usize) -> Vec<(usize, String)> {
        let mut pieces = Vec::new();
        match self.size {
            Some(size) => {
                let done = self.disk.min(size);
                pieces.push((1, drawn(done, size, bar)));
                pieces.push((5, format!("{:>3}%", percent(done, size))));
                let size = wording::bytes(size);
                pieces.push((0, format!("{:>8} of {size}", wording::bytes(done))));
            }
            None => pieces.push((5, format!("{:>8}", wording::bytes(self.bytes)))),
        }
        // An unload does not count rows before its end.
        if self.records > 0 {
            pieces.push((2, format!("{:>12}", wording::rows(self.records))));
        }
        if self.speed >= 1.0 {
            let speed = wording::bytes(self.speed as u64);
            pieces.push((3, format!("{:>10}", format!("{speed}/s"))));
        }
        if let Some(left) = self.left() {
            pieces.push((4, format!("{left} left")));
        }
        pieces
    }

    #[expect(clippy::cast_precision_loss, reason = "whole seconds are shown")]
    fn left(&self) -> Option<String> {
        let bytes = self.size?.saturating_sub(self.disk);
        let seconds = bytes as f64 / self.disk_speed;
        if !seconds.is_finite() || seconds > 1e6 {
            return None;
        }
        Some(wording::whole_time(Duration::from_secs_f64(seconds)))
    }
}

fn percent(done: u64, size: u64) -> u64 {
    (u128::from(done) * 100)
        .checked_div(u128::from(size))
        .and_then(|percent| u64::try_from(percent).ok())
        .unwrap_or(100)
}

fn drawn(done: u64, size: u64, bar: usize) -> String {
    let full =
        usize::try_from(u128::from(done) * bar as u128 / u128::from(size.max(1))).unwrap_or(bar);
    format!("{}{}", "━".repeat(full), "─".repeat(bar - full.min(bar)))
}

/// The end of a long name, which tells more than its beginning.
fn short(name: &str, room: usize) -> String {
    let length = name.chars().count();
    if length <= room {
        return name.to_owned();
    }
    let tail = name.chars().skip(length - room.saturating_sub(1));
    std::iter::once('…').chain(tail).take(room).collect()
}

impl Bars {
    /// Draws bars, and writes these lines.
    pub fn new(lines: Lines) -> Self {
        Self {
            bar: Mutex::new(None),
            lines,
        }
    }

    fn replace(&self, next: Option<Bar>) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *bar, next) {
            old.drawn.finish_and_clear();
        }
    }

    fn print(&self, write: impl FnOnce() -> std::io::Result<()>) {
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        // A terminal that has gone must not stop a load.
        let _ = match bar.as_ref() {
            Some(bar) => bar.drawn.suspend(write),
            None => write(),
        };
    }
}

impl Observer for Bars {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::FileStarted { name, size } => self.replace(Some(Bar::new(name, size))),
            Event::Moved {
                disk,
                bytes,
                records,
            } => {
                let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(bar) = bar.as_mut() {
                    bar.moved(disk, bytes, records);
                }
            }
            Event::FileDone | Event::WaitDone => self.replace(None),
            Event::Waiting { left, .. } => {
                if let Some(line) = self.lines.of(&event) {
                    self.print(|| writeln!(std::io::stderr(), "{line}"));
                }
                // Cleared before the next is drawn.
                self.replace(None);
                let bar = Bar::new("", None);
                let left = wording::whole(left);
                bar.drawn.set_message(format!("  waiting, {left} left"));
                self.replace(Some(bar));
            }
            Event::Connected { job, server, place } => {
                self.print(|| writeln!(std::io::stderr(), "{job}: {server} at {place}"));
            }
            Event::Table(shown) => {
                self.print(|| table::print(shown));
            }
            event => {
                if let Some(line) = self.lines.of(&event) {
                    self.print(|| writeln!(std::io::stderr(), "{line}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            name: "orders-2026-01.csv".into(),
            size: Some(106_200_000),
            disk: 27_300_000,
            bytes: 27_300_000,
            records: 672_643,
            speed: 18_400_000.0,
            disk_speed: 18_400_000.0,
        }
    }

    #[test]
    fn a_line_says_less_where_there_is_less_room_and_always_fits() {
        let lines: Vec<String> = [120, 100, 80, 60, 40, 25, 12]
            .map(|width| view().line(width))
            .into();
        insta::assert_snapshot!(lines.join("\n"), @r"
          orders-2026-01.csv  ━━━━━───────────────   25%   27.3 MB of 106.2 MB  672,643 rows   18.4 MB/s  4 s left
          orders-2026-01.csv  ━━────────   25%   27.3 MB of 106.2 MB  672,643 rows   18.4 MB/s  4 s left
          orders-2026-01.csv  ━━────────   25%  672,643 rows   18.4 MB/s  4 s left
          …rs-2026-01.csv   25%  672,643 rows   18.4 MB/s  4 s left
          orders-2026-01.csv   25%  4 s left
          …ers-2026-01.csv   25%
        …026-01.csv
        ");
        for width in 0..130 {
            let line = view().line(width);
            assert!(line.chars().count() < width.max(1) + 1, "{width}: {line}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        let stdin = View {
            name: "stdin".into(),
            size: None,
            ..view()
        };
        assert_eq!(
            stdin.line(80),
            "  stdin   27.3 MB  672,643 rows   18.4 MB/s"
        );
        let begun = View {
            name: "a.csv".into(),
            size: Some(0),
            ..View::default()
        };
        assert_eq!(
            begun.line(80),
            "  a.csv  ────────────────────  100%       0 B of 0 B"
        );
    }

    #[test]
    fn the_speed_follows_what_happens_without_jumping() {
        let mut view = view();
        (view.disk, view.bytes) = (0, 0);
        let tenth = Duration::from_millis(100);
        view.advance(1_000_000, 1_000_000, 1, tenth, tenth);
        assert!((view.speed - 10_000_000.0).abs() < 1.0);
        view.advance(1_000_000, 1_000_000, 1, tenth, Duration::from_secs(10));
        assert!(view.speed > 9_000_000.0);
    }
}
