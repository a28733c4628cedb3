//! Dates and times.
//!
//! The forms that are known have a fixed number of digits in every part: `2024-01-31` (or with
//! slashes), `20240131`, `31/01/2024` in the order of `DateStyle`, `23:59`, `23:59:59.999999`, both
//! together with a blank or a `T` between, and behind that `Z` or an offset such as `+08:00`.

use super::{DateOrder, Fault, Verdict, trimmed};

/// A type for dates, times or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A moment in a known form.
    Known,
    /// In a known form, with a part beyond its range.
    OutOfRange,
    /// No moment in any form.
    Nothing,
    Odd,
}

/// The days of each month in a common year. There is no month 0.
const DAYS: [u32; 13] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Words that stand for a moment, now or in older versions.
const WORDS: [&str; 11] = [
    "epoch",
    "infinity",
    "inf",
    "now",
    "today",
    "tomorrow",
    "yesterday",
    "allballs",
    "current",
    "invalid",
    "undefined",
];

impl Moment {
    fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Time => "time",
            Self::TimeTz => "time with time zone",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamp with time zone",
        }
    }

    fn has_date(self) -> bool {
        !matches!(self, Self::Time | Self::TimeTz)
    }

    /// Whether it is in ISO 8601 form, and there is such a moment.
    #[inline]
    pub(super) fn is_plain(self, value: &[u8]) -> bool {
        self.iso(value) == Form::Known
    }

    pub(super) fn judge(self, value: &[u8], order: Option<DateOrder>) -> Verdict {
        let text = trimmed(value);
        let forms = [
            self.iso(text),
            self.compact(text),
            self.ordered(text, order),
            self.words(text),
        ];
        let form = forms.into_iter().find(|form| *form != Form::Odd);
        match form.unwrap_or(Form::Odd) {
            Form::Known => Verdict::Fine,
            Form::OutOfRange => {
                let text = String::from_utf8_lossy(value);
                let reason = format!("date/time field value out of range: \"{text}\"");
                Verdict::Bad(Fault::new("22008", reason))
            }
            Form::Nothing => Verdict::Bad(Fault::syntax("22007", self.name(), value)),
            Form::Odd => Verdict::Unsure,
        }
    }

    /// ISO 8601, with what SQL makes of it.
    #[inline]
    fn iso(self, text: &[u8]) -> Form {
        if !self.has_date() {
            return time(text, self == Self::TimeTz);
        }
        let Some((date, rest)) = text.split_first_chunk::<10>() else {
            return Form::Odd;
        };
        let date = match iso_date(date) {
            Form::Odd => return Form::Odd,
            date => date,
        };
        match rest {
            [] => date,
            [b' ' | b'T', rest @ ..] => match time(rest, true) {
                Form::Known => date,
                odd_or_out => odd_or_out,
            },
            _ => Form::Odd,
        }
    }

    /// `YYYYMMDD`.
    fn compact(self, text: &[u8]) -> Form {
        if text.len() != 8 || !self.has_date() {
            return Form::Odd;
        }
        calendar(number(&text[..4]), number(&text[4..6]), number(&text[6..]))
    }

    /// Day and month, or month and day, before the year.
    fn ordered(self, text: &[u8], order: Option<DateOrder>) -> Form {
        if text.len() != 10 || !is_separated(text[2], text[5]) || !self.has_date() {
            return Form::Odd;
        }
        let (first, second) = (number(&text[..2]), number(&text[3..5]));
        let year = number(&text[6..]);
        match order {
            Some(DateOrder::Mdy) => calendar(year, first, second),
            Some(DateOrder::Dmy) => calendar(year, second, first),
            Some(DateOrder::Ymd) | None => Form::Odd,
        }
    }

    /// What has no digit is no moment, unless it is one of a few words; nor is nothing at all.
    fn words(self, text: &[u8]) -> Form {
        // In a time, such punctuation may make it the name of a time zone.
        let joins = |byte: u8| self.has_date() && b"-./".contains(&byte);
        let is_word = text.iter().all(|byte| byte.is_ascii_alphabetic() || joins(*byte))
            && text.first().is_none_or(u8::is_ascii_alphabetic)
            // In other characters there are no words.
            || !text.iter().any(u8::is_ascii)
            || matches!(text, b"-" | b"--");
        let known = |part: &[u8]| {
            let mut words = WORDS.iter();
            words.any(|word| part.eq_ignore_ascii_case(word.as_bytes()))
        };
        let mut parts = text.split(|byte| joins(*byte));
        if is_word && !parts.any(known) {
            Form::Nothing
        } else {
            Form::Odd
        }
    }

    /// Whether every server reads it alike: not by `DateStyle`, for example.
    pub(super) fn is_iso(self, value: &[u8]) -> bool {
        self.iso(trimmed(value)) == Form::Known
    }
}

