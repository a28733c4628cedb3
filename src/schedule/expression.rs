//! The five fields of a crontab line.
//!
//! The rules are those of Vixie cron, which Debian's and Red Hat's descend from: where the day of the
//! month and the day of the week are both restricted, a day counts that fits either; a field that
//! begins with `*` is no restriction in that sense, even with a step behind it.

use std::fmt;

/// A time as a crontab has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// Minutes of an hour.
    pub minutes: Field,
    /// Hours of a day.
    pub hours: Field,
    /// Days of a month.
    pub days: Field,
    /// Months of a year.
    pub months: Field,
    /// Days of a week: 0 is Sunday.
    pub weekdays: Field,
}

/// The values of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its values, in ascending order, none twice; at least one.
    pub values: Vec<u8>,
    /// It begins with `*`.
    pub is_open: bool,
    /// As it is written, with numbers in the place of names: not every cron takes these in lists.
    pub text: String,
}

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The character where it is; 0 is the first.
    pub at: usize,
    /// What is wrong.
    pub what: String,
}

/// What a field may hold.
struct Range {
    name: &'static str,
    least: u8,
    most: u8,
    names: &'static [&'static str],
}

const MINUTES: Range = range("minute", 0, 59, &[]);
const HOURS: Range = range("hour", 0, 23, &[]);
const DAYS: Range = range("day of the month", 1, 31, &[]);
const MONTHS: Range = range(
    "month",
    1,
    12,
    &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
);
/// 7 is Sunday as well.
const WEEKDAYS: Range = range(
    "day of the week",
    0,
    7,
    &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
);

const fn range(name: &'static str, least: u8, most: u8, names: &'static [&'static str]) -> Range {
    Range {
        name,
        least,
        most,
        names,
    }
}

/// Words for whole expressions.
const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

impl Range {
    fn is_of_week(&self) -> bool {
        self.most == WEEKDAYS.most
    }

    /// The last value that is not written otherwise as well.
    fn last(&self) -> u8 {
        if self.is_of_week() { 6 } else { self.most }
    }
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// It is none, or one that no day fits.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let word = text.trim();
        if let Some((_, meant)) = WORDS.iter().find(|(known, _)| *known == word) {
            return Self::parse(meant);
        }
        let start = text.find('@').unwrap_or(0);
        if word == "@reboot" {
            return Err(wrong(
                start,
                "`@reboot` is no time: a job that runs when the host starts is a service without a timer",
            ));
        }
        if word.starts_with('@') {
            let known: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
            return Err(wrong(
                start,
                format!("expected five fields, or one of {}", known.join(", ")),
            ));
        }
        let fields = words(text);
        let ranges = [MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS];
        if let Some((at, _)) = fields.get(ranges.len()) {
            return Err(wrong(
                *at,
                "a crontab has five fields (minute, hour, day of the month, month, day of the week) and no seconds or years",
            ));
        }
        if let Some(missing) = ranges.get(fields.len()) {
            return Err(wrong(
                text.trim_end().chars().count(),
                format!(
                    "the {} is missing; the fields are minute, hour, day of the month, month, day of the week",
                    missing.name
                ),
            ));
        }
        let mut read = fields
            .iter()
            .zip(&ranges)
            .map(|((at, text), range)| field(*at, text, range));
        let mut next = || {
            read.next()
                .unwrap_or_else(|| Err(wrong(0, "a field is missing")))
        };
        let expression = Self {
            minutes: next()?,
            hours: next()?,
            days: next()?,
            months: next()?,
            weekdays: next()?,
        };
        if expression.never_comes() {
            return Err(wrong(
                fields[2].0,
                "none of its months has such a day, so it would never run",
            ));
        }
        Ok(expression)
    }

    /// Whether a day counts that fits the day of the month or the day of the week, not both.
    pub fn is_either(&self) -> bool {
        !self.days.is_open && !self.weekdays.is_open
    }

    fn never_comes(&self) -> bool {
        let longest = |month: &u8| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let first = self.days.values.first().copied().unwrap_or(1);
        !self.is_either()
            && self
                .months
                .values
                .iter()
                .all(|month| longest(month) < first)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            minutes,
            hours,
            days,
            months,
            weekdays,
        } = self;
        write!(
            f,
            "{} {} {} {} {}",
            minutes.text, hours.text, days.text, months.text, weekdays.text
        )
    }
}

