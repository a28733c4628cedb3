//! What a mask consists of.

/// A part of a mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// This text.
    Literal(String),
    /// A part of a moment.
    Field {
        field: Field,
        /// As the mask calls it.
        name: &'static str,
        /// It has all of its digits, for it touches another number.
        whole: bool,
    },
}

impl Part {
    /// How many blanks it begins with.
    pub(super) fn blanks(&self) -> usize {
        match self {
            Self::Literal(text) => text.len() - text.trim_start_matches(' ').len(),
            Self::Field { .. } => 0,
        }
    }
}

/// A part of a moment, and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// Four digits.
    Year,
    /// Two digits; those from this one on are years of the 20th century.
    ShortYear(u16),
    Month,
    /// In English; `short`: the first three letters.
    MonthName {
        short: bool,
    },
    Day,
    DayOfYear,
    WeekdayName {
        short: bool,
    },
    Hour,
    /// From 1 to 12.
    HalfHour,
    /// AM or PM, perhaps with dots.
    Meridian {
        dots: bool,
    },
    Minute,
    Second,
    /// Up to so many digits.
    Decimals(usize),
    /// With a sign.
    OffsetHour,
    OffsetMinute,
    /// Both, or `Z`.
    Offset,
}

/// What is said twice if two fields have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Year,
    Month,
    Day,
    DayOfYear,
    Weekday,
    Hour,
    Meridian,
    Minute,
    Second,
    Decimals,
    Offset,
    OffsetMinute,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Year => "the year",
            Self::Month => "the month",
            Self::Day => "the day",
            Self::DayOfYear => "the day of the year",
            Self::Weekday => "the day of the week",
            Self::Hour => "the hour",
            Self::Meridian => "AM or PM",
            Self::Minute => "the minute",
            Self::Second => "the second",
            Self::Decimals => "decimals of the second",
            Self::Offset => "the offset",
            Self::OffsetMinute => "minutes of the offset",
        }
    }
}

impl Field {
    fn subject(self) -> Subject {
        match self {
            Self::Year | Self::ShortYear(_) => Subject::Year,
            Self::Month | Self::MonthName { .. } => Subject::Month,
            Self::Day => Subject::Day,
            Self::DayOfYear => Subject::DayOfYear,
            Self::WeekdayName { .. } => Subject::Weekday,
            Self::Hour | Self::HalfHour => Subject::Hour,
            Self::Meridian { .. } => Subject::Meridian,
            Self::Minute => Subject::Minute,
            Self::Second => Subject::Second,
            Self::Decimals(_) => Subject::Decimals,
            Self::OffsetHour | Self::Offset => Subject::Offset,
            Self::OffsetMinute => Subject::OffsetMinute,
        }
    }

    /// Whether its first character is a digit, and its last.
    fn digits(self) -> (bool, bool) {
        match self {
            Self::MonthName { .. } | Self::WeekdayName { .. } | Self::Meridian { .. } => {
                (false, false)
            }
            Self::OffsetHour | Self::Offset => (false, true),
            _ => (true, true),
        }
    }
}

/// The parts of `to_date`. A part that begins as another does stands before it.
const TO_DATE: &[(&str, Field)] = &[
    ("YYYY", Field::Year),
    ("YY", Field::ShortYear(70)),
    ("RR", Field::ShortYear(50)),
    ("MONTH", Field::MonthName { short: false }),
    ("MON", Field::MonthName { short: true }),
    ("MM", Field::Month),
    ("DDD", Field::DayOfYear),
    ("DD", Field::Day),
    ("DAY", Field::WeekdayName { short: false }),
    ("DY", Field::WeekdayName { short: true }),
    ("HH24", Field::Hour),
    ("HH12", Field::HalfHour),
    ("HH", Field::HalfHour),
    ("AM", Field::Meridian { dots: false }),
    ("PM", Field::Meridian { dots: false }),
    ("A.M.", Field::Meridian { dots: true }),
    ("P.M.", Field::Meridian { dots: true }),
    ("MI", Field::Minute),
    ("SS", Field::Second),
    ("MS", Field::Decimals(3)),
    ("US", Field::Decimals(6)),
    ("FF1", Field::Decimals(1)),
    ("FF2", Field::Decimals(2)),
    ("FF3", Field::Decimals(3)),
    ("FF4", Field::Decimals(4)),
    ("FF5", Field::Decimals(5)),
    ("FF6", Field::Decimals(6)),
    ("FF7", Field::Decimals(7)),
    ("FF8", Field::Decimals(8)),
    ("FF9", Field::Decimals(9)),
    ("FF", Field::Decimals(9)),
    ("TZH", Field::OffsetHour),
    ("TZM", Field::OffsetMinute),
];

