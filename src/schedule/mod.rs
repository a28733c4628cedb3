//! When a job runs: a time as cron has it, and the same for systemd.

mod calendar;
mod expression;
mod units;

pub use calendar::calendars;
pub use expression::{Expression, Field, Wrong};
pub use units::{Plan, crontab, service, timer};
