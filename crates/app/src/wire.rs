//! The facade, as commands hold it.

use std::ops::Deref;

use handshake_core::ids::ExternalId;
use handshake_llm::{
    Approver, Handshake,
    parts::{Behind, Home, Parts},
};

pub(crate) use handshake_llm::parts::Wiring;

use crate::{error::Result, home, out::warn};

/// How far a home was behind what is noted of it outside, in a sentence.
pub(crate) fn behind_by(behind: &Behind) -> String {
    let had = match behind.size {
        0 => "what was noted of it outside is missing or was changed".to_owned(),
        size if behind.found_size >= size => {
            "its vault, or its log, is an older or another one".to_owned()
        }
        size => format!(
            "its log had reached event {size}, and ended at {}",
            behind.found_size
        ),
    };
    format!(
        "this home was put back to an older state, found at {}: {had}. What was approved before is void, and cloud calls are locked until its owner says why",
        behind.found_at
    )
}

/// Everything that a command may need.
pub(crate) struct App(Handshake);

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        self.0.parts()
    }
}

impl App {
    /// Wires everything over an open home.
    pub(crate) async fn wire(home: Home, wiring: Wiring) -> Result<Self> {
        let passphrase = home::passphrase(&home)?;
        let handshake = Handshake::wire(home, wiring, passphrase.as_ref()).await?;
        // On the terminal in any case: they are not this command's result.
        if let Some(behind) = handshake.parts().behind.last() {
            warn(&behind_by(behind), "run `handshake doctor`");
        }
        if handshake.parts().home.disturbed() > 0 {
            let message = "another home was put, or was tried to be put, in the place of a trusted one, at this path";
            warn(
                message,
                "run `handshake doctor`, and find out who did that if it was not you",
            );
        }
        Ok(Self(handshake))
    }

    /// The person's side of consent, at this terminal.
    pub(crate) fn approver(&self) -> Result<Approver> {
        Ok(self.0.approver().on_surface(ExternalId::new("terminal")?))
    }
}
