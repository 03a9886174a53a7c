//! Asking a person for a passphrase: at the controlling terminal, without echo, never from argv, the
//! environment or a pipe.

use std::io::{BufRead, IsTerminal, Write};

use handshake_core::{
    code::{ErrorCode, Phase},
    secret::Secret,
};

use handshake_llm::parts::{Given, VaultError, weakness};
use zeroize::Zeroizing;

use crate::{
    error::{AppError, Result},
    keys::kept::Kept,
    out::printable,
};

pub(crate) mod code;

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

/// A factor that a person typed: the passphrase, or the recovery code in its place.
#[derive(Debug)]
pub(crate) enum Typed {
    Passphrase(Secret),
    Recovery(Secret),
}

impl Typed {
    /// Asks for the passphrase; whoever enters nothing is asked for the recovery code.
    ///
    /// # Errors
    /// `HSK-403-FACTOR-REQUIRED` without a terminal, and where neither was entered.
    fn ask(question: &str) -> Result<Self> {
        let passphrase = ask(question)?;
        if !passphrase.is_empty() {
            return Ok(Self::Passphrase(passphrase));
        }
        let code = ask("Recovery code: ")?;
        match code.is_empty() {
            true => Err(required("nothing was entered, so nothing was changed")),
            false => Ok(Self::Recovery(code)),
        }
    }

    pub(crate) fn given(&self) -> Given<'_> {
        match self {
            Self::Passphrase(secret) => Given::Passphrase(secret),
            Self::Recovery(secret) => Given::Recovery(secret),
        }
    }
}

/// Asks for the passphrase or the recovery code until one does, up to three times. The question is told how to give the
/// code.
///
/// # Errors
/// `HSK-403-FACTOR-REQUIRED` without a terminal, and what `attempt` ends in.
pub(crate) fn either<T, E: Into<AppError>>(
    question: &str,
    mut attempt: impl FnMut(Given<'_>) -> std::result::Result<T, E>,
) -> Result<T> {
    let mut tries = Tries::new(printable(&format!(
        "{question} (leave empty to give the recovery code): "
    )));
    loop {
        let typed = tries.ask_with(Typed::ask)?;
        match attempt(typed.given()) {
            Ok(done) => return Ok(done),
            Err(error) => tries.wrong(error.into())?,
        }
    }
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
        self.ask_with(ask)
    }

    fn ask_with<T>(&mut self, ask: impl FnOnce(&str) -> Result<T>) -> Result<T> {
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
                let code = " (leave empty to give the recovery code)";
                let code = if self.question.contains(code) {
                    code
                } else {
                    ""
                };
                self.question = format!("Wrong passphrase. Try again{code}: ");
                Ok(())
            }
        }
    }
}

/// What a new approval passphrase is, in the question for one.
pub(crate) const NEW: &str =
    "an approval passphrase of at least 12 characters (asked for at every approval)";

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

/// A word that somebody types at the terminal, in plain sight. It proves nothing but that they read the question.
pub(crate) fn word(question: &str) -> String {
    let mut stderr = std::io::stderr().lock();
    // A terminal that cannot be written to cannot answer either.
    let _asked = stderr
        .write_all(printable(question).as_bytes())
        .and_then(|()| stderr.flush());
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(_) => answer.trim().to_owned(),
        Err(_) => String::new(),
    }
}

fn required(message: &str) -> AppError {
    AppError::new(ErrorCode::FactorRequired, Phase::Input, message)
}

fn secret(text: Zeroizing<String>) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// Typed ahead is not typed as an answer. A terminal that cannot be flushed still asks.
fn forget_what_was_typed_ahead() {
    let tty = rustix::fs::open(
        "/dev/tty",
        rustix::fs::OFlags::RDWR,
        rustix::fs::Mode::empty(),
    );
    if let Ok(tty) = tty {
        let _kept = rustix::termios::tcflush(&tty, rustix::termios::QueueSelector::IFlush);
    }
}

fn typed(question: &str) -> Result<Zeroizing<String>> {
    if !at_terminal() {
        return Err(required(
            "the approval passphrase must be entered at a terminal",
        ));
    }
    forget_what_was_typed_ahead();
    let _kept = Kept::open();
    rpassword::prompt_password(question)
        .map(Zeroizing::new)
        .map_err(|_| required("no passphrase was entered"))
}
