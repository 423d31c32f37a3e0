//! Passwords by SCRAM-SHA-256 (RFC 7677), the only way in: no clear text, no MD5.
//!
//! The server derives a verifier from the password once and forgets the rest: who reads its memory later learns what
//! checks a proof, not what makes one. A user that does not exist goes through the same exchange with a verifier of
//! nothing, so that a client cannot tell which of the two was wrong.

use pgwire::api::auth::sasl::scram::{
    SCRAM_ITERATIONS, ScramSecret, ScramServerAuth, ScramServerAuthWaitingForClientFinal, gen_salted_password,
};

use crate::config::Password;

/// The only mechanism offered.
pub(super) const MECHANISM: &str = "SCRAM-SHA-256";

/// What checks a client's proof that it knows the password.
pub struct Credentials {
    salt: [u8; 16],
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl Credentials {
    /// Derives the verifier, with a salt of its own. Takes a millisecond or two.
    pub fn new(password: &Password) -> Self {
        let salt: [u8; 16] = rand::random();
        let salted = gen_salted_password(password.reveal(), &salt, SCRAM_ITERATIONS);
        match ScramSecret::verifier_from_salted_password(salt.to_vec(), salted, SCRAM_ITERATIONS) {
            ScramSecret::Verifier { stored_key, server_key, .. } => Self { salt, stored_key, server_key },
            // That function makes verifiers only; keys that fit no proof keep this arm safe as well.
            ScramSecret::SaltedPassword { .. } => Self::of_no_one(),
        }
    }

    /// Keys that no proof fits.
    fn of_no_one() -> Self {
        let key = || rand::random::<[u8; 32]>().to_vec();
        Self { salt: rand::random(), stored_key: key(), server_key: key() }
    }

    fn secret(&self) -> ScramSecret {
        ScramSecret::Verifier {
            salt: self.salt.to_vec(),
            iterations: SCRAM_ITERATIONS,
            stored_key: self.stored_key.clone(),
            server_key: self.server_key.clone(),
        }
    }
}

/// The exchange after the client's first message.
pub(super) struct Exchange {
    state: ScramServerAuthWaitingForClientFinal,
}

/// Why an exchange cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The message is not SCRAM's.
    Malformed,
    /// The proof is not of the password.
    Wrong,
}

impl Exchange {
    /// Answers the client's first message. `credentials` are none for a user that does not exist.
    pub(super) fn begin(
        client_first: &[u8],
        credentials: Option<&Credentials>,
    ) -> Result<(String, Self), Failure> {
        let secret = credentials.map_or_else(|| Credentials::of_no_one().secret(), Credentials::secret);
        let (reply, state) = ScramServerAuth::new()
            .on_client_first_message_with_secret(client_first, secret)
            .map_err(|_| Failure::Malformed)?;
        Ok((reply, Self { state }))
    }

    /// Answers the client's last message, if its proof holds.
    pub(super) fn finish(&self, client_final: &[u8]) -> Result<String, Failure> {
        self.state.on_client_final_message(client_final).map_err(|error| match error {
            pgwire::error::PgWireError::InvalidPassword(_) => Failure::Wrong,
            _ => Failure::Malformed,
        })
    }
}
