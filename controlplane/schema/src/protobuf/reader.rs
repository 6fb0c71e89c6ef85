//! Protobuf's wire format: tags, variable-length numbers and lengths.

/// A field's value as it lies in the bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum WireValue<'a> {
    /// A variable-length number.
    Number(u64),
    /// Text, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
    /// Eight or four bytes, which no field of the table has.
    Fixed,
}

impl<'a> WireValue<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], String> {
        match self {
            WireValue::Bytes(bytes) => Ok(bytes),
            WireValue::Number(_) | WireValue::Fixed => Err("got a number, want bytes".to_owned()),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, String> {
        std::str::from_utf8(self.bytes()?).map_err(|error| format!("the text is not UTF-8: {error}"))
    }

    pub(super) fn number(self) -> Result<u64, String> {
        match self {
            WireValue::Number(number) => Ok(number),
            WireValue::Bytes(_) | WireValue::Fixed => Err("got bytes, want a number".to_owned()),
        }
    }
}

/// Reads fields one after the other. It never looks beyond its bytes.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// The next field's number and value; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, WireValue<'a>)>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = match u32::try_from(tag >> 3) {
            Ok(number) if number > 0 && number < (1 << 29) => number,
            _ => return Err(format!("{} is no field number", tag >> 3)),
        };
        let value = match tag & 7 {
            0 => WireValue::Number(self.varint()?),
            1 => self.skip(8)?,
            2 => {
                let length = self.varint()?;
                let taken =
                    usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
                let Some((bytes, rest)) = taken else {
                    return Err(format!(
                        "field {number} claims {length} bytes, but {} are left",
                        self.rest.len()
                    ));
                };
                self.rest = rest;
                WireValue::Bytes(bytes)
            }
            5 => self.skip(4)?,
            other => return Err(format!("field {number} has the wire type {other}, want 0, 1, 2 or 5")),
        };
        Ok(Some((number, value)))
    }

    /// The next of packed numbers; `None` at the end.
    pub(super) fn packed(&mut self) -> Result<Option<u64>, String> {
        if self.rest.is_empty() { Ok(None) } else { self.varint().map(Some) }
    }

    fn skip(&mut self, length: usize) -> Result<WireValue<'a>, String> {
        match self.rest.split_at_checked(length) {
            Some((_, rest)) => self.rest = rest,
            None => return Err("it breaks off in a number".to_owned()),
        }
        Ok(WireValue::Fixed)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0u64;
        for (at, byte) in self.rest.iter().copied().enumerate().take(10) {
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                if at == 9 && byte > 1 {
                    return Err("a number is larger than 64 bits".to_owned());
                }
                self.rest = &self.rest[at + 1..];
                return Ok(number);
            }
        }
        Err(if self.rest.len() < 10 {
            "it breaks off in a number"
        } else {
            "a number is longer than 10 bytes"
        }
        .to_owned())
    }
}
