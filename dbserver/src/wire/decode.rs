//! The bodies of a client's messages, read in place.
//!
//! pgwire's own decoders copy every text and, for a body that is shorter than it says, reach beyond it or panic; a server
//! for the open world needs neither. So messages are cut at their length first ([`super::channel`]) and read here with
//! every step checked: what is malformed becomes an error with PostgreSQL's code and text.

use plimsoll_sql::SqlError;
use plimsoll_sql::error::{Result, sqlstate};

/// Parse: prepare a statement.
#[derive(Debug, PartialEq)]
pub(super) struct Parse<'a> {
    pub name: &'a str,
    pub sql: &'a str,
    pub types: Vec<u32>,
}

/// Bind: make a portal of a statement.
#[derive(Debug, PartialEq)]
pub(super) struct Bind<'a> {
    pub portal: &'a str,
    pub statement: &'a str,
    /// Format and bytes of each parameter; none for null.
    pub params: Vec<Option<(i16, &'a [u8])>>,
    pub result_formats: Vec<i16>,
}

/// What Describe and Close are about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    Statement(&'a str),
    Portal(&'a str),
}

/// The text of a simple query.
pub(super) fn query(body: &[u8]) -> Result<&str> {
    let mut body = Body(body);
    let sql = body.text()?;
    body.end()?;
    Ok(sql)
}

pub(super) fn parse(body: &[u8]) -> Result<Parse<'_>> {
    let mut body = Body(body);
    let (name, sql) = (body.text()?, body.text()?);
    let count = body.u16()?;
    let types = (0..count).map(|_| body.i32().map(i32::cast_unsigned)).collect::<Result<_>>()?;
    body.end()?;
    Ok(Parse { name, sql, types })
}

pub(super) fn bind(body: &[u8]) -> Result<Bind<'_>> {
    let mut body = Body(body);
    let (portal, statement) = (body.text()?, body.text()?);
    let formats = body.formats()?;
    let count = body.u16()?;
    if formats.len() > 1 && formats.len() != usize::from(count) {
        return Err(protocol(format!(
            "bind message has {} parameter formats but {count} parameters",
            formats.len()
        )));
    }
    // A null takes four bytes, so a body cannot make this grow beyond its own length.
    let mut params = Vec::with_capacity(usize::from(count).min(body.0.len() / 4));
    for index in 0..usize::from(count) {
        let format = formats.get(index).or(formats.first()).copied().unwrap_or(0);
        let length = body.i32()?;
        params.push(match usize::try_from(length) {
            Ok(length) => Some((format, body.bytes(length)?)),
            Err(_) if length == -1 => None,
            Err(_) => return Err(insufficient()),
        });
    }
    let result_formats = body.formats()?;
    body.end()?;
    Ok(Bind { portal, statement, params, result_formats })
}

/// Describe and Close.
pub(super) fn target(body: &[u8]) -> Result<Target<'_>> {
    let mut body = Body(body);
    let kind = body.u8()?;
    let name = body.text()?;
    body.end()?;
    match kind {
        b'S' => Ok(Target::Statement(name)),
        b'P' => Ok(Target::Portal(name)),
        other => Err(protocol(format!("invalid DESCRIBE or CLOSE message subtype {other}"))),
    }
}

/// Execute: the portal and the most rows to return, 0 for all.
pub(super) fn execute(body: &[u8]) -> Result<(&str, u64)> {
    let mut body = Body(body);
    let portal = body.text()?;
    // As in PostgreSQL, nothing and less than nothing mean all.
    let rows = u64::try_from(body.i32()?).unwrap_or(0);
    body.end()?;
    Ok((portal, rows))
}

/// CopyFail: why.
pub(super) fn copy_fail(body: &[u8]) -> Result<&str> {
    query(body)
}

/// SASLInitialResponse: the mechanism and the client's first message.
pub(super) fn sasl_initial(body: &[u8]) -> Result<(&str, &[u8])> {
    let mut body = Body(body);
    let mechanism = body.text()?;
    let length = usize::try_from(body.i32()?).map_err(|_| insufficient())?;
    let data = body.bytes(length)?;
    body.end()?;
    Ok((mechanism, data))
}

