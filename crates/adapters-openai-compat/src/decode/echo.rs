//! The model that an answer names, beside the one that was asked for.

use handshake_core::{chat::ChatEvent, error::CallError, ids::ModelId, reply::is_same_model};

use super::turn::{Turn, protocol};
use crate::{dialect::Echo, wire::reply::Loose};

impl Turn {
    /// A model that is not the one that was asked for is another model's answer (Q150): an error, or told once, as the
    /// call has it.
    pub(super) fn another_model(
        &mut self,
        answered: Option<&Loose<'_>>,
    ) -> Result<Option<ChatEvent>, CallError> {
        let (Some(requested), Some(answered)) = (&self.spec.requested_model, answered) else {
            return Ok(None);
        };
        let requested = requested.as_str();
        let echoes = match answered {
            Loose::Text(name) if self.spec.model_may_differ => {
                if **name == *self.named || **name == *requested || name.is_empty() {
                    return Ok(None);
                }
                (**name).clone_into(&mut self.named);
                let checked = self.dialect.echo != Echo::Unchecked;
                if (checked && self.dialect.echoes(requested, name))
                    || is_same_model(requested, name)
                {
                    return Ok(None);
                }
                let model_id = ModelId::new(&**name).ok();
                return Ok(Some(ChatEvent::ModelAnswered { model_id }));
            }
            Loose::Text(name) => self.dialect.echoes(requested, name),
            Loose::Other(value) => value.is_null(),
        };
        if echoes {
            Ok(None)
        } else {
            Err(protocol("model"))
        }
    }
}
