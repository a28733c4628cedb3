//! What cron needs of a program: one run at a time, an end to every wait, output for machines.

mod limits;
mod locks;
mod logs;
mod metrics;
mod report;
mod schedule;
mod several;
mod surroundings;