/// The parts of `strftime` that are one field.
const STRFTIME: &[(&str, Field)] = &[
    ("%Y", Field::Year),
    ("%y", Field::ShortYear(69)),
    ("%m", Field::Month),
    ("%B", Field::MonthName { short: false }),
    ("%b", Field::MonthName { short: true }),
    ("%h", Field::MonthName { short: true }),
    ("%d", Field::Day),
    ("%j", Field::DayOfYear),
    ("%A", Field::WeekdayName { short: false }),
    ("%a", Field::WeekdayName { short: true }),
    ("%H", Field::Hour),
    ("%I", Field::HalfHour),
    ("%p", Field::Meridian { dots: false }),
    ("%M", Field::Minute),
    ("%S", Field::Second),
    ("%f", Field::Decimals(9)),
    ("%z", Field::Offset),
    ("%:z", Field::Offset),
];

/// Those that stand for others.
const SHORTHANDS: &[(&str, &str)] = &[
    ("%F", "%Y-%m-%d"),
    ("%T", "%H:%M:%S"),
    ("%D", "%m/%d/%y"),
    ("%R", "%H:%M"),
];

/// Those that are a character.
const CHARACTERS: &[(&str, char)] = &[("%n", '\n'), ("%t", '\t'), ("%%", '%')];

/// Reads a mask of `to_date` or, where a `%` is in it, of `strftime`.
pub(super) fn parse(mask: &str) -> Result<Vec<Part>, String> {
    let mut parts = Parts::default();
    if mask.contains('%') {
        parts.add_strftime(mask)?;
    } else {
        parts.add_to_date(mask)?;
    }
    let mut parts = parts.0;
    check(&parts)?;
    mark_whole(&mut parts);
    Ok(parts)
}

#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn add_to_date(&mut self, mask: &str) -> Result<(), String> {
        let mut rest = mask;
        while let Some(first) = rest.chars().next() {
            let known = TO_DATE.iter().find(|(name, _)| {
                let begins = rest.get(..name.len());
                begins.is_some_and(|begins| begins.eq_ignore_ascii_case(name))
            });
            rest = if let Some((name, field)) = known {
                self.field(name, *field);
                &rest[name.len()..]
            } else if first == '"' {
                self.quoted(&rest[1..])?
            } else if first.is_ascii_alphanumeric() {
                return Err(unknown_in_to_date(rest));
            } else {
                self.character(first);
                &rest[first.len_utf8()..]
            };
        }
        Ok(())
    }

    /// Adds the text up to the closing quote; what follows it. A backslash makes text of the
    /// character behind it.
    fn quoted<'a>(&mut self, rest: &'a str) -> Result<&'a str, String> {
        let mut chars = rest.chars();
        while let Some(character) = chars.next() {
            match character {
                '"' => return Ok(chars.as_str()),
                '\\' => chars
                    .next()
                    .into_iter()
                    .for_each(|next| self.character(next)),
                other => self.character(other),
            }
        }
        Err("a double quote is left open".into())
    }

    fn add_strftime(&mut self, mask: &str) -> Result<(), String> {
        let mut rest = mask;
        while let Some(first) = rest.chars().next() {
            if first != '%' {
                self.character(first);
                rest = &rest[first.len_utf8()..];
            } else if let Some((name, field)) = known(STRFTIME, rest) {
                self.field(name, field);
                rest = &rest[name.len()..];
            } else if let Some((name, meaning)) = known(SHORTHANDS, rest) {
                self.add_strftime(meaning)?;
                rest = &rest[name.len()..];
            } else if let Some((name, character)) = known(CHARACTERS, rest) {
                self.character(character);
                rest = &rest[name.len()..];
            } else {
                return Err(unknown_in_strftime(rest));
            }
        }
        Ok(())
    }

    fn field(&mut self, name: &'static str, field: Field) {
        self.0.push(Part::Field {
            field,
            name,
            whole: false,
        });
    }

    fn character(&mut self, character: char) {
        if let Some(Part::Literal(text)) = self.0.last_mut() {
            text.push(character);
        } else {
            self.0.push(Part::Literal(character.into()));
        }
    }
}