fn wrong(at: usize, what: impl Into<String>) -> Wrong {
    Wrong {
        at,
        what: what.into(),
    }
}

/// The words of `text`, each with the number of its first character.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (at, c) in text.chars().enumerate() {
        if c.is_whitespace() {
            inside = false;
            continue;
        }
        if !std::mem::replace(&mut inside, true) {
            words.push((at, String::new()));
        }
        if let Some((_, word)) = words.last_mut() {
            word.push(c);
        }
    }
    words
}

/// Reads one field, which begins at character `at`.
fn field(at: usize, text: &str, range: &Range) -> Result<Field, Wrong> {
    if let Some(place) = text.chars().position(|c| "?LW#~".contains(c)) {
        // `wed` and `jul` are names; these stand alone or behind a number.
        let c = text.chars().nth(place).unwrap_or_default();
        let is_word = text.chars().filter(|c| c.is_alphabetic()).count() > 1;
        if !is_word {
            return Err(wrong(
                at + place,
                match c {
                    '~' => "a random time is not for every cron; `--jitter` is".into(),
                    c => format!(
                        "`{c}` is of other schedulers; cron has numbers, `*`, `,`, `-` and `/`"
                    ),
                },
            ));
        }
    }
    let mut values = Vec::new();
    let mut parts = Vec::new();
    let mut place = at;
    for part in text.split(',') {
        let (found, written) = read_part(place, part, range)?;
        values.extend(found);
        parts.push(written);
        place += part.chars().count() + 1;
    }
    if range.is_of_week() {
        for value in &mut values {
            *value %= 7;
        }
    }
    values.sort_unstable();
    values.dedup();
    Ok(Field {
        values,
        is_open: text.starts_with('*'),
        text: parts.join(","),
    })
}

/// Reads one item of a list: its values, and how it is written in numbers.
fn read_part(at: usize, part: &str, range: &Range) -> Result<(Vec<u8>, String), Wrong> {
    let (span, step) = match part.split_once('/') {
        Some((span, step)) => (span, Some(step)),
        None => (part, None),
    };
    let (first, last, written) = if span == "*" {
        (range.least, range.last(), "*".to_owned())
    } else if let Some((from, to)) = span.split_once('-') {
        let first = value(at, from, range)?;
        let place = at + from.chars().count() + 1;
        let last = value(place, to, range)?;
        if first > last {
            return Err(wrong(
                place,
                format!(
                    "the range ends before it begins; write `{first}-{},{}-{last}`",
                    range.last(),
                    range.least
                ),
            ));
        }
        (first, last, format!("{first}-{last}"))
    } else {
        let one = value(at, span, range)?;
        if step.is_some() {
            let place = at + span.chars().count();
            return Err(wrong(
                place,
                format!(
                    "a step needs a range before it: `{one}-{}/...` or `*/...`",
                    range.most
                ),
            ));
        }
        (one, one, one.to_string())
    };
    let Some(step) = step else {
        return Ok(((first..=last).collect(), written));
    };
    let place = at + span.chars().count() + 1;
    let number = step.parse::<u8>().ok().filter(|step| *step > 0);
    let Some(number) = number else {
        return Err(wrong(
            place,
            format!("expected a step such as 5, found `{step}`"),
        ));
    };
    let values = (first..=last).step_by(usize::from(number));
    Ok((values.collect(), format!("{written}/{number}")))
}

