//! `--log-format json`: everything that is said, a JSON object a line.

use std::cell::Cell;
use std::io::{Write, stderr};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::event::{Event, Observer, Outcome};
use super::plain::Lines;
use super::table;
use crate::error::Error;
use crate::report::{explained, time};

/// Writes an object for each event that is worth a line, to stderr; tables go to stdout.
#[derive(Debug)]
pub struct JsonLines {
    job: Option<String>,
    /// The step under way.
    step: Cell<Option<usize>>,
    lines: Lines,
}

impl JsonLines {
    /// Of a run of `job`, where it is one.
    pub fn new(job: Option<&str>, lines: Lines) -> Self {
        Self {
            job: job.map(str::to_owned),
            step: Cell::new(None),
            lines,
        }
    }

    /// Says what stopped a run.
    pub fn error(&self, error: &Error) {
        self.say("error", "error", &error.to_string(), &explained(error));
    }

    fn say(&self, level: &str, event: &str, message: &str, fields: &Value) {
        let line = json!({
            "time": time(Timestamp::now()),
            "level": level,
            "job": self.job,
            "step": self.step.get(),
            "event": event,
            "message": message,
            "fields": fields,
        });
        // A log that cannot be written must not stop a load.
        let _ = stderr().write_all(format!("{line}\n").as_bytes());
    }
}

impl Observer for JsonLines {
    fn observe(&self, event: Event<'_>) {
        match &event {
            Event::Table(shown) => {
                let _ = table::print(shown);
                return;
            }
            Event::StepStarted { number, .. } => self.step.set(Some(*number)),
            _ => {}
        }
        if let Some(text) = self.lines.of(&event) {
            let (level, name, fields) = described(&event);
            let message = text.strip_prefix("warning: ").unwrap_or(&text);
            let fields = self.lines.secrets.hide(&fields.to_string()).into_owned();
            // A secret that was hidden in the middle of an escape leaves no JSON behind.
            let fields = serde_json::from_str(&fields).unwrap_or_else(|_| json!({}));
            self.say(level, name, message.trim(), &fields);
        }
        if matches!(event, Event::StepDone { .. }) {
            self.step.set(None);
        }
    }
}

/// Level, name and figures of an event.
fn described(event: &Event<'_>) -> (&'static str, &'static str, Value) {
    match event {
        Event::Warning(_) => ("warning", "warning", json!({})),
        Event::Retrying { .. } => ("warning", "retry", json!({})),
        Event::Advice(_) => ("info", "advice", json!({})),
        Event::Preparing(_) => ("info", "preparing", json!({})),
        Event::Queued { holder, .. } => ("info", "queued", json!({"holder": holder})),
        Event::Waiting { left, .. } => ("info", "waiting", json!({"seconds": left.as_secs_f64()})),
        Event::Departed(_) => ("info", "departed", json!({})),
        Event::Skipped { why, .. } => ("info", "skipped", json!({"why": why})),
        Event::Notice(said) => (
            if said.severity == "WARNING" {
                "warning"
            } else {
                "info"
            },
            "notice",
            json!({"severity": said.severity, "sqlstate": said.code}),
        ),
        Event::Connected { server, place, .. } => (
            "info",
            "connected",
            json!({"server": server, "place": place}),
        ),
        Event::Tag(tag) => ("info", "tag", json!({"tag": tag})),
        Event::StepDone {
            title,
            outcome,
            elapsed,
            ..
        } => {
            let mut fields = figures(outcome);
            fields.insert("title".into(), (*title).into());
            fields.insert("seconds".into(), elapsed.as_secs_f64().into());
            ("info", "step_done", Value::Object(fields))
        }
        Event::Rejected { file, .. } => (
            "warning",
            "rejected",
            json!({
                "step": file.step,
                "source": file.source.to_string(),
                "count": file.count,
                "file": file.path.display().to_string(),
                "reasons": file.reasons.display().to_string(),
            }),
        ),
        Event::JobDone {
            totals, elapsed, ..
        } => (
            "info",
            "job_done",
            json!({
                "loaded": totals.loaded,
                "unloaded": totals.unloaded,
                "rejected": totals.rejected,
                "files_left": totals.unmoved,
                "seconds": elapsed.as_secs_f64(),
            }),
        ),
        Event::Summary { failed, .. } => {
            (if *failed { "error" } else { "info" }, "summary", json!({}))
        }
        _ => ("info", "other", json!({})),
    }
}

fn figures(outcome: &Outcome) -> Map<String, Value> {
    let fields = match outcome {
        Outcome::Sql(tags) => json!({"tags": tags}),
        Outcome::Holds(rows) => json!({"rows": rows}),
        Outcome::Loaded {
            rows,
            bytes,
            files,
            before,
            rejected,
            filtered,
            ..
        } => json!({
            "rows": rows,
            "bytes": bytes,
            "files": files,
            "loaded_before": before,
            "rejected": rejected,
            "filtered": filtered,
        }),
        Outcome::Unloaded { rows, bytes, .. } => json!({"rows": rows, "bytes": bytes}),
    };
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
