//! Asking a person for a passphrase: at the controlling terminal, without echo, never from argv, the
//! environment or a pipe.

use std::io::IsTerminal;

use handshake_core::{
    code::{ErrorCode, Phase},
    secret::Secret,
};

use handshake_llm::parts::{VaultError, weakness};
use zeroize::Zeroizing;

use crate::error::{AppError, Result};

/// Whether a person sits at this process's terminal.
pub(crate) fn at_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks. What was typed before the question does not answer it.
///
/// # Errors
/// `HSK-403-FACTOR-REQUIRED` without a terminal.
pub(crate) fn ask(question: &str) -> Result<Secret> {
    typed(question).map(secret)
}

/// Asks up to three times: a slip of the finger is no reason to begin anew.
pub(crate) struct Tries {
    question: String,
    left: u32,
}

impl Tries {
    /// Nobody was asked yet.
    pub(crate) fn new(question: impl Into<String>) -> Self {
        Self {
            question: question.into(),
            left: 3,
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// `HSK-403-FACTOR-REQUIRED` without a terminal.
    pub(crate) fn ask(&mut self) -> Result<Secret> {
        self.left -= 1;
        ask(&self.question)
    }

    /// What was entered did not do. Asks again next time, unless it is something else that is wrong, or the third time.
    ///
    /// # Errors
    /// The failure, where nobody is to be asked again.
    pub(crate) fn wrong(&mut self, error: AppError) -> Result<()> {
        // A lock-out says how long it lasts, and no passphrase helps until then.
        let again = error.code == ErrorCode::FactorRequired
            && error.message == VaultError::Factor.to_string();
        match (again, self.left) {
            (false, _) => Err(error),
            (true, 0) => {
                Err(required("wrong passphrase, three times").next("run the command again"))
            }
            (true, _) => {
                self.question = "Wrong passphrase. Try again: ".to_owned();
                Ok(())
            }
        }
    }
}

/// Asks for a new passphrase, twice. One that is easy to guess is asked for again.
///
/// # Errors
/// `HSK-403-FACTOR-REQUIRED` without a terminal, when the two differ, or when three were too weak.
pub(crate) fn ask_new(name: &str) -> Result<Secret> {
    let mut question = format!("Choose {name}: ");
    for _ in 0..3 {
        let once = typed(&question)?;
        if let Some(weakness) = weakness(&once) {
            question = format!("Too weak: {weakness}. Choose {name}: ");
            continue;
        }
        let (once, twice) = (secret(once), ask("Repeat it: ")?);
        return if once.same_as(&twice) {
            Ok(once)
        } else {
            Err(required("the two entries differ, so nothing was changed"))
        };
    }
    Err(
        required("no entry was strong enough, so nothing was changed")
            .next("use four or five random words"),
    )
}

fn required(message: &str) -> AppError {
    AppError::new(ErrorCode::FactorRequired, Phase::Input, message)
}

fn secret(text: Zeroizing<String>) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn typed(question: &str) -> Result<Zeroizing<String>> {
    if !at_terminal() {
        return Err(required(
            "the approval passphrase must be entered at a terminal",
        ));
    }
    let tty = rustix::fs::open(
        "/dev/tty",
        rustix::fs::OFlags::RDWR,
        rustix::fs::Mode::empty(),
    );
    if let Ok(tty) = tty {
        // Typed ahead is not typed as an answer. A terminal that cannot be flushed still asks.
        let _kept = rustix::termios::tcflush(&tty, rustix::termios::QueueSelector::IFlush);
    }
    rpassword::prompt_password(question)
        .map(Zeroizing::new)
        .map_err(|_| required("no passphrase was entered"))
}