/// What `rest` begins with.
fn known<T: Copy>(among: &[(&'static str, T)], rest: &str) -> Option<(&'static str, T)> {
    let mut among = among.iter().copied();
    among.find(|(name, _)| rest.starts_with(name))
}

fn unknown_in_to_date(rest: &str) -> String {
    let word: String = rest
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let names: Vec<&str> = TO_DATE.iter().map(|(name, _)| *name).collect();
    format!(
        "`{word}` is not known; known are {}, and text in double quotes",
        names.join(", ")
    )
}

fn unknown_in_strftime(rest: &str) -> String {
    let end = rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at);
    let singles = STRFTIME.iter().map(|(name, _)| *name);
    let shorthands = SHORTHANDS.iter().map(|(name, _)| *name);
    let characters = CHARACTERS.iter().map(|(name, _)| *name);
    let names: Vec<&str> = singles.chain(shorthands).chain(characters).collect();
    format!(
        "`{}` is not known; known are {}",
        &rest[..end],
        names.join(", ")
    )
}

/// Checks that the parts make a moment together.
fn check(parts: &[Part]) -> Result<(), String> {
    let mut fields: Vec<Field> = Vec::new();
    for part in parts {
        if let Part::Field { field, .. } = part {
            let subject = field.subject();
            if fields.iter().any(|other| other.subject() == subject) {
                return Err(format!("{} stands in it twice", subject.name()));
            }
            fields.push(*field);
        }
    }
    if fields.is_empty() {
        return Err("neither a date nor a time stands in it".into());
    }
    let has = |subject| fields.iter().any(|field| field.subject() == subject);
    for (subject, needed) in [
        (Subject::Month, Subject::Year),
        (Subject::Day, Subject::Month),
        (Subject::DayOfYear, Subject::Year),
        (Subject::Meridian, Subject::Hour),
        (Subject::Minute, Subject::Hour),
        (Subject::Second, Subject::Minute),
        (Subject::Decimals, Subject::Second),
        (Subject::Offset, Subject::Hour),
        (Subject::OffsetMinute, Subject::Offset),
    ] {
        if has(subject) && !has(needed) {
            let (subject, needed) = (subject.name(), needed.name());
            return Err(format!("{subject} stands in it without {needed}"));
        }
    }
    if has(Subject::Weekday) && !has(Subject::Day) && !has(Subject::DayOfYear) {
        return Err("the day of the week stands in it without the day".into());
    }
    if has(Subject::DayOfYear) && has(Subject::Month) {
        return Err("the day of the year stands in it beside the month".into());
    }
    let half = fields.contains(&Field::HalfHour);
    if half && !has(Subject::Meridian) {
        return Err(
            "an hour from 1 to 12 stands in it without AM or PM; HH24 or %H is one from 0 to 23"
                .into(),
        );
    }
    if !half && has(Subject::Meridian) {
        return Err("AM or PM stands in it beside an hour from 0 to 23".into());
    }
    Ok(())
}

/// Marks the numbers that touch another.
fn mark_whole(parts: &mut [Part]) {
    let digits: Vec<(bool, bool)> = parts
        .iter()
        .map(|part| match part {
            Part::Field { field, .. } => field.digits(),
            Part::Literal(text) => (
                text.starts_with(|first: char| first.is_ascii_digit()),
                text.ends_with(|last: char| last.is_ascii_digit()),
            ),
        })
        .collect();
    for (index, part) in parts.iter_mut().enumerate() {
        if let Part::Field { whole, .. } = part {
            let before = index > 0 && digits[index - 1].1 && digits[index].0;
            let after = digits[index].1 && digits.get(index + 1).is_some_and(|next| next.0);
            *whole = before || after;
        }
    }
}