fn protocol(message: impl Into<String>) -> SqlError {
    SqlError::new(sqlstate::PROTOCOL_VIOLATION, message)
}

fn insufficient() -> SqlError {
    protocol("insufficient data left in message")
}

/// What is left of a body.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(insufficient)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or_else(insufficient)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn u8(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// Text up to a zero byte.
    fn text(&mut self) -> Result<&'a str> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| protocol("invalid string in message"))?;
        let bytes = self.bytes(end)?;
        self.u8()?;
        std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))
    }

    fn formats(&mut self) -> Result<Vec<i16>> {
        let count = self.u16()?;
        let mut formats = Vec::with_capacity(usize::from(count).min(self.0.len() / 2));
        for _ in 0..count {
            let format = i16::from_be_bytes(self.array()?);
            if !(0..=1).contains(&format) {
                return Err(SqlError::new(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!("unsupported format code: {format}"),
                ));
            }
            formats.push(format);
        }
        Ok(formats)
    }

    fn end(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(protocol("invalid message format")) }
    }
}

fn not_utf8(bytes: &[u8], valid: usize) -> SqlError {
    let shown: Vec<String> = bytes.iter().skip(valid).take(4).map(|byte| format!("0x{byte:02x}")).collect();
    let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
    SqlError::new(sqlstate::CHARACTER_NOT_IN_REPERTOIRE, message)
}

#[cfg(test)]
#[path = "../../storage/src/fuzz/mutate.rs"]
mod mutate;

#[cfg(test)]
mod tests {
    use super::mutate::{corpus, mutate};
    use super::*;
    use rand::prelude::*;

    #[test]
    fn bind_spreads_one_format_over_all() {
        let body = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0";
        let bind = bind(body).unwrap();
        assert_eq!(bind.params, [Some((1, &b"x"[..])), None]);
        assert_eq!((bind.portal, bind.statement), ("p", "s"));
    }

    #[test]
    fn lengths_beyond_the_body_are_errors() {
        let state = |error: SqlError| error.sqlstate();
        assert_eq!(state(bind(b"\0\0\0\0\0\x01\x7f\xff\xff\xff").unwrap_err()), "08P01");
        assert_eq!(state(bind(b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0").unwrap_err()), "08P01");
        assert_eq!(state(parse(b"\0select 1\0\xff\xff").unwrap_err()), "08P01");
        assert_eq!(state(query(b"select 1").unwrap_err()), "08P01");
        assert_eq!(state(query(b"select '\xc3'\0").unwrap_err()), "22021");
        assert_eq!(state(bind(b"\0\0\0\x01\0\x07\0\0\0\0").unwrap_err()), "22023");
    }

    /// All that a client may send, each body given to every decoder.
    fn decode(body: &[u8]) {
        let _ = (query(body), target(body), execute(body), copy_fail(body), sasl_initial(body));
        if let Ok(parse) = parse(body) {
            assert_eq!(parse.name.len() + parse.sql.len() + 4 * parse.types.len() + 4, body.len());
        }
        if let Ok(bind) = bind(body) {
            let params: usize =
                bind.params.iter().map(|param| param.map_or(0, |(_, bytes)| bytes.len()) + 4).sum();
            assert!(
                bind.portal.len() + bind.statement.len() + params + 2 * bind.result_formats.len()
                    < body.len()
            );
        }
    }

    #[test]
    fn no_body_makes_a_decoder_panic() {
        let mut inputs: Vec<Vec<u8>> = [
            &b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\x01\0\x01"[..],
            b"name\0select $1\0\0\x02\0\0\0\x17\0\0\0\0",
            b"SCRAM-SHA-256\0\0\0\0\x05n,,n=",
            b"Sname\0",
            b"portal\0\0\0\0\x64",
        ]
        .map(<[u8]>::to_vec)
        .to_vec();
        inputs.extend(corpus(include_str!("corpus.txt"), "body"));
        inputs.iter().for_each(|input| decode(input));
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..20_000 {
            let mut body = inputs.choose(&mut random).unwrap().clone();
            mutate(&mut random, &mut body, &inputs);
            decode(&body);
        }
    }
}