/// A number or a name.
fn value(at: usize, text: &str, range: &Range) -> Result<u8, Wrong> {
    let lower = text.to_lowercase();
    if let Some(index) = range.names.iter().position(|name| *name == lower) {
        return Ok(u8::try_from(index).unwrap_or_default() + range.least.min(1));
    }
    let expected = || {
        let names = match range.names {
            [first, .., last] => format!(", or a name from `{first}` to `{last}`"),
            _ => String::new(),
        };
        format!(
            "expected {} {} from {} to {}{names}, found `{text}`",
            if range.name == HOURS.name { "an" } else { "a" },
            range.name,
            range.least,
            range.most
        )
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u8>().ok().filter(|_| digits);
    number
        .filter(|number| (range.least..=range.most).contains(number))
        .ok_or_else(|| wrong(at, expected()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Expression {
        Expression::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
    }

    #[test]
    fn lists_ranges_steps_and_names_are_read() {
        let found = parsed("*/20 8-18/5,23 1,15 jan-mar,DEC Mon-fri");
        assert_eq!(found.minutes.values, [0, 20, 40]);
        assert_eq!(found.hours.values, [8, 13, 18, 23]);
        assert_eq!(found.days.values, [1, 15]);
        assert_eq!(found.months.values, [1, 2, 3, 12]);
        assert_eq!(found.weekdays.values, [1, 2, 3, 4, 5]);
        assert_eq!(found.to_string(), "*/20 8-18/5,23 1,15 1-3,12 1-5");
        assert!(found.is_either());
        assert_eq!(parsed(" 5\t2 * * 7 ").weekdays.values, [0]);
        assert_eq!(parsed("0 0 * * 5-7").weekdays.values, [0, 5, 6]);
        assert_eq!(parsed("0 0 * * sun,wed").weekdays.values, [0, 3]);
        assert_eq!(parsed("0 0 * jul *").months.values, [7]);
        assert_eq!(parsed("@weekly").to_string(), "0 0 * * 0");
        assert!(!parsed("0 0 */2 * mon").is_either());
        assert!(!parsed("0 0 1 * *").is_either());
        // A day of the week counts as well.
        assert!(parsed("0 0 31 2 1").is_either());
    }

    #[test]
    fn mistakes_have_their_place() {
        for (text, at, what) in [
            ("5 2 * *", 7, "the day of the week is missing"),
            ("", 0, "the minute is missing"),
            ("0 5 2 * * *", 10, "five fields"),
            ("60 2 * * *", 0, "a minute from 0 to 59, found `60`"),
            ("5 2,24 * * *", 4, "an hour from 0 to 23, found `24`"),
            ("5 2 0 * *", 4, "found `0`"),
            (
                "5 2 * foo *",
                6,
                "or a name from `jan` to `dec`, found `foo`",
            ),
            ("5 2 * * fri-mon", 12, "write `5-6,0-1`"),
            ("5/10 * * * *", 1, "`5-59/...`"),
            ("*/0 * * * *", 2, "expected a step"),
            ("*/x * * * *", 2, "expected a step"),
            ("1,,2 * * * *", 2, "found ``"),
            ("+5 * * * *", 0, "found `+5`"),
            ("0 0 L * *", 4, "`L` is of other schedulers"),
            ("0 0 15W * *", 6, "`W` is of other schedulers"),
            ("0 0 ? * 1#2", 4, "`?` is of other schedulers"),
            ("0~30 0 * * *", 1, "--jitter"),
            ("0 0 30 2 *", 4, "never run"),
            ("0 0 31 feb,jun *", 4, "never run"),
            ("@reboot", 0, "no time"),
            ("@dayly", 0, "@daily"),
        ] {
            let wrong = Expression::parse(text).expect_err(text);
            assert_eq!(wrong.at, at, "{text}: {}", wrong.what);
            assert!(wrong.what.contains(what), "{text}: {}", wrong.what);
        }
    }
}
