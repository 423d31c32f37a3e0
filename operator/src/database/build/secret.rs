//! The Secret: all that a client needs to connect, under the names that people use, and those that the Service Binding
//! specification (servicebinding.io) gives a binding of type `postgresql`.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::{Inputs, POSTGRESQL_PORT, owned};

/// The user of a new Database.
pub const USER: &str = "plimsoll";
/// The name of the database in a new Database.
pub const DATABASE: &str = "plimsoll";
/// The key of the password.
pub const PASSWORD_KEY: &str = "password";

pub(super) fn build(inputs: &Inputs) -> Secret {
    let host = inputs.names.host();
    let password = percent_encoded(inputs.password);
    let uri = format!("postgresql://{USER}:{password}@{host}:{POSTGRESQL_PORT}/{DATABASE}");
    let jdbc_uri =
        format!("jdbc:postgresql://{host}:{POSTGRESQL_PORT}/{DATABASE}?user={USER}&password={password}");
    let entries = [
        ("username", USER.to_owned()),
        (PASSWORD_KEY, inputs.password.to_owned()),
        ("host", host),
        ("port", POSTGRESQL_PORT.to_string()),
        ("dbname", DATABASE.to_owned()),
        ("uri", uri),
        ("jdbc-uri", jdbc_uri),
        ("type", "postgresql".to_owned()),
        ("provider", "plimsoll".to_owned()),
    ];
    let data: BTreeMap<String, ByteString> =
        entries.into_iter().map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes()))).collect();
    Secret {
        metadata: owned(inputs, &inputs.names.secret),
        type_: Some("servicebinding.io/postgresql".to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

/// A generated password needs no encoding; one that a person put into the Secret may (RFC 3986, section 2).
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn passwords_of_people_are_encoded() {
        assert_eq!(super::percent_encoded("aZ9-._~"), "aZ9-._~");
        assert_eq!(super::percent_encoded("p@ss/wörd"), "p%40ss%2Fw%C3%B6rd");
    }
}
