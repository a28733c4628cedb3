//! Dates and times in the forms that files have, rewritten to the one that every server reads.

mod parts;
mod read;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::check::Fault;
use parts::Part;
use read::{Found, Wrong};

/// Characters of a value that a message shows.
const SHOWN: usize = 100;

/// What a date or a time of day looks like in a file.
///
/// There are three kinds. The first is that of `to_date` and `to_timestamp`, in upper or lower case:
///
/// | part | what it reads |
/// | --- | --- |
/// | `YYYY` | a year of four digits |
/// | `YY` | of two, as PostgreSQL does: 70 to 99 are 19.., 00 to 69 are 20.. |
/// | `RR` | of two, as Oracle does in this half of the century: 50 to 99 are 19.., 00 to 49 are 20.. |
/// | `MM`, `DD`, `DDD` | month, day of the month, day of the year |
/// | `MONTH`, `MON` | the English name of the month, whole or its first three letters |
/// | `DAY`, `DY` | the same of the day of the week, which must be that of the date |
/// | `HH24`, `MI`, `SS` | hour, minute, second |
/// | `HH12` or `HH` | hour from 1 to 12, beside `AM` or `PM` |
/// | `AM` or `PM`, `A.M.` or `P.M.` | either of both, with or without dots |
/// | `MS`, `US`, `FF1` to `FF9`, `FF` | decimals of the second: up to 3, 6, as many as it says, 9 |
/// | `TZH`, `TZM` | hours of the offset from UTC with their sign, and minutes |
/// | `"text"` | the text itself |
/// | anything else but ASCII letters and digits | itself |
///
/// The second kind has percent signs, as `strftime` has them: `%Y %y %m %d %j %B %b %h %A %a %H %I %p
/// %M %S %f %z %:z %F %T %D %R %n %t %%`. `%y` is that of POSIX: 69 to 99 are 19... `%f` reads up to
/// nine decimals, and `%z` and `%:z` each `+0800`, `+08:00`, `+08` and `Z`. All else is itself.
///
/// The third is `epoch` (or `%s`) for seconds since 1970-01-01 in UTC, and `epoch_ms` for
/// milliseconds; both may have a sign and decimals.
///
/// A value has to be as the mask says from its first byte to its last. Names are read in upper and
/// lower case, and the whole ones also filled up with blanks to nine characters, as `to_char` writes
/// them. A number other than a year may have fewer digits than the mask has room for (decimals: than
/// it has places) where no other number touches it: `1.2.2026` is read by `DD.MM.YYYY`, and
/// `2026211` is not by `YYYYMMDD`. What is no date, such as the 31st of February, is a fault.
///
/// A date needs a year; a month or a day that the mask leaves out is the first. A mask without a
/// date reads a time of day.
#[derive(Debug, Clone)]
pub struct Mask {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Parts(Vec<Part>),
    /// Since 1970, in units of 1 second over 10 to the power of this.
    Epoch(u32),
}

impl Mask {
    /// Reads a mask.
    ///
    /// # Errors
    /// What of it is not known, is missing or stands twice.
    pub fn parse(text: &str) -> Result<Self, String> {
        let kind = match text.to_ascii_lowercase().as_str() {
            "epoch" | "%s" => Kind::Epoch(0),
            "epoch_ms" => Kind::Epoch(3),
            _ => Kind::Parts(parts::parse(text)?),
        };
        let text = text.to_owned();
        Ok(Self { text, kind })
    }

    /// Appends what `value` says in ISO form: `2026-01-31`, or with a time of day
    /// `2026-01-31 13:05:09.25`, or `13:05:09` alone, and behind it ` +08:00` where the mask has an
    /// offset. What is counted since 1970 has the offset of UTC, ` +00:00`.
    ///
    /// # Errors
    /// The value is not as the mask says, or is out of range. Nothing is appended then.
    pub fn rewrite(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let found = match &self.kind {
            Kind::Parts(parts) => read::read(parts, value),
            Kind::Epoch(digits) => epoch(value, *digits),
        };
        let found = found.map_err(|wrong| self.fault(value, &wrong))?;
        found.write(out);
        Ok(())
    }

    fn fault(&self, value: &[u8], wrong: &Wrong<'_>) -> Fault {
        let text = String::from_utf8_lossy(value);
        let mut shown: String = text.chars().take(SHOWN).collect();
        if shown.len() < text.len() {
            shown.push_str("...");
        }
        let mask = &self.text;
        let position = |at: usize| String::from_utf8_lossy(&value[..at]).chars().count() + 1;
        let invalid = |what: String| {
            let reason = format!("invalid value \"{shown}\" for the date format \"{mask}\"{what}");
            Fault::new("22007", reason)
        };
        match wrong {
            Wrong::Field(name, at) => {
                let position = position(*at);
                invalid(format!(": no {name} at character {position}"))
            }
            Wrong::Text(text, at) => {
                let position = position(*at);
                invalid(format!(": no \"{text}\" at character {position}"))
            }
            Wrong::TooLong(at) => {
                let position = position(*at);
                invalid(format!(": character {position} is one too many"))
            }
            Wrong::Number => invalid(": not a number".into()),
            Wrong::Weekday => invalid(": it is another day of the week".into()),
            Wrong::Range => {
                let reason = format!(
                    "date/time field value out of range: \"{shown}\" for the date format \"{mask}\""
                );
                Fault::new("22008", reason)
            }
        }
    }
}

/// The moment that is `value` units after 1970, 10 to the power of `digits` of which are a second.
fn epoch(value: &[u8], digits: u32) -> Result<Found, Wrong<'static>> {
    let places = 9 - digits;
    let text = std::str::from_utf8(value).map_err(|_| Wrong::Number)?;
    let (negative, number) = match text.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, text),
    };
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) {
        return Err(Wrong::Number);
    }
    // What is behind them is not known to any server.
    let decimals = decimals.get(..places as usize).unwrap_or(decimals);
    let scaled = format!("{whole}{decimals:0<width$}", width = places as usize);
    let nanoseconds: i128 = scaled.parse().map_err(|_| Wrong::Range)?;
    let nanoseconds = if negative { -nanoseconds } else { nanoseconds };
    let timestamp = Timestamp::from_nanosecond(nanoseconds).map_err(|_| Wrong::Range)?;
    let moment: DateTime = Offset::UTC.to_datetime(timestamp);
    Found::in_utc(moment)
}

#[cfg(test)]
mod tests;
