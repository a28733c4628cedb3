//! Errors and notices as a Gauss server sends them.

use super::frames::{Frame, texts};

/// An error of the server: what it says, without its severity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerError {
    code: String,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    /// Of a character in the statement; 1 is the first.
    position: Option<usize>,
    /// The server's own number.
    number: u32,
}

impl ServerError {
    /// With this SQLSTATE and message.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            number: 0,
        }
    }

    /// The same, with a DETAIL.
    #[must_use]
    pub(crate) fn detail(mut self, text: &str) -> Self {
        self.detail = Some(text.to_owned());
        self
    }

    /// The same, with a HINT.
    #[must_use]
    pub(super) fn hint(mut self, text: &str) -> Self {
        self.hint = Some(text.to_owned());
        self
    }

    #[must_use]
    pub(super) fn position(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    #[must_use]
    pub(super) fn number(mut self, number: u32) -> Self {
        self.number = number;
        self
    }

    /// As an ErrorResponse.
    pub(super) fn frame(&self, severity: &str) -> Frame {
        self.tagged(b'E', severity)
    }

    /// As a NoticeResponse.
    pub(super) fn notice(&self, severity: &str) -> Frame {
        self.tagged(b'N', severity)
    }

    fn tagged(&self, tag: u8, severity: &str) -> Frame {
        let position = self.position.map(|position| position.to_string());
        let number = self.number.to_string();
        let fields = [
            (b'S', Some(severity)),
            (b'c', Some(number.as_str())),
            (b'M', Some(self.message.as_str())),
            (b'C', Some(self.code.as_str())),
            (b'd', Some("BACKEND")),
            (b'D', self.detail.as_deref()),
            (b'H', self.hint.as_deref()),
            (b'P', position.as_deref()),
        ];
        let mut body = Vec::new();
        for (letter, text) in fields {
            if let Some(text) = text {
                body.push(letter);
                body.extend(text.bytes());
                body.push(0);
            }
        }
        body.push(0);
        Frame::new(tag, &body)
    }
}

/// A field of an ErrorResponse or NoticeResponse, by its letter.
pub(super) fn field(frame: &Frame, letter: u8) -> Option<&[u8]> {
    fields(frame)
        .find(|(found, _)| *found == letter)
        .map(|(_, text)| text)
}

fn fields(frame: &Frame) -> impl Iterator<Item = (u8, &[u8])> {
    texts(frame.body()).map_while(|field| field.split_first().map(|(letter, text)| (*letter, text)))
}

/// PostgreSQL's ErrorResponse or NoticeResponse with the fields that a Gauss server sends, in its
/// order: it has none of `V`, `F`, `L`, `R`, nor names of table and constraint; its own number and
/// module go by letters that PostgreSQL uses for names.
pub(super) fn as_gauss(frame: &Frame) -> Frame {
    let mut body = Vec::new();
    let mut put = |letter: u8, text: &[u8]| {
        body.push(letter);
        body.extend(text);
        body.push(0);
    };
    for letter in *b"ScMCdDHWPpq" {
        match letter {
            b'c' => put(letter, b"0"),
            b'd' => put(letter, b"BACKEND"),
            b'M' => put(letter, &message(frame)),
            _ => {
                if let Some(text) = field(frame, letter) {
                    put(letter, text);
                }
            }
        }
    }
    body.push(0);
    Frame::new(frame.tag(), &body)
}

/// The message, worded as a Gauss server words it where that was recorded.
fn message(frame: &Frame) -> Vec<u8> {
    let text = field(frame, b'M').unwrap_or_default();
    match field(frame, b'C') {
        Some(b"25P02") => [text, b", firstChar[Q]"].concat(),
        Some(b"22P02") => {
            let text = String::from_utf8_lossy(text);
            text.replace("syntax for type integer:", "syntax for integer:")
                .into_bytes()
        }
        _ => text.to_vec(),
    }
}
