//! The value of a secret: where it comes in, and whether requests can be searched for it.

use std::io::Read;

use handshake_core::{code::ErrorCode, secret::Secret};
use handshake_leakage::Enrolment;
use zeroize::Zeroizing;

use crate::{
    error::{AppError, Result},
    factor,
};

/// The longest value that the vault takes, and a line end.
const MAX_INPUT: u64 = 8192 + 2;

fn bad(message: &str) -> AppError {
    AppError::usage(ErrorCode::InvalidConfig, message)
}

/// The value: typed without echo at a terminal, one line of standard input otherwise.
pub(super) fn read_value(name: &str) -> Result<Secret> {
    if factor::at_terminal() {
        return factor::ask(&format!("Value of {name} (not shown): "));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(MAX_INPUT).unwrap_or(0) + 1,
    ));
    std::io::stdin()
        .take(MAX_INPUT + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| bad("cannot read standard input"))?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(bad("no value on standard input")
            .next("pass the value as one line on standard input, or enter it at a terminal"));
    }
    if line.contains(&b'\n') || bytes.len() as u64 > MAX_INPUT {
        return Err(bad(
            "standard input must hold one line of at most 8192 bytes",
        ));
    }
    Ok(Secret::new(line.to_vec()))
}

/// Why requests cannot be searched for a value, if they cannot.
pub(super) fn weakness(value: &Secret) -> Option<String> {
    Enrolment::new(0)
        .add(value)
        .err()
        .map(|refused| refused.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a2_a_value_that_cannot_be_found_is_said_to_be_so() {
        assert!(weakness(&Secret::new(b"aaaaaaaaaaaaaaaaaaaa".to_vec())).is_some());
        assert_eq!(
            weakness(&Secret::new(b"sk-live-4f9Qz7LwX2mN8vB1".to_vec())),
            None
        );
    }
}