/// `interval`: a plain time of day, and what is empty.
pub(super) fn interval(value: &[u8]) -> Verdict {
    let text = trimmed(value);
    if text.is_empty() {
        Verdict::Bad(Fault::syntax("22007", "interval", value))
    } else if text.len() == 8 && time(text, false) == Form::Known {
        Verdict::Fine
    } else {
        Verdict::Unsure
    }
}

/// `YYYY-MM-DD` or `YYYY/MM/DD`.
#[inline]
fn iso_date(text: &[u8; 10]) -> Form {
    if !is_separated(text[4], text[7]) {
        return Form::Odd;
    }
    calendar(number(&text[..4]), number(&text[5..7]), number(&text[8..]))
}

/// Whether these two may divide a date.
#[inline]
fn is_separated(first: u8, second: u8) -> bool {
    first == second && matches!(first, b'-' | b'/')
}

/// Whether there is such a day. There is no year 0.
#[inline]
fn calendar(year: Option<u32>, month: Option<u32>, day: Option<u32>) -> Form {
    let (Some(year), Some(month), Some(day)) = (year, month, day) else {
        return Form::Odd;
    };
    // A table, for a branch by month is guessed wrong too often.
    let days = DAYS.get(month as usize);
    let leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = days.map_or(0, |days| days + u32::from(leap));
    if year > 0 && (1..=days).contains(&day) {
        Form::Known
    } else {
        Form::OutOfRange
    }
}

/// A time of day to the minute, the second or parts of it; `zoned`: an offset may follow. What
/// stands at the end of its range, such as 24:00 and a second 60, is odd.
fn time(text: &[u8], zoned: bool) -> Form {
    let Some((clock, rest)) = text.split_first_chunk::<5>() else {
        return Form::Odd;
    };
    let (second, rest) = match rest {
        [b':', tens, ones, rest @ ..] => (number(&[*tens, *ones]), seconds_end(rest)),
        _ => (Some(0), Some(rest)),
    };
    let (Some(hour), Some(minute)) = (number(&clock[..2]), number(&clock[3..])) else {
        return Form::Odd;
    };
    let (Some(second), Some(rest), b':') = (second, rest, clock[2]) else {
        return Form::Odd;
    };
    let ends = rest.is_empty() || zoned && is_offset(rest);
    if ends && hour < 24 && minute < 60 && second < 60 {
        Form::Known
    } else if ends && (hour > 24 || minute > 59 || second > 60) {
        Form::OutOfRange
    } else {
        Form::Odd
    }
}

/// What follows the parts of a second, which are up to nine digits. More than six are rounded,
/// which must not reach the next second.
fn seconds_end(text: &[u8]) -> Option<&[u8]> {
    let [b'.', text @ ..] = text else {
        return Some(text);
    };
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    let known = match digits.len() {
        1..=6 => true,
        7..=9 => !digits.starts_with(b"999999"),
        _ => false,
    };
    known.then_some(rest)
}

/// `Z`, `+08`, `+0800` or `+08:00`, perhaps behind a blank, up to 14 hours.
fn is_offset(text: &[u8]) -> bool {
    let text = match text.strip_prefix(b" ").unwrap_or(text) {
        b"Z" => return true,
        [b'+' | b'-', text @ ..] => text,
        _ => return false,
    };
    let Some((hours, minutes)) = text.split_first_chunk::<2>() else {
        return false;
    };
    let minutes = match minutes {
        [] => Some(0),
        [b':', minutes @ ..] | minutes if minutes.len() == 2 => number(minutes),
        _ => None,
    };
    match (number(hours), minutes) {
        (Some(hours), Some(minutes)) => hours < 14 && minutes < 60 || hours == 14 && minutes == 0,
        _ => false,
    }
}

/// The number that a few digits say.
#[inline]
fn number(digits: &[u8]) -> Option<u32> {
    let (mut number, mut wrong) = (0, false);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        number = number * 10 + u32::from(digit);
        wrong |= digit > 9;
    }
    (!wrong).then_some(number)
}
