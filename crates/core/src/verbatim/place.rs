//! Where in a body a value stands.

use crate::chat::Shape;

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// A place of a body.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(super) enum Place { $($(#[$doc])* $name),+ }

        #[cfg(test)]
        impl Place {
            pub(super) const ALL: [Self; [$(stringify!($name)),+].len()] = [$(Self::$name),+];
        }
    };
}

places! {
    Top,
    Messages,
    Message,
    /// Text, a part, or a list of parts.
    Content,
    Part,
    /// The `image_url` of a part.
    Image,
    Audio,
    File,
    /// The `source` of a block.
    Source,
    Tools,
    Tool,
    /// A list of functions, from the time before tools.
    Functions,
    Calls,
    Call,
    /// A function that is declared, called or chosen.
    Function,
    Custom,
    Choice,
    Allowed,
    Format,
    JsonSchema,
    StreamOptions,
    Reasoning,
    Search,
    Prediction,
    Options,
    Cache,
    /// Schemas, arguments, metadata and whatever nobody here knows.
    Free,
}

impl Place {
    /// What the elements of an array are here.
    pub(super) fn element(self) -> Self {
        match self {
            Self::Messages => Self::Message,
            Self::Content => Self::Part,
            Self::Tools => Self::Tool,
            Self::Functions => Self::Function,
            Self::Calls => Self::Call,
            _ => Self::Free,
        }
    }

    /// What the value of a member is here.
    pub(super) fn member(self, shape: Shape, name: &str) -> Self {
        match (self, name) {
            (Self::Top, "messages") => Self::Messages,
            (Self::Top, "tools") => Self::Tools,
            (Self::Tool | Self::Call, "function") => Self::Function,
            (Self::Message, "tool_calls") => Self::Calls,
            (Self::Message, "content") => Self::Content,
            _ => match shape {
                Shape::ChatCompletions => self.of_completions(name),
                Shape::OllamaChat => match (self, name) {
                    (Self::Top, "options") => Self::Options,
                    _ => Self::Free,
                },
                Shape::Messages => self.of_blocks(name),
            },
        }
    }

    fn of_completions(self, name: &str) -> Self {
        match (self, name) {
            (Self::Top, "functions") => Self::Functions,
            (Self::Top, "tool_choice") => Self::Choice,
            (Self::Top, "response_format") => Self::Format,
            (Self::Top, "stream_options") => Self::StreamOptions,
            (Self::Top, "reasoning") => Self::Reasoning,
            (Self::Top, "web_search_options") => Self::Search,
            (Self::Top, "prediction") => Self::Prediction,
            (Self::Prediction, "content") => Self::Content,
            (Self::Top | Self::Message, "function_call") => Self::Function,
            (Self::Top | Self::Message, "audio") | (Self::Part, "input_audio") => Self::Audio,
            (Self::Part, "image_url") => Self::Image,
            (Self::Part, "file") => Self::File,
            (Self::Tool | Self::Call | Self::Choice, "custom") => Self::Custom,
            (Self::Choice, "function") => Self::Function,
            (Self::Choice, "allowed_tools") => Self::Allowed,
            (Self::Allowed, "tools") => Self::Tools,
            (Self::Format, "json_schema") => Self::JsonSchema,
            _ => Self::Free,
        }
    }

    fn of_blocks(self, name: &str) -> Self {
        match (self, name) {
            (Self::Top, "system") | (Self::Part | Self::Content, "content") => Self::Content,
            (Self::Top, "tool_choice") => Self::Choice,
            (Self::Top, "thinking") => Self::Reasoning,
            (Self::Top, "output_config" | "output_format") | (Self::Format, "format") => {
                Self::Format
            }
            (Self::Part | Self::Content, "source") => Self::Source,
            (Self::Source, "content") => Self::Content,
            (Self::Top | Self::Part | Self::Content | Self::Tool, "cache_control") => Self::Cache,
            _ => Self::Free,
        }
    }
}
