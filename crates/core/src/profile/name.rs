//! Words of a profile: models as people write them, and kinds of work.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::ids::{InvalidId, ModelRef};

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $form:literal, $max:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let ok: fn(u8) -> bool = $ok;
                if !text.is_empty() && text.len() <= $max && text.bytes().all(ok) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId { kind: $kind, expected: $form })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.0.as_ref().to_owned()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $form })
            }
        }
    };
}

word! {
    /// A model as a person writes it: `provider/model`, or the model alone until the profile is applied.
    ModelName, "model name", "^[!-~]{1,320}$", 320, |b| (0x21..=0x7e).contains(&b)
}
word! {
    /// A file type or kind of task.
    WorkKey, "file or task type", "^[A-Za-z0-9._+-]{1,64}$", 64,
    |b| b.is_ascii_alphanumeric() || b"._+-".contains(&b)
}

impl ModelName {
    /// The name read as `provider/model`. A bare name that holds `/` itself reads so too: only
    /// [`super::apply`], which knows the providers, can tell.
    #[must_use]
    pub fn qualified(&self) -> Option<ModelRef> {
        self.0.parse().ok()
    }
}

impl From<ModelRef> for ModelName {
    fn from(model: ModelRef) -> Self {
        // 63 + 1 + 256 visible ASCII characters at most: every model ref is a model name.
        Self(model.to_string().into())
    }
}
