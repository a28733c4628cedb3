//! Bars on a terminal: one for the file under way, with bytes, rows, speed and time left.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::event::{Event, Observer};
use super::{plain, table, wording};

/// Draws a bar for the file under way, and the lines of [`Plain`](super::Plain) above it.
#[derive(Debug)]
pub struct Bars {
    bar: Mutex<Option<ProgressBar>>,
    verbose: bool,
}

impl Bars {
    /// `verbose` adds notices and every tag.
    pub fn new(verbose: bool) -> Self {
        Self {
            bar: Mutex::new(None),
            verbose,
        }
    }

    fn start(&self, name: &str, size: Option<u64>) {
        let (bar, template) = match size {
            Some(size) => (
                ProgressBar::new(size),
                "  {prefix:.bold} {bar:24.cyan/dim} {percent:>3}%  {bytes}/{total_bytes}  {msg}  {bytes_per_sec}  {eta} left",
            ),
            None => (
                ProgressBar::no_length(),
                "  {prefix:.bold} {spinner:.cyan}  {bytes}  {msg}  {bytes_per_sec}",
            ),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_prefix(short(&wording::one_line(name)));
        self.replace(Some(bar));
    }

    fn replace(&self, next: Option<ProgressBar>) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *bar, next) {
            old.finish_and_clear();
        }
    }

    fn with(&self, act: impl FnOnce(Option<&ProgressBar>)) {
        act(self
            .bar
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref());
    }

    fn print(&self, write: impl FnOnce() -> std::io::Result<()>) {
        self.with(|bar| {
            // A terminal that has gone must not stop a load.
            let _ = match bar {
                Some(bar) => bar.suspend(write),
                None => write(),
            };
        });
    }
}

impl Observer for Bars {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::FileStarted { name, size } => self.start(name, size),
            Event::Moved {
                disk,
                bytes,
                records,
            } => self.with(|bar| {
                if let Some(bar) = bar {
                    bar.set_position(if bar.length().is_some() { disk } else { bytes });
                    bar.set_message(wording::rows(records));
                }
            }),
            Event::FileDone => self.replace(None),
            Event::Connected { job, server, place } => {
                self.print(|| writeln!(std::io::stderr(), "{job}: {server} at {place}"));
            }
            Event::Table(shown) => {
                self.print(|| std::io::stdout().write_all(table::draw(shown).as_bytes()));
            }
            event => {
                if let Some(line) = plain::line(&event, true, self.verbose) {
                    self.print(|| writeln!(std::io::stderr(), "{line}"));
                }
            }
        }
    }
}

/// The end of a long name: the file's own name is there.
fn short(name: &str) -> String {
    const WIDTH: usize = 32;
    let length = name.chars().count();
    if length <= WIDTH {
        return name.to_owned();
    }
    let tail: String = name.chars().skip(length - WIDTH + 1).collect();
    format!("…{tail}")
}
