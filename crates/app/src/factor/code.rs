//! Showing the recovery code: once, on the terminal, to whoever sits there.

use std::io::{BufRead, IsTerminal, Write};

use handshake_llm::parts::RecoveryCode;

use super::{at_terminal, forget_what_was_typed_ahead};
use crate::out::Out;

/// The screen that programs draw on, and back. What was on it is in no scrollback afterwards.
const OTHER_SCREEN: &str = "\u{1b}[?1049h\u{1b}[H";
const FIRST_SCREEN: &str = "\u{1b}[?1049l";

/// Whether a code can be shown to a person, and to nobody else. Where it cannot, none is made.
pub(crate) fn can_be_shown(out: Out) -> bool {
    !out.json && at_terminal() && std::io::stdout().is_terminal()
}

/// Shows the code, and waits until the person says that they have it.
pub(crate) fn show(code: &RecoveryCode) {
    let drawn = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    let (begin, end) = match drawn {
        true => (OTHER_SCREEN, FIRST_SCREEN),
        false => ("\n", ""),
    };
    forget_what_was_typed_ahead();
    let mut stdout = std::io::stdout().lock();
    let parts = [
        begin,
        "Recovery code of this home:\n\n    ",
        code.shown(),
        "\n\nWrite it down and keep it away from this machine. It is not shown again, and not kept anywhere.\n\
         It sets a new approval passphrase when you forgot yours (`handshake home passphrase`), and opens the\n\
         home when its key file is lost (`handshake init`). Whoever has it can approve calls.\n\n\
         Press Enter when you have written it down. ",
    ];
    // A terminal that went away shows nothing; `handshake home recovery-code` makes another code.
    let _shown = parts
        .iter()
        .try_for_each(|part| stdout.write_all(part.as_bytes()))
        .and_then(|()| stdout.flush());
    let _read = std::io::stdin().lock().read_line(&mut String::new());
    let _back = stdout
        .write_all(end.as_bytes())
        .and_then(|()| stdout.flush());
}
