//! Where in a body a value stands.

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
    /// A function or a custom tool that is declared, called or chosen.
    Function,
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
    pub(super) fn member(self, name: &str) -> Self {
        match (self, name) {
            (Self::Top, "messages") => Self::Messages,
            (Self::Top | Self::Allowed, "tools") => Self::Tools,
            (Self::Top, "functions") => Self::Functions,
            (Self::Top, "tool_choice") => Self::Choice,
            (Self::Top, "response_format" | "output_format" | "output_config")
            | (Self::Format, "format") => Self::Format,
            (Self::Top, "stream_options") => Self::StreamOptions,
            (Self::Top, "reasoning" | "thinking") => Self::Reasoning,
            (Self::Top, "web_search_options") => Self::Search,
            (Self::Top, "prediction") => Self::Prediction,
            (Self::Top, "options") => Self::Options,
            (Self::Top, "system")
            | (Self::Message | Self::Prediction | Self::Source, "content")
            | (Self::Part | Self::Content, "content") => Self::Content,
            (Self::Top | Self::Message, "function_call")
            | (Self::Tool | Self::Call | Self::Choice, "function" | "custom") => Self::Function,
            (Self::Top | Self::Message, "audio")
            | (Self::Part | Self::Content, "input_audio" | "audio_url") => Self::Audio,
            (Self::Message, "tool_calls") => Self::Calls,
            (Self::Part | Self::Content, "image_url" | "video_url") => Self::Image,
            (Self::Part | Self::Content, "file") => Self::File,
            (Self::Part | Self::Content, "source") => Self::Source,
            (Self::Choice, "allowed_tools") => Self::Allowed,
            (Self::Format, "json_schema") => Self::JsonSchema,
            (_, "cache_control") if self.has_cache_hints() => Self::Cache,
            _ => Self::Free,
        }
    }

    fn has_cache_hints(self) -> bool {
        matches!(
            self,
            Self::Top | Self::Message | Self::Part | Self::Content | Self::Tool
        )
    }
}
