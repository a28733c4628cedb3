//! An expression as systemd's `OnCalendar` has it (systemd.time(7)).

use super::expression::{Expression, Field};

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// The calendar events that together are the expression. systemd wants weekday and date both to fit, so
/// that an expression whose days fit either is two events; a moment of both is one elapse.
pub fn calendars(expression: &Expression) -> Vec<String> {
    let Expression {
        minutes,
        hours,
        days,
        months,
        weekdays,
    } = expression;
    let time = format!("{}:{}:00", numbers(hours, 0, 23), numbers(minutes, 0, 59));
    let date = |days: &str| format!("*-{}-{days}", numbers(months, 1, 12));
    let days = numbers(days, 1, 31);
    let weekdays = names(weekdays);
    let of_week = |date: &str| match &weekdays {
        Some(weekdays) => format!("{weekdays} {date} {time}"),
        None => format!("{date} {time}"),
    };
    if expression.is_either() {
        return vec![format!("{} {time}", date(&days)), of_week(&date("*"))];
    }
    vec![of_week(&date(&days))]
}

/// `*`, a repetition to the end, or a list of numbers and ranges.
fn numbers(field: &Field, least: u8, most: u8) -> String {
    let values = &field.values;
    if values.len() == usize::from(most - least) + 1 {
        return "*".into();
    }
    if let [first, second, _, ..] = values[..] {
        let step = second - first;
        let regular = values.windows(2).all(|pair| pair[1] - pair[0] == step);
        let reaches_the_end = values.last().is_some_and(|last| last + step > most);
        if step > 1 && regular && reaches_the_end {
            return format!("{first:02}/{step}");
        }
    }
    let mut parts = Vec::new();
    for run in values.chunk_by(|a, b| a + 1 == *b) {
        match run {
            [first, _, .., last] => parts.push(format!("{first:02}..{last:02}")),
            few => parts.extend(few.iter().map(|value| format!("{value:02}"))),
        }
    }
    parts.join(",")
}

/// The days of the week; `None` for all.
fn names(field: &Field) -> Option<String> {
    if field.values.len() == WEEKDAYS.len() {
        return None;
    }
    // A week of systemd's begins with Monday.
    let mut days: Vec<u8> = field.values.iter().map(|day| (day + 6) % 7).collect();
    days.sort_unstable();
    let name = |day: u8| WEEKDAYS[usize::from((day + 1) % 7)];
    let mut parts = Vec::new();
    for run in days.chunk_by(|a, b| a + 1 == *b) {
        match run {
            [first, _, .., last] => parts.push(format!("{}..{}", name(*first), name(*last))),
            few => parts.extend(few.iter().map(|day| name(*day).to_owned())),
        }
    }
    Some(parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        let expression = Expression::parse(text).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        calendars(&expression).join(" | ")
    }

    #[test]
    fn each_form_is_converted() {
        for (cron, systemd) in [
            ("5 2 * * *", "*-*-* 02:05:00"),
            ("* * * * *", "*-*-* *:*:00"),
            ("*/15 * * * *", "*-*-* *:00/15:00"),
            ("3-59/15 * * * *", "*-*-* *:03/15:00"),
            ("0-30/10 * * * *", "*-*-* *:00,10,20,30:00"),
            (
                "0 8-18/2 * * mon-fri",
                "Mon..Fri *-*-* 08,10,12,14,16,18:00:00",
            ),
            ("0 8-18 * * *", "*-*-* 08..18:00:00"),
            ("0 0 */2 * *", "*-*-01/2 00:00:00"),
            ("0 0 1,15 * *", "*-*-01,15 00:00:00"),
            ("0 0 1 1,4,7,10 *", "*-01/3-01 00:00:00"),
            ("0 0 1 jan-mar,dec *", "*-01..03,12-01 00:00:00"),
            ("30 4 * * 0", "Sun *-*-* 04:30:00"),
            ("30 4 * * 6,7", "Sat,Sun *-*-* 04:30:00"),
            ("30 4 * * 5-7", "Fri..Sun *-*-* 04:30:00"),
            ("30 4 * * 0,3", "Wed,Sun *-*-* 04:30:00"),
            ("30 4 * * */2", "Tue,Thu,Sat,Sun *-*-* 04:30:00"),
            ("30 4 * * 0-6", "*-*-* 04:30:00"),
            // Either day counts.
            ("0 6 1 * mon", "*-*-01 06:00:00 | Mon *-*-* 06:00:00"),
            ("0 6 13 10 5", "*-10-13 06:00:00 | Fri *-10-* 06:00:00"),
            // A star before the step: both have to fit.
            ("0 6 */10 * mon", "Mon *-*-01/10 06:00:00"),
            ("0 6 1-31 * mon", "*-*-* 06:00:00 | Mon *-*-* 06:00:00"),
            ("@hourly", "*-*-* *:00:00"),
            ("@yearly", "*-01-01 00:00:00"),
        ] {
            assert_eq!(of(cron), systemd, "{cron}");
        }
    }
}
