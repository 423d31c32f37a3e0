//! The server's messages, written into the connection's output.
//!
//! What is rare is pgwire's to encode; what every statement sends is written here without an allocation.

use bytes::{BufMut, Bytes, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::copy::{CopyInResponse, CopyOutResponse};
use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey,
};
use plimsoll_sql::SqlError;
use plimsoll_sql::plan::ResultColumn;
use plimsoll_sql::session::TransactionStatus;

/// How bad an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// The statement failed.
    Error,
    /// The connection ends.
    Fatal,
}

/// Where a message began, for its length.
pub(super) struct Mark(usize);

/// Begins a message: its type, and room for its length.
pub(super) fn begin(out: &mut Vec<u8>, tag: u8) -> Mark {
    out.put_u8(tag);
    let mark = Mark(out.len());
    out.put_i32(0);
    mark
}

/// Ends a message: fills in its length.
pub(super) fn end(out: &mut [u8], mark: &Mark) {
    fill(out, mark, 0);
}

fn fill(out: &mut [u8], mark: &Mark, uncounted: usize) {
    let length = i32::try_from(out.len() - mark.0 - uncounted).unwrap_or(i32::MAX);
    if let Some(place) = out.get_mut(mark.0..mark.0 + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Begins a value of a row: room for its length.
pub(super) fn begin_value(out: &mut Vec<u8>) -> Mark {
    let mark = Mark(out.len());
    out.put_i32(0);
    mark
}

/// Ends a value: fills in its length, which does not count itself.
pub(super) fn end_value(out: &mut [u8], mark: &Mark) {
    fill(out, mark, 4);
}

pub(super) fn parse_complete(out: &mut Vec<u8>) {
    out.put_slice(b"1\0\0\0\x04");
}

pub(super) fn bind_complete(out: &mut Vec<u8>) {
    out.put_slice(b"2\0\0\0\x04");
}

pub(super) fn close_complete(out: &mut Vec<u8>) {
    out.put_slice(b"3\0\0\0\x04");
}

pub(super) fn no_data(out: &mut Vec<u8>) {
    out.put_slice(b"n\0\0\0\x04");
}

pub(super) fn portal_suspended(out: &mut Vec<u8>) {
    out.put_slice(b"s\0\0\0\x04");
}

pub(super) fn empty_query(out: &mut Vec<u8>) {
    out.put_slice(b"I\0\0\0\x04");
}

pub(super) fn copy_done(out: &mut Vec<u8>) {
    out.put_slice(b"c\0\0\0\x04");
}

pub(super) fn ready(out: &mut Vec<u8>, status: TransactionStatus) {
    out.put_slice(b"Z\0\0\0\x05");
    out.put_u8(match status {
        TransactionStatus::Idle => b'I',
        TransactionStatus::InTransaction => b'T',
        TransactionStatus::Failed => b'E',
    });
}

pub(super) fn command_complete(out: &mut Vec<u8>, tag: &str) {
    let mark = begin(out, b'C');
    put_text(out, tag);
    end(out, &mark);
}

/// RowDescription; `formats` has one code per column, or none for text everywhere.
pub(super) fn row_description(out: &mut Vec<u8>, columns: &[ResultColumn], formats: &[i16]) {
    let mark = begin(out, b'T');
    out.put_u16(u16::try_from(columns.len()).unwrap_or(u16::MAX));
    for (index, column) in columns.iter().enumerate() {
        put_text(out, &column.name);
        out.put_u32(column.table);
        out.put_i16(column.attnum);
        out.put_u32(column.ty.ty.0);
        out.put_i16(column.ty.ty.info().map_or(-1, |info| info.len));
        out.put_i32(column.ty.typmod);
        out.put_i16(formats.get(index).copied().unwrap_or(0));
    }
    end(out, &mark);
}

pub(super) fn parameter_description(out: &mut Vec<u8>, types: impl ExactSizeIterator<Item = u32>) {
    let mark = begin(out, b't');
    out.put_u16(u16::try_from(types.len()).unwrap_or(u16::MAX));
    types.for_each(|ty| out.put_u32(ty));
    end(out, &mark);
}

/// One CopyData message.
pub(super) fn copy_data(out: &mut Vec<u8>, data: &[u8]) {
    let mark = begin(out, b'd');
    out.put_slice(data);
    end(out, &mark);
}

pub(super) fn copy_in(out: &mut Vec<u8>, formats: &[i16]) {
    let (overall, columns) = (overall(formats), formats.len() as i16);
    put(out, &CopyInResponse::new(overall, columns, formats.to_vec()));
}

pub(super) fn copy_out(out: &mut Vec<u8>, formats: &[i16]) {
    let (overall, columns) = (overall(formats), formats.len() as i16);
    put(out, &CopyOutResponse::new(overall, columns, formats.to_vec()));
}

fn overall(formats: &[i16]) -> i8 {
    i8::from(formats.contains(&1))
}

pub(super) fn error(out: &mut Vec<u8>, error: &SqlError, severity: Severity) {
    let severity = match severity {
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
    };
    put(out, &ErrorResponse::new(fields(error, severity)));
}

pub(super) fn notice(out: &mut Vec<u8>, notice: &SqlError, severity: &str) {
    put(out, &NoticeResponse::new(fields(notice, severity)));
}

/// The fields of an error that say something.
fn fields(error: &SqlError, severity: &str) -> Vec<(u8, String)> {
    let error = error.fields();
    let position = if error.position > 0 { error.position.to_string() } else { String::new() };
    // A zero byte would end the field; it can come in only as part of a value that is not text.
    let clean = |text: &str| text.replace('\0', "");
    let all = [
        (b'S', severity.to_owned()),
        (b'V', severity.to_owned()),
        (b'C', error.sqlstate.to_owned()),
        (b'M', clean(&error.message)),
        (b'D', clean(&error.detail)),
        (b'H', clean(&error.hint)),
        (b'P', position),
        (b'W', clean(&error.context)),
        (b's', clean(&error.schema)),
        (b't', clean(&error.table)),
        (b'c', clean(&error.column)),
        (b'd', clean(&error.data_type)),
        (b'n', clean(&error.constraint)),
    ];
    all.into_iter().filter(|(code, text)| *code == b'M' || !text.is_empty()).collect()
}

pub(super) fn parameter_status(out: &mut Vec<u8>, name: &str, value: &str) {
    put(out, &ParameterStatus::new(name.to_owned(), value.replace('\0', "")));
}

pub(super) fn backend_key(out: &mut Vec<u8>, id: i32, secret: i32) {
    put(out, &BackendKeyData::new(id, SecretKey::I32(secret)));
}

pub(super) fn authentication_ok(out: &mut Vec<u8>) {
    put(out, &Authentication::Ok);
}

pub(super) fn sasl_mechanisms(out: &mut Vec<u8>, mechanism: &str) {
    put(out, &Authentication::SASL(vec![mechanism.to_owned()]));
}

pub(super) fn sasl_continue(out: &mut Vec<u8>, data: String) {
    put(out, &Authentication::SASLContinue(Bytes::from(data)));
}

pub(super) fn sasl_final(out: &mut Vec<u8>, data: String) {
    put(out, &Authentication::SASLFinal(Bytes::from(data)));
}

pub(super) fn negotiate_version(out: &mut Vec<u8>, newest_minor: i32, unknown_options: Vec<String>) {
    put(out, &NegotiateProtocolVersion::new(newest_minor, unknown_options));
}

/// Encodes one of pgwire's messages. One that is too long for its kind is left out whole.
fn put(out: &mut Vec<u8>, message: &impl Message) {
    let mut encoded = BytesMut::new();
    match message.encode(&mut encoded) {
        Ok(()) => out.extend_from_slice(&encoded),
        Err(error) => tracing::error!(%error, "message left out"),
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.put_slice(text.as_bytes());
    out.put_u8(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_carries_its_length() {
        let mut out = Vec::new();
        command_complete(&mut out, "SELECT 1");
        assert_eq!(&out[..], b"C\0\0\0\x0dSELECT 1\0");
        let mark = begin_value(&mut out);
        out.put_slice(b"xy");
        end_value(&mut out, &mark);
        assert_eq!(&out[14..], b"\0\0\0\x02xy");
    }

    #[test]
    fn an_error_has_the_fields_that_say_something() {
        let mut out = Vec::new();
        let failed = SqlError::new("23505", "a\0b").with_constraint("t_pkey").with_position(3);
        error(&mut out, &failed, Severity::Error);
        assert_eq!(&out[5..], b"SERROR\0VERROR\0C23505\0Mab\0P3\0nt_pkey\0\0");
    }
}
